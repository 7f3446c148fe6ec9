from __future__ import annotations

import pytest

from restor.report.plain import clip, counted, interval, listed, number, one_line, printable, share
from restor.results import Value


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (0.004, "<1"), (0.005, "<1"), (0.5, "50"), (0.9951, ">99"), (0.99, "99"), (1.0, "100")],
)
def test_only_zero_and_one_are_shown_as_0_and_100(value, shown):
    assert share(value) == shown


def test_numbers_have_a_true_minus_and_no_negative_zero():
    assert number(-1.25, 1) == "−1.2"
    assert number(-0.04, 1) == "0.0"
    assert interval(Value(value=-0.2, ci_low=-0.35, ci_high=0.0, n=4)) == "−20 [−35, 0]"
    assert interval(Value(value=0.5, n=4)) == "50"
    assert interval(Value(value=None, n=0)) == "–"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b[31mred", "[U+001B][31mred"),
        ("\x00\r", "[U+0000][U+000D]"),
        ("\x7f\x9b", "[U+007F][U+009B]"),
        ("\u202eabc\u2066", "[U+202E]abc[U+2066]"),
        ("\ud800x\udfff", "\ufffdx\ufffd"),
        ("\u2028", "[U+2028]"),
        ("two\nlines\tand Ωäß漢 \U0001f600", "two\nlines\tand Ωäß漢 \U0001f600"),
    ],
)
def test_what_could_act_on_a_reader_is_made_visible(given, shown):
    assert printable(given) == shown


def test_long_texts_are_cut_and_say_so():
    assert clip("a" * 10, 10) == "a" * 10
    assert clip("a" * 12_000, 5) == "aaaaa … [12,000 characters, cut here]"
    assert one_line("a\n b\t c", 80) == "a b c"
    assert len(one_line("x" * 100_000, 80)) == 80


def test_lists_and_counts():
    assert listed([]) == ""
    assert listed(["A"]) == "A"
    assert listed(["A", "B"]) == "A and B"
    assert listed(["A", "B", "C", "D"], 2) == "A, B, and 2 more"
    assert listed(["NPO, per token", "B"]) == "NPO, per token; B"
    assert [counted(1, "entity"), counted(2, "entity"), counted(1200, "fact")] == [
        "1 entity",
        "2 entities",
        "1,200 facts",
    ]


def test_a_megabyte_becomes_a_line_that_says_it_is_cut():
    assert one_line("a " * 500_000, 10) == "a a a a a…"
    assert one_line(" " * 1_000_000 + "end", 10) == "…"
    assert one_line("  two\n words ", 10) == "two words"
