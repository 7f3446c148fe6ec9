"""Small panels, one per arm: what several figures are made of."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from restor.report.figures._rows import full_label
from restor.report.figures._style import GROUND, SMALL, new_figure
from restor.report.figures.base import INCHES, Width
from restor.results import Arm
from restor.types import Kind

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS: dict[Width, int] = {"single": 2, "double": 4}
TITLE: dict[Width, int] = {"single": 24, "double": 26}
"""Most characters of a line of a panel's title, which has two at most."""


def arm_panels(
    arms: Sequence[Arm], width: Width, *, height: float = 1.15, legend: int = 0, own_axes: bool = False, x: str, y: str
) -> tuple[Figure, list[Axes]]:
    """A panel per arm, the controls on a shaded ground, with one name for all horizontal axes and one for the vertical.

    Args:
        arms: whose panels.
        width: of a column or a page.
        height: of a panel, inches.
        legend: lines of a legend above.
        own_axes: whether each panel has axes of its own.
        x: what the horizontal axes are.
        y: what the vertical axes are.
    """
    columns = min(COLUMNS[width], len(arms))
    lines = -(-len(arms) // columns)
    titles = [_title(arm, TITLE[width]) for arm in arms]
    second = 0.12 * any("\n" in title for title in titles)
    figure = new_figure(INCHES[width], lines * (height + second) + 0.3 + 0.16 * legend)
    grid = figure.subplots(lines, columns, sharex=not own_axes, sharey=not own_axes, squeeze=False)
    panels = list(grid.flat)
    for axes in panels[len(arms) :]:
        axes.remove()
    # What stands above a missing panel is the last of its column.
    for place in range(max(len(arms) - columns, 0), len(arms)):
        panels[place].tick_params(axis="x", labelbottom=True)
    for arm, title, axes in zip(arms, titles, panels, strict=False):
        axes.set_title(title, fontsize=SMALL, pad=3)
        if arm.kind is Kind.CONTROL:
            axes.set_facecolor(GROUND)
    figure.supxlabel(x, fontsize=8)
    figure.supylabel(y, fontsize=8)
    return figure, panels[: len(arms)]


def _title(arm: Arm, line: int) -> str:
    return "\n".join(wrap(full_label(arm, 2 * line), line, max_lines=2, placeholder=" …"))
