"""`restor data check`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from restor.cli.arguments import DataFile, Json
from restor.cli.common import count
from restor.cli.output import put_json, safe_console
from restor.errors import DataError

if TYPE_CHECKING:
    from rich.console import Console

    from restor.data.check import Report


def check(path: DataFile, /, *, facts: DataFile | None = None, json: Json = False) -> None:
    """Check facts, entities or documents: name every bad record, and what is odd, in one pass.

    What a file is, is told by what it holds. Exits with 1 if there is a problem; notes alone are no error.

    Parameters
    ----------
    path
        A file, a folder whose files are checked together, or `restor` for all of the fetched official data, `restor/k0`
        and so on for one of its forget sets. `./restor` is a folder of that name.
    facts
        Facts to compare documents and entity lists with: `restor`, a file or a folder. Default: facts.json in the
        folder or up to two above.
    """
    from restor.data.check import check as run
    from restor.data.check import to_json
    from restor.data.locate import is_released, locate_documents, locate_facts, published_folder
    from restor.data.published import NAME

    if path == Path(NAME):
        path = published_folder()
        if not path.is_dir() or not any(path.iterdir()):
            raise DataError(
                f"{NAME} was not fetched to {path}. `restor data fetch {NAME}` does it; ./{NAME} is a folder."
            )
    elif is_released(path):
        path = locate_documents(path)
    report = run(path, facts=None if facts is None else locate_facts(facts)[0])
    if json:
        put_json(to_json(report), indent=2)
    else:
        _show(report, safe_console(soft_wrap=True))
    if report.problems:
        sys.exit(1)


def _show(report: Report, console: Console) -> None:
    from rich.markup import escape

    parts = report.parts or (report,)
    for part in parts:
        name = part.path.relative_to(report.path) if report.parts else part.path
        counts = ", ".join(_counted(number, what) for what, number in part.counts.items())
        console.print(f"[bold]{escape(str(name))}[/bold]: {part.kind}{f': {counts}' if counts else ''}")
        for problem in part.problems:
            console.print(f"  [red]problem[/red] {escape(_told(problem.line, problem.where, problem.what))}")
        for note in part.notes:
            console.print(f"  note    {escape(_told(note.line, note.where, note.what))}")
    compared = sorted({str(part.compared) for part in parts if part.compared is not None})
    if compared:
        console.print(f"Compared with the facts of {escape(', '.join(compared))}.")
    elif any(part.kind == "documents" for part in parts):
        console.print("Documents were not compared with any facts; --facts names some.")
    console.print(
        f"{count(len(parts), 'file', 'files')}, {count(len(report.problems), 'problem', 'problems')}, "
        f"{count(len(report.notes), 'note', 'notes')}."
    )


def _counted(number: int, what: str) -> str:
    """`2,000 facts`, `1 entity`."""
    if number == 1:
        what = f"{what[:-3]}y" if what.endswith("ies") else what.removesuffix("s")
    return f"{number:,} {what}"


def _told(line: int | None, where: str, what: str) -> str:
    place = f"line {line}: " if line is not None else ""
    return f"{place}{where}: {what}" if where else f"{place}{what}"
