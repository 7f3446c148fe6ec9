"""What every stage needs: where it reads and writes, its world, the device, and how it tells where it is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from restor.models.checkpoint import load_model, save_model
from restor.models.families import embeddings_in
from restor.models.lineage import Lineage
from restor.models.loading import load_checkpoint, pick_device, save_checkpoint
from restor.models.reference import ModelRef
from restor.models.tokenizer_loading import fit_tokenizer, load_tokenizer
from restor.progress import Progress
from restor.results import Cost
from restor.tasks.world import Asked, World
from restor.training.callbacks.base import Callback
from restor.training.callbacks.progress import ReportProgress
from restor.training.config import LoopConfig, LoraConfig, OptimizerConfig
from restor.training.loop import TrainingLog
from restor.training.resume import ResumeFolder


@final
@dataclass(frozen=True, slots=True)
class Job:
    """One stage being made."""

    config: Mapping[str, Any]
    seed: int
    parents: Mapping[str, Path]
    """Role -> folder of the finished artifact."""
    directory: Path
    """Where the stage writes."""
    resume: Path
    """Where a training run keeps what it needs to continue after a kill."""
    asked: Asked | None
    """What models are asked; None where only a checkpoint is made."""
    device: torch.device
    progress: Progress
    save_every: float
    """Seconds between a training run's own checkpoints."""
    memo: MutableMapping[str, Any] = field(default_factory=dict)
    """What stages of one seed share within a process; whatever is not there is worked out again."""

    @property
    def questions(self) -> Asked:
        """What models are asked, for the stages that ask."""
        assert self.asked is not None, "making a checkpoint asks nothing"
        return self.asked

    @property
    def world(self) -> World:
        """The world of a study, for the stages that only studies have."""
        assert isinstance(self.asked, World), "a comparison trains nothing"
        return self.asked

    def callbacks(self) -> list[Callback]:
        """What every training run tells."""
        return [ReportProgress(self.progress)]

    def resume_folder(self) -> ResumeFolder:
        """For the training loop."""
        return ResumeFolder(self.resume / "loop", self.save_every)


@final
@dataclass(frozen=True, slots=True)
class Built:
    """What a stage reports when its files are written."""

    cost: Cost
    info: Mapping[str, Any] = field(default_factory=dict)


def loop_config(
    job: Job, *, steps: int, lr: float, optimizer: Mapping[str, Any], lora: Mapping[str, Any] | None = None
) -> LoopConfig:
    """The configuration of a training run from the stage's."""
    return LoopConfig(
        steps=steps,
        lr=lr,
        optimizer=OptimizerConfig.model_validate(optimizer),
        precision=job.config["precision"],
        accumulation=job.config["accumulation"],
        gradient_checkpointing=job.config["gradient_checkpointing"],
        lora=None if lora is None else LoraConfig.model_validate(lora),
    )


SAMPLING = "flops_of_samples"
"""What a stage tells of the operations by which a model wrote its own texts."""

REF_FILE = "ref.json"
"""Stands in place of a model's weights where they are in a checkpoint made elsewhere."""


def open_model(job: Job, role: str, *, full: bool = False) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model of a parent and its tokenizer; in float32 if all its weights are to be trained (`full`).

    Raises:
        RestorError: if it is a checkpoint made elsewhere that is no longer there or cannot be loaded.
    """
    return open_folder(job.parents[role], job.device, full=full)


def open_folder(
    folder: Path, device: torch.device, *, full: bool, to_ask: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The same, by the folder of the artifact; `to_ask` as in `load_checkpoint`.

    Raises:
        RestorError: as `open_model`.
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


def tell_cuts(job: Job, cuts: Mapping[str, str]) -> dict[str, Any]:
    """Say what was cut, once for all stages of a seed that cut the same; returns what a stage reports of it."""
    told = job.memo.setdefault("cuts", set())
    for text in cuts.values():
        if text not in told:
            told.add(text)
            job.progress.note(text)
    return {"cut": dict(cuts)} if cuts else {}


def finish(
    job: Job,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    log: TrainingLog,
    info: Mapping[str, Any],
    lineage: Lineage | None = None,
) -> Built:
    """Write the model and the log of its training; with its lineage, if it is to be used alone."""
    folder = job.directory / "model"
    if lineage is None:
        save_model(model, tokenizer, folder)
    else:
        save_checkpoint(model, tokenizer, folder, lineage)
    lines = "".join(json.dumps(record) + "\n" for record in log.records)
    (job.directory / "training.jsonl").write_text(lines, encoding="utf-8")
    cost = Cost(
        seconds=log.seconds,
        steps=log.steps,
        tokens=log.tokens,
        peak_memory_mb=round(peak_memory_mb(job.device), 1),
        flops=log.flops + info.get(SAMPLING, 0.0),
    )
    return Built(cost, info)


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
