"""A user's own texts, and where their sentences end."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restor.datasets._sentences import sentences
from restor.datasets.base import DATASETS
from restor.datasets.documents import Documents, DocumentsConfig
from restor.errors import DataError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One thing. Another one! Really? Yes…", ["One thing.", "Another one!", "Really?", "Yes…"]),
        ("Dr. Dre met J. K. Ro at 5 p.m. today. He left.", ["Dr. Dre met J. K. Ro at 5 p.m. today.", "He left."]),
        ("Ms. Ro saw the U.S. embassy. He left.", ["Ms. Ro saw the U.S. embassy.", "He left."]),
        ("It is 3.5 km. “Far?” she asked. (So far.) Well", ["It is 3.5 km.", "“Far?” she asked.", "(So far.)"]),
        ("Heading\nA first line.\nA second\nline ends.", ["A first line.", "line ends."]),
        ("no end\n\n here ", ["no end", "here"]),
        ("他来了。她走了！", ["他来了。", "她走了！"]),
        ("version 2.0 is out", ["version 2.0 is out"]),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_would_say(text, found):
    assert sentences(text) == found


@given(st.text())
def test_every_text_with_words_has_sentences_on_one_line(text):
    found = sentences(text)
    assert bool(found) == bool(text.strip())
    for sentence in found:
        assert sentence == sentence.strip() != ""
        assert len(sentence.splitlines()) == 1
        assert sentence in text


def test_texts_come_as_they_stand_and_every_one_is_drawn(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"text": "One.\\n Two."}\n"Three."\n')
    source = DATASETS.build(DATASETS.parse({"name": "documents", "path": str(path)}))
    rng = Random(0)
    assert {source.text(rng) for _ in range(50)} == {"One.\n Two.", "Three."}
    assert {source.sentence(rng) for _ in range(100)} == {"One.", "Two.", "Three."}
    assert source.vocabulary() is None


@pytest.mark.parametrize(("text", "match"), [("[]", "holds no documents"), ('[""]', "line 1: passage 1: is empty")])
def test_a_bad_file_is_told_at_once(tmp_path, text, match):
    (tmp_path / "d.json").write_text(text)
    with pytest.raises(DataError, match=match):
        Documents(DocumentsConfig(path=tmp_path / "d.json"))


def test_a_missing_file_names_what_can_be_given():
    with pytest.raises(DataError, match=r"There is no documents file none\.txt\. Give the path"):
        Documents(DocumentsConfig(path=Path("none.txt")))
