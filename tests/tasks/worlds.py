"""One seed of a study as its tasks see it: who is targeted, the texts of every role, the questions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, final

from restor.evaluation.ask.fewshot import build_queries
from restor.experiment import ExperimentConfig
from restor.progress import Silent
from restor.runner.plan import StudyBuilder
from restor.runner.resolve import resolve
from restor.runner.study import world_of
from restor.tasks.base import Context, Task
from restor.tasks.inputs.products import read_texts
from restor.tasks.inputs.streams import original_stream
from restor.tasks.texts import Role
from restor.types import Query


@final
class Seeded:
    """What `restor.tasks.plant.World` says, and texts as the tasks of a study write them."""

    def __init__(self, config: ExperimentConfig, seed: int) -> None:
        self.config, self.seed = config, seed
        self._world = world_of(config, seed)
        self._builder = StudyBuilder(resolve(config).model_copy(update={"precision": "float32"}), seed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    @property
    def queries(self) -> list[Query]:
        world = self._world
        return build_queries(world.domain, world.planted, world.groups, self.config.evaluation, seed=self.seed)

    def stream(self, subjects: Sequence[str]) -> Callable[[Random], str]:
        return original_stream(self.domain, self.general, self.config.clean.general_share, subjects)

    def texts(self, role: Role, count: int | None = None) -> list[str]:
        task = self._builder.texts(role).task
        if count is not None:
            task = task.model_copy(update={"count": count})
        with tempfile.TemporaryDirectory() as folder:
            planted = made(self._builder.planted.task, Path(folder) / "planted", {})
            written = made(task, Path(folder) / "texts", {self._builder.planted.key: planted})
            return [document.text for document in read_texts(written)]


def made(task: Task, folder: Path, inputs: dict[str, Path]) -> Path:
    """The folder of what a task makes."""
    folder.mkdir()
    context = Context(
        inputs=inputs, directory=folder, resume=folder / "resume", device="cpu", progress=Silent(), save_every=1e9
    )
    task.run(context)
    return folder
