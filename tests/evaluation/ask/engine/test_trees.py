"""Random trees of token ids: what the engine says of them is what the plainest loop says, however much it does at once.

Few different tokens, so that prompts and options begin alike, end alike, hold each other and come twice.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from slowly import chooser, scored, written

from random_models import made
from restor.evaluation.ask.engine.engine import Engine, Limits
from restor.evaluation.ask.engine.items import AnswerLine, Item, Option
from restor.evaluation.ask.engine.run import Run
from restor.evaluation.ask.engine.whole import run_whole
from restor.evaluation.ask.engine.writer import Writer

VOCABULARY = 12
ENDS = frozenset({1, 5, 6, 7})


class Free(Writer):
    """Writes up to `most` tokens, the most probable ones or drawn ones."""

    def __init__(self, most, *, temperature=None, plain=True):
        self._most, self._temperature, self._plain = most, temperature, plain and temperature is None

    @property
    def most(self):
        return self._most

    @property
    def plain(self):
        return self._plain

    def begin(self, item, number):
        return [AnswerLine(item, number, run, stream=self.stream(number, run)) for run in range(item.answers)]

    def stream(self, number, run):
        return Random(f"{number}/{run}")

    def choose(self, stream):
        return (lambda row: int(row.argmax())) if self._temperature is None else chooser(stream, self._temperature, 0.9)

    def next(self, logits, lines):
        rows = torch.log_softmax(logits.double(), dim=-1)
        return [self.choose(line.stream)(row) for row, line in zip(rows, lines, strict=True)]

    def over(self, line):
        return line.ids[-1] in ENDS


tokens = st.integers(0, 3)
prompts = st.lists(tokens, min_size=1, max_size=9).map(tuple)


@st.composite
def items(draw, most_answers=3):
    """A prompt, options behind it or behind a part of it, and answers."""
    prompt = draw(prompts)
    options = []
    for ids in draw(st.lists(st.lists(tokens, max_size=4).map(tuple), max_size=5)):
        # The end of the prompt may become other tokens with the option behind it.
        options.append(Option(draw(st.sampled_from([len(prompt), draw(st.integers(0, len(prompt)))])), ids))
    return Item("any", prompt, tuple(options), answers=draw(st.integers(0, most_answers)))


def naive(model, asked, writer):
    """(options, answers) of each item."""
    found = []
    for number, item in enumerate(asked):
        options = []
        for option in item.options:
            begin = item.prompt[: option.kept]
            options.append(scored(model, begin, begin + option.ids))
        answers = [
            written(model, item.prompt, writer.most, lambda ids: ids[-1] in ENDS, writer.choose(stream))
            for run in range(item.answers)
            for stream in [writer.stream(number, run)]
        ]
        found.append((options, answers))
    return found


def check(results, expected, tolerance=1e-4):
    for result, (options, answers) in zip(results, expected, strict=True):
        assert list(result.answers) == answers
        for own, (total, count, greedy) in zip(result.options, options, strict=True):
            if count == 0:
                assert own is None
                continue
            assert own.tokens == count
            assert own.greedy == greedy
            assert abs(own.total - total) < tolerance


BUDGETS = (1, 2, 7, 15, 16, 40, 130, 400, 1000)
WRITERS = (
    Free(1),
    Free(6),
    Free(30),
    Free(6, plain=False),
    Free(5, temperature=0.7),
)
SPELT = Item("spelt", (0, 1), (Option(2, (2, 3, 0)), Option(2, (2,)), Option(2, (2, 3)), Option(2, (2, 3))), answers=3)
"""Options that are prefixes of each other, one of them twice."""


@pytest.mark.parametrize("family", ["llama", "gpt2", pytest.param("gemma2", marks=pytest.mark.nightly)])
@settings(max_examples=30, deadline=None)
@given(st.lists(items(), min_size=1, max_size=9), st.sampled_from(WRITERS), st.sampled_from(BUDGETS))
@example([Item("none", (), (Option(0, ()), Option(0, (1,)), Option(0, (1, 2))))], WRITERS[0], 16)
@example([Item("empty", (0, 1), (Option(2, ()),), answers=1), Item("no options", (0,))], WRITERS[1], 7)
@example(
    [SPELT, replace(SPELT, answers=0), Item("longer", (0, 1, 2, 3), answers=1), Item("s", (0,), answers=1)], Free(9), 7
)
def test_any_tree_in_any_budget_equals_one_string_at_a_time(family, asked, writer, budget):
    model = made(family, VOCABULARY)
    expected = naive(model, asked, writer)
    with torch.inference_mode():
        check(Run(model, asked, range(len(asked)), writer, tokens=budget, pad=0).results(), expected)


@settings(max_examples=25, deadline=None)
@given(st.lists(items(), min_size=1, max_size=6), st.sampled_from(WRITERS), st.sampled_from(BUDGETS))
def test_the_reference_way_equals_one_string_at_a_time(asked, writer, budget):
    model = made("llama", VOCABULARY)
    with torch.inference_mode():
        found = run_whole(model, asked, range(len(asked)), writer, tokens=budget)
    check(found, naive(model, asked, writer))


@settings(max_examples=10, deadline=None)
@given(st.lists(items(most_answers=0), min_size=1, max_size=9), st.sampled_from(BUDGETS))
def test_no_writer_is_needed_where_nothing_is_written(asked, budget):
    model = made("llama", VOCABULARY)
    with torch.inference_mode():
        found = Run(model, asked, range(len(asked)), None, tokens=budget, pad=0).results()
    check(found, naive(model, asked, Free(1)))


@pytest.mark.parametrize("budget", [1, 16, 100, 512])
def test_many_answers_of_many_lengths(budget):
    """Rows come and go for a long time: slots are given up and moved again and again."""
    rng, model = Random(3), made("llama", VOCABULARY)
    asked = []
    for place in range(70):
        prompt = tuple(rng.randrange(4) for _ in range(rng.randrange(1, 40)))
        options = tuple(Option(len(prompt), tuple(rng.choices(range(4), k=rng.randrange(4)))) for _ in range(place % 3))
        asked.append(Item(f"item {place}", prompt, options, answers=place % 3))
    writer = Free(45)
    expected = naive(model, asked, writer)
    lengths = {len(ids) for _, answers in expected for ids in answers}
    assert {1, 45} < lengths, "else the test would prove little"
    assert len(lengths) > 10
    engine = Engine(model, pad=0, limits=Limits(budget))
    check(engine.ask(asked, writer), expected)


def test_the_writer_knows_items_by_their_numbers():
    """Which are their places among all, where only some are asked together."""
    model = made("llama", VOCABULARY)
    asked = [Item("x", (0, place % 4), answers=2) for place in range(20)]
    writer = Free(6, temperature=0.7)
    engine = Engine(model, pad=0)
    together = engine.ask(asked, writer)
    for part in (range(0, 20, 3), [7], [19, 4, 5]):
        assert engine.ask([asked[number] for number in part], writer, numbers=list(part)) == [
            together[number] for number in part
        ]
    assert engine.ask([], writer) == []
