"""Restoration by relation: the same rows as the figure of restoration, a panel per relation."""

from __future__ import annotations

from typing import ClassVar, final

from restor.report.figures._parts import arms_with
from restor.report.figures._rows import (
    excuse_labels,
    lay_out,
    restoration_limits,
    retain_handles,
    rows_of,
    source,
    whisker,
)
from restor.report.figures._style import INK, SMALL, new_figure
from restor.report.figures.base import INCHES, Drawn, LackingError, Plot, PlotMaterial, Width
from restor.report.plain import counted, one_line
from restor.report.words.restored import full
from restor.results import Value

COLUMNS: dict[Width, int] = {"single": 2, "double": 6}
MOST = 15
"""Most relations that are drawn."""


@final
class RelationPlot(Plot):
    """Dots and whiskers, one panel per relation."""

    title: ClassVar[str] = "Restoration by relation"

    def draw(self, material: PlotMaterial, width: Width) -> Drawn:
        """The relations with the most facts, by name."""
        parts_of = arms_with(material, "relation")
        values: dict[str, dict[str, Value]] = {}
        for arm, parts in parts_of.values():
            for part in parts:
                values.setdefault(part.name, {})[arm.id] = part.restoration
        most = sorted(values, key=lambda name: (-max(value.n for value in values[name].values()), name))
        names = sorted(most[:MOST])
        drawn = [value for name in names for value in values[name].values()]
        if all(value.value is None for value in drawn):
            raise LackingError("restoration is undefined on each of the largest relations")
        arms = [arm for arm, _ in parts_of.values()]
        rows = rows_of(arms, width)
        columns = min(COLUMNS[width], len(names))
        lines = -(-len(names) // columns)
        handles = retain_handles(arms)
        under = 0.16 * (len(handles) if width == "single" else 1) if handles else 0.0
        figure = new_figure(INCHES[width], lines * (rows.inches * 0.68 + 0.42) + 0.3 + under)
        grid = figure.subplots(lines, columns, sharex=True, squeeze=False)
        limits = restoration_limits(drawn)
        for place, axes in enumerate(grid.flat):
            if place >= len(names):
                axes.remove()
                continue
            name = names[place]
            axes.set_xlim(*limits)
            (excuse_labels if place % columns else lay_out)(axes, rows)
            axes.tick_params(axis="x", labelbottom=True)
            axes.set_xticks([0, 50, 100])
            axes.set_title(one_line(name, 22), fontsize=SMALL, pad=3)
            for at in (0.0, 100.0):
                axes.axvline(at, color=INK, linewidth=0.6, zorder=1)
            for y, arm in rows.places:
                whisker(axes, y, values[name].get(arm.id, Value(value=None, n=0)), arm.retain)
        figure.supxlabel("Restoration (%)", fontsize=8)
        if handles:
            figure.legend(handles=handles, loc="outside upper center", ncols=1 if width == "single" else len(handles))
        sizes = sorted({value.n for value in drawn})
        n = counted(sizes[-1], "targeted test fact")
        n = n if len(sizes) == 1 else f"{sizes[0]:,} to {n}"
        cut = f" The {MOST} of {len(values)} relations with the most facts." if len(values) > MOST else ""
        top = full(material.results)
        caption = (
            f"{self.title}: dots with 95 % intervals over entities, n = {n} a relation.{cut} 0 % is the "
            f"corrupted model, 100 % the {top.arm if top else 'ideal'} one; a dash is undefined. Parts are small, and "
            f"the best of many is so by luck. Shaded: controls. {source(material.results)}"
        )
        return Drawn(figure, caption)
