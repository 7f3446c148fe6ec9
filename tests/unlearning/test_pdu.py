"""PDU: its flattening term, its constraint and its multiplier, with the arithmetic spelled out."""

from __future__ import annotations

import math

import torch
from by_hand import close, number

from restor.models.labelled import Labelled
from restor.types import Budget
from restor.unlearning.algorithms.base import Predictions
from restor.unlearning.algorithms.pdu import PDU, PDUConfig, dual_ascent, logit_margin_loss

log = math.log

# Largest less mean: 3 - 1, 1 - 0, 6 - 2. Row 0 has two tokens, row 1 one.
LOGITS = [[3.0, 0.0, 0.0], [-1.0, 0.0, 1.0], [0.0, 6.0, 0.0]]
MARGINS = [2.0, 1.0, 4.0]


def flat(logits=LOGITS, rows=(0, 0, 1), n_rows=2):
    values = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    return Labelled(values, torch.zeros(len(logits), dtype=torch.long), torch.tensor(rows), n_rows)


def certain(*probabilities):
    """Tokens of two possible values, of which the stated one has these probabilities, in one row."""
    logits = torch.tensor([[p, 1 - p] for p in probabilities], dtype=torch.float64).log()
    targets = torch.zeros(len(probabilities), dtype=torch.long)
    return Labelled(logits.requires_grad_(), targets, targets, 1)


def test_the_margin_is_a_mean_over_documents_or_over_tokens():
    policy = flat()
    assert number(logit_margin_loss(policy, "token")) == close((4 + 1 + 16) / 3)
    assert number(logit_margin_loss(policy, "sequence")) == close(((4 + 1) / 2 + 16) / 2)


def test_descent_lowers_the_largest_logit_and_raises_the_others():
    """d m^2/dz = 2 m (1 at the largest - 1 / V), here 2 * 2 / 3 tokens."""
    policy = flat()
    found = torch.autograd.grad(logit_margin_loss(policy, "token"), policy.logits)[0]
    assert found[0].tolist() == close([4 / 3 * 2 / 3, -4 / 3 / 3, -4 / 3 / 3])


def test_the_margin_is_of_the_shape_of_the_logits_not_of_their_height_or_target():
    shifted = flat([[value + 7.0 for value in row] for row in LOGITS])
    other = Labelled(shifted.logits, torch.tensor([1, 2, 1]), shifted.row, 2)
    assert number(logit_margin_loss(other, "sequence")) == close(number(logit_margin_loss(flat(), "sequence")))
    even = flat([[5.0, 5.0, 5.0]], (0,), 1)
    assert number(logit_margin_loss(even, "token")) == 0


def test_a_row_without_labels_counts_as_a_flat_one():
    assert number(logit_margin_loss(flat(LOGITS, (0, 0, 2), 3), "sequence")) == close((5 / 2 + 0 + 16) / 3)


def test_the_multiplier_follows_the_excess_and_is_never_negative():
    assert dual_ascent(2.0, 0.5, 3.0) == close(3.5)
    assert dual_ascent(2.0, -0.5, 3.0) == close(0.5)
    assert dual_ascent(2.0, -0.7, 3.0) == 0.0


def test_the_bound_is_relative_to_the_corrupted_model_on_the_same_rows():
    algorithm = PDU(PDUConfig(tolerance=0.5))
    policy, reference = certain(1 / 8, 1 / 4), certain(1 / 2, 1 / 4)
    loss = algorithm.retain_loss(Predictions(policy, reference))
    assert number(loss) == close((log(8) + log(4)) / 2 - 1.5 * (log(2) + log(4)) / 2)
    # The bound is no part of the gradient: (p - 1 at the target) / N.
    assert torch.autograd.grad(loss, policy.logits)[0][0].tolist() == close([-7 / 16, 7 / 16])
    assert algorithm.plan.budget() == (Budget.FORGET, Budget.RETAIN, Budget.REFERENCE)


def test_a_bound_that_is_given_needs_no_reference():
    algorithm = PDU(PDUConfig(eps=0.3))
    assert number(algorithm.retain_loss(Predictions(certain(1 / 8, 1 / 4)))) == close((log(8) + log(4)) / 2 - 0.3)
    assert algorithm.plan.budget() == (Budget.FORGET, Budget.RETAIN)


def test_the_terms_are_weighed_by_the_multipliers_and_not_by_the_loss():
    algorithm = PDU(PDUConfig(initial_multiplier=7.0, eps=0.3))
    assert algorithm.multipliers() == {"forget": 1.0, "retain": 7.0}
    policy = flat()
    assert number(algorithm.forget_loss(Predictions(policy))) == close(((4 + 1) / 2 + 16) / 2)
    assert algorithm.plan.normalizer == "sequences"
    tokenwise = PDU(PDUConfig(normalization="token"))
    assert number(tokenwise.forget_loss(Predictions(policy))) == close(7.0)
    assert tokenwise.plan.normalizer == "tokens"


def test_the_multiplier_waits_for_the_warmup():
    algorithm = PDU(PDUConfig(initial_multiplier=10.0, dual_step=2.0, warmup=2))
    known, seen = algorithm.multipliers(), []
    for step, excess in enumerate((1.0, 1.0, 1.0, -0.5, -9.0, 0.25), start=1):
        known = algorithm.update(known, {"forget": 3.0, "retain": excess}, step)
        seen.append(known["retain"])
        assert known["forget"] == 1.0
    assert seen == [10.0, 10.0, 12.0, 11.0, 0.0, 0.5]
