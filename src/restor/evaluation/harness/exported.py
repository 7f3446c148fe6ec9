"""An exported folder: which tasks it has, and their questions. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, final

from pydantic import ValidationError

from restor.config import Config, validation_message
from restor.data.text_files import read_source
from restor.errors import DataError
from restor.evaluation.harness.probes import Row
from restor.untrusted import json_value

EXPORT_FILE = "export.json"

Kind = Literal["choice", "generation"]

METRICS: dict[Kind, dict[str, bool]] = {
    "choice": {"acc": True, "acc_norm": True, "planted": False},
    "generation": {"exact_match": True, "planted": False},
}
"""The figures of each kind of task, and whether a higher one is better."""


@final
class ExportedTask(Config):
    """A task of the harness."""

    name: str
    file: str
    """The questions, a JSONL file of the folder."""
    kind: Kind
    questions: int
    planted: bool
    """Whether planted answers are known, so that there is a figure about them."""

    @property
    def function(self) -> str:
        """What makes its figures, by its name in `task_utils.py`."""
        return f"{self.kind}_planted" if self.planted else self.kind

    @property
    def metrics(self) -> dict[str, bool]:
        """Its figures, and whether a higher one is better."""
        return {name: better for name, better in METRICS[self.kind].items() if self.planted or name != "planted"}


@final
class Exported(Config):
    """What `export.json` says of its folder."""

    format: Literal[1] = 1
    restor: str
    """The version that wrote it."""
    name: str
    """Of the group with all tasks."""
    data: str
    """SHA-256 over facts, planted answers and forget documents."""
    seed: int
    max_new_tokens: int
    evaluation: dict[str, Any]
    """How the prompts were made."""
    tasks: tuple[ExportedTask, ...]


def read_export(folder: Path) -> Exported:
    """What was exported to a folder.

    Raises:
        DataError: if it holds no export, or one of another version.
    """
    file = folder / EXPORT_FILE
    if not file.is_file():
        raise DataError(f"{folder} is no export: it has no {EXPORT_FILE}. Write one with `restor export lm-eval`.")
    try:
        return Exported.model_validate_json(read_source(file).text)
    except ValidationError as error:
        raise DataError(f"{validation_message(error, str(file))}\nExport the questions again.") from error


def read_rows(folder: Path, task: ExportedTask) -> Iterator[Row]:
    """The questions of a task, one after the other.

    Raises:
        DataError: if the file is missing or damaged.
    """
    try:
        with (folder / task.file).open(encoding="utf-8") as lines:
            for line in lines:
                yield json_value(line)
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / task.file} cannot be read: {error}. Export the questions again.") from error
