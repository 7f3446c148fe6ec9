"""The executor: makes tasks, each only if the store lacks its artifact, one process at a time."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from restor.errors import CodeError, TrainingError
from restor.faults import own_code
from restor.progress import Progress
from restor.runner.durations import Ahead
from restor.runner.launchers.base import Launcher
from restor.runner.launchers.local import LocalLauncher
from restor.store.disk import store_errors
from restor.store.store import Artifact, Store
from restor.store.versions import versions
from restor.tasks.base import Context, Made, Product, Ref, Task
from restor.tasks.tabulation.arms import in_order

_LOGGER = logging.getLogger(__name__)
"""Shown with --debug."""


@final
class Executor:
    """Makes the tasks of a study and remembers where their artifacts are."""

    def __init__(
        self,
        store: Store,
        progress: Progress,
        *,
        device: str,
        threads: int,
        save_every: float,
        total: int,
        ahead: Ahead | None = None,
    ) -> None:
        self.store = store
        self.progress = progress
        self._launcher: Launcher = LocalLauncher(progress, threads)
        self._ahead = ahead or Ahead()
        self.device = device
        self.threads = threads
        self.save_every = save_every
        self.total = total
        self.artifacts: dict[str, Artifact] = {}
        self.failures: dict[str, str] = {}
        """Key of a task -> why it could not be made; what depends on it fails with it."""
        self._number = 0
        self._memo: dict[str, Any] = {}

    def make_all(self, tasks: Sequence[Task], used_by: Mapping[str, str], *, essential: Collection[str]) -> None:
        """Every task once. What another process is making is left to it, as long as there is other work.

        Args:
            tasks: parents before children.
            used_by: key -> what the task is made for, where progress is told.
            essential: keys of tasks without which nothing can be compared: their failure is raised.
        """
        self._memo.clear()  # of the seed before
        waiting = list(tasks)
        while waiting:
            task = self._next(waiting)
            waiting.remove(task)
            began = self._begin(task, used_by.get(task.key, task.detail))
            inherited = self.failure(task.parents.values()) is not None
            cached = self._make(task, essential=task.key in essential)
            self._end(task, cached, began, "" if inherited else self.failures.get(task.key, ""))

    def make_one(self, task: Task, detail: str) -> Artifact | None:
        """A single task; None where it could not be made, and why is for the caller to tell."""
        began = self._begin(task, detail)
        self._end(task, self._make(task, essential=False), began, "")
        return self.artifacts.get(task.key)

    def make_chain(self, ref: Ref[Product], detail: str) -> Artifact | None:
        """A task with all that it reads and that was not made before; None where it could not be made."""
        for task in in_order([ref]):
            if task.key not in self.artifacts and task.key not in self.failures:
                self.make_one(task, detail if task.key == ref.key else task.detail)
        return self.artifacts.get(ref.key)

    def failure(self, tasks: Iterable[Task]) -> str | None:
        """Why one of these tasks could not be made."""
        return next((self.failures[task.key] for task in tasks if task.key in self.failures), None)

    def _end(self, task: Task, cached: bool, began: float, reason: str) -> None:
        """Tell how a task ended; the `reason` of a failure is told once."""
        if task.key in self.failures:
            self.progress.fail(reason)
        else:
            self.progress.end(cached, time.perf_counter() - began)

    def _next(self, waiting: Sequence[Task]) -> Task:
        """The first task whose inputs are there and that nobody is making; else the first that can be waited for."""
        ready = [
            task
            for task in waiting
            if all(ref.key in self.artifacts or ref.key in self.failures for ref in task.inputs.values())
        ]
        return next((task for task in ready if not self.store.is_claimed(task.artifact)), ready[0])

    def _begin(self, task: Task, detail: str) -> float:
        self._number += 1
        self.progress.expect(self._ahead.without(task.key), self._ahead.usual)
        self.progress.begin(task.kind, detail, self._number, self.total)
        return time.perf_counter()

    def _make(self, task: Task, *, essential: bool) -> bool:
        """Make one task; returns whether its artifact was there already."""
        inherited = self.failure(task.parents.values())
        if inherited is not None:
            self.failures[task.key] = inherited
            return False
        with self.store.claim(task.artifact, self.progress.note) as claim:
            if claim.artifact is not None:
                self.artifacts[task.key] = claim.artifact
                return True
            try:
                with own_code():
                    made = self._run(task, claim.directory, claim.resume)
                if task.code_changed:
                    files = ", ".join(map(str, task.own_files))
                    raise TrainingError(
                        f"{files} was edited while {task.kind} ran, so nobody knows which code made the result. "
                        "Nothing was kept; run it again."
                    )
            except (TrainingError, CodeError) as error:
                if essential:
                    raise
                shutil.rmtree(claim.resume, ignore_errors=True)
                self.failures[task.key] = str(error)
                _LOGGER.debug("%s failed:", task.label, exc_info=True)
                return False
            self.artifacts[task.key] = claim.finish(
                task=task.written(), versions=versions(), cost=made.cost, info=made.info
            )
        return False

    def _run(self, task: Task, directory: Path, resume: Path) -> Made:
        context = Context(
            inputs={ref.key: self.artifacts[ref.key].path for ref in task.inputs.values()},
            directory=directory,
            resume=resume,
            device=self.device,
            progress=self.progress,
            save_every=self.save_every,
            memo=self._memo,
        )
        with store_errors(directory):
            return self._launcher.run(task, context)
