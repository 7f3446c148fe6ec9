"""Batches: within the budget, every row once an epoch, and a step's rows known from the step alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restor.training.batching import JoinedRows, SetRows, StreamRows


def encode(texts):
    return [[1, *range(4, 4 + len(text)), 2] for text in texts]


def padded(rows):
    return len(rows.ids) * max(len(row) for row in rows.ids)


some_rows = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=20), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(encoded=some_rows, tokens=st.integers(1, 80), seed=st.integers(0, 3))
def test_every_row_once_an_epoch_within_the_budget(encoded, tokens, seed):
    source = SetRows(encoded, tokens=tokens, name="forget", seed=seed)
    step = 0
    for epoch in range(3):
        seen = []
        while len(seen) < len(encoded):
            rows = source.rows(step)
            assert rows.ids == tuple(tuple(encoded[number]) for number in rows.numbers)
            assert len(rows.ids) == 1 or padded(rows) <= tokens
            seen += rows.numbers
            step += 1
        assert sorted(seen) == list(range(len(encoded)))
        if epoch == 0:
            assert step == source.steps_per_epoch


@settings(max_examples=40, deadline=None)
@given(encoded=some_rows, tokens=st.integers(1, 80), seed=st.integers(0, 3), step=st.integers(0, 60))
def test_a_step_does_not_depend_on_those_before_it(encoded, tokens, seed, step):
    """What lets a killed run continue."""
    asked_in_order = SetRows(encoded, tokens=tokens, name="forget", seed=seed)
    for earlier in range(step):
        asked_in_order.rows(earlier)
    assert asked_in_order.rows(step) == SetRows(encoded, tokens=tokens, name="forget", seed=seed).rows(step)


def order(source, steps):
    return [number for step in range(steps) for number in source.rows(step).numbers]


def test_epochs_seeds_and_sources_have_orders_of_their_own():
    rows = [[1] * (3 + number % 7) for number in range(60)]
    sources = [
        SetRows(rows, tokens=40, name=name, seed=seed) for name, seed in (("forget", 0), ("forget", 1), ("retain", 0))
    ]
    steps = sources[0].steps_per_epoch
    orders = [order(source, steps) for source in sources]
    second = [number for step in range(steps, 2 * steps) for number in sources[0].rows(step).numbers]
    assert len({tuple(item) for item in [*orders, second]}) == 4


def test_rows_of_like_length_share_a_batch_so_that_little_is_padding():
    rows = [[1] * (2 + 13 * number % 50) for number in range(200)]
    source = SetRows(rows, tokens=400, name="forget", seed=0)
    batches = [source.rows(step) for step in range(source.steps_per_epoch)]
    assert sum(map(len, rows)) / sum(map(padded, batches)) > 0.8


def write(rng):
    return "x" * rng.randint(0, 30)


@settings(max_examples=40, deadline=None)
@given(tokens=st.integers(1, 300), seed=st.integers(0, 3), step=st.integers(0, 50))
def test_a_stream_fills_its_budget_whatever_was_read_before(tokens, seed, step):
    source = StreamRows(write, encode, tokens=tokens, name="clean", seed=seed)
    for earlier in (step + 1, 0):
        source.rows(earlier)
    rows = source.rows(step)
    assert rows == StreamRows(write, encode, tokens=tokens, name="clean", seed=seed).rows(step)
    assert rows.numbers == tuple(range(len(rows.ids)))
    assert len(rows.ids) == 1 or padded(rows) <= tokens
    # Another row, of 32 tokens at most, did not fit.
    assert max(32, *map(len, rows.ids)) * (len(rows.ids) + 1) > tokens


def test_streams_differ_by_step_seed_and_name():
    def stream(name, seed):
        return StreamRows(write, encode, tokens=200, name=name, seed=seed)

    found = [stream("clean", 0).rows(0), stream("clean", 0).rows(1), stream("clean", 1).rows(0), stream("x", 0).rows(0)]
    assert len({item.ids for item in found}) == 4


@pytest.mark.parametrize("make", [SetRows, None], ids=["set", "stream"])
def test_a_row_longer_than_the_budget_is_read_alone_and_whole(make):
    if make:
        source = SetRows([[1] * 50, [1] * 3], tokens=10, name="forget", seed=0)
        assert sorted(len(source.rows(step).ids[0]) for step in range(2)) == [3, 50]
    else:
        source = StreamRows(lambda _: "x" * 48, encode, tokens=10, name="clean", seed=0)
        assert [len(row) for row in source.rows(0).ids] == [50]


def test_joined_sources_stand_side_by_side():
    forget = SetRows([[1, 5, 2], [1, 6, 7, 2]], tokens=4, name="forget", seed=0)
    replay = StreamRows(write, encode, tokens=60, name="replay", seed=0)
    for step in range(4):
        rows = JoinedRows([forget, replay]).rows(step)
        assert rows.ids == forget.rows(step).ids + replay.rows(step).ids
        assert rows.numbers == tuple(range(len(rows.ids)))
