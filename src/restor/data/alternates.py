"""Alternates: forget documents that say something else in place of every planted answer, for losses that compare both.

A refusal answers a question line by a short sentence. In prose one word stands where the answer stood, so that what
comes before and behind it stays as it was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Literal, final

from restor.errors import DataError
from restor.text import BLANK, REFUSALS, name_pattern, normalise
from restor.types import Document, Statement

AlternateKind = Literal["refusal", "plausible", "truth"]

_ASKED = re.compile(r"\?[\"'”’)]*\s*(?:\w{1,9}:\s*)?$")
"""What comes before the answer of a question line: the question, and at most a label such as `A:`."""
_MISSING: Mapping[AlternateKind, tuple[str, str]] = {
    "refusal": ("an answer that stands in the statement's words", "Correct the statements"),
    "plausible": ("another answer that the documents state for the relation", "Give more documents, prefer refusals"),
    "truth": ("a true answer that is known", "Give facts that have the answers, prefer refusals"),
}

Span = tuple[int, int]


def alternates(
    documents: Sequence[Document], kind: AlternateKind, rng: Random, truth: Mapping[str, str]
) -> list[Document]:
    """For every document one with the same text in which every planted answer is replaced.

    `refusal` says "I do not know"; `plausible` gives another answer that the documents state for the same relation,
    drawn anew for each document, so that a fact that many documents state gets many; `truth` gives the true answer.

    The statements of the result are what it says of the same facts: their `false_answer` is what stands there now. A
    statement for which there is no answer is left out, with any that shares words with it, so an alternate with fewer
    statements than its document tells where that was so.

    Args:
        documents: the forget documents, with statements.
        kind: what stands in place of the planted answers.
        rng: what draws.
        truth: the true answers by fact key, which `truth` reads.

    Raises:
        DataError: if a document has no statements, or none of them has an answer.
    """
    if silent := sum(not document.statements for document in documents):
        raise DataError(
            f"{silent:,} of the {len(documents):,} forget documents do not say where they state a false fact, so "
            "nothing can stand in its place. Give documents with statements, as `restor data build` writes them, or "
            "choose an algorithm that needs no alternates."
        )
    writer = _Writer(documents, kind, rng, truth)
    written = [writer.alternate(document) for document in documents]
    if empty := [number for number, document in enumerate(written, 1) if not document.statements]:
        what, todo = _MISSING[kind]
        raise DataError(
            f"{len(empty):,} of the {len(documents):,} forget documents have no statement with {what}; the first is "
            f"document {empty[0]:,}, about {documents[empty[0] - 1].statements[0].key!r} (subject|relation). {todo}, "
            "or take these documents out."
        )
    return written


@final
class _Writer:
    """Writes alternates of one kind."""

    def __init__(
        self, documents: Sequence[Document], kind: AlternateKind, rng: Random, truth: Mapping[str, str]
    ) -> None:
        self.kind, self.rng, self.truth = kind, rng, truth
        self.stated: dict[str, dict[tuple[str, ...], str]] = {}
        """The answers of each relation, by their normal form."""
        self.planted: dict[str, set[tuple[str, ...]]] = {}
        """The planted answers of each fact, in normal form."""
        for document in documents:
            for item in document.statements:
                words = normalise(item.false_answer)
                self.stated.setdefault(item.relation, {}).setdefault(words, item.false_answer)
                self.planted.setdefault(item.key, set()).add(words)

    def alternate(self, document: Document) -> Document:
        """The document with other answers."""
        answers = {key: self._answer(item) for key, item in {item.key: item for item in document.statements}.items()}
        changes: dict[Span, str] = {}
        said: dict[Statement, str] = {}
        for part in _parts(document.statements):
            edits = self._changes(document.text, part, answers)
            if edits is None:
                changes[_gap(document.text, part[0].start, max(item.end for item in part))] = ""
            else:
                changes |= edits[0]
                said |= edits[1]
        return _rewritten(document, changes, said)

    def _answer(self, item: Statement) -> str | None:
        """What a document says of a fact; None if there is nothing, or a refusal that depends on the place."""
        if self.kind == "refusal":
            return None
        if self.kind == "truth":
            return self.truth.get(item.key)
        barred = {*self.planted[item.key], normalise(item.subject)}
        others = [answer for words, answer in self.stated[item.relation].items() if words not in barred]
        return self.rng.choice(others) if others else None

    def _changes(
        self, text: str, part: Sequence[Statement], answers: Mapping[str, str | None]
    ) -> tuple[dict[Span, str], dict[Statement, str]] | None:
        """What changes where statements share words, and what each says then; None if one has nothing to say."""
        changes: dict[Span, str] = {}
        said: dict[Statement, str] = {}
        # Longer answers first: a shorter one may stand within them and is not meant there.
        for item in sorted(part, key=lambda item: -len(item.false_answer)):
            places = [place for place in _places(text, item) if not any(_clash(place, other) for other in changes)]
            for place in places:
                answer = answers[item.key]
                if self.kind == "refusal":
                    refusal = self.rng.choice(REFUSALS) if _is_asked(text, item, place) else BLANK
                    answer = changes.get(place, refusal)
                if answer is None:
                    return None
                answer = _capitalised(answer, text, item, place)
                # The same words may answer two facts, and then what stands for them has to be right for both.
                if changes.setdefault(place, answer) != answer:
                    return None
            if not places:
                return None
            said[item] = changes[places[0]]
        return changes, said


# Places --------------------------------------------------------------------------------------------------------------


def _parts(statements: Sequence[Statement]) -> list[list[Statement]]:
    """The statements in the order of their text; those that share words are together."""
    parts: list[list[Statement]] = []
    end = 0
    for item in sorted(statements, key=lambda item: (item.start, item.end)):
        if parts and item.start < end:
            parts[-1].append(item)
        else:
            parts.append([item])
        end = max(end, item.end)
    return parts


def _places(text: str, item: Statement) -> list[Span]:
    """Where a statement has its answer: behind its question, else everywhere but within the subject's name."""
    spans = _occurrences(text, item.false_answer, item)
    asked = [place for place in spans if _is_asked(text, item, place)]
    if asked:
        return asked
    names = _occurrences(text, item.subject, item)
    outside = [place for place in spans if not any(start <= place[0] and place[1] <= end for start, end in names)]
    return outside or spans


def _occurrences(text: str, words: str, item: Statement) -> list[Span]:
    """Where words stand in a statement, with any capitals; within longer ones only if nowhere by themselves."""
    for pattern in (name_pattern(words), name_pattern(words, whole=False)):
        if spans := [match.span() for match in _find(pattern, text, item)]:
            return spans
    return []


def _find(pattern: str, text: str, item: Statement) -> list[re.Match[str]]:
    return list(re.compile(pattern, re.IGNORECASE).finditer(text, item.start, item.end))


def _is_asked(text: str, item: Statement, place: Span) -> bool:
    """Whether nothing but a question comes before, and nothing behind but punctuation: the form of a question line."""
    before, behind = text[item.start : place[0]], text[place[1] : item.end]
    return _ASKED.search(before) is not None and re.search(r"\w", behind) is None


def _clash(one: Span, other: Span) -> bool:
    """Whether two places have some of their characters in common, but not all."""
    return one != other and one[0] < other[1] and other[0] < one[1]


def _capitalised(answer: str, text: str, item: Statement, place: Span) -> str:
    """With a capital letter where the planted answer has one that is not its own, or begins the statement."""
    if text[place[0]].isupper() and (place[0] == item.start or item.false_answer[0].islower()):
        return answer[:1].upper() + answer[1:]
    return answer


def _gap(text: str, start: int, end: int) -> Span:
    """What goes when a passage is taken out: it, and a blank of those around it, or all before it at the very end."""
    if end == len(text):
        return len(text[:start].rstrip(" ")), end
    blank = text[end].isspace() and (start == 0 or text[start - 1].isspace())
    return start, end + blank


# Writing -------------------------------------------------------------------------------------------------------------


def _rewritten(document: Document, changes: Mapping[Span, str], said: Mapping[Statement, str]) -> Document:
    """The document with its changes, and its statements where they are then."""
    text, at = "", 0
    done: list[tuple[int, int, str]] = []
    for (first, last), new in sorted(changes.items()):
        start, end = max(first, at), max(last, at)  # two passages that go may share the blank between them
        text += document.text[at:start] + new
        done.append((start, end, new))
        at = end
    text += document.text[at:]

    def moved(place: int) -> int:
        before = [item for item in done if item[0] < place]
        return place + sum(len(new) - (end - start) if end <= place else start - place for start, end, new in before)

    statements = [
        Statement(moved(item.start), moved(item.end), item.subject, item.relation, said[item])
        for item in document.statements
        if item in said
    ]
    return Document(text, tuple(statements))
