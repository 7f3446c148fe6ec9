"""`restor select`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from restor.cli.arguments import (
    Algorithms,
    Changes,
    Facts,
    Quiet,
    Recipe,
    Seeds,
    StorePath,
    parse_changes,
    parse_names,
    parse_seeds,
)
from restor.cli.common import default_store

WORLD = "100,"
"""Another world than those of the tables, so that not even the validation people are theirs."""


def select(
    recipe: Recipe = "miniature",
    /,
    *,
    out: Annotated[Path, Parameter(help="Where the choice is written.")] = Path("selection.json"),
    seeds: Seeds = WORLD,
    algorithms: Algorithms = None,
    facts: Facts = None,
    store: StorePath = None,
    quiet: Quiet = False,
    changes: Changes = (),
) -> None:
    """Choose the hyperparameters of every arm on validation entities, by a grid of the same size for each."""
    from restor.api import build_config
    from restor.cli.progress_view import progress_view

    config = build_config(
        recipe,
        seeds=parse_seeds(seeds),
        algorithms=parse_names(algorithms),
        facts=facts,
        overrides=parse_changes(changes),
    )
    with progress_view(quiet=quiet) as progress:
        from restor.runner.select import select as select_on_validation

        select_on_validation(config, store=store or default_store(), progress=progress, out=out)
    sys.stdout.write(f"{out}\nA study takes it by --unlearning.selection {out}\n")
