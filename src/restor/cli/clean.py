"""`restor clean`."""

from __future__ import annotations

from pathlib import Path

from restor.cli.common import count, default_store, short, size
from restor.cli.output import safe_console


def clean(*, store: Path | None = None, dry_run: bool = False) -> None:
    """Remove the artifacts and unfinished leftovers that no study refers to and no process is making.

    Parameters
    ----------
    store
        Folder of the store. Default: the environment variable RESTOR_STORE, else ./restor-store.
    dry_run
        Only show what would be removed.
    """
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
