"""Launchers run tasks: here, or on other machines. One file is one way. The executor knows which tasks are needed."""

from __future__ import annotations

from abc import ABC, abstractmethod

from restor.tasks.base import Context, Made, Task


class Launcher(ABC):
    """Runs tasks, each with its inputs at hand and folders of its own."""

    @abstractmethod
    def run(self, task: Task, context: Context) -> Made:
        """Run a task until its files are written; what a kill has left in the resume folder is gone on with.

        Args:
            task: whose `written()` says all that another process needs to know of it.
            context: where it reads and writes, on which device, and who hears how far it is.

        Raises:
            RestorError: if the task cannot be made, with what to do.
        """
