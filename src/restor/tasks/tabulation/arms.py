"""The arms of a study as they are planned: which tasks make and ask each, and what the page will say of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, final

from pydantic import Field

from restor.config import Config
from restor.results import Ancestor
from restor.tasks.base import Answers, Model, Planted, Product, Ref, Task, Verdicts
from restor.types import Budget, Kind, RetainText


@final
class PlannedArm(Config):
    """One arm of one seed: what makes its model, asks it and judges its answers."""

    id: str
    name: str
    label: str
    kind: Kind
    seed: int
    model: Ref[Model] | None = None
    """None for baselines and served models, of which there is none here."""
    answers: Ref[Answers]
    verdicts: Ref[Verdicts]
    retain: RetainText | None = None
    algorithm: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    hyperparameters: Literal["none", "selected", "default", "given"] = "none"
    budget: tuple[Budget, ...] | None = ()
    """None where that is unknown: a checkpoint made elsewhere."""
    recovered: bool = False
    made_by: tuple[Ref[Model], ...] = ()
    """What was made for this arm alone: its cost is theirs."""
    checkpoint: str | None = None
    """The checkpoint made elsewhere that this arm is about, as the user named it."""
    lineage: tuple[Ancestor, ...] = ()
    """The tasks that led to the model, oldest first."""

    @property
    def pooled_id(self) -> str:
        """Its id without the seed."""
        return self.id.rsplit("/", 1)[0]


@final
class SeedPlan(Config):
    """All arms of one seed, references first."""

    seed: int
    planted: Ref[Planted]
    """Who is targeted, and the documents that state the planted answers."""
    arms: tuple[PlannedArm, ...]

    def tasks(self) -> list[Task]:
        """Every task once, parents before children, each model asked as soon as it is there."""
        return in_order(arm.verdicts for arm in self.arms)


def in_order(refs: Iterable[Ref[Product]]) -> list[Task]:
    """The tasks that make these, and all that they read: each once, parents before children."""
    ordered: dict[str, Task] = {}

    def visit(task: Task) -> None:
        if task.key not in ordered:
            for parent in task.parents.values():
                visit(parent)
            ordered.setdefault(task.key, task)

    for ref in refs:
        visit(ref.task)
    return list(ordered.values())


def lineage_of(model: Ref[Model]) -> tuple[Ancestor, ...]:
    """The models that led to a model, and itself, oldest first."""
    return tuple(Ancestor(stage=task.kind, key=task.key) for task in in_order([model]) if issubclass(task.makes, Model))
