"""Tasks run in this process; those that can be shared, in all processes of a launch together."""

from __future__ import annotations

import gc
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, final

from restor.config import Config
from restor.errors import StoreError, TrainingError
from restor.processes import Call, Processes, leading
from restor.progress import Progress, Silent
from restor.runner.busy import CoreWatch
from restor.runner.launchers.base import Launcher
from restor.store.disk import write_atomic
from restor.tasks.base import Context, Made, Task, read_task

ORDER_FILE = "task.json"
"""What the other processes of a launch read of a task that is shared."""


@final
class LocalLauncher(Launcher):
    """Runs tasks in this process, and calls the others of a launch to what they can share.

    Args:
        progress: hears how far a task is; it is told, too, when other work keeps the cores busy.
        threads: what is computed with on a CPU.
    """

    def __init__(self, progress: Progress, threads: int) -> None:
        self._watch, self._threads = CoreWatch(progress, threads), threads
        self._processes = leading()

    def run(self, task: Task, context: Context) -> Made:
        """Run it here."""
        if not task.needs_torch:
            return task.run(context)
        if task.shared and self._processes is not None:
            order = context.resume / ORDER_FILE
            context.resume.mkdir(parents=True, exist_ok=True)
            write_atomic(order, WorkOrder.of(task, context, self._threads).model_dump_json())
            context = replace(context, call=self._processes.call(order))
        if context.place.type == "cpu":
            context = replace(context, progress=self._watch)
        return _run_on_device(task, context, self._threads)


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
