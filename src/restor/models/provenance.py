"""Which checkpoints are from before the forget documents: refused, found and named by what their weights have read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from pydantic import ValidationError

from restor.data.document_files import read_documents
from restor.data.locate import locate_documents
from restor.data.text_files import read_source
from restor.errors import ConfigError, RestorError
from restor.models.lineage import (
    History,
    Lineage,
    Parent,
    Seen,
    document_marks,
    has_read,
    marks_of,
    parent_of,
    predates,
    read_lineage,
)
from restor.models.model_ref import ModelRef, fingerprint


def forget_marks(documents: Path) -> frozenset[str]:
    """What tells the documents of a file in a history: the file itself, and what it says in whatever form.

    Raises:
        DataError: if the file cannot be read.
    """
    return marks_of([document.text for document in read_documents(documents)], read_source(documents).sha256)


def check_earlier(model: Parent, checkpoint: Parent, documents: Path) -> str | None:
    """Make sure that a checkpoint is from before the forget documents, as far as there is a record of it.

    Returns what a user must know where there is none.

    Raises:
        ConfigError: if it has read them, or is the model itself.
    """
    marks = forget_marks(documents)
    if checkpoint.fingerprint == model.fingerprint:
        raise ConfigError(
            f"The checkpoint {checkpoint.name} is the model that is to be unlearned. Give one from before it read the "
            f"forget documents.{_advice(model, marks)}"
        )
    if (seen := has_read(checkpoint.known, marks)) is not None:
        raise ConfigError(
            f"The checkpoint {checkpoint.name} is not from before the forget documents: it has read "
            f"{_how_many(seen, documents)} {_where(seen)}.{_advice(model, marks)}"
        )
    if predates(checkpoint.known, marks) or any(
        earlier.parent.fingerprint == checkpoint.fingerprint for earlier in _earlier(model.lineage, marks)
    ):
        return None
    if checkpoint.known is None:
        return (
            f"nothing tells what the checkpoint {checkpoint.name} has read, so that it is from before the forget "
            "documents is taken on trust"
        )
    return (
        f"the checkpoint {checkpoint.name} has not read the forget documents since restor keeps its record; what it "
        "had read before, nothing tells"
    )


def refuse_reader(name: str, history: History | Lineage | None, texts: Sequence[str]) -> None:
    """The same for a checkpoint that a study kept, and documents that are at hand.

    Raises:
        ConfigError: if it has read one of them.
    """
    if (seen := has_read(history, marks_of(texts))) is not None:
        raise ConfigError(
            f"The checkpoint {name} is not from before the forget documents: it has read some of them {_where(seen)}. "
            "Choose an earlier one."
        )


def earlier_checkpoint(model: ModelRef, documents: Path) -> ModelRef:
    """The nearest checkpoint of a model's own lineage that is from before the forget documents and is still there.

    Raises:
        ConfigError: if there is none, saying why.
        RestorError: if the model or a file cannot be read.
    """
    known = parent_of(model)
    marks = forget_marks(documents)
    if known.lineage is None:
        raise ConfigError(
            f"{known.name} has no {'lineage, no restor.json beside its weights' if model.folder else 'lineage'}, so no "
            "earlier checkpoint can be found. Give one with --checkpoint PATH."
        )
    if has_read(known.lineage, marks) is None:
        raise ConfigError(
            f"The lineage of {known.name} does not say when it read these forget documents, so no checkpoint is known "
            "to be from before. Give the documents that it was trained on, or a checkpoint with --checkpoint PATH."
        )
    gone = []
    for earlier in _earlier(known.lineage, marks):
        if earlier.ref is None or not _is_still(earlier.ref, earlier.parent):
            gone.append(earlier.parent.name)
            continue
        return earlier.ref
    raise ConfigError(
        f"No checkpoint of the lineage of {known.name} from before the forget documents is where it was, unchanged: "
        f"{', '.join(gone) or 'it names none'}. Give one with --checkpoint PATH."
    )


def suggestion(model: ModelRef, forget: Path) -> str:
    """A sentence about the nearest earlier checkpoint of a model's lineage, or nothing where there is none.

    `forget` is a file of documents, or the name of released ones.
    """
    try:
        lineage = None if model.folder is None else read_lineage(model.folder)
        earlier = None if lineage is None else next(_earlier(lineage, forget_marks(locate_documents(forget))), None)
    except RestorError:
        return ""  # whatever is wrong is told where it is needed
    return "" if earlier is None else f" {earlier}"


@final
@dataclass(frozen=True, slots=True)
class _Earlier:
    """An ancestor of a model, the nearest of its branch that has not read the forget documents."""

    parent: Parent
    ref: ModelRef | None
    """Where it was."""

    def __str__(self) -> str:
        gone = self.ref is None or (self.ref.folder is not None and not self.ref.folder.exists())
        if gone:
            return f"By its lineage, {self.parent.name} is from before them, but it is no longer where it was."
        path = "" if self.ref is None or self.ref.path == self.parent.name else f" ({self.ref.path})"
        return f"By its lineage, {self.parent.name}{path} is from before them: `--checkpoint auto` takes it."


def _earlier(lineage: Lineage | None, marks: Collection[str]) -> Iterator[_Earlier]:
    """Ancestors from before some documents, the nearest first."""
    near = [] if lineage is None else [lineage]
    while near:
        further: list[Lineage] = []
        for child in near:
            if has_read(child, marks) is None:
                continue
            for role, parent in child.parents.items():
                if has_read(parent.known, marks) is None:
                    yield _Earlier(parent, _place(child, role))
                elif parent.lineage is not None:
                    further.append(parent.lineage)
        near = further


def _place(child: Lineage, role: str) -> ModelRef | None:
    """Where a parent was when the child was made."""
    try:
        return ModelRef.model_validate(child.config.get("checkpoint" if role == "checkpoint" else "model"))
    except ValidationError:
        return None


def _is_still(ref: ModelRef, parent: Parent) -> bool:
    """Whether the checkpoint at a place is the one that was there."""
    try:
        return fingerprint(ref) == parent.fingerprint
    except RestorError:
        return False


def _advice(model: Parent, marks: Collection[str]) -> str:
    earlier = next(_earlier(model.lineage, marks), None)
    return "" if earlier is None else f" {earlier}"


def _how_many(seen: Seen, documents: Path) -> str:
    marks = document_marks(document.text for document in read_documents(documents))
    read = len(set(marks) & set(seen.documents or ()))
    return "them" if not read or read == len(marks) else f"{read} of the {len(marks)}"


def _where(seen: Seen) -> str:
    return f"as {seen.role} ({seen.name}), when it was made by `{seen.stage}`, {seen.steps} steps"
