"""Curves from stored logs and stored selections, by hand."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest

from restor.results import Curve
from restor.runner.plan import plan_seed
from restor.runner.resolve import resolve
from restor.runner.validation_curves import validation_curves
from restor.selection.choices import Selection
from restor.selection.trial import Chosen, Mark, Trial
from restor.tasks.tabulation.curves import MOST_POINTS, loss_curves, thinned
from tiny_study import tiny_config


def record(step: int, **losses: float) -> dict[str, float]:
    return {"step": step, "lr": 1e-3, "grad_norm": 2.0, **losses}


def test_each_term_has_a_curve_and_several_have_their_sum() -> None:
    log = [record(1, forget=-0.512346, retain=2.0), record(2, forget=-1.0, retain=1.5)]
    assert list(loss_curves("unlearn", log)) == [
        Curve(name="forget loss", stage="unlearn", points=[(1, -0.5123), (2, -1.0)]),
        Curve(name="retain loss", stage="unlearn", points=[(1, 2.0), (2, 1.5)]),
        Curve(name="total loss", stage="unlearn", points=[(1, 1.488), (2, 0.5)]),
    ]
    assert [curve.name for curve in loss_curves("recover", [record(1, text=2.0)])] == ["loss"]
    assert list(loss_curves("unlearn", [])) == []


def test_trainings_one_after_the_other_are_curves_of_their_own() -> None:
    log = [record(1, text=2.0), record(2, text=1.0), record(1, text=3.0)]
    found = list(loss_curves("unlearn", log))
    assert [(curve.name, curve.points) for curve in found] == [
        ("loss, training 1 of 2", [(1, 2.0), (2, 1.0)]),
        ("loss, training 2 of 2", [(1, 3.0)]),
    ]


@pytest.mark.parametrize("count", [1, MOST_POINTS, MOST_POINTS + 1, 1800])
def test_long_curves_are_thinned_evenly_from_the_first_to_the_last_step(count: int) -> None:
    found = thinned([(step, step / 10) for step in range(1, count + 1)])
    steps = [step for step, _ in found]
    assert len(steps) == len(set(steps)) == min(count, MOST_POINTS)
    assert (steps[0], steps[-1]) == (1, count)
    gaps = {round(later - earlier) for earlier, later in pairwise(steps)}
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_a_value_that_is_no_number_is_a_gap() -> None:
    assert thinned([(1, 1.0), (2, math.nan), (3, math.inf), (4, 2.0)]) == [(1, 1.0), (4, 2.0)]


def trial(seed: int, point: int, lr: float, *shares: float) -> Trial:
    marks = tuple(
        Mark(step=4 * (number + 1), score=share - 0.1, original=share, untouched=0.9)
        for number, share in enumerate(shares)
    )
    return Trial(
        arm="npo", retain="related", seed=seed, point=point, lr=lr, steps=12, options={}, marks=marks, ended="complete"
    )


def test_a_selected_arm_has_what_the_chosen_point_answered_on_the_way_as_a_mean_over_its_worlds(tmp_path: Path) -> None:
    trials = [trial(100, 0, 1e-3, 0.2, 0.4), trial(101, 0, 1e-3, 0.3, 0.6, 0.7), trial(100, 1, 9e-3, 0.9, 0.9)]
    selection = Selection(
        recipe="tiny",
        score="any",
        seeds=[100, 101],
        n_entities=6,
        versions={},
        choices={"medium": {"npo": {"related": Chosen(lr=1e-3, steps=12, stop=8)}}},
        trace={"medium": trials},
    )
    file = tmp_path / "selection.json"
    file.write_text(json.dumps(selection.model_dump(mode="json")), encoding="utf-8")
    config = tiny_config()
    arm = config.unlearning.arms["npo"].model_copy(update={"lr": None, "steps": None})
    unlearning = config.unlearning.model_copy(update={"arms": {"npo": arm}, "selection": str(file)})
    config = resolve(config.model_copy(update={"unlearning": unlearning}))
    arms = {arm.retain: arm for arm in plan_seed(config, 0).arms if arm.name == "npo"}
    curves = validation_curves(list(arms.values()), config)
    assert [(curve.name, curve.stage, curve.points) for curve in curves[arms["related"].id]] == [
        ("validation true answers", "selection", [(4, 0.25), (8, 0.5)]),
        ("validation untouched", "selection", [(4, 0.9), (8, 0.9)]),
        ("validation score", "selection", [(4, 0.15), (8, 0.4)]),
    ]
    assert arms["unrelated"].id not in curves, "it was not selected"
