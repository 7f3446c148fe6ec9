"""`restor compare`: arms of several finished studies side by side, from their stored results only."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from restor.cli.arguments import Arms, StorePath, UsageError, parse_arms
from restor.cli.common import find_studies, home_of
from restor.cli.output import put
from restor.cli.report import Format, plain_text

if TYPE_CHECKING:
    from restor.report.compare import Entrant


def compare(
    *studies: Annotated[Path, Parameter(help="Folders of studies, their results.json, or ids within the store.")],
    arms: Arms = None,
    store: StorePath = None,
    format: Annotated[
        Format,
        Parameter(
            help="How to write it: `csv` has a row per arm and figure, `latex` needs booktabs, `bibtex` is to cite."
        ),
    ] = "terminal",
    out: Annotated[Path | None, Parameter(help="File to write instead of the terminal.")] = None,
) -> None:
    """Show arms of several studies side by side, and what is different.

    What was measured differently gets a table of its own.
    """
    if not studies:
        raise UsageError("Name the studies, as in `restor compare STUDY_A STUDY_B`; `restor status` lists those here.")
    names = parse_arms(arms)
    text = _rendered(_read(studies, store), names, format, terminal=out is None)
    put(text, out, coloured=format == "terminal")


def _read(studies: Sequence[Path], store: Path | None) -> list[Entrant]:
    from restor.report.compare import entrant, tag
    from restor.report.load import FACTS_FILE, load_facts, load_results

    entrants = []
    for number, place in enumerate(find_studies(studies, store)):
        home = home_of(place)
        facts = load_facts(home) if (home / FACTS_FILE).is_file() else None
        entrants.append(entrant(tag(number), load_results(place), facts))
    return entrants


def _rendered(entrants: Sequence[Entrant], arms: Collection[str], format: Format, *, terminal: bool) -> str:
    from restor.report.against import series_across, told
    from restor.report.bibtex import joined_bibtex
    from restor.report.comma import write_rows
    from restor.report.compare import COMPARED_COLUMNS, compare, compared_json, compared_rows
    from restor.report.compared import render_comparison
    from restor.report.latex import to_latex
    from restor.report.tables import escaped_markdown, to_markdown

    comparison = compare(entrants, arms)
    tables = [part.table for part in comparison.tables]
    series = series_across([each for part in comparison.tables for each in part.entrants])
    said = (*comparison.differences, *told(series))
    match format:
        case "json":
            return json.dumps(compared_json(comparison), indent=2, allow_nan=False) + "\n"
        case "csv":
            return write_rows(COMPARED_COLUMNS, compared_rows(comparison))
        case "latex":
            return "\n".join(to_latex(table, f"restor-compare-{place}") for place, table in enumerate(tables, 1))
        case "md":
            return "\n".join([*map(to_markdown, tables), *(f"- {escaped_markdown(text)}\n" for text in said)])
        case "html":
            return render_comparison(comparison, entrants)
        case "bibtex":
            return joined_bibtex(each.results for each in entrants)
    return plain_text(tables, comparison.apart, said, terminal=terminal)
