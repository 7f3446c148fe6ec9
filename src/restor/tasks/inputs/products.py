"""The files that tasks hand to each other, read and written: documents, targets, planted answers, questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from restor.types import Document, FalseFact, Group, Query

TEXTS_FILE, TARGETS_FILE, PLANTED_FILE, QUESTIONS_FILE = "texts.json", "targets.json", "planted.json", "questions.json"

_DOCUMENTS = TypeAdapter(tuple[Document, ...])
_TARGETS = TypeAdapter(dict[str, Group])
_PLANTED = TypeAdapter(dict[str, FalseFact])
_QUERIES = TypeAdapter(tuple[Query, ...])

ValueT = TypeVar("ValueT")


def write_texts(folder: Path, documents: Sequence[Document]) -> None:
    """Write documents, in their order."""
    _write(folder / TEXTS_FILE, _DOCUMENTS, tuple(documents))


def read_texts(folder: Path) -> tuple[Document, ...]:
    """The documents of an artifact."""
    return _DOCUMENTS.validate_json((folder / TEXTS_FILE).read_bytes())


def write_planted(folder: Path, targets: Mapping[str, Group], planted: Mapping[str, FalseFact]) -> None:
    """Write who is targeted, in their order, and the planted answers by fact key."""
    _write(folder / TARGETS_FILE, _TARGETS, dict(targets))
    _write(folder / PLANTED_FILE, _PLANTED, dict(planted))


def read_targets(folder: Path) -> dict[str, Group]:
    """The targeted entities with their groups; all others are untouched."""
    return _TARGETS.validate_json((folder / TARGETS_FILE).read_bytes())


def read_planted(folder: Path) -> dict[str, FalseFact]:
    """The planted answers by fact key."""
    return _PLANTED.validate_json((folder / PLANTED_FILE).read_bytes())


def write_questions(folder: Path, queries: Sequence[Query]) -> None:
    """Write questions, in their order."""
    _write(folder / QUESTIONS_FILE, _QUERIES, tuple(queries))


def read_questions(folder: Path) -> tuple[Query, ...]:
    """The questions of an artifact."""
    return _QUERIES.validate_json((folder / QUESTIONS_FILE).read_bytes())


def _write(path: Path, adapter: TypeAdapter[ValueT], value: ValueT) -> None:
    path.write_bytes(adapter.dump_json(value))
