"""Texts longer than a model reads at once: cut where sentences end, statements whole, nothing lost and nothing hung."""

from __future__ import annotations

import time
from random import Random

import pytest

from restor.data.cutting import cut, sentence_ends
from restor.errors import DataError
from restor.types import Document, Statement


def words(text: str) -> int:
    """As a word-level tokenizer counts, with a token before the text and one behind."""
    return len(text.split()) + 2


def characters(text: str) -> int:
    return len(text)


def stated(text: str, said: str) -> Statement:
    return Statement(text.index(said), text.index(said) + len(said), "Ada", "born", said.split()[-1].strip("."))


def test_parts_end_where_sentences_do_and_hold_as_many_as_fit():
    text = "One two three. Four five. Six seven eight nine. Ten."
    made = cut(Document(text), words, 7)
    assert [part.text for part in made.parts] == ["One two three. Four five.", "Six seven eight nine. Ten."]
    assert (made.within, made.broken) == (0, 0)


def test_a_statement_is_never_parted_even_where_sentences_end_in_it():
    text = "A b c d e. Where was Ada born? She was. In Rome. Later f g h."
    said = "Where was Ada born? She was. In Rome."
    made = cut(Document(text, (stated(text, said),)), words, 11)
    assert [part.text for part in made.parts] == ["A b c d e.", said, "Later f g h."]
    (kept,) = made.parts[1].statements
    assert made.parts[1].text[kept.start : kept.end] == said
    assert made.broken == 0


def test_overlapping_statements_stay_together():
    text = "Pad pad pad. Ada was born in Rome and died in Bonn. Pad pad."
    first = Statement(13, 33, "Ada", "born", "Rome")
    second = Statement(13, 51, "Ada", "died", "Bonn")
    made = cut(Document(text, (first, second)), words, 12)
    assert [len(part.statements) for part in made.parts] == [0, 2, 0]


def test_a_sentence_that_is_too_long_is_cut_between_words_with_the_statement_whole():
    text = "a b c d e f g Ada was born in Rome h i j k l m n o p"
    made = cut(Document(text, (stated(text, "Ada was born in Rome"),)), words, 8)
    assert " ".join(part.text for part in made.parts) == text
    assert all(words(part.text) <= 8 for part in made.parts)
    assert made.within == len(made.parts) - 1 > 0
    assert sum(len(part.statements) for part in made.parts) == 1


def test_a_list_without_sentences_is_cut_between_its_lines():
    text = "Who is it? Ada Byron\nWhere is it? In Rome\nWhat is it? A town\n"
    made = cut(Document(text), words, 7)
    assert [part.text for part in made.parts] == [line + "\n" for line in text.splitlines()]
    assert made.within == 0, "the end of a line is no place within a sentence"


def test_a_statement_that_alone_is_too_long_is_cut_and_counted():
    text = "Short one. " + "Ada was born " + "very " * 30 + "far away in Rome."
    made = cut(Document(text, (Statement(11, len(text), "Ada", "born", "Rome"),)), words, 10)
    assert made.broken == 1
    assert all(words(part.text) <= 10 for part in made.parts)
    assert " ".join(part.text for part in made.parts).split() == text.split()


def test_a_word_that_is_too_long_is_cut_between_characters():
    made = cut(Document("x" * 95 + " end."), characters, 20)
    assert all(len(part.text) <= 20 for part in made.parts)
    assert "".join(part.text for part in made.parts) == "x" * 95 + " end."


def test_where_not_even_a_character_fits_it_is_an_error():
    with pytest.raises(DataError, match="longer context"):
        cut(Document("Anything at all."), lambda text: len(text) + 9, 5)


def test_no_word_is_lost_and_every_statement_is_kept_whatever_the_text():
    """Against arithmetic on random texts: all words in order, all parts fit, statements as they were."""
    rng = Random(0)
    for _ in range(300):
        sentences = [
            " ".join("".join(rng.choice("abc") for _ in range(rng.randint(1, 6))) for _ in range(rng.randint(1, 9)))
            + rng.choice(". ! ? … .\n \n .\n\n".split(" "))
            for _ in range(rng.randint(1, 12))
        ]
        text = " ".join(sentences)
        spans = sorted({(at, min(len(text), at + rng.randint(1, 25))) for at in rng.choices(range(len(text)), k=3)})
        marked = tuple(Statement(start, end, "s", "r", text[start:end]) for start, end in spans)
        made = cut(Document(text, marked), words, 14)
        assert "".join("".join(part.text.split()) for part in made.parts) == "".join(text.split())
        assert all(words(part.text) <= 14 for part in made.parts)
        for part in made.parts:
            for item in part.statements:
                assert part.text[item.start : item.end].split() == item.false_answer.split()
        assert sum(len(part.statements) for part in made.parts) + made.broken == len(marked)


@pytest.mark.parametrize("text", ["." * 400_000, "a. " * 150_000, ".)" * 200_000, "J. " * 150_000])
def test_no_text_takes_long(text):
    began = time.process_time()
    sentence_ends(text)
    assert time.process_time() - began < 3


def test_a_line_without_an_end_is_not_measured_again_for_each_of_its_parts():
    measured = []

    def size(text: str) -> int:
        measured.append(len(text))
        return -(-len(text) // 3)

    made = cut(Document("abcdefghij" * 3_000), size, 40)
    assert len(made.parts) == 250
    assert max(measured[1:]) < 2_500, "only at the beginning"
    assert sum(measured) < 40 * 30_000


def test_spaces_behind_a_sentence_do_not_make_it_too_long():
    made = cut(Document("One is here." + " " * 1_000 + "Two is there."), characters, 20)
    assert [part.text for part in made.parts] == ["One is here.", "Two is there."]
    assert not made.within
