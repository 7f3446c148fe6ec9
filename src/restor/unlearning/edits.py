"""True facts as token ids, for the algorithms that write single facts into the weights."""

from __future__ import annotations

import re
from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from restor.domains.base import answer_line
from restor.models.tokenizer import added_behind, check_embedded
from restor.text import name_pattern
from restor.types import Fact
from restor.unlearning.algorithms.base import Edit


def encode_edits(tokenizer: PreTrainedTokenizerBase, facts: Sequence[Fact]) -> tuple[list[Edit], list[Fact]]:
    """Each fact's question and first answer as an edit, and the facts that cannot be one.

    These are the facts whose question does not name their subject. Question and answer are tokenised as one line, as
    they are read, and split where the answer begins: a token that has characters of both belongs to the answer. Where
    the question names the subject several times, the last one counts.
    """
    lines = [answer_line(fact.question, fact.answers[0]).rstrip("\n") for fact in facts]
    if not lines:
        return [], []
    encoded = tokenizer(lines, return_offsets_mapping=True, verbose=False)
    check_embedded(tokenizer, lines, encoded["input_ids"])
    behind = added_behind(tokenizer)
    edits, left_out = [], []
    for fact, ids, spans in zip(facts, encoded["input_ids"], encoded["offset_mapping"], strict=True):
        edit = _edit(fact, ids[: len(ids) - behind], spans)
        if edit is None:
            left_out.append(fact)
        else:
            edits.append(edit)
    return edits, left_out


def _edit(fact: Fact, ids: Sequence[int], spans: Sequence[tuple[int, int]]) -> Edit | None:
    """None without a subject in the question, or without a token of the answer's own."""
    end = _end_of_subject(fact)
    # Special tokens have no characters: their span is empty.
    split = next((place for place in range(len(ids)) if spans[place][1] > len(fact.question)), len(ids))
    if end is None or split == len(ids):
        return None
    held = [place for place in range(split) if spans[place][0] < end <= spans[place][1]]
    return Edit(tuple(ids[:split]), tuple(ids[split:]), held[-1]) if held else None


def _end_of_subject(fact: Fact) -> int | None:
    """The character behind the last mention of the subject in the question, as a whole word if there is one."""
    name = fact.subject.strip()
    for pattern in (name_pattern(name), name_pattern(name, whole=False)):
        if name and (matches := list(re.finditer(pattern, fact.question, re.IGNORECASE))):
            return matches[-1].end()
    return None
