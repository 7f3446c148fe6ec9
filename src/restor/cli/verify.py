"""`restor verify`."""

from __future__ import annotations

import sys

from restor.cli.arguments import StorePath
from restor.cli.common import count, default_store
from restor.cli.output import safe_console


def verify(*, store: StorePath = None) -> None:
    """Read every file of a store again and name what is damaged, missing or garbled.

    Exits with 1 if there is a problem. The next run that needs a damaged artifact makes it again.
    """
    from rich.markup import escape

    from restor.store.store import Store

    opened = Store.open(store or default_store(), create=False)
    console = safe_console(soft_wrap=True)
    with console.status("Reading") as line:
        problems = opened.verify(
            lambda done, total, name: line.update(f"Reading {done + 1} of {total}: {escape(name)}"),
        )
    for problem in problems:
        console.print(f"{escape(problem.where)}: {escape(problem.what)}")
    if problems:
        console.print(f"{count(len(problems), 'problem', 'problems')} in {escape(str(opened.path))}.")
        sys.exit(1)
    console.print(f"{escape(str(opened.path))} is sound.")
