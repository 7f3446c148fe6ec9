"""What `restor corrupt`, `unlearn` and `recover` share: a checkpoint in, a checkpoint out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from restor.cli.arguments import Loading, parse_changes

if TYPE_CHECKING:
    from restor.runner.checkpoints.settings import CheckpointConfig

Model = Annotated[str, Parameter(help="The checkpoint: a folder or hub id, with @REVISION and +ADAPTER where wanted.")]
Out = Annotated[Path, Parameter(help="Folder of the new checkpoint; it must not exist yet.")]
Settings = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set",
        help="FIELD=VALUE, one of the settings below; `--FIELD VALUE` says the same.",
    ),
]
SECTIONS = (
    "lr epochs steps tokens optimizer lora precision accumulation gradient_checkpointing keep_diverged seed threads "
    "algorithm evaluation wrapper stop select forget_part retain_texts most_texts"
).split()
"""First words of all settings, so that a misspelt option is not taken for one."""


OPTIONS = ("model", "device", "forget", "retain", "facts", "checkpoint", "text", "algorithm")
"""First words of the fields that options of the verbs set."""


def settings_of(verb: str) -> str:
    """The settings of a verb, for its help."""
    from restor.cli.settings_help import settings_text
    from restor.runner.checkpoints.settings import CONFIGS

    algorithm = "\nThe algorithm's own are --algorithm.NAME VALUE: `restor list algorithms ALGORITHM` names them."
    return settings_text(CONFIGS[verb], OPTIONS) + (algorithm if verb == "unlearn" else "")


def reference(text: str, loading: Loading) -> dict[str, Any]:
    """A checkpoint as the configuration holds it.

    Raises:
        ConfigError: if the text names none.
    """
    from restor.api import absolute_ref
    from restor.models.model_ref import parse_model_ref

    return loading.place(absolute_ref(parse_model_ref(text)))


def dataset(text: str) -> dict[str, Any]:
    """A text source as the configuration holds it: a data set by name such as `c4`, a file, or an id of the hub."""
    from restor.data.locate import is_released
    from restor.datasets.hub import PRESETS

    if text in PRESETS:
        return {"name": "hub", "path": text}
    if is_released(text):
        return {"name": "documents", "path": text}
    path = Path(text).expanduser()
    if path.exists() or path.suffix in (".json", ".jsonl", ".txt", ".md") or text[:1] in ("~", "/", "."):
        return {"name": "documents", "path": str(path.absolute())}
    return {"name": "hub", "path": text}


def produce(
    config_type: type[CheckpointConfig],
    content: Mapping[str, Any],
    settings: tuple[str, ...],
    out: Path,
    *,
    quiet: bool,
) -> None:
    """Check the configuration, make the checkpoint and say where it is.

    Raises:
        RestorError: for anything that cannot be used.
    """
    from restor.cli.progress_view import progress_view
    from restor.overrides import configured
    from restor.runner.checkpoints.make import make_checkpoint

    advice = f"`restor {config_type.stage} --help` names all settings."
    config = configured(config_type, content, parse_changes(settings), source="This command", advice=advice)
    with progress_view(quiet=quiet) as progress:
        there = make_checkpoint(config, out, progress=progress)
    sys.stdout.write(f"{out}{' (it was there already)' if there else ''}\n")


def absolute(path: Path) -> str:
    """A path that still holds from another directory; the name of released data stays a name."""
    from restor.data.locate import is_released

    return str(path.absolute()) if path.exists() and not is_released(path) else str(path)
