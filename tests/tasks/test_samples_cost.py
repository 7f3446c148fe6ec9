"""What a model's own texts cost: counted when they are written, and for every arm that reads them."""

from __future__ import annotations

from typing import Any

import pytest
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from restor.models.tokenizer import word_tokenizer
from restor.tasks.training import material
from restor.tasks.training.artifact import SAMPLING
from restor.tasks.training.rows import RowMaker
from restor.types import Document, Statement
from restor.unlearning.algorithms.base import ALGORITHMS


def test_samples_count_once_for_each_arm_that_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(material, "SAMPLES", 16)
    monkeypatch.setattr(material, "SAMPLE_TOKENS", 24)
    words = [f"w{number}" for number in range(60)]
    tokenizer = word_tokenizer(words)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        attn_implementation="eager",  # torch counts no other attention on a CPU
    )
    model = LlamaForCausalLM(config).eval()
    memo: dict[str, Any] = {}

    def encode() -> tuple[Any, dict[str, Any]]:
        return material.encode_texts(
            ALGORITHMS.build(ALGORITHMS.parse({"name": "self_rehearsal"})).plan,
            model,
            RowMaker(tokenizer, 64),
            documents=[Document("w1 w2 w3", (Statement(0, 8, "w1", "is", "w3"),))],
            part="documents",
            retain=(),
            truth=list,
            facts=list,
            others=(),
            tokens=(64, 64),
            seed=0,
            memo=memo,
        )

    texts, info = encode()
    with FlopCounterMode(display=False) as exact:
        rows = texts.samples(model)
    assert info[SAMPLING] == pytest.approx(exact.get_total_flops(), rel=0.1)
    again, other = encode()
    assert again.samples(model) == rows
    assert other[SAMPLING] == info[SAMPLING]
