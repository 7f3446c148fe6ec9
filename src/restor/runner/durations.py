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
from restor.tasks.stage import Stage

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


def kind_of(stage: Stage) -> str:
    """What a stage is called where progress is told."""
    return stage.name.removesuffix("_checkpoint")


def ahead_of(store: Store, stages: Sequence[Stage]) -> Ahead:
    """What the store lacks of some stages, and how long they are likely to take."""
    earlier = _Earlier(store.path / "artifacts")
    lacking = [stage for stage in stages if not earlier.has(stage)]
    usual = {REPORT: REPORT_SECONDS}
    for stage in lacking:
        kind = kind_of(stage)
        if kind not in usual and (took := earlier.seconds(stage)):
            usual[kind] = median(took)
    return Ahead({stage.key: kind_of(stage) for stage in lacking}, usual)


@final
class _Earlier:
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

    def has(self, stage: Stage) -> bool:
        """Whether it is finished, as far as can be seen without reading it."""
        return stage.key in self._labels

    def seconds(self, stage: Stage) -> list[float]:
        """What the latest stages of this name took that began with a model of the same size."""
        size, found = _size(_first(stage).config), list[float]()
        for _, key in sorted(self._done.get(stage.name, ()), reverse=True)[:LOOKED_AT]:
            manifest = self._manifest(key)
            if manifest is not None and len(found) < ENOUGH and self._size(manifest) == size:
                # The claim of a run that was killed and went on is shorter than its training.
                found.append(max(manifest.seconds, manifest.cost.seconds))
        return found

    def _size(self, manifest: Manifest) -> Mapping[str, Any] | None:
        for _ in range(DEEPEST):
            if not manifest.parents:
                return _size(manifest.config)
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


def _first(stage: Stage) -> Stage:
    """The stage that everything began with."""
    while stage.parents:
        stage = next(iter(stage.parents.values()))
    return stage


def _size(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What tells models of different sizes apart: the shape and training of one made here, the files of another."""
    return {key: config.get(key) for key in ("model", "clean", "content")}
