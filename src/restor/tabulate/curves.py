"""How losses, and answers to validation facts, went while an arm's model was made: from stored logs. Torch-free."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence

from restor.experiment import ExperimentConfig
from restor.results import Curve
from restor.runner.plan import PlannedArm
from restor.selection.choices import NO_RETAIN, Selection, Trial, read_selection
from restor.selection.validation import mean_marks
from restor.store.store import Artifact

MOST_POINTS = 200
DIGITS = 4
"""Significant digits of a value."""

SELECTION = "selection"
"""Stands as the stage of curves from the choice of hyperparameters, which was made in other worlds."""

_NO_LOSS = frozenset({"step", "lr", "grad_norm"})
_NAMES = {"text": "loss"}

Record = Mapping[str, float]


def training_curves(arm: PlannedArm, artifacts: Mapping[str, Artifact]) -> list[Curve]:
    """The losses of every stage made for the arm, over optimiser steps."""
    return [curve for stage in arm.made_by for curve in loss_curves(stage.name, _records(artifacts[stage.key]))]


def loss_curves(stage: str, records: Sequence[Record]) -> Iterator[Curve]:
    """One curve per term and, of several, of their sum; an algorithm that trains more than once has them for each."""
    runs: list[list[Record]] = []
    for record in records:
        if not runs or record["step"] <= runs[-1][-1]["step"]:
            runs.append([])
        runs[-1].append(record)
    for number, run in enumerate(runs, 1):
        which = f", training {number} of {len(runs)}" if len(runs) > 1 else ""
        terms = [name for name in run[0] if name not in _NO_LOSS]
        for name in terms:
            values = [(record["step"], record[name]) for record in run if name in record]
            yield Curve(name=f"{_NAMES.get(name, f'{name} loss')}{which}", stage=stage, points=thinned(values))
        if len(terms) > 1:
            sums = [(record["step"], sum(record.get(name, math.nan) for name in terms)) for record in run]
            yield Curve(name=f"total loss{which}", stage=stage, points=thinned(sums))


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `MOST_POINTS`, evenly spaced, the first and the last among them; values that are none are left out."""
    known = [(step, value) for step, value in points if math.isfinite(value)]
    if len(known) > MOST_POINTS:
        last = len(known) - 1
        known = [known[round(place * last / (MOST_POINTS - 1))] for place in range(MOST_POINTS)]
    return [(step, float(f"{value:.{DIGITS}g}")) for step, value in known]


def validation_curves(arm: PlannedArm, config: ExperimentConfig) -> list[Curve]:
    """What the chosen point of an arm's grid answered on the way while it was chosen: means over the worlds of that.

    None for an arm that was not selected.
    """
    if arm.hyperparameters != "selected" or config.unlearning.selection is None:
        return []
    trials = _chosen(arm, config, read_selection(config.unlearning.selection))
    marks = mean_marks(trials) if trials else []
    figures = {
        "validation true answers": [(mark.step, mark.original) for mark in marks],
        "validation untouched": [(mark.step, mark.untouched) for mark in marks],
        "validation score": [(mark.step, mark.score) for mark in marks],
    }
    return [Curve(name=name, stage=SELECTION, points=thinned(values)) for name, values in figures.items() if values]


def _chosen(arm: PlannedArm, config: ExperimentConfig, selection: Selection) -> list[Trial]:
    """The attempts of the point that was chosen for an arm, one per world."""
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


def _records(artifact: Artifact) -> list[Record]:
    """The log of a training; none of a stage that trained nothing."""
    file = artifact.path / "training.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []
