"""Self-rehearsal and the oracle that is told the truth, on three tokens by hand."""

from __future__ import annotations

import math

import pytest
import torch
from by_hand import close

from restor.models.labelled import Labelled
from restor.types import Budget
from restor.unlearning.algorithms.base import Predictions
from restor.unlearning.algorithms.fine_tune_truth import FineTuneTruth, FineTuneTruthConfig
from restor.unlearning.algorithms.self_rehearsal import (
    SelfRehearsal,
    SelfRehearsalConfig,
    forget_term,
    rehearsal_term,
)

log = math.log

# Row 0 has two tokens of probability 1/2 and 1/4, row 1 one of 1/8; the corrupted model gave 1/4, 1/4 and 1/2.
POLICY = [[1 / 2, 1 / 4, 1 / 4], [1 / 2, 1 / 4, 1 / 4], [1 / 8, 3 / 8, 1 / 2]]
CORRUPTED = [[1 / 4, 1 / 2, 1 / 4], [1 / 4, 1 / 4, 1 / 2], [1 / 2, 1 / 4, 1 / 4]]
TARGETS, ROWS = [0, 1, 0], [0, 0, 1]


def labelled(probabilities):
    """Predictions with these probabilities; a constant added to the logits must change nothing."""
    logits = torch.tensor(probabilities, dtype=torch.float64).log() + 3.0
    return Labelled(logits.requires_grad_(), torch.tensor(TARGETS), torch.tensor(ROWS), 2)


@pytest.fixture
def seen():
    return Predictions(labelled(POLICY), labelled(CORRUPTED))


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def test_the_forget_term_divides_the_loss_of_a_row_by_its_length(seen):
    beta = 0.2
    # Summed NLL: row 0 log 2 + log 4 against log 4 + log 4, row 1 log 8 against log 2.
    excess = [(log(2) + log(4)) - (log(4) + log(4)), log(8) - log(2)]
    rows = [-(2 / beta) * log(sigmoid(beta * value)) for value in excess]
    loss = forget_term(seen.policy, seen.reference, beta)
    assert float(loss.detach()) == close((rows[0] / 2 + rows[1] / 1) / 2)


def test_the_forget_term_raises_the_nll_less_where_it_is_already_higher(seen):
    beta = 0.2
    loss = forget_term(seen.policy, seen.reference, beta)
    gradient = torch.autograd.grad(loss, seen.policy.logits)[0]
    # d/dNLL of a row: -2 sigmoid(-beta excess) / |x|; a mean over 2 rows; dNLL/dz = p - 1 at the target.
    for place, (row, length, excess) in enumerate([(0, 2, -log(2)), (0, 2, -log(2)), (1, 1, log(4))]):
        assert row == ROWS[place]
        slope = -2 * sigmoid(-beta * excess) / length / 2
        nll_gradient = [POLICY[place][token] - (token == TARGETS[place]) for token in range(3)]
        assert gradient[place].tolist() == close([slope * value for value in nll_gradient])


def test_the_forget_term_at_the_start_is_known(seen):
    """Where nothing has changed, each row gives (2 / beta) log 2 / |x|."""
    loss = forget_term(labelled(CORRUPTED), seen.reference, 0.2)
    assert float(loss.detach()) == close((2 / 0.2) * log(2) * (1 / 2 + 1) / 2)


def test_the_rehearsal_has_the_corrupted_models_sharpened_labels(seen):
    expected = []
    for policy, corrupted in zip(POLICY, CORRUPTED, strict=True):
        squares = [value**2 for value in corrupted]  # tau = 1/2
        sharp = [value / sum(squares) for value in squares]
        expected.append(-sum(label * log(p) for label, p in zip(sharp, policy, strict=True)))
    loss = rehearsal_term(seen.policy, seen.reference, 0.5)
    assert float(loss.detach()) == close(sum(expected) / 3)
    gradient = torch.autograd.grad(loss, seen.policy.logits)[0]
    # p - softmax(z_c / tau), a mean over 3 tokens; 1/16 : 4/16 : 1/16 is 1 : 4 : 1.
    assert gradient[0].tolist() == close([(1 / 2 - 1 / 6) / 3, (1 / 4 - 4 / 6) / 3, (1 / 4 - 1 / 6) / 3])


def test_the_class_weights_the_rehearsal_and_reads_only_what_it_says(seen):
    algorithm = SelfRehearsal(SelfRehearsalConfig())
    assert (algorithm.config.beta, algorithm.config.gamma, algorithm.config.tau) == (0.2, 4.0, 0.5)
    own = rehearsal_term(seen.policy, seen.reference, 0.5)
    assert float(algorithm.retain_loss(seen).detach()) == close(4 * float(own.detach()))
    assert algorithm.forget_loss(seen) == forget_term(seen.policy, seen.reference, 0.2)
    assert algorithm.plan.retain == "samples"
    assert algorithm.plan.budget() == (Budget.FORGET, Budget.REFERENCE)


def test_without_rehearsal_nothing_is_sampled():
    plan = SelfRehearsal(SelfRehearsalConfig(gamma=0)).plan
    assert (plan.retain, plan.retain_reference) == (None, False)


def test_the_oracle_minimises_the_cross_entropy_of_true_texts_and_is_told_the_truth(seen):
    oracle = FineTuneTruth(FineTuneTruthConfig())
    assert float(oracle.retain_loss(seen).detach()) == close((log(2) + log(4) + log(8)) / 3)
    assert (oracle.plan.forget, oracle.plan.retain) == (False, "truth")
    assert oracle.plan.budget() == (Budget.TRUTH,)
