"""What every training does around its loop: opens the model, tells what was cut, writes the model and its log."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from restor.models.checkpoint import load_model, save_model
from restor.models.device import pick_device
from restor.models.families import embeddings_in
from restor.models.loading import load_checkpoint
from restor.models.model_ref import ModelRef
from restor.models.tokenizer_loading import fit_tokenizer, load_tokenizer
from restor.results import Cost
from restor.tasks.base import Context, Made
from restor.tasks.checkpoint import REF_FILE
from restor.training.callbacks.base import Callback
from restor.training.callbacks.progress import ReportProgress
from restor.training.loop import TrainingLog
from restor.training.resume import ResumeFolder


def callbacks(context: Context) -> list[Callback]:
    """What every training run tells."""
    return [ReportProgress(context.progress)]


def resume_folder(context: Context) -> ResumeFolder:
    """Where the training loop keeps what it needs to continue."""
    return ResumeFolder(context.resume / "loop", context.save_every)


SAMPLING = "flops_of_samples"
"""What a stage tells of the operations by which a model wrote its own texts."""


def open_folder(
    folder: Path, device: torch.device, *, full: bool, to_ask: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model of an artifact and its tokenizer.

    Args:
        folder: of the artifact.
        device: where the model goes, unless it is a checkpoint that names its own.
        full: whether it is in float32, since all its weights are to be trained.
        to_ask: as in `load_checkpoint`.

    Raises:
        RestorError: if it is a checkpoint made elsewhere that is no longer there or cannot be loaded.
    """
    if (folder / REF_FILE).is_file():
        ref = ModelRef.model_validate_json((folder / REF_FILE).read_text(encoding="utf-8"))
        return load_checkpoint(trainable(ref) if full else ref, device=place_of(ref, device), to_ask=to_ask)
    model, tokenizer = load_model(folder / "model", device, full=full), load_tokenizer(folder / "model")
    fit_tokenizer(tokenizer, embeddings_in(model), str(folder))
    return model, tokenizer


def trainable(ref: ModelRef) -> ModelRef:
    """The checkpoint in float32, unless the user named another dtype: small steps are lost in narrower weights."""
    return ref.model_copy(update={"dtype": "float32"}) if ref.dtype == "auto" else ref


def place_of(ref: ModelRef, default: torch.device) -> torch.device:
    """Where a checkpoint goes: the device it names, else the default."""
    return default if ref.device == "auto" else pick_device(ref.device)


def tell_cuts(context: Context, cuts: Mapping[str, str]) -> dict[str, Any]:
    """Say what was cut, once for all tasks of a seed that cut the same; returns what a task reports of it."""
    known = context.memo.setdefault("cuts", set())
    for text in cuts.values():
        if text not in known:
            known.add(text)
            context.progress.note(text)
    return {"cut": dict(cuts)} if cuts else {}


def finish(
    context: Context,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    log: TrainingLog,
    info: Mapping[str, Any],
) -> Made:
    """Write the model and the log of its training."""
    save_model(model, tokenizer, context.directory / "model")
    lines = "".join(json.dumps(record) + "\n" for record in log.records)
    (context.directory / "training.jsonl").write_text(lines, encoding="utf-8")
    cost = Cost(
        seconds=log.seconds,
        steps=log.steps,
        tokens=log.tokens,
        peak_memory_mb=round(peak_memory_mb(context.place), 1),
        flops=log.flops + info.get(SAMPLING, 0.0),
    )
    return Made(cost, info)


def reset_peak_memory(device: torch.device) -> None:
    """Begin to measure the peak anew, where the system can."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):
        Path(f"/proc/{os.getpid()}/clear_refs").write_text("5", encoding="ascii")


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory since the last reset: of the GPU there, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    with suppress(OSError, StopIteration, ValueError):
        status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return int(next(line for line in status if line.startswith("VmHWM:")).split()[1]) / 1024
    with suppress(ImportError):
        import resource  # not on Windows

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return 0.0
