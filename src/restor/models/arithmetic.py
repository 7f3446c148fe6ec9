"""Arithmetic on models' parameters, tensor by tensor in float32: the memory is that of one tensor, not of a model.

Weights are mappings that make a tensor when it is asked for: read from safetensors, taken from a live model, computed
from an adapter, or from other weights.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import final

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from restor.errors import ConfigError

Weights = Mapping[str, Tensor]
"""Parameters by name, float32 on the CPU, made anew whenever one is asked for."""


@final
class Lazy(Mapping[str, Tensor]):
    """Weights that a function makes one by one."""

    def __init__(self, names: Collection[str], make: Callable[[str], Tensor]) -> None:
        self._names = dict.fromkeys(names)
        self._make = make

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._names:
            raise KeyError(name)
        return self._make(name).to(torch.float32)

    def __contains__(self, name: object) -> bool:
        return name in self._names  # Mapping's own would make the tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def plus(weights: Weights, *vectors: tuple[float, Weights]) -> Weights:
    """theta + sum_i c_i v_i, parameter by parameter; a vector leaves out the parameters that it does not change.

    Raises:
        ConfigError: if a vector has a parameter that the weights lack, or one of another shape.
    """
    for _, vector in vectors:
        if unknown := next((name for name in vector if name not in weights), None):
            raise ConfigError(
                f"The models have different parameters ({unknown}); weight arithmetic needs the same architecture."
            )

    def make(name: str) -> Tensor:
        value = weights[name]
        for factor, vector in vectors:
            if name in vector:
                change = vector[name]
                if change.shape != value.shape:  # which might be broadcast
                    raise ConfigError(
                        f"A vector has {name} of shape {tuple(change.shape)}, the weights have it of shape "
                        f"{tuple(value.shape)}; weight arithmetic needs the same shapes."
                    )
                value = value + factor * change
        return value

    return Lazy(weights, make)


def difference(end: Weights, start: Weights) -> Weights:
    """theta_end - theta_start.

    Raises:
        ConfigError: if the two have different parameters.
    """
    if end.keys() != start.keys():
        raise ConfigError("The models have different parameters; weight arithmetic needs the same architecture.")
    return Lazy(end, lambda name: end[name] - start[name])


def total_norm(weights: Weights) -> float:
    """The l2 norm of all parameters together."""
    return math.sqrt(sum(float(weights[name].double().square().sum()) for name in weights))


# On disk -------------------------------------------------------------------------------------------------------------

SHARD = 2 * 2**30
"""Bytes after which another file is begun."""


@final
class StoredWeights(Mapping[str, Tensor]):
    """Weights in safetensors files of a folder, of which one tensor at a time is read.

    `names` are those of the files; None: what `store_weights` wrote, which has no others.
    """

    def __init__(self, folder: Path, names: Sequence[str] | None = None) -> None:
        self.folder = folder
        self._files: dict[str, Path] = {}
        for file in sorted(folder.glob("*.safetensors")) if names is None else [folder / name for name in names]:
            with safe_open(file, framework="pt") as opened:
                self._files |= dict.fromkeys(opened.keys(), file)

    def __getitem__(self, name: str) -> Tensor:
        with safe_open(self._files[name], framework="pt") as opened:
            tensor: Tensor = opened.get_tensor(name)
        return tensor.to(torch.float32)

    def __contains__(self, name: object) -> bool:
        return name in self._files  # Mapping's own would read the tensor

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, which is not read."""
        with safe_open(self._files[name], framework="pt") as opened:
            return tuple(opened.get_slice(name).get_shape())

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def store_weights(weights: Mapping[str, Tensor], folder: Path, note: Mapping[str, object] | None = None) -> None:
    """Write weights shard by shard as `folder`, which appears at once and whole, with a note in JSON beside them.

    Raises:
        OSError, SafetensorError: if the disk refuses.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    shard: dict[str, Tensor] = {}
    size = number = 0
    for name in weights:
        value = weights[name].detach().cpu().contiguous()
        if shard and size + value.nbytes > SHARD:
            save_file(shard, partial / f"{number:05d}.safetensors")
            shard, size, number = {}, 0, number + 1
        shard[name] = value
        size += value.nbytes
    save_file(shard, partial / f"{number:05d}.safetensors")
    (partial / "note.json").write_text(json.dumps(dict(note or {})), encoding="utf-8")
    os.replace(partial, folder)


def read_note(folder: Path) -> dict[str, object]:
    """What was written beside stored weights. Raises OSError."""
    note: dict[str, object] = json.loads((folder / "note.json").read_text(encoding="utf-8"))
    return note


def generator_for(seed: int, name: str) -> torch.Generator:
    """Random numbers that depend on a seed and a parameter's name alone, in whatever order tensors are made."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big"))
