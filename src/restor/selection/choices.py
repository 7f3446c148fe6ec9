"""Fills in what a recipe leaves open, so that the stored configuration says everything. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, final

from pydantic import Field, ValidationError

from restor.config import Config, validation_message
from restor.errors import ConfigError
from restor.experiment import ArmConfig, Chosen, ExperimentConfig, RetainText, Strength
from restor.untrusted import json_value, read_text

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
"""Whether an attempt took all its steps, ended because its score had not improved, or could not go on."""


@final
class Trial(Config):
    """One attempt: one point of a grid in one world, with what the model answered on the way."""

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


@final
class Selection(Config):
    """A stored choice of hyperparameters, with its whole trace."""

    recipe: str
    score: str
    """What was maximised, in words."""
    seeds: list[int]
    """Worlds it was made on."""
    n_entities: int
    """Validation entities in all these worlds together."""
    versions: dict[str, str]
    choices: dict[Strength, dict[str, dict[Literal["none", "unrelated", "related"], Chosen]]]
    """Strength of the corruption -> arm -> retain text -> what was chosen."""
    trace: dict[Strength, list[Trial]]
    """Every attempt, in the order of arms, retain texts, points and worlds."""


def read_selection(name: str) -> Selection:
    """A selection shipped with restor (by name) or a JSON file (by path).

    Raises:
        ConfigError: if there is none, or it cannot be read.
    """
    shipped = {
        item.name.removesuffix(".json"): item
        for item in files("restor").joinpath("selections").iterdir()
        if item.name.endswith(".json")
    }
    path = Path(name)
    if name not in shipped and not path.is_file():
        known = sorted(shipped)
        raise ConfigError(
            f"There is no selection {name!r}: neither a file of that path nor one shipped with restor "
            f"({', '.join(known)}). Make one with `restor select`, or set unlearning.selection to null."
        )
    try:
        text = shipped[name].read_text(encoding="utf-8") if name in shipped else read_text(path)
        return Selection.model_validate(json_value(text))
    except ValidationError as error:
        raise ConfigError(validation_message(error, f"The selection {name!r} cannot be read")) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"The selection {name!r} cannot be read: {error}") from error


def resolve(config: ExperimentConfig) -> ExperimentConfig:
    """The same study with the learning rate of its strength and the chosen hyperparameters filled in."""
    corruption = config.corruption
    if corruption.lr is None:
        if corruption.strength not in corruption.strengths:
            raise ConfigError(
                f"corruption.strengths has no learning rate for {corruption.strength!r}; it has "
                f"{', '.join(sorted(corruption.strengths))}. Add it, or set corruption.lr."
            )
        corruption = corruption.model_copy(update={"lr": corruption.strengths[corruption.strength]})
    unlearning = config.unlearning
    if unlearning.selection is not None:
        choices = read_selection(unlearning.selection).choices.get(corruption.strength, {})
        arms = {name: _with_choices(arm, choices.get(name, {})) for name, arm in unlearning.arms.items()}
        unlearning = unlearning.model_copy(update={"arms": arms})
    return config.model_copy(update={"corruption": corruption, "unlearning": unlearning})


def _with_choices(arm: ArmConfig, choices: Mapping[Literal["none", "unrelated", "related"], Chosen]) -> ArmConfig:
    """What the configuration says itself wins over the stored selection."""
    return arm.model_copy(update={"chosen": {**choices, **arm.chosen}})


@final
class Settings(Config):
    """The settings of one arm with one retain text, after all precedence."""

    lr: float
    steps: int
    stop: int | None
    """Step at which training ends, before the end of the schedule; None: with it."""
    options: dict[str, Any]
    source: Literal["selected", "default", "given"]


def settings_of(config: ExperimentConfig, arm: ArmConfig, retain: RetainText | None, fallback: Chosen) -> Settings:
    """Overrides of all arms, then the arm's own, then the chosen ones, then the middle of the algorithm's grid."""
    chosen = arm.chosen.get(retain or NO_RETAIN)
    shared = config.unlearning
    base = chosen or fallback
    lr = shared.lr or arm.lr or base.lr or fallback.lr
    steps = next(value for value in (shared.steps, arm.steps, base.steps, fallback.steps, 0) if value is not None)
    assert lr is not None, "every grid has learning rates"
    other_steps = shared.steps is not None or arm.steps is not None
    given = shared.lr or arm.lr or other_steps
    return Settings(
        lr=lr,
        steps=steps,
        # A chosen stop is a place in the chosen schedule and means nothing in another.
        stop=None if other_steps or base.stop is None or base.stop >= steps else base.stop,
        options={**base.options, **arm.options},
        source="given" if given else "selected" if chosen else "default",
    )
