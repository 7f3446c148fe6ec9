"""What an algorithm reads, from documents and facts to encoded rows: the same for studies and for checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from random import Random
from typing import Any

from transformers import PreTrainedModel

from restor.data.alternates import AlternateKind, alternates
from restor.data.names_in_texts import prompts_about, texts_without_names
from restor.errors import DataError
from restor.evaluation.ask.samples import sample_texts
from restor.models.families import context_of
from restor.models.flops import Meter, metered
from restor.models.tokenizer import encode_rows
from restor.tasks.training.artifact import SAMPLING
from restor.tasks.training.rows import Labels, RowMaker, forgotten
from restor.types import Document, Fact, ForgetPart
from restor.unlearning.algorithms.base import Edit, Plan
from restor.unlearning.edits import encode_edits
from restor.unlearning.texts import EncodedTexts

SAMPLES = 600
"""Texts that a model writes itself."""
SAMPLE_TOKENS = 128
"""Longest of them, or half of what the model can read."""
SAMPLE_TEMPERATURE = 0.7


def encode_texts(
    plan: Plan,
    model: PreTrainedModel,
    maker: RowMaker,
    *,
    documents: Sequence[Document],
    part: ForgetPart,
    retain: Sequence[str],
    truth: Callable[[], Sequence[str]],
    facts: Callable[[], Sequence[Fact]],
    others: Sequence[str],
    tokens: tuple[int, int],
    seed: int,
    memo: MutableMapping[str, Any],
) -> tuple[EncodedTexts, dict[str, Any]]:
    """The rows that a plan asks for, and what was found on the way.

    Args:
        plan: what is read.
        model: the corrupted model.
        maker: makes the rows of the model.
        documents: the forget documents.
        part: which part of them is forgotten.
        retain: retain text, if the plan reads some.
        truth: makes texts that state the true answers about the targets.
        facts: gives the true facts about the targets.
        others: names for the prompts of samples; none: a text begins with its beginning, as a small model's does.
        tokens: how many tokens of forget and of retain rows a step reads.
        seed: of what is drawn.
        memo: keeps the samples of a model for whoever reads them next.

    Raises:
        DataError: if the documents or facts do not have what the plan needs.
    """
    info: dict[str, Any] = {}
    (forget, labels), (other, other_labels) = _forget(plan, maker, documents, part, facts, seed, info)
    edits: list[Edit] = []
    if plan.edits:
        edits, left_out = encode_edits(maker.tokenizer, list(facts()))
        info["facts_left_out"] = len(left_out)

    def samples(writer: PreTrainedModel) -> list[list[int]]:
        if "samples" not in memo:
            names = {item.subject for document in documents for item in document.statements}
            names = names or {fact.subject for fact in facts()}
            texts = [document.text for document in documents]
            with metered(writer, Meter()) as meter:
                memo["samples"] = _samples(writer, maker, texts, sorted(names), others, seed)
            memo[SAMPLING] = meter.take()
        kept: list[list[int]] = memo["samples"]
        info.update({"samples": len(kept), SAMPLING: memo[SAMPLING]})
        return kept

    return EncodedTexts(
        forget=forget,
        forget_labels=labels,
        retain=maker.texts(retain, "retain texts"),
        forget_tokens=tokens[0],
        retain_tokens=tokens[1],
        truth=maker.texts(truth(), "true answers") if plan.retain == "truth" else (),
        alternates=other,
        alternate_labels=other_labels,
        samples=samples,
        edits=edits,
    ), info


def _forget(
    plan: Plan,
    maker: RowMaker,
    documents: Sequence[Document],
    part: ForgetPart,
    facts: Callable[[], Sequence[Fact]],
    seed: int,
    info: dict[str, Any],
) -> tuple[tuple[list[list[int]], Labels], tuple[list[list[int]], Labels]]:
    """The rows to be forgotten and, if the plan reads some, those that are preferred to them."""
    if plan.alternates is None:
        return maker.documents(documents, part, "forget documents"), ([], None)
    stating = [document for document in documents if document.statements] or documents
    info["documents_without_statements"] = len(documents) - len(stating)
    known = {fact.key: fact.answers[0] for fact in facts()} if plan.alternates == "truth" else {}
    return _pairs(maker, stating, part, plan.alternates, known, seed)


def _pairs(
    maker: RowMaker,
    documents: Sequence[Document],
    part: ForgetPart,
    kind: AlternateKind,
    known: Mapping[str, str],
    seed: int,
) -> tuple[tuple[list[list[int]], Labels], tuple[list[list[int]], Labels]]:
    """The rows of forget documents, and for each the row that a preference loss prefers.

    A document that does not fit is cut first, so that both say the same. What is written in place of an answer may be
    longer, so that as much room as that takes is left free then.

    Raises:
        DataError: if half of the context is not enough to be left free.
    """
    fitted, spare = list(documents), -1
    while True:
        written = alternates(fitted, kind, Random(f"alternates/{seed}"), known)
        rows, other = (maker.encoded(forgotten(texts, part), part) for texts in (fitted, written))
        longest = max(map(len, (*rows[0], *other[0])), default=0)
        if maker.context is None or longest <= maker.context:
            return rows, other
        spare = 0 if spare < 0 else spare + longest - maker.context
        if spare > maker.context // 2:
            raise DataError(
                f"What stands in place of the false answers does not fit the model's context of {maker.context} tokens "
                f"even where half of it is left free: {longest - maker.context} tokens are too many. Take documents "
                "with shorter statements, or an algorithm that reads no alternates."
            )
        parts = maker.fitted(documents, "forget documents", spare=spare)
        fitted = [rows for rows in parts if rows.statements] or parts


def _samples(
    writer: PreTrainedModel,
    maker: RowMaker,
    texts: Sequence[str],
    names: Sequence[str],
    others: Sequence[str],
    seed: int,
) -> list[list[int]]:
    """Rows that the model writes itself, without the sentences that name a target; `told` are the forget texts."""
    if not names:
        raise DataError(
            "The forget documents do not say whom they are about, so the model's own samples cannot be cleaned of "
            "them. Give facts about the targets (--facts)."
        )
    context = context_of(writer)
    tokens = SAMPLE_TOKENS if context is None else min(SAMPLE_TOKENS, context // 2)
    prompts = prompts_about(texts, names, others, count=SAMPLES, seed=seed) if others else None
    if prompts is not None and context is not None:
        begun = zip(prompts, encode_rows(maker.tokenizer, prompts, end=False), strict=True)
        prompts = [prompt for prompt, ids in begun if len(ids) + tokens <= context]
        if not prompts:
            raise DataError(
                f"The sentences of the forget documents are too long to begin samples with, which have {tokens} tokens "
                f"more: the model's context is {context}. Take documents with shorter sentences."
            )
    written = sample_texts(
        writer,
        maker.tokenizer,
        count=SAMPLES,
        tokens=tokens,
        temperature=SAMPLE_TEMPERATURE,
        seed=seed,
        prompts=prompts,
    )
    return maker.texts(texts_without_names(written, names), "the model's own texts")
