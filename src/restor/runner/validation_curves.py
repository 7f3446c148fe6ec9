"""How answers to validation facts went while an arm's hyperparameters were chosen: from the stored selection."""

from __future__ import annotations

from collections.abc import Sequence

from restor.experiment import ExperimentConfig
from restor.results import Curve
from restor.selection.choices import Selection, read_selection
from restor.selection.trial import NO_RETAIN, Trial
from restor.selection.validation import mean_marks
from restor.tasks.tabulation.arms import PlannedArm
from restor.tasks.tabulation.curves import thinned

SELECTION = "selection"
"""Stands as the stage of curves from the choice of hyperparameters, which was made in other worlds."""


def validation_curves(arms: Sequence[PlannedArm], config: ExperimentConfig) -> dict[str, tuple[Curve, ...]]:
    """Id of an arm -> what the chosen point of its grid answered on the way while it was chosen.

    The points are means over the worlds of the selection. An arm that was not selected has none.
    """
    if config.unlearning.selection is None:
        return {}
    selection = read_selection(config.unlearning.selection)
    return {arm.id: tuple(_curves(arm, config, selection)) for arm in arms if arm.hyperparameters == "selected"}


def _curves(arm: PlannedArm, config: ExperimentConfig, selection: Selection) -> list[Curve]:
    trials = _chosen(arm, config, selection)
    marks = mean_marks(trials) if trials else []
    figures = {
        "validation true answers": [(mark.step, mark.original) for mark in marks],
        "validation untouched": [(mark.step, mark.untouched) for mark in marks],
        "validation score": [(mark.step, mark.score) for mark in marks],
    }
    return [Curve(name=name, stage=SELECTION, points=thinned(values)) for name, values in figures.items() if values]


def _chosen(arm: PlannedArm, config: ExperimentConfig, selection: Selection) -> list[Trial]:
    """The trials of the point that was chosen for an arm, one per world."""
    retain = arm.retain or NO_RETAIN
    chosen = config.unlearning.arms[arm.name].chosen.get(retain)
    if chosen is None:
        return []
    trials = selection.trace.get(config.corruption.strength, [])
    return [
        trial
        for trial in trials
        if (trial.arm, trial.retain, trial.lr, trial.steps) == (arm.name, retain, chosen.lr, chosen.steps)
        and trial.options == chosen.options
    ]
