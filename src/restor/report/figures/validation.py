"""Validation curves: what an arm answered to validation facts on the way, while its hyperparameters were chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from restor.report.figures._curves import VALIDATION, CurveFigure, draw_curves
from restor.report.figures.base import Drawn, Plot, PlotMaterial, Width
from restor.results import Curve


@final
class ValidationPlot(Plot):
    """A panel per arm, all with the same axes."""

    title: ClassVar[str] = "Answers to validation facts while hyperparameters were chosen"

    def draw(self, material: PlotMaterial, width: Width) -> Drawn:
        """A line for each share and seed."""
        return draw_curves(
            material,
            width,
            CurveFigure(
                title=self.title,
                about="Means over the worlds in which they were chosen; no test facts are among them.",
                lacking="no arm has validation curves; they come with hyperparameters that `restor select` chose",
                value="Share of facts (%)",
                chosen=_validation,
                factor=100.0,
                own_axes=False,
            ),
        )


def _validation(curves: Sequence[Curve]) -> list[Curve]:
    return [curve for curve in curves if curve.name.startswith(VALIDATION)]
