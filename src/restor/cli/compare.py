"""`restor compare`: arms of several finished studies side by side, from their stored results only."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from restor.cli.arguments import StorePath, UsageError, parse_names
from restor.cli.report import find_study, plain_text
from restor.errors import DataError

Format = Literal["terminal", "md", "json", "csv", "latex"]


def compare(
    *studies: Annotated[Path, Parameter(help="Folders of studies, their results.json, or ids within the store.")],
    arms: Annotated[
        str | None, Parameter(help="Only these arms: names, ids or algorithms, such as `npo_token,msa`. Default: all.")
    ] = None,
    store: StorePath = None,
    format: Annotated[
        Format, Parameter(help="How to write it; `csv` has one row per arm and figure, `latex` needs booktabs.")
    ] = "terminal",
    out: Annotated[Path | None, Parameter(help="File to write instead of the terminal.")] = None,
) -> None:
    """Show arms of several studies side by side. What was measured differently gets a table of its own."""
    from restor.report.comma import write_rows
    from restor.report.compare import COMPARED_COLUMNS, compared_json, compared_rows, entrant, tag
    from restor.report.compare import compare as compared
    from restor.report.latex import to_latex
    from restor.report.load import FACTS_FILE, load_facts, load_results
    from restor.report.tables import to_markdown

    if not studies:
        raise UsageError("Name the studies, as in `restor compare STUDY_A STUDY_B`; `restor status` lists those here.")
    entrants = []
    seen: dict[Path, Path] = {}
    for place, given in enumerate(studies):
        found = find_study(given, store)
        home = found if found.is_dir() else found.parent
        if home.resolve() in seen:
            raise DataError(f"{given} is the same study as {seen[home.resolve()]}. Name each study once.")
        seen[home.resolve()] = given
        facts = load_facts(home) if (home / FACTS_FILE).is_file() else None
        entrants.append(entrant(tag(place), load_results(found), facts))
    names = parse_names(arms)
    if names == []:
        raise UsageError("--arms is empty. Name arms, as in `--arms npo_token,msa`, or leave it out for all.")
    comparison = compared(entrants, names or ())
    tables = [part.table for part in comparison.tables]
    if format == "json":
        text = json.dumps(compared_json(comparison), indent=2, allow_nan=False) + "\n"
    elif format == "csv":
        text = write_rows(COMPARED_COLUMNS, compared_rows(comparison))
    elif format == "latex":
        text = "\n".join(to_latex(table, f"restor-compare-{place}") for place, table in enumerate(tables, 1))
    elif format == "md":
        text = "\n".join(to_markdown(table) for table in tables)
    else:
        text = plain_text(tables, comparison.apart, terminal=out is None)
    if out is not None:
        from restor.pipeline.files import write_atomic

        write_atomic(out, text)
        sys.stdout.write(f"{out}\n")
    else:
        sys.stdout.write(text)
