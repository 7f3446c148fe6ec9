"""Model in, unlearned model out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor
from transformers import PreTrainedModel

from restor.errors import ConfigError, DataError, TrainingError
from restor.models.arithmetic import Weights
from restor.models.labelled import TokenBatch, predict
from restor.training.batching import RowSource, SetRows
from restor.training.callbacks.base import Callback
from restor.training.config import LoopConfig
from restor.training.finetune import fine_tune
from restor.training.loop import TrainingLog, train
from restor.training.lora import add_adapter, merge_adapter
from restor.training.objective import Normalizer, Objective
from restor.training.reference import AdapterOffReference, CachedReference, Reference
from restor.training.resume import ResumeFolder
from restor.unlearning.algorithms.base import Algorithm, LossAlgorithm, WeightAlgorithm


@final
@dataclass(frozen=True, slots=True)
class Texts:
    """Encoded forget and retain rows, and how many tokens of each a step reads."""

    forget: Sequence[Sequence[int]]
    retain: Sequence[Sequence[int]]
    forget_tokens: int
    retain_tokens: int
    forget_labels: Sequence[Sequence[bool]] | None = None
    """Which tokens of the forget rows are forgotten; None: all."""

    def source(self, name: Literal["forget", "retain"], seed: int) -> SetRows:
        """One of the two as rows for the loop."""
        if name == "forget":
            return SetRows(self.forget, tokens=self.forget_tokens, name=name, seed=seed, labels=self.forget_labels)
        return SetRows(self.retain, tokens=self.retain_tokens, name=name, seed=seed)


@final
class Unlearning(Objective):
    """The terms of a loss algorithm."""

    def __init__(
        self, algorithm: LossAlgorithm, forget_reference: Reference | None, retain_reference: Reference | None
    ) -> None:
        self.algorithm = algorithm
        self.references = {"forget": forget_reference, "retain": retain_reference}

    @property
    def terms(self) -> dict[str, Normalizer]:
        """Forget and retain, as far as the algorithm has them."""
        plan = self.algorithm.plan
        found: dict[str, Normalizer] = {}
        if plan.forget:
            found["forget"] = plan.normalizer
        if plan.retain:
            found["retain"] = "tokens"
        return found

    def loss(self, term: str, model: PreTrainedModel, batch: TokenBatch) -> Tensor:
        """One term."""
        source = self.references[term]
        reference = source.predict(batch) if source is not None else None
        policy = predict(model, batch)
        if term == "forget":
            return self.algorithm.forget_loss(policy, reference)
        return self.algorithm.retain_loss(policy, reference)


def unlearn(
    model: PreTrainedModel,
    algorithm: Algorithm,
    texts: Texts,
    config: LoopConfig,
    *,
    pad: int,
    seed: int,
    checkpoint: Callable[[], PreTrainedModel] | None = None,
    callbacks: Sequence[Callback] = (),
    resume: ResumeFolder | None = None,
) -> tuple[PreTrainedModel, TrainingLog]:
    """Unlearn in place and return the model with what it took.

    Args:
        model: the corrupted model on its device.
        algorithm: what to do.
        texts: forget and retain rows; those that the algorithm reads must not be empty.
        config: steps, learning rate, adapter.
        pad: token id that fills rows up.
        seed: of the data order and the adapter.
        checkpoint: loads an earlier checkpoint, for the algorithms that need one.
        callbacks: called after every step.
        resume: where a training run saves itself.

    Raises:
        DataError: for an empty forget or retain set.
        TrainingError: for a loss that is not finite.
    """
    plan = algorithm.plan
    if plan.forget and not texts.forget:
        raise DataError("The forget set is empty: there is nothing to unlearn. Give at least one document.")
    if plan.retain and not texts.retain:
        raise DataError(
            f"{type(algorithm).__name__} reads retain text and the retain set is empty. Give retain text, or set its "
            "retain weight to 0."
        )
    if isinstance(algorithm, LossAlgorithm):
        return _minimise(model, algorithm, texts, config, pad, seed, callbacks, resume)
    if isinstance(algorithm, WeightAlgorithm):
        return _edit(model, algorithm, texts, config, pad, seed, checkpoint, callbacks, resume)
    raise ConfigError(f"{type(algorithm).__name__} is neither a LossAlgorithm nor a WeightAlgorithm.")


def _minimise(
    model: PreTrainedModel,
    algorithm: LossAlgorithm,
    texts: Texts,
    config: LoopConfig,
    pad: int,
    seed: int,
    callbacks: Sequence[Callback],
    resume: ResumeFolder | None,
) -> tuple[PreTrainedModel, TrainingLog]:
    plan = algorithm.plan
    trained = add_adapter(model, config.lora, seed=seed) if config.lora else model

    def reference(
        wanted: bool,
        reads: bool,
        rows: Sequence[Sequence[int]],
        tokens: int,
        labels: Sequence[Sequence[bool]] | None = None,
    ) -> Reference | None:
        if not (wanted and reads):
            return None
        if config.lora:
            return AdapterOffReference(trained, precision=config.precision)
        return CachedReference(model, rows, tokens=tokens, pad=pad, precision=config.precision, labels=labels)

    objective = Unlearning(
        algorithm,
        reference(plan.forget_reference, plan.forget, texts.forget, texts.forget_tokens, texts.forget_labels),
        reference(plan.retain_reference, plan.retain, texts.retain, texts.retain_tokens),
    )
    sources: dict[str, RowSource] = {}
    if plan.forget:
        sources["forget"] = texts.source("forget", seed)
    if plan.retain:
        sources["retain"] = texts.source("retain", seed)
    log = train(trained, objective, sources, config, pad=pad, seed=seed, callbacks=callbacks, resume=resume)
    return (merge_adapter(trained) if config.lora else model), log


def _edit(
    model: PreTrainedModel,
    algorithm: WeightAlgorithm,
    texts: Texts,
    config: LoopConfig,
    pad: int,
    seed: int,
    checkpoint: Callable[[], PreTrainedModel] | None,
    callbacks: Sequence[Callback],
    resume: ResumeFolder | None,
) -> tuple[PreTrainedModel, TrainingLog]:
    corrupted = weights_of(model)
    earlier = weights_of(checkpoint()) if checkpoint is not None else None
    if earlier is not None and _shapes(earlier) != _shapes(corrupted):
        raise ConfigError(
            "The earlier checkpoint and the model to be unlearned are of different architectures: weight arithmetic "
            "needs the same parameters of the same shapes. Give a checkpoint of the same model."
        )
    logs: list[TrainingLog] = []

    def tuned(start: Literal["corrupted", "checkpoint"], text: Literal["forget", "retain"]) -> Weights:
        begin = corrupted if start == "corrupted" else earlier
        if begin is None:
            raise ConfigError(f"{type(algorithm).__name__} fine-tunes a checkpoint and none was given.")
        put_weights(model, begin)
        trained, log = fine_tune(
            model,
            texts.source(text, seed),
            config,
            pad=pad,
            seed=seed,
            callbacks=callbacks,
            resume=None if resume is None else ResumeFolder(resume.folder / f"{start}-{text}", resume.every),
        )
        logs.append(log)
        return weights_of(trained)

    edited = algorithm.edit(corrupted, earlier, tuned)
    for name, value in edited.items():
        if not bool(torch.isfinite(value).all()):
            raise TrainingError(
                f"{type(algorithm).__name__} made weights that are not finite ({name}). Nothing was saved. Lower its "
                "scale or its learning rate."
            )
    put_weights(model, edited)
    records = tuple(record for log in logs for record in log.records)
    done = TrainingLog(
        sum(log.steps for log in logs), sum(log.tokens for log in logs), sum(log.seconds for log in logs), records
    )
    return model, done


def _shapes(weights: Weights) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in weights.items()}


def weights_of(model: PreTrainedModel) -> Weights:
    """A copy of the parameters by name, float32, in main memory: a GPU may hold but one model."""
    return {name: value.detach().to("cpu", torch.float32, copy=True) for name, value in model.named_parameters()}


def put_weights(model: PreTrainedModel, weights: Weights) -> None:
    """Overwrite the parameters."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(weights[name])
