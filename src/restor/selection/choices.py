"""Stored choices of hyperparameters: those shipped with restor, and users' own. Torch-free."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal, final

from pydantic import ValidationError

from restor.config import Config, validation_message
from restor.errors import ConfigError
from restor.selection.trial import Chosen, Trial
from restor.types import Strength
from restor.untrusted import json_value, read_text


@final
class Selection(Config):
    """A stored choice of hyperparameters, with its whole trace."""

    recipe: str
    score: str
    """What was maximised, in words."""
    seeds: list[int]
    """Worlds it was made on."""
    n_entities: int
    """Validation entities in all these worlds together."""
    versions: dict[str, str]
    choices: dict[Strength, dict[str, dict[Literal["none", "unrelated", "related"], Chosen]]]
    """Strength of the corruption -> arm -> retain text -> what was chosen."""
    trace: dict[Strength, list[Trial]]
    """Every trial, in the order of arms, retain texts, points and worlds."""


def read_selection(name: str) -> Selection:
    """A selection shipped with restor (by name) or a JSON file (by path).

    Raises:
        ConfigError: if there is none, or it cannot be read.
    """
    shipped = {
        item.name.removesuffix(".json"): item
        for item in files("restor").joinpath("selections").iterdir()
        if item.name.endswith(".json")
    }
    path = Path(name)
    if name not in shipped and not path.is_file():
        known = sorted(shipped)
        raise ConfigError(
            f"There is no selection {name!r}: neither a file of that path nor one shipped with restor "
            f"({', '.join(known)}). Make one with `restor select`, or set unlearning.selection to null."
        )
    try:
        text = shipped[name].read_text(encoding="utf-8") if name in shipped else read_text(path)
        return Selection.model_validate(json_value(text))
    except ValidationError as error:
        raise ConfigError(validation_message(error, f"The selection {name!r} cannot be read")) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"The selection {name!r} cannot be read: {error}") from error
