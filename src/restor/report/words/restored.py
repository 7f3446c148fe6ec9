"""Restoration of arms, in figures and in words: what sentences, plots and the page share."""

from __future__ import annotations

from collections.abc import Sequence

from restor.report.io.load import reference
from restor.report.plain import UNDEFINED, interval, listed, one_line, share
from restor.results import Arm, Results, Value
from restor.types import Kind

RETAIN_NAMES = {None: "no retain text", "unrelated": "unrelated retain text", "related": "related retain text"}


def figure(arm: Arm, name: str) -> Value:
    """A figure of an arm; undefined where it was not measured."""
    return arm.metrics.get(name) or Value(value=None, n=0, note="not measured in this study")


def restoration(arm: Arm) -> Value:
    """An arm's restoration; undefined where it was not measured."""
    return figure(arm, "restoration")


def estimate(arm: Arm) -> float:
    """Restoration to sort by: the undefined come last."""
    value = restoration(arm).value
    return float("-inf") if value is None else value


def ceiling(results: Results) -> float | None:
    """What restoration the corrupted model would reach if it gave its second choice wherever the planted is first."""
    corrupted, top = reference(results, "corrupted"), full(results)
    if corrupted is None or top is None:
        return None
    second, now, best = (
        figure(arm, name).value
        for arm, name in ((corrupted, "runner_up"), (corrupted, "test.original"), (top, "test.original"))
    )
    if second is None or now is None or best is None or best <= now:
        return None
    return (second - now) / (best - now)


def full(results: Results) -> Arm | None:
    """The model that 100 % restoration means: the ideal one or, where there is none, the clean one."""
    return reference(results, "ideal") or reference(results, "clean")


def of_kind(results: Results, kind: Kind) -> list[Arm]:
    """The pooled rows of one kind."""
    return [arm for arm in results.summary if arm.kind is kind]


def percent(value: Value) -> str:
    """A share or ratio with its interval, such as `37 % [21, 52]`."""
    if value.value is None:
        return UNDEFINED
    text = interval(value)
    return text.replace(" [", " % [") if " [" in text else f"{text} %"


def short_percent(value: Value) -> str:
    """A share alone, such as `37 %`."""
    return UNDEFINED if value.value is None else f"{share(value.value)} %"


def named(arms: Sequence[Arm], metric: str = "restoration", most: int = 8) -> str:
    """`A 50 % [21, 80] and B 90 % [20, 100]`."""
    return listed([f"{one_line(arm.label, 40)} {percent(figure(arm, metric))}" for arm in arms], most)


def variant(arm: Arm) -> str:
    """`NPO, per token (related)`."""
    return f"{one_line(arm.label, 40)}{f' ({one_line(arm.retain, 20)})' if arm.retain else ''}"


def with_retain(arm: Arm) -> str:
    """`NPO, per token with related retain text 50 % [21, 80]`."""
    retain = f" with {retain_name(arm.retain)}" if arm.retain else ""
    return f"{one_line(arm.label, 40)}{retain} {percent(restoration(arm))}"


def retain_name(retain: str | None) -> str:
    """The retain text in words."""
    return RETAIN_NAMES.get(retain, f"{one_line(retain or '', 40)} retain text")
