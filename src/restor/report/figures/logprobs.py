"""Log-probs of the true, the planted and random answers over the targeted facts, as densities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, final

import numpy as np
from matplotlib.lines import Line2D

from restor.report.figures._rows import LONGEST, full_label, measured_on, source
from restor.report.figures._style import GROUND, SMALL, new_figure
from restor.report.figures.base import INCHES, Drawn, LackingError, Plot, PlotMaterial, Width
from restor.report.page.svg import density
from restor.report.plain import number
from restor.results import Arm
from restor.types import Group, Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

OPTIONS: dict[str, tuple[str, Any, str]] = {
    "original": ("#1f6fb8", "-", "true answer"),
    "planted": ("#cf5a0c", (0, (4, 1.5)), "planted answer"),
    "random": ("#85817a", (0, (1.2, 1.2)), "random answers of the relation"),
}
"""Colour, dash and name of what is scored."""
HEIGHT = 0.32
"""Of an arm, inches."""
POINTS = 160


@final
class LogprobsPlot(Plot):
    """A ridge per arm; a facts file without log-probs has none."""

    title: ClassVar[str] = "Log-probs of the true, the planted and random answers"

    def draw(self, material: PlotMaterial, width: Width) -> Drawn:
        """One panel, arms under each other; every curve has its own height."""
        arms = [arm for arm in material.arms(*Kind) if arm.kind is not Kind.BASELINE]
        samples = {arm.id: _samples(material, arm) for arm in arms}
        shown = [arm for arm in arms if samples[arm.id]]
        if not shown:
            raise LackingError("facts.parquet has no log-probs of targeted test facts")
        # One very unlikely answer must not squeeze all others: the axis ends where 99 % of every curve are.
        low = 1.03 * min(-1.0, *(float(np.quantile(v, 0.01)) for one in samples.values() for v in one.values()))
        figure = new_figure(INCHES[width], len(shown) * HEIGHT + 0.75)
        axes = figure.add_subplot()
        axes.set_xlim(low, 0)
        axes.set_ylim(len(shown) - 0.05, -0.05)
        axes.grid(axis="x")
        where = np.linspace(low, 0, POINTS)
        for row, arm in enumerate(shown):
            if arm.kind is Kind.CONTROL:
                axes.axhspan(row, row + 1, color=GROUND, linewidth=0, zorder=0)
            for name, values in samples[arm.id].items():
                colour, dash, _ = OPTIONS[name]
                heights = row + 0.97 - 0.85 * density(values, low, 0.0, POINTS)
                axes.fill_between(where, heights, row + 0.97, color=colour, alpha=0.18, linewidth=0)
                axes.plot(where, heights, color=colour, linestyle=dash, linewidth=0.9)
                middle = float(np.clip(np.median(values), low, 0))
                axes.plot([middle, middle], [row + 0.97, row + 0.8], color=colour, linewidth=1.4)
            if width == "double":
                medians = " / ".join(number(float(np.median(values)), 1) for values in samples[arm.id].values())
                axes.text(1.01, row + 0.6, medians, transform=axes.get_yaxis_transform(), fontsize=SMALL, va="center")
        limit = LONGEST[width]
        axes.set_yticks([row + 0.6 for row in range(len(shown))], [full_label(arm, limit) for arm in shown])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("Mean log-prob per token (nats)")
        present = [name for name in OPTIONS if any(name in one for one in samples.values())]
        handles = [
            Line2D([], [], color=colour, linestyle=dash, label=text)
            for colour, dash, text in (OPTIONS[name] for name in present)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=1 if width == "single" else 3)
        numbers = " The numbers are the medians." if width == "double" else ""
        caption = (
            f"{self.title}: mean log-prob per token of each answer, "
            f"{measured_on(material.results, shown, 'test.original')}. Smoothed densities, each scaled to its own "
            "highest point; ticks at the medians. The axis ends where 99 % of every curve are."
            f"{numbers} Shaded: controls. {source(material.results)}"
        )
        return Drawn(figure, caption)


def _samples(material: PlotMaterial, arm: Arm) -> dict[str, Floats]:
    states = material.states
    mine = (states.group == list(Group).index(Group.TEST))[states.fact] & (states.owner == states.arms[arm.id])
    samples = {}
    for option in OPTIONS:
        values = states.facts[f"logprob_{option}"].to_numpy().astype(float)[mine]
        values = values[np.isfinite(values)]
        if values.size:
            samples[option] = values
    return samples
