"""Every weight algorithm on two or three numbers, with the arithmetic spelled out."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from pydantic import ValidationError

from restor.errors import ConfigError
from restor.models.labelled import Labelled
from restor.types import Budget
from restor.unlearning.algorithms._suppression import Suppression
from restor.unlearning.algorithms.base import Predictions, Session
from restor.unlearning.algorithms.influence import Influence, InfluenceConfig, newton_step
from restor.unlearning.algorithms.msa import MSA, MSAConfig
from restor.unlearning.algorithms.negmerge import NegMerge, NegMergeConfig, sign_consensus
from restor.unlearning.algorithms.perta import PerTA, PerTAConfig, forget_share
from restor.unlearning.algorithms.random_vector import RandomVector, RandomVectorConfig
from restor.unlearning.algorithms.rewind import Rewind, RewindConfig
from restor.unlearning.algorithms.task_vector import TaskVector, TaskVectorConfig
from restor.unlearning.algorithms.undo import Undo, UndoConfig, shrink_and_perturb, xavier_noise
from restor.unlearning.losses import uniform_loss


class Counting(Mapping):
    """Weights that remember which tensors were read."""

    def __init__(self, weights, reads):
        self.weights = {name: torch.tensor(value) for name, value in weights.items()}
        self.reads = reads

    def __getitem__(self, name):
        value = self.weights[name]
        self.reads.append(name)
        return value.clone()

    def __contains__(self, name):
        return name in self.weights

    def __iter__(self):
        return iter(self.weights)

    def __len__(self):
        return len(self.weights)


THETA = {"matrix": [[1.0, 2.0], [3.0, 4.0]], "gain": [10.0, 20.0]}
EARLIER = {"matrix": [[0.0, 1.0], [1.0, 0.0]], "gain": [8.0, 16.0]}


class FakeSession(Session):
    """Hands out what the test says and writes down what it was asked for."""

    def __init__(self, *, vectors=(), gradients=None, checkpoint=EARLIER, seed=0, made=None):
        self.calls = []
        self.reads = []
        self._vectors = list(vectors)
        self._gradients = gradients or {}
        self._checkpoint = checkpoint
        self._seed = seed
        self._made = made or {}

    def counting(self, weights):
        return Counting(weights, self.reads)

    @property
    def corrupted(self):
        return self.counting(THETA)

    @property
    def checkpoint(self):
        if self._checkpoint is None:
            raise ConfigError("It needs a checkpoint from before the forget documents, and none was given.")
        return self.counting(self._checkpoint)

    @property
    def edits(self):
        raise AssertionError("not asked for")

    @property
    def seed(self):
        return self._seed

    def vector(self, start, text, *, lr=1.0, steps=1.0, seed=0):
        if start == "checkpoint":
            assert self.checkpoint
        self.calls.append(("vector", start, text, lr, steps, seed))
        return self.counting(self._vectors.pop(0))

    def minimised(self, start, loss, *, lr=1.0, steps=1.0):
        self.calls.append(("minimised", start, loss, lr, steps))
        return self.counting(self._made["minimised"])

    def distilled(self, start, teacher, text, *, lr=1.0, steps=1.0, temperature):
        self.calls.append(("distilled", start, teacher, text, lr, steps, temperature))
        return self.counting(self._made["distilled"])

    def gradient(self, start, text, *, squared=False):
        if start == "checkpoint":
            assert self.checkpoint
        self.calls.append(("gradient", start, text, squared))
        return self.counting(self._gradients[text, squared])

    def model(self, weights):
        raise AssertionError("not asked for")

    def batches(self, text):
        raise AssertionError("not asked for")


def numbers(weights):
    return {name: weights[name].tolist() for name in weights}


def close(expected):
    return pytest.approx(torch.tensor(expected).numpy(), rel=1e-6, abs=1e-7)


def tensor(*values):
    return torch.tensor(values)


# Task vector and MSA -------------------------------------------------------------------------------------------------

VECTOR = {"matrix": [[0.5, -1.0], [0.0, 2.0]], "gain": [4.0, -4.0]}


def test_task_vector_goes_the_other_way():
    session = FakeSession(vectors=[VECTOR])
    found = TaskVector(TaskVectorConfig(alpha=2.0)).edit(session)
    assert numbers(found) == {"matrix": [[0.0, 4.0], [3.0, 0.0]], "gain": [2.0, 28.0]}
    assert session.calls == [("vector", "corrupted", "forget", 1.0, 1.0, 0)]


def test_msa_takes_one_vector_away_and_adds_the_other():
    retain = {"matrix": [[2.0, 0.0], [0.0, 0.0]], "gain": [1.0, 1.0]}
    session = FakeSession(vectors=[VECTOR, retain])
    found = MSA(MSAConfig(alpha=0.5, beta=3.0)).edit(session)
    # 1 - 0.5 * 0.5 + 3 * 2, ...
    assert numbers(found) == {"matrix": [[6.75, 2.5], [3.0, 3.0]], "gain": [11.0, 25.0]}
    assert [call[1:3] for call in session.calls] == [("checkpoint", "forget"), ("checkpoint", "retain")]


# NegMerge ------------------------------------------------------------------------------------------------------------


def test_what_all_vectors_change_the_same_way_is_their_mean_and_the_rest_is_zero():
    merged = sign_consensus(
        [
            tensor(1.0, -1.0, 1.0, 0.0, 0.0, 3.0),
            tensor(2.0, -3.0, -1.0, 0.0, 1.0, 3.0),
            tensor(6.0, -5.0, 1.0, 0.0, 1.0, -9.0),
        ]
    )
    # (1 + 2 + 6) / 3, -(1 + 3 + 5) / 3; one of three disagrees; nobody moves; one does not move; two against one
    assert merged.tolist() == [3.0, -3.0, 0.0, 0.0, 0.0, 0.0]


def test_one_vector_agrees_with_itself():
    assert sign_consensus([tensor(1.0, -2.0, 0.0)]).tolist() == [1.0, -2.0, 0.0]


def test_negmerge_subtracts_what_the_fine_tunings_agree_on():
    first = {"matrix": [[1.0, 1.0], [-1.0, 1.0]], "gain": [1.0, 1.0]}
    second = {"matrix": [[3.0, -1.0], [-2.0, 0.0]], "gain": [1.0, 2.0]}
    session = FakeSession(vectors=[first, second])
    found = NegMerge(NegMergeConfig(alpha=2.0, lrs=(0.5, 3.0), steps=(1.0,))).edit(session)
    # tau = [[2, 0], [-1.5, 0]] and [1, 1.5]
    assert numbers(found) == {"matrix": [[-3.0, 2.0], [6.0, 4.0]], "gain": [8.0, 17.0]}
    assert session.calls == [
        ("vector", "corrupted", "forget", 0.5, 1.0, 0),
        ("vector", "corrupted", "forget", 3.0, 1.0, 1),
    ]


def test_negmerge_fine_tunes_with_every_learning_rate_for_every_length_in_an_order_of_its_own():
    session = FakeSession(vectors=[VECTOR] * 6)
    found = NegMerge(NegMergeConfig()).edit(session)
    assert {call[3:5] for call in session.calls} == {(lr, steps) for lr in (0.5, 1.0, 2.0) for steps in (0.5, 1.0)}
    assert [call[5] for call in session.calls] == list(range(6))
    # All six are the same vector, so it is the task vector.
    assert numbers(found) == numbers(TaskVector(TaskVectorConfig()).edit(FakeSession(vectors=[VECTOR])))


def test_negmerge_leaves_alone_what_one_fine_tuning_left_alone():
    """Under an adapter, vectors have only what the adapter changes."""
    session = FakeSession(vectors=[VECTOR, {"matrix": VECTOR["matrix"]}])
    found = NegMerge(NegMergeConfig(lrs=(1.0, 2.0), steps=(1.0,))).edit(session)
    assert found["gain"].tolist() == THETA["gain"]
    assert found["matrix"].tolist() == [[0.5, 3.0], [3.0, 2.0]]


@pytest.mark.parametrize(
    "options", [{"lrs": (1.0,), "steps": (1.0,)}, {"lrs": ()}, {"steps": ()}, {"lrs": (1.0, 0.0)}, {"lrs": (1.0, -2.0)}]
)
def test_negmerge_needs_several_fine_tunings_that_can_be_run(options):
    with pytest.raises(ValidationError):
        NegMergeConfig(**options)


# PerTA ---------------------------------------------------------------------------------------------------------------


def test_the_share_of_the_forget_documents_in_what_a_parameter_matters():
    # 1 / (1 + 3), 2 / 2, 0 / 5, and neither
    assert forget_share(tensor(1.0, 2.0, 0.0, 0.0), tensor(3.0, 0.0, 5.0, 0.0)).tolist() == [0.25, 1.0, 0.0, 0.0]


GRADIENTS = {
    ("forget", False): {"matrix": [[-1.0, 1.0], [3.0, 0.0]], "gain": [1.0, -1.0]},
    ("retain", False): {"matrix": [[3.0, -1.0], [1.0, 2.0]], "gain": [0.0, -3.0]},
    ("forget", True): {"matrix": [[1.0, 1.0], [9.0, 0.0]], "gain": [1.0, 1.0]},
    ("retain", True): {"matrix": [[9.0, 1.0], [1.0, 4.0]], "gain": [0.0, 9.0]},
}


def test_perta_weighs_the_vector_with_the_sizes_of_the_mean_gradients():
    session = FakeSession(vectors=[VECTOR], gradients=GRADIENTS)
    found = PerTA(PerTAConfig(alpha=2.0)).edit(session)
    # w = [[1/4, 1/2], [3/4, 0]] and [1, 1/4]; theta - 2 w tau, tau = [[0.5, -1], [0, 2]] and [4, -4]
    assert numbers(found) == {"matrix": [[0.75, 3.0], [3.0, 4.0]], "gain": [2.0, 22.0]}
    assert session.calls == [
        ("vector", "checkpoint", "forget", 1.0, 1.0, 0),
        ("gradient", "checkpoint", "forget", False),
        ("gradient", "checkpoint", "retain", False),
    ]


def test_perta_weighs_the_vector_with_the_fisher_information():
    session = FakeSession(vectors=[VECTOR], gradients=GRADIENTS)
    found = PerTA(PerTAConfig(sensitivity="fisher", at="corrupted")).edit(session)
    # w = [[1/10, 1/2], [9/10, 0]] and [1, 1/10]
    assert found["matrix"].numpy() == close([[0.95, 2.5], [3.0, 4.0]])
    assert found["gain"].numpy() == close([6.0, 20.4])
    assert session.calls[1:] == [("gradient", "corrupted", text, True) for text in ("forget", "retain")]


def test_perta_with_a_text_that_nothing_else_depends_on_is_msa():
    nothing = {"matrix": [[0.0, 0.0], [0.0, 0.0]], "gain": [0.0, 0.0]}
    something = {"matrix": [[1e-6, -2.0], [3.0, 1.0]], "gain": [1.0, 1.0]}
    gradients = {("forget", False): something, ("retain", False): nothing}
    perta = PerTA(PerTAConfig(alpha=0.5)).edit(FakeSession(vectors=[VECTOR], gradients=gradients))
    assert numbers(perta) == numbers(MSA(MSAConfig(alpha=0.5)).edit(FakeSession(vectors=[VECTOR])))


# Rewind --------------------------------------------------------------------------------------------------------------


def test_rewind_is_the_checkpoint_trained_on_the_retain_text_and_nothing_of_the_corrupted_model():
    session = FakeSession(vectors=[{"matrix": VECTOR["matrix"]}])
    found = Rewind(RewindConfig()).edit(session)
    # What the training left alone is the checkpoint's too.
    assert numbers(found) == {"matrix": [[0.5, 0.0], [1.0, 2.0]], "gain": [8.0, 16.0]}
    assert session.calls == [("vector", "checkpoint", "retain", 1.0, 1.0, 0)]


def test_rewind_reads_no_forget_documents_and_says_so():
    plan = Rewind(RewindConfig()).plan
    assert not plan.forget
    assert set(plan.budget()) == {Budget.RETAIN, Budget.CHECKPOINT}


def test_the_noise_of_the_certified_variant_has_its_standard_deviation():
    many = {"matrix": [[0.0] * 100] * 100}
    silent, noisy, other = (
        Rewind(RewindConfig(sigma=sigma)).edit(FakeSession(vectors=[many], checkpoint=many, seed=seed))["matrix"]
        for sigma, seed in ((0.0, 0), (0.01, 0), (0.01, 1))
    )
    assert silent.abs().max() == 0
    assert float(noisy.std()) == pytest.approx(0.01, rel=0.05)
    assert float(noisy.mean()) == pytest.approx(0.0, abs=5e-4)
    assert not torch.equal(noisy, other)


# Random vector -------------------------------------------------------------------------------------------------------


def moved(session, **options):
    found = RandomVector(RandomVectorConfig(**options)).edit(session)
    return {name: found[name] - torch.tensor(THETA[name]) for name in found}


def test_every_tensor_of_the_random_vector_is_as_long_as_that_of_the_task_vector():
    session = FakeSession(vectors=[VECTOR])
    change = moved(session, alpha=3.0)
    # |tau| = sqrt(0.25 + 1 + 4) and sqrt(16 + 16)
    assert float(change["matrix"].norm()) == pytest.approx(3 * math.sqrt(5.25), rel=1e-5)
    assert float(change["gain"].norm()) == pytest.approx(3 * math.sqrt(32.0), rel=1e-5)
    assert session.calls == [("vector", "corrupted", "forget", 1.0, 1.0, 0)]


def test_the_random_vector_as_a_whole_is_as_long_as_the_task_vector():
    change = moved(FakeSession(vectors=[VECTOR]), alpha=3.0, match="whole")
    assert sum(float(value.square().sum()) for value in change.values()) == pytest.approx(9 * 37.25, rel=1e-4)
    ratios = {name: float(value.norm() / torch.tensor(VECTOR[name]).norm()) for name, value in change.items()}
    assert ratios["matrix"] != pytest.approx(ratios["gain"], rel=1e-3)


def test_the_direction_is_random_but_the_same_with_the_same_seed():
    first, again, other = (moved(FakeSession(vectors=[VECTOR], seed=seed)) for seed in (0, 0, 1))
    assert numbers(first) == numbers(again)
    assert numbers(first) != numbers(other)


def test_a_tensor_of_the_random_vector_does_not_depend_on_which_others_were_drawn_before():
    whole = RandomVector(RandomVectorConfig()).edit(FakeSession(vectors=[VECTOR]))
    forwards = {name: whole[name].tolist() for name in ("matrix", "gain")}
    backwards = {name: whole[name].tolist() for name in ("gain", "matrix")}
    assert forwards == backwards
    fewer = {"gain": VECTOR["gain"]}
    alone = RandomVector(RandomVectorConfig()).edit(FakeSession(vectors=[fewer]))
    assert alone["gain"].tolist() == forwards["gain"]


@pytest.mark.parametrize("match", ["tensor", "whole"])
def test_the_random_vector_moves_nothing_that_the_task_vector_leaves_out(match):
    change = moved(FakeSession(vectors=[{"gain": VECTOR["gain"]}]), match=match)
    assert change["matrix"].abs().max() == 0
    assert float(change["gain"].norm()) == pytest.approx(math.sqrt(32.0), rel=1e-5)


def test_the_random_vector_is_a_control():
    assert RandomVector.info.control


# Influence -----------------------------------------------------------------------------------------------------------


def test_the_newton_step_divides_by_the_damped_curvature():
    # mean F = 2, lambda = 0.5 * 2 = 1: 6 / (3 + 1), -2 / (0 + 1), 0, 6 / (5 + 1)
    found = newton_step(tensor(6.0, -2.0, 0.0, 6.0), tensor(3.0, 0.0, 0.0, 5.0), 0.5)
    assert found.tolist() == [1.5, -2.0, 0.0, 1.0]


def test_without_any_curvature_there_is_no_step():
    assert newton_step(tensor(6.0, -2.0), tensor(0.0, 0.0), 0.5).tolist() == [0.0, 0.0]


def test_influence_raises_the_forget_loss_least_where_the_retain_text_bends_most():
    gradients = {
        ("forget", False): {"matrix": [[1.0, -1.0], [0.0, 2.0]], "gain": [3.0, 3.0]},
        ("retain", True): {"matrix": [[0.0, 4.0], [4.0, 0.0]], "gain": [0.0, 0.0]},
    }
    session = FakeSession(gradients=gradients)
    found = Influence(InfluenceConfig(scale=0.5, unit="newton", damping=1.0)).edit(session)
    # lambda = 2: theta + 0.5 [[1/2, -1/6], [0, 2/2]]; up the loss, so along the gradient
    assert found["matrix"].numpy() == close([[1.25, 2 - 1 / 12], [3.0, 4.5]])
    assert found["gain"].tolist() == THETA["gain"]
    assert session.calls == [("gradient", "corrupted", "forget", False), ("gradient", "corrupted", "retain", True)]


def test_influence_by_default_goes_a_share_of_the_length_of_the_weights_the_same_way():
    session = FakeSession(gradients=GRADIENTS)
    by_length, newton = (
        Influence(InfluenceConfig(scale=0.25, unit=unit)).edit(session) for unit in ("weights", "newton")
    )
    moves = [
        torch.cat([(found[name] - torch.tensor(THETA[name])).flatten() for name in THETA])
        for found in (by_length, newton)
    ]
    # |theta| = sqrt(1 + 4 + 9 + 16 + 100 + 400)
    assert float(moves[0].norm()) == pytest.approx(0.25 * math.sqrt(530), rel=1e-5)
    assert float(torch.cosine_similarity(*moves, dim=0)) == pytest.approx(1.0, rel=1e-5)


def test_influence_without_a_gradient_changes_nothing():
    nothing = {"matrix": [[0.0, 0.0], [0.0, 0.0]], "gain": [0.0, 0.0]}
    gradients = {("forget", False): nothing, ("retain", True): GRADIENTS["retain", True]}
    found = Influence(InfluenceConfig()).edit(FakeSession(gradients=gradients))
    assert numbers(found) == THETA


def test_influence_removes_a_row_from_the_least_squares_of_a_line_exactly():
    """One parameter, L = mean_i (theta - x_i)^2 / 2: the mean of the rest is found by one step of H^-1 g m / n_rest."""
    rows, forgotten = [1.0, 2.0, 3.0, 8.0], [8.0]
    theta = sum(rows) / len(rows)
    gradient = theta - sum(forgotten) / len(forgotten)
    step = newton_step(tensor(gradient), tensor(1.0), 1e-12)
    rest = [row for row in rows if row not in forgotten]
    assert theta + len(forgotten) / len(rest) * float(step) == pytest.approx(sum(rest) / len(rest), rel=1e-6)


def test_influence_can_take_the_curvature_of_the_forget_documents_and_reads_no_retain_text_then():
    algorithm = Influence(InfluenceConfig(fisher="forget"))
    session = FakeSession(gradients=GRADIENTS)
    algorithm.edit(session)
    assert {call[2] for call in session.calls} == {"forget"}
    assert algorithm.plan.budget() == (Budget.FORGET,)
    assert set(Influence(InfluenceConfig()).plan.budget()) == {Budget.FORGET, Budget.RETAIN}


# UNDO ----------------------------------------------------------------------------------------------------------------


def test_the_weights_are_shrunk_and_disturbed():
    # 0.4 * 10 + 0.6 * 0.5 * 2, 0.4 * -5 + 0.6 * 0.5 * -1
    assert shrink_and_perturb(tensor(10.0, -5.0), tensor(2.0, -1.0), 0.6, 0.5).numpy() == close([4.6, -2.3])


def test_xavier_noise_fills_its_range_and_leaves_vectors_alone():
    noise = xavier_noise(torch.Size((100, 50)), torch.Generator().manual_seed(0))
    bound = math.sqrt(6 / 150)
    assert float(noise.abs().max()) <= bound
    assert float(noise.abs().max()) == pytest.approx(bound, rel=1e-3)
    assert float(noise.std()) == pytest.approx(math.sqrt(2 / 150), rel=0.05)
    assert xavier_noise(torch.Size((3,)), torch.Generator()).tolist() == [0.0, 0.0, 0.0]


UNLEARNED = {"matrix": [[2.0, 0.0], [0.0, 2.0]], "gain": [1.0, 1.0]}
DISTILLED = {"matrix": [[7.0, 7.0], [7.0, 7.0]], "gain": [7.0, 7.0]}


def undo(**options):
    session = FakeSession(made={"minimised": UNLEARNED, "distilled": DISTILLED}, seed=options.pop("seed", 0))
    return session, Undo(UndoConfig(**options)).edit(session)


def test_undo_unlearns_disturbs_and_distils_in_this_order():
    options = {"suppression_lr": 0.25, "suppression_steps": 0.5, "retain_weight": 2.0, "temperature": 3.0}
    session, found = undo(alpha=0.5, beta=0.0, **options)
    (_, start, loss, lr, steps), (_, student, teacher, text, *rest) = session.calls
    assert [call[0] for call in session.calls] == ["minimised", "distilled"]
    assert numbers(start) == THETA
    assert (loss.kind, loss.retain_weight, lr, steps) == ("max_entropy", 2.0, 0.25, 0.5)
    # Without noise the student is the teacher, shrunk by half: gains too.
    assert numbers(teacher) == UNLEARNED
    assert numbers(student) == {"matrix": [[1.0, 0.0], [0.0, 1.0]], "gain": [0.5, 0.5]}
    assert (text, rest) == ("retain", [1.0, 1.0, 3.0])
    assert numbers(found) == DISTILLED


def test_the_student_is_noised_the_same_way_whenever_and_in_whatever_order_it_is_read():
    first, again, other = (undo(alpha=0.5, beta=1.0, seed=seed)[0].calls[1][1] for seed in (0, 0, 1))
    assert first["matrix"].tolist() == first["matrix"].tolist() == again["matrix"].tolist()
    assert first["matrix"].tolist() != other["matrix"].tolist()
    # 0.5 * theta_u + 0.5 * N, |N| <= sqrt(6 / 4); a vector is only shrunk
    noise = 2 * first["matrix"] - torch.tensor(UNLEARNED["matrix"])
    assert 0 < float(noise.abs().max()) <= math.sqrt(1.5)
    assert first["gain"].tolist() == [0.5, 0.5]


def test_alpha_and_beta_1_make_a_new_model():
    student = undo(alpha=1.0, beta=1.0)[0].calls[1][1]
    assert student["gain"].tolist() == [0.0, 0.0]
    assert float(student["matrix"].abs().max()) <= math.sqrt(1.5)


def labelled(probabilities, targets):
    logits = torch.tensor(probabilities, dtype=torch.float64).log() + 3.0
    count = len(targets)
    return Labelled(logits.requires_grad_(), torch.tensor(targets), torch.zeros(count, dtype=torch.long), 1)


def test_the_uniform_loss_is_the_divergence_from_a_uniform_prediction():
    policy = labelled([[1 / 2, 1 / 4, 1 / 8, 1 / 8], [1 / 4, 1 / 4, 1 / 4, 1 / 4]], [0, 1])
    # KL(U || p) = -mean log p - log 4 = (1 + 2 + 3 + 3) / 4 log 2 - 2 log 2 = log(2) / 4; 0 for the second token
    assert float(uniform_loss(policy).detach()) == pytest.approx(math.log(2) / 8, rel=1e-12)


def test_the_uniform_loss_lowers_what_is_likelier_than_chance_and_nothing_at_the_uniform():
    policy = labelled([[1 / 2, 1 / 4, 1 / 4], [1 / 3, 1 / 3, 1 / 3]], [2, 0])
    gradient = torch.autograd.grad(uniform_loss(policy), policy.logits)[0]
    # d KL(U || p) / d z = p - 1 / V, over two tokens
    assert gradient[0].tolist() == pytest.approx([1 / 12, -1 / 24, -1 / 24], rel=1e-9)
    assert gradient[1].abs().max() < 1e-15


def test_suppression_is_max_entropy_or_ascent_with_a_weighted_retain_term():
    seen = Predictions(labelled([[1 / 2, 1 / 4, 1 / 4]], [1]))
    nll = math.log(4)
    entropy, ascent = Suppression("max_entropy", 3.0), Suppression("gradient_difference", 0.0)
    assert float(entropy.forget_loss(seen).detach()) == pytest.approx((5 / 3) * math.log(2) - math.log(3), rel=1e-12)
    assert float(ascent.forget_loss(seen).detach()) == pytest.approx(-nll, rel=1e-12)
    assert float(entropy.retain_loss(seen).detach()) == pytest.approx(3 * nll, rel=1e-12)
    assert entropy.plan.retain == "text"
    assert ascent.plan.retain is None


# What they share -----------------------------------------------------------------------------------------------------


def full_session(**more):
    made = {"minimised": UNLEARNED, "distilled": DISTILLED}
    return FakeSession(vectors=[VECTOR] * 6, gradients=GRADIENTS, made=made, **more)


LAZY = {
    "task_vector": TaskVector(TaskVectorConfig()),
    "msa": MSA(MSAConfig(beta=0.5)),
    "negmerge": NegMerge(NegMergeConfig()),
    "perta": PerTA(PerTAConfig()),
    "rewind": Rewind(RewindConfig(sigma=0.1)),
    "random_vector": RandomVector(RandomVectorConfig()),
    "influence": Influence(InfluenceConfig(unit="newton")),
    "undo": Undo(UndoConfig()),
}


@pytest.mark.parametrize("name", LAZY)
def test_a_tensor_is_read_when_it_is_asked_for_and_no_other_with_it(name):
    session = full_session()
    found = LAZY[name].edit(session)
    assert set(found) == set(THETA)
    assert session.reads == []
    first = found["gain"]
    assert set(session.reads) == {"gain"}
    assert torch.equal(found["gain"], first)
    assert first.dtype == torch.float32
    assert first.shape == (2,)


def test_the_student_of_undo_is_made_tensor_by_tensor():
    session, _ = undo()
    student = session.calls[1][1]
    assert session.reads == []
    student["gain"]
    assert set(session.reads) == {"gain"}


@pytest.mark.parametrize("name", ["msa", "perta", "rewind"])
def test_a_missing_checkpoint_is_asked_for_before_anything_is_trained(name):
    session = full_session(checkpoint=None)
    assert LAZY[name].plan.checkpoint
    with pytest.raises(ConfigError, match="checkpoint"):
        LAZY[name].edit(session)
    assert session.calls == []


@pytest.mark.parametrize("name", sorted(set(LAZY) - {"msa", "perta", "rewind"}))
def test_the_others_need_none(name):
    assert not LAZY[name].plan.checkpoint
    LAZY[name].edit(full_session(checkpoint=None))


@pytest.mark.parametrize("name", LAZY)
def test_the_budget_is_what_is_read(name):
    session = full_session()
    LAZY[name].edit(session)
    read = {call[2] for call in session.calls if call[0] in ("vector", "gradient")}
    read |= {"retain" for call in session.calls if call[0] == "distilled"}
    read |= {"forget" for call in session.calls if call[0] == "minimised"}
    budget = LAZY[name].plan.budget()
    assert (Budget.FORGET in budget, Budget.RETAIN in budget) == ("forget" in read, "retain" in read)
    started = {call[1] for call in session.calls if call[0] in ("vector", "gradient")}
    assert (Budget.CHECKPOINT in budget) == ("checkpoint" in started)
