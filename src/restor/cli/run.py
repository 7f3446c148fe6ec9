"""`restor run`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from restor.cli.arguments import (
    Algorithms,
    Changes,
    Facts,
    Json,
    Name,
    Quiet,
    Recipe,
    Seeds,
    StorePath,
    parse_changes,
    parse_names,
    parse_seeds,
)
from restor.cli.common import count, default_store
from restor.cli.output import put_json, safe_console

if TYPE_CHECKING:
    from restor.runner.study import Outcome


def run(
    recipe: Recipe = "miniature",
    /,
    *,
    seeds: Seeds = None,
    algorithms: Algorithms = None,
    facts: Facts = None,
    name: Name = None,
    store: StorePath = None,
    json: Json = False,
    quiet: Quiet = False,
    dry_run: Annotated[bool, Parameter(help="Print the full configuration as YAML, and stop.")] = False,
    changes: Changes = (),
) -> None:
    """Run a study and print its table. What is finished in the store is not run again."""
    from restor.api import build_config
    from restor.cli.progress_view import progress_view
    from restor.config import to_yaml

    config = build_config(
        recipe,
        seeds=parse_seeds(seeds),
        algorithms=parse_names(algorithms),
        facts=facts,
        name=name,
        overrides=parse_changes(changes),
    )
    if dry_run:
        from restor.runner.plan import check_arms
        from restor.runner.resolve import resolve

        config = resolve(config)
        check_arms(config)
        sys.stdout.write(to_yaml(config))
        return
    with progress_view(quiet=quiet) as progress:
        from restor.runner.study import run_study

        outcome = run_study(config, store=store or default_store(), progress=progress)
    if json:
        print_json(outcome)
    else:
        print_table(outcome)
        print_paths(outcome)
    tell_failures(outcome)


def tell_failures(outcome: Outcome) -> None:
    """Name the arms that could not be made, and end with 1 if there are any; the table says why."""
    if outcome.failed:
        arms = ", ".join(what.partition(": ")[0] for what in outcome.failed)
        number = count(len(outcome.failed), "arm has", "arms have")
        sys.stderr.write(f"{number} failed, and the notes of the table say why: {arms}.\n")
        sys.exit(1)


def _paths(outcome: Outcome) -> dict[str, str]:
    files = {"report": "report.html", "results": "results.json", "facts": "facts.parquet", "config": "config.yaml"}
    return {what: str(outcome.folder / file) for what, file in files.items()}


def print_json(outcome: Outcome, *, moved: object = None) -> None:
    """One JSON object with the paths and the table, and which facts moved where that is given."""
    from restor.report.tables.arm_table import arm_table, to_json_rows

    content: dict[str, object] = {
        "study": outcome.results.study.id,
        "folder": str(outcome.folder),
        "protocol": outcome.results.study.protocol,
        "notes": outcome.results.study.notes,
        **_paths(outcome),
        "table": to_json_rows(arm_table(outcome.results)),
    }
    if moved is not None:
        content["moved"] = moved
    put_json(content)


def print_table(outcome: Outcome) -> None:
    """The table and the answer in words."""
    from restor.report.tables.arm_table import arm_table
    from restor.report.tables.terminal_table import to_rich
    from restor.report.words.answer import answer_text, brief_text

    console = safe_console()
    console.print(to_rich(arm_table(outcome.results)))
    console.print()
    # A study has many arms; a comparison has few, and its words stand nowhere else in the terminal.
    sentences = answer_text if outcome.results.study.kind == "comparison" else brief_text
    console.print(sentences(outcome.results), markup=False)


def print_paths(outcome: Outcome) -> None:
    """Where the files are."""
    sys.stdout.write("\n" + "".join(f"{what:8} {path}\n" for what, path in _paths(outcome).items()))
