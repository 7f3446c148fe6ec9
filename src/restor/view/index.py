"""All studies of a store, read once each and looked at again when a page is asked for.

A thousand results files take a second or more to read, so a look spends a fraction of a second on those that are new
or changed, the newest first, and leaves the rest to the next look.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import final

from restor.errors import DataError
from restor.report.io.load import RESULTS_FILE
from restor.report.plain import one_line
from restor.view.study_folders import Stamp, StudyFolder, stamp, study_folders
from restor.view.study_processes import Life, Process, is_running_file, read_processes
from restor.view.summaries import Summary, read_summary

BUDGET = 0.15
"""Seconds that one look may spend on reading results."""
_COARSE = 2 * 10**9
"""Nanoseconds: some disks give times so coarse that a second change within them does not show."""


class StudyState(StrEnum):
    """How far a study is."""

    RUNNING = "running"
    FINISHED = "finished"
    UNREADABLE = "unreadable"
    """It has results that cannot be read."""
    STOPPED = "stopped"
    FAILED = "failed"
    UNFINISHED = "unfinished"
    """No results, and nobody tells why."""
    WAITING = "not read yet"


@final
@dataclass(frozen=True, slots=True)
class Listed:
    """A study of the store."""

    id: str
    path: Path
    changed: int
    """When its results, or else its folder, last changed, nanoseconds."""
    results: Stamp | None = None
    """Of results.json; None where there is none."""
    summary: Summary | None = None
    trouble: str = ""
    """Why there is no summary though there are results."""
    processes: tuple[Process, ...] = ()
    words: str = ""
    """What a filter looks into."""

    @property
    def state(self) -> StudyState:
        """How far it is; a process that runs it again comes first."""
        if any(process.live for process in self.processes):
            return StudyState.RUNNING
        if self.trouble:
            return StudyState.UNREADABLE
        if self.summary is not None:
            return StudyState.FINISHED
        if self.results is not None:
            return StudyState.WAITING
        if self.processes:
            return StudyState.FAILED if self.processes[0].life is Life.FAILED else StudyState.STOPPED
        return StudyState.UNFINISHED

    @property
    def name(self) -> str:
        """The study's name or, as long as nobody tells it, its id."""
        if self.summary is not None:
            return self.summary.name
        return self.processes[0].told.name if self.processes else self.id

    @property
    def created(self) -> str:
        """UTC, ISO 8601: of the results, else the start of a process, else the last change."""
        if self.summary is not None:
            return self.summary.created
        if self.processes:
            return self.processes[0].told.started
        return datetime.fromtimestamp(self.changed / 1e9, UTC).isoformat(timespec="seconds")


@final
@dataclass(frozen=True, slots=True)
class Look:
    """The store at one moment."""

    studies: Mapping[str, Listed]
    """By id."""
    refused: tuple[str, ...]
    """What leads out of the store."""
    waiting: int
    """Studies with results that are not read yet."""

    @property
    def running(self) -> list[tuple[Listed, Process]]:
        """What may be at work, the latest first."""
        processes = [(study, process) for study in self.studies.values() for process in study.processes if process.live]
        return sorted(processes, key=lambda pair: pair[1].told.started, reverse=True)


@final
class Index:
    """The studies of a store."""

    def __init__(
        self,
        store: Path,
        read: Callable[[Path], Summary] = read_summary,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`store` is without links. `read` reads the results of one folder; `clock` tells seconds."""
        self.store = store
        self._read = read
        self._clock = clock
        self._known: dict[str, Listed] = {}
        self._names: dict[str, tuple[int, tuple[str, ...]]] = {}
        """By id: when the folder had changed, and the files in it."""
        self._guard = threading.Lock()

    def look(self, budget: float = BUDGET, first: str = "") -> Look:
        """The studies as they are now; at least one that is new or changed is read, and no more begun after `budget`.

        Args:
            budget: seconds.
            first: id of the study that is read before all others, if it has to be read.

        Raises:
            DataError: if the folder of studies cannot be read.
        """
        with self._guard:
            until = self._clock() + budget
            refused = []
            seen: dict[str, Listed] = {}
            for folder in study_folders(self.store):
                if isinstance(folder, DataError):
                    refused.append(str(folder))
                elif (listed := self._seen(folder)) is not None:
                    seen[folder.id] = listed
            waiting = [study for study in seen.values() if study.results is not None and not _is_read(study)]
            waiting.sort(key=lambda study: (study.id == first, study.changed), reverse=True)
            done = 0
            for study in waiting:
                if done and self._clock() >= until:
                    break
                seen[study.id] = self._with_summary(study)
                done += 1
            self._known = seen
            self._names = {name: known for name, known in self._names.items() if name in seen}
            return Look(seen, tuple(sorted(refused)), len(waiting) - done)

    def _seen(self, folder: StudyFolder) -> Listed | None:
        """A study as far as it is known without reading results; None for a folder with nothing in it."""
        results: Stamp | None = None
        try:
            names = self._files(folder)
            if not names:
                return None  # it has not begun
            results = stamp(self.store, folder.path / RESULTS_FILE)
        except FileNotFoundError:
            return None  # removed in this moment
        except (DataError, OSError) as error:
            trouble = f"{folder.path} cannot be read: {error.strerror}." if isinstance(error, OSError) else str(error)
            return _worded(Listed(folder.id, folder.path, folder.changed, trouble=trouble))
        processes = read_processes(self.store, folder.path, [name for name in names if is_running_file(name)])
        former = self._known.get(folder.id)
        if former is None or results is None or former.results != results:
            changed = results[0] if results else folder.changed
            return _worded(Listed(folder.id, folder.path, changed, results=results, processes=processes))
        return former if former.processes == processes else _worded(replace(former, processes=processes))

    def _files(self, folder: StudyFolder) -> tuple[str, ...]:
        known = self._names.get(folder.id)
        if known is not None and known[0] == folder.changed and time.time_ns() - folder.changed > _COARSE:
            return known[1]
        names = tuple(sorted(item.name for item in folder.path.iterdir()))
        self._names[folder.id] = (folder.changed, names)
        return names

    def _with_summary(self, study: Listed) -> Listed:
        try:
            return _worded(replace(study, summary=self._read(study.path)))
        except DataError as error:
            return _worded(replace(study, trouble=str(error)))


def _is_read(study: Listed) -> bool:
    return study.summary is not None or bool(study.trouble)


def _worded(study: Listed) -> Listed:
    """With everything that a filter looks into, in lower case."""
    texts = [study.id, study.name, study.state, study.trouble]
    if study.summary is not None:
        summary = study.summary
        texts += [summary.kind, summary.protocol, summary.domain]
        for arm in summary.arms:
            texts += [arm.label, arm.algorithm or "", arm.verdict or ""]
    for process in study.processes:
        texts += [process.told.kind, process.told.protocol]
    words = "\n".join(one_line(text, 300) for text in dict.fromkeys(texts))
    return replace(study, words=words.casefold())
