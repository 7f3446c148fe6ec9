"""Whatever a test is parametrised with, the cases that run by default meet every value that it says matters."""

from __future__ import annotations

from itertools import product

from representatives import representatives

CASES = [{"name": name, "lora": lora, "seed": seed} for name, lora, seed in product("abc", (None, 2), (0, 1))]


def chosen(*keys):
    return [
        "".join(str(value) for value in case.values() if value is not None)
        for case, first in zip(CASES, representatives(CASES, keys), strict=True)
        if first
    ]


def test_every_value_of_every_key_is_met_by_the_first_case_that_has_it():
    assert chosen("name") == ["a0", "b0", "c0"]
    assert chosen("name", "lora") == ["a0", "a20", "b0", "c0"]
    assert chosen("seed") == ["a0", "a1"]


def test_a_function_tells_what_matters_about_several_parameters():
    assert chosen(lambda name, lora, seed: (name == "a", lora)) == ["a0", "a20", "b0", "b20"]


def test_without_a_key_nothing_is_chosen_twice():
    assert chosen() == []
