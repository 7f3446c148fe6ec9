"""`restor clean`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from restor.cli.arguments import StorePath
from restor.cli.common import count, default_store, short, size
from restor.cli.output import safe_console


def clean(
    *,
    store: StorePath = None,
    dry_run: Annotated[bool, Parameter(help="Only show what would be removed.")] = False,
) -> None:
    """Remove the artifacts and unfinished leftovers that no study refers to and no process is making."""
    from rich.table import Table

    from restor.store.store import Store

    removed = Store.open(store or default_store(), create=False).clean(dry_run=dry_run)
    console = safe_console()
    if not removed:
        console.print("Nothing to remove.")
        return
    table = Table("stage", "key", "state")
    table.add_column("size", justify="right")
    for entry in removed:
        table.add_row(entry.stage, short(entry.key), str(entry.state), size(entry.bytes))
    console.print(table)
    total = size(sum(entry.bytes for entry in removed))
    console.print(f"{'Would free' if dry_run else 'Freed'} {total}, {count(len(removed), 'stage', 'stages')}.")
