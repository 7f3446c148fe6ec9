"""Log-probs of the true and the planted answer, read off after each layer: what is known and only not said."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeAlias, final

import numpy as np
import pyarrow as pa
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from restor.report.figures._grid import arm_panels
from restor.report.figures._rows import full_label, source
from restor.report.figures.base import Drawn, LackingError, Plot, PlotMaterial, Width
from restor.report.figures.logprobs import OPTIONS
from restor.report.plain import counted, listed
from restor.results import Arm
from restor.types import Group, Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

ANSWERS = {"original": "layers_original", "planted": "layers_planted"}


@final
class LayersPlot(Plot):
    """A panel per arm: mean over the targeted facts, with the middle half of the facts as a band."""

    title: ClassVar[str] = "Log-probs by layer"

    def draw(self, material: PlotMaterial, width: Width) -> Drawn:
        """Lines over the layers, the planted answer dashed."""
        arms = [arm for arm in material.arms(*Kind) if arm.kind is not Kind.BASELINE]
        layers_of = {
            arm.id: {name: _by_layer(material, arm, column) for name, column in ANSWERS.items()} for arm in arms
        }
        shown = [arm for arm in arms if any(values.size for values in layers_of[arm.id].values())]
        if not shown:
            raise LackingError(
                "facts.parquet has no log-probs by layer; they are stored where `evaluation.layers` asks for them"
            )
        figure, panels = arm_panels(shown, width, legend=1, x="Layer", y="Mean log-prob per token (nats)")
        n = []
        for arm, axes in zip(shown, panels, strict=True):
            for name, values in layers_of[arm.id].items():
                if not values.size:
                    continue
                colour, dash, _ = OPTIONS[name]
                layers = np.arange(1, values.shape[1] + 1)
                low, high = np.quantile(values, (0.25, 0.75), axis=0)
                axes.fill_between(layers, low, high, color=colour, alpha=0.18, linewidth=0)
                axes.plot(layers, values.mean(axis=0), color=colour, linestyle=dash, marker="o", markersize=1.8)
                n.append(len(values))
            axes.grid(axis="y")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        handles: list[Line2D | Patch] = [
            Line2D([], [], color=colour, linestyle=dash, label=text)
            for colour, dash, text in (OPTIONS[name] for name in ANSWERS)
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=2)
        without = [full_label(arm, 40) for arm in arms if arm not in shown]
        gap = f" Not drawn, as nothing is stored by layer: {listed(without, 30)}." if without else ""
        answers = counted(max(n), "answer") if min(n) == max(n) else f"{min(n):,} to {counted(max(n), 'answer')}"
        caption = (
            f"{self.title}: the true and the planted answer, read off after each layer through the final norm and the "
            f"output layer. Lines: means, bands: the middle half of n = {answers} to targeted test facts. "
            f"Shaded: controls.{gap} {source(material.results)}"
        )
        return Drawn(figure, caption)


def _by_layer(material: PlotMaterial, arm: Arm, column: str) -> Floats:
    """(answers, layers); empty where nothing is stored, or where models of several depths are pooled."""
    states = material.states
    mine = (states.group == list(Group).index(Group.TEST))[states.fact] & (states.owner == states.arms[arm.id])
    lists = [one for one in states.facts[column].filter(pa.array(mine)).to_pylist() if one]
    if len({len(one) for one in lists}) != 1:
        return np.zeros((0, 0))
    values = np.array(lists, dtype=float)
    return np.asarray(values[np.isfinite(values).all(axis=1)])
