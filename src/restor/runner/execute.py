"""The executor: makes tasks, each only if the store lacks its artifact, one process at a time."""

from __future__ import annotations

import gc
import logging
import math
import shutil
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, final

from restor.config import Config
from restor.errors import CodeError, StoreError, TrainingError
from restor.faults import own_code
from restor.processes import Call, Processes, leading
from restor.progress import Progress, Silent
from restor.runner.busy import CoreWatch
from restor.runner.durations import Ahead
from restor.store.disk import store_errors, write_atomic
from restor.store.store import Artifact, Store
from restor.store.versions import versions
from restor.tasks.base import Context, Made, Product, Ref, Task, read_task
from restor.tasks.tabulation.arms import in_order

ORDER_FILE = "task.json"
"""What the other processes of a launch read of a task that is shared."""

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
        self._watch = CoreWatch(progress, threads)
        self._ahead = ahead or Ahead()
        self.device = device
        self.threads = threads
        self.save_every = save_every
        self.total = total
        self.artifacts: dict[str, Artifact] = {}
        self.failures: dict[str, str] = {}
        """Key of a task -> why it could not be made; what depends on it fails with it."""
        self._number = 0
        self._processes = leading()
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
            if not task.needs_torch:
                return task.run(context)
            if task.shared and self._processes is not None:
                order = resume / ORDER_FILE
                resume.mkdir(parents=True, exist_ok=True)
                write_atomic(order, WorkOrder.of(task, context, self.threads).model_dump_json())
                context = replace(context, call=self._processes.call(order))
            if context.place.type == "cpu":
                context = replace(context, progress=self._watch)
            return _run_on_device(task, context, self.threads)


def _run_on_device(task: Task, context: Context, threads: int) -> Made:
    # Imported here, so that a study that is all in the store is read without loading torch.
    import torch
    from safetensors import SafetensorError

    from restor.models.quiet import quiet_libraries
    from restor.tasks.training.artifact import reset_peak_memory

    torch.set_num_threads(threads)
    place = context.place
    reset_peak_memory(place)
    with quiet_libraries():
        try:
            return task.run(context)
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"The GPU's memory does not hold {task.kind}: {str(error).splitlines()[0]} Use accumulation, "
                "gradient_checkpointing, an adapter (lora) or fewer tokens a step."
            ) from error
        except SafetensorError as error:  # what safetensors makes of a full disk
            raise StoreError(
                f"Weights could not be written or read while {task.label} was made: {error}. If the disk is "
                "full, free some space; finished stages are kept, and the same command goes on."
            ) from error
        finally:
            if place.type == "cuda":  # the next model needs what this one had
                gc.collect()
                torch.cuda.empty_cache()


# Several processes ---------------------------------------------------------------------------------------------------


@final
class WorkOrder(Config):
    """A task that is shared, as the other processes of a launch are told of it."""

    task: dict[str, Any]
    """As in its manifest."""
    inputs: dict[str, str]
    """Key -> folder of the finished artifact."""
    directory: str
    resume: str
    cuda: bool
    """Whether models are computed with on GPUs."""
    threads: int
    """Of each process: results depend on it in their last bits."""

    @classmethod
    def of(cls, task: Task, context: Context, threads: int) -> Self:
        """What the context of process 0 says."""
        return cls(
            task=task.written(),
            inputs={key: str(folder.absolute()) for key, folder in context.inputs.items()},
            directory=str(context.directory.absolute()),
            resume=str(context.resume.absolute()),
            cuda=context.place.type == "cuda",
            threads=threads,
        )

    def context(self, call: Call, memo: dict[str, Any]) -> Context:
        """The context of another process."""
        return Context(
            inputs={key: Path(folder) for key, folder in self.inputs.items()},
            directory=Path(self.directory),
            resume=Path(self.resume),
            device="cuda" if self.cuda else "cpu",
            progress=Silent(),
            save_every=math.inf,
            memo=memo,
            call=call,
        )


def serve(processes: Processes) -> int:
    """Run every task that process 0 shares, in all the others, until it ends; returns the exit code."""
    # At once, since it takes seconds and process 0 has other things to do first.
    import restor.tasks.asking.batches  # noqa: F401

    memo: dict[str, Any] = {}

    def take_part(call: Call) -> None:
        try:
            order = WorkOrder.model_validate_json(call.order.read_bytes())
            task = read_task(order.task)
        except FileNotFoundError:
            if call.is_over:
                return
            raise StoreError(
                f"It does not see {call.order}. All processes need the same file system, and the same path of the "
                "store."
            ) from None
        if memo.get("seed") != task.seed:
            memo.clear()
            memo["seed"] = task.seed
        try:
            context = order.context(call, memo)
            if context.place.type == "cuda":
                import torch

                torch.cuda.set_device(context.place)
            _run_on_device(task, context, order.threads)
        except FileNotFoundError as error:
            if not call.is_over:
                raise StoreError(f"It does not see {error.filename}.") from error

    return processes.serve(take_part)
