"""Questions as token ids, tokenised batch by batch, so that any number of them fits into memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import nlargest
from itertools import chain
from typing import final

from transformers import PreTrainedTokenizerBase

from restor.evaluation.ask.engine.encoding import Encoder
from restor.evaluation.ask.engine.items import Item, Option
from restor.models.tokenizer import embeddings_of
from restor.types import Group, Query

BATCH = 256
"""Questions of a batch: what is written at a time, done again after a kill, and given to a process."""

KEPT = 4096
"""Most questions whose ids are kept for the next model, some 20 kB each."""

LONGEST = 32
"""How many of the longest prompts are tokenised beforehand, to see whether they fit."""


@final
@dataclass(frozen=True, slots=True)
class Prepared:
    """A query as token ids."""

    query: Query
    item: Item
    options: tuple[str, ...]
    """What the item's options say."""


@final
class AskingPlan:
    """Queries in the order in which they are asked, in batches: those with the same demonstrations stand together.

    Made once per tokenizer and used for every model that has it, see `tokenizer_digest`. The batches are the same for
    every model and however many processes share them.

    With `layers`, the true and the planted answers to targeted test facts are also scored by what each layer says:
    candidates are many, and the other facts are not what a study is about.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        queries: Iterable[Query],
        *,
        batch: int = BATCH,
        layers: bool = False,
    ) -> None:
        groups: dict[str, list[Query]] = {}
        for query in queries:
            groups.setdefault(query.prefix, []).append(query)
        for group in groups.values():
            group.sort(key=lambda query: len(query.question))
        self.encoder = Encoder(tokenizer)
        self._queries = list(chain.from_iterable(groups.values()))
        self._size = batch
        self._layers = layers
        self._ready: dict[int, tuple[Prepared, ...]] = {}

    @property
    def count(self) -> int:
        """How many queries there are."""
        return len(self._queries)

    @property
    def batches(self) -> int:
        """How many batches there are."""
        return -(-len(self._queries) // self._size)

    def batch(self, number: int) -> tuple[Prepared, ...]:
        """The queries of one batch, tokenised when they are needed; few are kept for the next time."""
        if number in self._ready:
            return self._ready[number]
        prepared = self._prepare(self._queries[number * self._size : (number + 1) * self._size])
        if self.count <= KEPT:
            self._ready[number] = prepared
        return prepared

    def longest(self) -> list[tuple[Query, int]]:
        """The longest prompts with their number of tokens, without options."""
        longest = nlargest(LONGEST, self._queries, key=lambda query: len(query.prefix) + len(query.question))
        encoded = self.encoder.encode([query.prefix + query.question for query in longest])
        return [(query, len(ids)) for query, ids in zip(longest, encoded, strict=True)]

    def _prepare(self, queries: list[Query]) -> tuple[Prepared, ...]:
        options = [_options(query) for query in queries]
        prepared = self.encoder.prepare(
            [query.prefix + query.question for query in queries], [[f" {text}" for text in texts] for texts in options]
        )
        return tuple(
            Prepared(query, Item(query.fact.key, prompt, tuple(self._marked(query, texts, encoded)), answers=1), texts)
            for query, (prompt, encoded), texts in zip(queries, prepared, options, strict=True)
        )

    def _marked(self, query: Query, texts: Sequence[str], options: Sequence[Option]) -> Iterator[Option]:
        inside = self._layers and query.group is Group.TEST and query.planted is not None
        for text, option in zip(texts, options, strict=True):
            yield replace(option, layers=inside and (text == query.planted or text in query.fact.answers))


def prepare(
    tokenizer: PreTrainedTokenizerBase, queries: Iterable[Query], *, batch: int = BATCH, layers: bool = False
) -> AskingPlan:
    """A plan to ask all queries, so many at a time; see `AskingPlan`."""
    return AskingPlan(tokenizer, queries, batch=batch, layers=layers)


def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 of what a tokenizer does, 64 hex digits: models with the same one can share a plan."""
    special = json.dumps([tokenizer.pad_token_id, tokenizer.eos_token_id, embeddings_of(tokenizer)])
    return hashlib.sha256((tokenizer.backend_tokenizer.to_str() + special).encode()).hexdigest()


def _options(query: Query) -> tuple[str, ...]:
    wanted = [*query.fact.answers, *([query.planted] if query.planted else []), *query.random, *query.candidates]
    return tuple(dict.fromkeys(wanted))
