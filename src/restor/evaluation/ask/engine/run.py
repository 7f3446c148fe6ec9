"""Runs a tree of requests: in each forward the answers at work, and as many nodes more as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import final

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from restor.evaluation.ask.engine.items import AnswerLine, Item, Result, common
from restor.evaluation.ask.engine.lane import Lane, LaneRow, Share
from restor.evaluation.ask.engine.lens import Inside, Lens
from restor.evaluation.ask.engine.scores import LOGITS, Scores, Uses
from restor.evaluation.ask.engine.tree import Ints, plant
from restor.evaluation.ask.engine.whole import not_numbers
from restor.evaluation.ask.engine.writer import Writer
from restor.models.families import logits_of
from restor.models.slots import Slots

LANE, LANE_GPU = 128, 512
"""Tokens of a lane in a forward: attention grows with their square."""

AT_WORK, WIDE = 64, 256
"""Answers that are to be at work at a time, and the slots that they are to fill in a lane, about."""


@final
class Run:
    """One pass over some items, which the writer knows by their `numbers`.

    What memory does not hold is told by torch.OutOfMemoryError, and nothing is kept.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        items: Sequence[Item],
        numbers: Sequence[int],
        writer: Writer | None,
        *,
        tokens: int,
        pad: int,
        lens: Lens | None = None,
    ) -> None:
        self._model, self._items, self._numbers, self._writer, self._pad = model, items, numbers, writer, pad
        self._device = model.device
        order = sorted(range(len(items)), key=lambda number: items[number].prompt)
        firsts = [0, *accumulate(len(item.options) for item in items)]
        self._firsts = firsts
        self._scores = Scores(firsts[-1])
        self._inside = Inside(lens, [option for item in items for option in item.options])
        self._lines: list[list[AnswerLine]] = [[] for _ in items]
        count = min(self._lanes(tokens), len(items))
        self._lanes_left: list[Lane] = []
        for part in _parts([items[number] for number in order], count, writer):
            places = [order[place] for place in part]
            tree = plant([items[number] for number in places], places, [firsts[number] for number in places])
            if tree.size:
                self._lanes_left.append(Lane(tree))
        self._width = max(1, tokens // max(1, len(self._lanes_left)))
        self._best = [np.full(lane.tree.size, -1, dtype=np.int64) for lane in self._lanes_left]
        self._states: list[dict[int, Tensor]] = [{} for _ in self._lanes_left]
        self._slots = Slots(model)
        self._rows = max(1, LOGITS // model.get_output_embeddings().weight.shape[0])
        """Most rows of logits in memory at once."""

    def _lanes(self, tokens: int) -> int:
        wide = LANE if self._device.type == "cpu" else LANE_GPU
        lanes = max(1, tokens // wide)
        if self._writer is not None:
            rows = max(1, WIDE // (self._writer.most + 16))
            lanes = max(lanes, min(-(-AT_WORK // rows), max(1, tokens // 8)))
        return lanes

    def results(self) -> list[Result]:
        """What the model says to each item."""
        while self._lanes_left:
            self._step()
        results = []
        for number, item in enumerate(self._items):
            first = self._firsts[number]
            options = tuple(
                self._inside.result(place, self._scores.result(place, option))
                for place, option in enumerate(item.options, first)
            )
            results.append(Result(options, tuple(tuple(line.ids) for line in self._lines[number])))
        return results

    # One forward ---------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        used = self._slots.used
        shares = [lane.share(self._width, used) for lane in self._lanes_left]
        width = max(len(share.tokens) for share in shares)
        tokens = np.full((len(shares), width), self._pad, dtype=np.int64)
        positions = np.zeros((len(shares), width), dtype=np.int64)
        seen = np.zeros((len(shares), width, used + width), dtype=np.bool_)
        for place, (lane, share) in enumerate(zip(self._lanes_left, shares, strict=True)):
            count = len(share.tokens)
            tokens[place, :count], positions[place, :count] = share.tokens, share.positions
            context = lane.seen(used, count, used + width)
            seen[place, :count, : context.shape[1]] = context
        given = [torch.from_numpy(part).to(self._device) for part in (tokens, positions, seen)]
        starts = [place * width + len(share.rows) - share.first for place, share in enumerate(shares)]
        """What is added to a node of each lane to have the row of its state."""
        uses = self._uses(shares, starts)
        flat = self._inside.run(uses, lambda: self._slots.run(*given)).flatten(0, 1)
        self._score(flat, shares, starts, uses, width)
        if self._writer is not None:
            self._write(flat, shares, width, self._writer)
        self._give_up()

    def _give_up(self) -> None:
        """Lets go of lanes that are over and of slots that nothing needs, where that is worth the copy."""
        used = self._slots.used
        going = [place for place, lane in enumerate(self._lanes_left) if not lane.over]
        needed = [self._lanes_left[place].needed(used) for place in going]
        size = max(map(len, needed), default=0)
        if len(going) == len(self._lanes_left) and used - size < max(32, used // 8):
            return
        if going:
            chosen = np.zeros((len(going), size), dtype=np.int64)
            for row, slots in zip(chosen, needed, strict=True):
                row[: len(slots)] = slots
            self._slots.keep(torch.tensor(going, device=self._device), torch.from_numpy(chosen).to(self._device))
            for place, slots in zip(going, needed, strict=True):
                self._lanes_left[place].keep(slots, used)
        self._lanes_left = [self._lanes_left[place] for place in going]
        self._best = [self._best[place] for place in going]
        self._states = [self._states[place] for place in going]

    # Options -------------------------------------------------------------------------------------------------------

    def _score(self, flat: Tensor, shares: Sequence[Share], starts: Sequence[int], uses: Uses, width: int) -> None:
        """Adds the log-probs of the tokens that the new nodes predict, and notes what each predicts first."""
        rows = uses.rows
        if self._writer is not None and self._writer.plain:
            rows = np.concatenate(
                [rows, *(self._begins(place, share, starts[place]) for place, share in enumerate(shares))]
            )
        rows = np.unique(rows)
        most = self._rows
        for start in range(0, len(rows), most):
            block = rows[start : start + most]
            logits = logits_of(self._model, flat[torch.from_numpy(block).to(self._device)])
            best = self._scores.add(logits, block, uses)
            if best is None:
                raise not_numbers(self._model, self._asked_in(block, logits, starts, width))
            for place in np.unique(block // width).tolist():
                mine = block // width == place
                self._best[place][block[mine] - starts[place]] = best[mine]

    def _uses(self, shares: Sequence[Share], starts: Sequence[int]) -> Uses:
        """What the new nodes predict that is scored, by the rows of their states."""
        parts = []
        lowered: dict[int, tuple[int, ...]] = {}
        count = 0
        for lane, share, start in zip(self._lanes_left, shares, starts, strict=True):
            tree = lane.tree
            first, end = np.searchsorted(tree.use_nodes, (share.first, share.end)).tolist()
            parts.append((start + tree.use_nodes[first:end], tree.use_tokens[first:end], tree.use_options[first:end]))
            if tree.lowered:
                lowered |= {count + use - first: tree.lowered[use] for use in range(first, end) if use in tree.lowered}
            count += end - first
        rows, tokens, options = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Uses(rows, tokens, options, lowered)

    def _begins(self, place: int, share: Share, start: int) -> Ints:
        """The rows behind which answers begin."""
        ends = self._lanes_left[place].ends
        return start + ends[(ends >= share.first) & (ends < share.end)]

    def _asked_in(self, block: Ints, logits: Tensor, starts: Sequence[int], width: int) -> Item:
        """An item that needs one of the rows whose logits are not numbers."""
        worst = int(torch.isfinite(logits.logsumexp(dim=-1)).logical_not().nonzero()[0])
        row = int(block[worst])
        tree, node = self._lanes_left[row // width].tree, row - starts[row // width]
        use = int(np.searchsorted(tree.use_nodes, node))
        if use < len(tree.use_nodes) and tree.use_nodes[use] == node:
            option = int(tree.use_options[use])
            return self._items[int(np.searchsorted(self._firsts, option, side="right")) - 1]
        return tree.items[tree.ends.index(node)]

    # Answers -------------------------------------------------------------------------------------------------------

    def _write(self, flat: Tensor, shares: Sequence[Share], width: int, writer: Writer) -> None:
        """One token more of every answer at work, and the beginning of those whose items are complete."""
        self._advance(flat, shares, width, writer)
        walking: list[tuple[int, AnswerLine, int]] = []
        """(lane, line, node that it stands behind)."""
        for place, (lane, share) in enumerate(zip(self._lanes_left, shares, strict=True)):
            if not writer.plain:
                self._remember(flat, place, share, width)
            for node in range(share.first, share.end):
                for number in lane.tree.done[node]:
                    item = lane.tree.items[number]
                    asked = lane.tree.numbers[number]
                    self._lines[asked] = lines = writer.begin(item, self._numbers[asked])
                    walking += [(place, line, lane.tree.ends[number]) for line in lines]
        while walking:
            walking = self._walk(walking, writer)
        if not writer.plain:
            for lane, states in zip(self._lanes_left, self._states, strict=True):
                for node in [node for node in states if lane.tree.last[node] < lane.cursor]:
                    del states[node]

    def _advance(self, flat: Tensor, shares: Sequence[Share], width: int, writer: Writer) -> None:
        places = [(place, number) for place, share in enumerate(shares) for number in range(len(share.rows))]
        if not places:
            return
        rows = [shares[place].rows[number] for place, number in places]
        at = torch.tensor([place * width + number for place, number in places], device=self._device)
        tokens = self._chosen(flat[at], [row.line for row in rows], writer)
        for lane in self._lanes_left:
            lane.rows = []
        for (place, _), row, token in zip(places, rows, tokens, strict=True):
            row.line.ids.append(token)
            if not self._ended(row.line, writer):
                row.token, row.position = token, row.position + 1
                self._lanes_left[place].rows.append(row)

    def _remember(self, flat: Tensor, place: int, share: Share, width: int) -> None:
        """The states behind which answers will begin or go on, until they do."""
        lane = self._lanes_left[place]
        start = place * width + len(share.rows) - share.first
        for node in range(share.first, share.end):
            if lane.tree.awaited[node]:
                self._states[place][node] = flat[start + node].clone()

    def _walk(
        self, walking: Sequence[tuple[int, AnswerLine, int]], writer: Writer
    ) -> list[tuple[int, AnswerLine, int]]:
        """One token more of each line, by what its node predicts; those that a node of the tree continues go on."""
        if writer.plain:
            tokens = [int(self._best[place][node]) for place, _, node in walking]
        else:
            states = torch.stack([self._states[place][node] for place, _, node in walking])
            tokens = self._chosen(states, [line for _, line, _ in walking], writer)
        going = []
        for (place, line, node), token in zip(walking, tokens, strict=True):
            line.ids.append(token)
            if self._ended(line, writer):
                continue
            lane = self._lanes_left[place]
            child = lane.tree.children.get((node, token), -1)
            if 0 <= child < lane.cursor and lane.slot_of[child] >= 0 and self._known(place, child, writer):
                going.append((place, line, child))
            else:
                position = int(lane.tree.depths[node]) + 1
                lane.rows.append(LaneRow(line, token, position, int(lane.slot_of[node])))
        return going

    def _known(self, place: int, node: int, writer: Writer) -> bool:
        """Whether it is known what a node predicts."""
        return bool(self._best[place][node] >= 0) if writer.plain else node in self._states[place]

    def _chosen(self, states: Tensor, lines: Sequence[AnswerLine], writer: Writer) -> list[int]:
        most = self._rows
        tokens: list[int] = []
        for start in range(0, len(lines), most):
            logits = logits_of(self._model, states[start : start + most])
            good = torch.isfinite(logits.amax(dim=-1))  # NaN anywhere is the greatest
            if not bool(good.all()):
                raise not_numbers(self._model, lines[start + int(good.logical_not().nonzero()[0])].item)
            tokens += writer.next(logits, lines[start : start + most])
        return tokens

    def _ended(self, line: AnswerLine, writer: Writer) -> bool:
        return len(line.ids) >= writer.most or writer.over(line)


def _parts(items: Sequence[Item], count: int, writer: Writer | None) -> list[range]:
    """The items, sorted by their prompts, in parts of about the same work that follow each other.

    They are cut where neighbours share little, since what they share is run once for each part.
    """
    shared, costs = [], []
    before: tuple[int, ...] = ()
    answer = 0 if writer is None else min(writer.most, 8)
    for item in items:
        shared.append(common(before, item.prompt))
        before = item.prompt
        options = sum(max(0, len(option.ids) - 1) for option in item.options)
        costs.append(len(item.prompt) - shared[-1] + options + item.answers * answer)
    reached = [0, *accumulate(costs)]
    share = reached[-1] / count
    cuts = [0]
    for number in range(1, count):
        near = [
            place
            for place in range(cuts[-1] + 1, len(items))
            if abs(reached[place] - number * share) <= max(share / 8, costs[place])
        ]
        if near:
            cuts.append(min(near, key=lambda place: (shared[place], abs(reached[place] - number * share))))
    return [range(start, end) for start, end in pairwise([*cuts, len(items)])]
