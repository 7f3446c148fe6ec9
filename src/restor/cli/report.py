"""`restor report`: a finished study again from its stored results only: table, page, Markdown, LaTeX, CSV, BibTeX."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from restor.cli.common import find_study, home_of
from restor.cli.output import file_console, put, safe_console
from restor.results import Results

if TYPE_CHECKING:
    from restor.report.tables.arm_table import Table

Format = Literal["terminal", "html", "md", "json", "csv", "latex", "bibtex"]


def report(
    study: Path | None = None,
    *,
    store: Path | None = None,
    format: Format = "terminal",
    out: Path | None = None,
) -> None:
    """Show the results of a finished study.

    Args:
        study: Folder of the study, its results.json, or its id within the store; the newest study when left out.
        store: Where studies are kept; the default store when left out.
        format: `terminal` shows the table and the finding in words, `md` and `latex` (for booktabs) the table, `json`
            its figures; `csv` has all figures, one row per arm and figure; `html` writes the page; `bibtex` is what to
            cite.
        out: File to write instead of the terminal. The page goes to report.html in the study's folder by default.
    """
    from restor.report.io.load import load_facts, load_results

    folder = find_study(study, store)
    results = load_results(folder)
    if format == "html":
        from restor.report.io.checked import without_answers
        from restor.report.page.render import render_page
        from restor.report.plain import listed, one_line
        from restor.store.disk import write_atomic
        from restor.store.studies import Studies, store_of

        home = home_of(folder)
        page = out or home / "report.html"
        facts = load_facts(home)
        text = render_page(results, facts)
        if out is None and (store := store_of(home)) is not None:
            Studies(store).write(home.resolve().name, {page.name: text.encode()})
        else:
            write_atomic(page, text)
        if missing := without_answers(results, facts):
            names = listed([one_line(name, 60) for name in missing], 8)
            sys.stderr.write(f"Note: the facts have no answers of {names}; the page shows their figures alone.\n")
        sys.stdout.write(f"{page}\n")
        return
    put(_rendered(results, format, terminal=out is None), out, coloured=format == "terminal")


def _rendered(results: Results, format: Format, *, terminal: bool) -> str:
    from restor.report.tables.arm_table import arm_table, to_json_rows, to_markdown
    from restor.report.tables.bibtex import bibtex
    from restor.report.tables.comma import to_csv
    from restor.report.tables.latex import to_latex
    from restor.report.words.answer import answer_text

    if format == "csv":
        return to_csv(results)
    if format == "bibtex":
        return bibtex(results)
    table = arm_table(results)
    if format == "md":
        return to_markdown(table)
    if format == "latex":
        return to_latex(table, results.study.id)
    if format == "json":
        study = {"name": results.study.name, "id": results.study.id, "seeds": results.study.seeds}
        return json.dumps({"study": study, "table": to_json_rows(table)}, indent=2, allow_nan=False) + "\n"
    return plain_text([table], after=answer_text(results).split("\n"), terminal=terminal)


def plain_text(tables: Sequence[Table], notes: Sequence[str] = (), after: Sequence[str] = (), *, terminal: bool) -> str:
    """Notes, tables and what follows for the terminal, with its width and colours, or for a file."""
    from rich.text import Text

    from restor.report.tables.terminal_table import to_rich

    place = safe_console() if terminal else file_console(width=180)
    with place.capture() as captured:
        for note in notes:
            place.print(Text(note, style="yellow"))
        for number, table in enumerate(tables):
            if number or notes:
                place.print()
            place.print(to_rich(table))
        if after:
            place.print()
        for said in after:
            place.print(Text(said))
    return captured.get()
