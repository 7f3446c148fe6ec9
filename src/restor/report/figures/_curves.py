"""Learning curves, a panel per arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from restor.report.figures._grid import arm_panels
from restor.report.figures._rows import full_label, source
from restor.report.figures._style import DASHES, LINES
from restor.report.figures.base import Drawn, LackingError, PlotMaterial, Width
from restor.report.plain import counted, listed, one_line
from restor.results import Arm, Curve
from restor.types import Kind

MOST = 6
"""Most curves of a panel: as many as there are colours."""
VALIDATION = "validation"
"""What names of curves of answers to validation facts begin with."""


@final
@dataclass(frozen=True, slots=True)
class CurveFigure:
    """Which curves a figure shows, and in which words."""

    title: str
    about: str
    """What the caption says of the curves."""
    lacking: str
    value: str
    """The vertical axis."""
    chosen: Callable[[Sequence[Curve]], list[Curve]]
    factor: float = 1.0
    own_axes: bool = True


def draw_curves(material: PlotMaterial, width: Width, what: CurveFigure) -> Drawn:
    """A line for each curve and seed.

    Raises:
        LackingError: if no arm has such curves.
    """
    arms = material.arms(Kind.CONTROL, Kind.METHOD, Kind.ORACLE)
    chosen = {arm.id: [what.chosen(one.curves) for one in material.seeds_of(arm)] for arm in arms}
    curves_of = {name: [curves for curves in seeds if curves] for name, seeds in chosen.items()}
    shown = [arm for arm in arms if curves_of[arm.id]]
    if not shown:
        raise LackingError(what.lacking)
    every = list(dict.fromkeys(curve.name for arm in shown for curves in curves_of[arm.id] for curve in curves))
    looks = {name: (LINES[place], DASHES[place % len(DASHES)]) for place, name in enumerate(every[:MOST])}
    columns = 2 if width == "single" else 4
    figure, panels = arm_panels(
        shown, width, legend=-(-len(looks) // columns), own_axes=what.own_axes, x="Step", y=what.value
    )
    for arm, axes in zip(shown, panels, strict=True):
        for curves in curves_of[arm.id]:
            for curve in curves:
                if curve.name in looks and curve.points:
                    colour, dash = looks[curve.name]
                    steps = [step for step, _ in curve.points]
                    values = [what.factor * value for _, value in curve.points]
                    axes.plot(steps, values, color=colour, linestyle=dash, linewidth=0.9)
        axes.grid(axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    handles = [
        Line2D([], [], color=colour, linestyle=dash, label=one_line(name, 26)) for name, (colour, dash) in looks.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=columns)
    seeds = max(len(curves_of[arm.id]) for arm in shown)
    lines = f"a line for each of {counted(seeds, 'seed')}" if seeds > 1 else "one seed"
    caption = (
        f"{what.title}, {lines}. {what.about} Shaded: controls.{_gap(arms, shown, every[MOST:])} "
        f"{source(material.results)}"
    )
    return Drawn(figure, caption)


def _gap(arms: Sequence[Arm], shown: Sequence[Arm], left_out: Sequence[str]) -> str:
    without = [full_label(arm, 40) for arm in arms if arm not in shown]
    text = f" Without curves: {listed(without, 30)}." if without else ""
    return text + (f" Not drawn: {listed([one_line(name, 40) for name in left_out], 10)}." if left_out else "")
