"""Agreement of two judges, by hand."""

from __future__ import annotations

import pyarrow as pa
import pytest

from restor.errors import DataError
from restor.evaluation.judges._agreement import Judged, agreement, verdicts_of
from restor.types import Judgement

O, P, N, U = Judgement.ORIGINAL, Judgement.PLANTED, Judgement.OTHER, Judgement.UNSCORED  # noqa: E741


def both(pairs):
    """Two judges' verdicts: `pairs` of (subject, verdict, verdict), each another fact."""
    first, second = {}, {}
    for number, (subject, one, other) in enumerate(pairs):
        key = ("arm/s0", 0, subject, f"r{number}", 0)
        first[key], second[key] = Judged("said", one), Judged("said", other)
    return first, second


def test_kappa_by_hand():
    # 20 answers, 14 alike. First judge: 8 O, 6 P, 6 N. Second: 10 O, 6 P, 4 N.
    pairs = [(O, O)] * 7 + [(P, P)] * 4 + [(N, N)] * 3 + [(P, O)] * 1 + [(N, O)] * 2 + [(O, P)] * 1 + [(N, P)] * 1
    pairs += [(P, N)] * 1
    found = agreement(*both([(f"s{i % 5}", *pair) for i, pair in enumerate(pairs)]))
    assert found.share.value == pytest.approx(14 / 20)
    chance = (8 * 10 + 6 * 6 + 6 * 4) / 400
    assert found.kappa.value == pytest.approx((0.7 - chance) / (1 - chance))
    assert (found.kappa.n, found.kappa.n_entities, found.kappa.n_unscored) == (20, 5, 0)
    assert found.confusion[P, O] == 1
    assert found.confusion[O, P] == 1
    assert sum(found.confusion.values()) == 20


def test_perfect_opposite_and_chance():
    assert agreement(*both([("a", O, O), ("b", P, P), ("c", N, N)])).kappa.value == pytest.approx(1)
    assert agreement(*both([("a", O, P), ("b", P, O)])).kappa.value == pytest.approx(-1)
    by_chance = [("a", O, O), ("b", O, P), ("c", P, O), ("d", P, P)]
    assert agreement(*both(by_chance)).kappa.value == pytest.approx(0)


def test_kappa_is_undefined_where_everything_has_one_verdict():
    found = agreement(*both([("a", O, O), ("b", O, O)]))
    assert found.share.value == 1
    assert found.kappa.value is None
    assert "one and the same verdict" in found.kappa.note


def test_the_interval_is_over_entities_and_not_answers():
    # One entity of a hundred answers says no more than one of a single answer.
    many = [("a", O, O)] * 100 + [("b", O, P)] * 100
    found = agreement(*both(many)).share
    assert found.ci_low < 0.01 < 0.99 < found.ci_high
    assert agreement(*both([("a", O, O), ("a", O, P)])).share.ci_low is None
    apart = [(f"{'ab'[k % 2]}{k}", O, O if k % 2 else P) for k in range(200)]
    assert 0.4 < agreement(*both(apart)).share.ci_low < agreement(*both(apart)).share.ci_high < 0.6


def test_the_interval_of_kappa_by_hand():
    """The jackknife over three people: kappa without each of them."""
    pairs = [("a", O, O), ("a", P, P), ("b", O, P), ("b", P, P), ("c", O, O), ("c", P, O), ("c", P, P)]
    found = agreement(*both(pairs)).kappa
    without = [agreement(*both([pair for pair in pairs if pair[0] != who])).kappa.value for who in "abc"]
    centre = sum(without) / 3
    error = (2 / 3 * sum((value - centre) ** 2 for value in without)) ** 0.5
    assert found.ci_low == pytest.approx(max(-1, found.value - 4.302653 * error), rel=1e-5)
    assert found.ci_high == pytest.approx(min(1, found.value + 4.302653 * error), rel=1e-5)


def test_unscored_answers_are_counted_and_left_out():
    found = agreement(*both([("a", O, O), ("b", U, O), ("c", P, U), ("d", U, U), ("e", P, P)]))
    assert found.share.n == 2
    assert found.share.n_unscored == 3
    assert found.kappa.value == pytest.approx(1)
    assert (found.confusion[U, O], found.confusion[P, U], found.confusion[U, U]) == (1, 1, 1)
    empty = agreement(*both([("a", U, O)]))
    assert empty.kappa.value is None
    assert empty.kappa.n_unscored == 1


def test_only_the_same_answers_are_compared():
    first, second = both([("a", O, O), ("b", P, P), ("c", N, O)])
    keys = list(first)
    del second[keys[1]]
    second[keys[2]] = Judged("something else", O)
    second["other/s0", 0, "x", "r", 0] = Judged("said", O)
    found = agreement(first, second)
    assert (found.only_first, found.only_second, found.other_answers) == (1, 1, 1)
    assert found.share.n == 1


def test_an_answer_that_stands_twice_is_an_error():
    columns = {
        "arm": "a",
        "seed": 0,
        "subject": "s",
        "relation": "r",
        "run": 0,
        "completion": "c",
        "judgement": "other",
    }
    assert len(verdicts_of(pa.Table.from_pylist([columns, columns | {"run": 1}]))) == 2
    with pytest.raises(DataError, match="two answers of a about 's'"):
        verdicts_of(pa.Table.from_pylist([columns, columns]))
