"""What a retain text shares with a forget set, against the slow and obvious way."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restor.data.document_files import read_documents
from restor.data.facts import FactsFile, read_facts
from restor.data.overlap import GRAM, THRESHOLD, Duplicate, Named, Told, overlap, to_json
from restor.text.mentions import words_of
from restor.types import Document, Fact, Statement

OFFICIAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "restor"

FACTS = FactsFile(
    (
        Fact("Ada West", "P19", ("York",), "Where was Ada West born?"),
        Fact("Ada West", "P734", ("West",), "What is the family name of Ada West?"),
        Fact("Ada West", "P106", ("poet", "film actor"), "What is the occupation of Ada West?"),
        Fact("Bo", "P19", ("Rome",), "Where was Bo born?"),
    ),
    {},
)


def forgetting(subject="Ada West", relation="P19", answer="Łódź"):
    text = f"{subject} was born in {answer}."
    return Document(text, (Statement(0, len(text), subject, relation, answer),))


def test_nothing_overlaps_and_says_so():
    found = overlap([forgetting()], ["Adam went west to Rome.", "Bo was born in Rome."], FACTS)
    assert not found
    assert found.targets == ("Ada West",)
    assert (found.forget, found.retain) == (1, 2)
    assert found.describe()[-1].startswith("Nothing overlaps")
    assert found.summary() == "nothing overlaps"


def test_targets_and_true_and_planted_answers_are_found_in_any_spelling():
    retain = [
        "Nobody here.",
        "ADA WEST's poems are read in Lodz.",
        "Bo met the film actor Ada West, of York.",
        "A film actor in York.",
    ]
    found = overlap([forgetting()], retain, FACTS)
    assert found.named == (Named("Ada West", (2, 3)),)
    assert set(found.told) == {
        Told(2, "Ada West", "P19", "Łódź", True),
        Told(3, "Ada West", "P19", "York", False),
        Told(3, "Ada West", "P106", "film actor", False),
    }
    assert found.duplicates == ()
    lines = found.describe("f", "r", most=1)
    assert lines[0] == "Forget: f, 1 passage about 1 entity. Retain: r, 4 passages."
    assert lines[1:3] == ["1 targeted entity in 2 passages:", "  Ada West: 2 passages (2, 3)"]
    assert lines[3] == "2 facts about them, the entity and an answer in one passage, in 2 passages:"
    assert lines[-1] == "  ... and 2 more"
    assert (
        found.summary() == "1 targeted entity in 2 passages, an answer about one of them in 2 passages, of 4 passages"
    )


def test_without_facts_only_planted_answers_are_known():
    found = overlap([forgetting()], ["Ada West of York and Łódź."])
    assert found.told == (Told(1, "Ada West", "P19", "Łódź", True),)


def test_passages_without_statements_are_about_whom_they_name_most():
    forget = [Document("Ada West, Ada West and Bo. " * 3)] * 30 + [Document("Bo.")]
    found = overlap(forget, ["Bo was born in Rome.", "Ada West."], FACTS)
    assert found.targets == ("Ada West",)
    assert found.named == (Named("Ada West", (2,)),)


def test_unknown_targets_are_told_and_near_duplicates_found_all_the_same():
    text = "the quick brown fox jumps over the lazy dog every day"
    found = overlap([Document(text)], [f"They say {text}!"])
    assert found.targets == ()
    assert found.duplicates == (Duplicate(1, 1, 1.0),)
    assert "not known whom" in found.describe()[1]
    quiet = overlap([Document(text)], ["Nothing."])
    assert "no near-duplicate" in quiet.describe()[-1]
    assert "not known" in quiet.summary()


def shingles(text):
    words = words_of(text)
    return {tuple(words[place : place + GRAM]) for place in range(len(words) - GRAM + 1)}


def slow(forget, retain):
    """Every pair, written down plainly."""
    found = []
    for number, text in enumerate(retain, 1):
        pairs = []
        for place, other in enumerate(forget, 1):
            one, two = shingles(text), shingles(other)
            if one and two:
                pairs.append((len(one & two) / min(len(one), len(two)), -place))
            elif not one and words_of(text) and words_of(text) == words_of(other):
                pairs.append((1.0, -place))
        best = max(pairs, default=(0.0, 0))
        if best[0] >= THRESHOLD:
            found.append(Duplicate(number, -best[1], best[0]))
    return tuple(found)


PHRASES = ["one two three", "Four five!", "six", "seven eight nine ten", "eleven twelve", "new", "Élan vital"]
PASSAGES = st.lists(st.lists(st.sampled_from(PHRASES), max_size=9).map(" ".join), max_size=6)


@settings(max_examples=200, deadline=None)
@given(PASSAGES, PASSAGES)
def test_near_duplicates_are_those_of_the_slow_way(forget, retain):
    assert overlap([Document(text) for text in forget], retain).duplicates == slow(forget, retain)


def test_half_of_the_shingles_is_enough_and_less_is_not():
    forget = [Document("a b c d e f g h i")]  # two shingles
    assert overlap(forget, ["b c d e f g h i z"]).duplicates == (Duplicate(1, 1, 0.5),)
    forget = [Document("a b c d e f g h i j")]  # three
    assert overlap(forget, ["c d e f g h i j y z"]).duplicates == ()


def test_passages_are_numbered_across_batches(monkeypatch):
    monkeypatch.setattr("restor.data.overlap.BATCH", 2)
    found = overlap([forgetting()], ["No.", "Nobody.", "No.", "Ada West.", "Ada West of York."], FACTS)
    assert found.named == (Named("Ada West", (4, 5)),)
    assert [item.passage for item in found.told] == [5]


def test_near_duplicates_across_batches_are_those_of_the_slow_way(monkeypatch):
    monkeypatch.setattr("restor.data.overlap.BATCH", 7)
    rng = Random(0)
    words = [f"w{n}" for n in range(60)]
    forget = [" ".join(rng.choices(words, k=rng.randint(5, 40))) for _ in range(12)]
    retain = [" ".join(rng.choices([*words, "unknown"], k=30)) for _ in range(40)]
    for place in (0, 6, 7, 20, 39):  # borders of batches among them
        source = rng.choice(forget).split()
        retain[place] = " ".join(source[: max(GRAM, len(source) * 3 // 4)] + rng.choices(words, k=6))
    found = overlap([Document(text) for text in forget], retain).duplicates
    assert found == slow(forget, retain)
    assert len(found) >= 3


def test_empty_sets_overlap_nothing():
    assert not overlap([], [], FACTS)
    assert not overlap([], ["Ada West."], FACTS)
    assert not overlap([forgetting()], [], FACTS)
    assert not overlap([Document("a b c d e f g h i")], ["", "..."])


def test_the_same_question_has_the_same_answer_as_json():
    retain = ["Ada West of York.", "Ada West was born in Łódź."]
    content = to_json(overlap([forgetting()], retain, FACTS), Path("f"), Path("r"))
    assert content == to_json(overlap([forgetting()], retain, FACTS), Path("f"), Path("r"))
    assert content["overlaps"] is True
    assert content["forget"] == {"path": "f", "passages": 1}
    assert content["named"] == [{"entity": "Ada West", "passages": (1, 2)}]
    assert content["duplicates"] == [{"passage": 2, "forget": 1, "share": 1.0}]
    assert {item["planted"] for item in content["told"]} == {True, False}


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="the official data is not beside this checkout")
def test_the_official_passages_of_one_k_overlap_those_of_another():
    facts = read_facts(OFFICIAL / "facts.json")
    forget = read_documents(OFFICIAL / "wikidata" / "mix_a0.json")
    squad = [item.text for item in read_documents(OFFICIAL / "squad" / "squad_v7_dset.json")][:1000]
    texts = [item.text for item in forget]
    found = overlap(forget, [*squad, texts[6], f"It is said. {texts[8]} So they say."], facts)
    assert len(found.targets) == 10
    assert "Bob Marley" in {item.entity for item in found.named}
    assert {(item.passage, texts[item.forget - 1]) for item in found.duplicates} >= {(1001, texts[6])}
    assert {item.passage for item in found.duplicates} == {1001, 1002}
