"""The three steps on a checkpoint made elsewhere: the model is written with its lineage, ready to be used alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from restor.corruption.corrupt import corrupt, forget_rows
from restor.corruption.corruptors.passages import targets_of
from restor.data.documents import read_documents
from restor.data.facts import FactsFile, read_facts
from restor.data.overlap import overlap
from restor.datasets.base import DATASETS, DatasetConfig
from restor.datasets.general import GeneralConfig
from restor.domains.base import DOMAINS, answer_line
from restor.domains.triples import TriplesConfig
from restor.errors import ConfigError, DataError, TrainingError
from restor.models.families import context_of, pad_of
from restor.models.lineage import Lineage, Read
from restor.models.loading import load_checkpoint
from restor.runner.checkpoint import CheckpointConfig, CorruptConfig, RecoverConfig, UnlearnConfig
from restor.selection.split import split_targets
from restor.store.disk import sha256_file
from restor.tasks.context import (
    Built,
    Job,
    finish,
    place_of,
    tell_cuts,
    trainable,
)
from restor.tasks.losses import Losses, Watched
from restor.tasks.material import encode_texts
from restor.tasks.rows import RowMaker
from restor.tasks.strength import Knowledge, Strength
from restor.tasks.trial import Watch, watched
from restor.tasks.unlearn import CPU, Begin
from restor.tasks.world import with_seed
from restor.training.batching import SetRows
from restor.training.callbacks.validate import undisturbed
from restor.training.config import LoopConfig
from restor.training.finetune import fine_tune
from restor.training.loop import TrainingLog
from restor.types import Budget, Document, Fact
from restor.unlearning.algorithms.base import ALGORITHMS
from restor.unlearning.texts import Texts
from restor.unlearning.unlearn import unlearn
from restor.unlearning.wrappers.base import WRAPPERS

PLAIN_TEXTS = 40
"""Texts that tell whether a model still predicts anything, where it has none to keep."""

CONFIGS: dict[str, type[CheckpointConfig]] = {
    "corrupt": CorruptConfig,
    "unlearn": UnlearnConfig,
    "recover": RecoverConfig,
}


def build(job: Job) -> Built:
    """Load, train and write."""
    lineage, config = _given(job)
    model, tokenizer = _loaded(job, config)
    match config:
        case CorruptConfig():
            model, log, info, reads = _corrupt(job, config, model, tokenizer)
        case UnlearnConfig():
            model, log, info, reads = _unlearn(job, config, model, tokenizer, None)
        case RecoverConfig():
            model, log, info, reads = _recover(job, config, model, tokenizer)
        case _:
            raise AssertionError(f"no such step: {config}")
    findings = {**lineage.findings, **info}
    seen = (*lineage.seen, *(read.seen(lineage.stage, steps=log.steps, tokens=log.tokens) for read in reads))
    return finish(job, model, tokenizer, log, info, lineage.model_copy(update={"findings": findings, "seen": seen}))


def build_attempt(job: Job) -> Built:
    """Unlearn at one point of a grid and ask about some of the targets on the way; leaves no model."""
    _, config = _given(job)
    assert isinstance(config, UnlearnConfig), "nothing else has a grid"
    assert config.select is not None, "asked for"
    if "validation" not in job.memo:
        split = split_targets(read_documents(config.files["forget"]), config.files["facts"], config.select)
        job.memo["validation"] = split.validation(config.select)
    watch = Watch(job, job.memo["validation"], of="corrupted")

    def run() -> tuple[PreTrainedModel, TrainingLog]:
        model, tokenizer = _loaded(job, config)
        try:
            model, log, *_ = _unlearn(job, config, model, tokenizer, watch.begin)
        except (ConfigError, DataError) as error:  # of this point alone: the others go on
            raise TrainingError(str(error)) from error
        return model, log

    return watched(job, watch, run)


def _given(job: Job) -> tuple[Lineage, CheckpointConfig]:
    """What is to be made, and how."""
    lineage = Lineage.model_validate({**job.config["lineage"], "created": datetime.now(UTC).replace(microsecond=0)})
    given = {key: value for key, value in lineage.config.items() if key != "datasets"}
    return lineage, CONFIGS[lineage.stage].model_validate(given)


def _loaded(job: Job, config: CheckpointConfig) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    start = trainable(config.model) if config.lora is None else config.model
    return load_checkpoint(start, device=place_of(start, job.device))


Made = tuple[PreTrainedModel, TrainingLog, dict[str, Any], list[Read]]
"""The model, what it took, what was found on the way, and the texts that it was trained on."""


def _corrupt(job: Job, config: CorruptConfig, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Made:
    documents = read_documents(config.files["forget"])
    maker = _maker(config, model, tokenizer)
    encoded, _ = maker.documents(documents, "documents", "forget documents")
    info: dict[str, Any] = {"forget_documents": len(documents), **tell_cuts(job, maker.cuts())}
    rows = forget_rows(encoded, tokens=config.tokens, seed=config.seed)
    strength = _strength(documents, config)
    knew = None if strength is None else _asked(strength, model, tokenizer)
    losses = Losses(model, tokenizer, [Watched("the forget documents", "learn", encoded)], config, job.progress)
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
    info["losses"] = losses.after(model)
    if strength is not None and knew is not None:
        knows = _asked(strength, model, tokenizer)
        job.progress.note(strength.told(knew, knows))
        info["strength"] = {"before": knew.model_dump(), "after": knows.model_dump()}
    return model, log, info, [_read("documents", config.files["forget"], documents)]


def _unlearn(
    job: Job,
    config: UnlearnConfig,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    begin: Begin | None,
) -> Made:
    algorithm = ALGORITHMS.build(config.algorithm)
    documents = read_documents(config.files["forget"])
    reads_text = algorithm.plan.retain == "text" and config.retain is not None
    retain = _texts(config.retain, config.retain_texts, config.seed) if reads_text and config.retain else []
    facts = None if config.facts is None else read_facts(config.files["facts"])
    info: dict[str, Any] = {"forget_documents": len(documents), "retain_texts": len(retain)}
    if retain:
        info["overlap"] = _overlap(job, documents, retain, facts)
    about, others = _about(documents, config)
    maker = _maker(config, model, tokenizer)
    texts, more = encode_texts(
        algorithm.plan,
        model,
        maker,
        documents=documents,
        part=config.forget_part,
        retain=retain,
        truth=lambda: [answer_line(fact.question, answer) for fact in about for answer in fact.answers],
        facts=lambda: about,
        others=others,
        tokens=(config.tokens, config.tokens),
        seed=config.seed,
        memo=job.memo.setdefault("samples", {}),
    )
    info |= tell_cuts(job, maker.cuts())
    per_epoch = forget_rows(texts.forget, tokens=config.tokens, seed=config.seed).steps_per_epoch
    earlier = config.checkpoint
    loop = _loop(config, per_epoch).model_copy(update={"stop": config.stop})
    watching = begin(model, tokenizer, algorithm, loop.steps) if begin is not None else ()
    # The attempts of a selection are told from their answers.
    losses = None if begin is not None else Losses(model, tokenizer, _watched(texts, maker), config, job.progress)
    model, log = unlearn(
        model,
        algorithm,
        texts,
        loop,
        pad=pad_of(tokenizer),
        seed=config.seed,
        wrapper=None if config.wrapper is None else WRAPPERS.build(config.wrapper),
        checkpoint=None if earlier is None else (lambda: load_checkpoint(earlier, device=CPU)[0]),
        checkpoint_files=None if earlier is None or earlier.adapter is not None else earlier.folder,
        callbacks=[*job.callbacks(), *watching],
        resume=job.resume_folder(),
    )
    if losses is not None:
        info["losses"] = losses.after(model)
    told = algorithm.plan.budget()
    reads = [_read("forget", config.files["forget"], documents)] if Budget.FORGET in told else []
    if retain and config.retain is not None:
        reads.append(_read_of("retain", config.retain, retain))
    if Budget.TRUTH in told and config.facts is not None:
        reads.append(_read("truth", config.files["facts"], ()))
    return model, log, info | more, reads


def _watched(texts: Texts, maker: RowMaker) -> list[Watched]:
    """What an unlearning forgets and keeps; where it reads no retain text, plain sentences that nothing reads."""
    forget = Watched("the forget documents", "forget", texts.forget, texts.forget_labels)
    if texts.retain:
        return [forget, Watched("the retain text", "keep", texts.retain)]
    plain = DATASETS.build(GeneralConfig()).sample(Random("plain"), PLAIN_TEXTS)
    return [forget, Watched("plain sentences", "keep", maker.texts(plain, "plain sentences"))]


def _strength(documents: Sequence[Document], config: CorruptConfig) -> Strength | None:
    if config.facts is None:
        return None
    return Strength(documents, config.files["facts"], config.evaluation, config.seed)


def _asked(strength: Strength, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Knowledge:
    with undisturbed(model):
        return strength.ask(model, tokenizer)


def _overlap(job: Job, documents: Sequence[Document], retain: Sequence[str], facts: FactsFile | None) -> str:
    """What the retain text shares with the forget documents; worked out and told once for all points of a grid."""
    if "overlap" not in job.memo:
        found = overlap(documents, retain, facts)
        job.memo["overlap"] = found.summary()
        if found:
            job.progress.note(
                f"the retain text overlaps what is to be forgotten: {found.summary()}; `restor data overlap` names them"
            )
    return str(job.memo["overlap"])


def _about(documents: Sequence[Document], config: UnlearnConfig) -> tuple[list[Fact], list[str]]:
    """The facts about the targets, and the names of all others: the same targets as those that a selection splits."""
    if config.facts is None:
        return [], []
    domain = DOMAINS.build(TriplesConfig(facts=config.files["facts"]))
    targets = targets_of(documents, domain)
    about = [fact for name in targets for fact in domain.facts_about(name)]
    return about, [name for name in domain.subjects if name not in set(targets)]


def _recover(job: Job, config: RecoverConfig, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Made:
    texts = _texts(config.text, config.most_texts, config.seed)
    maker = _maker(config, model, tokenizer)
    encoded = maker.texts(texts, "recovery texts")
    info: dict[str, Any] = {"recovery_texts": len(texts), **tell_cuts(job, maker.cuts())}
    losses = Losses(model, tokenizer, [Watched("the text", "learn", encoded)], config, job.progress)
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
    info["losses"] = losses.after(model)
    return model, log, info, [_read_of("text", config.text, texts)]


def _read(role: str, path: Path, documents: Sequence[Document]) -> Read:
    return Read(role, path.name, [document.text for document in documents], sha256_file(path))


def _read_of(role: str, source: DatasetConfig, texts: Sequence[str]) -> Read:
    """Texts of a data set, by its name or that of its file."""
    path = getattr(source, "path", None)
    return Read(role, source.name if path is None else Path(path).name, texts)


def _texts(source: DatasetConfig, count: int, seed: int) -> list[str]:
    return DATASETS.build(with_seed(source, seed)).sample(Random(f"texts/{seed}"), count)


def _maker(config: CheckpointConfig, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> RowMaker:
    # What has to be cut is cut into rows of a step: a context may be larger than memory.
    return RowMaker(tokenizer, context_of(model), longest=config.tokens)


def _loop(config: CheckpointConfig, steps_per_epoch: int) -> LoopConfig:
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
