"""What the files of a checkpoint may make us build: its config.json against the weights that are there."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig

from restor.errors import DataError

COUNT = re.compile(r"(^|_)(layers?|size|dim|heads|experts|labels|embd|inner|types)$")
"""Ends of the names of settings that something is built of."""
LAYERS = frozenset({"num_hidden_layers", "num_layers", "n_layers", "n_layer"})
"""What is repeated: most of the work of building a model."""
SPARE = 2**26
"""Numbers that a model may have beyond twice those of its weights: tables of positions, masks."""
ADVICE = "Take the config.json that belongs to the weights."

Shapes = Mapping[str, tuple[int, ...]]


def check_sizes(settings: Mapping[str, Any], shapes: Shapes, name: str) -> None:
    """Compare what config.json counts with the weights, before anything is made of it.

    Raises:
        DataError: for more layers than the weights have, or a size beyond all their numbers.
    """
    numbers = sum(map(prod, shapes.values()))
    # Experts are counted too: this bounds the layers, and what is missing of one is told when the model is loaded.
    layers = {tensor[: part.end()] for tensor in shapes for part in re.finditer(r"(?<=\.)\d+(?=\.|$)", tensor)}
    for setting, value in _counts(settings):
        most, kind = (len(layers), "layers") if setting in LAYERS else (numbers, "numbers in all")
        if value > most:
            raise DataError(
                f"The config.json of {name} has {setting} {_short(value)}, and its weights are of {most:,} {kind}. "
                f"{ADVICE}"
            )


def check_model(config: PreTrainedConfig, shapes: Shapes, name: str) -> None:
    """The same for the model that a configuration describes, whose weights take no memory here.

    Raises:
        DataError: if it is far larger than the weights.
    """
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(copy.deepcopy(config), dtype=torch.float32)
    parts = {part: value for kind in (model.named_parameters(), model.named_buffers()) for part, value in kind}
    built, numbers = sum(value.numel() for value in parts.values()), sum(map(prod, shapes.values()))
    # A number of quantised weights may hold eight.
    times = 8 if getattr(config, "quantization_config", None) is not None else 2
    if built > times * numbers + SPARE:
        largest = max(parts, key=lambda part: parts[part].numel())
        raise DataError(
            f"The config.json of {name} describes a model of {built:,} numbers, and its weights are {numbers:,}. The "
            f"largest part would be {largest}: {list(parts[largest].shape)}. {ADVICE}"
        )


def _counts(settings: Any, setting: str = "") -> Iterator[tuple[str, int]]:
    """Settings that count something, by name, those within other settings too."""
    if isinstance(settings, Mapping):
        for name, value in settings.items():
            yield from _counts(value, name)
    elif isinstance(settings, list):
        for value in settings:
            yield from _counts(value, setting)
    elif type(settings) is int and COUNT.search(setting):
        yield setting, settings


def _short(value: int) -> str:
    digits = f"{value:,}"
    return digits if len(digits) < 40 else f"{digits[:20]}..."
