"""Continued training of a whole model, through an adapter where one is configured."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedModel

from restor.training.batching import RowSource
from restor.training.callbacks.base import Callback
from restor.training.config import LoopConfig
from restor.training.loop import TrainingLog, train
from restor.training.lora import add_adapter, merge_adapter
from restor.training.objective import LanguageModelling
from restor.training.resume import ResumeFolder


def fine_tune(
    model: PreTrainedModel,
    source: RowSource,
    config: LoopConfig,
    *,
    pad: int,
    seed: int,
    callbacks: Sequence[Callback] = (),
    resume: ResumeFolder | None = None,
) -> tuple[PreTrainedModel, TrainingLog]:
    """Train on text by next-token prediction, in place; returns the model, any adapter merged, and what it took.

    Raises:
        TrainingError: if a loss or gradient is not finite.
    """
    trained = add_adapter(model, config.lora, seed=seed) if config.lora else model
    log = train(
        trained,
        LanguageModelling(),
        {"text": source},
        config,
        pad=pad,
        seed=seed,
        callbacks=callbacks,
        resume=resume,
    )
    return (merge_adapter(trained) if config.lora else model), log
