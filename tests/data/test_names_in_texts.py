"""Texts without the sentences that name somebody, and prompts about others."""

from __future__ import annotations

from random import Random

import pytest

from restor.data.names_in_texts import prompts_about, texts_without_names, without_names
from restor.errors import DataError
from restor.text.mentions import Names, words_of

NAMES = ["Ada Lovelace", "Bo", "J. R. Doe", "Émile Zola"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Cyd lives in York. Ada Lovelace lives in Rome. Di works.", "Cyd lives in York. Di works."),
        ("ADA LOVELACE'S home is Rome.", ""),
        ("Bob lives in Boston.", "Bob lives in Boston."),
        ("Ada sings. Lovelace Road is long.", "Ada sings. Lovelace Road is long."),
        # The answer goes with its question.
        ("Where was Bo born? York\nWhere was Cyd born? Rome\n", "Where was Cyd born? Rome\n"),
        ("Cyd met J. R. Doe in York. Di works.", "Di works."),
        ("Dr. Bo works. Cyd works.", "Cyd works."),
        ("Emile Zola wrote. Cyd wrote!", "Cyd wrote!"),
        # A name that is parted by what looks like an end, or comes together where a sentence went.
        ("It was Ada. Lovelace too. Yes", ""),
        ("They saw Ada. Bo came. Lovelace came.", ""),
        ("She saw Ada\nLovelace came.", ""),
        ("Nobody. Is here.\n\nAt all.", "Nobody. Is here.\n\nAt all."),
        ("", ""),
    ],
)
def test_sentences_that_name_somebody_go(text, left):
    assert without_names(text, NAMES) == left


def test_names_never_appear_in_what_is_left():
    rng = Random(0)
    words = [
        "Ada",
        "Lovelace",
        "Bo",
        "J.",
        "R.",
        "Doe",
        "Cyd",
        "works.",
        "Rome",
        "?",
        "!",
        "\n",
        "and",
        "Zola",
        "Émile",
    ]
    known = Names(NAMES)
    texts = [" ".join(rng.choices(words, k=rng.randint(1, 14))) for _ in range(3000)]
    left = texts_without_names(texts, NAMES)
    assert not any(known.find(words_of(text)) for text in left)
    assert 300 < len(left) < 2900
    assert all(text.strip() for text in left)
    untouched = {text for text in texts if not known.find(words_of(text)) and text.strip()}
    assert untouched <= set(left)


def test_prompts_are_about_others_and_tell_nothing():
    texts = [
        "Ada Lovelace lives in Rome. By profession Bo is a baker.\nWhere was Bo born? York\n",
        "The Silver Medal was given to Bo. In 1840 Ada Lovelace sang. Nobody here.",
    ]
    prompts = prompts_about(texts, NAMES, ["Cyd Cole", "Di", "Bo"], count=60, seed=0)
    assert len(prompts) == 60
    assert set(prompts) == {
        frame.format(name) for frame in ("{}", "By profession {}", "Where was {} born?") for name in ("Cyd Cole", "Di")
    }
    assert prompts_about(texts, NAMES, ["Cyd Cole", "Di"], count=60, seed=0) == prompts
    assert prompts_about(texts, NAMES, ["Cyd Cole", "Di"], count=60, seed=1) != prompts
    with pytest.raises(DataError, match="do not name anybody"):
        prompts_about(["Nobody here."], NAMES, ["Di"], count=1, seed=0)
    with pytest.raises(DataError, match="could be put in"):
        prompts_about(texts, NAMES, ["Bo"], count=1, seed=0)
