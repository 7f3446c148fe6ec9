"""What every stage needs: where it reads and writes, its world, the device, and how it tells where it is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from restor.errors import ConfigError, DataError
from restor.models.checkpoint import load_model, load_tokenizer, save_model
from restor.models.tokenizer import encode_rows
from restor.pipeline.world import World
from restor.progress import Progress
from restor.results import Cost
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
    world: World
    device: torch.device
    progress: Progress
    save_every: float
    """Seconds between a training run's own checkpoints."""
    memo: MutableMapping[str, Any] = field(default_factory=dict)
    """What stages of one seed share within a process; whatever is not there is worked out again."""

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


def pick_device(wanted: str) -> torch.device:
    """The device to compute on.

    Raises:
        ConfigError: if it is not there.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise ConfigError(f"Unknown device {wanted!r}. Use auto, cpu, cuda or cuda:N.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"Device {wanted!r} is not there: {torch.cuda.device_count()} GPUs found. Use cpu or auto.")
    return device


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


def open_model(job: Job, role: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model of a parent and its tokenizer."""
    folder = job.parents[role] / "model"
    return load_model(folder, job.device), load_tokenizer(folder)


def pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """A token id to fill rows up with; it is never a label, so any will do where there is none."""
    return tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0


def encode_within(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], context: int) -> list[list[int]]:
    """Encode texts that must fit the model.

    Raises:
        DataError: naming the first text that does not, since cutting it would change what is read.
    """
    rows = encode_rows(tokenizer, texts)
    for text, row in zip(texts, rows, strict=True):
        if len(row) > context:
            raise DataError(
                f"A text of {len(row)} tokens does not fit the model's context of {context}: {text[:80]!r}... "
                "Split it, or raise model.context."
            )
    return rows


def finish(
    job: Job, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, log: TrainingLog, info: Mapping[str, Any]
) -> Built:
    """Write the model and the log of its training."""
    save_model(model, tokenizer, job.directory / "model")
    lines = "".join(json.dumps(record) + "\n" for record in log.records)
    (job.directory / "training.jsonl").write_text(lines, encoding="utf-8")
    cost = Cost(
        seconds=log.seconds, steps=log.steps, tokens=log.tokens, peak_memory_mb=round(peak_memory_mb(job.device), 1)
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


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """No progress bars of other libraries, and no warning that tokenizers meet a fork, while a stage is made."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging

    was_disabled, verbosity = are_progress_bars_disabled(), logging.get_verbosity()
    disable_progress_bars()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        logging.enable_progress_bar()
        if not was_disabled:
            enable_progress_bars()
