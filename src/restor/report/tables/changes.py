"""Which facts moved: what one model answers that another answered otherwise, fact by fact; for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, final

from restor.report.io.load import reference
from restor.report.io.states import NOT_ASKED, STATES, States
from restor.report.plain import counted, one_line
from restor.results import Arm, Results
from restor.types import Group, Judgement, Kind

if TYPE_CHECKING:
    import pyarrow
    from rich.console import RenderableType

    from restor.report.io.states import Codes, Flags


class Change(StrEnum):
    """How a fact moved from one model to another; `planted` may also be `lost`."""

    RESTORED = "restored"
    """The true answer, which it was not before."""
    LOST = "lost"
    """No longer the true answer."""
    PLANTED = "planted"
    """The planted answer, which it was not before."""
    FORGOTTEN = "forgotten"
    """No longer the planted answer, but not the true one either."""


CHANGE_MEANINGS = {
    Change.RESTORED: "not the true answer before, the true one after",
    Change.LOST: "the true answer before, another one after",
    Change.PLANTED: "the planted answer after, which it was not before; it may have been lost by that",
    Change.FORGOTTEN: "the planted answer before, after it neither that nor the true one",
}


@final
@dataclass(frozen=True, slots=True)
class Move:
    """A fact that moved, with what both models said: the first of the runs that show the state."""

    seed: int
    subject: str
    relation: str
    group: Group
    question: str
    answers: tuple[str, ...]
    planted: str | None
    before: Judgement
    after: Judgement
    said_before: str
    said_after: str

    @property
    def changes(self) -> tuple[Change, ...]:
        """One, or `lost` and `planted`."""
        return tuple(change for change in Change if _is(change, self.before, self.after))


@final
@dataclass(frozen=True, slots=True)
class Counts:
    """How many facts there are, and how many of them moved."""

    facts: int
    """Those for which both models have a verdict."""
    unscored: int
    """Those for which one of them has none."""
    true_before: int
    true_after: int
    restored: int
    lost: int
    planted: int
    forgotten: int


@final
@dataclass(frozen=True, slots=True)
class Pair:
    """Two models, asked the same facts."""

    before: Arm
    after: Arm
    groups: Mapping[Group, Counts]
    """Targeted test facts and untouched ones, where there are any."""
    relations: Mapping[str, Counts]
    """Of the targeted facts, as stored."""
    moves: tuple[Move, ...]

    @property
    def name(self) -> str:
        """`Corrupted → NPO, per token · related`."""
        return f"{_name(self.before)} → {_name(self.after)}"


def moved(results: Results, facts: pyarrow.Table) -> tuple[Pair, ...]:
    """From clean to corrupted and from corrupted to every other model; without a corrupted one, from the clean or else
    from the first to every other.

    Baselines are no models, and validation facts are left out, as everywhere.

    Args:
        results: whose models.
        facts: the answers, as `load_facts` gives them.

    Raises:
        DataError: if the facts are not of these results.
    """
    known = States(results, facts)
    return tuple(_pair(known, before, after) for before, after in _pairs(results, known))


def _pairs(results: Results, states: States) -> list[tuple[Arm, Arm]]:
    models = [
        arm
        for arm in results.summary
        if arm.kind is not Kind.BASELINE and (states.state[states.arms[arm.id]] != NOT_ASKED).any()
    ]
    if len(models) < 2:
        return []
    clean, corrupted = (
        arm if arm in models else None for arm in (reference(results, "clean"), reference(results, "corrupted"))
    )
    origin = corrupted or clean or models[0]
    pairs = [(clean, corrupted)] if clean and corrupted else []
    return pairs + [(origin, arm) for arm in models if arm not in (origin, clean)]


def _pair(states: States, before: Arm, after: Arm) -> Pair:
    import numpy as np

    one, other = states.state[states.arms[before.id]], states.state[states.arms[after.id]]
    targeted, untouched = (states.group == list(Group).index(group) for group in (Group.TEST, Group.UNTOUCHED))
    asked = (one != NOT_ASKED) & (other != NOT_ASKED) & (targeted | untouched)
    both = asked & (one >= 0) & (other >= 0)
    true = STATES.index(Judgement.ORIGINAL)
    changed = [both & _flags(change, one, other) for change in Change]
    flags = (both, asked & ~both, both & (one == true), both & (other == true), *changed)
    groups = {
        group: Counts(*(int((flag & members).sum()) for flag in flags))
        for group, members in ((Group.TEST, targeted), (Group.UNTOUCHED, untouched))
        if (asked & members).any()
    }
    codes, names = states.named["relation"]
    sums = [np.bincount(codes[states.first][flag & targeted], minlength=len(names)) for flag in flags]
    rows = {name: Counts(*(int(part[place]) for part in sums)) for place, name in enumerate(names)}
    relations = {name: row for name, row in rows.items() if row.facts + row.unscored}
    places = np.flatnonzero(np.logical_or.reduce(changed))
    rows_of = (states.row[states.arms[arm.id]][places] for arm in (before, after))
    return Pair(before, after, groups, relations, _moves(states, places, *rows_of))


def _moves(states: States, places: Codes, before: Codes, after: Codes) -> tuple[Move, ...]:
    facts = states.facts.take(states.first[places]).to_pydict()
    said = states.facts.select(["judgement", "completion"])
    one, other = (said.take(rows).to_pydict() for rows in (before, after))
    return tuple(
        Move(
            seed=facts["seed"][place],
            subject=facts["subject"][place],
            relation=facts["relation"][place],
            group=Group(facts["group"][place]),
            question=facts["question"][place],
            answers=tuple(facts["answers"][place] or ()),
            planted=facts["planted"][place],
            before=Judgement(one["judgement"][place]),
            after=Judgement(other["judgement"][place]),
            said_before=one["completion"][place] or "",
            said_after=other["completion"][place] or "",
        )
        for place in range(len(places))
    )


def _flags(change: Change, before: Codes, after: Codes) -> Flags:
    import numpy as np

    table = np.array([[_is(change, one, other) for other in STATES] for one in STATES])
    return np.asarray(table[before.clip(0), after.clip(0)])


def _is(change: Change, before: Judgement, after: Judgement) -> bool:
    if change is Change.RESTORED:
        return after is Judgement.ORIGINAL and before is not Judgement.ORIGINAL
    if change is Change.LOST:
        return before is Judgement.ORIGINAL and after is not Judgement.ORIGINAL
    if change is Change.PLANTED:
        return after is Judgement.PLANTED and before is not Judgement.PLANTED
    return before is Judgement.PLANTED and after is Judgement.OTHER


def _name(arm: Arm) -> str:
    return f"{one_line(arm.label, 40)}{f' · {one_line(arm.retain, 12)}' if arm.retain else ''}"


def moved_json(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """The counts as plain JSON values: per pair, by group and by relation."""
    return [
        {
            "before": pair.before.id,
            "after": pair.after.id,
            "groups": {group.value: asdict(counts) for group, counts in pair.groups.items()},
            "relations": {relation: asdict(counts) for relation, counts in pair.relations.items()},
        }
        for pair in pairs
    ]


def examples(pair: Pair, most: int = 10) -> list[Move]:
    """Some moves: of every sort as many as there is room for, spread over the facts."""
    sorts: dict[Change, list[Move]] = {change: [] for change in Change}
    for move in pair.moves:
        sorts[move.changes[-1]].append(move)  # `planted` rather than `lost`
    room = dict.fromkeys(Change, 0)
    while sum(room.values()) < min(most, len(pair.moves)):
        for change, same in sorts.items():
            if room[change] < len(same) and sum(room.values()) < most:
                room[change] += 1
    return [
        same[(2 * place + 1) * len(same) // (2 * room[change])]
        for change, same in sorts.items()
        for place in range(room[change])
    ]


MARKS = {Judgement.ORIGINAL: "✓", Judgement.PLANTED: "✗", Judgement.OTHER: "~"}


def moved_rich(pairs: Sequence[Pair], *, most: int = 10) -> RenderableType:
    """For the terminal: the counts, then up to `most` examples of each pair."""
    from rich import box
    from rich.console import Group as Together
    from rich.table import Table
    from rich.text import Text

    if not pairs:
        return Text("Which facts moved: there are not two models to compare.")

    def grid() -> Table:
        return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)

    apart = any(Group.UNTOUCHED in pair.groups for pair in pairs)
    wrong = any(move.planted is not None for pair in pairs for move in pair.moves)
    count = grid()
    count.add_column(Text("Which facts moved", style="bold"), overflow="fold", min_width=17)
    heads = ["Facts", "True\nbefore", "True\nafter", "Re-\nstored", "Lost", *(["Planted", "Only for-\ngotten"] * wrong)]
    for head in heads:
        count.add_column(Text(head, style="bold"), justify="right", no_wrap=True)
    for pair in pairs:
        for group, row in pair.groups.items():
            name = f"{pair.name}{f' ({_GROUP_NAMES[group]})' if apart else ''}"
            numbers = [row.facts, row.true_before, row.true_after, row.restored, row.lost]
            numbers += [row.planted, row.forgotten] if wrong else []
            count.add_row(Text(name), *(Text(f"{number:,}") for number in numbers))
    parts: list[RenderableType] = [count]
    unscored = sum(row.unscored for pair in pairs for row in pair.groups.values())
    if unscored:
        parts.append(Text(f"Left out, as a model has no verdict: {counted(unscored, 'fact')}.", style="dim"))
    for pair in pairs:
        shown = examples(pair, most)
        if not shown:
            continue
        table = grid()
        table.expand = True  # without it columns that share the width may vanish
        table.add_column(no_wrap=True, width=9)
        for head, ratio in (("Fact", 4), ("True answer", 3), (_name(pair.before), 3), (_name(pair.after), 3)):
            table.add_column(Text(head, style="bold"), no_wrap=True, ratio=ratio, min_width=12)
        for move in shown:
            cells = [
                f"{one_line(move.subject, 40)}, {one_line(move.relation, 40)}",
                one_line(move.answers[0], 60) + (f" +{len(move.answers) - 1}" if len(move.answers) > 1 else ""),
                f"{MARKS[move.before]} {one_line(move.said_before, 60) or '(empty)'}",
                f"{MARKS[move.after]} {one_line(move.said_after, 60) or '(empty)'}",
            ]
            table.add_row(Text(move.changes[-1].value), *(Text(cell) for cell in cells))
        some = f"{len(shown)} of {counted(len(pair.moves), 'fact')} that moved"
        parts += [Text(), Text(f"{pair.name}: {some}", style="bold"), table]
    signs = "✓ the true answer, ✗ the planted one, ~ another" if wrong else "✓ the true answer, ~ another"
    words = [change for change in Change if wrong or change in (Change.RESTORED, Change.LOST)]
    meanings = "; ".join(f"{change}: {CHANGE_MEANINGS[change]}" for change in words)
    if any(pair.moves for pair in pairs):
        parts += [Text(), Text(f"{signs}. {meanings[0].upper()}{meanings[1:]}.", style="dim")]
    return Together(*parts)


_GROUP_NAMES = {Group.TEST: "targeted", Group.UNTOUCHED: "untouched"}
