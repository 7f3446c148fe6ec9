"""The table of arms for the terminal: it fits the width by leaving out the least important columns, and says which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from restor.report.tables.arm_table import KIND_TITLES, Table
from restor.report.tables.columns import BUDGET_NAMES, Column, retain_legend, superscript
from restor.report.words.verdict_words import VERDICT_MEANINGS, legend_words
from restor.types import Kind

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table as RichTable

_WIDEST_LABEL = 24
_NARROWEST_LABEL = 14
_GAP = 1
"""Blanks between columns."""
_LAST_TO_GO = ("untouched.original", "retain", "test.planted", "test.original")
"""Where columns of rank 0 are too many, these go in this order; names, verdicts and restoration always stay."""


def to_rich(table: Table) -> RenderableType:
    """What rich prints."""
    return _Terminal(table)


@final
@dataclass(frozen=True, slots=True)
class _Terminal:
    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        shown, left_out = _fitted(self.table, options.max_width)
        yield _grid(shown)
        yield Text()
        yield Text(self.table.caption, style="dim")
        for place, note in enumerate(shown.footnotes, 1):
            yield Text(f"{superscript(place)} {note}", style="dim")
        for line in _legend(shown):
            yield Text(line, style="dim")
        if left_out:
            names = ", ".join(column.title for column in left_out)
            yield Text(
                f"Left out of this narrow terminal: {names}. A wider one or the HTML report has them.", style="dim"
            )


def _grid(shown: Table) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable(box=box.HORIZONTALS, padding=0, pad_edge=False, show_edge=False, collapse_padding=True)
    for place, column in enumerate(shown.columns):
        # A section's title stands in the first column and must not be broken.
        least = None if place else max((len(KIND_TITLES[kind]) for kind, _ in shown.sections), default=None)
        title = Text(column.short, style="bold")
        grid.add_column(title, justify=column.align, no_wrap=place > 0, overflow="fold", min_width=least)
    for kind, rows in shown.sections:
        style = "yellow" if kind is Kind.CONTROL else ""
        grid.add_section()
        grid.add_row(Text(KIND_TITLES[kind].upper(), style=f"bold {style}"), *[""] * (len(shown.columns) - 1))
        for row in rows:
            cells = [Text(cell.marked, style=style) for cell in row.cells]
            if kind is Kind.CONTROL:
                cells[0] = Text("· ", style=style) + cells[0]  # apart without colour too
            grid.add_row(*cells)
    return grid


def _legend(shown: Table) -> Iterator[str]:
    """The verdicts, kinds of retain text and letters of the table, in full words."""
    columns = {column.key for column in shown.columns}
    arms = [row.arm for row in shown.rows]
    if "verdict" in columns:
        kinds = {arm.verdict.kind for arm in arms if arm.verdict}
        glyphs = [f"{each.glyph} {legend_words(kind)}" for kind, each in VERDICT_MEANINGS.items() if kind in kinds]
        if glyphs:
            yield f"Verdicts: {', '.join(glyphs)}."
        if "restores" in kinds:
            yield f"restores N %: {VERDICT_MEANINGS['restores'].meaning}"
    if "retain" in columns and (told_retain := retain_legend({arm.retain for arm in arms})):
        yield told_retain
    if "budget" in columns and any(arm.budget for arm in arms):
        letters = ", ".join(f"{letter} {name}" for letter, name in BUDGET_NAMES.items())
        yield f"Budget (what the algorithm was told): {letters}."


def _fitted(table: Table, width: int) -> tuple[Table, tuple[Column, ...]]:
    """The table without the columns that a terminal of this width has no room for."""

    def natural(place: int) -> int:
        words = max(len(word) for word in table.columns[place].short.split("\n"))
        cells = max((len(row.cells[place].marked) for row in table.rows), default=0)
        if place:
            return max(words, cells)
        sections = max((len(KIND_TITLES[kind]) for kind, _ in table.sections), default=0)
        return max(sections, min(max(words, cells) + 2, _WIDEST_LABEL))

    widths = [natural(place) + _GAP for place in range(len(table.columns))]
    kept = set(range(len(table.columns)))
    while sum(widths[place] for place in kept) > width:
        rank = max(table.columns[place].rank for place in kept)
        if rank == 0:
            break
        kept = {place for place in kept if table.columns[place].rank != rank}
    spare = [place for key in _LAST_TO_GO for place in kept if table.columns[place].key == key]
    least = min(widths[0], _NARROWEST_LABEL + _GAP)
    while spare and least + sum(widths[place] for place in kept if place) > width:
        kept.remove(spare.pop(0))
    return table.only(kept)
