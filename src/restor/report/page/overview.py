"""The table at the top of the page: a row an arm, its restoration drawn on one axis that all rows share."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import final

from restor.report.page.svg import Scale, restoration_ends
from restor.report.plain import UNDEFINED, interval, number, one_line, share
from restor.report.tables.arm_table import SECTION_TITLES
from restor.report.tables.columns import BUDGET_NAMES
from restor.report.words.restored import ceiling, estimate, figure, full, percent, restoration
from restor.report.words.verdict_words import VERDICT_MEANINGS, verdict_words
from restor.results import Arm, Results, Value
from restor.types import Budget, Kind

ORDER = (Kind.METHOD, Kind.ORACLE, Kind.CONTROL, Kind.BASELINE, Kind.REFERENCE)
"""Methods first: they are what is asked about, and what they are measured against is drawn in each of their rows."""
WIDTH, HEIGHT = 260, 30
LEFT, RIGHT = 8, 252
BY_DEFINITION = "by definition"


@final
@dataclass(frozen=True, slots=True)
class DrawnMetric:
    """A cell: its text, what it sorts by, and more in words."""

    text: str
    sort: float | None
    title: str = ""


@final
@dataclass(frozen=True, slots=True)
class OverviewRow:
    """One arm."""

    arm: Arm
    place: int
    """In the summary."""
    label: str
    glyph: str
    verdict: str
    """In a word; empty where an arm has no verdict."""
    verdict_order: int | None
    reason: str
    drawn: str
    """SVG; empty where there is nothing to draw."""
    restoration: DrawnMetric
    true: DrawnMetric
    planted: DrawnMetric
    untouched: DrawnMetric
    budget: DrawnMetric
    cost: DrawnMetric


@final
@dataclass(frozen=True, slots=True)
class Overview:
    """The sections, and the axis for their heading."""

    sections: tuple[tuple[Kind, str, tuple[OverviewRow, ...]], ...]
    axis: str
    """SVG; empty where no arm has a restoration."""
    judged: bool
    """Whether any arm has a verdict."""
    controlled: bool
    """Whether a band of controls is drawn."""
    costed: bool
    """Whether it is known what any arm cost."""
    ceiling: str
    """The runner-up ceiling in words; empty where there is none."""


def overview(results: Results) -> Overview:
    """All arms; within a section those that restored most come first."""
    values = [restoration(arm) for arm in results.summary if arm.kind is not Kind.REFERENCE]
    scale = Scale(*restoration_ends(values), LEFT, RIGHT)
    top = ceiling(results)
    sections = []
    for kind in ORDER:
        arms = sorted((arm for arm in results.summary if arm.kind is kind), key=estimate, reverse=True)
        if arms:
            rows = tuple(_row(arm, results, scale, top) for arm in arms)
            sections.append((kind, SECTION_TITLES[kind], rows))
    return Overview(
        tuple(sections),
        _axis(scale, results, top) if any(value.value is not None for value in values) else "",
        any(arm.verdict for arm in results.summary),
        any(best_control(arm, results) for arm in results.summary),
        any(row.cost.text for _, _, rows in sections for row in rows),
        "" if top is None else f"{number(100 * top)} %",
    )


def best_control(arm: Arm, results: Results) -> Arm | None:
    """Of those that read the same retain text or none, the one that restored most; only for what is compared."""
    if arm.kind not in (Kind.METHOD, Kind.ORACLE):
        return None
    controls = [
        other
        for other in results.summary
        if other.kind is Kind.CONTROL and other.retain in (None, arm.retain) and restoration(other).value is not None
    ]
    return max(controls, key=estimate, default=None)


def _row(arm: Arm, results: Results, scale: Scale, top: float | None) -> OverviewRow:
    said = VERDICT_MEANINGS[arm.verdict.kind] if arm.verdict else None
    model = arm.kind is not Kind.BASELINE
    missing = UNDEFINED if arm.kind in (Kind.METHOD, Kind.ORACLE, Kind.CONTROL) else ""
    return OverviewRow(
        arm,
        results.summary.index(arm),
        one_line(arm.label, 60),
        said.glyph if said else "",
        verdict_words(arm.verdict) if arm.verdict else missing,
        list(VERDICT_MEANINGS).index(arm.verdict.kind) if arm.verdict else None,
        one_line(arm.verdict.reason, 600) if arm.verdict else "",
        _drawn(arm, results, scale, top),
        _restoration(arm, results),
        _share(arm, "test.original"),
        _share(arm, "test.planted"),
        _share(arm, "untouched.original"),
        _budget(arm),
        _cost(arm) if model else DrawnMetric("", None),
    )


def _restoration(arm: Arm, results: Results) -> DrawnMetric:
    if arm.kind is Kind.REFERENCE:
        top = full(results)
        fixed = {"corrupted": 0.0} | ({top.arm: 1.0} if top else {})
        if arm.arm in fixed and "corrupted" in {other.arm for other in results.summary}:
            return DrawnMetric(number(100 * fixed[arm.arm]), fixed[arm.arm], BY_DEFINITION)
    value = restoration(arm)
    if arm.kind is Kind.REFERENCE and value.value is None:
        return DrawnMetric("", None)
    note = one_line(value.note, 300)
    return DrawnMetric(interval(value), value.value, note or (f"{value.n} facts" if value.value is not None else ""))


def _share(arm: Arm, name: str) -> DrawnMetric:
    value = figure(arm, name)
    if value.value is None:
        return DrawnMetric(UNDEFINED, None, one_line(value.note, 300))
    return DrawnMetric(share(value.value), value.value, f"{percent(value)}, {value.n} facts")


def _budget(arm: Arm) -> DrawnMetric:
    if arm.budget is None:
        return DrawnMetric("unknown", None, "What it was told is unknown.")
    names = [name for item, name in BUDGET_NAMES.items() if item in arm.budget]
    text = "".join(item.value for item in Budget if item in arm.budget)
    if not text:
        return DrawnMetric("" if arm.kind in (Kind.REFERENCE, Kind.BASELINE) else "none", 0)
    return DrawnMetric(text, len(text), f"It was told: {', '.join(names)}.")


def _cost(arm: Arm) -> DrawnMetric:
    cost = arm.cost
    if not (cost.seconds or cost.steps):
        return DrawnMetric("", None)
    flops = "" if cost.flops is None else f", {cost.flops:.1e} floating-point operations"
    more = f"{cost.steps:,} steps, {cost.tokens:,} tokens, {number(cost.peak_memory_mb)} MB{flops}"
    return DrawnMetric(duration(cost.seconds), cost.seconds, more)


def duration(seconds: float) -> str:
    """A wall time in the unit that suits it."""
    if seconds < 90:
        return f"{number(seconds, 1 if seconds < 10 else 0)} s"
    return f"{number(seconds / 60)} min" if seconds < 5_400 else f"{number(seconds / 3_600, 1)} h"


def _drawn(arm: Arm, results: Results, scale: Scale, top: float | None) -> str:
    value = restoration(arm)
    shown = _restoration(arm, results)
    if shown.title == BY_DEFINITION and shown.sort is not None:
        return _svg([*_lines(scale, top), _dot(scale(shown.sort), arm)])
    if value.value is None:
        return ""
    return _svg([*_band(arm, results, scale), *_lines(scale, top), *_whisker(arm, value, scale)])


def _band(arm: Arm, results: Results, scale: Scale) -> list[str]:
    control = best_control(arm, results)
    if control is None:
        return []
    value = restoration(control)
    assert value.value is not None
    low, high = (value.value if end is None else end for end in (value.ci_low, value.ci_high))
    x, right = scale(low), scale(high)
    words = escape(one_line(f"Best control: {control.label}, {interval(value)} %", 200))
    return [
        f'<g class="band"><title>{words}</title><rect x="{x:.1f}" y="0" width="{max(right - x, 1):.1f}" '
        f'height="{HEIGHT}"/><line x1="{scale(value.value):.1f}" x2="{scale(value.value):.1f}" y1="0" '
        f'y2="{HEIGHT}"/></g>'
    ]


def _lines(scale: Scale, top: float | None) -> list[str]:
    marks = [("zero", 0.0), ("full", 1.0), *([] if top is None else [("ceiling", top)])]
    return [
        f'<line class="{name}" x1="{scale(at):.1f}" x2="{scale(at):.1f}" y1="-5" y2="{HEIGHT + 5}"/>'
        for name, at in marks  # a little longer, so that they meet those of the rows above and below
    ]


def _whisker(arm: Arm, value: Value, scale: Scale) -> list[str]:
    assert value.value is not None
    middle = HEIGHT / 2
    drawn = []
    if value.ci_low is not None and value.ci_high is not None:
        low, high = scale(value.ci_low), scale(value.ci_high)
        drawn.append(f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>')
        for inside, x in ((value.ci_low >= scale.low, low), (value.ci_high <= scale.high, high)):
            if inside:
                drawn.append(f'<line class="whisker" x1="{x:.1f}" x2="{x:.1f}" y1="{middle - 4}" y2="{middle + 4}"/>')
    at = scale(value.value)
    if scale.low <= value.value <= scale.high:
        return [*drawn, _dot(at, arm)]
    way = -1 if value.value < scale.low else 1
    return [*drawn, f'<path class="dot" d="M{at:.1f} {middle}l{-9 * way} -5v10z"/>']


def _dot(x: float, arm: Arm) -> str:
    """A shape for each kind of arm, so that colour is not needed to tell them apart."""
    middle = HEIGHT / 2
    if arm.kind in (Kind.METHOD, Kind.ORACLE):
        return f'<circle class="dot" cx="{x:.1f}" cy="{middle}" r="5"/>'
    if arm.kind is Kind.CONTROL:
        return f'<path class="dot hollow" d="M{x:.1f} {middle - 6}l6 6l-6 6l-6 -6z"/>'
    return f'<rect class="dot" x="{x - 4.5:.1f}" y="{middle - 4.5}" width="9" height="9"/>'


def _svg(body: list[str]) -> str:
    return f'<svg class="drawn" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">{"".join(body)}</svg>'


def _axis(scale: Scale, results: Results, top: float | None) -> str:
    model = full(results)
    ideal = "ideal" if model is None else model.arm
    zero, one = scale(0.0), scale(1.0)
    parts = [
        f'<text x="{zero:.1f}" y="11" text-anchor="{"start" if zero < 60 else "middle"}">corrupted: 0</text>',
        f'<text x="{min(one + 20, WIDTH):.1f}" y="11" text-anchor="end">{escape(ideal)}: 100</text>',
        *_ticks(scale),
    ]
    if top is not None and scale.low < top < scale.high and zero + 90 < scale(top) < one - 80:
        parts.append(f'<text x="{scale(top):.1f}" y="11" text-anchor="middle">ceiling</text>')
    return f'<svg class="drawn axis-row" viewBox="0 0 {WIDTH} 24" aria-hidden="true">{"".join(parts)}</svg>'


def _ticks(scale: Scale) -> list[str]:
    drawn = [f'<line class="base" x1="{LEFT}" x2="{RIGHT}" y1="23" y2="23"/>']
    for tick in scale.ticks(10):
        x = scale(tick)
        drawn.append(f'<line class="base" x1="{x:.1f}" x2="{x:.1f}" y1="18" y2="23"/>')
    return drawn
