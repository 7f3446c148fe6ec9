"""Requests as a tree of token ids: what several of them begin with is a path that they share. Torch-free.

A node is a token behind everything on the path to it. It is run where its state is needed: to predict a token that is
scored, or the first token of an answer. The last token of an option is only predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from restor.evaluation.engine.items import Item, completing

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
    tokens: list[int] = []
    parents: list[int] = []
    depths: list[int] = []
    children: dict[tuple[int, int], int] = {}
    ends: list[int] = []
    uses: list[tuple[int, int, int, tuple[int, ...]]] = []
    own: list[tuple[int, ...]] = []
    path: list[int] = []
    """Nodes of the last prompt, of which the next one shares the beginning."""
    known: tuple[int, ...] = ()

    def step(node: int, token: int) -> int:
        key = (node, token)
        found = children.get(key)
        if found is None:
            found = children[key] = len(tokens)
            tokens.append(token)
            parents.append(node)
            depths.append(depths[node] + 1 if node >= 0 else 0)
        return found

    for item, first in zip(items, first_options, strict=True):
        prompt = item.prompt
        needed = len(prompt) if item.answers else max((option.kept for option in item.options), default=0)
        same = 0
        for one, other in zip(known[:needed], prompt, strict=False):
            if one != other:
                break
            same += 1
        del path[same:]
        node = path[-1] if path else -1
        for token in prompt[same:needed]:
            node = step(node, token)
            path.append(node)
        known = prompt[:needed]
        ends.append(path[-1] if item.answers else -1)
        mine: list[int] = []
        for number, option in enumerate(item.options, first):
            node = path[option.kept - 1] if option.kept else -1
            start, ids = option.kept, option.ids
            for place, token in enumerate(ids):
                if node >= 0:
                    suppressed = completing(item.suppressed, prompt[:start] + ids[:place]) if item.suppressed else ()
                    uses.append((node, token, number, tuple(suppressed)))
                if place < len(ids) - 1:
                    node = step(node, token)
                    mine.append(node)
        own.append((*mine, ends[-1]) if item.answers else ())
    last = np.arange(len(tokens), dtype=np.int64)
    awaited = np.zeros(len(tokens), dtype=np.bool_)
    done: list[list[int]] = [[] for _ in tokens]
    for place, nodes in enumerate(own):
        if nodes:
            end = max(nodes)
            done[end].append(place)
            awaited[list(nodes)] = True
            for node in nodes:
                last[node] = max(last[node], end)
    for node in range(len(tokens) - 1, -1, -1):
        if (parent := parents[node]) >= 0 and last[parent] < last[node]:
            last[parent] = last[node]
    uses.sort(key=lambda use: use[0])
    table = np.array([use[:3] for use in uses], dtype=np.int64).reshape(-1, 3)
    return Tree(
        items=tuple(items),
        numbers=tuple(numbers),
        tokens=np.array(tokens, dtype=np.int64),
        parents=np.array(parents, dtype=np.int64),
        depths=np.array(depths, dtype=np.int64),
        last=last,
        ends=tuple(ends),
        awaited=awaited,
        done=tuple(map(tuple, done)),
        children=children,
        use_nodes=table[:, 0],
        use_tokens=table[:, 1],
        use_options=table[:, 2],
        lowered={place: use[3] for place, use in enumerate(uses) if use[3]},
    )
