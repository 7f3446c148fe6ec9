"""Arms as rows, controls apart, each with a dot and whiskers: what several figures are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, final

from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation, Transform

from restor.report.figures._style import GROUND, INK, RETAIN, SMALL, SOFT
from restor.report.figures.base import Width
from restor.report.plain import counted, listed, one_line
from restor.report.tables.arm_table import KIND_TITLES
from restor.results import Arm, Results
from restor.types import Kind

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SLOT = 0.155
"""Height of a row in inches."""
LONGEST: dict[Width, int] = {"single": 28, "double": 40}
"""Most characters of an arm's name."""
SCALE = (-100.0, 160.0)
"""The widest that an axis of restoration gets, percent: one exploded arm must not squeeze all others into a line."""


class PlottedEstimate(Protocol):
    """What has an interval."""

    @property
    def value(self) -> float | None: ...
    @property
    def ci_low(self) -> float | None: ...
    @property
    def ci_high(self) -> float | None: ...


@final
@dataclass(frozen=True, slots=True)
class PlotRows:
    """Where each arm stands, in rows from the top."""

    places: tuple[tuple[float, Arm], ...]
    labels: tuple[tuple[float, str], ...]
    headings: tuple[tuple[float, Kind, float], ...]
    """Place of the heading, kind, end of the section."""
    height: float

    @property
    def inches(self) -> float:
        """The height of the axes."""
        return SLOT * self.height


def rows_of(arms: Iterable[Arm], width: Width, *, each: bool = False) -> PlotRows:
    """Sections by kind, controls apart from methods.

    The same arm under two kinds of retain text shares a name, unless `each` row is to have its own, which tells them.
    """
    sections: dict[Kind, dict[str, list[Arm]]] = {kind: {} for kind in KIND_TITLES}
    for arm in arms:
        sections[arm.kind].setdefault(arm.arm, []).append(arm)
    places: list[tuple[float, Arm]] = []
    labels: list[tuple[float, str]] = []
    headings: list[tuple[float, Kind, float]] = []
    y = 0.0
    for kind, named in sections.items():
        if not named:
            continue
        top = y + 0.5
        y += 1.1
        for same in named.values():
            if each:
                labels += [(y + place + 0.5, full_label(arm, LONGEST[width])) for place, arm in enumerate(same)]
            else:
                labels.append((y + len(same) / 2, one_line(same[0].label, LONGEST[width])))
            places += [(y + place + 0.5, arm) for place, arm in enumerate(same)]
            y += len(same) + 0.25
        headings.append((top, kind, y))
        y += 0.2
    return PlotRows(tuple(places), tuple(labels), tuple(headings), y)


def lay_out(axes: Axes, rows: PlotRows) -> None:
    """Names on the left under bold headings; controls on a shaded ground, so that nobody takes them for methods."""
    axes.set_ylim(rows.height, -0.1)
    ticks = sorted([*rows.labels, *((y, KIND_TITLES[kind]) for y, kind, _ in rows.headings)])
    axes.set_yticks([y for y, _ in ticks], [text for _, text in ticks])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    heads = {y for y, _, _ in rows.headings}
    for (y, _), label in zip(ticks, axes.get_yticklabels(), strict=True):
        if y in heads:
            label.set_fontweight("bold")
    for top, kind, end in rows.headings:
        if kind is Kind.CONTROL:
            axes.axhspan(top - 0.6, end, color=GROUND, linewidth=0, zorder=0)


def whisker(axes: Axes, y: float, estimate: PlottedEstimate, retain: str | None, *, of: float = 100.0) -> None:
    """A dot with its interval; a triangle at the edge where it lies outside, a dash where it is undefined."""
    low, high = axes.get_xlim()
    colour, marker, filled, _ = style_of(retain)
    if estimate.value is None:
        axes.text(max(low, 0.0), y, "–", color=SOFT, fontsize=SMALL, ha="center", va="center")
        return
    at = estimate.value * of
    if estimate.ci_low is not None and estimate.ci_high is not None:
        ends = [min(max(end * of, low), high) for end in (estimate.ci_low, estimate.ci_high)]
        axes.plot(ends, [y, y], color=colour, linewidth=1.1, solid_capstyle="butt")
        inside = [end for end, true in zip(ends, (estimate.ci_low, estimate.ci_high), strict=True) if end == true * of]
        for end in inside:
            axes.plot([end], [y], "|", color=colour, markersize=4, markeredgewidth=1.0)
    if not low <= at <= high:
        marker, at = ("<", low) if at < low else (">", high)
    face = colour if filled else "white"
    axes.plot(
        [at],
        [y],
        marker,
        color=colour,
        markerfacecolor=face,
        markersize=4,
        markeredgewidth=1.0,
        clip_on=False,
        zorder=4,
    )


def style_of(retain: str | None) -> tuple[str, str, bool, str]:
    """Colour, marker, whether it is filled, and name of a kind of retain text."""
    if retain in RETAIN:
        return RETAIN[retain]
    colour, marker, _, _ = RETAIN[None]
    return colour, marker, False, f"{one_line(retain or '', 24)} retain text"


def restoration_limits(estimates: Iterable[PlottedEstimate]) -> tuple[float, float]:
    """An axis of restoration in percent that holds 0, 100 and what lies near."""
    percents = [100 * x for one in estimates for x in (one.value, one.ci_low, one.ci_high) if x is not None]
    return max(min([*percents, -5.0]) - 3, SCALE[0]), min(max([*percents, 105.0]) + 3, SCALE[1])


def reference_lines(axes: Axes, full: str, *, words: bool = True) -> None:
    """Where the corrupted model and the one that full restoration means are."""
    for at, name in ((0.0, "corrupted"), (100.0, full)):
        axes.axvline(at, color=INK, linewidth=0.8, zorder=1)
        if words:
            # Beyond the ends there is room; between them two words may meet.
            axes.annotate(
                name,
                (at, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=SMALL,
                color=SOFT,
            )


def reference_lines_across(axes: Axes) -> None:
    """The same on a vertical axis."""
    for at in (0.0, 100.0):
        axes.axhline(at, color=INK, linewidth=0.7, zorder=1)


def retain_handles(arms: Sequence[Arm]) -> list[Line2D]:
    """A legend for the kinds of retain text that there are; none where there is one kind."""
    kinds = list(dict.fromkeys(arm.retain for arm in arms))
    handles = []
    for retain in sorted(kinds, key=lambda kind: list(RETAIN).index(kind) if kind in RETAIN else len(RETAIN)):
        colour, marker, filled, name = style_of(retain)
        face = colour if filled else "white"
        handles.append(
            Line2D([], [], color=colour, marker=marker, markerfacecolor=face, markersize=4, linewidth=1.1, label=name)
        )
    return handles if len(handles) > 1 else []


def full_label(arm: Arm, limit: int) -> str:
    """Name and kind of retain text, such as `NPO, per token · related`."""
    if not arm.retain:
        return one_line(arm.label, limit)
    retain = one_line(arm.retain, 12)
    return f"{one_line(arm.label, max(limit - 3 - len(retain), 8))} · {retain}"


def measured_on(results: Results, arms: Sequence[Arm], metric: str = "restoration") -> str:
    """`192 targeted test facts about 16 entities, seeds 0, 1`: what the figures of these arms are computed from."""
    values = [arm.metrics[metric] for arm in arms if metric in arm.metrics and arm.metrics[metric].value is not None]
    seeds = results.study.seeds
    named = f"{'seed' if len(seeds) == 1 else 'seeds'} {listed([str(seed) for seed in seeds], 8)}"
    if not values:
        return named
    facts, entities = (sorted({getattr(value, name) for value in values}) for name in ("n", "n_entities"))
    n = counted(facts[-1], "targeted test fact")
    n = n if len(facts) == 1 else f"{facts[0]:,} to {n}"
    about = f" about {counted(entities[-1], 'entity')}" if entities[-1] else ""
    return f"n = {n}{about}, {named}"


def source(results: Results) -> str:
    """Which study a figure is of."""
    study = results.study
    return f"Study {one_line(study.id, 60)}, made {one_line(study.created, 20)[:10]}."


def beside(axes: Axes, inches: float) -> Transform:
    """Where x = 1 is that far to the right of the axes, and y a row."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return axes.get_yaxis_transform() + ScaledTranslation(inches, 0, figure.dpi_scale_trans)


def excuse_labels(axes: Axes, rows: PlotRows) -> None:
    """The same rows in a further panel: no names, they stand on the left."""
    axes.set_ylim(rows.height, -0.1)
    axes.tick_params(axis="y", left=False, labelleft=False)
    axes.spines["left"].set_visible(False)
    for top, kind, end in rows.headings:
        if kind is Kind.CONTROL:
            axes.axhspan(top - 0.6, end, color=GROUND, linewidth=0, zorder=0)
