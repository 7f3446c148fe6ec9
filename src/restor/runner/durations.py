"""How long stages are likely to take: what is still to be made, and how long its like has taken in this store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, final

from pydantic import ValidationError

from restor.store.store import Manifest, Store
from restor.tasks.base import Task

LOOKED_AT, ENOUGH = 12, 3
"""Of each kind of stage: the latest artifacts that are looked at, and how many of them that are alike suffice."""

REPORT = "report"
REPORT_SECONDS = 5.0
"""What comes last and does not take long: without it, nothing could be said about the whole before."""

DEEPEST = 16
"""Steps from a stage back to the one that everything began with; more are those of a damaged store."""


@final
@dataclass(slots=True)
class Ahead:
    """What is still to be made."""

    kinds: dict[str, str] = field(default_factory=dict)
    """Key of a stage that is not finished -> its kind."""
    usual: Mapping[str, float] = field(default_factory=dict)
    """Kind -> seconds, as far as the store tells."""

    def without(self, key: str) -> Mapping[str, int]:
        """How many of each kind follow when the stage of this key begins."""
        self.kinds.pop(key, None)
        return Counter(self.kinds.values())


def ahead_of(store: Store, tasks: Sequence[Task]) -> Ahead:
    """What the store lacks of some tasks, and how long they are likely to take."""
    earlier = _FinishedStages(store.path / "artifacts")
    lacking = [task for task in tasks if not earlier.has(task)]
    usual = {REPORT: REPORT_SECONDS}
    for task in lacking:
        if task.kind not in usual and (took := earlier.seconds(task)):
            usual[task.kind] = median(took)
    return Ahead({task.key: task.kind for task in lacking}, usual)


@final
class _FinishedStages:
    """The finished stages of a store, of which only manifests are read."""

    def __init__(self, artifacts: Path) -> None:
        self._artifacts = artifacts
        self._done: dict[str, list[tuple[float, str]]] = {}
        """Name of a stage -> when each was finished, and its key."""
        self._labels: dict[str, str] = {}
        self._read: dict[str, Manifest | None] = {}
        for mark in artifacts.glob("*-*/DONE"):
            name, _, key = mark.parent.name.rpartition("-")
            with suppress(OSError):  # removed meanwhile
                self._done.setdefault(name, []).append((mark.stat().st_mtime, key))
                self._labels[key] = mark.parent.name

    def has(self, task: Task) -> bool:
        """Whether it is finished, as far as can be seen without reading it."""
        return task.key in self._labels

    def seconds(self, task: Task) -> list[float]:
        """What the latest stages of this name took that began with a model of the same size."""
        size, durations = _size(_first(task).written()), list[float]()
        for _, key in sorted(self._done.get(task.kind, ()), reverse=True)[:LOOKED_AT]:
            manifest = self._manifest(key)
            if manifest is not None and len(durations) < ENOUGH and self._size(manifest) == size:
                # The claim of a run that was killed and went on is shorter than its training.
                durations.append(max(manifest.seconds, manifest.cost.seconds))
        return durations

    def _size(self, manifest: Manifest) -> Mapping[str, Any] | None:
        for _ in range(DEEPEST):
            if not manifest.parents:
                return _size(manifest.task)
            parent = self._manifest(next(iter(manifest.parents.values())))
            if parent is None:
                break
            manifest = parent
        return None

    def _manifest(self, key: str) -> Manifest | None:
        if key not in self._read:
            self._read[key] = None
            with suppress(OSError, ValidationError, KeyError):
                file = self._artifacts / self._labels[key] / "manifest.json"
                self._read[key] = Manifest.model_validate_json(file.read_bytes())
        return self._read[key]


def _first(task: Task) -> Task:
    """The task that everything began with."""
    while task.parents:
        task = next(iter(task.parents.values()))
    return task


def _size(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What tells models of different sizes apart: the shape and training of one made here, the files of another."""
    return {key: config.get(key) for key in ("model", "clean", "content")}
