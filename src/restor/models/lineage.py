"""Where a checkpoint comes from: `restor.json` beside its weights, with everything that went into it. Torch-free.

What its weights were trained on is a part of it, so that it can be told whether a checkpoint is from before certain
documents. Checkpoints that studies keep have that part alone, in `seen.json`.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, final

from pydantic import Field, ValidationError

from restor.config import Config, validation_message
from restor.errors import DataError
from restor.models.model_ref import ModelRef, fingerprint
from restor.types import Budget
from restor.untrusted import json_value, read_text

LINEAGE_FILE = "restor.json"
SEEN_FILE = "seen.json"
LIBRARIES = ("restor", "torch", "transformers", "tokenizers", "safetensors", "peft")

# What was read -------------------------------------------------------------------------------------------------------

MOST_DOCUMENTS = 20_000
"""Of larger sets of documents only the digest of all is recorded: a digest of each takes some twenty bytes."""


@final
class Seen(Config):
    """Texts that weights were trained on."""

    role: str
    """As what: documents, forget, retain, text, ..."""
    name: str
    """For people: the file, or the data set."""
    sha256: str | None = None
    """Of the file; None for texts that are not those of one file."""
    content: str | None = None
    """SHA-256 of the documents, whatever their order and the form of their file; None for text written on the way."""
    documents: tuple[str, ...] | None = ()
    """A mark of each, sorted, see `document_marks`; None where they were too many."""
    steps: int
    """Optimiser steps of the training."""
    tokens: int
    """Tokens that these steps read, those of the texts beside them among them."""
    stage: str
    """What it was trained for: clean, corrupt, ..."""


@final
class History(Config):
    """What weights were trained on."""

    seen: tuple[Seen, ...] = ()
    """Oldest first."""
    whole: bool = False
    """Whether that is all, from random weights on. Nobody knows all that a checkpoint of the hub has read."""


@final
@dataclass(frozen=True, slots=True)
class Read:
    """Texts that a training reads."""

    role: str
    name: str
    texts: Sequence[str] = ()
    sha256: str | None = None

    def seen(self, stage: str, *, steps: int, tokens: int) -> Seen:
        """The record of them after a training."""
        marks = document_marks(self.texts)
        return Seen(
            role=self.role,
            name=self.name,
            sha256=self.sha256,
            content=set_mark(marks) if marks else None,
            documents=marks if len(marks) <= MOST_DOCUMENTS else None,
            steps=steps,
            tokens=tokens,
            stage=stage,
        )


def document_marks(texts: Iterable[str]) -> tuple[str, ...]:
    """The first 16 hex digits of the SHA-256 of each text, white space evened out; sorted, each once."""
    return tuple(sorted({hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:16] for text in texts}))


def set_mark(marks: Sequence[str]) -> str:
    """SHA-256 of a set of documents, from their marks."""
    return hashlib.sha256("\n".join(sorted(marks)).encode()).hexdigest()


def marks_of(texts: Sequence[str], sha256: str | None = None) -> frozenset[str]:
    """What tells documents in a history: the digest of their file, that of all of them, and the mark of each."""
    marks = document_marks(texts)
    return frozenset({*marks, set_mark(marks), *([sha256] if sha256 is not None else [])})


def has_read(history: History | Lineage | None, marks: Collection[str]) -> Seen | None:
    """The first record of a training on some documents, or on any of them; None if there is none."""
    wanted = frozenset(marks)
    for seen in () if history is None else history.seen:
        if not wanted.isdisjoint([seen.sha256, seen.content, *(seen.documents or ())]):
            return seen
    return None


def predates(history: History | Lineage | Mapping[str, Any] | None, marks: Collection[str]) -> bool | None:
    """Whether weights are from before some documents: they were trained on none of them.

    None where that is not known: without a record, where it does not go back to random weights, or where a set was too
    large to record each of its documents. A mapping is what `seen.json` holds.
    """
    if isinstance(history, Mapping):
        history = History(seen=history.get("seen", ()), whole=history.get("whole", False))
    if history is None:
        return None
    if has_read(history, marks) is not None:
        return False
    return True if history.whole and all(seen.documents is not None for seen in history.seen) else None


# How a checkpoint was made -------------------------------------------------------------------------------------------


@final
class Parent(Config):
    """A checkpoint that another was made from."""

    name: str
    """For people: the last part of its path, or its hub id."""
    fingerprint: dict[str, Any]
    """What identifies its content, see `restor.models.model_ref.fingerprint`."""
    lineage: Lineage | None = None
    """Its own, if restor made it."""
    history: History | None = None
    """What it was trained on, if there is a record of that without a lineage."""

    @property
    def known(self) -> History | Lineage | None:
        """What it was trained on, as far as there is a record."""
        return self.history if self.lineage is None else self.lineage


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
    seen: tuple[Seen, ...] = ()
    """All that the weights were trained on, that of the parents first."""
    whole: bool = False
    """Whether that goes back to random weights."""
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
    """The lineage of a checkpoint made now, by the libraries that are installed.

    What it was trained on is what its parents were; what this stage adds is known when it is done.
    """
    before = inherited([parent.known for parent in parents.values()])
    return Lineage(
        stage=stage,
        config=config,
        seed=seed,
        algorithm=algorithm,
        budget=budget,
        parents=parents,
        data=data,
        seen=before.seen,
        whole=before.whole if parents else stage == "clean",
        created=datetime.now(UTC).replace(microsecond=0),
        versions={"python": platform.python_version(), **{name: metadata.version(name) for name in LIBRARIES}},
    )


def inherited(parents: Sequence[History | Lineage | None]) -> History:
    """What weights made from those of some checkpoints were trained on."""
    seen = dict.fromkeys(seen for parent in parents if parent is not None for seen in parent.seen)
    return History(seen=tuple(seen), whole=all(parent is not None and parent.whole for parent in parents))


def parent_of(ref: ModelRef) -> Parent:
    """A checkpoint as the parent of one to be made; reads all its files, see `fingerprint`.

    Raises:
        RestorError: if it is not there.
    """
    lineage = None if ref.folder is None else read_lineage(ref.folder)
    if lineage is not None and ref.adapter is not None:
        lineage = lineage.model_copy(update={"whole": False})  # what the adapter has read is not among it
    history = None if lineage is not None else history_of(ref)
    return Parent(name=ref.label, fingerprint=fingerprint(ref), lineage=lineage, history=history)


def history_of(ref: ModelRef) -> History | None:
    """What a checkpoint was trained on, as far as there is a record: of what an adapter has read there is none.

    Raises:
        DataError: as `read_history`.
    """
    history = None if ref.folder is None else read_history(ref.folder)
    if history is None or ref.adapter is None:
        return history
    return history.model_copy(update={"whole": False})


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
        return Lineage.model_validate_json(read_text(file))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as error:
        raise DataError(
            f"{validation_message(error, str(file))}\nRemove it to use the checkpoint without it."
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{file} cannot be read: {reason}. Remove it to use the checkpoint without it.") from error


def write_history(history: History, folder: Path, **more: Any) -> None:
    """Put what weights were trained on beside them, with further values for people. Raises OSError."""
    content = {**more, **history.model_dump(mode="json")}
    (folder / SEEN_FILE).write_text(json.dumps(content) + "\n", encoding="utf-8")


def read_history(folder: Path) -> History | None:
    """What the weights in a folder were trained on, by their lineage, else by `seen.json`; None without a record.

    Raises:
        DataError: if the record is damaged, or written by a later version.
    """
    if (lineage := read_lineage(folder)) is not None:
        return History(seen=lineage.seen, whole=lineage.whole)
    file = folder / SEEN_FILE
    try:
        content = json_value(read_text(file))
        return History(seen=content["seen"], whole=content["whole"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{file} cannot be read as a record of training. Remove it to do without.") from error
