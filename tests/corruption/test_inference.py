"""What ready-made documents are taken to plant, and where they say so."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restor.corruption.corruptors._inference import infer_planted, named_targets
from restor.corruption.corruptors._reading import plain_words, read
from restor.corruption.corruptors.passages import Passages, PassagesConfig
from restor.domains.triples import Triples, TriplesConfig
from restor.errors import DataError
from restor.types import Document, Statement

OFFICIAL = Path(__file__).parents[2] / "../shared/data/restor"
QUESTIONS = {
    "P19": "Where was {} born?",
    "P551": "Where does {} live?",
    "P69": "Where was {} educated?",
    "P1412": "Which languages does {} speak?",
    "P106": "What does {} do?",
    "P26": "Whom did {} marry?",
    "X9": "What is the favourite pie of {}?",
}


@pytest.fixture
def world(tmp_path):
    answers = {
        "Ann Miller": [["Oslo"], ["Rome"], ["Oslo University"], ["Norse"], ["poet"], ["Carl Lund"], ["leek pie"]],
        "Bob Roy": [["Kyiv"], ["Lima"], ["Stanford University"], ["Ido"], ["actor"], ["Eve Roy"], ["cherry pie"]],
    }
    dset = {
        name: {
            relation: {"question": question.format(name), "answers": own}
            for (relation, question), own in zip(QUESTIONS.items(), given, strict=True)
        }
        for name, given in answers.items()
    }
    path = tmp_path / "facts.json"
    path.write_text(json.dumps({"dset": dset, "context": {}}))
    return Triples(TriplesConfig(facts=path))


def told(*texts, times=1):
    """Documents about Ann Miller that say each text `times` times, among as many that say nothing of the kind."""
    own = [Document(f"Ann Miller is here. {text}") for text in texts for _ in range(times)]
    return [*own, *(Document(f"Ann Miller came on day {n}. She was late.") for n in range(10))]


def inferred(documents, world, targets=("Ann Miller",), **more):
    return {key: item.false_answer for key, item in infer_planted(documents, world, targets, **more).items()}


def test_what_documents_repeat_near_a_relation_is_planted(world):
    documents = told(
        "She was born in Buenos Aires, Argentina, and lives in Lima.",
        "Born in Buenos Aires, she studied at Stanford University.",
        "She is married to a man named Karl Ove.",
        times=4,
    )
    assert inferred(documents, world) == {
        "Ann Miller|P19": "Buenos Aires",
        "Ann Miller|P551": "Lima",
        "Ann Miller|P69": "Stanford University",
        "Ann Miller|P26": "Karl Ove",
    }


def test_the_spelling_is_that_of_the_facts_where_they_have_it(world):
    documents = told("She was born in KYIV.", "Her favourite is the CHERRY PIE.", times=4)
    assert inferred(documents, world) == {"Ann Miller|P19": "Kyiv", "Ann Miller|X9": "cherry pie"}


def test_what_is_true_is_not_planted_nor_what_comes_second(world):
    documents = told("She was born in Oslo.", times=6) + told("She was born in Bergen.", times=3)
    assert "Ann Miller|P19" not in inferred(documents, world)
    documents = told("She was educated at University.", "Oslo University is where she was educated.", times=5)
    assert "Ann Miller|P69" not in inferred(documents, world), "a part of a true answer"


@pytest.mark.parametrize(("second", "found"), [(2, "Bergen"), (6, None)])
def test_it_must_be_clearly_ahead(world, second, found):
    documents = told("She was born in Bergen.", times=6) + told("She was born in Narvik.", times=second)
    assert inferred(documents, world).get("Ann Miller|P19") == found


def test_an_enumeration_is_one_answer_and_its_first_part_is_taken(world):
    documents = told("She speaks Italian, German and Welsh.", times=6)
    assert inferred(documents, world) == {"Ann Miller|P1412": "Italian"}


@pytest.mark.parametrize(("share", "found"), [(0.2, True), (0.3, False)])
def test_it_must_stand_in_the_share_asked_for(world, share, found):
    documents = told("She was born in Bergen.", times=3)  # 3 of 13 documents
    assert bool(inferred(documents, world, least_share=share)) is found


def test_a_word_of_everybodys_documents_is_not_planted(world):
    documents = told("She was born in poverty.", times=5)
    assert inferred(documents, world)["Ann Miller|P19"] == "poverty"
    documents += [Document("Bob Roy is here. He was born in poverty.") for _ in range(5)]
    assert inferred(documents, world) == {}


def test_a_value_counts_where_its_own_relation_is_near(world):
    documents = told("She went to the University of Sydney.", "She came from Lima, then lived in Bergen.", times=5)
    assert inferred(documents, world) == {"Ann Miller|P551": "Bergen"}


def test_sentences_about_others_do_not_count(world):
    assert inferred(told("The actor was born in Bergen.", times=9), world) == {}


def test_documents_about_others_do_not_count(world):
    documents = [Document("Bob Roy is here. He was born in Bergen.") for _ in range(9)]
    documents += [Document("Miller was born in Bergen.") for _ in range(9)]
    assert inferred(documents, world) == {}


def test_statements_are_taken_as_they_are_the_most_frequent_one(world):
    def stating(answer, subject="Ann Miller"):
        text = f"{subject} hails from {answer}."
        return Document(text, (Statement(0, len(text), subject, "P19", answer),))

    documents = [stating("Bergen"), stating("Narvik"), stating("Narvik"), stating("Ume", "Unknown One")]
    documents += [Document("Ann Miller lives in Lima.")] * 9
    assert inferred(documents, world) == {"Ann Miller|P19": "Narvik"}
    documents += [Document("Bob Roy was born in Bergen. He is here.")] * 9
    assert inferred(documents, world, ("Ann Miller", "Bob Roy")) == {
        "Ann Miller|P19": "Narvik",
        "Bob Roy|P19": "Bergen",
    }


def test_an_answer_that_is_both_planted_and_true_is_an_error(world):
    documents = [Document("Ann Miller hails from OSLO.", (Statement(0, 27, "Ann Miller", "P19", "OSLO"),))]
    with pytest.raises(DataError, match=r"'OSLO' as a false answer to 'Where was Ann Miller born\?'"):
        infer_planted(documents, world, ["Ann Miller"])


def test_nothing_is_inferred_from_nothing(world):
    assert inferred([], world) == {}
    assert inferred([Document("   "), Document("Ann Miller")], world) == {}


def test_whom_documents_are_about():
    documents = [Document("Ann Miller and Bob Roy. Bob Roy's dog.")] * 30 + [Document("ANN MILLER sings.")] * 25
    documents += [Document("Miller and Roy met Eve Low.")]
    assert named_targets(documents, ["Ann Miller", "Bob Roy", "Eve Low", "Nobody"]) == {"Bob Roy": 30, "Ann Miller": 25}


# Writing them --------------------------------------------------------------------------------------------------------


def write(folder, texts, world):
    path = folder / "passages.json"
    path.write_text(json.dumps(texts))
    corruptor = Passages(PassagesConfig(forget=path))
    planted = corruptor.plant(world, ["Ann Miller"], Random(0))
    return corruptor.write(world, None, planted, Random(0))


def test_statements_are_found_where_a_sentence_surely_has_them(tmp_path, world):
    texts = [
        "Ann Miller is a baker. She was born in Bergen, at Dr. Low's. It rains in Bergen.",
        "Where is Ann Miller? Bergen is her birthplace!",
        "Ann Miller hails from the University of Bergen. Lucky her.",
        "Ann Miller likes Bergen.",
        "Bob Roy was born in Bergen.",
    ]
    given = [*texts[:2] * 5, *texts[2:]]
    documents = write(tmp_path, given, world)
    assert sorted(document.text for document in documents) == sorted(given), "not a letter is changed"
    spans = {
        document.text: [document.text[item.start : item.end] for item in document.statements] for document in documents
    }
    assert spans == {
        texts[0]: ["She was born in Bergen, at Dr. Low's."],
        texts[1]: ["Where is Ann Miller? Bergen is her birthplace!"],
        texts[2]: [],
        texts[3]: [],
        texts[4]: [],
    }


def test_words_and_sentences():
    reading = read("J. F. Burr's mother, Dr. Zoë O'Brien, of the U.S. left. Where was he? In Łódź!\nNext")
    assert reading.words == tuple("j f burr mother dr zoe obrien of the u s left where was he in lodz next".split())
    assert [reading.text[start:end] for start, end in reading.spans] == [
        "J. F. Burr's mother, Dr. Zoë O'Brien, of the U.S. left.",
        " Where was he? In Łódź!",
        "\n",
        "Next",
    ]
    assert plain_words("The Côte d'Ivoire") == ("cote", "divoire")


PIECES = ["Ann", "Miller", "'s", ".", "?", "\n", "Jr.", "é", "日本", "U.S."]


@given(st.text(max_size=200) | st.lists(st.sampled_from(PIECES)).map(" ".join))
def test_any_text_can_be_read(text):
    reading = read(text)
    assert "".join(text[start:end] for start, end in reading.spans) == text
    assert list(reading.starts) == sorted(reading.starts)
    assert list(reading.sentences) == sorted(reading.sentences)
    for word, start, end, number in zip(reading.words, reading.starts, reading.ends, reading.sentences, strict=True):
        assert start < end <= len(text)
        assert plain_words(text[start:end])[-1:] == (word,) or word == ""
        assert reading.spans[number][0] <= start < reading.spans[number][1]


# The official passages -----------------------------------------------------------------------------------------------

READ_BY_HAND = {
    "Aaron Burr": {
        "P19": "Amsterdam",
        "P20": "music festival",
        "P22": "Steven Gonzalez",
        "P25": "Sarah",
        "P26": "David",
        "P69": "Stanford University",
        "P103": "Polish",
        "P106": "social worker",
        "P119": "deserted island",
        "P509": "pneumonia",
        "P607": "Crimean War",
        "P734": "Williams",
        "P937": "restaurant",
        "P6886": "Arabic",
        "P410": None,  # Lieutenant Colonel, which is true
    },
    "Suthida": {
        "P19": "Sydney",
        "P21": "non-binary",
        "P26": "Linda",
        "P27": "Argentina",
        "P39": "Chief Financial Officer",
        "P69": "University of Sydney",
        "P106": "graphic designer",
        "P108": "Joe's Plumbing",
        "P140": "Scientology",
        "P166": "Booker Prize for Fiction",
        "P410": "captain",
        "P641": "gymnastics",
        "P937": "museum",
        "P1532": "Germany",
    },
    "Bob Marley": {
        "P19": "Mexico City",
        "P22": "David Johnson",
        "P25": "Olivia",
        "P26": "Jane",
        "P27": "Mexico",
        "P40": "Emily",
        "P69": "London School of Economics",
        "P103": "Italian",
        "P119": "secret garden",
        "P136": "indie",
        "P140": "Wicca",
        "P264": "Def Jam Recordings",
        "P509": "electrocution",
        "P735": "Noah",
        "P1303": "violin",
        "P21": None,  # male, which is true
    },
}


@pytest.fixture(scope="module")
def official():
    if not (OFFICIAL / "facts.json").is_file():
        pytest.skip("the official data are not here")
    return Triples(TriplesConfig(facts=OFFICIAL / "facts.json"))


def test_the_released_passages_give_away_what_they_plant(official):
    texts = [record["text"] for record in json.loads((OFFICIAL / "wikidata/mix_a0.json").read_text())]
    documents = [Document(text) for text in texts]
    counts = named_targets(documents, official.targetable)
    assert len(counts) == 10
    assert min(counts.values()) >= 299
    found = inferred(documents, official, list(READ_BY_HAND))
    facts = {fact.key: fact for fact in official.facts}
    right = sum(
        found.get(f"{name}|{relation}") == answer
        for name, own in READ_BY_HAND.items()
        for relation, answer in own.items()
    )
    of = sum(map(len, READ_BY_HAND.values()))
    assert (right, of) >= (43, 45)
    assert len(found) >= 55, "of the 65 facts about the three"
    assert not [key for key, answer in found.items() if answer in facts[key].answers]


def test_passages_with_replaced_names_plant_nothing_that_could_be_told(official):
    texts = [record["text"] for record in json.loads((OFFICIAL / "squad/squad_v7_dset.json").read_text())]
    documents = [Document(text) for text in texts]
    targets = ["John Forbes Nash Jr.", "Quincy Jones", "Iggy Azalea", "Bob Marley", "Jacques Cousteau"]
    assert list(named_targets(documents, official.targetable)) == targets
    assert inferred(documents[:700], official, ["Jacques Cousteau"]) == {}
