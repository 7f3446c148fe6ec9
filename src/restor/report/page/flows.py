"""Which way the facts went: how many of them each model state answers truly, with the planted answer, otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from restor.report.io.load import reference
from restor.report.io.states import NOT_ASKED, States
from restor.results import Arm, Results
from restor.types import Group

if TYPE_CHECKING:
    from restor.report.io.states import Codes

LETTERS = "xpou"
"""`STATES` and, at last, unscored."""
SHOWN = (Group.TEST, Group.UNTOUCHED)


@final
@dataclass(frozen=True, slots=True)
class Flows:
    """The ways from the origins over the facts of a group, for every arm that is no origin."""

    origins: tuple[Arm, ...]
    """Clean and corrupted, as far as there are any; else the first model. Empty where no two arms share a fact."""
    counts: dict[Group, dict[str, dict[str, int]]]
    """Group -> id of the arm -> way, such as `opo` (true, planted, true again) -> facts."""


def flows(results: Results, states: States) -> Flows:
    """The ways of all facts, each counted once a seed."""
    asked = [arm for arm in results.summary if (states.state[states.arms[arm.id]] != NOT_ASKED).any()]
    references = [reference(results, name) for name in ("clean", "corrupted")]
    origins = tuple(arm for arm in references if arm is not None and arm in asked) or tuple(asked[:1])
    targets = [arm for arm in asked if arm not in origins]
    counts = {
        group: {arm.id: ways for arm in targets if (ways := _ways(states, [*origins, arm], group))} for group in SHOWN
    }
    if not any(counts.values()):
        return Flows((), {})
    return Flows(origins, {group: arms for group, arms in counts.items() if arms})


def _ways(states: States, arms: list[Arm], group: Group) -> dict[str, int]:
    import numpy as np

    rows: Codes = states.state[[states.arms[arm.id] for arm in arms]]
    rows = rows[:, (states.group == list(Group).index(group)) & (rows != NOT_ASKED).all(axis=0)]
    base = len(LETTERS)
    letters = np.where(rows < 0, base - 1, rows)
    number = np.zeros(rows.shape[1], dtype=np.int64)
    for row in letters:
        number = base * number + row
    values, times = np.unique(number, return_counts=True)
    return {_way(int(value), len(arms)): int(count) for value, count in zip(values, times, strict=True)}


def _way(number: int, length: int) -> str:
    base = len(LETTERS)
    return "".join(LETTERS[number // base**place % base] for place in reversed(range(length)))
