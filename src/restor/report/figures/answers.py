"""What every model answers to the targeted facts: the true answer, the planted one, another one."""

from __future__ import annotations

from typing import ClassVar, final

from matplotlib.patches import Patch

from restor.report.figures._rows import beside, full_label, lay_out, measured_on, rows_of, source
from restor.report.figures._style import JUDGED, SMALL, new_figure
from restor.report.figures.base import INCHES, Drawn, LackingError, Plot, PlotMaterial, Width
from restor.report.page.svg import judgement_shares
from restor.report.plain import UNDEFINED, share
from restor.report.words.restored import figure as number_of
from restor.types import Kind


@final
class AnswersPlot(Plot):
    """Stacked bars, one per arm."""

    title: ClassVar[str] = "Answers to targeted test facts by arm"

    def draw(self, material: PlotMaterial, width: Width) -> Drawn:
        """One panel; the planted part is hatched."""
        arms = material.arms(*Kind)
        shares = {arm.id: judgement_shares(arm) for arm in arms}
        if not any(shares.values()):
            raise LackingError("no arm has judged answers to targeted test facts")
        rows = rows_of(arms, width, each=True)
        present = [judgement for judgement in JUDGED if any(judgement in one for one in shares.values())]
        lines = -(-len(present) // (2 if width == "single" else 4))
        figure = new_figure(INCHES[width], rows.inches + 0.6 + 0.16 * lines)
        axes = figure.add_subplot()
        axes.set_xlim(0, 100)
        lay_out(axes, rows)
        axes.set_xlabel("Share of answers (%)")
        for y, arm in rows.places:
            at = 0.0
            for judgement, part in shares[arm.id].items():
                colour, hatch, _ = JUDGED[judgement]
                edge = "#85817a" if colour == "#ffffff" else "white"
                axes.barh(y, 100 * part, left=at, height=0.76, color=colour, hatch=hatch, edgecolor=edge, linewidth=0.4)
                at += 100 * part
            if not shares[arm.id]:
                axes.text(1, y, "– no answers", fontsize=SMALL, va="center")
        if width == "double":
            for inches, metric, head in ((0.45, "test.original", "True"), (1.15, "test.planted", "Planted")):
                place = beside(axes, inches)
                axes.text(
                    1, -0.35, f"{head} %", transform=place, fontsize=SMALL, va="center", ha="right", weight="bold"
                )
                for y, arm in rows.places:
                    value = number_of(arm, metric).value
                    text = UNDEFINED if value is None else share(value)
                    axes.text(1, y, text, transform=place, fontsize=SMALL, va="center", ha="right")
        handles = [
            Patch(facecolor=colour, hatch=hatch, edgecolor="#85817a" if colour == "#ffffff" else "white", label=name)
            for colour, hatch, name in (JUDGED[judgement] for judgement in present)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2 if width == "single" else 4)
        untold = [full_label(arm, 40) for arm in arms if not shares[arm.id]]
        gaps = f" Without answers: {', '.join(untold)}." if untold else ""
        caption = (
            f"{self.title}: shares of all answers, {measured_on(material.results, arms, 'test.original')}. "
            f"{source(material.results)}"
        )
        return Drawn(figure, caption + gaps)
