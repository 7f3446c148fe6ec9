"""A lane: some of the items, run node by node, with the answers that are being written behind them. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from restor.evaluation.ask.engine.items import AnswerLine
from restor.evaluation.ask.engine.tree import Ints, Tree

Bools = NDArray[np.bool_]

SLOTS = 1024
"""Beyond so many slots in use, a lane reads no further while answers are being written."""


@final
@dataclass(slots=True)
class LaneRow:
    """An answer at work: its last token, which is to be run behind what stands in a slot."""

    line: AnswerLine
    token: int
    position: int
    behind: int
    """Slot of the token before it."""


@final
@dataclass(frozen=True, slots=True)
class Share:
    """What a lane gives to a forward: the rows' tokens, then nodes."""

    tokens: Ints
    positions: Ints
    rows: tuple[LaneRow, ...]
    first: int
    """The first node."""
    end: int
    """Behind the last node."""


@final
class Lane:
    """What is run next, and which slots hold what."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.cursor = 0
        """The next node to be run."""
        self.ends = np.array(tree.ends, dtype=np.int64)
        """The nodes behind which answers begin; -1 for items without."""
        self.rows: list[LaneRow] = []
        self.slot_of = np.full(tree.size, -1, dtype=np.int64)
        """By node; -1 where it is not held."""
        self._nodes = np.full(0, -1, dtype=np.int64)
        """By slot; -1 for tokens of answers and for empty slots."""
        self._seen: Bools = np.zeros((0, 0), dtype=np.bool_)
        """By slot, the slots that its token attends to."""
        self._held = 0

    @property
    def over(self) -> bool:
        """Whether nothing is left to be run."""
        return not self.rows and self.cursor == self.tree.size

    def share(self, room: int, used: int) -> Share:
        """Takes what is run next into the slots from `used` on: all rows, and as many nodes as there is room for."""
        tree, rows = self.tree, self.rows
        first = self.cursor
        spare = 0 if rows and self._held > SLOTS else max(room - len(rows), 0)
        end = min(first + spare, tree.size)
        self._grow(used + len(rows) + end - first)
        seen = self._seen
        for slot, row in enumerate(rows, used):
            seen[slot] = seen[row.behind]
            seen[slot, slot] = True
            row.behind = slot
        start = used + len(rows)
        self.slot_of[first:end] = range(start, start + end - first)
        self._nodes[used:start] = -1
        self._nodes[start : start + end - first] = range(first, end)
        parents = tree.parents[first:end]
        behind = np.where(parents >= 0, self.slot_of[parents], -1).tolist()
        for slot, parent in enumerate(behind, start):
            if parent >= 0:
                seen[slot] = seen[parent]
            else:
                seen[slot] = False
            seen[slot, slot] = True
        self.cursor = end
        return Share(
            tokens=np.concatenate([np.array([row.token for row in rows], dtype=np.int64), tree.tokens[first:end]]),
            positions=np.concatenate(
                [np.array([row.position for row in rows], dtype=np.int64), tree.depths[first:end]]
            ),
            rows=tuple(rows),
            first=first,
            end=end,
        )

    def seen(self, used: int, count: int, slots: int) -> Bools:
        """What the tokens in `count` slots from `used` on attend to, among the first `slots`."""
        return self._seen[used : used + count, :slots]

    def needed(self, used: int) -> Ints:
        """The slots that something still needs, in order; the first `used` hold something or other."""
        nodes = self._nodes[:used]
        held = (nodes >= 0) & (self.tree.last[nodes] >= self.cursor)
        if self.rows:
            held |= self._seen[[row.behind for row in self.rows], :used].any(axis=0)
        columns = np.flatnonzero(held)
        self._held = len(columns)
        return columns

    def keep(self, slots: Ints, used: int) -> None:
        """Only these slots are held any longer, from the first on; there are `used` of them with the empty ones."""
        count = len(slots)
        moved = np.full(len(self._nodes), -1, dtype=np.int64)
        moved[slots] = range(count)
        nodes = self._nodes[slots]
        self.slot_of[:] = -1
        self.slot_of[nodes[nodes >= 0]] = np.flatnonzero(nodes >= 0)
        self._nodes[:] = -1
        self._nodes[:count] = nodes
        kept = self._seen[slots[:, None], slots[None, :]]
        self._seen[:used] = False
        self._seen[:count, :count] = kept
        for row in self.rows:
            row.behind = int(moved[row.behind])

    def _grow(self, wanted: int) -> None:
        size = len(self._nodes)
        if wanted <= size:
            return
        larger = max(wanted, size * 3 // 2, 256)
        self._nodes = np.concatenate([self._nodes, np.full(larger - size, -1, dtype=np.int64)])
        seen = np.zeros((larger, larger), dtype=np.bool_)
        seen[:size, :size] = self._seen
        self._seen = seen
