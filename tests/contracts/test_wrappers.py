"""What every wrapper promises, around several losses, with full weights and with an adapter."""

from __future__ import annotations

import math
from typing import get_args, get_origin

import pytest
import torch
from pydantic import ValidationError
from tiny_unlearning import FORGET, PAD, RETAIN, algorithm_of, every_way, label, loop
from torch.nn.functional import pad as widen

import restor.training.loop as loop_module
from interrupted import KillAt, Killed, same, weights_of
from representatives import one_for_each
from restor.config import parse_yaml, to_yaml
from restor.errors import ConfigError, TrainingError
from restor.models.labelled import TokenBatch, collate
from restor.training.callbacks.base import Callback
from restor.training.resume import ResumeFolder
from restor.training.rules import StepRule
from restor.unlearning.unlearn import EncodedTexts, unlearn
from restor.unlearning.wrappers.base import WRAPPERS

NAMES = WRAPPERS.names()
LOSSES = ["gradient_ascent", "npo", "simnpo"]
MARKED = [[place > 2 for place in range(len(row))] for row in FORGET]
QUICK = {"lat": {"steps": 3, "lr": 0.2}, "tar": {"steps": 4, "every": 2, "lrs": [1e-2]}, "sam": {"rho": 0.1}}
"""Attacks that are short and strong enough to be seen in a model of this size."""


def variants(name):
    """The default options, each other word of an option, and each option that is off by default switched on."""
    yield {}
    for key, field in WRAPPERS.config_type(name).model_fields.items():
        words = [word for word in get_args(field.annotation) if isinstance(word, str) and word != field.default]
        if key == "name":
            continue
        yield from ({key: word} for word in words)
        if not words and field.default == 0:
            yield {key: 0.5}
        if (name, key) == ("tar", "clean"):
            yield {key: 0.0}


VARIANTS = [(name, options) for name in NAMES for options in variants(name)]


every = pytest.mark.parametrize("name", NAMES)
every_variant = pytest.mark.parametrize(("name", "options"), VARIANTS, ids=label)
every_loss = pytest.mark.parametrize("loss", LOSSES)


def wrapper_of(name, **options):
    return WRAPPERS.build(WRAPPERS.parse({"name": name, **QUICK.get(name, {}), **options}))


def run(llama, loss, wrapper, config, *, seed=0, tokens=24, **more):
    texts = EncodedTexts(FORGET, RETAIN, forget_tokens=tokens, retain_tokens=tokens, forget_labels=MARKED)
    algorithm = algorithm_of(loss) if isinstance(loss, str) else loss
    model, log = unlearn(llama(0), algorithm, texts, config, pad=PAD, seed=seed, wrapper=wrapper, **more)
    return weights_of(model), log


class KeepGradients(Callback):
    """The gradient of the first step, before any of it was clipped."""

    def after_step(self, event):
        self.losses = dict(event.losses)
        self.gradients = {
            name: value.grad.clone() for name, value in event.model.named_parameters() if value.grad is not None
        }


def first_gradient(llama, loss, wrapper, **changes):
    seen = KeepGradients()
    optimizer = {"clip": 1e9, "warmup": 0.0}
    config = loop(steps=1, **({"optimizer": optimizer} | changes))
    run(llama, loss, wrapper, config, tokens=1000, callbacks=[seen])
    return seen


def assert_alike(found, expected, *, rtol=1e-3):
    assert found.losses == pytest.approx(expected.losses, rel=1e-4)
    assert found.gradients.keys() == expected.gradients.keys()
    whole = math.sqrt(sum(float(value.square().sum()) for value in expected.gradients.values()))
    for name, value in expected.gradients.items():
        assert float((found.gradients[name] - value).norm()) <= rtol * whole, name


# Configuration -------------------------------------------------------------------------------------------------------


@one_for_each("name")
@every_variant
def test_a_configuration_survives_being_written_down(name, options):
    config = WRAPPERS.parse({"name": name, **options})
    assert config.name == name
    assert WRAPPERS.parse(parse_yaml(to_yaml(config), "test")) == config
    assert WRAPPERS.parse(config.identity()) == config


@every
def test_wrong_hyperparameters_are_refused(name):
    wrong = [{"no_such_option": 1}]
    for key, field in WRAPPERS.config_type(name).model_fields.items():
        if key == "name":
            continue
        numbers = field.annotation in (int, float) or float in get_args(field.annotation)
        if get_origin(field.annotation) is tuple:
            wrong += [{key: value} for value in ([-1], [math.nan], ["many"], [], None, 1.0)]
        elif numbers:
            wrong += [{key: value} for value in (-1, "many", math.nan, math.inf, None)]
        else:
            wrong.append({key: "no such word"})
    for options in wrong:
        with pytest.raises(ValidationError):
            WRAPPERS.build(WRAPPERS.parse({"name": name, **options}))


# What it does --------------------------------------------------------------------------------------------------------


@one_for_each("name", "loss", "lora")
@every_way
@every_loss
@every_variant
def test_weights_move_stay_finite_and_depend_on_the_seed_alone(name, options, loss, lora, llama):
    start = weights_of(llama(0))
    found, log = run(llama, loss, wrapper_of(name, **options), loop(lora=lora))
    assert all(torch.isfinite(value).all() for value in found.values())
    assert found.keys() == start.keys()
    assert not same(found, start)
    assert [set(record) for record in log.records] == [{"step", "lr", "grad_norm", "forget", "retain"}] * 3
    assert all(math.isfinite(value) for record in log.records for value in record.values())
    again, log_again = run(llama, loss, wrapper_of(name, **options), loop(lora=lora))
    assert same(again, found)
    assert log_again.records == log.records


@one_for_each("name", "lora")
@every_way
@every
def test_it_makes_a_difference(name, lora, llama):
    wrapped, _ = run(llama, "gradient_ascent", wrapper_of(name), loop(lora=lora))
    plain, _ = run(llama, "gradient_ascent", None, loop(lora=lora))
    assert not same(wrapped, plain)


class Watch(StepRule):
    """Notices what a wrapper leaves behind in a step."""

    def __init__(self, wrapper):
        self.wrapper, self.info, self.steps = wrapper, wrapper.info, 0

    def gradient(self, step, memory):
        before = {name: (value.data_ptr(), value.detach().clone()) for name, value in step.parameters.items()}
        assert all(value.grad is None for value in step.parameters.values())
        hooks = self.hooks(step.model)
        losses = self.wrapper.gradient(step, memory)
        assert list(losses) == list(step.terms)
        for name, value in step.parameters.items():
            address, kept = before[name]
            assert value.data_ptr() == address
            assert torch.equal(value, kept)
            assert value.requires_grad
        assert self.hooks(step.model) == hooks
        given = [value.grad for value in step.parameters.values() if value.grad is not None]
        assert given
        # What is remembered must not change when the gradient is clipped.
        assert not {value.data_ptr() for value in given} & {value.data_ptr() for value in memory.values()}
        assert all(not value.requires_grad for value in memory.values())
        self.steps += 1
        return losses

    def hooks(self, model):
        return [(*module._forward_hooks, *module._forward_pre_hooks) for module in model.modules()]


@one_for_each("name", "loss", "lora")
@every_way
@every_loss
@every_variant
def test_a_step_leaves_weights_and_model_as_they_were(name, options, loss, lora, llama):
    watch = Watch(wrapper_of(name, **options))
    run(llama, loss, watch, loop(lora=lora))
    assert watch.steps == 3


@one_for_each("name", "loss")
@every_loss
@every_variant
def test_padding_has_no_influence(name, options, loss, llama, monkeypatch):
    expected = first_gradient(llama, loss, wrapper_of(name, **options))

    def wider(*given):
        batch = collate(*given)
        return TokenBatch(widen(batch.input_ids, (0, 8), value=3), widen(batch.labels, (0, 8), value=-100), batch.rows)

    monkeypatch.setattr(loop_module, "collate", wider)
    assert_alike(first_gradient(llama, loss, wrapper_of(name, **options)), expected)


@one_for_each("name", "loss", "lora")
@every_way
@every_loss
@every_variant
def test_accumulated_gradients_equal_those_of_the_large_batch(name, options, loss, lora, llama):
    expected = first_gradient(llama, loss, wrapper_of(name, **options), lora=lora)
    found = first_gradient(llama, loss, wrapper_of(name, **options), lora=lora, accumulation=2)
    assert_alike(found, expected)


@one_for_each("name", "lora")
@every_way
@every
def test_gradient_checkpointing_changes_nothing(name, lora, llama):
    expected = first_gradient(llama, "npo", wrapper_of(name), lora=lora)
    found = first_gradient(llama, "npo", wrapper_of(name), lora=lora, gradient_checkpointing=True)
    assert_alike(found, expected)


# What it refuses, and what happens when something goes wrong ---------------------------------------------------------


@every
def test_a_loss_without_a_term_that_it_needs_is_refused(name, llama):
    info = WRAPPERS.get(name).info
    alone = algorithm_of("gradient_ascent", retain_weight=0)
    if info.needs_retain:
        with pytest.raises(ConfigError, match=rf"{info.title} needs a loss with a retain term.*retain_weight"):
            run(llama, alone, wrapper_of(name), loop())
    else:
        _, log = run(llama, alone, wrapper_of(name), loop())
        assert "retain" not in log.records[0]
    with pytest.raises(ConfigError, match=f"{info.title} needs a loss with a forget term"):
        run(llama, "retain_only", wrapper_of(name), loop())
    with pytest.raises(ConfigError, match=f"{info.title} wraps a loss"):
        run(llama, "task_vector", wrapper_of(name), loop())


def test_a_layer_that_the_model_does_not_have_is_refused(llama):
    with pytest.raises(ConfigError, match="no layer 2"):
        run(llama, "npo", wrapper_of("lat", layer=2), loop())


@one_for_each("lora")
@every_way
@every
def test_a_loss_that_is_not_a_number_ends_the_run_and_names_the_step(name, lora, llama, monkeypatch):
    algorithm = algorithm_of("gradient_ascent")
    original, steps = type(algorithm).forget_loss, []

    class Count(StepRule):
        info = WRAPPERS.get(name).info

        def gradient(self, step, memory):
            steps.append(step.number)
            return wrapper_of(name).gradient(step, memory)

    def broken(self, *given):
        return original(self, *given) * (math.nan if len(steps) == 2 else 1.0)

    monkeypatch.setattr(type(algorithm), "forget_loss", broken)
    with pytest.raises(TrainingError, match=r"'forget' loss is nan at step 2 of 3"):
        run(llama, algorithm, Count(), loop(lora=lora))


@one_for_each("name", "lora")
@every_way
@every_variant
def test_a_run_that_was_killed_ends_like_one_that_was_not(name, options, lora, llama, tmp_path):
    config = loop(steps=5, lora=lora)
    whole, log = run(llama, "npo", wrapper_of(name, **options), config)
    folder = ResumeFolder(tmp_path, every=0)
    with pytest.raises(Killed):
        run(llama, "npo", wrapper_of(name, **options), config, callbacks=[KillAt(3)], resume=folder)
    resumed, log_resumed = run(
        llama, "npo", wrapper_of(name, **options), config, resume=ResumeFolder(tmp_path, every=0)
    )
    assert same(resumed, whole)
    assert log_resumed.records == log.records
