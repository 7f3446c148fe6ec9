"""What the study found, in sentences that claim no more than the intervals allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from restor.report.load import reference
from restor.report.text import counted, interval, listed, number, one_line, share
from restor.results import Arm, Results, Value
from restor.types import Kind

RETAIN_NAMES = {None: "no retain text", "unrelated": "unrelated retain text", "related": "related retain text"}


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """The sentence at the top, what stands behind it, and what limits it."""

    headline: str
    basis: str
    """How many facts, entities and seeds it rests on."""
    details: tuple[str, ...]
    caveats: tuple[str, ...]


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


def _compare(retain: str | None, arms: Sequence[Arm]) -> Comparison:
    methods = sorted((arm for arm in arms if arm.kind is Kind.METHOD), key=_estimate, reverse=True)
    controls = [arm for arm in arms if arm.kind is Kind.CONTROL and restoration(arm).value is not None]
    best = max(controls, key=_estimate, default=None)
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


def answer(results: Results) -> Answer:
    """The finding of a study."""
    compared = compare(results)
    return Answer(
        _headline(compared, results),
        _basis(results),
        tuple([_detail(comparison) for comparison in compared] + _ceiling(results) + _damage(results)),
        tuple(_caveats(results)),
    )


def restoration(arm: Arm) -> Value:
    """An arm's restoration; undefined where it was not measured."""
    return arm.metrics.get("restoration") or Value(value=None, n=0, note="not measured in this study")


def ceiling(results: Results) -> float | None:
    """What restoration the corrupted model would reach if it gave its second choice wherever the planted is first."""
    corrupted, ideal = reference(results, "corrupted"), reference(results, "ideal")
    if corrupted is None or ideal is None:
        return None
    names = ((corrupted, "runner_up"), (corrupted, "test.original"), (ideal, "test.original"))
    second, now, best = (arm.metrics[name].value if name in arm.metrics else None for arm, name in names)
    if second is None or now is None or best is None or best <= now:
        return None
    return (second - now) / (best - now)


def _estimate(arm: Arm) -> float:
    value = restoration(arm).value
    return float("-inf") if value is None else value


def _headline(compared: Sequence[Comparison], results: Results) -> str:
    if not compared:
        return "This study has no unlearning method: its rows show references and controls only."
    if all(len(comparison.undefined) == comparison.methods for comparison in compared):
        notes = sorted({note for arm in results.summary if arm.kind is Kind.METHOD and (note := restoration(arm).note)})
        why = f": {one_line('; '.join(notes), 300)}" if notes else ""
        return f"What was restored cannot be said here{why}."
    if all(comparison.best_control is None for comparison in compared):
        return "No control was run, so what is due to unlearning and what to its side effects cannot be said."
    above = sorted((arm for comparison in compared for arm in comparison.above), key=_estimate, reverse=True)
    comparable = [comparison for comparison in compared if comparison.best_control is not None]
    total = sum(comparison.methods for comparison in comparable)
    attempts = f"{total} unlearning attempts"
    than = "more than every control that read the same text"
    if above:
        return f"{len(above)} of {attempts} restored {than}: {listed([_with_figure(arm) for arm in above])}."
    best = max((arm for c in comparable for arm in c.unclear + c.below), key=_estimate, default=None)
    highest = f"; the highest estimate is {_with_figure(best)}" if best is not None else ""
    return f"None of {attempts} is shown to have restored {than}{highest}."


def _basis(results: Results) -> str:
    values = [arm.metrics["test.original"] for arm in results.summary if "test.original" in arm.metrics]
    seeds = results.study.seeds
    said = f"{counted(len(seeds), 'seed')} ({', '.join(map(str, seeds))})"
    if not values:
        return said
    facts, entities = max(value.n for value in values), max(value.n_entities for value in values)
    about = f" about {counted(entities, 'entity')}" if entities else ""
    return f"{counted(facts, 'targeted fact')}{about}, {said}; figures in brackets are 95 % intervals"


def _with_figure(arm: Arm) -> str:
    retain = f" with {_retain_name(arm.retain)}" if arm.retain else ""
    return f"{one_line(arm.label, 40)}{retain} {_percent(arm)}"


def _named(arms: Sequence[Arm]) -> str:
    return listed([f"{one_line(arm.label, 40)} {_percent(arm)}" for arm in arms], 8)


def _percent(arm: Arm) -> str:
    value = restoration(arm)
    text = interval(value)
    return text.replace(" [", " % [") if " [" in text else f"{text} %"


def _detail(comparison: Comparison) -> str:
    name = _retain_name(comparison.retain)
    if comparison.best_control is None:
        return f"{name[0].upper()}{name[1:]}: no control with a defined restoration to compare with."
    best = comparison.best_control
    parts = [f"{name[0].upper()}{name[1:]}. Best control: {_named([best])}"]
    parts.append(f"Above every control: {_named(comparison.above) or 'none'}")
    if comparison.unclear:
        missing = any(restoration(arm).ci_low is None for arm in [*comparison.unclear, best])
        why = "intervals overlap or are missing" if missing else "intervals overlap"
        parts.append(f"Not told apart from the controls ({why}): {_named(comparison.unclear)}")
    if comparison.below:
        parts.append(f"Below a control: {_named(comparison.below)}")
    if comparison.undefined:
        parts.append(f"Undefined: {listed([one_line(arm.label, 40) for arm in comparison.undefined], 8)}")
    return ". ".join(parts) + "."


def _ceiling(results: Results) -> list[str]:
    top, corrupted = ceiling(results), reference(results, "corrupted")
    if top is None or corrupted is None:
        return []
    second = corrupted.metrics["runner_up"].value or 0.0
    return [
        f"Runner-up ceiling: with the planted answer excluded, the corrupted model's first choice is the true answer "
        f"for {share(second)} % of the facts. Merely suppressing planted answers could thus reach "
        f"{number(100 * top)} % restoration, without anything having been relearnt."
    ]


def _damage(results: Results) -> list[str]:
    corrupted = reference(results, "corrupted")
    kept = corrupted.metrics.get("untouched.original") if corrupted else None
    floor = kept.ci_low if kept else None
    if floor is None:
        return []
    damaged = [
        f"{one_line(arm.label, 40)}{f' ({arm.retain})' if arm.retain else ''} {share(value.value)} %"
        for arm in results.summary
        if arm.kind is not Kind.REFERENCE
        and (value := arm.metrics.get("untouched.original"))
        and value.value is not None
        and value.ci_high is not None
        and value.ci_high < floor
    ]
    if not damaged:
        return ["No arm is shown to have damaged facts about untouched entities, compared with the corrupted model."]
    return [f"Facts about untouched entities were damaged, compared with the corrupted model, by {listed(damaged, 6)}."]


def _caveats(results: Results) -> list[str]:
    seeds = results.study.seeds
    text = [one_line(note, 600) for note in results.study.notes]
    if len(seeds) == 1:
        text.append("One seed: the intervals cover the choice of entities, not the luck of one training run.")
    text.append("Each interval stands alone: they are not widened for the number of arms that are compared.")
    unscored = sum(value.n_unscored for arm in results.summary if (value := arm.metrics.get("test.original")))
    if unscored:
        text.append(f"{counted(unscored, 'answer')} to targeted facts got no verdict; they are left out of the shares.")
    return text


def _retain_name(retain: str | None) -> str:
    return RETAIN_NAMES.get(retain, f"{one_line(retain or '', 40)} retain text")
