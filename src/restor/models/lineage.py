"""Where a checkpoint comes from: `restor.json` beside its weights, with everything that went into it. Torch-free."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, final

from pydantic import Field, ValidationError

from restor.config import Config, validation_message
from restor.errors import DataError
from restor.models.reference import ModelRef, fingerprint
from restor.types import Budget

LINEAGE_FILE = "restor.json"
LIBRARIES = ("restor", "torch", "transformers", "tokenizers", "safetensors", "peft")


@final
class Parent(Config):
    """A checkpoint that another was made from."""

    name: str
    """For people: the last part of its path, or its hub id."""
    fingerprint: dict[str, Any]
    """What identifies its content, see `restor.models.reference.fingerprint`."""
    lineage: Lineage | None = None
    """Its own, if restor made it."""


@final
class Lineage(Config):
    """How a checkpoint was made."""

    format: Literal[1] = 1
    stage: str
    """clean, corrupt, unlearn or recover."""
    config: dict[str, Any]
    """The full configuration of the stage."""
    seed: int
    algorithm: str | None = None
    """Entry of the catalogue of algorithms, for an unlearned model."""
    budget: tuple[Budget, ...] | None = None
    """What the algorithm was told."""
    parents: dict[str, Parent] = Field(default_factory=dict)
    """By role: clean, corrupted, ..."""
    data: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of every file that was read, by role: forget, retain, facts, ..."""
    findings: dict[str, Any] = Field(default_factory=dict)
    """What was counted and found on the way, such as an overlap of the retain text with what is to be forgotten."""
    created: datetime
    versions: dict[str, str]
    """Python, restor and the libraries that decide the numbers."""


def new_lineage(
    *,
    stage: str,
    config: dict[str, Any],
    seed: int,
    parents: dict[str, Parent],
    data: dict[str, str],
    algorithm: str | None = None,
    budget: tuple[Budget, ...] | None = None,
) -> Lineage:
    """The lineage of a checkpoint made now, by the libraries that are installed."""
    return Lineage(
        stage=stage,
        config=config,
        seed=seed,
        algorithm=algorithm,
        budget=budget,
        parents=parents,
        data=data,
        created=datetime.now(UTC).replace(microsecond=0),
        versions={"python": platform.python_version(), **{name: metadata.version(name) for name in LIBRARIES}},
    )


def parent_of(ref: ModelRef) -> Parent:
    """A checkpoint as the parent of one to be made; reads all its files, see `fingerprint`.

    Raises:
        RestorError: if it is not there.
    """
    folder = ref.folder
    return Parent(
        name=ref.label, fingerprint=fingerprint(ref), lineage=None if folder is None else read_lineage(folder)
    )


def write_lineage(lineage: Lineage, folder: Path) -> None:
    """Put the lineage beside the weights. Raises OSError."""
    (folder / LINEAGE_FILE).write_text(lineage.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_lineage(folder: Path) -> Lineage | None:
    """The lineage of a checkpoint, or None for one that restor did not make.

    Raises:
        DataError: if it is damaged, or written by a later version.
    """
    file = folder / LINEAGE_FILE
    try:
        return Lineage.model_validate_json(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as error:
        raise DataError(
            f"{validation_message(error, str(file))}\nRemove it to use the checkpoint without it."
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{file} cannot be read: {reason}. Remove it to use the checkpoint without it.") from error
