"""The losses that distil a teacher made from several models, on two tokens, with the arithmetic spelled out."""

from __future__ import annotations

import math

import pytest
import torch
from by_hand import close, number
from pydantic import ValidationError

from restor.models.labelled import Labelled
from restor.types import Budget
from restor.unlearning.algorithms._assistant import AssistantLoss
from restor.unlearning.algorithms.base import Predictions, Teacher
from restor.unlearning.algorithms.counterfactual_teacher import (
    CounterfactualTeacher,
    CounterfactualTeacherConfig,
    distillation_loss,
    generic_logits,
)
from restor.unlearning.algorithms.delta import Delta, DeltaConfig, offset_logits
from restor.unlearning.algorithms.uld import ULD, ULDConfig, difference_logits

log = math.log

# Two tokens of one row, three words. The first is planted in both.
POLICY = [[1 / 2, 1 / 4, 1 / 4], [1 / 8, 3 / 8, 1 / 2]]
CORRUPTED = [[0.0, 1.0, -1.0], [2.0, 0.5, 0.0]]
OTHER = [[1.0, 0.5, -1.0], [3.0, 0.0, 1.0]]
THIRD = [[0.5, 0.0, 1.0], [-1.0, 2.0, 0.0]]
TARGETS = [0, 0]


def logits_of(rows):
    return torch.tensor(rows, dtype=torch.float64)


def labelled(logits):
    return Labelled(logits, torch.tensor(TARGETS), torch.tensor([0, 0]), 1)


def predictions(reference=CORRUPTED, **teachers):
    policy = labelled((logits_of(POLICY).log() + 1.0).requires_grad_())
    return Predictions(
        policy,
        None if reference is None else labelled(logits_of(reference)),
        {name: labelled(logits_of(rows)) for name, rows in teachers.items()},
    )


def softmax(values):
    total = sum(math.exp(value) for value in values)
    return [math.exp(value) / total for value in values]


def cross_entropy(teachers):
    """Of the policy against teachers given as logits, mean over the two tokens."""
    return sum(
        -sum(share * log(p) for share, p in zip(softmax(row), ps, strict=True))
        for row, ps in zip(teachers, POLICY, strict=True)
    ) / len(POLICY)


def gradient(loss, seen):
    return torch.autograd.grad(loss, seen.policy.logits)[0]


# Counterfactual teacher ----------------------------------------------------------------------------------------------

# Only what reinforcement raises goes down: 1.0 at the first word, then 1.0 at the first and the last.
GENERIC = [[0.0 - 2 * 1.0, 1.0, -1.0], [2.0 - 2 * 1.0, 0.5, 0.0 - 2 * 1.0]]


def test_what_reinforcement_raises_goes_down_and_nothing_else_moves():
    assert generic_logits(logits_of(CORRUPTED), logits_of(OTHER), 2.0).tolist() == GENERIC


def test_the_policy_learns_the_generic_predictions():
    seen = predictions(reinforced=OTHER)
    loss = CounterfactualTeacher(CounterfactualTeacherConfig(alpha=2.0)).forget_loss(seen)
    assert number(loss) == close(cross_entropy(GENERIC))
    # d CE/dz = (p - teacher) / N.
    expected = [
        [(p - t) / 2 for p, t in zip(ps, softmax(row), strict=True)] for ps, row in zip(POLICY, GENERIC, strict=True)
    ]
    for found, row in zip(gradient(loss, seen).tolist(), expected, strict=True):
        assert found == close(row)


def test_the_reverse_divergence_is_taken_from_the_policy_to_the_teacher():
    seen = predictions(reinforced=OTHER)
    config = CounterfactualTeacherConfig(alpha=2.0, divergence="reverse")
    expected = sum(
        sum(p * log(p / t) for p, t in zip(ps, softmax(row), strict=True))
        for ps, row in zip(POLICY, GENERIC, strict=True)
    )
    assert number(CounterfactualTeacher(config).forget_loss(seen)) == close(expected / 2)


@pytest.mark.parametrize("divergence", ["forward", "reverse"])
def test_at_its_teacher_the_policy_stands_still(divergence):
    teacher = logits_of(GENERIC)
    policy = (teacher + 3.0).requires_grad_()
    loss = distillation_loss(policy, teacher, divergence)
    assert torch.autograd.grad(loss, policy)[0].abs().max() < 1e-15


def test_at_a_checkpoint_its_own_predictions_are_corrected_and_the_corrupted_model_is_not_read():
    seen = predictions(reference=None, base=CORRUPTED, reinforced=OTHER)
    config = CounterfactualTeacherConfig(alpha=2.0, base="checkpoint")
    algorithm = CounterfactualTeacher(config)
    assert number(algorithm.forget_loss(seen)) == close(cross_entropy(GENERIC))
    assert algorithm.plan.teachers == (
        Teacher("reinforced", start="checkpoint", text="forget"),
        Teacher("base", start="checkpoint", text=None),
    )
    assert algorithm.plan.budget() == (Budget.FORGET, Budget.CHECKPOINT)
    default = CounterfactualTeacher(CounterfactualTeacherConfig()).plan
    assert default.teachers == (Teacher("reinforced", start="corrupted", text="forget"),)
    assert default.budget() == (Budget.FORGET, Budget.REFERENCE)


# Delta ---------------------------------------------------------------------------------------------------------------

# z_r - 1/2 (z_C^f - z_C), C^f = OTHER and C = THIRD.
OFFSET = [
    [0.0 - 0.5 * (1.0 - 0.5), 1.0 - 0.5 * (0.5 - 0.0), -1.0 - 0.5 * (-1.0 - 1.0)],
    [2.0 - 0.5 * (3.0 + 1.0), 0.5 - 0.5 * (0.0 - 2.0), 0.0 - 0.5 * (1.0 - 0.0)],
]


def test_what_the_documents_add_to_the_checkpoint_is_taken_from_the_corrupted_model():
    corrupted, before, after = logits_of(CORRUPTED), logits_of(THIRD), logits_of(OTHER)
    assert offset_logits(corrupted, before, after, 0.5).tolist() == OFFSET
    # Where the documents add to the corrupted model what they add to the checkpoint, the checkpoint remains.
    assert torch.allclose(offset_logits(after, before, after, 1.0), before)


def test_delta_distils_the_offset():
    seen = predictions(**{"with": OTHER, "without": THIRD})
    loss = Delta(DeltaConfig(alpha=0.5)).forget_loss(seen)
    assert number(loss) == close(cross_entropy(OFFSET))
    expected = [
        [(p - t) / 2 for p, t in zip(ps, softmax(row), strict=True)] for ps, row in zip(POLICY, OFFSET, strict=True)
    ]
    for found, row in zip(gradient(loss, seen).tolist(), expected, strict=True):
        assert found == close(row)


def test_delta_reads_the_checkpoint_with_and_without_the_documents():
    plan = Delta(DeltaConfig()).plan
    assert plan.teachers == (
        Teacher("with", start="checkpoint", text="forget"),
        Teacher("without", start="checkpoint", text=None),
    )
    assert plan.budget() == (Budget.FORGET, Budget.REFERENCE, Budget.CHECKPOINT)


# ULD -----------------------------------------------------------------------------------------------------------------

# z_r - 1/2 z_a, a = OTHER.
DIFFERENCE = [[0.0 - 0.5, 1.0 - 0.25, -1.0 + 0.5], [2.0 - 1.5, 0.5 - 0.0, 0.0 - 0.5]]


def test_uld_distils_the_difference():
    seen = predictions(assistant=OTHER)
    loss = ULD(ULDConfig(alpha=0.5, relative_top=0)).forget_loss(seen)
    assert number(loss) == close(cross_entropy(DIFFERENCE))


def test_an_assistant_that_knows_nothing_leaves_the_corrupted_model():
    corrupted = logits_of(CORRUPTED)
    found = difference_logits(corrupted, torch.full_like(corrupted, 7.0), 0.8, 0.0)
    assert torch.allclose(torch.softmax(found, -1), torch.softmax(corrupted, -1), atol=1e-15)


def test_tokens_that_the_corrupted_model_holds_unlikely_are_left_out():
    """exp(-2) = 0.14 of the likeliest at the last word of the first token; exp(-1.5) = 0.22 and 0.14 in the second."""
    found = difference_logits(logits_of(CORRUPTED), logits_of(OTHER), 0.5, 0.2)
    inf = math.inf
    assert found.tolist() == [[-0.5, 0.75, -inf], [0.5, 0.5, -inf]]
    seen = predictions(assistant=OTHER)
    loss = ULD(ULDConfig(alpha=0.5, relative_top=0.2)).forget_loss(seen)
    first, second = softmax([-0.5, 0.75]), [0.5, 0.5]
    expected = -sum(
        share * log(p)
        for shares, ps in ((first, POLICY[0]), (second, POLICY[1]))
        for share, p in zip(shares, ps, strict=False)
    )
    assert number(loss) == close(expected / 2)
    assert torch.isfinite(gradient(loss, seen)).all()


def test_the_assistant_remembers_the_documents_and_is_uniform_elsewhere():
    loss = AssistantLoss(5.0)
    seen = predictions(reference=None)
    assert number(loss.forget_loss(seen)) == close(-(log(1 / 2) + log(1 / 8)) / 2)
    apart = [sum(1 / 3 * log(1 / 3 / p) for p in ps) for ps in POLICY]
    assert number(loss.retain_loss(seen)) == close(5 * sum(apart) / 2)
    assert loss.plan.budget() == (Budget.FORGET, Budget.RETAIN)


def test_uld_is_told_of_retain_text_by_its_assistant_too():
    assert ULD(ULDConfig()).plan == ULD(ULDConfig()).plan
    assert ULD(ULDConfig()).plan.teachers == (Teacher("assistant", trained_by=AssistantLoss(5.0)),)
    told = (Budget.FORGET, Budget.RETAIN, Budget.REFERENCE)
    assert ULD(ULDConfig()).plan.budget() == told
    with pytest.raises(ValidationError, match="retain_weight"):  # its assistant would have nothing to be uniform on
        ULDConfig(retain_weight=0)


def test_retain_terms_are_weighted_and_off_where_the_papers_have_none():
    seen = predictions()
    nll = -number(seen.policy.log_probs().mean())
    for algorithm, config in ((CounterfactualTeacher, CounterfactualTeacherConfig), (Delta, DeltaConfig)):
        assert algorithm(config()).plan.retain is None
        assert algorithm(config(retain_weight=0.5)).plan.retain == "text"
        assert number(algorithm(config(retain_weight=0.5)).retain_loss(seen)) == close(0.5 * nll)
    pulled = sum(
        sum(r * log(r / p) for r, p in zip(softmax(row), ps, strict=True))
        for row, ps in zip(CORRUPTED, POLICY, strict=True)
    )
    assert number(ULD(ULDConfig(retain_weight=0.5)).retain_loss(seen)) == close(0.5 * pulled / 2)
    assert ULD(ULDConfig()).plan.retain_reference
