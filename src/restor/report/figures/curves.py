"""Learning curves: how the losses went while each arm's model was made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from restor.report.figures._curves import VALIDATION, CurveFigure, draw_curves
from restor.report.figures.base import Drawn, Plot, PlotMaterial, Width
from restor.results import Curve

STAGE = "unlearn"
"""Drawn where an arm has losses of it; otherwise those of its last stage are."""


@final
class CurvesPlot(Plot):
    """A panel per arm with axes of its own."""

    title: ClassVar[str] = "Losses while the arms were made"

    def draw(self, material: PlotMaterial, width: Width) -> Drawn:
        """A line for each loss and seed."""
        return draw_curves(
            material,
            width,
            CurveFigure(
                title=self.title,
                about="Each panel has axes of its own, as losses of different methods are no common scale.",
                lacking="no arm has losses by step",
                value="Loss",
                chosen=_losses,
            ),
        )


def _losses(curves: Sequence[Curve]) -> list[Curve]:
    losses = [curve for curve in curves if not curve.name.startswith(VALIDATION)]
    if not losses:
        return []
    stage = STAGE if any(curve.stage == STAGE for curve in losses) else losses[-1].stage
    return [curve for curve in losses if curve.stage == stage]
