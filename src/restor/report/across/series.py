"""A figure against what arms differ in: restoration against k, dose, strength, steps, learning rate, retain weight.

A series is made of arms that differ in one number and in nothing else, from one study or from several that asked the
same facts in the same way. Nothing is computed anew: each point is the stored figure of a pooled arm, relative to the
references of its own study.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

from restor.report.across.side_by_side import Entrant, base_of, entrant
from restor.report.plain import interval, listed, one_line
from restor.results import Arm, Results, Value
from restor.types import Kind

RESTORATION = "restoration"

TITLES: dict[str, str] = {
    "corruption.corruptor.k": "k: unrelated sentences per wrong fact",
    "corruption.corruptor.dose": "dose: documents that state each wrong fact",
    "corruption.corruptor.documents": "forget documents per target",
    "corruption.lr": "strength: learning rate of the corruption",
    "corruption.epochs": "epochs of the corruption",
    "options.steps": "unlearning steps",
    "options.lr": "unlearning learning rate",
    "options.retain_weight": "retain weight",
    "recovery.steps": "recovery steps",
}
"""How an axis is called; any other one has the path of the setting."""

_SHOWN = (Kind.METHOD, Kind.ORACLE, Kind.CONTROL)
_OF_STUDIES = ("domain", "general", "start", "model", "clean", "targets", "corruption", "unlearning", "recovery")
_COMPUTE = ("precision", "accumulation", "gradient_checkpointing", "seeds")
_AXES = ("model.", "clean.", "corruption.", "unlearning.", "recovery.", "arm.", "options.")
"""Where a setting stands that can be an axis: the others change the facts or how models are asked."""
_NAMES = ("corruption.strength", "unlearning.selection", "unlearning.lr", "unlearning.steps", "unlearning.arms")
"""Settings that stand in the options of each arm or, of a strength, in the learning rate."""
_NOT_OF_ARMS = ("label", "algorithm", "options", "lr", "steps", "chosen")
"""What an arm's configuration says that its stored options say better."""

Settings: TypeAlias = dict[str, Any]


@final
@dataclass(frozen=True, slots=True)
class Point:
    """One pooled arm."""

    x: float
    value: Value
    """The stored figure; its `value` is None where it is undefined, and `note` says why."""
    study: str
    """Tag of the study, as the entrant has it; empty within one study."""
    arm: str
    """Id of the arm in the summary of its study."""


@final
@dataclass(frozen=True, slots=True)
class Series:
    """Arms that differ in `x_name` alone."""

    x_name: str
    """Path of the setting: `corruption.corruptor.k`, or `options.steps` for what an arm itself is set to."""
    label: str
    """The arm's, where all points share one; else its algorithm. What tells series of one axis apart is added."""
    points: tuple[Point, ...]
    """At least two, by x; the figure of at least one is defined."""

    @property
    def x_title(self) -> str:
        """The axis in words."""
        return TITLES.get(self.x_name, self.x_name.removeprefix("options."))


def series_of(results: Results, figure: str = RESTORATION) -> list[Series]:
    """The series within one study, by axis and then label; empty where no two arms differ in one number alone."""
    return series_across([entrant("", results, None)], figure)


def series_across(entrants: Sequence[Entrant], figure: str = RESTORATION) -> list[Series]:
    """The series within and across studies.

    Studies share a series only if they asked the same facts (by their answers; where those are missing, by the digests
    of the data) by the same protocol, judge and settings, and define the figure alike, towards the same reference.
    Forget documents may differ: their k, dose or strength is what a series is about. Comparisons of checkpoints made
    elsewhere are left out, as nothing is stored of how those were made. Where hyperparameters were selected for each
    setting of the study, the procedure is what is the same, and not what it chose.

    Args:
        entrants: studies as `restor.report.across.side_by_side.entrant` makes them.
        figure: name of a figure of `Arm.metrics`.
    """
    groups: dict[str, list[_Candidate]] = {}
    for each in entrants:
        if each.results.study.kind == "study":
            groups.setdefault(_comparable(each, figure), []).extend(_candidates(each, figure))
    all_series = [series for group in groups.values() for series in _series(group)]
    order = list(TITLES)
    return sorted(
        all_series,
        key=lambda one: (order.index(one.x_name) if one.x_name in order else len(order), one.x_name, one.label),
    )


def told(series: Sequence[Series]) -> list[str]:
    """Series of restoration in words, one sentence each, for a terminal."""
    return [
        f"Restoration in % against {one.x_title}, {one_line(one.label, 120)}: "
        + "; ".join(
            f"{point.study and f'{point.study} '}at {point.x:g} {interval(point.value)}" for point in one.points
        )
        + "."
        for one in series
    ]


@final
@dataclass(frozen=True, slots=True)
class _Candidate:
    """An arm with everything that it could differ in."""

    arm: Arm
    study: str
    value: Value
    settings: Settings
    given: Settings
    """The same without what was chosen for it on validation entities."""

    def fixed(self, axis: str, names: Sequence[str]) -> str:
        """All of `names` but the axis: what the arms of a series share."""
        settings = self.settings if axis.startswith("options.") else self.given
        return json.dumps([settings.get(name) for name in names if name != axis])


def _series(candidates: Sequence[_Candidate]) -> Iterator[Series]:
    names = _varying(candidates)
    for axis in names:
        if not axis.startswith(_AXES):
            continue
        lines: dict[str, dict[float, _Candidate]] = {}
        for each in candidates:
            x = each.settings.get(axis)
            if isinstance(x, int | float) and not isinstance(x, bool):
                # The same arm of two studies, or a second one that differs in its name alone, is no second point.
                lines.setdefault(each.fixed(axis, names), {}).setdefault(float(x), each)
        drawn = [line for line in lines.values() if len(line) > 1 and any(_defined(each) for each in line.values())]
        for line, label in zip(drawn, _labels(drawn, axis, names), strict=True):
            points = (Point(x, line[x].value, line[x].study, line[x].arm.id) for x in sorted(line))
            yield Series(axis, label, tuple(points))


def _defined(each: _Candidate) -> bool:
    return each.value.value is not None


def _varying(candidates: Sequence[_Candidate]) -> list[str]:
    """The settings that are not the same everywhere."""
    seen: dict[str, set[str]] = {}
    for name in dict.fromkeys(name for each in candidates for name in each.settings):
        seen[name] = {json.dumps(each.settings.get(name)) for each in candidates}
    return [name for name, values in seen.items() if len(values) > 1]


def _labels(lines: Sequence[Mapping[float, _Candidate]], axis: str, names: Sequence[str]) -> list[str]:
    """A label for each series of an axis; those of one name are told apart by what else differs between them."""
    plain = [_label([each.arm for each in line.values()]) for line in lines]
    firsts = [next(iter(line.values())).given for line in lines]
    labels = []
    for label, first in zip(plain, firsts, strict=True):
        others = [other for name, other in zip(plain, firsts, strict=True) if name == label]
        differing = [
            f"{name.removeprefix('options.')} {_said(first.get(name))}"
            for name in names
            if name not in (axis, "retain") and len({json.dumps(other.get(name)) for other in others}) > 1
        ]
        labels.append(f"{label}, {listed(differing)}" if differing else label)
    return labels


def _label(arms: Sequence[Arm]) -> str:
    labels = {arm.label for arm in arms}
    first = arms[0]
    name = first.label if len(labels) == 1 or first.algorithm is None else first.algorithm
    return f"{name} ({first.retain})" if first.retain else name


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _comparable(each: Entrant, figure: str) -> str:
    """What studies must share to share a series."""
    terms = dict(each.terms)
    digests = terms.pop("digests of facts and forget documents", None)
    facts = terms.pop("facts", None)
    data = ("facts", facts) if facts is not None else ("digests", digests) if digests is not None else ("", each.tag)
    described = next((item for item in each.results.figures if item.name == figure), None)
    meaning = [described.unit, described.meaning] if described else None
    return json.dumps([data, terms, meaning, base_of(each.results)], sort_keys=True)


def _candidates(each: Entrant, figure: str) -> Iterator[_Candidate]:
    config = each.results.study.config
    shared = dict(_flat({name: config.get(name) for name in (*_OF_STUDIES, *_COMPUTE)}))
    shared = {name: value for name, value in shared.items() if not name.startswith(_NAMES)}
    arms = config.get("unlearning")
    arms = arms.get("arms") if isinstance(arms, dict) else None
    for arm in each.results.summary:
        if arm.kind not in _SHOWN or figure not in arm.metrics:
            continue
        arm_config = arms.get(arm.arm) if isinstance(arms, dict) else None
        arm_config = arm_config if isinstance(arm_config, dict) else {"name": arm.arm}  # of which nothing else is known
        common = {
            **shared,
            "kind": arm.kind.value,
            "algorithm": arm.algorithm,
            "retain": arm.retain,
            "recovered": arm.recovered,
            **dict(_flat({"arm": {name: value for name, value in arm_config.items() if name not in _NOT_OF_ARMS}})),
        }
        options = {f"options.{name}": value for name, value in arm.options.items()}
        arm_options = arm_config.get("options")
        given = (
            {f"options.{name}": value for name, value in arm_options.items()} if isinstance(arm_options, dict) else {}
        )
        selected = arm.hyperparameters == "selected"
        source = {"hyperparameters": "selected"} if selected else {}
        yield _Candidate(
            arm=arm,
            study=each.tag,
            value=arm.metrics[figure],
            settings={**common, **options},
            given={**common, **(given if selected else options), **source},
        )


def _flat(value: Mapping[str, Any], start: str = "") -> Iterator[tuple[str, Any]]:
    """The settings of a configuration by their paths; a list is one setting."""
    for name, item in value.items():
        if isinstance(item, dict):
            yield from _flat(item, f"{start}{name}.")
        else:
            yield f"{start}{name}", item
