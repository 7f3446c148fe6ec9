"""Restoration of every arm with its interval, between the corrupted model and the ideal one; controls apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, final

from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from restor.report.figures._rows import (
    PlotRows,
    beside,
    lay_out,
    measured_on,
    reference_lines,
    restoration_limits,
    retain_handles,
    rows_of,
    source,
    whisker,
)
from restor.report.figures._style import INK, SMALL, SOFT, new_figure
from restor.report.figures.base import INCHES, Drawn, LackingError, Plot, PlotMaterial, Width
from restor.report.plain import interval, number
from restor.report.words.restored import ceiling, full, restoration
from restor.report.words.verdict_words import verdict_words
from restor.results import Arm, Results
from restor.types import Kind

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _letter(text: str) -> Path:
    """A letter as a marker; matplotlib's own way to have one is mathematics."""
    outline = TextPath((0, 0), text, size=1, prop=FontProperties(family="DejaVu Sans", weight="bold"))
    box = outline.get_extents()
    return outline.transformed(Affine2D().translate(-(box.x0 + box.x1) / 2, -(box.y0 + box.y1) / 2))


GLYPHS: dict[str, dict[str, Any]] = {
    "restored": {"marker": "o", "markersize": 5, "markerfacecolor": INK},
    "partly restored": {"marker": "o", "fillstyle": "left", "markersize": 5, "markerfacecoloralt": "white"},
    "only forgotten": {"marker": "o", "markersize": 5, "markerfacecolor": "white"},
    "not unlearned": {"marker": "x", "markersize": 4},
    "damaged": {"marker": _letter("!"), "markersize": 6, "markeredgewidth": 0, "markerfacecolor": INK},
    "inconclusive": {"marker": _letter("?"), "markersize": 6, "markeredgewidth": 0, "markerfacecolor": INK},
    "undefined": {"marker": "_", "markersize": 5},
    "restores": {"marker": ".", "markersize": 4},
    "restores little": {"marker": ".", "markersize": 4, "markerfacecolor": "white"},
}
"""A sign for each verdict, told apart by shape alone."""


@final
class RestorationPlot(Plot):
    """Dots and whiskers, one row per arm and kind of retain text, with the verdict at its end."""

    title: ClassVar[str] = "Restoration by arm"

    def draw(self, material: PlotMaterial, width: Width) -> Drawn:
        """One panel; a page's width has the figures and verdicts in words."""
        results = material.results
        arms = material.arms(*(kind for kind in Kind if kind is not Kind.REFERENCE))
        if all(restoration(arm).value is None for arm in arms):
            reasons = {restoration(arm).note for arm in arms} - {""}
            why = f": {min(reasons)}" if reasons else ""
            raise LackingError(f"no arm has a restoration{why}")
        rows = rows_of(arms, width)
        verdicts = [kind for kind in GLYPHS if any(arm.verdict and arm.verdict.kind == kind for arm in arms)]
        handles = retain_handles(arms)
        signs = [_sign(kind) for kind in verdicts] if width == "single" else []
        legend = (len(handles) + len(signs) if width == "single" else bool(handles)) * 0.16
        figure = new_figure(INCHES[width], rows.inches + 0.62 + legend)
        axes = figure.add_subplot()
        axes.set_xlim(*restoration_limits(restoration(arm) for arm in arms))
        lay_out(axes, rows)
        axes.grid(axis="x")
        axes.set_xlabel("Restoration (%)")
        top = full(results)
        reference_lines(axes, "ideal" if top is None else top.arm)
        if (at := ceiling(results)) is not None:
            axes.axvline(100 * at, color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        for y, arm in rows.places:
            whisker(axes, y, restoration(arm), arm.retain)
        if width == "double":
            _columns(axes, rows, bool(verdicts))
        else:
            for y, arm in rows.places:
                if arm.verdict:
                    axes.plot([1], [y], **_glyph(arm.verdict.kind), transform=beside(axes, 0.1))
        if handles or signs:
            columns = 1 if width == "single" else len(handles)
            figure.legend(handles=[*handles, *signs], loc="outside lower center", ncols=columns)
        return Drawn(figure, self._caption(results, arms, at, bool(verdicts)))

    def _caption(self, results: Results, arms: list[Arm], ceiling: float | None, verdicts: bool) -> str:
        top = full(results)
        text = (
            f"{self.title}: dots with 95 % intervals over entities, "
            f"{measured_on(results, arms)}. 0 % is the corrupted model, 100 % the {top.arm if top else 'ideal'} one."
        )
        if any(arm.kind is Kind.CONTROL for arm in arms):
            text += " Controls (shaded) do not unlearn."
        if ceiling is not None:
            text += (
                f" Dashed: the runner-up ceiling, {number(100 * ceiling)} %, which is what the corrupted model would "
                "reach if it gave its second choice wherever the planted answer is its first."
            )
        if verdicts:
            text += " Verdicts read these intervals and the paired tests, corrected for the number of arms."
        return f"{text} {source(results)}"


def _glyph(kind: str) -> dict[str, Any]:
    return {"color": INK, "linestyle": "none", "clip_on": False, **GLYPHS[kind]}


def _sign(kind: str) -> Line2D:
    return Line2D([], [], label=kind, **_glyph(kind))


def _columns(axes: Axes, rows: PlotRows, verdicts: bool) -> None:
    """Figures and verdicts to the right of the axes."""
    figures, signs, words = (beside(axes, inches) for inches in (0.1, 1.12, 1.24))
    axes.text(1, -0.35, "% [95 % interval]", transform=figures, fontsize=SMALL, va="center", fontweight="bold")
    if verdicts:
        axes.text(1, -0.35, "Verdict", transform=words, fontsize=SMALL, va="center", fontweight="bold")
    for y, arm in rows.places:
        axes.text(1, y, interval(restoration(arm)), transform=figures, fontsize=SMALL, va="center")
        if arm.verdict:
            axes.plot([1], [y], **_glyph(arm.verdict.kind), transform=signs)
            axes.text(1, y, verdict_words(arm.verdict), transform=words, fontsize=SMALL, va="center")
