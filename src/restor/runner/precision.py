"""The precision that models are trained and asked in, where a configuration leaves it to restor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from restor.experiment import ExperimentConfig
from restor.models.device import pick_device
from restor.models.files import check_config, check_weights, find_folder
from restor.models.hardware import multiplies_bfloat16
from restor.models.model_ref import ModelRef
from restor.models.precision import Precision, Shape, choose, precision_to_ask, shape_of

WORDS = 1024
"""Size of a vocabulary of words, about: it is made later, and differs from world to world."""

Wanted = Literal["auto", "float32", "bfloat16"]
Note = Callable[[str], None]


def study_precision(config: ExperimentConfig, folder: Path, note: Note) -> Precision:
    """The precision that a study trains in: as it says, else what is faster for its model; `folder` remembers.

    Raises:
        RestorError: if the device or the checkpoint to begin with is not there, or what is remembered is garbled.
    """
    if config.start is not None:
        return checkpoint_precision(config.precision, config.start, config.device, folder, note)
    model = config.model
    shape = Shape(
        hidden=model.hidden,
        intermediate=model.intermediate,
        vocabulary=WORDS if model.tokenizer == "words" else model.vocabulary,
        layers=model.layers,
        tokens=config.unlearning.forget_tokens,
    )
    return _precision(config.precision, config.device, lambda: shape, folder, note)


def checkpoint_precision(wanted: Wanted, ref: ModelRef, device: str, folder: Path | None, note: Note) -> Precision:
    """The precision that a checkpoint is trained in; the arguments as those of `study_precision`.

    Raises:
        RestorError: as `study_precision`.
    """
    where = device if ref.device == "auto" else ref.device
    return _precision(wanted, where, lambda: shape_of(_config(ref)), folder, note)


def _precision(wanted: Wanted, device: str, shape: Callable[[], Shape], folder: Path | None, note: Note) -> Precision:
    if wanted != "auto":
        return wanted
    place = pick_device(device)
    if not multiplies_bfloat16(place):
        return "float32"
    if place.type != "cpu":  # the products of a GPU are many times as fast in it
        return "bfloat16"
    choice, new = choose(folder, shape(), "train")
    if new:
        note(f"{choice.told[0].upper()}{choice.told[1:]}.")
    return choice.precision


def asked_refs(models: Mapping[str, ModelRef], device: str, folder: Path, note: Note) -> dict[str, ModelRef]:
    """Checkpoints with the dtype that they are asked in, where a CPU has the choice: where they are stored in bfloat16.

    Raises:
        RestorError: as `study_precision`.
    """
    return {name: _asked(ref, device, folder, note) for name, ref in models.items()}


def _asked(ref: ModelRef, device: str, folder: Path, note: Note) -> ModelRef:
    place = pick_device(device if ref.device == "auto" else ref.device)
    if ref.dtype != "auto" or place.type != "cpu" or not _stored_in_bfloat16(ref):
        return ref
    dtype, reason = precision_to_ask(_config(ref), folder)
    if reason:
        note(f"{ref.label}: {reason}.")
    return ref.model_copy(update={"dtype": dtype})


def _config(ref: ModelRef) -> Mapping[str, Any]:
    return check_config(find_folder(ref.path, ref.revision, only_config=True).folder, ref.path)


def _stored_in_bfloat16(ref: ModelRef) -> bool:
    """Of a hub id, as its configuration says: the weights may not be fetched yet."""
    if ref.folder is not None:
        return set(check_weights(ref.folder, ref.path)) == {"BF16"}
    config = _config(ref)
    return "bfloat16" in (config.get("dtype"), config.get("torch_dtype"))
