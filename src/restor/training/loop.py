"""The only training loop: clean, corruption, ideal, unlearning and recovery all run through `train`."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from transformers import PreTrainedModel

from restor.errors import ConfigError, TrainingError
from restor.models.labelled import TokenBatch, check_output_layer, collate
from restor.training.batching import Rows, RowSource
from restor.training.callbacks.base import Callback, StepEvent
from restor.training.config import LoopConfig
from restor.training.objective import Objective
from restor.training.precision import autocast
from restor.training.resume import LoopState, ResumeFolder
from restor.training.schedules import lr_scale


@final
@dataclass(frozen=True, slots=True)
class TrainingLog:
    """What a finished run did: optimiser steps, tokens read, seconds, and one record of losses per step."""

    steps: int
    tokens: int
    seconds: float
    records: tuple[Mapping[str, float], ...]


def train(
    model: PreTrainedModel,
    objective: Objective,
    sources: Mapping[str, RowSource],
    config: LoopConfig,
    *,
    pad: int,
    seed: int,
    callbacks: Sequence[Callback] = (),
    resume: ResumeFolder | None = None,
) -> TrainingLog:
    """Minimise the objective over the model's trainable parameters, in place.

    The batch of a step depends on the step alone, so a run that continues from `resume` equals one that was never
    interrupted, bit for bit, on the same machine with the same number of threads.

    Args:
        model: on its device; parameters that require gradients are trained.
        objective: its terms, each fed by the source of the same name.
        sources: rows for every step, by term.
        config: steps, learning rate, schedule, precision.
        pad: token id that fills rows up; it is never a label.
        seed: of the dropout.
        callbacks: called after every step.
        resume: where the run saves itself and continues from.

    Raises:
        TrainingError: if a loss or gradient is not finite, naming the step and the term.
        ConfigError: if a term that cannot be taken in parts meets gradient accumulation, or weights are not float32.
    """
    check_output_layer(model.eval())
    for term, normalizer in objective.terms.items():
        if normalizer == "batch" and config.accumulation > 1:
            raise ConfigError(
                f"The {term!r} loss is a mean over the whole batch inside a logarithm and cannot be accumulated over "
                f"{config.accumulation} parts. Set accumulation to 1 or choose another normalisation."
            )
    trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
    if not trained:
        raise ConfigError("No parameter of the model requires a gradient: there is nothing to train.")
    if narrow := next((name for name, value in trained.items() if value.dtype != torch.float32), None):
        raise ConfigError(
            f"The weights to be trained are {str(trained[narrow].dtype).removeprefix('torch.')} ({narrow}), in which "
            "small steps are lost. Load the model with dtype float32, or train an adapter (lora)."
        )
    names = list(trained)
    optimizer = torch.optim.AdamW(
        trained.values(),
        lr=config.lr,
        betas=config.optimizer.betas,
        weight_decay=config.optimizer.weight_decay,
        fused=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = (resume.load(trained, optimizer, names) if resume else None) or LoopState()
        model.train()
        with _checkpointed(model, config.gradient_checkpointing):
            _run(model, objective, sources, config, pad, trained, optimizer, state, callbacks, resume)
        model.eval()
    return TrainingLog(state.step, state.tokens, state.seconds, tuple(state.log))


def _run(
    model: PreTrainedModel,
    objective: Objective,
    sources: Mapping[str, RowSource],
    config: LoopConfig,
    pad: int,
    trained: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    state: LoopState,
    callbacks: Sequence[Callback],
    resume: ResumeFolder | None,
) -> None:
    before, started = state.seconds, time.perf_counter()
    while state.step < config.steps:
        lr = config.lr * lr_scale(state.step, config.steps, config.optimizer)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad(set_to_none=True)
        losses: dict[str, float] = {}
        for term in objective.terms:
            rows = sources[term].rows(state.step)
            state.tokens += sum(len(row) for row in rows.ids)
            losses[term] = _backward(term, model, objective, rows, config, pad, state.step)
        norm = _clip(trained, config, state.step)
        optimizer.step()
        state.step += 1
        state.seconds = before + time.perf_counter() - started
        state.log.append({"step": state.step, "lr": lr, "grad_norm": norm, **losses})
        event = StepEvent(state.step, config.steps, losses, lr, norm, state.tokens, model)
        for callback in callbacks:
            callback.after_step(event)
        if resume and state.step < config.steps and resume.due():
            resume.save(state, trained, optimizer, names=list(trained))


def _backward(
    term: str, model: PreTrainedModel, objective: Objective, rows: Rows, config: LoopConfig, pad: int, step: int
) -> float:
    """Accumulate the gradient of one term over the parts of its batch; returns the loss of the whole batch."""
    parts = [part.to(model.device) for part in _parts(rows, config.accumulation, pad)]
    counts = [_count(part, objective.terms[term]) for part in parts]
    whole = 0.0
    for part, count in zip(parts, counts, strict=True):
        if not count:
            continue
        with autocast(model.device, config.precision):
            loss = objective.loss(term, model, part) * (count / sum(counts))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"The {term!r} loss is {value} at step {step + 1} of {config.steps} (batch rows "
                f"{part.rows[:8].tolist()}..., learning rate {config.lr:g}). Nothing was saved. Lower the learning "
                "rate or the number of steps, or use precision float32."
            )
        loss.backward()  # type: ignore[no-untyped-call]
        whole += value
    return whole


def _parts(rows: Rows, parts: int, pad: int) -> Iterator[TokenBatch]:
    size = math.ceil(len(rows.ids) / parts)
    for start in range(0, len(rows.ids), size):
        part = rows.part(start, start + size)
        yield collate(part.ids, part.numbers, pad, part.labels)


def _count(batch: TokenBatch, normalizer: str) -> int:
    return batch.n_labelled if normalizer == "tokens" else batch.n_rows


def _clip(trained: dict[str, Tensor], config: LoopConfig, step: int) -> float:
    norm = float(torch.nn.utils.clip_grad_norm_(trained.values(), config.optimizer.clip))
    if not math.isfinite(norm):
        raise TrainingError(
            f"The gradient is not finite at step {step + 1} of {config.steps} (learning rate {config.lr:g}). Nothing "
            "was saved. Lower the learning rate, or use precision float32."
        )
    return norm


@contextlib.contextmanager
def _checkpointed(model: PreTrainedModel, wanted: bool) -> Iterator[None]:
    """Gradient checkpointing for the duration of the run; not reentrant, so that it works with an adapter too."""
    if not wanted:
        yield
        return
    newer = hasattr(model, "activation_checkpointing_enable")  # its name in transformers 5.23, where the other warns
    if newer:
        model.activation_checkpointing_enable({"use_reentrant": False})
    else:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    try:
        yield
    finally:
        if newer:
            model.activation_checkpointing_disable()
        else:
            model.gradient_checkpointing_disable()
        model.disable_input_require_grads()  # which transformers enables with it
