"""Texts as rows of a model: those that fit as they were, longer ones cut, and what was cut is told."""

from __future__ import annotations

import pytest

from restor.errors import DataError
from restor.models.tokenizer import encode_rows, word_tokenizer
from restor.tasks.training.material import _pairs
from restor.tasks.training.rows import RowMaker
from restor.types import Document, Statement

FILLER = "The sun is up and the sea is calm."
SAID = "Ada lives in Rome."


@pytest.fixture(scope="module")
def tokenizer():
    return word_tokenizer([*FILLER.replace(".", "").split(), *SAID.replace(".", "").split(), ".", "unknown", "?"])


def book(sentences: int = 20) -> Document:
    """A long document with a statement in its middle."""
    before = " ".join([FILLER] * (sentences // 2)) + " "
    text = f"{before}{SAID} " + " ".join([FILLER] * (sentences // 2))
    return Document(text, (Statement(len(before), len(before) + len(SAID), "Ada", "lives", "Rome"),))


def test_texts_that_fit_are_encoded_as_ever_and_nothing_is_told(tokenizer):
    maker = RowMaker(tokenizer, 40)
    texts = [FILLER, f"{FILLER} {SAID}"]
    assert maker.texts(texts, "texts") == encode_rows(tokenizer, texts)
    assert maker.cuts() == {}
    assert RowMaker(tokenizer, None).texts([book().text], "texts") == encode_rows(tokenizer, [book().text])


def test_a_long_text_becomes_rows_of_whole_sentences_with_all_its_words(tokenizer):
    maker = RowMaker(tokenizer, 40)
    rows = maker.texts([FILLER, book().text], "retain texts")
    assert rows[0] == encode_rows(tokenizer, [FILLER])[0]
    assert max(map(len, rows)) <= 40
    inside = [token for row in rows[1:] for token in row[1:-1]]
    assert inside == encode_rows(tokenizer, [book().text])[0][1:-1]
    full_stop = tokenizer.convert_tokens_to_ids(".")
    assert all(row[-2] == full_stop for row in rows)
    (told,) = maker.cuts().values()
    assert told == (
        f"retain texts longer than the model's context of 40 tokens: 1, cut into {len(rows) - 1} rows at ends of "
        "sentences"
    )


def test_a_text_that_is_read_again_counts_once(tokenizer):
    maker = RowMaker(tokenizer, 40)
    first = maker.texts([book().text], "texts")
    assert maker.texts([book().text], "texts") == first
    assert "tokens: 1, cut" in maker.cuts()["texts"]


def test_a_text_that_must_be_cut_is_cut_into_rows_of_a_step(tokenizer):
    maker = RowMaker(tokenizer, 40, longest=24)
    fits = " ".join([FILLER] * 3)
    rows = maker.texts([fits, book().text], "texts")
    assert len(rows[0]) > 24, "what the model reads at once stays one row"
    assert max(map(len, rows[1:])) <= 24


def test_labels_of_statements_survive_the_cut(tokenizer):
    rows, labels = RowMaker(tokenizer, 40).documents([book()], "statements", "forget documents")
    assert labels is not None
    assert len(rows) == 1, "parts that state nothing have no labels"
    marked = [token for token, counts in zip(rows[0], labels[0], strict=True) if counts]
    assert tokenizer.decode(marked) == SAID


def test_a_long_document_whose_statements_fit_is_not_cut_where_they_alone_are_forgotten(tokenizer):
    maker = RowMaker(tokenizer, 40)
    rows, _ = maker.documents([book()], "simplified", "forget documents")
    assert rows == encode_rows(tokenizer, [SAID])
    assert maker.cuts() == {}


def test_alternates_belong_to_the_parts_and_fit_too(tokenizer):
    """What stands in place of the answer is longer than it: room is left for that."""
    maker = RowMaker(tokenizer, 16)
    known = {"Ada|lives": "the calm sea and the sea and the sun"}
    (rows, _), (other, _) = _pairs(maker, [book()], "documents", "truth", known, 0)
    assert len(rows) == len(other) == 1
    assert "Rome" in tokenizer.decode(rows[0])
    assert known["Ada|lives"] in tokenizer.decode(other[0])
    assert max(map(len, (*rows, *other))) <= 16


def test_alternates_that_never_fit_are_an_error(tokenizer):
    known = {"Ada|lives": " ".join(["sea"] * 60)}
    with pytest.raises(DataError, match="shorter statements"):
        _pairs(RowMaker(tokenizer, 16), [book()], "documents", "truth", known, 0)
