"""Restoration against how sure the clean model was."""

from __future__ import annotations

from typing import ClassVar, final

from restor.report.figures._parts import draw_ordered
from restor.report.figures.base import Drawn, Plot, PlotMaterial, Width


@final
class ConfidencePlot(Plot):
    """A panel per arm."""

    title: ClassVar[str] = "Restoration against the clean model's confidence"

    def draw(self, material: PlotMaterial, width: Width) -> Drawn:
        """Facts in parts by the clean model's log-prob of the true answer."""
        how = "facts in parts of about equal size by that model's log-prob of the true answer, each named by its mean."
        x = "Clean model's log-prob of the true answer (nats)"
        return draw_ordered(material, width, "confidence", x, self.title, how)
