"""Every wrapper on gradients of two or three numbers, with the arithmetic spelled out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from restor.errors import TrainingError
from restor.models.labelled import TokenBatch, collate, predict
from restor.training.loop import _checkpointed
from restor.training.reference import AdapterOffReference
from restor.training.rules import Step
from restor.unlearning.wrappers._gradients import combine, inner, replaced
from restor.unlearning.wrappers.blur import BLUR, BLURConfig, bilevel
from restor.unlearning.wrappers.gru import GRU, GRUConfig, average, rectify
from restor.unlearning.wrappers.lat import LAT, LATConfig, disturbed
from restor.unlearning.wrappers.lat import project as shorten
from restor.unlearning.wrappers.ngdiff import NGDiff, NGDiffConfig, normalise
from restor.unlearning.wrappers.pcgrad import PCGrad, PCGradConfig, project
from restor.unlearning.wrappers.sam import SAM, SAMConfig, climb
from restor.unlearning.wrappers.tar import TAR, TARConfig, point_weights


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def split(*values):
    """A gradient over two parameters: all numbers but the last one, and the last one."""
    return {"a": vector(*values[:-1]), "b": vector(values[-1])}


def numbers(gradient):
    return {name: value.tolist() for name, value in gradient.items()}


def close(**expected):
    return {name: pytest.approx(value, rel=1e-12, abs=1e-12) for name, value in expected.items()}


class Toy(Step):
    """A step over two parameters, a of two numbers and b of one, whose losses are functions of them."""

    def __init__(self, losses, a=(0.0, 0.0), b=(0.0,), nll=None, number=0):
        self._losses, self._nll, self._number = losses, nll, number
        self._parameters = {"a": nn.Parameter(vector(*a)), "b": nn.Parameter(vector(*b))}
        self.calls = []

    model = None

    @property
    def parameters(self):
        return self._parameters

    @property
    def terms(self):
        return tuple(self._losses)

    @property
    def number(self):
        return self._number

    @property
    def seed(self):
        return 0

    def parts(self, term):
        raise AssertionError

    def backward(self, term, *, around=None):
        self.calls.append(term)
        return self._backward(self._losses[term])

    def backward_nll(self, term, *, around=None):
        self.calls.append(f"nll of {term}")
        return self._backward(self._nll)

    def _backward(self, function):
        loss = function(self._parameters["a"], self._parameters["b"])
        if not math.isfinite(loss.detach()):
            raise TrainingError("not finite")
        loss.backward()
        return float(loss.detach())

    def take(self):
        found = {name: value.grad for name, value in self._parameters.items() if value.grad is not None}
        for value in self._parameters.values():
            value.grad = None
        return found

    def put(self, gradients):
        for name, value in self._parameters.items():
            value.grad = gradients.get(name)

    @property
    def gradient(self):
        return numbers({name: value.grad for name, value in self._parameters.items() if value.grad is not None})


def linear(*gradient):
    """A loss with this gradient everywhere; None leaves out a parameter, and b altogether if it is the third."""

    def loss(a, b):
        value = sum(a[place] * gradient[place] for place in range(2))
        return value if gradient[2] is None else value + b[0] * gradient[2]

    return loss


def toy(forget=(3.0, 0.0, 4.0), retain=(-1.0, 2.0, -1.0), **more):
    return Toy({"forget": linear(*forget), "retain": linear(*retain)}, **more)


# Shared arithmetic ---------------------------------------------------------------------------------------------------


def test_a_parameter_that_a_gradient_lacks_counts_as_zero():
    assert inner({"a": vector(1, 2)}, {"b": vector(3)}) == 0
    assert inner(split(1, 2, 3), {"b": vector(5)}) == 15
    found = combine(2.0, {"a": vector(1, 1)}, -3.0, {"a": vector(1, 2), "b": vector(4)})
    assert numbers(found) == close(a=[-1, -4], b=[-12])
    assert numbers(combine(2.0, {}, 0.5, {"b": vector(4)})) == close(b=[2])


def test_a_product_over_many_weights_is_exact_to_single_precision():
    many = {"a": torch.full((3_000_000,), 1e-3), "b": torch.tensor([1000.0])}
    assert inner(many, many) == pytest.approx(3.0 + 1e6, rel=1e-7)
    assert inner({"a": many["a"]}, many) == pytest.approx(3.0, rel=1e-6)


def test_weights_are_back_bit_by_bit_even_after_an_error():
    step = Toy({}, a=(0.1, 1 / 3), b=(1e-30,))
    kept = {name: (value.data_ptr(), value.tolist()) for name, value in step.parameters.items()}

    def interrupted():
        with replaced(step.parameters, {"a": vector(5, 6)}):
            assert step.parameters["a"].tolist() == [5, 6]
            assert step.parameters["b"].tolist() == [1e-30]
            step.parameters["a"].data.add_(1)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        interrupted()
    assert {name: (value.data_ptr(), value.tolist()) for name, value in step.parameters.items()} == kept


# PCGrad --------------------------------------------------------------------------------------------------------------


def test_pcgrad_leaves_gradients_alone_that_do_not_conflict():
    assert numbers(project(split(1, 0, 2), split(3, 5, 0), "both")) == close(a=[4, 5], b=[2])
    assert numbers(project(split(1, 0, 0), split(0, 1, 0), "both")) == close(a=[1, 1], b=[0])


def test_pcgrad_takes_from_each_gradient_its_part_against_the_other():
    # <f, r> = -3 - 4 = -7, |f|^2 = 25, |r|^2 = 6.
    forget, retain = (3, 0, 4), (-1, 2, -1)
    forget_alone = [f + 7 / 6 * r for f, r in zip(forget, retain, strict=True)]
    retain_alone = [r + 7 / 25 * f for f, r in zip(forget, retain, strict=True)]
    both = [f + r for f, r in zip(forget_alone, retain_alone, strict=True)]
    assert numbers(project(split(*forget), split(*retain), "both")) == close(a=both[:2], b=both[2:])
    one = [f + r for f, r in zip(forget_alone, retain, strict=True)]
    assert numbers(project(split(*forget), split(*retain), "forget")) == close(a=one[:2], b=one[2:])
    # Neither half still works against the other term.
    assert sum(f * r for f, r in zip(forget_alone, retain, strict=True)) == pytest.approx(0, abs=1e-12)
    assert sum(f * r for f, r in zip(forget, retain_alone, strict=True)) == pytest.approx(0, abs=1e-12)


def test_pcgrad_of_opposite_gradients_is_nothing():
    assert numbers(project(split(1, 2, 2), split(-2, -4, -4), "both")) == close(a=[0, 0], b=[0])


def test_pcgrad_takes_one_backward_pass_per_term():
    step = toy()
    assert PCGrad(PCGradConfig()).gradient(step, {}) == {"forget": 0.0, "retain": 0.0}
    assert step.calls == ["forget", "retain"]
    assert step.gradient == close(a=[3 - 7 / 6 - 1 + 21 / 25, 14 / 6 + 2], b=[4 - 7 / 6 - 1 + 28 / 25])


def test_a_parameter_in_one_term_alone_keeps_its_gradient():
    step = toy(forget=(1.0, 0.0, 2.0), retain=(-1.0, 0.0, None))
    PCGrad(PCGradConfig(project="forget")).gradient(step, {})
    # <f, r> = -1, |r|^2 = 1: f loses its first entry, and r is added.
    assert step.gradient == close(a=[-1, 0], b=[2])


# GRU -----------------------------------------------------------------------------------------------------------------


def test_gru_projects_onto_the_half_space_that_does_not_hurt_retaining():
    kept = split(-1, 2, -1)
    found = rectify(split(3, 0, 4), kept)
    # f + 7/6 r.
    assert numbers(found) == close(a=[3 - 7 / 6, 14 / 6], b=[4 - 7 / 6])
    assert inner(found, kept) == pytest.approx(0, abs=1e-12)
    assert numbers(kept) == close(a=[-1, 2], b=[-1])
    assert numbers(rectify(split(1, 1, 0), split(1, 0, 0))) == close(a=[1, 1], b=[0])
    assert numbers(rectify({"a": vector(1, 0)}, split(-1, 0, 1))) == close(a=[0.5, 0], b=[0.5])


def test_gru_averages_the_retain_gradient_over_the_steps():
    memory = {}
    average(memory, split(1, 0, 2), 0.8)
    assert numbers(memory) == close(a=[0.8, 0], b=[1.6])
    average(memory, {"a": vector(0, 1)}, 0.8)
    assert numbers(memory) == close(a=[0.16, 0.8], b=[0.32])


def test_gru_takes_steps_on_the_forget_term_and_remembers_the_retain_gradient():
    memory, wrapper = {}, GRU(GRUConfig(gamma=0.5))
    step = toy(forget=(1.0, 0.0, 0.0), retain=(0.0, 2.0, 0.0))
    assert wrapper.gradient(step, memory) == {"forget": 0.0, "retain": 0.0}
    assert step.gradient == close(a=[1, 0], b=[0])
    assert numbers(memory) == close(a=[0, 1], b=[0])
    step = toy(forget=(1.0, -1.0, 0.0), retain=(0.0, 0.0, 4.0))
    wrapper.gradient(step, memory)
    # The average is (0, 0.5, 2); <f, r> = -0.5, |r|^2 = 4.25. The newest alone would not conflict.
    assert numbers(memory) == close(a=[0, 0.5], b=[2])
    assert step.gradient == close(a=[1, -1 + 0.5 / 4.25 * 0.5], b=[0.5 / 4.25 * 2])


def test_gru_adds_the_retain_gradient_of_the_step_on_demand():
    memory, wrapper = {}, GRU(GRUConfig(gamma=1.0, add_retain=0.5))
    step = toy(forget=(1.0, -1.0, 0.0), retain=(0.0, 2.0, 0.0))
    wrapper.gradient(step, memory)
    assert step.gradient == close(a=[1, 0 + 0.5 * 2], b=[0])


# NGDiff --------------------------------------------------------------------------------------------------------------


def test_ngdiff_adds_the_directions_of_the_gradients():
    # |f| = 5, |r| = sqrt 6.
    found = normalise(split(3, 0, 4), split(-1, 2, -1))
    root = math.sqrt(6)
    assert numbers(found) == close(a=[3 / 5 - 1 / root, 2 / root], b=[4 / 5 - 1 / root])


def test_ngdiff_does_not_depend_on_the_weights_of_the_terms():
    small, large = (
        toy(retain=[scale * value for value in (-1.0, 2.0, -1.0)], forget=[value / scale for value in (3.0, 0.0, 4.0)])
        for scale in (0.1, 1000.0)
    )
    for step in (small, large):
        NGDiff(NGDiffConfig()).gradient(step, {})
    assert large.gradient == close(**small.gradient)


def test_ngdiff_of_a_zero_gradient_is_the_other_one():
    assert numbers(normalise(split(0, 0, 0), split(0, 3, 4))) == close(a=[0, 0.6], b=[0.8])
    assert numbers(normalise(split(0, 3, 4), {})) == close(a=[0, 0.6], b=[0.8])


# BLUR ----------------------------------------------------------------------------------------------------------------


def test_blur_forgets_as_much_whatever_the_retain_gradient_wants():
    # <f, r> = -7, |f|^2 = 25: r + 7/25 f is orthogonal to f.
    found = bilevel(split(3, 0, 4), split(-1, 2, -1), 0.5)
    assert numbers(found) == close(a=[-1 + (0.5 + 7 / 25) * 3, 2], b=[-1 + (0.5 + 7 / 25) * 4])
    assert inner(found, split(3, 0, 4)) == pytest.approx(0.5 * 25)
    # Also where both want the same: there the retain gradient adds nothing to it.
    assert inner(bilevel(split(3, 0, 4), split(1, 2, 3), 0.5), split(3, 0, 4)) == pytest.approx(0.5 * 25)
    assert numbers(bilevel(split(0, 0, 0), split(1, 2, 3), 1.0)) == close(a=[1, 2], b=[3])


def test_blur_takes_one_backward_pass_per_term():
    step = toy()
    BLUR(BLURConfig()).gradient(step, {})
    assert step.calls == ["forget", "retain"]
    assert step.gradient == close(a=[-1 + 32 / 25 * 3, 2], b=[-1 + 32 / 25 * 4])


# SAM -----------------------------------------------------------------------------------------------------------------


def bowl(a, b):
    """a_1^2 + 2 a_2^2, of gradient (2 a_1, 4 a_2); b has none."""
    return a[0] ** 2 + 2 * a[1] ** 2


def test_sam_climbs_a_step_of_length_rho():
    parameters = {"a": nn.Parameter(vector(1, 1)), "b": nn.Parameter(vector(7))}
    found = climb(parameters, {"a": vector(3, 4)}, 0.5)
    assert numbers(found) == close(a=[1.3, 1.4])
    assert numbers(climb(parameters, {"a": vector(0, 0)}, 0.5)) == close(a=[1, 1])


def test_sam_takes_the_forget_gradient_where_the_forget_loss_is_higher():
    step = Toy({"forget": bowl, "retain": linear(0.0, 1.0, 5.0)}, a=(1.5, 1.0), b=(2.0,))
    before = {name: (value.data_ptr(), value.tolist()) for name, value in step.parameters.items()}
    losses = SAM(SAMConfig(rho=0.5)).gradient(step, {})
    # The gradient at theta is (3, 4), of length 5; that at (1.5 + 0.3, 1 + 0.4) is (3.6, 5.6).
    assert step.gradient == close(a=[3.6, 5.6 + 1], b=[5])
    assert losses == {"forget": 1.5**2 + 2, "retain": 1 + 10}
    assert step.calls == ["forget", "forget", "retain"]
    assert {name: (value.data_ptr(), value.tolist()) for name, value in step.parameters.items()} == before


def test_sam_works_without_a_retain_term_and_at_a_zero_gradient():
    step = Toy({"forget": bowl}, a=(0.0, 0.0))
    assert SAM(SAMConfig()).gradient(step, {}) == {"forget": 0.0}
    assert step.gradient == close(a=[0, 0])


# TAR -----------------------------------------------------------------------------------------------------------------


def test_tar_looks_at_the_forget_loss_every_few_steps_of_the_attack():
    assert point_weights(4, 1, 0.0) == {1: 0.25, 2: 0.25, 3: 0.25, 4: 0.25}
    assert point_weights(7, 3, 0.0) == {3: 0.5, 6: 0.5}
    late = point_weights(2, 1, math.log(3))
    assert late == {1: pytest.approx(1 / 4), 2: pytest.approx(3 / 4)}
    with pytest.raises(ValueError, match="never"):
        TARConfig(steps=3, every=4)


def test_tar_adds_the_forget_gradient_at_the_attacked_weights():
    # The attacker descends a_1: 1 -> 1 - 0.25 * 2 -> 0.5 - 0.25 * 2; b is not attacked.
    step = Toy({"forget": bowl, "retain": linear(0.0, 1.0, 5.0)}, a=(1.0, 1.0), b=(2.0,), nll=lambda a, b: 2.0 * a[0])
    before = {name: (value.data_ptr(), value.tolist()) for name, value in step.parameters.items()}
    config = TARConfig(steps=2, every=1, lrs=(0.25,), attacker="sgd", weight=3.0, clean=0.5)
    losses = TAR(config).gradient(step, {})
    assert step.calls == ["nll of forget", "forget", "nll of forget", "forget", "forget", "retain"]
    # Gradients of the bowl: (1, 4) at (0.5, 1), (0, 4) at (0, 1), (2, 4) at (1, 1).
    assert step.gradient == close(a=[3 * (1 + 0) / 2 + 0.5 * 2, 3 * 4 + 0.5 * 4 + 1], b=[5])
    assert losses == {"forget": 3.0, "retain": 1 + 10}
    assert {name: (value.data_ptr(), value.tolist()) for name, value in step.parameters.items()} == before


def test_tar_without_the_clean_term_reports_the_loss_under_attack():
    step = Toy({"forget": bowl}, a=(1.0, 1.0), nll=lambda a, b: 2.0 * a[0])
    config = TARConfig(steps=2, every=1, lrs=(0.25,), attacker="sgd", weight=3.0, clean=0.0)
    losses = TAR(config).gradient(step, {})
    assert losses == {"forget": pytest.approx((0.25 + 2 + 0 + 2) / 2)}
    assert step.gradient == close(a=[3 * 0.5, 3 * 4])
    assert "retain" not in step.calls


def test_the_attacker_of_tar_may_be_adam():
    # Adam's first step is as long as its learning rate, whatever the gradient.
    step = Toy({"forget": bowl}, a=(1.0, 1.0), nll=lambda a, b: 1000.0 * a[0])
    TAR(TARConfig(steps=1, every=1, lrs=(0.25,), weight=1.0, clean=0.0)).gradient(step, {})
    assert step.gradient["a"] == [pytest.approx(2 * 0.75), pytest.approx(4)]


def test_the_attackers_learning_rate_is_drawn_by_seed_and_step():
    def found(number):
        step = Toy({"forget": bowl}, a=(1.0, 1.0), nll=lambda a, b: a[0], number=number)
        TAR(TARConfig(steps=1, every=1, lrs=(0.1, 0.2, 0.3), attacker="sgd", clean=0.0)).gradient(step, {})
        return step.gradient["a"][0]

    drawn = [found(number) for number in range(20)]
    assert len({round(value, 9) for value in drawn}) == 3
    assert drawn == [found(number) for number in range(20)]


def test_weights_are_back_when_the_attack_ends_in_an_error():
    def broken(a, b):
        return a[0] * math.nan

    step = Toy({"forget": broken}, a=(1.0, 1.0), nll=lambda a, b: a[0])
    with pytest.raises(TrainingError):
        TAR(TARConfig(steps=1, every=1, lrs=(0.25,))).gradient(step, {})
    assert step.parameters["a"].tolist() == [1.0, 1.0]


# LAT -----------------------------------------------------------------------------------------------------------------

FORGET = [[1, 4, 5, 6, 7, 8, 2], [1, 9, 5, 2], [1, 13, 6, 7, 14, 15, 16, 17, 2]]
MARKED = [[False, False, False, True, True, False, False], [True] * 4, [False] * 8 + [True]]


def test_disturbances_are_shortened_and_never_lengthened():
    found = shorten(torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]]), 2.0)
    assert found.tolist() == [pytest.approx([1.2, 1.6]), pytest.approx([0.3, 0.4]), [0.0, 0.0]]


def layer_output(model, layer, ids):
    """What a layer makes, and the logits."""
    seen = []
    hook = model.model.layers[layer].register_forward_hook(lambda _layer, _given, made: seen.append(made))
    logits = model(input_ids=ids).logits
    hook.remove()
    return seen[0], logits


def test_states_are_disturbed_where_a_label_is_predicted(llama):
    model, batch = llama(0).train(), collate(FORGET, range(3), 0, MARKED)
    plain, _ = layer_output(model, 0, batch.input_ids)
    delta = torch.randn(batch.n_labelled, 32, generator=torch.Generator().manual_seed(0))
    with disturbed(model, 0, batch, delta):
        moved, _ = layer_output(model, 0, batch.input_ids)
        with torch.no_grad():
            left, _ = layer_output(model, 0, batch.input_ids)
        others, _ = layer_output(model, 0, batch.input_ids.flip(0))
    # Position t predicts the label at t + 1, and a marked token at 0 is predicted by none.
    places = [(0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (2, 7)]
    expected = plain.detach().clone()
    for number, (row, place) in enumerate(places):
        expected[row, place] += delta[number]
    assert len(places) == batch.n_labelled
    assert torch.equal(moved, expected)
    assert torch.equal(left, plain)
    assert torch.equal(others, plain.flip(0))
    assert torch.equal(layer_output(model, 0, batch.input_ids)[0], plain)
    assert not model.model._forward_hooks
    assert not model.model._forward_pre_hooks
    assert not model.model.layers[0]._forward_hooks


def test_a_layer_that_is_run_again_for_its_gradients_is_disturbed_as_before(llama):
    """As checkpointing does it where hooks are part of what is run again."""
    model, batch = llama(0).train(), collate(FORGET, range(3), 0)
    layer, given = model.model.layers[1], []
    watch = layer.register_forward_pre_hook(
        lambda _layer, args, options: given.append((args, options)), with_kwargs=True
    )
    delta = torch.ones(batch.n_labelled, 32)
    with disturbed(model, 1, batch, delta):
        first, _ = layer_output(model, 1, batch.input_ids)
        other, _ = layer_output(model, 1, batch.input_ids.flip(0))
        watch.remove()
        again, other_again = (layer(*args, **options) for args, options in given)
    assert torch.equal(again, first)
    assert torch.equal(other_again, other)


@pytest.mark.parametrize("checkpointing", [False, True], ids=["plain", "checkpointing"])
def test_lat_disturbs_a_layer_by_projected_gradient_descent(llama, checkpointing):
    """Against the same written out: Adam by hand on one disturbance for every position."""
    config = LATConfig(layer=0, epsilon=0.4, steps=3, lr=0.2)
    step = LlamaStep(llama(0).train())
    with _checkpointed(step.model, checkpointing):
        losses = LAT(config).gradient(step, {})
    found = {name: value.grad for name, value in step.parameters.items()}

    model = llama(0).train()
    ids, labels = step.batch.input_ids, step.batch.labels
    mask = (labels[:, 1:] != -100)[..., None].float()
    mask = torch.cat([mask, torch.zeros(3, 1, 1)], dim=1)
    delta, first, second = (torch.zeros(*ids.shape, 32) for _ in range(3))

    def nll():
        hook = model.model.layers[0].register_forward_hook(lambda _layer, _given, made: made + delta * mask)
        logits = model(input_ids=ids).logits[:, :-1]
        hook.remove()
        return cross_entropy(logits.reshape(-1, logits.shape[-1]), labels[:, 1:].reshape(-1), ignore_index=-100)

    started = float(nll().detach())
    for count in range(1, 4):
        delta.requires_grad_(True)
        slope = torch.autograd.grad(nll(), delta)[0]
        delta = delta.detach()
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope**2
        delta = delta - 0.2 * (first / (1 - 0.9**count)) / ((second / (1 - 0.999**count)).sqrt() + 1e-8)
        delta = delta * mask * (0.4 / delta.norm(dim=-1, keepdim=True).clamp(min=1e-12)).clamp(max=1.0)
    loss = -nll()
    loss.backward()
    # The adversary has made the rows more likely.
    assert losses["forget"] == pytest.approx(float(loss.detach()), rel=1e-5)
    assert -losses["forget"] < started
    assert float(delta.norm(dim=-1).max()) == pytest.approx(0.4, rel=1e-5)
    for name, value in model.named_parameters():
        assert torch.allclose(found[name], value.grad, rtol=1e-3, atol=1e-6), name
    assert all(value.requires_grad for value in step.parameters.values())


def test_lat_leaves_the_reference_alone(llama):
    """With an adapter the reference is the same model with its adapter off."""
    import peft

    model = peft.get_peft_model(llama(0), peft.LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))
    reference = AdapterOffReference(model.train(), precision="float32")
    batch = collate(FORGET, range(3), 0)
    before = reference.predict(batch).logits
    with disturbed(model, 0, batch, torch.ones(batch.n_labelled, 32)):
        assert not torch.equal(predict(model, batch).logits, before)
        assert torch.equal(reference.predict(batch).logits, before)


class LlamaStep(Step):
    """Gradient ascent on one batch of a real model."""

    def __init__(self, model):
        self._model = model
        self.batch = collate(FORGET, range(3), 0, MARKED)

    number, seed, terms = 0, 0, ("forget",)

    @property
    def model(self):
        return self._model

    @property
    def parameters(self):
        return dict(self._model.named_parameters())

    def parts(self, term):
        yield TokenBatch(self.batch.input_ids.clone(), self.batch.labels.clone(), self.batch.rows.clone())

    def backward(self, term, *, around=None):
        return self._backward(-1.0, around)

    def backward_nll(self, term, *, around=None):
        return self._backward(1.0, around)

    def _backward(self, sign, around):
        (part,) = self.parts("forget")
        with around(part):
            loss = -sign * predict(self._model, part).log_probs().mean()
            loss.backward()
        return float(loss.detach())

    def take(self):
        raise AssertionError

    def put(self, gradients):
        raise AssertionError
