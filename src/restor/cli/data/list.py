"""`restor data list`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from restor.cli.arguments import Json
from restor.cli.common import size
from restor.cli.output import put_json, safe_console

if TYPE_CHECKING:
    from restor.data.published import PublishedFile


def show(*, json: Json = False) -> None:
    """List the data that can be used: released files and which of them are here, domains, and sources of text."""
    from restor.data.locate import published_folder
    from restor.data.published import COMMIT, DOCUMENTS, FACTS, FILES, LICENCE, NAME, SOURCE

    folder = published_folder()
    states = {file.path: _state(file, folder) for file in FILES}
    names = {FACTS.path: NAME} | {file.path: f"{NAME}/{file.short}" for file in DOCUMENTS}
    catalogues = _catalogues()
    if json:
        rows = [
            {
                "path": file.path,
                "name": names.get(file.path),
                "about": file.about,
                "state": states[file.path][0],
                "bytes": states[file.path][1],
                "sha256": file.sha256,
                "git_blob": file.git_blob,
            }
            for file in FILES
        ]
        released = {
            "name": NAME,
            "source": SOURCE,
            "commit": COMMIT,
            "licence": LICENCE,
            "folder": str(folder),
            "files": rows,
        }
        content = {"released": [released], **{what.replace(" ", "_"): lines for what, lines in catalogues.items()}}
        put_json(content, indent=2)
        return

    from rich.markup import escape
    from rich.table import Table

    console = safe_console()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("file", no_wrap=True)
    table.add_column("name", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("what it is")
    for file in FILES:
        state, amount = states[file.path]
        shown = size(amount) if amount is not None else ""
        table.add_row(file.path, names.get(file.path, ""), shown, state, file.about)
    console.print(f"{NAME}: {SOURCE}, commit {COMMIT[:8]}, {LICENCE} licence", soft_wrap=True)
    console.print(f"kept in {escape(str(folder))}\n", soft_wrap=True)
    console.print(table)
    if any(state != "checked" for state, _ in states.values()):
        console.print(
            f"\n`restor data fetch {NAME}` downloads what is missing; --from DIR takes it from a copy.", soft_wrap=True
        )
    for what, lines in catalogues.items():
        console.print(f"\n{what}")
        width = max(map(len, lines), default=0)
        for name, line in lines.items():
            console.print(f"  {name:{width}}  {escape(line)}", soft_wrap=True)


def _state(file: PublishedFile, folder: Path) -> tuple[str, int | None]:
    """In a word how it is with a file, and its bytes: here, else those of the released one where known."""
    from restor.data.fetch import PART
    from restor.data.published import what_is_wrong

    path = folder / file.path
    try:
        if path.exists():
            return ("checked" if what_is_wrong(file, path) is None else "damaged"), path.stat().st_size
        part = path.with_name(path.name + PART)
        if part.exists():
            return "broken off", part.stat().st_size
    except OSError:
        return "unreadable", None
    return "missing", file.size


def _catalogues() -> dict[str, dict[str, str]]:
    """Domains and sources of text, with a line about each."""
    from restor.cli.list import summary
    from restor.datasets.base import DATASETS
    from restor.domains.base import DOMAINS

    return {
        what: {name: summary(catalogue.get(name)) for name in catalogue.names()}
        for catalogue, what in ((DOMAINS, "domains"), (DATASETS, "data sets"))
    }
