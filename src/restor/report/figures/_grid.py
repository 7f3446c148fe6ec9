"""Small panels, one per arm: what several figures are made of."""

from __future__ import annotations

from collections.abc import Sequence
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
"""Most characters of a panel's title."""


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
    figure = new_figure(INCHES[width], lines * height + 0.3 + 0.16 * legend)
    grid = figure.subplots(lines, columns, sharex=not own_axes, sharey=not own_axes, squeeze=False)
    panels = list(grid.flat)
    for axes in panels[len(arms) :]:
        axes.remove()
    # What stands above a missing panel is the last of its column.
    for place in range(max(len(arms) - columns, 0), len(arms)):
        panels[place].tick_params(axis="x", labelbottom=True)
    for arm, axes in zip(arms, panels, strict=False):
        axes.set_title(full_label(arm, TITLE[width]), fontsize=SMALL, pad=3)
        if arm.kind is Kind.CONTROL:
            axes.set_facecolor(GROUND)
    figure.supxlabel(x, fontsize=8)
    figure.supylabel(y, fontsize=8)
    return figure, panels[: len(arms)]
