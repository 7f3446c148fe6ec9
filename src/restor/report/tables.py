"""The table of arms as one value, and its renderings for the terminal, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, final

from restor.report.text import UNDEFINED, counted, interval, listed, number, one_line, share
from restor.results import STORED_ONLY, Arm, Figure, Results, Value
from restor.types import Budget, Kind

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

KIND_TITLES = {
    Kind.REFERENCE: "References",
    Kind.BASELINE: "Baselines",
    Kind.CONTROL: "Controls",
    Kind.METHOD: "Methods",
    Kind.ORACLE: "Oracles",
}
BUDGET_NAMES = {
    Budget.FORGET: "forget documents",
    Budget.RETAIN: "retain text",
    Budget.REFERENCE: "the corrupted model, frozen",
    Budget.CHECKPOINT: "an earlier checkpoint",
    Budget.TRUTH: "the true answers",
}
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@final
@dataclass(frozen=True, slots=True)
class Column:
    """One column: how it is headed, aligned and explained."""

    key: str
    """A figure's name, or `arm`, `retain`, `budget`, `seconds`."""
    title: str
    align: Literal["left", "right"]
    explanation: str
    short: str
    """The heading in a terminal, on two lines."""
    rank: int = 0
    """Where the table is too wide, columns of the highest rank go first; rank 0 always stays."""
    unit: Literal["share", "ratio", "nats"] | None = None
    """Of a figure; None where the cell is no figure."""


@final
@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as text, what it sorts by, and the number of its footnote, from 1."""

    text: str
    sort: float | str | None = None
    footnote: int | None = None

    @property
    def marked(self) -> str:
        """The text with its footnote sign."""
        return f"{self.text} {str(self.footnote).translate(_SUPERSCRIPTS)}" if self.footnote else self.text


@final
@dataclass(frozen=True, slots=True)
class Row:
    """One arm."""

    arm: Arm
    cells: tuple[Cell, ...]

    @property
    def kind(self) -> Kind:
        """Which section of the table the row belongs to."""
        return self.arm.kind


@final
@dataclass(frozen=True, slots=True)
class Table:
    """Arms in rows, references first, then baselines, controls and methods."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...]
    """Why a figure is undefined; cells refer to them by number."""

    @property
    def sections(self) -> tuple[tuple[Kind, tuple[Row, ...]], ...]:
        """The rows by kind, without the kinds that the study has not."""
        parts = ((kind, tuple(row for row in self.rows if row.kind is kind)) for kind in KIND_TITLES)
        return tuple((kind, rows) for kind, rows in parts if rows)


ARM = Column("arm", "Arm", "left", "the model state that was asked", "\nArm")
RETAIN = Column(
    "retain",
    "Retain text",
    "left",
    "what the algorithm was told to keep: `unrelated` is another family of text, `related` the probed one",
    "Retain\ntext",
)
BUDGET = Column(
    "budget",
    "Budget",
    "left",
    f"what the algorithm was told: {', '.join(f'{item} {name}' for item, name in BUDGET_NAMES.items())}",
    "Bud-\nget",
    1,
)
SECONDS = Column(
    "seconds", "Seconds", "right", "wall time of making the arm's model, its evaluation not counted", "\nSec.", 2
)


def arm_table(results: Results) -> Table:
    """The table of a study, from its pooled rows."""
    notes: dict[str, int] = {}
    ordered = [arm for kind in KIND_TITLES for arm in results.summary if arm.kind is kind]
    columns = columns_of(results)
    rows = tuple(Row(arm, tuple(_cell(arm, column, notes) for column in columns)) for arm in ordered)
    return Table(_caption(results, ordered), columns, rows, tuple(notes))


def columns_of(results: Results) -> tuple[Column, ...]:
    """What the results have anything to say about, the most important figures first."""
    arms = results.summary
    about = [
        *([RETAIN] if any(arm.retain for arm in arms) else []),
        *([BUDGET] if any(arm.budget for arm in arms) else []),
    ]
    figures = [_figure_column(figure) for figure in figures_of(results)]
    made = [SECONDS] if any(arm.cost.seconds for arm in arms if arm.kind is not Kind.BASELINE) else []
    return (ARM, *about, *figures, *made)


def figures_of(results: Results) -> list[Figure]:
    """The figures that some arm has, and those nobody may miss, by rank.

    One that the results do not describe is shown under its own name.
    """
    described = {figure.name: figure for figure in results.figures}
    values = {name: value for arm in results.summary for name, value in arm.metrics.items() if value.value is not None}
    for name in values:
        described.setdefault(name, Figure(name=name, title=name, short=name, meaning="not described by the results"))
    found = (figure for figure in described.values() if figure.name in values or figure.name in ALWAYS)
    return sorted((figure for figure in found if figure.rank < STORED_ONLY), key=lambda figure: figure.rank)


ALWAYS = ("test.original", "restoration")
"""Figures that a table has even where no arm has them: a footnote says why."""


def _figure_column(figure: Figure) -> Column:
    meaning = f"{figure.meaning}, with its 95 % interval" if figure.unit == "ratio" else figure.meaning
    short = "\n".join(one_line(line, 14) for line in figure.short.split("\n")[:2])
    return Column(
        figure.name, one_line(figure.title, 40), "right", one_line(meaning, 400), short, figure.rank, figure.unit
    )


def _cell(arm: Arm, column: Column, notes: dict[str, int]) -> Cell:
    own = arm.kind not in (Kind.REFERENCE, Kind.BASELINE)
    if column.key == "arm":
        return Cell(one_line(arm.label, 60), arm.label.casefold())
    if column.key == "retain":
        text = arm.retain or ("none" if own else "")
        return Cell(text, text)
    if column.key == "budget":
        text = "unknown" if arm.budget is None else "".join(item.value for item in Budget if item in arm.budget)
        return Cell(text or ("none" if own else ""), len(arm.budget or ()))
    if column.key == "seconds":
        seconds = arm.cost.seconds
        return Cell("") if arm.kind is Kind.BASELINE else Cell(number(seconds, 1 if seconds < 10 else 0), seconds)
    value = arm.metrics.get(column.key) or Value(value=None, n=0, note="not measured in this study")
    note = one_line(value.note, 300) or ("undefined, and the results do not say why" if value.value is None else "")
    # A baseline has no log-probs because it is no model, and only methods have controls, which needs no footnote.
    no_model = arm.kind is Kind.BASELINE and (column.unit == "nats" or column.key == "runner_up")
    no_method = arm.kind not in (Kind.METHOD, Kind.ORACLE) and column.key == "above_control"
    plain = value.value is None and (no_model or no_method)
    footnote = notes.setdefault(note, len(notes) + 1) if note and not plain else None
    if value.value is None:
        return Cell(UNDEFINED, None, footnote)
    if column.unit == "ratio":
        text = interval(value)
    else:
        text = number(value.value, 2) if column.unit == "nats" else share(value.value)
    return Cell(text, value.value, footnote)


def _caption(results: Results, arms: Sequence[Arm]) -> str:
    study = results.study
    untouched = _sizes(arms, "untouched.original")
    compared = study.kind == "comparison"
    asked = "facts" if compared and not untouched else "targeted test facts"
    parts = [f"{one_line(study.name)}: {asked}: {_sizes(arms, 'test.original') or 'none'}"]
    if untouched or not compared:
        parts.append(f"untouched: {untouched or 'none'}")
    runs = f", {study.runs} runs a fact" if study.runs > 1 else ""
    parts.append(f"protocol {one_line(study.protocol)}{runs}")
    if not compared or study.runs > 1:
        parts.append(f"{'seed' if len(study.seeds) == 1 else 'seeds'} {', '.join(map(str, study.seeds))}")
    parts.append("[95 % intervals], bootstrap over entities")
    names = {arm.arm for arm in arms}
    if "clean" in names and "ideal" not in names:
        parts.append("restoration is relative to the clean model, as there is no ideal one")
    if arms and not any(_known(arm, "test.planted") for arm in arms):
        parts.append("no planted answers are known")
    unscored = [
        f"{value.n_unscored} in {one_line(arm.label)}{f' ({arm.retain})' if arm.retain else ''}"
        for arm in arms
        if (value := arm.metrics.get("test.original")) and value.n_unscored
    ]
    if unscored:
        parts.append(f"facts without a verdict, left out of the shares: {listed(unscored, 6)}")
    return "; ".join(parts) + "."


def _sizes(arms: Sequence[Arm], metric: str) -> str:
    """How many facts and entities a figure rests on; empty where there are none."""
    values = [arm.metrics[metric] for arm in arms if metric in arm.metrics]
    facts = [value.n for value in values]
    if not any(facts):
        return ""
    most = counted(max(facts), "fact")
    text = f"{min(facts):,} to {most}" if min(facts) < max(facts) else most
    entities = max(value.n_entities for value in values)
    return f"{text} about {counted(entities, 'entity')}" if entities else text


def _known(arm: Arm, metric: str) -> bool:
    return metric in arm.metrics and arm.metrics[metric].value is not None


def to_json_rows(table: Table) -> list[dict[str, Any]]:
    """The rows as plain JSON values: numbers are shares and nats, intervals beside them, undefined is null."""
    keep = {"id", "label", "arm", "kind", "algorithm", "model", "retain", "recovered", "seeds", "budget", "metrics"}
    keep |= {"cost", "verdict"}
    return [row.arm.model_dump(mode="json", include=keep) for row in table.rows]


def to_markdown(table: Table) -> str:
    """A GitHub table with its caption and footnotes."""

    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |"

    lines = [_markdown(table.caption), "", line(column.title.replace("|", "\\|") for column in table.columns)]
    lines.append(line("--:" if column.align == "right" else ":--" for column in table.columns))
    for kind, rows in table.sections:
        lines.append(line([f"**{KIND_TITLES[kind]}**", *[""] * (len(table.columns) - 1)]))
        lines += [line([_markdown(row.cells[0].marked), *[cell.marked for cell in row.cells[1:]]]) for row in rows]
    if table.footnotes:
        lines.append("")
        lines += [f"{number}. {_markdown(note)}" for number, note in enumerate(table.footnotes, 1)]
    return "\n".join(lines) + "\n"


def _markdown(text: str) -> str:
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>#|~" else sign for sign in text)


def to_rich(table: Table) -> RenderableType:
    """For the terminal: fits its width by leaving out the least important columns, and says which."""
    return _Terminal(table)


@final
@dataclass(frozen=True, slots=True)
class _Terminal:
    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        shown, left_out = _fitted(self.table, options.max_width)
        grid = RichTable(
            box=box.HORIZONTALS, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, collapse_padding=True
        )
        for place, column in enumerate(shown.columns):
            title = Text(column.short, style="bold")
            # A section's title stands in the first column and must not be broken.
            least = None if place else max((len(KIND_TITLES[kind]) for kind, _ in shown.sections), default=None)
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
        yield grid
        yield Text()
        yield Text(self.table.caption, style="dim")
        for place, note in enumerate(shown.footnotes, 1):
            yield Text(f"{str(place).translate(_SUPERSCRIPTS)} {note}", style="dim")
        if left_out:
            names = ", ".join(column.title for column in left_out)
            yield Text(
                f"Left out of this narrow terminal: {names}. A wider one or the HTML report has them.", style="dim"
            )


def _fitted(table: Table, width: int) -> tuple[Table, list[Column]]:
    """The table without the columns that a terminal of this width has no room for."""

    def natural(place: int) -> int:
        words = max(len(word) for word in table.columns[place].short.split("\n"))
        cells = max((len(row.cells[place].marked) for row in table.rows), default=0)
        if place:
            return max(words, cells)
        sections = max((len(KIND_TITLES[kind]) for kind, _ in table.sections), default=0)
        return max(sections, min(max(words, cells) + 2, 24))

    widths = [natural(place) + 2 for place in range(len(table.columns))]
    kept = list(range(len(table.columns)))
    while sum(widths[place] for place in kept) > width:
        rank = max(table.columns[place].rank for place in kept)
        if rank == 0:
            break
        kept = [place for place in kept if table.columns[place].rank != rank]
    numbers: dict[int, int] = {}

    def numbered(cell: Cell) -> Cell:
        if cell.footnote is None:
            return cell
        return replace(cell, footnote=numbers.setdefault(cell.footnote, len(numbers) + 1))

    rows = tuple(replace(row, cells=tuple(numbered(row.cells[place]) for place in kept)) for row in table.rows)
    columns = tuple(table.columns[place] for place in kept)
    notes = tuple(table.footnotes[number - 1] for number in numbers)
    left_out = [column for place, column in enumerate(table.columns) if place not in kept]
    return replace(table, columns=columns, rows=rows, footnotes=notes), left_out
