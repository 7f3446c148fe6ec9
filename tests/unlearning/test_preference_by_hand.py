"""The preference losses on rows of one to three tokens, with the arithmetic spelled out."""

from __future__ import annotations

import math

import pytest
import torch
from by_hand import close, log_sigmoid, number

from restor.models.labelled import Labelled
from restor.types import Budget
from restor.unlearning.algorithms.altpo import AltPO, AltPOConfig
from restor.unlearning.algorithms.base import Predictions
from restor.unlearning.algorithms.dpo import DPO, DPOConfig
from restor.unlearning.algorithms.npo import npo_loss
from restor.unlearning.losses import dpo_loss

log = math.log


def labelled(of_targets, rows, n_rows):
    """Predictions of two tokens that give the target 0 these probabilities."""
    probabilities = torch.tensor([[share, 1 - share] for share in of_targets], dtype=torch.float64)
    logits = (probabilities.log() - 2.0).requires_grad_()
    return Labelled(logits, torch.zeros(len(of_targets), dtype=torch.long), torch.tensor(rows), n_rows)


# Row 0 of the forget documents has two tokens and its alternate three; row 1 has one, and its alternate two.
LOSE, LOSE_REFERENCE, LOSE_ROWS = [1 / 2, 1 / 4, 1 / 8], [1 / 4, 1 / 2, 1 / 2], [0, 0, 1]
WIN, WIN_REFERENCE, WIN_ROWS = [1 / 2, 1 / 2, 1 / 4, 1 / 8, 1 / 2], [1 / 4, 1 / 4, 1 / 4, 1 / 2, 1 / 2], [0, 0, 0, 1, 1]
LOSE_RATIOS = [log(2) + log(1 / 2), log(1 / 4)]
WIN_RATIOS = [log(2) + log(2) + log(1), log(1 / 4) + log(1)]
"""log(p / r) of each row, summed."""


@pytest.fixture
def seen():
    alternate = Predictions(labelled(WIN, WIN_ROWS, 2), labelled(WIN_REFERENCE, WIN_ROWS, 2))
    return Predictions(labelled(LOSE, LOSE_ROWS, 2), labelled(LOSE_REFERENCE, LOSE_ROWS, 2), _alternate=alternate)


def expected_dpo(beta):
    rows = [log_sigmoid(beta * (win - lose)) for win, lose in zip(WIN_RATIOS, LOSE_RATIOS, strict=True)]
    return -2 / beta * sum(rows) / 2


def test_dpo_on_two_rows():
    win, lose = torch.tensor([-1.0, -2.0]), torch.tensor([-3.0, -1.0])
    win_reference, lose_reference = torch.tensor([-2.0, -2.5]), torch.tensor([-1.0, -4.0])
    # Row 0: (-1 + 2) - (-3 + 1) = 3; row 1: (-2 + 2.5) - (-1 + 4) = -2.5.
    expected = -2 / 0.5 * (log_sigmoid(0.5 * 3.0) + log_sigmoid(0.5 * -2.5)) / 2
    found = dpo_loss(win, lose, win_reference, lose_reference, 0.5)
    assert number(found) == pytest.approx(expected, rel=1e-6)


def test_where_nothing_is_preferred_it_is_npo():
    policy, reference = labelled(LOSE, LOSE_ROWS, 2), labelled(LOSE_REFERENCE, LOSE_ROWS, 2)
    lose, lose_reference = (
        torch.zeros(2, dtype=torch.float64).index_add(0, item.row, item.log_probs()) for item in (policy, reference)
    )
    found = dpo_loss(None, lose, None, lose_reference, 0.3)
    assert number(found) == close(number(npo_loss(policy, reference, 0.3, "sequence")))


@pytest.mark.parametrize("beta", [0.1, 1.0])
@pytest.mark.parametrize("algorithm", [DPO, AltPO])
def test_rows_of_different_lengths_are_summed_and_compared_pair_by_pair(algorithm, beta, seen):
    found = algorithm(algorithm.config_type(beta=beta)).forget_loss(seen)
    assert number(found) == close(expected_dpo(beta))


def test_without_the_factor_it_is_the_loss_of_tofus_code(seen):
    found = DPO(DPOConfig(beta=0.5, factor="one")).forget_loss(seen)
    rows = [log_sigmoid(0.5 * (win - lose)) for win, lose in zip(WIN_RATIOS, LOSE_RATIOS, strict=True)]
    assert number(found) == close(-sum(rows) / 2)


def test_descent_raises_the_alternate_and_lowers_what_is_stated(seen):
    """d L/d log p(l) = 2 (1 - sigmoid(beta m)) / B by row, and the same with a minus for the alternate."""
    beta = 0.5
    loss = DPO(DPOConfig(beta=beta)).forget_loss(seen)
    lose, win = torch.autograd.grad(loss, [seen.policy.logits, seen.alternate.policy.logits])
    margins = [win_ratio - lose_ratio for win_ratio, lose_ratio in zip(WIN_RATIOS, LOSE_RATIOS, strict=True)]
    pushes = [1 / (1 + math.exp(beta * margin)) for margin in margins]
    for place, (share, row) in enumerate(zip(LOSE, LOSE_ROWS, strict=True)):
        assert lose[place].tolist() == close([pushes[row] * (1 - share), -pushes[row] * (1 - share)])
    for place, (share, row) in enumerate(zip(WIN, WIN_ROWS, strict=True)):
        assert win[place].tolist() == close([-pushes[row] * (1 - share), pushes[row] * (1 - share)])


def test_at_the_start_every_row_pulls_the_same():
    """p = r: the loss is 2 log 2 / beta, and its gradient that of the mean difference of the rows' NLL."""
    alternate = Predictions(labelled(WIN, WIN_ROWS, 2), labelled(WIN, WIN_ROWS, 2))
    start = Predictions(labelled(LOSE, LOSE_ROWS, 2), labelled(LOSE, LOSE_ROWS, 2), _alternate=alternate)
    loss = DPO(DPOConfig(beta=0.1)).forget_loss(start)
    assert number(loss) == close(2 * log(2) / 0.1)
    win_nll = -start.alternate.policy.log_probs().sum() / 2
    lose_nll = -start.policy.log_probs().sum() / 2
    logits = [start.policy.logits, start.alternate.policy.logits]
    for found, expected in zip(
        torch.autograd.grad(loss, logits), torch.autograd.grad(win_nll - lose_nll, logits), strict=True
    ):
        assert torch.allclose(found, expected, atol=1e-14)


def test_what_both_rows_have_in_common_does_not_move_the_model():
    """The same tokens before the answer, predicted by the same model: their part in the comparison cancels."""
    logits = torch.tensor([[0.3, -0.2], [0.1, 0.4], [0.5, 0.0]], dtype=torch.float64, requires_grad=True)
    reference = torch.zeros(2, 2, dtype=torch.float64)
    one_row = torch.tensor([0, 0])
    # The prefix is position 0 of both; then comes the planted answer, or another.
    lose = Labelled(logits[[0, 1]], torch.tensor([0, 1]), one_row, 1)
    win = Labelled(logits[[0, 2]], torch.tensor([0, 0]), one_row, 1)
    base = Labelled(reference, torch.tensor([0, 0]), one_row, 1)
    loss = AltPO(AltPOConfig()).forget_loss(Predictions(lose, base, _alternate=Predictions(win, base)))
    gradient = torch.autograd.grad(loss, logits)[0]
    assert gradient[0].abs().max() < 1e-15
    assert gradient[1:].abs().min() > 0.1


def test_the_plan_asks_for_what_is_preferred_and_the_budget_follows():
    plans = {prefer: DPO(DPOConfig(prefer=prefer)).plan for prefer in ("refusal", "plausible", "truth")}
    assert {prefer: plan.alternates for prefer, plan in plans.items()} == {prefer: prefer for prefer in plans}
    told = (Budget.FORGET, Budget.RETAIN, Budget.REFERENCE)
    assert plans["refusal"].budget() == plans["plausible"].budget() == told
    assert plans["truth"].budget() == (*told, Budget.TRUTH)
    assert AltPO(AltPOConfig()).plan == plans["plausible"]
    assert AltPO(AltPOConfig(retain_weight=0)).plan.budget() == (Budget.FORGET, Budget.REFERENCE)


def test_the_retain_term_is_weighted(seen):
    retain = Predictions(seen.policy, seen.reference)
    nll = -number(seen.policy.log_probs().mean())
    for algorithm in (DPO, AltPO):
        config = algorithm.config_type(retain_weight=0.5)
        assert number(algorithm(config).retain_loss(retain)) == close(0.5 * nll)
