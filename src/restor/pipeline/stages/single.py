"""The three steps on a checkpoint made elsewhere: the model is written with its lineage, ready to be used alone."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from random import Random
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from restor.corruption.corrupt import corrupt, forget_rows
from restor.data.documents import read_documents
from restor.data.facts import read_facts
from restor.data.overlap import overlap
from restor.datasets.base import DATASETS, DatasetConfig
from restor.models.families import context_of, pad_of
from restor.models.lineage import Lineage
from restor.models.loading import load_checkpoint
from restor.models.reference import ModelRef
from restor.pipeline.checkpoints import CheckpointConfig, CorruptConfig, RecoverConfig, UnlearnConfig
from restor.pipeline.stages.common import (
    Built,
    Job,
    encode_documents,
    encode_within,
    finish,
    place_of,
    trainable,
)
from restor.pipeline.world import with_seed
from restor.training.batching import SetRows
from restor.training.config import LoopConfig
from restor.training.finetune import fine_tune
from restor.training.loop import TrainingLog
from restor.unlearning.algorithms.base import ALGORITHMS
from restor.unlearning.unlearn import Texts, unlearn

CONFIGS: dict[str, type[CheckpointConfig]] = {
    "corrupt": CorruptConfig,
    "unlearn": UnlearnConfig,
    "recover": RecoverConfig,
}


def build(job: Job) -> Built:
    """Load, train and write."""
    lineage = Lineage.model_validate({**job.config["lineage"], "created": datetime.now(UTC).replace(microsecond=0)})
    given = {key: value for key, value in lineage.config.items() if key != "datasets"}
    config = CONFIGS[lineage.stage].model_validate(given)
    start = trainable(config.model) if config.lora is None else config.model
    model, tokenizer = load_checkpoint(start, device=place_of(start, job.device))
    match config:
        case CorruptConfig():
            model, log, info = _corrupt(job, config, model, tokenizer)
        case UnlearnConfig():
            model, log, info = _unlearn(job, config, model, tokenizer)
        case RecoverConfig():
            model, log, info = _recover(job, config, model, tokenizer)
        case _:
            raise AssertionError(f"no such step: {config}")
    return finish(job, model, tokenizer, log, info, lineage.model_copy(update={"findings": info}))


Made = tuple[PreTrainedModel, TrainingLog, dict[str, Any]]


def _corrupt(job: Job, config: CorruptConfig, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Made:
    documents = read_documents(config.files["documents"])
    encoded = encode_within(tokenizer, [document.text for document in documents], context_of(model))
    rows = forget_rows(encoded, tokens=config.tokens, seed=config.seed)
    model, log = corrupt(
        model,
        rows,
        None,
        _loop(config, rows.steps_per_epoch),
        pad=pad_of(tokenizer),
        seed=config.seed,
        callbacks=job.callbacks(),
        resume=job.resume_folder(),
    )
    return model, log, {"forget_documents": len(documents)}


def _unlearn(job: Job, config: UnlearnConfig, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Made:
    algorithm = ALGORITHMS.build(config.algorithm)
    context = context_of(model)
    documents = read_documents(config.files["forget"])
    retain = _texts(config.retain, config.retain_texts, config.seed) if config.retain and algorithm.plan.retain else []
    info: dict[str, Any] = {"forget_documents": len(documents), "retain_texts": len(retain)}
    if retain:
        facts = None if config.facts is None else read_facts(config.files["facts"])
        found = overlap(documents, retain, facts)
        info["overlap"] = found.summary()
        if found:
            job.progress.note(
                f"the retain text overlaps what is to be forgotten: {found.summary()}; `restor data overlap` names them"
            )
    forget, labels = encode_documents(tokenizer, documents, context, config.forget_part)
    texts = Texts(
        forget=forget,
        forget_labels=labels,
        retain=encode_within(tokenizer, retain, context),
        forget_tokens=config.tokens,
        retain_tokens=config.tokens,
    )
    per_epoch = forget_rows(forget, tokens=config.tokens, seed=config.seed).steps_per_epoch
    earlier = config.checkpoint
    model, log = unlearn(
        model,
        algorithm,
        texts,
        _loop(config, per_epoch),
        pad=pad_of(tokenizer),
        seed=config.seed,
        checkpoint=None if earlier is None else (lambda: _earlier(earlier, job)),
        callbacks=job.callbacks(),
        resume=job.resume_folder(),
    )
    return model, log, info


def _earlier(ref: ModelRef, job: Job) -> PreTrainedModel:
    model, _ = load_checkpoint(ref, device=place_of(ref, job.device))
    return model


def _recover(job: Job, config: RecoverConfig, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Made:
    texts = _texts(config.data, config.texts, config.seed)
    encoded = encode_within(tokenizer, texts, context_of(model))
    rows = SetRows(encoded, tokens=config.tokens, name="recovery", seed=config.seed)
    model, log = fine_tune(
        model,
        rows,
        _loop(config, rows.steps_per_epoch),
        pad=pad_of(tokenizer),
        seed=config.seed,
        callbacks=job.callbacks(),
        resume=job.resume_folder(),
    )
    return model, log, {"recovery_texts": len(texts)}


def _texts(source: DatasetConfig, count: int, seed: int) -> list[str]:
    return DATASETS.build(with_seed(source, seed)).sample(Random(f"texts/{seed}"), count)


def _loop(config: CheckpointConfig, steps_per_epoch: int) -> LoopConfig:
    steps = config.steps if config.steps is not None else max(1, math.ceil(config.epochs * steps_per_epoch))
    return LoopConfig(
        steps=steps,
        lr=config.lr,
        optimizer=config.optimizer,
        accumulation=config.accumulation,
        precision=config.precision,
        lora=config.lora,
        gradient_checkpointing=config.gradient_checkpointing,
    )
