"""The two plots of a comparison as SVG: restoration by arm, and against a setting. Colours come from view.css."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import groupby
from typing import Literal

from restor.report.across.series import Point, Series
from restor.report.page.svg import Scale, restoration_ends
from restor.report.plain import UNDEFINED, interval, number, one_line
from restor.report.tables.arm_table import SECTION_TITLES
from restor.report.words.restored import restoration
from restor.results import Arm, Value
from restor.types import Kind

WIDTH = 860
LEFT, RIGHT = 290, 700
"""Of the axis of the first plot: labels stand left of it, figures right of it."""
LINES = 6
"""Most lines of one plot: as many as there are shapes and colours."""
_SHAPES = (
    '<circle r="4.5"/>',
    '<rect x="-4" y="-4" width="8" height="8"/>',
    '<path d="M0 -6L5.5 4.5H-5.5z"/>',
    '<path d="M0 -6L6 0L0 6L-6 0z"/>',
    '<path d="M0 6L5.5 -4.5H-5.5z"/>',
    '<path d="M-5 -5L5 5M-5 5L5 -5" class="cross"/>',
)
_OF_KIND = {Kind.METHOD: 0, Kind.CONTROL: 1, Kind.ORACLE: 3, Kind.BASELINE: 2}


def by_arm(arms: Sequence[Arm], full: str) -> str:
    """Dot and whisker of every arm that is no reference, by kind; empty where no restoration is known.

    Args:
        arms: of one table.
        full: the model that 100 % means.
    """
    rows = [arm for kind in SECTION_TITLES for arm in arms if arm.kind is kind and kind is not Kind.REFERENCE]
    if all(restoration(arm).value is None for arm in rows):
        return ""
    scale = _values([restoration(arm) for arm in rows], LEFT, RIGHT)
    parts: list[str] = []
    y = 44.0
    for kind, same in groupby(rows, key=lambda arm: arm.kind):
        members = list(same)
        if kind is Kind.CONTROL:
            height = 28 + 26 * len(members)
            parts.append(f'<rect class="ground" x="0" y="{y:.0f}" width="{WIDTH}" height="{height}" rx="6"/>')
        parts.append(_text(12, y + 19, SECTION_TITLES[kind].upper(), "section"))
        y += 26
        for arm in members:
            parts.append(_row(arm, scale, y + 13))
            y += 26
        y += 8
    for x in (0.0, 1.0):
        parts.append(f'<line class="mark-line" x1="{scale(x):.1f}" x2="{scale(x):.1f}" y1="34" y2="{y - 4:.0f}"/>')
    parts.append(_text(scale(0.0) - 4, 30, "corrupted: 0 %", "tick", "end"))
    parts.append(_text(scale(1.0) + 4, 30, f"{full}: 100 %", "tick"))
    parts += [_text(scale(tick), y + 12, f"{number(100 * tick)} %", "tick", "middle") for tick in scale.ticks(6)]
    label = "; ".join(f"{_name(arm)}: {interval(restoration(arm))} %" for arm in rows)
    return _svg("Restoration by arm, with 95 % intervals", label, y + 20, parts)


def _row(arm: Arm, scale: Scale, y: float) -> str:
    value = restoration(arm)
    name = _name(arm)
    label = _text(LEFT - 12, y + 4, one_line(name, 42), "label", "end")
    if value.value is None:
        why = f"<title>{escape(one_line(f'{name}: {value.note}', 400))}</title>"
        return f'<g class="row">{why}{label}{_text(LEFT + 4, y + 4, UNDEFINED, "tick")}</g>'
    shape = _OF_KIND.get(arm.kind, 0)
    label_text = escape(f"{one_line(name, 200)}: {interval(value)} %, {value.n:,} facts")
    drawn = _whisker(value, scale, y) + _marker(shape, scale(value.value), y, _beyond(value.value, scale))
    figure = _text(RIGHT + 14, y + 4, interval(value), "figure")
    return f'<g class="row c{shape}"><title>{label_text}</title>{label}{drawn}{figure}</g>'


def against(series: Sequence[Series]) -> list[str]:
    """One plot or more per setting, with a line per series."""
    plots = []
    for _, same in groupby(series, key=lambda one: one.x_name):
        lines = list(same)
        plots += [_against(lines[start : start + LINES]) for start in range(0, len(lines), LINES)]
    return plots


def _against(lines: Sequence[Series]) -> str:
    left, right, top, bottom = 70, WIDTH - 30, 24, 300
    points = [point for line in lines for point in line.points]
    places = sorted({point.x for point in points})
    # Learning rates and doses differ by factors, k by steps.
    factors = places[0] > 0 and places[-1] / places[0] >= 20
    across = Scale(_x(places[0], factors), _x(places[-1], factors), left + 30, right - 30)
    up = _values([point.value for point in points], bottom, top)
    parts: list[str] = []
    for tick in up.ticks(6):
        kind = "mark-line" if abs(tick) < 1e-9 or abs(tick - 1) < 1e-9 else "grid"
        parts.append(f'<line class="{kind}" x1="{left}" x2="{right}" y1="{up(tick):.1f}" y2="{up(tick):.1f}"/>')
        parts.append(_text(left - 8, up(tick) + 4, f"{number(100 * tick)} %", "tick", "end"))
    for x in places[:: max(1, -(-len(places) // 10))]:
        parts.append(_text(across(_x(x, factors)), bottom + 20, f"{x:g}", "tick", "middle"))
    scaled = ", logarithmic" if factors else ""
    parts.append(_text((left + right) / 2, bottom + 42, f"{lines[0].x_title}{scaled}", "label", "middle"))
    y = bottom + 66.0
    for shape, line in enumerate(lines):
        # A little apart, so that whiskers at the same place do not hide each other.
        places_of = [
            (across(_x(point.x, factors)) + 5 * (shape - (len(lines) - 1) / 2), point) for point in line.points
        ]
        parts += [f'<g class="c{shape}">', *_line(places_of, shape, up, bottom)]
        parts += [_marker(shape, left + 10, y - 4), _text(left + 26, y, one_line(line.label, 110), "label"), "</g>"]
        y += 20
    label = "; ".join(
        f"{line.label}: " + ", ".join(f"{interval(point.value)} % at {point.x:g}" for point in line.points)
        for line in lines
    )
    return _svg(f"Restoration against {lines[0].x_title}", label, y, parts)


def _line(points: Sequence[tuple[float, Point]], shape: int, up: Scale, bottom: float) -> list[str]:
    """The points, joined where two neighbours are known; an unknown one leaves a gap with a sign at the bottom."""
    drawn: list[str] = []
    former: tuple[float, float] | None = None
    for x, point in points:
        value = point.value
        where = f"{point.study} at {point.x:g}" if point.study else f"at {point.x:g}"
        if value.value is None:
            why = escape(one_line(f"{where}: {value.note}", 400))
            drawn.append(f"<g><title>{why}</title>{_text(x, bottom - 4, UNDEFINED, 'tick', 'middle')}</g>")
            former = None
            continue
        y = up(value.value)
        if former is not None:
            drawn.append(f'<path class="joined" d="M{former[0]:.1f} {former[1]:.1f}L{x:.1f} {y:.1f}"/>')
        label = escape(one_line(f"{where}: {interval(value)} %, {value.n:,} facts", 200))
        dot = _marker(shape, x, y, _beyond(value.value, up))
        drawn.append(f"<g><title>{label}</title>{_whisker(value, up, x, upright=True)}{dot}</g>")
        former = x, y
    return drawn


def _values(values: Sequence[Value], start: float, end: float) -> Scale:
    """An axis with 0 and 1 on it; what lies outside is drawn hollow."""
    return Scale(*restoration_ends(values), start, end)


def _beyond(value: float, scale: Scale) -> bool:
    return not scale.low <= value <= scale.high


def _x(value: float, factors: bool) -> float:
    return math.log10(value) if factors else value


def _whisker(value: Value, scale: Scale, at: float, *, upright: bool = False) -> str:
    if value.ci_low is None or value.ci_high is None:
        return ""
    low, high = f"{scale(value.ci_low):.1f}", f"{scale(value.ci_high):.1f}"
    way = f"M{at:.1f} {low}V{high}" if upright else f"M{low} {at:.1f}H{high}"
    return f'<path class="whisker" d="{way}"/>'


def _marker(shape: int, x: float, y: float, hollow: bool = False) -> str:
    name = "dot hollow" if hollow else "dot"
    return f'<g class="{name}" transform="translate({x:.1f} {y:.1f})">{_SHAPES[shape]}</g>'


def _name(arm: Arm) -> str:
    return f"{arm.label} · {arm.retain}" if arm.retain else arm.label


def _text(x: float, y: float, text: str, name: str, anchor: Literal["start", "middle", "end"] = "start") -> str:
    safe = escape(one_line(text, 120))
    return f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{safe}</text>'


def _svg(title: str, label: str, height: float, parts: Sequence[str]) -> str:
    head = f"<title>{escape(one_line(title, 200))}</title><desc>{escape(one_line(label, 6000))}</desc>"
    box = f'viewBox="0 0 {WIDTH} {height:.0f}" role="img"'
    return f'<svg class="drawing" xmlns="http://www.w3.org/2000/svg" {box}>{head}{"".join(parts)}</svg>'
