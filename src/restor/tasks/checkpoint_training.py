"""What the verbs that make a checkpoint share: they load a model, train it, and write it with its lineage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from restor.datasets.base import DATASETS, DatasetConfig
from restor.models.families import context_of
from restor.models.lineage import Lineage, Read
from restor.models.loading import load_checkpoint
from restor.store.disk import sha256_file
from restor.tasks.base import Context, Made
from restor.tasks.checkpoint_settings import CheckpointConfig
from restor.tasks.inputs.settle import settled
from restor.tasks.training.artifact import finish, place_of, trainable
from restor.tasks.training.rows import RowMaker
from restor.training.config import LoopConfig
from restor.training.loop import TrainingLog
from restor.types import Document


def write_checkpoint(
    context: Context,
    lineage: Mapping[str, Any],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    log: TrainingLog,
    info: Mapping[str, Any],
    reads: Sequence[Read],
) -> Made:
    """Write the model with its lineage, ready to be used alone.

    Args:
        context: where it is written.
        lineage: what was known of it before it was made, JSON values.
        model: the trained model.
        tokenizer: its tokenizer.
        log: what the training took.
        info: what was found on the way.
        reads: the texts that it was trained on.
    """
    planned = Lineage.model_validate({**lineage, "created": datetime.now(UTC).replace(microsecond=0)})
    seen = (*planned.seen, *(read.seen(planned.stage, steps=log.steps, tokens=log.tokens) for read in reads))
    made = planned.model_copy(update={"findings": {**planned.findings, **info}, "seen": seen})
    return finish(context, model, tokenizer, log, info, made)


def load(context: Context, config: CheckpointConfig) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model that is to be trained, in float32 if all its weights are, and its tokenizer."""
    start = trainable(config.model) if config.lora is None else config.model
    return load_checkpoint(start, device=place_of(start, context.place))


def read_of_file(role: str, path: Path, documents: Sequence[Document]) -> Read:
    """What a training read, for the history of its weights: documents of a file."""
    return Read(role, path.name, [document.text for document in documents], sha256_file(path))


def read_of_dataset(role: str, source: DatasetConfig, texts: Sequence[str]) -> Read:
    """Texts of a data set, by its name or that of its file."""
    path = getattr(source, "path", None)
    return Read(role, source.name if path is None else Path(path).name, texts)


def texts_of(source: DatasetConfig, count: int, seed: int) -> list[str]:
    """Texts of a data set, drawn from a seed."""
    return DATASETS.build(settled(source, seed)).sample(Random(f"texts/{seed}"), count)


def row_maker(config: CheckpointConfig, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> RowMaker:
    """Makes the rows of the model."""
    # What has to be cut is cut into rows of a step: a context may be larger than memory.
    return RowMaker(tokenizer, context_of(model), longest=config.tokens)


def loop_of(config: CheckpointConfig, steps_per_epoch: int) -> LoopConfig:
    """The configuration of the training run; null steps: as many as the epochs take."""
    steps = config.steps if config.steps is not None else max(1, math.ceil(config.epochs * steps_per_epoch))
    return LoopConfig(
        steps=steps,
        lr=config.lr,
        optimizer=config.optimizer,
        accumulation=config.accumulation,
        precision=config.settled_precision,
        lora=config.lora,
        gradient_checkpointing=config.gradient_checkpointing,
    )
