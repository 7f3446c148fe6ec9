"""Fills in what a recipe leaves open, so that the stored configuration says everything. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, final

from restor.config import Config
from restor.errors import ConfigError
from restor.experiment import ArmConfig, ExperimentConfig
from restor.selection.choices import read_selection
from restor.selection.trial import NO_RETAIN, Chosen
from restor.types import RetainText


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
