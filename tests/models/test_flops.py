"""The estimate of floating-point operations against those that torch counts."""

from __future__ import annotations

from random import Random

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from restor.models.families import decoder_layers
from restor.models.flops import Meter, metered
from restor.models.labelled import collate, predict
from restor.training.config import LoopConfig, LoraConfig
from restor.unlearning.algorithms.base import ALGORITHMS, Edit
from restor.unlearning.texts import EncodedTexts
from restor.unlearning.unlearn import unlearn
from restor.unlearning.wrappers.base import WRAPPERS

WORDS = 64
RNG = Random(0)
ROWS = [[1, *(RNG.randrange(4, WORDS) for _ in range(RNG.randrange(28, 33))), 2] for _ in range(10)]
TEXTS = EncodedTexts(
    ROWS[:5], ROWS[5:], forget_tokens=80, retain_tokens=80, edits=[Edit((1, 4, 5, 6), (19,), 1), Edit((1, 9), (7,), 1)]
)
LORA = LoraConfig(rank=2, alpha=4)


def model(seed: int = 0) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=WORDS,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        attn_implementation="eager",  # torch counts no other attention on a CPU
    )
    return LlamaForCausalLM(config).eval()


def ratio(found: float, exact: FlopCounterMode) -> float:
    return found / exact.get_total_flops()


def test_a_forward_pass_costs_two_operations_per_matrix_entry_and_token_and_attention() -> None:
    one, batch, meter = model(), collate([ROWS[0][:16]], [0], 0), Meter()
    with torch.no_grad(), metered(one, meter):
        predict(one, batch)
    layer = 4 * 64 * 64 + 3 * 64 * 96
    # The head runs on 15 positions, rounded up to 64.
    assert meter.take() == 3 * (2 * layer * 16 + 4 * 16 * 16 * 64) + 2 * 64 * WORDS * 64
    assert meter.take() == 0


@pytest.mark.parametrize("trained", ["all", "last layer", "nothing"])
def test_the_way_back_counts_as_far_as_it_is_gone(trained: str) -> None:
    one, batch, meter = model(), collate(ROWS, range(10), 0), Meter()
    one.requires_grad_(trained == "all")
    if trained == "last layer":
        decoder_layers(one)[2].requires_grad_(True)
    with FlopCounterMode(display=False) as exact, metered(one, meter):
        loss = predict(one, batch).log_probs().mean()
        if trained != "nothing":
            loss.backward()
    assert ratio(meter.take(), exact) == pytest.approx(1, abs=0.05)


def test_watches_within_watches_count_once_and_what_is_apart_stays_apart() -> None:
    one, batch, meter = model(), collate(ROWS, range(10), 0), Meter()
    with torch.no_grad(), metered(one, meter):
        predict(one, batch)
        alone = meter.take()
        with meter.apart(), metered(one, meter):
            predict(one, batch)
            assert meter.take() == alone
        predict(one, batch)
    predict(one, batch)
    assert meter.take() == alone


@pytest.mark.parametrize(
    ("name", "options", "wrapper", "lora"),
    [
        ("npo", {"retain_weight": 1.0}, None, None),  # a kept reference
        ("npo", {"retain_weight": 1.0}, None, LORA),  # the reference with the adapter off
        pytest.param("npo", {"retain_weight": 1.0}, "sam", None, marks=pytest.mark.nightly),  # two passes a step
        ("npo", {"retain_weight": 1.0}, "lat", None),  # passes of an adversary
        pytest.param("rmu", {}, None, None, marks=pytest.mark.nightly),  # a few matrices of a few layers
        ("uld", {}, None, None),  # a second model, trained beside
        pytest.param("undo", {}, None, LORA, marks=pytest.mark.nightly),  # a student and its teacher
        pytest.param("influence", {}, None, None, marks=pytest.mark.nightly),  # gradients outside of a training
        ("memit", {}, None, None),  # no training at all
    ],
)
def test_unlearning_costs_what_torch_counts_within_a_tenth(
    name: str, options: dict[str, float], wrapper: str | None, lora: LoraConfig | None
) -> None:
    algorithm = ALGORITHMS.build(ALGORITHMS.parse({"name": name, **options}))
    around = WRAPPERS.build(WRAPPERS.parse({"name": wrapper})) if wrapper else None
    config = LoopConfig(steps=2, lr=1e-3, precision="float32", lora=lora)
    with FlopCounterMode(display=False) as exact:
        _, log = unlearn(model(), algorithm, TEXTS, config, pad=0, seed=0, wrapper=around)
    assert ratio(log.flops, exact) == pytest.approx(1, abs=0.1)
