"""An algorithm of the user's own that is wrong is told so: which class, what is wrong, what to do."""

from __future__ import annotations

import pytest
import torch
from torch import nan

from restor.errors import CodeError, ConfigError, DataError, RestorError, TrainingError
from restor.models.arithmetic import Lazy, plus
from restor.training.config import LoopConfig, LoraConfig
from restor.unlearning.algorithms.base import (
    AlgorithmConfig,
    AlgorithmInfo,
    LossAlgorithm,
    Plan,
    WeightAlgorithm,
    loss_grid,
)
from restor.unlearning.losses import mean_nll
from restor.unlearning.unlearn import EncodedTexts, unlearn

FORGET = [[1, 4, 5, 6, 7, 8, 2], [1, 9, 5, 2], [1, 4, 10, 11, 12, 2]]
RETAIN = [[1, 18, 5, 6, 19, 2], [1, 18, 20, 2]]
ways = pytest.mark.parametrize("lora", [None, LoraConfig(rank=2, alpha=4)], ids=["full", "lora"])


class MineConfig(AlgorithmConfig):
    """Nothing to set."""


INFO = AlgorithmInfo("Mine", "", "what a user may write", "?", "little", loss_grid((1e-4,), 3))
READS_BOTH = Plan(forget_reference=True, retain_reference=True)


class Mine(LossAlgorithm):
    """A loss whose two terms and plan a test gives."""

    config_type = MineConfig
    info = INFO

    def __init__(
        self, forget=lambda seen: -mean_nll(seen.policy), retain=lambda seen: mean_nll(seen.policy), plan=None
    ):
        self.forget = forget
        self.retain = retain
        self.given = plan or Plan()

    @property
    def plan(self):
        return self.given

    def forget_loss(self, seen):
        return self.forget(seen)

    def retain_loss(self, seen):
        return self.retain(seen)


class MyWeights(WeightAlgorithm):
    """New weights, made as a test says."""

    config_type = MineConfig
    info = INFO

    def __init__(self, edit, plan=None):
        self.given = plan or Plan(retain=None)
        self.make = edit

    @property
    def plan(self):
        return self.given

    def edit(self, session):
        return self.make(session)


def run(llama, algorithm, *, lora=None, lr=1e-3, forget=FORGET, retain=RETAIN):
    texts = EncodedTexts(forget, retain, forget_tokens=24, retain_tokens=24)
    config = LoopConfig(steps=3, lr=lr, precision="float32", lora=lora)
    return unlearn(llama(0), algorithm, texts, config, pad=0, seed=0)


def told(llama, algorithm, kind=CodeError, **more):
    with pytest.raises(kind) as raised:
        run(llama, algorithm, **more)
    assert isinstance(raised.value, RestorError)
    return str(raised.value)


@ways
def test_a_right_one_runs(llama, lora):
    before = {name: value.clone() for name, value in llama(0).named_parameters()}
    model, log = run(llama, Mine(plan=READS_BOTH), lora=lora)
    assert log.steps == 3
    assert any(not torch.equal(before[name], value) for name, value in model.named_parameters())


@ways
def test_a_loss_that_is_nan(llama, lora):
    text = told(llama, Mine(lambda seen: mean_nll(seen.policy) * nan), TrainingError, lora=lora)
    for said in ("Mine: ", "forget", "is nan at step 1", "Nothing was saved", "look at the loss itself"):
        assert said in text


@ways
def test_a_loss_that_becomes_infinite_in_the_retain_term(llama, lora):
    text = told(llama, Mine(retain=lambda seen: mean_nll(seen.policy) / 0), TrainingError, lora=lora)
    for said in ("Mine", "retain", "is inf at step 1", "Nothing was saved"):
        assert said in text


@ways
@pytest.mark.parametrize(
    "loss",
    [
        lambda seen: mean_nll(seen.policy).detach(),
        lambda seen: mean_nll(seen.reference),
        lambda seen: torch.tensor(1.0),
        lambda seen: mean_nll(seen.policy).round().sign().detach() * 2,
    ],
)
def test_a_loss_that_does_not_depend_on_the_model_in_training(llama, loss, lora):
    text = told(llama, Mine(loss, plan=READS_BOTH), lora=lora)
    for said in ("Mine.forget_loss does not depend on the predictions of the model in training", "Use seen.policy"):
        assert said in text
    assert "Mine.retain_loss does not depend" in told(llama, Mine(retain=loss, plan=READS_BOTH), lora=lora)


def test_a_retain_set_that_is_asked_for_and_not_used(llama):
    """The user forgot the retain term: a constant 0 stands in its place."""
    text = told(llama, Mine(retain=lambda seen: torch.zeros(())))
    for said in ("Mine.retain_loss does not depend", "if there is to be no retain term, say so in `plan`"):
        assert said in text


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (lambda seen: seen.policy.log_probs(), r"it returned a tensor of shape (\d+,)"),
        (lambda seen: None, "it returned None"),
        (lambda seen: float(mean_nll(seen.policy).detach()), "it returned -?[0-9.]+"),
    ],
)
def test_a_loss_that_is_no_scalar_tensor(llama, loss, said):
    text = told(llama, Mine(loss))
    assert "Mine.forget_loss must return a scalar tensor" in text
    assert "Take the mean over its tokens" in text


@ways
@pytest.mark.parametrize(
    "spoil",
    [
        lambda logits: logits.mul_(2.0),
        lambda logits: logits.zero_(),
        lambda logits: logits.__setitem__(0, 0.0),
        lambda logits: logits.log_softmax(-1).shape and logits.sub_(1.0),
    ],
)
def test_a_change_of_the_references_predictions(llama, spoil, lora):
    def loss(seen):
        spoil(seen.reference.logits)
        return -mean_nll(seen.policy)

    text = told(llama, Mine(loss, plan=READS_BOTH), lora=lora)
    for said in ("Mine.forget_loss changes the predictions of the reference", "Work on a copy"):
        assert said in text
    assert "Mine.retain_loss changes" in told(llama, Mine(retain=loss, plan=READS_BOTH), lora=lora)


@ways
def test_a_reference_that_the_plan_does_not_ask_for(llama, lora):
    text = told(llama, Mine(lambda seen: -mean_nll(seen.policy) + mean_nll(seen.reference)), lora=lora)
    for said in ("the plan does not ask for the reference model", "forget_reference"):
        assert said in text


def test_a_teacher_and_alternates_that_the_plan_does_not_ask_for(llama):
    text = told(llama, Mine(lambda seen: mean_nll(seen.alternate.policy)))
    assert "the plan does not ask for alternates" in text


def test_a_retain_set_that_is_asked_for_and_empty(llama):
    text = told(llama, Mine(), DataError, retain=[])
    assert "Mine reads retain text and the retain set is empty" in text
    assert "The forget set is empty" in told(llama, Mine(), DataError, forget=[])


def test_a_class_that_is_neither_of_the_two_kinds(llama):
    class Neither(Mine.__mro__[2]):
        config_type, info = MineConfig, INFO
        plan = Plan()

    assert "Neither is neither a LossAlgorithm nor a WeightAlgorithm" in told(llama, Neither())


# Weights -------------------------------------------------------------------------------------------------------------


@ways
def test_right_weights_are_taken(llama, lora):
    algorithm = MyWeights(lambda shop: plus(shop.corrupted, (-1.0, shop.vector("corrupted", "forget"))))
    model, _ = run(llama, algorithm, lora=lora)
    assert any(
        not torch.equal(left, right) for left, right in zip(model.parameters(), llama(0).parameters(), strict=True)
    )


@ways
@pytest.mark.parametrize("text", ["forget", "retain"])
def test_a_set_that_weights_are_to_be_made_from_and_are_not(llama, text, lora):
    other = {"forget": "retain", "retain": "forget"}[text]
    algorithm = MyWeights(lambda shop: plus(shop.corrupted, (-1.0, shop.vector("corrupted", other))), Plan())
    said = told(llama, algorithm, lora=lora)
    assert f"MyWeights asks for the {text} set in its plan and never read it" in said
    assert "leave it out of the plan" in said


def test_weights_that_are_not_finite(llama):
    algorithm = MyWeights(
        lambda shop: Lazy(shop.corrupted, lambda name: shop.corrupted[name] / 0), Plan(forget=False, retain=None)
    )
    text = told(llama, algorithm, TrainingError)
    for said in ("MyWeights made weights that are not finite (model.", "Nothing was saved"):
        assert said in text


def test_a_parameter_that_the_model_does_not_have(llama):
    algorithm = MyWeights(lambda shop: {"model.extra": torch.zeros(2)}, Plan(forget=False, retain=None))
    assert "MyWeights made a parameter that the model does not have: model.extra" in told(llama, algorithm)


def test_weights_of_another_shape(llama):
    algorithm = MyWeights(lambda shop: {"model.norm.weight": torch.zeros(1)}, Plan(forget=False, retain=None))
    text = told(llama, algorithm)
    for said in ("MyWeights", "model.norm.weight", "shape (1,)", "(32,)"):
        assert said in text


def test_a_vector_of_another_shape_is_not_broadcast(llama):
    short = {"model.norm.weight": torch.ones(1)}
    algorithm = MyWeights(lambda shop: plus(shop.corrupted, (-1.0, short)), Plan(forget=False, retain=None))
    text = told(llama, algorithm, ConfigError)
    assert "A vector has model.norm.weight of shape (1,), the weights have it of shape (32,)" in text


def test_a_checkpoint_that_was_not_given(llama):
    algorithm = MyWeights(lambda shop: shop.checkpoint, Plan(forget=False, retain=None, checkpoint=True))
    text = told(llama, algorithm, ConfigError)
    assert "MyWeights needs a checkpoint from before the forget documents, and none was given" in text


@pytest.mark.parametrize("text", ["forget", "retain"])
def test_a_text_that_the_plan_does_not_ask_for(llama, text):
    """It would be read without standing in the information budget."""
    plan = Plan(forget=text == "retain", retain="text" if text == "forget" else None)
    for use in (
        lambda shop: plus(shop.corrupted, (-1.0, shop.vector("corrupted", text))),
        lambda shop: plus(shop.corrupted, (-1.0, shop.gradient("corrupted", text))),
        lambda shop: {"model.norm.weight": next(iter(shop.batches(text))).input_ids.float().mean().repeat(32)},
    ):
        said = told(llama, MyWeights(use, plan))
        assert f"MyWeights reads the {text} set, and its plan does not ask for it. Set `{text}` in the plan" in said


def test_what_edit_must_return(llama):
    text = told(llama, MyWeights(lambda shop: None, Plan(forget=False, retain=None)))
    for said in ("MyWeights.edit must return", "None"):
        assert said in text
