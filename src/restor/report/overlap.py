"""What files without verdicts show: methods whose intervals lie apart from those of the controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from restor.report.judged import NO_METHOD
from restor.report.restored import RETAIN_NAMES, estimate, named, restoration, retain_name, with_retain
from restor.report.text import ended, listed, one_line
from restor.results import Arm, Results
from restor.types import Kind


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """The methods of one kind of retain text against the controls that read the same."""

    retain: str | None
    best_control: Arm | None
    """The control with the highest estimate."""
    above: tuple[Arm, ...]
    """Methods whose interval lies above that of every control, highest first."""
    below: tuple[Arm, ...]
    """Methods whose interval lies below that of a control."""
    unclear: tuple[Arm, ...]
    """Methods that the intervals do not tell apart from the controls."""
    undefined: tuple[Arm, ...]
    """Methods without a figure."""

    @property
    def methods(self) -> int:
        """How many methods there are."""
        return len(self.above) + len(self.below) + len(self.unclear) + len(self.undefined)


def compare(results: Results) -> tuple[Comparison, ...]:
    """Methods against controls, for each kind of retain text apart: it decides what restores."""
    kinds = dict.fromkeys([*RETAIN_NAMES, *(arm.retain for arm in results.summary)])
    found = (_compare(retain, [arm for arm in results.summary if arm.retain == retain]) for retain in kinds)
    return tuple(comparison for comparison in found if comparison.methods)


def overlap_headline(results: Results) -> str:
    """How many methods lie above the controls."""
    compared = compare(results)
    if not compared:
        return NO_METHOD
    if all(len(comparison.undefined) == comparison.methods for comparison in compared):
        notes = sorted({note for arm in results.summary if arm.kind is Kind.METHOD and (note := restoration(arm).note)})
        why = one_line("; ".join(notes), 300)
        return (
            f"What was restored cannot be said here: {ended(why)}" if why else "What was restored cannot be said here."
        )
    comparable = [comparison for comparison in compared if comparison.best_control is not None]
    if not comparable:
        return "No control was run, so what is due to unlearning and what to its side effects cannot be said."
    above = sorted((arm for comparison in compared for arm in comparison.above), key=estimate, reverse=True)
    attempts = f"{sum(comparison.methods for comparison in comparable)} unlearning attempts"
    than = "more than every control that read the same text"
    if above:
        return f"{len(above)} of {attempts} restored {than}: {listed([with_retain(arm) for arm in above])}."
    best = max((arm for c in comparable for arm in c.unclear + c.below), key=estimate, default=None)
    highest = f"; the highest estimate is {with_retain(best)}" if best is not None else ""
    return f"None of {attempts} is shown to have restored {than}{highest}."


def overlap_details(results: Results) -> tuple[str, ...]:
    """For each kind of retain text: who lies above, beside and below the controls."""
    return tuple(_detail(comparison) for comparison in compare(results))


def _compare(retain: str | None, arms: Sequence[Arm]) -> Comparison:
    methods = sorted((arm for arm in arms if arm.kind is Kind.METHOD), key=estimate, reverse=True)
    controls = [arm for arm in arms if arm.kind is Kind.CONTROL and restoration(arm).value is not None]
    best = max(controls, key=estimate, default=None)
    undefined = [arm for arm in methods if restoration(arm).value is None]
    above: list[Arm] = []
    below: list[Arm] = []
    if best is not None:
        lows = [restoration(arm).ci_low for arm in controls]
        highs = [restoration(arm).ci_high for arm in controls]
        for arm in methods:
            own = restoration(arm)
            # An interval that is missing on either side proves nothing.
            if own.ci_low is not None and all(high is not None and own.ci_low > high for high in highs):
                above.append(arm)
            elif own.ci_high is not None and any(low is not None and own.ci_high < low for low in lows):
                below.append(arm)
    told = {arm.id for arm in [*above, *below, *undefined]}
    unclear = tuple(arm for arm in methods if arm.id not in told)
    return Comparison(retain, best, tuple(above), tuple(below), unclear, tuple(undefined))


def _detail(comparison: Comparison) -> str:
    name = retain_name(comparison.retain)
    if comparison.best_control is None:
        return f"{name[0].upper()}{name[1:]}: no control with a defined restoration to compare with."
    best = comparison.best_control
    parts = [f"{name[0].upper()}{name[1:]}. Best control: {named([best])}"]
    parts.append(f"Above every control: {named(comparison.above) or 'none'}")
    if comparison.unclear:
        missing = any(restoration(arm).ci_low is None for arm in [*comparison.unclear, best])
        why = "intervals overlap or are missing" if missing else "intervals overlap"
        parts.append(f"Not told apart from the controls ({why}): {named(comparison.unclear)}")
    if comparison.below:
        parts.append(f"Below a control: {named(comparison.below)}")
    if comparison.undefined:
        parts.append(f"Undefined: {listed([one_line(arm.label, 40) for arm in comparison.undefined], 8)}")
    return ". ".join(parts) + "."
