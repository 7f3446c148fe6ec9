"""The table of arms for a paper: booktabs, ready to paste. All texts are foreign and are escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from restor.report.plain import number, one_line
from restor.report.tables.arm_table import SECTION_TITLES, Row, Table
from restor.report.tables.columns import BUDGET_NAMES, Cell, Column, retain_legend
from restor.report.words.verdict_words import verdict_words
from restor.results import Value

WIDEST_RANK = 2
"""Columns up to this rank fit on paper with their intervals; those above are in the CSV."""

_ALSO = ("above_control", "p_control")
"""Columns that a paper needs whatever their rank."""

_SIGNS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",  # a shorthand of babel in several languages
    "`": r"\char96{}",
    "\u2060": "{}",
    "\u2212": "$-$",
    "\u2013": "--",
    "\u2026": r"\ldots{}",
    "\u00b7": r"\textperiodcentered{}",
    "\ufffd": "?",
}
_HYPHENS = re.compile("-(?=-)")  # two of them would become a dash


def to_latex(table: Table, label: str) -> str:
    """A `table` environment with caption, sections, intervals, facts per arm and footnotes; it needs booktabs.

    Args:
        table: the arms.
        label: what `\\label` is made from; only its letters, digits and hyphens are kept.
    """
    # The rows of a section follow each other on paper, so footnotes are counted in that order.
    ordered = replace(table, rows=tuple(row for _, rows in table.sections for row in rows))
    on_paper = (column.rank <= WIDEST_RANK or column.key in _ALSO for column in table.columns)
    shown, left_out = ordered.only({place for place, kept in enumerate(on_paper) if kept})
    width = len(shown.columns) + 1
    heads = [*(escaped(column.title) for column in shown.columns), "Facts (entities)"]
    aligned = "".join("l" if column.align == "left" else "r" for column in shown.columns)
    lines = [
        r"% needs \usepackage{booktabs}; letters beyond Latin ones need XeLaTeX or LuaLaTeX",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped(table.caption)}}}",
        rf"\label{{tab:{re.sub(r'[^A-Za-z0-9-]+', '-', label).strip('-') or 'restor'}}}",
        r"\small",
        rf"\begin{{tabular}}{{@{{}}{aligned}r@{{}}}}",
        r"\toprule",
        _line(heads),
    ]
    for kind, rows in shown.sections:
        lines += [
            r"\midrule",
            _line([rf"\multicolumn{{{width}}}{{@{{}}l}}{{\emph{{{escaped(SECTION_TITLES[kind])}}}}}"]),
        ]
        lines += [_line([*(_shown(row, *pair) for pair in zip(shown.columns, row.cells, strict=True)), _facts(row)])
                  for row in rows]  # fmt: skip
    lines += [r"\bottomrule", r"\end{tabular}", *_below(shown, left_out), r"\end{table}"]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Foreign text as LaTeX shows it literally, on one line."""
    shown = "".join(_SIGNS.get(sign, sign) for sign in _HYPHENS.sub("-\u2060", one_line(text, 4000)))
    # At the beginning these two would belong to the line break before them.
    return f"{{{shown[0]}}}{shown[1:]}" if shown.startswith(("[", "*")) else shown


def _line(cells: Sequence[str]) -> str:
    return rf"{' & '.join(cells)} \\"


def _shown(row: Row, column: Column, cell: Cell) -> str:
    if column.key == "verdict" and row.arm.verdict:
        return escaped(verdict_words(row.arm.verdict))  # few fonts have its glyph
    value = row.arm.metrics.get(column.key) if column.unit else None
    if value is None or value.value is None or value.ci_low is None or value.ci_high is None:
        text = escaped(cell.text)
    else:
        text = rf"{escaped(cell.text.split(' [')[0])} {{\scriptsize [{_bounds(value, column)}]}}"
    return rf"{text}\textsuperscript{{{cell.footnote}}}" if cell.footnote else text


def _bounds(value: Value, column: Column) -> str:
    assert value.ci_low is not None
    assert value.ci_high is not None
    scale, digits = (1, 2) if column.unit == "nats" else (100, 0)
    return escaped(f"{number(scale * value.ci_low, digits)}, {number(scale * value.ci_high, digits)}")


def _facts(row: Row) -> str:
    """What the accuracy on targeted facts rests on."""
    value = row.arm.metrics.get("test.original")
    if value is None:
        return "--"
    unscored = f", {value.n_unscored} unscored" if value.n_unscored else ""
    return f"{value.n} ({value.n_entities}){unscored}"


def _below(shown: Table, left_out: Sequence[Column]) -> list[str]:
    notes = [rf"\textsuperscript{{{place}}} {escaped(note)}" for place, note in enumerate(shown.footnotes, 1)]
    kept = retain_legend({row.arm.retain for row in shown.rows})
    if kept and any(column.key == "retain" for column in shown.columns):
        notes.append(escaped(kept))
    if any(column.key == "budget" for column in shown.columns):
        letters = ", ".join(f"{item} {name}" for item, name in BUDGET_NAMES.items())
        notes.append(escaped(f"Budget, what the algorithm was told: {letters}."))
    if left_out:
        names = ", ".join(column.title for column in left_out)
        notes.append(escaped(f"Not in this table, but in the CSV: {names}."))
    if not notes:
        return []
    return ["", r"\smallskip", r"{\footnotesize\raggedright", *(rf"{note}\par" for note in notes), "}"]
