"""Restoration against how many forget documents state the planted answer."""

from __future__ import annotations

from typing import ClassVar, final

from restor.report.figures._parts import draw_ordered
from restor.report.figures.base import Drawn, Plot, PlotMaterial, Width


@final
class DosePlot(Plot):
    """A panel per arm."""

    title: ClassVar[str] = "Restoration against dose"

    def draw(self, material: PlotMaterial, width: Width) -> Drawn:
        """Facts by the number of documents that state their planted answer."""
        how = "facts by the number of forget documents that state their planted answer."
        x = "Forget documents that state the planted answer"
        return draw_ordered(material, width, "dose", x, self.title, how)
