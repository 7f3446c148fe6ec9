"""The only training loop: clean, corruption, ideal, unlearning and recovery all run through `train`."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from transformers import PreTrainedModel

from restor.errors import CodeError, ConfigError, TrainingError
from restor.models.flops import Meter, metered
from restor.models.labelled import TokenBatch, check_output_layer, collate, predict
from restor.training.batching import Rows, RowSource
from restor.training.callbacks.base import Callback, EndRun, StepEvent
from restor.training.config import LoopConfig
from restor.training.objective import Objective, RememberingObjective
from restor.training.optim import autocast, lr_scale, make_optimizer
from restor.training.resume import LoopState, ResumeFolder
from restor.training.rules import Around, Gradients, Step, StepRule, SumOfTerms


@final
@dataclass(frozen=True, slots=True)
class TrainingLog:
    """What a finished run did: optimiser steps, tokens read, seconds, and one record of losses per step."""

    steps: int
    tokens: int
    seconds: float
    records: tuple[Mapping[str, float], ...]
    flops: float
    """Floating-point operations, see `restor.models.flops`."""


def train(
    model: PreTrainedModel,
    objective: Objective,
    sources: Mapping[str, RowSource],
    config: LoopConfig,
    *,
    pad: int,
    seed: int,
    rule: StepRule | None = None,
    callbacks: Sequence[Callback] = (),
    resume: ResumeFolder | None = None,
    part: str = "",
    meter: Meter | None = None,
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
        rule: how the terms make the gradient of a step; None adds theirs up.
        callbacks: called after every step; one of them may end the run.
        resume: where the run saves itself and continues from.
        part: what callbacks are told of a training beside the run itself.
        meter: what else the objective runs is counted by; afterwards it has what it had before.

    Raises:
        CodeError: if the rule returns no losses.
        TrainingError: if a loss or gradient is not finite, naming the step and the term.
        ConfigError: if a term that cannot be taken in parts meets gradient accumulation, or weights are not float32.
    """
    counted = meter or Meter()
    with counted.apart():
        check_output_layer(model.eval())
        counted.take()
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
    optimizer = make_optimizer(trained.values(), config.optimizer, lr=config.lr)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = (resume.load(trained, optimizer, names) if resume else None) or LoopState()
        model.train()
        with _checkpointed(model, config.gradient_checkpointing), counted.apart(), metered(model, counted):
            run = _Run(model, objective, rule or SumOfTerms(), sources, config, pad, seed, trained, optimizer, counted)
            run.go(state, callbacks, resume, part)
            counted.take()
        optimizer.zero_grad(set_to_none=True)
        model.eval()
    return TrainingLog(state.step, state.tokens, state.seconds, tuple(state.log), state.flops)


@final
class _Step(Step):
    """One optimiser step."""

    def __init__(
        self,
        run: _Run,
        number: int,
        rows: Mapping[str, Rows],
    ) -> None:
        self._run = run
        self._number = number
        self._rows = rows

    @property
    def model(self) -> PreTrainedModel:
        """The model in training."""
        return self._run.model

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """What is trained."""
        return self._run.trained

    @property
    def terms(self) -> Sequence[str]:
        """The terms of the objective."""
        return tuple(self._run.objective.terms)

    @property
    def number(self) -> int:
        """Finished steps."""
        return self._number

    @property
    def seed(self) -> int:
        """Of the run."""
        return self._run.seed

    def parts(self, term: str) -> Iterator[TokenBatch]:
        """The parts of the term's batch."""
        rows, device = self._rows[term], self.model.device
        size = math.ceil(len(rows.ids) / self._run.config.accumulation)
        for start in range(0, len(rows.ids), size):
            part = rows.part(start, start + size)
            yield collate(part.ids, part.numbers, self._run.pad, part.labels).to(device)

    def backward(self, term: str, *, around: Around | None = None) -> float:
        """The term's own loss."""
        objective = self._run.objective
        return self._backward(
            term, lambda part: objective.loss(term, self.model, part), objective.terms[term], around or _nothing
        )

    def backward_nll(self, term: str, *, around: Around | None = None) -> float:
        """Next-token prediction."""
        return self._backward(
            term, lambda part: -predict(self.model, part).log_probs().mean(), "tokens", around or _nothing
        )

    def _backward(self, term: str, loss_of: Callable[[TokenBatch], Tensor], normalizer: str, around: Around) -> float:
        config, device = self._run.config, self.model.device
        parts = list(self.parts(term))
        counts = [_count(part, normalizer) for part in parts]
        whole = 0.0
        for part, count in zip(parts, counts, strict=True):
            if not count:
                continue
            with around(part):
                with autocast(device, config.precision):
                    loss = loss_of(part) * (count / sum(counts))
                value = float(loss.detach())
                if not math.isfinite(value):
                    advice = (
                        "Lower the learning rate or the number of steps, or use precision float32."
                        if self._number
                        else "No step was taken before: look at the loss itself and its settings, or use precision "
                        "float32."
                    )
                    raise TrainingError(
                        f"The {term!r} loss is {value} at step {self._number + 1} of {config.steps} (batch rows "
                        f"{part.rows[:8].tolist()}..., learning rate {config.lr:g}). Nothing was saved. {advice}"
                    )
                loss.backward()  # type: ignore[no-untyped-call]
            whole += value
        return whole

    def take(self) -> Gradients:
        """The gradient so far."""
        gradients = {name: value.grad for name, value in self.parameters.items() if value.grad is not None}
        for value in self.parameters.values():
            value.grad = None
        return gradients

    def put(self, gradients: Mapping[str, Tensor]) -> None:
        """The gradient from now on."""
        for name, value in self.parameters.items():
            value.grad = gradients.get(name)


def _tell(callbacks: Sequence[Callback], event: StepEvent) -> bool:
    """Tell all callbacks; returns whether one of them ends the run."""
    ends = False
    for callback in callbacks:
        try:
            callback.after_step(event)
        except EndRun:
            ends = True
    return ends


@contextlib.contextmanager
def _nothing(_part: TokenBatch) -> Iterator[None]:
    yield


@final
@dataclass(frozen=True, slots=True)
class _Run:
    """What all steps of a run share."""

    model: PreTrainedModel
    objective: Objective
    rule: StepRule
    sources: Mapping[str, RowSource]
    config: LoopConfig
    pad: int
    seed: int
    trained: dict[str, Tensor]
    optimizer: torch.optim.Optimizer
    meter: Meter

    def go(self, state: LoopState, callbacks: Sequence[Callback], resume: ResumeFolder | None, part: str) -> None:
        """Make the steps that are left."""
        before, started = state.seconds, time.perf_counter()
        last = self.config.steps if self.config.stop is None else min(self.config.stop, self.config.steps)
        while state.step < last:
            lr = self.config.lr * lr_scale(state.step, self.config.steps, self.config.optimizer)
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            self.optimizer.zero_grad(set_to_none=True)
            if isinstance(self.objective, RememberingObjective):
                self.objective.restore(state.part("objective"))
            rows = {term: self.sources[term].rows(state.step) for term in self.objective.terms}
            state.tokens += sum(len(row) for part in rows.values() for row in part.ids)
            memory = state.part("rule")
            self.meter.take()  # of callbacks, which do not count
            losses = self.rule.gradient(_Step(self, state.step, rows), memory)
            if not isinstance(losses, Mapping):
                raise CodeError(f"{type(self.rule).__name__}.gradient must return losses by term, not {losses!r}.")
            state.flops += self.meter.take()
            state.keep("rule", memory)
            norm = _clip(self.trained, self.config, state.step)
            self.optimizer.step()
            state.step += 1
            if isinstance(self.objective, RememberingObjective):
                state.keep("objective", self.objective.after_step(losses, state.step))
            state.seconds = before + time.perf_counter() - started
            state.log.append({"step": state.step, "lr": lr, "grad_norm": norm, **losses})
            event = StepEvent(state.step, last, losses, lr, norm, state.tokens, self.model, part)
            if _tell(callbacks, event):
                return
            if resume and state.step < last and resume.due():
                resume.save(state, self.trained, self.optimizer, names=list(self.trained))


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
