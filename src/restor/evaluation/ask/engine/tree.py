"""Requests as a tree of token ids: what several of them begin with is a path that they share. Torch-free.

A node is a token behind everything on the path to it. It is run where its state is needed: to predict a token that is
scored, or the first token of an answer. The last token of an option is only predicted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from restor.evaluation.ask.engine.items import Ids, Item, Option, common, completing

Ints = NDArray[np.int64]


@final
@dataclass(frozen=True, slots=True)
class Tree:
    """Some items' paths. Nodes stand behind their parents, in the order in which they are run."""

    items: tuple[Item, ...]
    numbers: tuple[int, ...]
    """The items' places among those asked together."""
    tokens: Ints
    parents: Ints
    """-1 for the first token of a text."""
    depths: Ints
    """Position of the token in its text."""
    last: Ints
    """The node that is run last of those that need this one, or that must be run before it can be given up."""
    ends: tuple[int, ...]
    """Of each item, the node behind which its answers begin."""
    awaited: NDArray[np.bool_]
    """By node: whether an answer may begin or go on behind it."""
    done: tuple[tuple[int, ...], ...]
    """By node: which items are complete with it, those whose answers can then be written."""
    children: dict[tuple[int, int], int]
    """(node, token) -> node."""
    use_nodes: Ints
    """Node that predicts, sorted."""
    use_tokens: Ints
    """What it predicts."""
    use_options: Ints
    """Which option this scores: a running number over all items."""
    lowered: dict[int, tuple[int, ...]]
    """By use: the tokens that are suppressed there."""

    @property
    def size(self) -> int:
        """How many nodes there are."""
        return len(self.tokens)


def plant(items: Sequence[Item], numbers: Sequence[int], first_options: Sequence[int]) -> Tree:
    """The tree of some items, which stand sorted by their prompts.

    `first_options` are the running numbers of the items' first options.
    """
    growing = _Growing()
    for item, first in zip(items, first_options, strict=True):
        growing.add(item, first)
    last, awaited, done = _waits(growing.parents, growing.awaited_by)
    uses = sorted(growing.uses, key=lambda use: use[0])
    table = np.array([use[:3] for use in uses], dtype=np.int64).reshape(-1, 3)
    return Tree(
        items=tuple(items),
        numbers=tuple(numbers),
        tokens=np.array(growing.tokens, dtype=np.int64),
        parents=np.array(growing.parents, dtype=np.int64),
        depths=np.array(growing.depths, dtype=np.int64),
        last=last,
        ends=tuple(growing.ends),
        awaited=awaited,
        done=done,
        children=growing.children,
        use_nodes=table[:, 0],
        use_tokens=table[:, 1],
        use_options=table[:, 2],
        lowered={place: use[3] for place, use in enumerate(uses) if use[3]},
    )


@final
class _Growing:
    """A tree to which items are added."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.parents: list[int] = []
        self.depths: list[int] = []
        self.children: dict[tuple[int, int], int] = {}
        self.ends: list[int] = []
        self.uses: list[tuple[int, int, int, tuple[int, ...]]] = []
        """Node, token, option, and the tokens that are suppressed there."""
        self.awaited_by: list[tuple[int, ...]] = []
        """By item: the nodes behind which its answers may begin or go on."""
        self._known: Ids = ()
        self._path: list[int] = []
        """Nodes of the last prompt, of which the next one shares the beginning."""

    def add(self, item: Item, first: int) -> None:
        """The next item, whose options are numbered from `first` on."""
        needed = len(item.prompt) if item.answers else max((option.kept for option in item.options), default=0)
        prompt = item.prompt[:needed]
        same = common(self._known, prompt)
        del self._path[same:]
        node = self._path[-1] if self._path else -1
        for token in prompt[same:]:
            node = self._step(node, token)
            self._path.append(node)
        self._known = prompt
        inner = [node for number, option in enumerate(item.options, first) for node in self._run(item, option, number)]
        self.ends.append(self._path[-1] if item.answers else -1)
        self.awaited_by.append((*inner, self.ends[-1]) if item.answers else ())

    def _run(self, item: Item, option: Option, number: int) -> Iterator[int]:
        """The nodes of an option; its last token is only predicted."""
        node = self._path[option.kept - 1] if option.kept else -1
        for place, token in enumerate(option.ids):
            if node >= 0:
                before = item.prompt[: option.kept] + option.ids[:place] if item.suppressed else ()
                self.uses.append((node, token, number, tuple(completing(item.suppressed, before))))
            if place < len(option.ids) - 1:
                node = self._step(node, token)
                yield node

    def _step(self, node: int, token: int) -> int:
        """The node of a token behind another node."""
        child = self.children.get((node, token))
        if child is None:
            child = self.children[node, token] = len(self.tokens)
            self.tokens.append(token)
            self.parents.append(node)
            self.depths.append(self.depths[node] + 1 if node >= 0 else 0)
        return child


def _waits(
    parents: Sequence[int], awaited_by: Sequence[Sequence[int]]
) -> tuple[Ints, NDArray[np.bool_], tuple[tuple[int, ...], ...]]:
    """`last`, `awaited` and `done` of a tree."""
    last = np.arange(len(parents), dtype=np.int64)
    awaited = np.zeros(len(parents), dtype=np.bool_)
    done: list[list[int]] = [[] for _ in parents]
    for place, nodes in enumerate(awaited_by):
        if nodes:
            end = max(nodes)
            done[end].append(place)
            awaited[list(nodes)] = True
            last[list(nodes)] = np.maximum(last[list(nodes)], end)
    for node in range(len(parents) - 1, -1, -1):
        if (parent := parents[node]) >= 0 and last[parent] < last[node]:
            last[parent] = last[node]
    return last, awaited, tuple(map(tuple, done))
