"""`restor compare`: arms of several finished studies side by side, from their stored results only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from restor.cli.arguments import Arms, StorePath, UsageError, parse_arms
from restor.cli.common import find_studies, home_of
from restor.cli.output import put
from restor.cli.report import Format, plain_text

if TYPE_CHECKING:
    from restor.report.across.side_by_side import Entrant


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
    from restor.report.across.side_by_side import entrant, tag
    from restor.report.io.load import FACTS_FILE, load_facts, load_results

    entrants = []
    for number, place in enumerate(find_studies(studies, store)):
        home = home_of(place)
        facts = load_facts(home) if (home / FACTS_FILE).is_file() else None
        entrants.append(entrant(tag(number), load_results(place), facts))
    return entrants


def _rendered(entrants: Sequence[Entrant], arms: Collection[str], format: Format, *, terminal: bool) -> str:
    from restor.report.across.series import series_across, told
    from restor.report.across.side_by_side import compare
    from restor.report.across.written import render_comparison, write_comparison

    comparison = compare(entrants, arms)
    series = series_across([each for part in comparison.tables for each in part.entrants])
    said = (*comparison.differences, *told(series))
    if format == "html":
        return render_comparison(comparison, entrants)
    if format == "terminal":
        return plain_text([part.table for part in comparison.tables], comparison.apart, said, terminal=terminal)
    return write_comparison(comparison, entrants, said, format)
