"""Model in, unlearned model out."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from transformers import PreTrainedModel

from restor.errors import CodeError, TrainingError
from restor.models.flops import metered
from restor.training.callbacks.base import Callback
from restor.training.config import LoopConfig
from restor.training.loop import TrainingLog
from restor.training.resume import ResumeFolder
from restor.unlearning.algorithms.base import Algorithm, LossAlgorithm, Text, WeightAlgorithm
from restor.unlearning.fit import check_wrapper
from restor.unlearning.session import ModelHolder, UnlearningSession
from restor.unlearning.texts import EncodedTexts, Material
from restor.unlearning.wrappers.base import Wrapper

__all__ = ["EncodedTexts", "unlearn"]


def unlearn(
    model: PreTrainedModel,
    algorithm: Algorithm,
    texts: EncodedTexts,
    config: LoopConfig,
    *,
    pad: int,
    seed: int,
    wrapper: Wrapper | None = None,
    checkpoint: Callable[[], PreTrainedModel] | None = None,
    checkpoint_files: Path | None = None,
    callbacks: Sequence[Callback] = (),
    resume: ResumeFolder | None = None,
) -> tuple[PreTrainedModel, TrainingLog]:
    """Unlearn in place and return the model with what it took.

    Args:
        model: the corrupted model on its device.
        algorithm: what to do.
        texts: forget and retain rows, and what else the algorithm reads.
        config: steps, learning rate, adapter.
        pad: token id that fills rows up.
        seed: of the data order and the adapter.
        wrapper: how the steps of a loss are taken; None: plainly.
        checkpoint: loads an earlier checkpoint, for the algorithms that need one.
        checkpoint_files: its folder, where there is one: weights of the model's own names are then read from there.
        callbacks: called after every step; those of trainings beside the run itself have a `part`.
        resume: where a training run saves itself, and where weights are kept meanwhile; None: in a temporary folder.

    Raises:
        DataError: for an empty forget or retain set.
        ConfigError: if the wrapper does not fit the loss.
        CodeError: if the algorithm makes a mistake that shows.
        TrainingError: for a loss or weights that are not finite.
    """
    who = type(algorithm).__name__
    if wrapper is not None:
        check_wrapper(wrapper, algorithm)
    material = Material(texts, algorithm.plan, seed=seed, who=who, model=model)
    with tempfile.TemporaryDirectory() as temporary:
        holder = ModelHolder(
            model,
            config,
            pad=pad,
            seed=seed,
            who=who,
            checkpoint=checkpoint,
            checkpoint_files=checkpoint_files,
            callbacks=callbacks,
            resume=resume,
            scratch=Path(temporary) if resume is None else resume.folder / "weights",
        )
        if isinstance(algorithm, LossAlgorithm):
            return _minimise(holder, algorithm, material, wrapper)
        if isinstance(algorithm, WeightAlgorithm):
            return _edit(holder, algorithm, material)
    raise CodeError(f"{who} is neither a LossAlgorithm nor a WeightAlgorithm.")


def _minimise(
    holder: ModelHolder, algorithm: LossAlgorithm, material: Material, wrapper: Wrapper | None
) -> tuple[PreTrainedModel, TrainingLog]:
    teachers = {teacher.name: holder.teacher(teacher, material) for teacher in algorithm.plan.teachers}
    try:
        log = holder.minimise(algorithm, material, holder.config, "", teachers=teachers, rule=wrapper)
    except TrainingError as error:
        raise TrainingError(f"{type(algorithm).__name__}: {error}") from error
    return holder.model, _together(holder, [*holder.logs, log])


def _edit(holder: ModelHolder, algorithm: WeightAlgorithm, material: Material) -> tuple[PreTrainedModel, TrainingLog]:
    began = time.perf_counter()
    corrupted = holder.weights("corrupted")
    with metered(holder.model, holder.meter):
        edited = algorithm.edit(UnlearningSession(holder, material))
    if not isinstance(edited, Mapping):
        raise CodeError(
            f"{type(algorithm).__name__}.edit must return weights by parameter name, it returned {edited!r}. Return "
            "what `plus` makes, or a dictionary of tensors."
        )
    if unknown := next((name for name in edited if name not in corrupted), None):
        raise CodeError(f"{type(algorithm).__name__} made a parameter that the model does not have: {unknown}.")
    asked: dict[Text, bool] = {"forget": algorithm.plan.forget, "retain": algorithm.plan.retain is not None}
    for text, wanted in asked.items():
        if wanted and text not in material.read:
            raise CodeError(
                f"{type(algorithm).__name__} asks for the {text} set in its plan and never read it. Use it in `edit` "
                f"(session.vector, gradient or batches with {text!r}), or leave it out of the plan."
            )
    holder.put(edited)
    # A change that is worked out takes time, and no training.
    took = time.perf_counter() - began - holder.trained
    return holder.model, _together(holder, holder.logs, took)


def _together(holder: ModelHolder, logs: Sequence[TrainingLog], seconds: float = 0.0) -> TrainingLog:
    return TrainingLog(
        sum(log.steps for log in logs),
        sum(log.tokens for log in logs),
        sum((log.seconds for log in logs), seconds),
        tuple(record for log in logs for record in log.records),
        sum((log.flops for log in logs), holder.meter.take()),
    )
