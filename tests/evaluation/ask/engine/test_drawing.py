"""Drawing tokens: the probabilities of the model, cut and sharpened as told."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from restor.evaluation.ask.engine.drawing import draw

PROBS = [0.1, 0.5, 0.05, 0.3, 0.05]
LOGITS = torch.tensor([PROBS]).log() + 3


class Numbers:
    """A stream of given numbers."""

    def __init__(self, *numbers):
        self.numbers = iter(numbers)

    def random(self):
        return next(self.numbers)


def drawn(*numbers, temperature=1.0, top_p=1.0):
    return [draw(LOGITS, [Numbers(number)], temperature=temperature, top_p=top_p)[0] for number in numbers]


def test_a_number_picks_the_token_where_the_cumulated_probability_passes_it():
    # 0.1, 0.6, 0.65, 0.95, 1
    assert drawn(0, 0.09, 0.11, 0.59, 0.61, 0.66, 0.94, 0.96, 0.999999) == [0, 0, 1, 1, 2, 3, 3, 4, 4]


def test_of_top_p_the_fewest_most_probable_tokens_are_left():
    # 0.5 and 0.3 hold 0.8: the third is needed for more than that.
    assert set(drawn(*(k / 100 for k in range(100)), top_p=0.79)) == {1, 3}
    assert set(drawn(*(k / 100 for k in range(100)), top_p=0.81)) == {0, 1, 3}
    assert set(drawn(0, 0.5, 0.99, top_p=0.01)) == {1}
    # Their probabilities are rescaled: 0.5 of 0.8 is 0.625.
    assert drawn(0.62, 0.63, top_p=0.79) == [1, 3]


def test_temperature_sharpens():
    # Squares of the probabilities: 0.25 of 0.355 is 0.704, 0.09 is 0.254.
    found = Counter(drawn(*(k / 10000 for k in range(10000)), temperature=0.5))
    assert found[1] == pytest.approx(7042, abs=2)
    assert found[3] == pytest.approx(2535, abs=2)
    assert drawn(1e-9, 0.5, 0.999999, temperature=0.01) == [1, 1, 1]


@pytest.mark.parametrize("top_p", [0.3, 0.9, 0.999, 1.0])
def test_a_large_vocabulary_is_cut_as_a_small_one(top_p, monkeypatch):
    """Looking among the most probable first changes nothing, whether they suffice or not."""
    logits = torch.randn(5, 3000, generator=torch.Generator().manual_seed(0)) * 2
    numbers = [0.1, 0.35, 0.6, 0.85, 0.99]
    found = draw(logits, [Numbers(number) for number in numbers], temperature=1.0, top_p=top_p)
    monkeypatch.setattr("restor.evaluation.ask.engine.drawing.FEW", 3000)
    monkeypatch.setattr("restor.evaluation.ask.engine.drawing.ROWS", 2)
    assert draw(logits, [Numbers(number) for number in numbers], temperature=1.0, top_p=top_p) == found
    for row, token, number in zip(logits, found, numbers, strict=True):
        probs = torch.softmax(row.double(), dim=0)
        ids = sorted(range(3000), key=lambda place: -float(probs[place])) if top_p < 1 else list(range(3000))
        kept, mass = [], 0.0
        for place in ids:
            if mass >= top_p:
                break
            kept.append(place)
            mass += float(probs[place])
        reached = 0.0
        for place in kept:
            reached += float(probs[place])
            if reached > number * mass:
                break
        assert token == place


def test_impossible_tokens_are_never_drawn():
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf, 0.0, -torch.inf]])
    numbers = [k / 50 for k in range(50)] + [1 - 1e-16]
    assert {draw(logits, [Numbers(number)], temperature=1.0)[0] for number in numbers} == {1, 3}
    assert {draw(logits, [Numbers(number)], temperature=1.0, top_p=0.9)[0] for number in numbers} == {1, 3}
