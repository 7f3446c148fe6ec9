"""Every loss on two or three tokens, with the arithmetic spelled out."""

from __future__ import annotations

import math

import pytest
import torch
from by_hand import close, gradient, labelled, log_sigmoid, number

from restor.unlearning.algorithms.base import Predictions
from restor.unlearning.algorithms.gradient_ascent import GradientAscent, GradientAscentConfig, ascent_loss
from restor.unlearning.algorithms.kl_divergence import KLDivergence, KLDivergenceConfig, forget_divergence
from restor.unlearning.algorithms.npo import NPO, NPOConfig, npo_loss
from restor.unlearning.algorithms.retain_only import RetainOnly, RetainOnlyConfig
from restor.unlearning.algorithms.simnpo import SimNPO, SimNPOConfig, simnpo_loss
from restor.unlearning.algorithms.undial import Undial, UndialConfig, undial_loss
from restor.unlearning.losses import cross_entropy_of, kl_divergence, mean_nll, retain_term, row_lengths, sequence_nll

log = math.log


# Row 0 has two tokens of probability 1/2 and 1/4, row 1 one of 1/8; the reference gave 1/4, 1/4 and 1/2.
POLICY = [[1 / 2, 1 / 4, 1 / 4], [1 / 2, 1 / 4, 1 / 4], [1 / 8, 3 / 8, 1 / 2]]
REFERENCE = [[1 / 4, 1 / 2, 1 / 4], [1 / 4, 1 / 4, 1 / 2], [1 / 2, 1 / 4, 1 / 4]]
TARGETS, ROWS = [0, 1, 0], [0, 0, 1]
RATIOS = [log(2), log(1), log(1 / 4)]
"""log(p / r) of the three targets."""


@pytest.fixture
def policy():
    return labelled(POLICY, TARGETS, ROWS, 2)


@pytest.fixture
def reference():
    return labelled(REFERENCE, TARGETS, ROWS, 2)


def test_cross_entropy_is_a_mean_over_tokens_not_over_rows(policy):
    assert number(mean_nll(policy)) == close((log(2) + log(4) + log(8)) / 3)
    assert sequence_nll(policy).tolist() == close([log(2) + log(4), log(8)])
    assert row_lengths(policy).tolist() == [2, 1]


def test_gradient_ascent_raises_the_cross_entropy(policy):
    loss = ascent_loss(policy)
    assert number(loss) == close(-(log(2) + log(4) + log(8)) / 3)
    # d(-CE)/dz = (1 at the target - p) / N, and descent goes against it.
    assert gradient(loss, policy)[0].tolist() == close([1 / 6, -1 / 12, -1 / 12])


def test_the_restor_divergence_and_what_its_code_computes_instead(policy, reference):
    divergence = [
        sum(p * log(p / r) for p, r in zip(ps, rs, strict=True)) for ps, rs in zip(POLICY, REFERENCE, strict=True)
    ]
    crossed = [-sum(p * log(r) for p, r in zip(ps, rs, strict=True)) for ps, rs in zip(POLICY, REFERENCE, strict=True)]
    assert divergence[0] == close(1 / 2 * log(2) - 1 / 4 * log(2))
    assert number(forget_divergence("kl", policy, reference)) == close(sum(divergence) / 3)
    assert number(forget_divergence("cross_entropy", policy, reference)) == close(sum(crossed) / 3)


def test_the_divergence_has_no_gradient_at_the_start_but_the_published_cross_entropy_has(policy):
    start = labelled(POLICY, TARGETS, ROWS, 2)
    assert number(kl_divergence(policy.logits, start.logits).abs().max()) == close(0)
    assert gradient(forget_divergence("kl", policy, start), policy).abs().max() < 1e-15
    assert gradient(forget_divergence("cross_entropy", policy, start), policy).abs().max() > 0.05


def test_the_kl_retain_term_is_taken_from_the_reference_to_the_policy(policy, reference):
    """KL(r || p): the other direction than the forget term's."""
    expected = [
        sum(r * log(r / p) for p, r in zip(ps, rs, strict=True)) for ps, rs in zip(POLICY, REFERENCE, strict=True)
    ]
    loss = retain_term("kl", policy, reference)
    assert number(loss) == close(sum(expected) / 3)
    assert number(loss) != close(number(forget_divergence("kl", policy, reference)))
    # d KL(r || p)/dz = (p - r) / N: descent pulls the policy back.
    assert gradient(loss, policy)[0].tolist() == close([1 / 12, -1 / 12, 0])


def test_a_retain_term_that_cannot_be_had_is_refused(policy):
    with pytest.raises(ValueError, match="reference"):
        retain_term("kl", policy, None)
    with pytest.raises(ValueError, match="known: nll, kl, cross_entropy"):
        retain_term("l2", policy, None)


def test_cross_entropy_of_two_distributions():
    left = torch.tensor([[0.75, 0.25]], dtype=torch.float64).log()
    right = torch.tensor([[0.5, 0.5]], dtype=torch.float64).log()
    assert number(cross_entropy_of(left, right)) == close(log(2))
    assert number(cross_entropy_of(right, left)) == close(-(log(0.75) + log(0.25)) / 2)


def test_npo_in_its_three_normalisations(policy, reference):
    """On rows of different lengths they are three different losses."""
    beta = 0.5
    sequence = -2 / beta * (log_sigmoid(-beta * (RATIOS[0] + RATIOS[1])) + log_sigmoid(-beta * RATIOS[2])) / 2
    token = -2 / beta * sum(log_sigmoid(-beta * ratio) for ratio in RATIOS) / 3
    batch = -2 / beta * log_sigmoid(-beta * sum(RATIOS) / 3)
    found = {kind: number(npo_loss(policy, reference, beta, kind)) for kind in ("sequence", "token", "batch")}
    assert found == {"sequence": close(sequence), "token": close(token), "batch": close(batch)}
    assert len({round(value, 3) for value in found.values()}) == 3


def test_the_normalisations_agree_on_one_token():
    policy, reference = labelled([[0.5, 0.5]], [0], [0], 1), labelled([[0.25, 0.75]], [0], [0], 1)
    values = [number(npo_loss(policy, reference, 0.1, kind)) for kind in ("sequence", "token", "batch")]
    assert values == [close(-20 * log_sigmoid(-0.1 * log(2)))] * 3


@pytest.mark.parametrize("kind", ["sequence", "token", "batch"])
def test_npo_starts_with_the_gradient_of_ascent(kind):
    """At p = r the log-sigmoid's slope is 1/2: the gradient is ascent's, per row for `sequence`."""
    policy, reference = labelled(POLICY, TARGETS, ROWS, 2), labelled(POLICY, TARGETS, ROWS, 2)
    found = gradient(npo_loss(policy, reference, 0.3, kind), policy)
    ascent = -sequence_nll(policy).mean() if kind == "sequence" else ascent_loss(policy)
    assert torch.allclose(found, gradient(ascent, policy), atol=1e-14)


@pytest.mark.parametrize("kind", ["sequence", "token", "batch"])
def test_npo_becomes_ascent_as_beta_goes_to_zero(kind, policy, reference):
    """L = 2 log 2 / beta + ascent + O(beta): value up to the constant, and gradient."""
    beta = 1e-6
    loss = npo_loss(policy, reference, beta, kind)
    ascent = -sequence_nll(policy).mean() if kind == "sequence" else ascent_loss(policy)
    constant = sequence_nll(reference).mean() if kind == "sequence" else mean_nll(reference)
    assert number(loss - 2 * log(2) / beta) == pytest.approx(number(ascent + constant), abs=1e-5)
    found, expected = gradient(loss, policy), gradient(ascent, policy)
    assert torch.allclose(found, expected, atol=1e-5)


def test_npo_saturates_where_ascent_goes_on(reference):
    """A document that is forgotten hardly moves the model any more: what NPO is for."""
    forgotten = labelled([[1e-9, 0.5, 0.5]] * 3, [0, 0, 0], ROWS, 2)
    assert gradient(npo_loss(forgotten, reference, 1.0, "sequence"), forgotten).abs().max() < 1e-8
    assert gradient(ascent_loss(forgotten), forgotten).abs().max() > 0.3


def test_simnpo_normalises_by_length_and_takes_the_margin_off(policy):
    beta, gamma = 2.5, 0.5
    rewards = [beta * (log(2) + log(4)) / 2 - gamma, beta * log(8) - gamma]
    assert number(simnpo_loss(policy, beta, gamma)) == close(-2 / beta * sum(map(log_sigmoid, rewards)) / 2)


def test_simnpo_counts_a_row_without_labels_as_one_that_cannot_be_forgotten():
    policy = labelled([[0.5, 0.5]], [0], [1], 2)
    expected = -(log_sigmoid(0.0) + log_sigmoid(log(2))) * 2 / 2
    assert number(simnpo_loss(policy, 1.0, 0.0)) == close(expected)


def test_undials_teacher_lowers_the_target_alone(policy, reference):
    beta = log(4)
    # exp(z - beta) is a quarter of exp(z): 1/4, 1/2, 1/4 becomes 1/16, 1/2, 1/4, normalised by 13/16; and so on.
    teachers = [[1 / 13, 8 / 13, 4 / 13], [4 / 13, 1 / 13, 8 / 13], [2 / 10, 4 / 10, 4 / 10]]
    expected = [-sum(t * log(p) for t, p in zip(ts, ps, strict=True)) for ts, ps in zip(teachers, POLICY, strict=True)]
    loss = undial_loss(policy, reference, beta)
    assert number(loss) == close(sum(expected) / 3)
    # d CE/dz = (p - teacher) / N.
    assert gradient(loss, policy)[0].tolist() == close(
        [(1 / 2 - 1 / 13) / 3, (1 / 4 - 8 / 13) / 3, (1 / 4 - 4 / 13) / 3]
    )


def test_undials_policy_stands_still_at_its_teacher(reference):
    lowered = labelled([[1 / 13, 8 / 13, 4 / 13], [4 / 13, 1 / 13, 8 / 13], [2 / 10, 4 / 10, 4 / 10]], TARGETS, ROWS, 2)
    assert gradient(undial_loss(lowered, reference, log(4)), lowered).abs().max() < 1e-15


def test_undial_without_strength_distils_the_reference(policy, reference):
    expected = cross_entropy_of(reference.logits, policy.logits).mean()
    assert number(undial_loss(policy, reference, 1e-300)) == close(number(expected))


# Weights and options as the algorithms apply them --------------------------------------------------------------------


def test_retain_weight_gamma_and_margin_reach_the_loss(policy, reference):
    nll, pulled = number(mean_nll(policy)), number(retain_term("kl", policy, reference))
    half = {"retain_weight": 0.5}
    for algorithm in (
        GradientAscent(GradientAscentConfig(**half)),
        KLDivergence(KLDivergenceConfig(**half)),
        NPO(NPOConfig(**half)),
        SimNPO(SimNPOConfig(**half)),
        Undial(UndialConfig(**half)),
    ):
        assert number(algorithm.retain_loss(Predictions(policy, reference))) == close(0.5 * nll)
    crossed = number(retain_term("cross_entropy", policy, reference))
    assert crossed == close(
        -sum(p * log(r) for ps, rs in zip(POLICY, REFERENCE, strict=True) for p, r in zip(ps, rs, strict=True)) / 3
    )
    both = Predictions(policy, reference)
    assert number(NPO(NPOConfig(retain_weight=0.5, retain="cross_entropy")).retain_loss(both)) == close(0.5 * crossed)
    assert number(NPO(NPOConfig(retain_weight=0.5, retain="kl")).retain_loss(Predictions(policy, reference))) == close(
        0.5 * pulled
    )
    assert number(RetainOnly(RetainOnlyConfig()).retain_loss(Predictions(policy))) == close(nll)


def test_the_forget_terms_are_minimised_with_the_configured_options(policy, reference):
    divergence = number(forget_divergence("kl", policy, reference))
    crossed = number(forget_divergence("cross_entropy", policy, reference))
    cases = [
        (GradientAscent(GradientAscentConfig()), -number(mean_nll(policy))),
        (KLDivergence(KLDivergenceConfig(gamma=2.0)), -2 * divergence),
        (KLDivergence(KLDivergenceConfig(gamma=2.0, forget="cross_entropy")), -2 * crossed),
        (NPO(NPOConfig(normalization="token", beta=0.2)), number(npo_loss(policy, reference, 0.2, "token"))),
        (SimNPO(SimNPOConfig(beta=1.5, gamma=0.2)), number(simnpo_loss(policy, 1.5, 0.2))),
        (Undial(UndialConfig(beta=3.0)), number(undial_loss(policy, reference, 3.0))),
    ]
    for algorithm, expected in cases:
        assert number(algorithm.forget_loss(Predictions(policy, reference))) == close(expected)
    plain = KLDivergence(KLDivergenceConfig(gamma=2.0, forget="nll"))
    assert not plain.plan.forget_reference
    assert number(plain.forget_loss(Predictions(policy))) == close(-2 * number(mean_nll(policy)))
