"""One point of a grid, tried once: what the model answered on the way, and what was chosen from such trials."""

from __future__ import annotations

from typing import Any, Literal, final

from pydantic import Field

from restor.config import Config


@final
class Chosen(Config):
    """Hyperparameters that a selection chose for one arm and one kind of retain text."""

    lr: float | None = Field(None, gt=0)
    """Learning rate; null leaves that of the study."""
    steps: int | None = Field(None, ge=0)
    """Steps; null leaves those of the study."""
    stop: int | None = Field(None, ge=1)
    """Step at which training ends, while the learning rate's schedule is still that of `steps`; null: at its end."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Hyperparameters of the algorithm."""


NO_RETAIN: Literal["none"] = "none"
"""Stands for the retain text of an arm that reads none."""


@final
class Mark(Config):
    """What a model in training answered at one step. Shares have six decimals, so that equal ones are equal."""

    step: int = Field(ge=0)
    score: float
    """See `Selection.score`."""
    original: float
    """Share of the validation facts answered with the true answer."""
    untouched: float
    """The same of the untouched facts."""


Ended = Literal["complete", "early", "failed"]
"""Whether a trial took all its steps, ended because its score had not improved, or could not go on."""


@final
class Trial(Config):
    """One point of a grid in one world, with what the model answered on the way."""

    arm: str
    retain: Literal["none", "unrelated", "related"]
    seed: int
    """The world."""
    point: int
    """Number of the grid's point, from 0."""
    lr: float
    steps: int
    """The most that were to be taken; the learning rate's schedule is that of all of them."""
    options: dict[str, Any]
    marks: tuple[Mark, ...] = ()
    ended: Ended
    note: str = ""
    """Why it ended, unless it is complete."""
