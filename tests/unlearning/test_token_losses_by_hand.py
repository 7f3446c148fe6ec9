"""WGA, SatImp and CE-U on three tokens, with the arithmetic spelled out."""

from __future__ import annotations

import math

import pytest
import torch
from by_hand import close, gradient, labelled, number

from restor.models.labelled import Labelled
from restor.unlearning.algorithms.base import Predictions
from restor.unlearning.algorithms.ceu import CEU, CEUConfig, ceu_loss, place_in_row
from restor.unlearning.algorithms.gradient_ascent import ascent_loss
from restor.unlearning.algorithms.satimp import SatImp, SatImpConfig, satimp_loss
from restor.unlearning.algorithms.undial import undial_loss
from restor.unlearning.algorithms.wga import WGA, WGAConfig, wga_loss
from restor.unlearning.losses import kl_divergence

log = math.log

# Row 0 has two tokens of probability 1/2 and 1/4, row 1 one of 1/8.
POLICY = [[1 / 2, 1 / 4, 1 / 4], [1 / 2, 1 / 4, 1 / 4], [1 / 8, 3 / 8, 1 / 2]]
TARGETS, ROWS = [0, 1, 0], [0, 0, 1]
LIKELY = [1 / 2, 1 / 4, 1 / 8]


@pytest.fixture
def policy():
    return labelled(POLICY, TARGETS, ROWS, 2)


# WGA -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [0.5, 1.0, 5.0])
def test_wga_weighs_the_ascent_by_a_power_of_the_probability(policy, beta):
    assert number(wga_loss(policy, beta)) == close(sum(p**beta * log(p) for p in LIKELY) / 3)


def test_wgas_weight_is_held_constant(policy):
    """d(w log p)/dz = w (1 at the target - p) / N; with beta 1 that is the gradient of the probability itself."""
    found = gradient(wga_loss(policy, 1.0), policy)
    assert found[0].tolist() == close([1 / 2 * 1 / 2 / 3, -1 / 2 * 1 / 4 / 3, -1 / 2 * 1 / 4 / 3])
    assert torch.allclose(found, gradient(policy.log_probs().exp().mean(), policy), atol=1e-15)


def test_wga_becomes_gradient_ascent_as_beta_goes_to_zero(policy):
    assert number(wga_loss(policy, 1e-9)) == pytest.approx(number(ascent_loss(policy)), abs=1e-8)
    assert torch.allclose(gradient(wga_loss(policy, 1e-9), policy), gradient(ascent_loss(policy), policy), atol=1e-8)


def test_wga_leaves_a_forgotten_token_alone_where_ascent_goes_on():
    forgotten = labelled([[1e-9, 0.5, 0.5]], [0], [0], 1)
    assert gradient(wga_loss(forgotten, 1.0), forgotten).abs().max() < 1e-8
    assert gradient(ascent_loss(forgotten), forgotten).abs().max() > 0.9


# SatImp --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("beta1", "beta2"), [(5.0, 1.0), (5.0, 0.1), (0.0, 2.0), (0.0, 0.0)])
def test_satimp_weighs_by_saturation_and_by_importance(policy, beta1, beta2):
    expected = sum(p**beta1 * (1 - p) ** beta2 * log(p) for p in LIKELY) / 3
    assert number(satimp_loss(policy, beta1, beta2)) == close(expected)


def test_satimps_weight_is_held_constant(policy):
    weight = (1 / 2) ** 5 * (1 / 2) ** 1
    expected = [weight * 1 / 2 / 3, -weight * 1 / 4 / 3, -weight * 1 / 4 / 3]
    assert gradient(satimp_loss(policy, 5.0, 1.0), policy)[0].tolist() == close(expected)


def test_satimp_without_importance_is_wga(policy):
    assert number(satimp_loss(policy, 2.0, 0.0)) == close(number(wga_loss(policy, 2.0)))


def test_satimp_pushes_hardest_at_the_balance_of_its_exponents():
    weights = [p**5 * (1 - p) for p in (0.5, 5 / 6, 0.999)]
    tokens = [labelled([[p, 1 - p]], [0], [0], 1) for p in (0.5, 5 / 6, 0.999)]
    found = [number(satimp_loss(item, 5.0, 1.0)) / number(item.log_probs()[0]) for item in tokens]
    assert found == close(weights)
    assert found[1] == max(found)


@pytest.mark.parametrize("beta2", [0.1, 1.0])
def test_a_token_that_is_certain_in_float32_has_a_finite_gradient(beta2):
    logits = torch.tensor([[60.0, 0.0], [0.0, 60.0]], requires_grad=True)
    certain = Labelled(logits, torch.tensor([0, 0]), torch.tensor([0, 0]), 1)
    assert torch.isfinite(gradient(satimp_loss(certain, 5.0, beta2), certain)).all()
    assert torch.isfinite(gradient(wga_loss(certain, 5.0), certain)).all()
    # CE-U moves it at full strength: all of the probability goes to the other tokens.
    assert gradient(ceu_loss(certain), certain)[0].tolist() == pytest.approx([1 / 2, -1 / 2])


# CE-U ----------------------------------------------------------------------------------------------------------------

# The target out, the rest normalised again: 1/4 and 1/4 become 1/2 each; 1/2 and 1/4 two and one third; and so on.
TEACHERS = [[0, 1 / 2, 1 / 2], [2 / 3, 0, 1 / 3], [0, 3 / 7, 4 / 7]]
CROSSED = [-sum(t * log(p) for t, p in zip(ts, ps, strict=True) if t) for ts, ps in zip(TEACHERS, POLICY, strict=True)]


def test_ceu_distils_the_policy_without_its_target(policy):
    assert number(ceu_loss(policy)) == close(sum(CROSSED) / 3)


def test_ceus_teacher_is_held_constant(policy):
    """d CE/dz = (p - teacher) / N."""
    found = gradient(ceu_loss(policy), policy)
    for row, (ps, ts) in zip(found.tolist(), zip(POLICY, TEACHERS, strict=True), strict=True):
        assert row == close([(p - t) / 3 for p, t in zip(ps, ts, strict=True)])


def test_ceus_gradient_is_that_of_the_probability_of_anything_else(policy):
    anything_else = -torch.log(1 - policy.log_probs().exp()).mean()
    assert torch.allclose(gradient(ceu_loss(policy), policy), gradient(anything_else, policy), atol=1e-15)


def test_ceu_is_undial_without_bounds_whose_reference_is_the_policy(policy):
    itself = Labelled(policy.logits.detach(), policy.targets, policy.row, policy.n_rows)
    assert number(undial_loss(policy, itself, 1e4)) == close(number(ceu_loss(policy)))


def test_ceu_leaves_out_the_first_tokens_of_each_row(policy):
    assert place_in_row(policy).tolist() == [0, 1, 0]
    loss = ceu_loss(policy, 1)
    assert number(loss) == close(CROSSED[1])
    assert gradient(loss, policy)[[0, 2]].abs().max() == 0


def test_places_count_within_rows_some_of_which_are_empty():
    policy = labelled([[0.5, 0.5]] * 4, [0] * 4, [1, 1, 3, 3], 5)
    assert place_in_row(policy).tolist() == [0, 1, 0, 1]


def test_a_batch_of_which_nothing_is_left_moves_nothing(policy):
    loss = ceu_loss(policy, 2)
    assert number(loss) == 0
    assert gradient(loss, policy).abs().max() == 0


def test_ceu_that_leaves_tokens_out_cannot_be_taken_in_parts():
    """How many are left of a part is not what the parts are weighed by."""
    assert CEU(CEUConfig()).plan.normalizer == "tokens"
    assert CEU(CEUConfig(ignore_first_n=1)).plan.normalizer == "batch"


# As the algorithms apply them ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        (WGA(WGAConfig(beta=2.0)), sum(p**2 * log(p) for p in LIKELY) / 3),
        (SatImp(SatImpConfig(beta1=2.0, beta2=3.0)), sum(p**2 * (1 - p) ** 3 * log(p) for p in LIKELY) / 3),
        (CEU(CEUConfig()), sum(CROSSED) / 3),
        (CEU(CEUConfig(ignore_first_n=1)), CROSSED[1]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_forget_terms_are_minimised_with_the_configured_options(policy, algorithm, expected):
    assert not algorithm.plan.forget_reference
    assert number(algorithm.forget_loss(Predictions(policy))) == close(expected)


@pytest.mark.parametrize("kind", [(WGA, WGAConfig), (SatImp, SatImpConfig), (CEU, CEUConfig)], ids=lambda kind: kind[0])
def test_the_retain_term_is_weighed_and_of_the_kind_that_was_asked_for(policy, kind):
    algorithm, config = kind
    reference = labelled([[1 / 4, 1 / 2, 1 / 4], [1 / 4, 1 / 4, 1 / 2], [1 / 2, 1 / 4, 1 / 4]], TARGETS, ROWS, 2)
    plain = algorithm(config(retain_weight=0.5))
    assert plain.plan.retain == "text"
    assert not plain.plan.retain_reference
    assert number(plain.retain_loss(Predictions(policy))) == close(-0.5 * sum(map(log, LIKELY)) / 3)
    pulled = algorithm(config(retain_weight=0.5, retain="kl"))
    assert pulled.plan.retain_reference
    expected = 0.5 * number(kl_divergence(reference.logits, policy.logits).mean())
    assert number(pulled.retain_loss(Predictions(policy, reference))) == close(expected)
    assert algorithm(config(retain_weight=0.0, retain="kl")).plan.retain is None


def test_ceu_reads_no_retain_text_by_default_and_the_others_do():
    assert CEU(CEUConfig()).plan.retain is None
    assert SatImp(SatImpConfig()).plan.retain == WGA(WGAConfig()).plan.retain == "text"
