from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restor.text.mentions import Names, main_name, main_names, padded, words_of

NAMES = (
    "Ada",
    "Ada West",
    "West",
    "Zoë O'Hara",
    "Łukasz",
    "Ли Вэй",
    "中本",
    "Prince Carl Philip, Duke of Värmland",
    "...",
    "C++",
    "C#",
    "José",
    "สมชาย",
    "バス",
    "Май",
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ada west's house; ADA WESTON's not, Ada's is", ["Ada West", "Ada", "Ada"]),
        ("Adam and Canada", []),
        ("West of Ada: Ada West", ["West", "Ada", "Ada West"]),
        ("ZOE O’HARA met Zoë O'Hara.", ["Zoë O'Hara", "Zoë O'Hara"]),
        ("lukasz, ŁUKASZ", ["Łukasz", "Łukasz"]),
        ("Тут Ли Вэй, не Лиза", ["Ли Вэй"]),
        ("これは中本です", ["中本"]),
        ("Prince Carl Philip Duke of Varmland", ["Prince Carl Philip, Duke of Värmland"]),
        ("... and Ada\nWest", ["Ada West"]),
        ("", []),
        ("C++ and C# are not C", ["C++", "C#"]),
        ("c++, C♯", ["C++", "C#"]),
        ("Jose\u0301 and José, jose", ["José", "José", "José"]),
        ("คุณสมชายมาแล้ว", ["สมชาย"]),
        ("คุณสมชายี", []),
        ("ハス", []),
        ("ﾊﾞｽです", ["バス"]),
        ("Маи, Май, Май", ["Май", "Май"]),
        ("10⁶ is not 106", []),
    ],
)
def test_names_are_found_as_whole_words_in_any_spelling(text, found):
    assert Names(NAMES).find(words_of(text)) == found


def test_whole_words_of_a_value_are_in_a_text():
    text = padded(words_of("He sang “São Paulo” there."))
    assert padded(words_of("sao paulo")) in text
    assert padded(words_of("Paul")) not in text


def test_a_text_is_about_the_name_it_mentions_most_and_of_equals_the_first():
    assert main_name(["a", "b", "b"]) == "b"
    assert main_name(["b", "a"]) == "b"
    assert main_name([]) is None


def test_a_set_of_texts_is_about_who_is_not_mere_company():
    abouts = ["a"] * 40 + ["b"] * 2 + ["c"] + [None] * 9
    assert main_names(abouts) == {"a": 40, "b": 2}
    assert main_names([None]) == {}


@given(st.text())
def test_the_words_are_the_same_for_upper_case_where_that_can_be_undone(text):
    if text.casefold() == text.upper().casefold():
        assert words_of(text) == words_of(text.upper())
    assert all(word and not word.isspace() for word in words_of(text))
