"""`restor status`."""

from __future__ import annotations

import sys
from pathlib import Path

from restor.cli.common import count, default_store, short, size
from restor.cli.terminal import safe_console


def status(*, store: Path | None = None, json: bool = False) -> None:
    """Show what is in a store: its stages, what is running, and its studies.

    Parameters
    ----------
    store
        Folder of the store. Default: the environment variable RESTOR_STORE, else ./restor-store.
    json
        Print JSON instead of tables.
    """
    from restor.pipeline.store import State, Store

    opened = Store.open(store or default_store(), create=False)
    entries, studies = opened.entries(), opened.studies.entries()
    total = sum(entry.bytes for entry in entries)

    if json:
        from json import dumps

        content = {
            "store": str(opened.path),
            "bytes": total,
            "stages": [
                {
                    "stage": entry.stage,
                    "key": entry.key,
                    "state": entry.state,
                    "bytes": entry.bytes,
                    "finished": entry.finished,
                    "seconds": entry.seconds,
                    "pid": entry.pid,
                    "host": entry.host,
                    "damage": entry.damage,
                }
                for entry in entries
            ],
            "studies": [
                {
                    "id": study.id,
                    "name": study.name,
                    "created": study.created,
                    "stages": None if study.stages is None else len(study.stages),
                    "problems": study.problems,
                }
                for study in studies
            ],
        }
        sys.stdout.write(dumps(content, indent=2, ensure_ascii=False) + "\n")
        return

    from rich.markup import escape
    from rich.table import Table

    console = safe_console()
    stages = Table("stage", "key", "state", title=f"Stages in {escape(str(opened.path))}", title_justify="left")
    for name in ("size", "seconds"):
        stages.add_column(name, justify="right")
    stages.add_column("finished (UTC)")
    for entry in entries:
        state = f"running, process {entry.pid} on {entry.host}" if entry.state is State.RUNNING else str(entry.state)
        seconds = "" if entry.seconds is None else f"{entry.seconds:.1f}"
        finished = (entry.finished or "")[:19].replace("T", " ")
        stages.add_row(entry.stage, short(entry.key), escape(state), size(entry.bytes), seconds, finished)
    console.print(stages if entries else "No stages yet.")
    for entry in entries:
        if entry.damage:
            console.print(
                f"{entry.stage}-{entry.key} is damaged: {escape(entry.damage)}. It is made again when needed."
            )

    if studies:
        table = Table("study", "name", "created (UTC)", "stages", title="Studies", title_justify="left")
        for study in studies:
            created = (study.created or "")[:19].replace("T", " ")
            refers = "?" if study.stages is None else str(len(study.stages))
            table.add_row(escape(study.id), escape(study.name or "(no results yet)"), created, refers)
        console.print(table)
        for study in studies:
            for problem in study.problems:
                console.print(f"Study {escape(study.id)}: {escape(problem)}.")
    console.print(
        f"{count(len(entries), 'stage', 'stages')}, {size(total)}; {count(len(studies), 'study', 'studies')}."
    )
