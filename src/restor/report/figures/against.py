"""Restoration against what arms or studies differ in: k, dose, steps, strength. Also over several studies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, final

from matplotlib.ticker import FuncFormatter, NullFormatter

from restor.report.across.series import Series, series_across
from restor.report.across.side_by_side import Entrant
from restor.report.figures._rows import reference_lines_across, restoration_limits
from restor.report.figures._style import DASHES, LINES, MARKERS, SMALL, new_figure
from restor.report.figures.base import INCHES, Drawn, LackingError, Plot, PlotMaterial, Width
from restor.report.figures.cost import short
from restor.report.plain import counted, listed, one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 10
"""Most series of one panel."""


@final
class AgainstPlot(Plot):
    """A panel for each setting, a line for each series of arms that differ in it alone."""

    title: ClassVar[str] = "Restoration against what arms differ in"
    several: ClassVar[bool] = True

    def draw(self, material: PlotMaterial, width: Width) -> Drawn:
        """Series within a study and across studies that asked the same facts in the same way."""
        entrants = material.entrants()
        axes_of: dict[str, list[Series]] = {}
        for series in series_across(entrants):
            if sum(point.value.value is not None for point in series.points) > 1:
                axes_of.setdefault(series.x_name, []).append(series)
        if not axes_of:
            where = "the study has" if material.count == 1 else "these studies have"
            raise LackingError(f"{where} no two arms with a restoration that differ in one number alone")
        columns = 1 if width == "single" or len(axes_of) == 1 else 2
        lines = -(-len(axes_of) // columns)
        longest = max(min(len(series_of_axes), MOST) for series_of_axes in axes_of.values())
        figure = new_figure(INCHES[width], lines * (2.1 + 0.15 * longest))
        grid = figure.subplots(lines, columns, squeeze=False)
        panels = list(grid.flat)
        for axes in panels[len(axes_of) :]:
            axes.remove()
        for axes, series_of_axes in zip(panels, axes_of.values(), strict=False):
            _panel(axes, series_of_axes[:MOST])
        return Drawn(figure, self._caption(entrants, list(axes_of.values())))

    def _caption(self, entrants: Sequence[Entrant], axes: Sequence[Sequence[Series]]) -> str:
        values = [point.value for lines in axes for series in lines for point in series.points]
        sizes = sorted({value.n for value in values if value.value is not None})
        n = counted(sizes[-1], "targeted test fact")
        n = n if len(sizes) == 1 else f"{sizes[0]:,} to {n}"
        text = (
            f"{self.title}: arms of a line differ in the axis alone. Whiskers are 95 % intervals over "
            f"entities, n = {n}. Each point is relative to the references of its own study."
        )
        left_out = sum(max(len(lines) - MOST, 0) for lines in axes)
        if left_out:
            text += f" {counted(left_out, 'further line')} left out; --arms chooses."
        undefined = sum(value.value is None for value in values)
        if undefined:
            text += f" {counted(undefined, 'point')} left out, with an undefined restoration."
        named = [f"{one_line(each.results.study.id, 60)}" for each in entrants]
        return f"{text} {'Study' if len(named) == 1 else 'Studies'} {listed(named, 12)}."


def _panel(axes: Axes, lines: Sequence[Series]) -> None:
    points = [point for series in lines for point in series.points if point.value.value is not None]
    low, high = restoration_limits(point.value for point in points)
    places = [point.x for point in points]
    if min(places) > 0 and max(places) >= 10 * min(places):
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: short(x)))
    axes.set_ylim(low, high)
    axes.grid(axis="y")
    reference_lines_across(axes)
    for place, series in enumerate(lines):
        colour, marker = LINES[place % len(LINES)], MARKERS[place]
        drawn = [(point.x, point.value) for point in series.points if point.value.value is not None]
        for x, value in drawn:
            if value.ci_low is not None and value.ci_high is not None:
                axes.plot([x, x], [100 * value.ci_low, 100 * value.ci_high], color=colour, linewidth=0.8, alpha=0.7)
        axes.plot(
            [x for x, _ in drawn],
            [100 * value.value for _, value in drawn if value.value is not None],
            color=colour,
            marker=marker,
            markersize=4,
            linestyle=DASHES[place % len(DASHES)],
            linewidth=1.0,
            label=one_line(series.label, 48),
        )
    axes.set_xlabel(one_line(lines[0].x_title, 60))
    axes.set_ylabel("Restoration (%)")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize=SMALL, borderaxespad=0.2)
