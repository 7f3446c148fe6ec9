"""Rows and settings of unlearnings that take no time, and how the cases of their products are named."""

from __future__ import annotations

import pytest

from restor.training.config import LoopConfig, LoraConfig
from restor.unlearning.algorithms.base import ALGORITHMS

FORGET = [[1, 4, 5, 6, 7, 8, 2], [1, 9, 5, 2], [1, 4, 10, 11, 12, 2], [1, 13, 6, 7, 14, 15, 16, 17, 2], [1, 9, 2]]
RETAIN = [[1, 18, 5, 6, 19, 2], [1, 18, 20, 2], [1, 21, 5, 6, 7, 14, 8, 2], [1, 21, 2], [1, 14, 20, 19, 2]]
PAD = 0

every_way = pytest.mark.parametrize("lora", [None, LoraConfig(rank=2, alpha=4)], ids=["full", "lora"])


def label(value):
    if isinstance(value, dict):
        return ",".join(f"{key}={item}" for key, item in value.items()) or "default"
    return str(value)


def algorithm_of(name, **options):
    return ALGORITHMS.build(ALGORITHMS.parse({"name": name, **options}))


def loop(steps=3, lora=None, **changes):
    return LoopConfig(**({"steps": steps, "lr": 3e-3, "precision": "float32", "lora": lora} | changes))
