"""RMU and adaptive RMU on states that one can add up in the head."""

from __future__ import annotations

import math

import pytest
import torch
from by_hand import close, number
from pydantic import ValidationError

from restor.config import parse_yaml, to_yaml
from restor.models.labelled import Labelled
from restor.types import Budget
from restor.unlearning.algorithms.base import ALGORITHMS, Predictions
from restor.unlearning.algorithms.rmu import (
    RMU,
    RMUConfig,
    adaptive_rmu_loss,
    random_direction,
    rmu_loss,
    states_distance,
)

# Row 0 has two tokens, row 1 one. The direction is (0.6, 0.8), of length 1.
STATES = [[3.0, 4.0], [0.0, 1.0], [1.0, 0.0]]
REFERENCE = [[3.0, 4.0], [0.0, 2.0], [5.0, 12.0]]
DIRECTION = torch.tensor([0.6, 0.8], dtype=torch.float64)


def predicted(states, rows=(0, 0, 1), n_rows=2):
    values = torch.tensor(states, dtype=torch.float64, requires_grad=True)
    logits = torch.tensor([[0.5, 0.5]] * len(states), dtype=torch.float64).log()
    return Labelled(logits, torch.zeros(len(states), dtype=torch.long), torch.tensor(rows), n_rows, values)


def squares(states, targets):
    return [sum((a - b) ** 2 for a, b in zip(s, t, strict=True)) for s, t in zip(states, targets, strict=True)]


@pytest.fixture
def policy():
    return predicted(STATES)


@pytest.fixture
def reference():
    return predicted(REFERENCE)


def test_states_are_pushed_to_one_point_a_mean_over_tokens_and_then_over_rows(policy):
    """c = 10 makes the point (6, 8)."""
    first, second, third = squares(STATES, [[6.0, 8.0]] * 3)
    assert [first, second, third] == [25.0, 85.0, 89.0]
    assert number(rmu_loss(policy, DIRECTION, 10.0, "squared_norm")) == close(((25 + 85) / 2 + 89) / 2)
    assert number(rmu_loss(policy, DIRECTION, 10.0, "mean_square")) == close(((25 + 85) / 2 + 89) / 2 / 2)


def test_descent_moves_the_states_towards_the_point(policy):
    """d ||h - c u||^2/dh = 2 (h - c u), times 1 / 2 for the tokens of row 0 and 1 / 2 for the rows."""
    loss = rmu_loss(policy, DIRECTION, 10.0, "squared_norm")
    found = torch.autograd.grad(loss, policy.states)[0]
    assert found.tolist() == [close([-3 / 2, -4 / 2]), close([-6 / 2, -7 / 2]), close([-5.0, -8.0])]


def test_adaptive_takes_the_length_of_each_state_in_the_corrupted_model(policy, reference):
    """Lengths 5, 2 and 13, twice of each: the points are (6, 8), (2.4, 3.2) and (15.6, 20.8)."""
    first, second, third = squares(STATES, [[6.0, 8.0], [2.4, 3.2], [15.6, 20.8]])
    loss = adaptive_rmu_loss(policy, reference, DIRECTION, 2.0, "squared_norm")
    assert number(loss) == close(((first + second) / 2 + third) / 2)


def test_retain_states_stay_where_the_corrupted_model_has_them(policy, reference):
    loss = states_distance(policy, reference.states.detach(), "squared_norm")
    assert number(loss) == close(((0 + 1) / 2 + (16 + 144)) / 2)
    assert number(states_distance(policy, policy.states.detach(), "squared_norm")) == 0


def test_the_direction_is_the_seeds_alone_and_has_length_one_and_no_negative_entry():
    first = random_direction(64, 3)
    torch.manual_seed(0)
    state = torch.random.get_rng_state()
    assert torch.equal(random_direction(64, 3), first)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not torch.equal(random_direction(64, 4), first)
    assert number(first.norm()) == pytest.approx(1.0, abs=1e-6)
    assert first.min() >= 0
    # Uniform in [0, 1) before: the mean is sqrt(3) / 2 of the root mean square.
    mean = number(random_direction(100_000, 5).mean()) * math.sqrt(100_000)
    assert mean == pytest.approx(math.sqrt(3) / 2, abs=0.01)


@pytest.mark.parametrize("variant", ["fixed", "adaptive"])
def test_the_forget_term_uses_the_runs_seed_and_the_configured_options(policy, reference, variant):
    algorithm = RMU(RMUConfig(variant=variant, steering=10.0, scale=2.0, distance="mean_square"))
    direction = random_direction(2, 9).double()
    if variant == "fixed":
        expected = rmu_loss(policy, direction, 10.0, "mean_square")
    else:
        expected = adaptive_rmu_loss(policy, reference, direction, 2.0, "mean_square")
    assert algorithm.plan.forget_reference == (variant == "adaptive")
    assert algorithm.plan.normalizer == "sequences"
    assert number(algorithm.forget_loss(Predictions(policy, reference, seed=9))) == close(number(expected))
    assert number(algorithm.forget_loss(Predictions(policy, reference, seed=8))) != close(number(expected))


@pytest.mark.parametrize("retain", ["states", "nll", "kl"])
def test_the_retain_term_is_weighed_and_of_the_kind_that_was_asked_for(policy, reference, retain):
    algorithm = RMU(RMUConfig(retain=retain, retain_weight=4.0))
    expected = {"states": 4 * ((0 + 1) / 2 + 160) / 2, "nll": 4 * math.log(2), "kl": 0.0}
    seen = Predictions(policy, reference if algorithm.plan.retain_reference else None)
    assert number(algorithm.retain_loss(seen)) == close(expected[retain])
    assert algorithm.plan.retain_normalizer == ("sequences" if retain == "states" else "tokens")
    assert algorithm.plan.retain_reference == (retain != "nll")


def test_it_reads_what_it_needs_and_no_more():
    assert RMU(RMUConfig()).plan.budget() == (Budget.FORGET, Budget.RETAIN, Budget.REFERENCE)
    assert RMU(RMUConfig(retain="nll")).plan.budget() == (Budget.FORGET, Budget.RETAIN)
    assert RMU(RMUConfig(retain_weight=0.0)).plan.budget() == (Budget.FORGET,)
    assert RMU(RMUConfig(retain_weight=0.0, variant="adaptive")).plan.budget() == (Budget.FORGET, Budget.REFERENCE)


def test_it_trains_three_matrices_or_everything():
    assert RMU(RMUConfig()).plan.mlp_layers == 3
    assert RMU(RMUConfig(trained="all")).plan.mlp_layers is None


@pytest.mark.parametrize("layer", [0, 7, 0.0, 0.5, 7 / 32])
def test_a_layer_is_a_number_or_a_share_of_the_depth_and_stays_it(layer):
    config = ALGORITHMS.parse({"name": "rmu", "layer": layer})
    read = ALGORITHMS.parse(parse_yaml(to_yaml(config), "test"))
    assert ALGORITHMS.build(read).plan.layer == layer
    assert type(read.layer) is type(layer)


@pytest.mark.parametrize("layer", [-1, -0.5, 1.0, 7.0, math.nan, math.inf, None, "last"])
def test_what_could_be_taken_for_either_is_refused(layer):
    with pytest.raises(ValidationError):
        RMUConfig(layer=layer)
