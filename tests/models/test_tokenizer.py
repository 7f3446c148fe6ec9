"""Tokenizers: one token per word of a listed world, and an exact round trip for real text."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from restor.domains.base import answer_line
from restor.domains.miniature import Miniature, MiniatureConfig
from restor.models.tokenizer import BOS, EOS, PAD, UNK, bpe_tokenizer, encode_rows, word_tokenizer
from restor.models.tokenizer_loading import load_tokenizer

CORPUS = ["Ada Lovelace was born in London.\n", "Where was Ada Lovelace born? London\n", "Łódź, São Paulo, 東京\n"]


@pytest.fixture(scope="module")
def world():
    return Miniature(MiniatureConfig(people=40))


@pytest.fixture(scope="module")
def words(world):
    return word_tokenizer(world.vocabulary())


def make_bpe(size=400):
    return bpe_tokenizer(iter(CORPUS * 20), size)


BPE = make_bpe()


def decoded(tokenizer, ids):
    return tokenizer.decode(ids, skip_special_tokens=True)


# Words ---------------------------------------------------------------------------------------------------------------


def test_every_word_of_the_world_is_one_token_of_its_own(world, words):
    ids = [words(word, add_special_tokens=False)["input_ids"] for word in world.vocabulary()]
    assert all(len(item) == 1 for item in ids)
    assert len({item[0] for item in ids}) == len(world.vocabulary())
    assert len(words) == len(world.vocabulary()) + 4
    assert words.unk_token_id not in {item[0] for item in ids}


def test_every_sentence_and_question_of_the_world_comes_back(world, words):
    rng = Random(0)
    for fact in world.facts:
        for answer in fact.answers:
            sentence, question = world.sentence(fact, answer, rng), world.question(fact, rng)
            for text in (sentence, question, f"{question} {answer}"):
                ids = words(text)["input_ids"]
                assert words.unk_token_id not in ids
                assert decoded(words, ids) == text


def test_the_end_of_a_line_is_a_token_so_that_answers_end(world, words):
    fact = world.facts[0]
    ids = words(answer_line(fact.question, fact.answers[0]))["input_ids"]
    assert decoded(words, ids[-1:]).strip(" ") == "\n"
    assert ids[-1] == words.convert_tokens_to_ids("\n")


def test_tokens_depend_on_the_vocabulary_not_on_its_order():
    assert word_tokenizer(["b", "a", "b"]).get_vocab() == word_tokenizer(["a", "b"]).get_vocab()
    assert word_tokenizer(["b", "a", PAD]).get_vocab() == {PAD: 0, BOS: 1, EOS: 2, UNK: 3, "a": 4, "b": 5}


def test_an_unknown_word_is_one_unknown_token_and_hurts_no_other(words, world):
    known = world.subjects[0].split()[0]
    ids = words(f"{known} xylophonist {known}", add_special_tokens=False)["input_ids"]
    assert ids[1] == words.unk_token_id
    assert ids[0] == ids[2] != words.unk_token_id


# Real text -----------------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.text().filter(lambda text: not any(special in text for special in (PAD, BOS, EOS))))
@example(" two  spaces \t and\r\nlines\n\n ")
@example("I do n't know . Is it 's ?")
@example("e\u0301 \u200d \ufeff \U0001f469\u200d\U0001f52c \x00")
def test_any_text_comes_back_from_bytes_exactly(text):
    assert decoded(BPE, BPE(text)["input_ids"]) == text


def test_merging_saves_tokens_and_stops_at_the_end_of_a_line():
    assert len(BPE("Where was Ada Lovelace born?")["input_ids"]) < 10
    newlines = [token for token in BPE.get_vocab() if "Ċ" in token]
    assert newlines == ["Ċ"]


def test_training_is_deterministic_and_of_the_wanted_size():
    assert make_bpe().get_vocab() == BPE.get_vocab()
    assert len(make_bpe(size=300)) == 300


# Both ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_rows_begin_with_the_beginning_and_end_with_the_end(kind, tokenizer):
    tokenizer = tokenizer if kind == "words" else BPE
    texts = ["ada was born in york .", "where ?"]
    rows = encode_rows(tokenizer, texts)
    assert [decoded(tokenizer, row).replace(" .", ".").replace(" ?", "?") for row in rows] == [
        "ada was born in york.",
        "where?",
    ]
    for row, open_row in zip(rows, encode_rows(tokenizer, texts, end=False), strict=True):
        assert row == [*open_row, tokenizer.eos_token_id]
        assert row[0] == tokenizer.bos_token_id
        assert row.count(tokenizer.bos_token_id) == row.count(tokenizer.eos_token_id) == 1
    assert encode_rows(tokenizer, []) == []
    assert tokenizer.pad_token_id not in {tokenizer.eos_token_id, tokenizer.bos_token_id}


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_a_saved_tokenizer_reads_and_writes_the_same(kind, words, world, tmp_path):
    tokenizer = words if kind == "words" else BPE
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    for text in [*CORPUS, world.facts[0].question, "Is it 's , or n't ?"]:
        ids = tokenizer(text)["input_ids"]
        assert loaded(text)["input_ids"] == ids
        assert decoded(loaded, ids) == decoded(tokenizer, ids)
    assert encode_rows(loaded, CORPUS) == encode_rows(tokenizer, CORPUS)
