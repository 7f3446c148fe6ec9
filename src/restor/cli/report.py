"""`restor report`: a finished study again as a table, a page, Markdown or JSON, from its stored results only."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from restor.errors import DataError
from restor.results import Results

if TYPE_CHECKING:
    from restor.report.tables import Table

Format = Literal["terminal", "html", "md", "json"]


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
        format: `terminal` and `md` show the table, `json` its figures; `html` writes the page.
        out: File to write instead of the terminal. The page goes to report.html in the study's folder by default.
    """
    from restor.report.load import load_facts, load_results
    from restor.report.tables import arm_table

    folder = find_study(study, store)
    results = load_results(folder)
    if format == "html":
        from restor.pipeline.files import write_atomic
        from restor.report.html import render_page

        home = folder if folder.is_dir() else folder.parent
        page = out or home / "report.html"
        write_atomic(page, render_page(results, load_facts(home)))
        sys.stdout.write(f"{page}\n")
        return
    text = _rendered(results, arm_table(results), format)
    if out is not None:
        from restor.pipeline.files import write_atomic

        write_atomic(out, text)
        sys.stdout.write(f"{out}\n")
    elif format == "terminal":
        _show(arm_table(results))
    else:
        sys.stdout.write(text)


def find_study(study: Path | None, store: Path | None) -> Path:
    """The folder, or results.json, that `study` means: a path, an id within the store, or the newest there.

    Raises:
        DataError: if there is none.
    """
    from restor.report.load import RESULTS_FILE

    if study is not None and study.exists():
        return study
    if store is None:
        from restor.cli.common import default_store

        store = default_store()
    studies = store / "studies"
    found = sorted(studies.glob(f"*/{RESULTS_FILE}"), key=lambda file: (file.stat().st_mtime_ns, file.parent.name))
    if study is None:
        if not found:
            raise DataError(f"The store {store} has no finished study. Run one with `restor run`, or name a folder.")
        return found[-1].parent
    inside = next((file.parent for file in found if file.parent.name == str(study)), None)
    if inside is None:
        known = ", ".join(file.parent.name for file in reversed(found[-5:])) or "none"
        raise DataError(
            f"There is no study {str(study)!r}: no such path, and the store {store} has no finished study of that id. "
            f"Newest there: {known}."
        )
    return inside


def _rendered(results: Results, table: Table, format: Format) -> str:
    from restor.report.tables import to_json_rows, to_markdown

    if format == "md":
        return to_markdown(table)
    if format == "json":
        study = {"name": results.study.name, "id": results.study.id, "seeds": results.study.seeds}
        return json.dumps({"study": study, "table": to_json_rows(table)}, indent=2, allow_nan=False) + "\n"
    from io import StringIO

    from rich.console import Console

    from restor.report.tables import to_rich

    plain = StringIO()
    Console(file=plain, width=140, color_system=None, highlight=False).print(to_rich(table))
    return plain.getvalue()


def _show(table: Table) -> None:
    from rich.console import Console

    from restor.report.tables import to_rich

    Console(highlight=False).print(to_rich(table))
