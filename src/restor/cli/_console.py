"""Rich's console, made safe; a file of its own, as rich takes a moment to import."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from restor.text import escaped


@final
class SafeConsole(Console):
    """Escapes all text before it is laid out, so that the columns of a table stay where they are.

    Everything that rich shows goes through `render`, what is nested and live too: it has no hook there.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of something, without characters that act on a terminal but rich's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(escaped(segment.text), segment.style)
