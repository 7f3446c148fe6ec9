"""What the processes of torchrun tell each other, with the others played by this one."""

from __future__ import annotations

import json

import pytest
import torch

from restor.errors import DataError
from restor.evaluation.ask.engine.items import Item, Option, OptionScore, Result
from restor.evaluation.ask.sharing import Sharing

ITEM = Item("a", (1, 2), (Option(2, (3,)),), answers=1)


def result(number):
    return Result((OptionScore(-1.0 - number, 2, greedy=bool(number)),), ((4, number),))


def shared(items, monkeypatch, other):
    """The results of process 0 of two, the other of which tells what `other` makes of this one's message."""
    monkeypatch.setattr(Sharing, "_exchange", lambda _, data: [data, other(data)])
    here = Sharing(0, 2, torch.device("cpu"))
    batches = [[place] for place in range(len(items))]
    return here.results(items, batches, lambda batch: {number: result(number) for number in batch})


@pytest.mark.parametrize(
    "changed",
    [
        Item("a", (1, 9), (Option(2, (3,)),), answers=1),
        Item("a", (1, 2), (Option(2, (9,)),), answers=1),
        Item("a", (1, 2), (Option(2, (3,)),), answers=2),
    ],
    ids=["prompt", "option", "answers"],
)
def test_processes_that_are_asked_otherwise_are_told(changed, monkeypatch):
    messages = []
    shared([changed], monkeypatch, lambda data: messages.append(data) or data)
    with pytest.raises(DataError, match="different requests"):
        shared([ITEM], monkeypatch, lambda _: messages[0])


def test_what_the_others_found_comes_back_as_it_was(monkeypatch):
    def other(data):
        there = Sharing(1, 2, torch.device("cpu"))
        told = []
        monkeypatch.setattr(Sharing, "_exchange", lambda _, own: told.append(own) or [data, own])
        there.results([ITEM, ITEM], [[0], [1]], lambda batch: {number: result(number) for number in batch})
        assert [number for number, *_ in json.loads(told[0])["results"]] == [1], "each asks its own share"
        return told[0]

    assert shared([ITEM, ITEM], monkeypatch, other) == {0: result(0), 1: result(1)}
