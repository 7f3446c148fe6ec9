"""Catalogue choices that mean the same tomorrow and in another process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

from restor.config import Config
from restor.data.locate import is_released, locate_documents
from restor.datasets.base import DatasetConfig
from restor.datasets.hub import pinned
from restor.domains.triples import TriplesConfig, located
from restor.models.model_ref import ModelRef

ConfigT = TypeVar("ConfigT", bound=Config)


def with_seed(config: ConfigT, seed: int) -> ConfigT:
    """A catalogue choice with the study's seed where it has none of its own."""
    if "seed" in type(config).model_fields and config.model_dump()["seed"] is None:
        return config.model_copy(update={"seed": seed})
    return config


def settled(config: ConfigT, seed: int) -> ConfigT:
    """A catalogue choice that means the same tomorrow and in another process: with its seed, its files, its revision.

    Raises:
        DataError: if a file or a data set of the hub cannot be found.
    """
    chosen: Any = with_seed(config, seed)
    if isinstance(chosen, DatasetConfig):
        chosen = pinned(chosen)
    elif isinstance(chosen, TriplesConfig):
        chosen = located(chosen)
    paths = {name: value for name in type(chosen).model_fields if isinstance(value := getattr(chosen, name), Path)}
    files = {
        name: Path(os.path.abspath(locate_documents(path) if is_released(path) else path))
        for name, path in paths.items()
    }
    settled_config: ConfigT = chosen.model_copy(update=files) if files else chosen
    return settled_config


def from_anywhere(config: ConfigT) -> ConfigT:
    """The configuration with absolute paths, so that it means the same in every folder; released names stay."""
    changes: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, Config):
            changes[name] = from_anywhere(value)
        elif isinstance(value, Path) and not is_released(value):
            changes[name] = value.absolute()
    if isinstance(config, ModelRef):
        places = {"path": config.path, "adapter": config.adapter}
        changes |= {name: os.path.abspath(place) for name, place in places.items() if place and os.path.exists(place)}
    return config.model_copy(update=changes)
