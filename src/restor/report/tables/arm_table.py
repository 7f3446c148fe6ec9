"""The table of arms as one value, and its renderings as Markdown and JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

from restor.report.plain import counted, listed, one_line
from restor.report.tables.columns import Cell, Column, cell, columns_of
from restor.results import Arm, Results, Study
from restor.types import Kind

KIND_TITLES = {
    Kind.REFERENCE: "References",
    Kind.BASELINE: "Baselines",
    Kind.CONTROL: "Controls",
    Kind.METHOD: "Methods",
    Kind.ORACLE: "Oracles",
}
SECTION_TITLES = KIND_TITLES | {
    Kind.CONTROL: "Controls (nothing is unlearned)",
    Kind.ORACLE: "Oracles (told the true answers)",
}
"""Where there is room."""


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

    def only(self, kept: Collection[int]) -> tuple[Table, tuple[Column, ...]]:
        """The table with these columns, its footnotes counted anew row by row, and the columns that it lacks."""
        numbers: dict[int, int] = {}

        def numbered(cell: Cell) -> Cell:
            if cell.footnote is None:
                return cell
            return replace(cell, footnote=numbers.setdefault(cell.footnote, len(numbers) + 1))

        places = [place for place in range(len(self.columns)) if place in kept]
        rows = tuple(replace(row, cells=tuple(numbered(row.cells[place]) for place in places)) for row in self.rows)
        notes = tuple(self.footnotes[number - 1] for number in numbers)
        left_out = tuple(column for place, column in enumerate(self.columns) if place not in kept)
        shown = tuple(self.columns[place] for place in places)
        return replace(self, columns=shown, rows=rows, footnotes=notes), left_out


def arm_table(results: Results) -> Table:
    """The table of a study, from its pooled rows."""
    notes: dict[str, int] = {}
    ordered = [arm for kind in KIND_TITLES for arm in results.summary if arm.kind is kind]
    columns = columns_of(results)
    rows = tuple(Row(arm, tuple(cell(arm, column, notes) for column in columns)) for arm in ordered)
    return Table(_caption(results, ordered), columns, rows, tuple(notes))


def over(studies: Iterable[Study]) -> str:
    """What intervals are over: seeds where there are several."""
    return "over entities and seeds" if any(len(study.seeds) > 1 for study in studies) else "over entities"


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
    parts.append(f"[95 % intervals] {over([study])}")
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
    # An arm that was not made was asked nothing, and says nothing about what was asked.
    values = [value for arm in arms if (value := arm.metrics.get(metric)) is not None and value.n]
    facts = [value.n for value in values]
    if not facts:
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
    keep |= {"cost", "verdict", "tests"}
    return [row.arm.model_dump(mode="json", include=keep) for row in table.rows]


def to_markdown(table: Table) -> str:
    """A GitHub table with its caption and footnotes."""

    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |"

    lines = [escaped_markdown(table.caption), "", line(map(_heading, table.columns))]
    lines.append(line("--:" if column.align == "right" else ":--" for column in table.columns))
    for kind, rows in table.sections:
        lines.append(line([f"**{SECTION_TITLES[kind]}**", *[""] * (len(table.columns) - 1)]))
        for row in rows:
            pairs = zip(table.columns, row.cells, strict=True)
            # Figures are written here and harmless, and brackets stay readable.
            lines.append(line(cell.marked if column.unit else escaped_markdown(cell.marked) for column, cell in pairs))
    if table.footnotes:
        lines.append("")
        lines += [f"{number}. {escaped_markdown(note)}" for number, note in enumerate(table.footnotes, 1)]
    return "\n".join(lines) + "\n"


def _heading(column: Column) -> str:
    return escaped_markdown(column.title).replace(r"\[95 %\]", "[95 %]")


def escaped_markdown(text: str) -> str:
    """Foreign text as Markdown shows it literally."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>#|~" else sign for sign in text)
