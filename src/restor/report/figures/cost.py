"""Restoration against what it took: seconds and floating-point operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, ClassVar, final

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from restor.report.figures._rows import full_label, measured_on, restoration_limits, source
from restor.report.figures._style import LINES, MARKERS, new_figure
from restor.report.figures.base import INCHES, Drawn, LackingError, Plot, PlotMaterial, Width
from restor.report.plain import listed, number, one_line
from restor.report.words.restored import full, restoration
from restor.results import Arm
from restor.types import Kind

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AMOUNTS: dict[str, tuple[str, Callable[[Arm], float | None]]] = {
    "seconds": ("Seconds", lambda arm: arm.cost.seconds or None),
    "flops": ("Floating-point operations", lambda arm: arm.cost.flops or None),
}
"""What is drawn of a cost, where it is known."""


@final
class CostPlot(Plot):
    """A point per arm; each arm has a shape and a colour, and is filled unless its retain text is related."""

    title: ClassVar[str] = "Restoration against cost"

    def draw(self, material: PlotMaterial, width: Width) -> Drawn:
        """A panel for each amount that is known of at least two arms."""
        arms = [
            arm for arm in material.arms(Kind.CONTROL, Kind.METHOD, Kind.ORACLE) if restoration(arm).value is not None
        ]
        known = {name: [arm for arm in arms if amount(arm) is not None] for name, (_, amount) in AMOUNTS.items()}
        amounts = [name for name, amounts_known in known.items() if len(amounts_known) > 1]
        if not amounts:
            raise LackingError("fewer than two arms have a restoration and a cost")
        shown = [arm for arm in arms if any(arm in known[name] for name in amounts)]
        named = list(dict.fromkeys(arm.arm for arm in shown))
        looks = dict(zip(named, zip(cycle(MARKERS), cycle(LINES), strict=False), strict=False))
        beside = width == "double" and len(amounts) > 1
        columns = len(amounts) if beside else 1
        keys = 1 if width == "single" else 3
        legend = -(-(len(named) + 2) // keys) * 0.16
        height = 2.5 if beside or width == "single" else 3.2
        figure = new_figure(INCHES[width], height * (len(amounts) // columns) + 0.2 + legend)
        grid = figure.subplots(len(amounts) // columns, columns, sharey=True, squeeze=False)
        for name, axes in zip(amounts, grid.flat, strict=True):
            title, amount = AMOUNTS[name]
            _panel(axes, known[name], amount, looks)
            axes.set_xlabel(title)
            axes.set_ylabel("Restoration (%)")
        figure.legend(handles=_handles(shown, looks), loc="outside lower center", ncols=keys)
        without = [
            full_label(arm, 40) for arm in material.arms(Kind.CONTROL, Kind.METHOD, Kind.ORACLE) if arm not in shown
        ]
        gap = f" Not drawn, without a cost or a restoration: {listed(without, 30)}." if without else ""
        top = full(material.results)
        caption = (
            f"{self.title}: whiskers are 95 % intervals over entities, "
            f"{measured_on(material.results, shown)}. Making the arm's model counts, the recovery with it; evaluation "
            "does not. Seconds are those of the machine it ran on. 0 % is the corrupted model, 100 % the "
            f"{top.arm if top else 'ideal'} one.{gap} {source(material.results)}"
        )
        return Drawn(figure, caption)


def _panel(
    axes: Axes, arms: Sequence[Arm], amount: Callable[[Arm], float | None], looks: dict[str, tuple[str, str]]
) -> None:
    points = [(amount(arm) or 0.0, restoration(arm), arm) for arm in arms]
    spread = [x for x, _, _ in points]
    if max(spread) > 20 * min(spread):
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: short(x)))
    low, high = restoration_limits(value for _, value, _ in points)
    axes.set_ylim(low, high)
    axes.grid()
    for at in (0.0, 100.0):
        axes.axhline(at, color="#1d1c1a", linewidth=0.8, zorder=1)
    for x, value, arm in points:
        marker, colour = looks[arm.arm]
        if value.ci_low is not None and value.ci_high is not None:
            axes.plot([x, x], [100 * value.ci_low, 100 * value.ci_high], color=colour, linewidth=0.8, alpha=0.7)
        face = "white" if arm.retain == "related" else colour
        y = min(max(100 * (value.value or 0.0), low), high)
        axes.plot([x], [y], marker, color=colour, markerfacecolor=face, markersize=4.5, markeredgewidth=1.0, zorder=4)


def _handles(arms: Sequence[Arm], looks: dict[str, tuple[str, str]]) -> list[Line2D]:
    labels = {arm.arm: one_line(arm.label, 32) for arm in reversed(arms)}
    handles = [
        Line2D([], [], linestyle="none", marker=marker, color=colour, markersize=4.5, label=labels[name])
        for name, (marker, colour) in looks.items()
    ]
    if any(arm.retain == "related" for arm in arms):
        for face, label in (("#45423c", "filled: other or no retain text"), ("white", "hollow: related retain text")):
            handles.append(
                Line2D(
                    [],
                    [],
                    linestyle="none",
                    marker="o",
                    color="#45423c",
                    markerfacecolor=face,
                    markersize=4.5,
                    label=label,
                )
            )
    return handles


def short(value: float) -> str:
    """`2.5`, `300`, `4e12`."""
    if value == 0:
        return "0"
    if abs(value) >= 100_000:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return number(value, 0 if value == round(value) else 1 if abs(value) >= 1 else 2)
