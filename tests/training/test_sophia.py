"""Sophia's steps with the arithmetic spelled out, on a quadratic, and as an option of the loop."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from interrupted import KillAt, Killed, same, weights_of
from restor.training.batching import SetRows
from restor.training.config import LoopConfig, LoraConfig, OptimizerConfig, SophiaConfig
from restor.training.loop import train
from restor.training.lora import add_adapter
from restor.training.objective import LanguageModelling
from restor.training.optim import Sophia, make_optimizer
from restor.training.resume import ResumeFolder

ROWS = [[1, 4, 5, 6, 7, 8, 2], [1, 9, 5, 2], [1, 4, 10, 11, 12, 2], [1, 13, 6, 7, 14, 15, 16, 17, 2], [1, 9, 2]]


def parameter(*values):
    return nn.Parameter(torch.tensor(values, dtype=torch.float64))


def sophia(parameters, *, lr=0.1, betas=(0.5, 0.75), weight_decay=0.0, **options):
    config = SophiaConfig(**({"gamma": 0.5, "samples": 2} | options))
    return Sophia(parameters, config, lr=lr, betas=betas, weight_decay=weight_decay)


def close(*expected):
    return pytest.approx(list(expected), rel=1e-12, abs=1e-12)


def test_three_steps_by_hand():
    weights = parameter(1.0, -1.0)
    optimizer = sophia([weights])
    # m = m/2 + g/2; h = 3/4 h + 1/4 * 2 g^2; then theta - 0.1 clip(m / (h/2), 1).
    weights.grad = torch.tensor([4.0, -0.1], dtype=torch.float64)
    optimizer.step()
    # m = (2, -0.05), h = (8, 0.005), m / (h/2) = (0.5, -20 -> -1).
    assert weights.tolist() == close(1 - 0.05, -1 + 0.1)
    weights.grad = torch.tensor([-2.0, 0.1], dtype=torch.float64)
    optimizer.step()
    # m = (1 - 1, -0.025 + 0.05), h = (6 + 2, 0.00375 + 0.005), m / (h/2) = (0, 5.7 -> 1).
    assert weights.tolist() == close(0.95, -0.9 - 0.1)
    weights.grad = torch.tensor([1.0, 0.0], dtype=torch.float64)
    optimizer.step()
    # m = (0.5, 0.0125), h = (6 + 0.5, 0.0065625), m / (h/2) = (2/13, 3.8 -> 1).
    assert weights.tolist() == close(0.95 - 0.1 * 2 / 13, -1.0 - 0.1)


def test_the_curvature_is_estimated_at_the_first_step_and_every_kth_after_it():
    weights = parameter(0.0)
    optimizer = sophia([weights], every=2)
    seen = []
    for gradient in (1.0, 5.0, 2.0):
        weights.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        seen.append(float(optimizer.state[weights]["curvature"]))
    # 1/4 * 2 * 1; nothing; 3/4 of it + 1/4 * 2 * 4.
    assert seen == close(0.5, 0.5, 2.375)


def test_weight_decay_is_apart_from_the_step():
    weights = parameter(2.0)
    optimizer = sophia([weights], weight_decay=0.5)
    weights.grad = torch.zeros(1, dtype=torch.float64)
    optimizer.step()
    assert weights.tolist() == close(2.0 * (1 - 0.1 * 0.5))


def test_a_parameter_without_gradient_stays_what_it_is():
    weights, other = parameter(1.0), parameter(3.0)
    optimizer = sophia([weights, other], weight_decay=0.5)
    weights.grad = torch.ones(1, dtype=torch.float64)
    optimizer.step()
    assert other.tolist() == [3.0]
    assert weights.tolist() != [1.0]


def test_no_entry_moves_further_than_the_learning_rate_and_a_quadratic_is_minimised():
    target, scales = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([4.0, 1.0, 0.25])
    weights = nn.Parameter(torch.zeros(3))
    optimizer = sophia([weights], lr=0.05, betas=(0.9, 0.95), gamma=0.05)
    for step in range(200):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 200)
        before = weights.detach().clone()
        optimizer.zero_grad()
        (0.5 * scales * (weights - target) ** 2).sum().backward()
        optimizer.step()
        assert float((weights.detach() - before).abs().max()) <= 0.05 * (1 - step / 200) * 1.0001
    assert torch.allclose(weights.detach(), target, atol=0.02)


def test_the_optimiser_is_chosen_by_name():
    weights = parameter(1.0)
    adam = make_optimizer([weights], OptimizerConfig(weight_decay=0.1), lr=0.01)
    assert isinstance(adam, torch.optim.AdamW)
    assert adam.param_groups[0]["betas"] == (0.9, 0.98)
    config = OptimizerConfig(name="sophia", betas=(0.9, 0.95), weight_decay=0.1, sophia=SophiaConfig(every=10))
    chosen = make_optimizer([weights], config, lr=0.01)
    assert isinstance(chosen, Sophia)
    assert chosen.config.every == 10
    assert {key: chosen.param_groups[0][key] for key in ("lr", "betas", "weight_decay")} == {
        "lr": 0.01,
        "betas": (0.9, 0.95),
        "weight_decay": 0.1,
    }


def test_an_iterator_of_parameters_is_enough():
    weights = {"a": parameter(1.0)}
    assert make_optimizer(iter(weights.values()), OptimizerConfig(name="sophia"), lr=0.01).param_groups[0]["params"]


@pytest.mark.parametrize("field", ["gamma", "samples", "every", "epsilon"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), None, "many"])
def test_wrong_options_are_refused(field, value):
    with pytest.raises(ValidationError):
        SophiaConfig(**{field: value})


# In the loop ---------------------------------------------------------------------------------------------------------


def run(llama, lora, **more):
    optimizer = OptimizerConfig(name="sophia", betas=(0.9, 0.95), weight_decay=0.1, sophia=SophiaConfig(every=2))
    config = LoopConfig(steps=6, lr=3e-3, precision="float32", lora=lora, optimizer=optimizer)
    model = llama(0)
    trained = add_adapter(model, lora, seed=0) if lora else model
    log = train(
        trained,
        LanguageModelling(),
        {"text": SetRows(ROWS, tokens=24, name="text", seed=0)},
        config,
        pad=0,
        seed=0,
        **more,
    )
    return weights_of(trained), log


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=2, alpha=4)], ids=["full", "lora"])
def test_a_killed_run_with_sophia_ends_like_one_that_was_not(lora, llama, tmp_path):
    whole, log = run(llama, lora)
    assert log.records[-1]["text"] < log.records[0]["text"]
    with pytest.raises(Killed):
        run(llama, lora, callbacks=[KillAt(4)], resume=ResumeFolder(tmp_path, every=0))
    resumed, log_resumed = run(llama, lora, resume=ResumeFolder(tmp_path, every=0))
    assert log_resumed.records == log.records
    assert same(resumed, whole)
