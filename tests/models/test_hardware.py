"""Threads are taken as long as they help."""

from __future__ import annotations

import pytest
import torch

import restor.models.hardware as hardware
from restor.evaluation.ask.engine.engine import Engine
from restor.evaluation.ask.engine.items import Item, Option

ITEM = Item("one", (1, 5, 6), (Option(3, (7, 8)),))


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("together", "taken"),
    [([0.6], 2), ([1.4], 2), ([9.0], 1), ([2.0, 3.0, 2.0], 1), ([3.0, 1.2], 2)],
)
def test_several_threads_are_taken_unless_one_is_clearly_faster(llama, two_threads, monkeypatch, together, taken):
    left = iter(together)
    monkeypatch.setattr(hardware, "_seconds", lambda model, tokens, threads: 1.0 if threads == 1 else next(left))
    assert hardware.helpful_threads(llama()) == taken
    assert next(left, None) is None, "no more is tried than tells"
    assert torch.get_num_threads() == 2


def test_the_trial_itself_computes_with_the_threads_it_measures(llama, two_threads):
    used = []
    model = llama()
    model.base_model.register_forward_pre_hook(lambda *_: used.append(torch.get_num_threads()))
    assert hardware.helpful_threads(model) in (1, 2)
    assert set(used) == {1, 2}
    assert torch.get_num_threads() == 2


def test_on_a_busy_machine_the_engine_asks_with_one_thread_says_so_and_gives_them_back(llama, two_threads, monkeypatch):
    monkeypatch.setattr("restor.evaluation.ask.engine.engine.helpful_threads", lambda _: 1)
    model, notes, used = llama(), [], set()
    engine = Engine(model, pad=0, note=notes.append)
    model.base_model.register_forward_pre_hook(lambda *_: used.add(torch.get_num_threads()))
    first, again = engine.ask([ITEM]), engine.ask([ITEM])
    assert first == again
    assert used == {1}
    assert torch.get_num_threads() == 2
    (note,) = notes
    assert "1 thread in place of 2" in note


def test_which_devices_multiply_bfloat16(monkeypatch):
    for told, expected in (({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx512_f": True}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda told=told: told)
        assert hardware.multiplies_bfloat16(torch.device("cpu")) is expected
    assert not hardware.multiplies_bfloat16(torch.device("mps"))
