"""How facts move: from the clean model's answer over the corrupted model's to the arm's, as flows."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, final

from matplotlib.patches import Patch, PathPatch, Rectangle
from matplotlib.path import Path

from restor.report.figures._grid import arm_panels
from restor.report.figures._rows import full_label, source
from restor.report.figures._style import JUDGED, SMALL
from restor.report.figures.base import Drawn, LackingError, Plot, PlotMaterial, Width
from restor.report.io.load import reference
from restor.report.io.states import STATES
from restor.report.plain import counted, listed, number
from restor.results import Arm
from restor.types import Group, Judgement, Kind

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Counts: TypeAlias = NDArray[np.int64]

ORDER = (Judgement.ORIGINAL, Judgement.OTHER, Judgement.PLANTED)
"""From top to bottom."""
NODE = 0.09
"""Width of a node; the models are 1 apart."""
LINE = 0.11
"""Height of a number, of a panel."""


@final
class TransitionsPlot(Plot):
    """A panel per arm with a flow for each way over clean, corrupted and arm."""

    title: ClassVar[str] = "What becomes of each targeted fact"

    def draw(self, material: PlotMaterial, width: Width) -> Drawn:
        """Flows have the colour of what the arm answers in the end."""
        results = material.results
        lacking = [name for name in ("clean", "corrupted") if reference(results, name) is None]
        if lacking:
            raise LackingError(f"the study has no {' and no '.join(lacking)} model to start from")
        counts = {arm.id: _ways(material, arm) for arm in material.arms(Kind.CONTROL, Kind.METHOD, Kind.ORACLE)}
        arms = [arm for arm in material.arms(Kind.CONTROL, Kind.METHOD, Kind.ORACLE) if counts[arm.id].any()]
        if not arms:
            raise LackingError("no arm has facts with a verdict of the clean model, the corrupted one and itself")
        figure, panels = arm_panels(
            arms, width, height=1.3, legend=2 if width == "single" else 1, x="", y="Share of facts (%)"
        )
        for arm, axes in zip(arms, panels, strict=True):
            _flows(axes, counts[arm.id])
        handles = [
            Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=name)
            for colour, hatch, name in (JUDGED[judgement] for judgement in ORDER)
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=2 if width == "single" else 3)
        totals = sorted({int(counts[arm.id].sum()) for arm in arms})
        facts = counted(totals[-1], "targeted test fact")
        n = facts if len(totals) == 1 else f"{totals[0]:,} to {facts}"
        without = [
            full_label(arm, 40) for arm in material.arms(Kind.CONTROL, Kind.METHOD, Kind.ORACLE) if arm not in arms
        ]
        gap = f" Not drawn, as they lack verdicts: {listed(without, 30)}." if without else ""
        caption = (
            f"{self.title}: from the clean model over the corrupted one to the arm, n = {n}. Flows have the colour of "
            "the arm's answer; the numbers are its shares in percent. A fact that was asked several times counts by "
            f"its most frequent answer. Shaded: controls.{gap} {source(results)}"
        )
        return Drawn(figure, caption)


def _ways(material: PlotMaterial, arm: Arm) -> Counts:
    """(3, 3, 3): facts by the answers of clean, corrupted and arm, in `ORDER`."""
    import numpy as np

    states = material.states
    tested = states.group == list(Group).index(Group.TEST)
    names = [reference(material.results, name) for name in ("clean", "corrupted")]
    states_of = [states.state[states.arms[one.id]] for one in (*names, arm) if one is not None]
    scored = tested & np.logical_and.reduce([state >= 0 for state in states_of])
    place = np.array([ORDER.index(state) for state in STATES])
    counts: Counts = np.zeros((3, 3, 3), dtype=np.int64)
    np.add.at(counts, tuple(place[state[scored]] for state in states_of), 1)
    return counts


def _flows(axes: Axes, counts: Counts) -> None:
    total = counts.sum()
    gap = 0.03
    ways = [way for way in product(range(3), repeat=3) if counts[way]]
    tops: list[dict[tuple[int, ...], float]] = []
    for model in range(3):
        # Within a node, flows stand in the order of where they come from and go to, so that few of them cross.
        order = {0: (0, 1, 2), 1: (1, 0, 2), 2: (2, 1, 0)}[model]
        y, last, places = 0.0, -1, {}
        for way in sorted(ways, key=lambda one: [one[place] for place in order]):
            if last not in (-1, way[model]):
                y += gap
            last = way[model]
            places[way] = y
            y += counts[way] / total
        tops.append(places)
        least = 0.03  # so that the first number stays within the panel
        for state in range(3):
            inside = [way for way in ways if way[model] == state]
            if inside:
                top, height = min(places[way] for way in inside), sum(counts[way] for way in inside) / total
                colour, hatch, _ = JUDGED[ORDER[state]]
                node: dict[str, Any] = {"facecolor": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0.3}
                axes.add_patch(Rectangle((model - NODE / 2, top), NODE, height, zorder=3, **node))
                if model == 2:
                    text = number(100 * height)
                    at = max(top + height / 2, least)
                    least = at + LINE  # numbers of small shares stand below each other, not on each other
                    axes.text(model + NODE, at, text, fontsize=SMALL, va="center", ha="left")
    for way in ways:
        colour, hatch, _ = JUDGED[ORDER[way[2]]]
        height = counts[way] / total
        for model in range(2):
            path = _ribbon(model + NODE / 2, model + 1 - NODE / 2, tops[model][way], tops[model + 1][way], height)
            axes.add_patch(PathPatch(path, facecolor=colour, hatch=hatch, edgecolor="white", linewidth=0.2, alpha=0.55))
    axes.set_xlim(-0.1, 2.45)
    axes.set_ylim(1 + 2 * gap + 0.02, -0.02)
    axes.set_xticks([0, 1, 2], ["clean", "corrupted", "arm"])
    axes.set_yticks([])
    axes.tick_params(axis="x", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _ribbon(left: float, right: float, start: float, end: float, height: float) -> Path:
    middle = (left + right) / 2
    points = [(left, start), (middle, start), (middle, end), (right, end)]
    back = [(right, end + height), (middle, end + height), (middle, start + height), (left, start + height)]
    codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4, Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    return Path([*points, *back, (left, start)], [*codes, Path.CLOSEPOLY])
