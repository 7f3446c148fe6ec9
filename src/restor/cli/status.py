"""`restor status`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from restor.cli.arguments import Json, StorePath
from restor.cli.common import count, default_store, short, size
from restor.cli.output import put_json, safe_console

if TYPE_CHECKING:
    from rich.table import Table

    from restor.store.store import Entry
    from restor.store.studies import StudyEntry


def status(*, store: StorePath = None, json: Json = False) -> None:
    """Show what is in a store: its studies, their stages by arm, and what is running."""
    from restor.store.store import Store

    opened = Store.open(store or default_store(), create=False)
    entries, studies = opened.entries(), opened.studies.entries()
    if json:
        _print_json(opened.path, entries, studies)
    else:
        _print_tables(opened.path, entries, studies)


def _print_json(store: Path, entries: Sequence[Entry], studies: Sequence[StudyEntry]) -> None:
    content = {
        "store": str(store),
        "bytes": sum(entry.bytes for entry in entries),
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
                "studies": {study.id: study.arms.get(entry.key) for study in studies if _needs(study, entry)},
            }
            for entry in entries
        ],
        "studies": [
            {
                "id": study.id,
                "name": study.name,
                "created": study.created,
                "stages": None if study.stages is None else len(study.stages),
                "done": None if study.stages is None else _done(study, entries),
                "problems": study.problems,
            }
            for study in studies
        ],
    }
    put_json(content, indent=2)


def _print_tables(store: Path, entries: Sequence[Entry], studies: Sequence[StudyEntry]) -> None:
    from rich.markup import escape
    from rich.table import Table

    console = safe_console()
    if studies:
        title = f"Studies in {escape(str(store))}"
        table = Table("study", "name", "created (UTC)", "stages done", title=title, title_justify="left")
        for study in studies:
            done = "?" if study.stages is None else f"{_done(study, entries)} of {len(study.stages)}"
            table.add_row(escape(study.id), escape(study.name or "(no results yet)"), _time(study.created), done)
        console.print(table)
        for study in studies:
            for problem in study.problems:
                console.print(f"Study {escape(study.id)}: {escape(problem)}.")
    for title, members in _groups(store, entries, studies):
        console.print(_stages(title, members))
    if not entries:
        console.print("No stages yet.")
    for entry in entries:
        if entry.damage:
            console.print(
                f"{entry.stage}-{entry.key} is damaged: {escape(entry.damage)}. It is made again when needed."
            )
    total = size(sum(entry.bytes for entry in entries))
    console.print(f"{count(len(entries), 'stage', 'stages')}, {total}; {count(len(studies), 'study', 'studies')}.")


def _groups(
    store: Path, entries: Sequence[Entry], studies: Sequence[StudyEntry]
) -> Iterator[tuple[str, list[tuple[str, Entry]]]]:
    """Stages with their arms, study by study in the order in which they are made, each once; then those of none."""
    left = {(entry.stage, entry.key): entry for entry in entries}
    for study in studies:
        stages = [(study.arms.get(pair[1], ""), left.pop(pair)) for pair in study.stages or () if pair in left]
        if stages:
            yield f"Stages of {study.id}", stages
    if left:
        yield (f"Other stages in {store}" if studies else f"Stages in {store}"), [("", one) for one in left.values()]


def _stages(title: str, members: Sequence[tuple[str, Entry]]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from restor.store.store import State

    table = Table("arm", "stage", "state", title=escape(title), title_justify="left")
    for name in ("size", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("finished (UTC)")
    table.add_column("key")
    for arm, entry in members:
        state = f"running, process {entry.pid} on {entry.host}" if entry.state is State.RUNNING else str(entry.state)
        seconds = "" if entry.seconds is None else f"{entry.seconds:.1f}"
        cells = (size(entry.bytes), seconds, _time(entry.finished), short(entry.key))
        table.add_row(escape(arm or "–"), entry.stage, escape(state), *cells)
    return table


def _needs(study: StudyEntry, entry: Entry) -> bool:
    return (entry.stage, entry.key) in (study.stages or ())


def _done(study: StudyEntry, entries: Sequence[Entry]) -> int:
    return sum(entry.state == "done" and _needs(study, entry) for entry in entries)


def _time(stamp: str | None) -> str:
    return (stamp or "")[:19].replace("T", " ")
