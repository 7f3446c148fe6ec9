"""What the verdicts rest on: restoration with the interval that the rules read, and the tests against the controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from restor.report.figures._rows import (
    beside,
    excuse_labels,
    lay_out,
    measured_on,
    reference_lines,
    restoration_limits,
    retain_handles,
    rows_of,
    source,
    whisker,
)
from restor.report.figures._style import INK, LINE, SMALL, new_figure
from restor.report.figures.base import INCHES, Drawn, LackingError, Plot, PlotMaterial, Width
from restor.report.words.paired_tests import against_controls, p_text
from restor.report.words.restored import full
from restor.results import Arm, ArmVerdict
from restor.types import Kind


@final
@dataclass(frozen=True, slots=True)
class _Read:
    """The interval of a verdict."""

    value: float | None
    ci_low: float | None
    ci_high: float | None


@final
class VerdictsPlot(Plot):
    """Two panels with the same rows: restoration beside the margin, and the difference to the hardest control."""

    title: ClassVar[str] = "What the verdicts rest on"

    def draw(self, material: PlotMaterial, width: Width) -> Drawn:
        """The second panel is there where paired tests are stored."""
        judged = [arm for arm in material.arms(Kind.CONTROL, Kind.METHOD, Kind.ORACLE) if arm.verdict]
        read = {arm.id: _read(arm.verdict) for arm in judged if arm.verdict}
        if all(one.value is None for one in read.values()):
            raise LackingError("no arm has a verdict with a restoration")
        tests = {arm.id: test for arm in judged if (test := against_controls(arm)) and test.difference is not None}
        rows = rows_of(judged, width)
        handles = retain_handles(judged)
        single = width == "single"
        legend = 0.16 * (len(handles) if single else 1) if handles else 0.0
        figure = new_figure(INCHES[width], rows.inches + (0.9 if single else 0.65) + legend)
        panels = figure.subplots(1, 2 if tests else 1, squeeze=False)[0]
        left = panels[0]
        left.set_xlim(*restoration_limits(read.values()))
        lay_out(left, rows)
        margin = next((arm.verdict.margin for arm in judged if arm.verdict and arm.verdict.margin is not None), None)
        if margin is not None:
            left.axvspan(100 * (1 - margin), 100, color=LINE, linewidth=0, zorder=0.5)
        top = full(material.results)
        left.grid(axis="x")
        left.set_xlabel("Restoration (%)")
        reference_lines(left, "ideal" if top is None else top.arm)
        for y, arm in rows.places:
            whisker(left, y, read[arm.id], arm.retain)
        if tests:
            right = panels[1]
            spread = [100 * x for t in tests.values() for x in (t.difference, t.ci_low, t.ci_high) if x is not None]
            room = 0.05 * (max(*spread, 5.0) - min(*spread, -5.0))
            right.set_xlim(min(*spread, -5.0) - room, max(*spread, 5.0) + room)
            excuse_labels(right, rows)
            right.axvline(0, color=INK, linewidth=0.8, zorder=1)
            right.grid(axis="x")
            right.set_xlabel(
                "Above the\nhardest control\n(points)" if single else "Accuracy above the hardest control (points)"
            )
            for y, arm in rows.places:
                if (test := tests.get(arm.id)) is None:
                    continue
                whisker(right, y, _Read(test.difference, test.ci_low, test.ci_high), arm.retain)
                if not single and test.p_holm is not None:
                    p = p_text(test.p_holm)
                    text = f"p {p if p.startswith('<') else f'= {p}'}"
                    right.text(1, y, text, transform=beside(right, 0.1), fontsize=SMALL, va="center")
        if handles:
            figure.legend(handles=handles, loc="outside lower center", ncols=1 if single else len(handles))
        return Drawn(figure, self._caption(material, judged, margin, bool(tests)))

    def _caption(self, material: PlotMaterial, arms: Sequence[Arm], margin: float | None, tested: bool) -> str:
        side = "Left: restoration" if tested else "Restoration"
        text = (
            f"{self.title}. {side} with the 95 % intervals that the rules read, {measured_on(material.results, arms)}."
        )
        if margin is not None:
            text += f" The band is the margin: within {100 * margin:.0f} points of full restoration an arm is restored."
        if tested:
            text += (
                " Right: accuracy on targeted test facts less that of the control that is hardest to be above, paired "
                "by fact, with 95 % intervals; p is corrected after Holm over the table."
            )
        else:
            text += " No paired tests are stored."
        return f"{text} Shaded: controls. {source(material.results)}"


def _read(verdict: ArmVerdict) -> _Read:
    return _Read(verdict.restoration, verdict.ci_low, verdict.ci_high)
