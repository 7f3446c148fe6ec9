"""Unlearns a checkpoint made elsewhere: for the verb itself, and for each point of a grid that it tries."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from restor.corruption.corrupt import forget_rows
from restor.corruption.corruptors.passages import targets_of
from restor.data.documents import read_documents
from restor.data.facts import FactsFile, read_facts
from restor.data.overlap import overlap
from restor.datasets.base import DATASETS
from restor.datasets.general import GeneralConfig
from restor.domains.base import DOMAINS, answer_line
from restor.domains.triples import TriplesConfig
from restor.models.families import pad_of
from restor.models.lineage import Read
from restor.models.loading import load_checkpoint
from restor.tasks.base import Context
from restor.tasks.checkpoint_settings import UnlearnConfig
from restor.tasks.checkpoint_training import loop_of, read_of_dataset, read_of_file, row_maker, texts_of
from restor.tasks.training.artifact import callbacks, resume_folder, tell_cuts
from restor.tasks.training.losses import Losses, Watched
from restor.tasks.training.material import encode_texts
from restor.tasks.training.rows import RowMaker
from restor.tasks.training.watching import Begin
from restor.training.loop import TrainingLog
from restor.types import Budget, Document, Fact
from restor.unlearning.algorithms.base import ALGORITHMS
from restor.unlearning.texts import Texts
from restor.unlearning.unlearn import unlearn
from restor.unlearning.wrappers.base import WRAPPERS

PLAIN_TEXTS = 40
"""Texts that tell whether a model still predicts anything, where it has none to keep."""

Unlearned = tuple[PreTrainedModel, TrainingLog, dict[str, Any], list[Read]]
"""The model, what it took, what was found on the way, and the texts that it was trained on."""


def unlearn_checkpoint(
    context: Context,
    config: UnlearnConfig,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    begin: Begin | None,
) -> Unlearned:
    """Unlearn a loaded checkpoint; `begin` looks at it before and on the way, for a trial of a grid's point."""
    algorithm = ALGORITHMS.build(config.algorithm)
    documents = read_documents(config.files["forget"])
    reads_text = algorithm.plan.retain == "text" and config.retain is not None
    retain = texts_of(config.retain, config.retain_texts, config.seed) if reads_text and config.retain else []
    facts = None if config.facts is None else read_facts(config.files["facts"])
    info: dict[str, Any] = {"forget_documents": len(documents), "retain_texts": len(retain)}
    if retain:
        info["overlap"] = _overlap(context, documents, retain, facts)
    about, others = _about(documents, config)
    maker = row_maker(config, model, tokenizer)
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
        memo=context.memo.setdefault("samples", {}),
    )
    info |= tell_cuts(context, maker.cuts())
    per_epoch = forget_rows(texts.forget, tokens=config.tokens, seed=config.seed).steps_per_epoch
    earlier = config.checkpoint
    loop = loop_of(config, per_epoch).model_copy(update={"stop": config.stop})
    watching = begin(model, tokenizer, algorithm, loop.steps) if begin is not None else ()
    # The attempts of a selection are told from their answers.
    losses = None if begin is not None else Losses(model, tokenizer, _watched(texts, maker), config, context.progress)
    model, log = unlearn(
        model,
        algorithm,
        texts,
        loop,
        pad=pad_of(tokenizer),
        seed=config.seed,
        wrapper=None if config.wrapper is None else WRAPPERS.build(config.wrapper),
        checkpoint=None if earlier is None else (lambda: load_checkpoint(earlier, device=torch.device("cpu"))[0]),
        checkpoint_files=None if earlier is None or earlier.adapter is not None else earlier.folder,
        callbacks=[*callbacks(context), *watching],
        resume=resume_folder(context),
    )
    if losses is not None:
        info["losses"] = losses.after(model)
    told = algorithm.plan.budget()
    reads = [read_of_file("forget", config.files["forget"], documents)] if Budget.FORGET in told else []
    if retain and config.retain is not None:
        reads.append(read_of_dataset("retain", config.retain, retain))
    if Budget.TRUTH in told and config.facts is not None:
        reads.append(read_of_file("truth", config.files["facts"], ()))
    return model, log, info | more, reads


def _watched(texts: Texts, maker: RowMaker) -> list[Watched]:
    """What an unlearning forgets and keeps; where it reads no retain text, plain sentences that nothing reads."""
    forget = Watched("the forget documents", "forget", texts.forget, texts.forget_labels)
    if texts.retain:
        return [forget, Watched("the retain text", "keep", texts.retain)]
    plain = DATASETS.build(GeneralConfig()).sample(Random("plain"), PLAIN_TEXTS)
    return [forget, Watched("plain sentences", "keep", maker.texts(plain, "plain sentences"))]


def _overlap(context: Context, documents: Sequence[Document], retain: Sequence[str], facts: FactsFile | None) -> str:
    """What the retain text shares with the forget documents; worked out and told once for all points of a grid."""
    if "overlap" not in context.memo:
        found = overlap(documents, retain, facts)
        context.memo["overlap"] = found.summary()
        if found:
            context.progress.note(
                f"the retain text overlaps what is to be forgotten: {found.summary()}; `restor data overlap` names them"
            )
    return str(context.memo["overlap"])


def _about(documents: Sequence[Document], config: UnlearnConfig) -> tuple[list[Fact], list[str]]:
    """The facts about the targets, and the names of all others: the same targets as those that a selection splits."""
    if config.facts is None:
        return [], []
    domain = DOMAINS.build(TriplesConfig(facts=config.files["facts"]))
    targets = targets_of(documents, domain)
    about = [fact for name in targets for fact in domain.facts_about(name)]
    return about, [name for name in domain.subjects if name not in set(targets)]
