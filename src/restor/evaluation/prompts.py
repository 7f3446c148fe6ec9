"""Questions as token ids, tokenised batch by batch, so that any number of them fits into memory.

What is scored equals scoring the whole string: ids are those of the whole prompt and the whole prompt with an option.
Where it is certain that a line is tokenised alike whatever stands before it, the demonstrations are not read again
for each option.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import chain
from typing import final

from transformers import PreTrainedTokenizerBase

from restor.models.families import pad_of
from restor.models.tokenizer import added_behind
from restor.types import Query

Ids = tuple[int, ...]

LINE_BREAK = "\n"

KEPT = 4096
"""Most questions whose ids are kept for the next model, some 20 kB each."""

LONGEST = 32
"""How many of the longest prompts are tokenised beforehand, to see whether they fit."""


@final
@dataclass(frozen=True, slots=True)
class Option:
    """An answer to be scored: behind the first `kept` ids of the prompt come `ids`, the ones that are scored.

    `kept` is the whole prompt, unless the tokens at its end depend on what follows.
    """

    text: str
    kept: int
    ids: Ids

    @property
    def scored(self) -> bool:
        """Whether it has a token that something stands before."""
        return len(self.ids) > (self.kept == 0)


@final
@dataclass(frozen=True, slots=True)
class Prepared:
    """A query as token ids."""

    query: Query
    prompt: Ids
    options: tuple[Option, ...]

    def longest(self, answer: int) -> int:
        """Tokens of the prompt with an answer of `answer` tokens or its longest option."""
        return max(len(self.prompt) + answer, *(option.kept + len(option.ids) for option in self.options), 0)


@final
@dataclass(frozen=True, slots=True)
class Batch:
    """Queries that share `shared` token ids at their start, which leave at least one to each."""

    shared: Ids
    items: tuple[Prepared, ...]


@final
class Plan:
    """Queries in the order in which they are asked: those with the same demonstrations together, like lengths too.

    Made once per tokenizer and used for every model that has it, see `tokenizer_digest`.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, queries: Iterable[Query], *, batch: int) -> None:
        self.size = batch
        self.pad = pad_of(tokenizer)
        texts = _token_texts(tokenizer)
        ends = {tokenizer.eos_token_id} - {None}
        self.stops = frozenset({token for token, text in enumerate(texts) if LINE_BREAK in text} | ends)
        """Tokens that end an answer: the end of text and every token with a newline in it."""
        self._tokenizer = tokenizer
        self._behind = added_behind(tokenizer)
        self._break = self._encode([LINE_BREAK], special=False)[0]
        # Where no token spans a newline and what follows it, a new line is certain to begin a new token.
        self._certain = not any(re.search(r"\n\S", text) for text in texts)
        groups: dict[str, list[Query]] = {}
        for query in queries:
            groups.setdefault(query.prefix, []).append(query)
        for group in groups.values():
            group.sort(key=lambda query: len(query.question))
        self._groups = groups
        self.count = sum(map(len, groups.values()))
        self._ready: tuple[Batch, ...] | None = None

    def batches(self) -> Iterator[Batch]:
        """All queries, tokenised as they are needed; few are kept for the next time."""
        if self._ready is not None:
            yield from self._ready
            return
        made: list[Batch] = []
        for prefix, group in self._groups.items():
            head = self._encode([prefix])[0]
            for start in range(0, len(group), self.size):
                batch = _batch(head, self._prepare(prefix, head, group[start : start + self.size]))
                if self.count <= KEPT:
                    made.append(batch)
                yield batch
        if self.count <= KEPT:
            self._ready = tuple(made)

    def longest(self) -> list[tuple[Query, int]]:
        """The longest prompts with their number of tokens, without options."""
        every = chain.from_iterable(self._groups.values())
        longest = nlargest(LONGEST, every, key=lambda query: len(query.prefix) + len(query.question))
        encoded = self._encode([query.prefix + query.question for query in longest])
        return [(query, len(ids)) for query, ids in zip(longest, encoded, strict=True)]

    def _prepare(self, prefix: str, head: Ids, queries: Sequence[Query]) -> list[Prepared]:
        prompts = self._encode([prefix + query.question for query in queries])
        lines = self._lines_of(prefix, head, queries, prompts)
        options = [_options(query) for query in queries]
        starts = [prefix if line is None else LINE_BREAK for line in lines]
        texts = [
            f"{start}{query.question} {text}"
            for start, query, own in zip(starts, queries, options, strict=True)
            for text in own
        ]
        special = [line is None for line, own in zip(lines, options, strict=True) for _ in own]
        strings = iter(self._encode_mixed(texts, special))
        prepared = []
        for query, prompt, line, own in zip(queries, prompts, lines, options, strict=True):
            known, before = (prompt, 0) if line is None else (line, len(head) - len(self._break))
            found = []
            for text in own:
                ids = next(strings)
                same = _common(ids, known)
                found.append(Option(text, before + same, ids[same:]))
            prepared.append(Prepared(query, prompt, tuple(found)))
        return prepared

    def _lines_of(
        self, prefix: str, head: Ids, queries: Sequence[Query], prompts: Sequence[Ids]
    ) -> Sequence[Ids | None]:
        """Line break and question as token ids, where the prompt is the demonstrations' ids and then these."""
        if not (self._certain and prefix.endswith(LINE_BREAK)):
            return [None] * len(queries)
        lines = self._encode([LINE_BREAK + query.question for query in queries], special=False)
        size = len(self._break)
        return [
            line
            if line[:size] == self._break and prompt == head + line[size:] and not query.question[:1].isspace()
            else None
            for query, prompt, line in zip(queries, prompts, lines, strict=True)
        ]

    def _encode_mixed(self, texts: Sequence[str], special: Sequence[bool]) -> Iterator[Ids]:
        """Token ids of each text, some with the tokenizer's special tokens and some without."""
        both = {
            kind: iter(
                self._encode([text for text, own in zip(texts, special, strict=True) if own is kind], special=kind)
            )
            for kind in (True, False)
        }
        return (next(both[kind]) for kind in special)

    def _encode(self, texts: Sequence[str], *, special: bool = True) -> list[Ids]:
        if not texts:
            return []
        encoded = self._tokenizer(
            list(texts),
            add_special_tokens=special,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
        behind = self._behind if special else 0
        return [tuple(ids[: len(ids) - behind]) for ids in encoded]


def prepare(tokenizer: PreTrainedTokenizerBase, queries: Iterable[Query], *, batch: int) -> Plan:
    """A plan to ask all queries; `batch` is the most of them in one forward."""
    return Plan(tokenizer, queries, batch=batch)


def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 of what a tokenizer does, 64 hex digits: models with the same one can share a plan."""
    special = json.dumps([tokenizer.pad_token_id, tokenizer.eos_token_id])
    return hashlib.sha256((tokenizer.backend_tokenizer.to_str() + special).encode()).hexdigest()


def _token_texts(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """What each token of the vocabulary is on its own."""
    ids = [[token] for token in range(max(tokenizer.get_vocab().values(), default=-1) + 1)]
    found: list[str] = tokenizer.backend_tokenizer.decode_batch(ids, skip_special_tokens=False)
    return found


def _options(query: Query) -> tuple[str, ...]:
    wanted = [*query.fact.answers, *([query.planted] if query.planted else []), *query.random, *query.candidates]
    return tuple(dict.fromkeys(wanted))


def _batch(head: Ids, items: Sequence[Prepared]) -> Batch:
    # The last token of a prompt is never shared, since its logits are needed for every row.
    shared = min(min(_common(item.prompt, head), len(item.prompt) - 1) for item in items)
    return Batch(head[:shared], tuple(items))


def _common(left: Ids, right: Ids) -> int:
    """Length of the common start."""
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return place
    return min(len(left), len(right))
