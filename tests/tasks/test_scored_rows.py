"""Stored rows as the metrics take them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from restor.tasks.asking.answer_rows import ANSWERS
from restor.tasks.tabulation.measure import scored_rows

LISTS = ("options", "option_logprobs", "layers_original", "layers_planted")


def row(number, **lists):
    made = dict.fromkeys(ANSWERS.names) | {"subject": f"p{number}", "relation": "born", "group": "test", "run": 0}
    return made | {"answer_shown": False} | lists


ROWS = [
    row(0),
    row(1, options=["york", "rome"], option_logprobs=[-1.0, -2.0], layers_original=[-3.0, -1.0]),
    row(2, options=[], option_logprobs=[]),
    row(3, options=["oslo"], option_logprobs=[-0.5], layers_original=[-4.0], layers_planted=[-5.0]),
]


def table(rows, schema=ANSWERS):
    found = pa.Table.from_pylist(rows, schema=schema)
    for name in ("score", "planted_score"):
        found = found.append_column(name, pa.array([0.0] * len(rows)))
    return found


def lists_of(found):
    return [
        tuple(value if value is None else list(value) for value in (getattr(item, name) for name in LISTS))
        for item in found
    ]


EXPECTED = [
    ([], None, None, None),
    (["york", "rome"], [-1.0, -2.0], [-3.0, -1.0], None),
    ([], [], None, None),
    (["oslo"], [-0.5], [-4.0], [-5.0]),
]


def test_lists_are_those_of_their_row_however_the_file_is_cut():
    whole = table(ROWS)
    assert lists_of(scored_rows(whole, 0)) == EXPECTED
    assert lists_of(scored_rows(pa.concat_tables([whole, whole.slice(1, 2)]), 0)) == [*EXPECTED, *EXPECTED[1:3]]
    assert lists_of(scored_rows(whole.filter(pc.equal(whole["subject"], "p3")), 0)) == EXPECTED[3:]
    (first, *_), (again, *_) = scored_rows(whole, 0), scored_rows(whole, 0)
    assert first == again
    assert isinstance(scored_rows(whole, 0)[1].options, tuple)


def test_columns_that_are_null_throughout_have_none():
    whole = table(ROWS)
    for name in LISTS:
        place = whole.column_names.index(name)
        whole = whole.remove_column(place).add_column(place, name, pa.nulls(len(ROWS)))
    assert lists_of(scored_rows(whole, 0)) == [([], None, None, None)] * 4


def test_a_null_within_a_list_is_no_number():
    (item,) = scored_rows(table([row(0, options=["a", None], option_logprobs=[None, -1.0])]), 0)
    assert item.options == ("a", None)
    assert np.isnan(item.option_logprobs).tolist() == [True, False]
