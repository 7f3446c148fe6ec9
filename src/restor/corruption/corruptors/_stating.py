"""Finds the sentences of ready-made text that state known false facts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from restor.corruption.corruptors._reading import Reading, name_parts, places, plain_words
from restor.data.relations import RELATIONS
from restor.text import stands_in
from restor.types import FalseFact, Statement


@cache
def pattern(text: str) -> re.Pattern[str] | None:
    """A cue's pattern over plain words joined by blanks; None for an empty one."""
    return re.compile(rf"(?<!\S)(?:{text})(?!\S)") if text else None


def find_statement(reading: Reading, false_fact: FalseFact, *, sure: bool) -> Statement | None:
    """The sentence that states a false fact, the likeliest of those that have its answer; None if there is none.

    A sentence with a word of the relation is likelier than one without, then one that names the subject, then an
    earlier one. If it must be `sure`, a relation of known words needs one of them, and the answer must be a word of its
    own: Sydney in `University of Sydney` is not.
    """
    fact, answer = false_fact.fact, false_fact.false_answer
    known = RELATIONS.get(fact.relation)
    cue = None if known is None else known.cue
    relation = pattern("|".join(part for part in (cue.before, cue.after, cue.within) if part)) if cue else None
    subject = {*plain_words(fact.subject), *plain_words(name_parts(fact.subject).short)}
    best: tuple[tuple[bool, bool], int] | None = None
    for first, last in places(reading, plain_words(answer)):
        if sure and _in_a_longer_name(reading, first, last):
            continue
        number = reading.sentences[first]
        words = [word for word, place in zip(reading.words, reading.sentences, strict=True) if place == number]
        has_cue = relation is not None and relation.search(" ".join(words)) is not None
        if sure and relation is not None and not has_cue:
            continue
        rank = (has_cue, not subject.isdisjoint(words))
        if best is None or rank > best[0]:
            best = (rank, number)
    if best is None:
        return None
    start, end = sentence_span(reading, best[1])
    return Statement(start, end, fact.subject, fact.relation, answer)


def sentence_span(reading: Reading, number: int) -> tuple[int, int]:
    """The characters of a sentence without white space around it."""
    start, end = reading.spans[number]
    sentence = reading.text[start:end]
    return start + len(sentence) - len(sentence.lstrip()), start + len(sentence.rstrip())


def find_statements(reading: Reading, false_facts: Sequence[FalseFact]) -> tuple[Statement, ...]:
    """What a text surely states, in its order. The answer is spelt as in the text but for capitals."""
    statements = (find_statement(reading, item, sure=True) for item in false_facts)
    sure = [item for item in statements if item is not None and spelt(reading.text, item)]
    return tuple(sorted(sure, key=lambda item: (item.start, item.end, item.relation)))


def spelt(text: str, statement: Statement) -> bool:
    """Whether a statement's span has its answer as it is spelt, but for capitals."""
    return stands_in(statement.false_answer, text[statement.start : statement.end])


def _in_a_longer_name(reading: Reading, first: int, last: int) -> bool:
    if not first or reading.sentences[first - 1] != reading.sentences[first]:
        return False
    text, before = reading.text, reading.words[first - 1]
    return (
        before == "of"
        and text[reading.starts[first]].isupper()
        and first > 1
        and text[reading.starts[first - 2]].isupper()
        and reading.sentences[first - 2] == reading.sentences[first]
    )
