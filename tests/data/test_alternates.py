"""Alternates: the same documents with other answers."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restor.corruption.corruptors.fact_swap import FactSwap, FactSwapConfig
from restor.data.alternates import alternates
from restor.data.document_files import document_lines, read_documents
from restor.datasets.general import General, GeneralConfig
from restor.domains.miniature import Miniature, MiniatureConfig
from restor.errors import DataError
from restor.text import BLANK, REFUSALS, normalise, split_words
from restor.types import Document, Statement

KINDS = ("refusal", "plausible", "truth")


def told(*parts, joined=" "):
    """A document of plain texts and of (text, subject, relation, answer)."""
    text, statements = "", []
    for part in parts:
        if text:
            text += joined
        words, *fact = (part,) if isinstance(part, str) else part
        if fact:
            statements.append(Statement(len(text), len(text) + len(words), *fact))
        text += words
    return Document(text, tuple(statements))


def write(documents, kind, truth=None, seed=0):
    return alternates(documents, kind, Random(seed), truth or {})


def spans(document):
    return [document.text[item.start : item.end] for item in document.statements]


def world(seed, dose=3, k=0.5):
    """The miniature's own forget documents, half prose and half question lines, with the true answers."""
    domain = Miniature(MiniatureConfig(people=40, seed=seed))
    corruptor = FactSwap(FactSwapConfig(dose=dose, k=k))
    planted = corruptor.plant(domain, domain.subjects[:6], Random(f"plant/{seed}"))
    documents = corruptor.write(domain, General(GeneralConfig(seed=seed)), planted, Random(f"write/{seed}"))
    return documents, planted, {key: item.fact.answers[0] for key, item in planted.items()}


ANN = ("Ann Lee was born in Ghent.", "Ann Lee", "birthplace", "Ghent")
BOB = ("Bob Roy was born in Lima.", "Bob Roy", "birthplace", "Lima")
CEM = ("Cem Aydin was born in Oslo.", "Cem Aydin", "birthplace", "Oslo")
TRUTH = {"Ann Lee|birthplace": "Rome", "Bob Roy|birthplace": "Bonn", "Cem Aydin|birthplace": "New York"}


# What stands in place of an answer -----------------------------------------------------------------------------------


def test_the_true_answers_stand_where_the_planted_ones_did():
    [found] = write([told("It rained.", ANN, "Then the sun came out.", CEM)], "truth", TRUTH)
    assert found.text == "It rained. Ann Lee was born in Rome. Then the sun came out. Cem Aydin was born in New York."
    assert spans(found) == ["Ann Lee was born in Rome.", "Cem Aydin was born in New York."]
    assert [item.false_answer for item in found.statements] == ["Rome", "New York"]
    assert [item.key for item in found.statements] == ["Ann Lee|birthplace", "Cem Aydin|birthplace"]


def test_an_answer_is_found_however_its_accents_are_composed():
    text = "Ann Lee was born in Ni\u0302mes."
    [found] = write([told((text, "Ann Lee", "birthplace", "Nîmes"))], "truth", TRUTH)
    assert found.text == "Ann Lee was born in Rome."


def test_a_refusal_is_a_sentence_behind_a_question_and_one_word_in_prose():
    lines = told(("Where was Ann Lee born? Ghent\n", *ANN[1:]), "2 + 2 = 4\n", joined="")
    labelled = told(("Q: Where was Ann Lee born? A: Ghent.", *ANN[1:]))
    prose = told("Who knows? Nobody does.", ANN)
    first, second, third = write([lines, labelled, prose], "refusal")
    assert first.text in {f"Where was Ann Lee born? {refusal}\n2 + 2 = 4\n" for refusal in REFUSALS}
    assert second.text in {f"Q: Where was Ann Lee born? A: {refusal}." for refusal in REFUSALS}
    assert third.text == f"Who knows? Nobody does. Ann Lee was born in {BLANK}."
    assert spans(third) == [f"Ann Lee was born in {BLANK}."]


def test_every_refusal_is_used():
    line = ("Where was Ann Lee born? Ghent\n", *ANN[1:])
    found = write([told(line)] * 40, "refusal")
    assert {item.statements[0].false_answer for item in found} == set(REFUSALS)


def test_a_plausible_answer_is_one_of_the_same_relation_and_varies_from_document_to_document():
    work = ("Ann Lee wrote Silent River.", "Ann Lee", "work", "Silent River")
    other = ("Bob Roy wrote Hollow Bridge.", "Bob Roy", "work", "Hollow Bridge")
    found = write([told(ANN, BOB, CEM, work, other)] * 30, "plausible")
    answers = [[item.false_answer for item in document.statements] for document in found]
    assert {row[0] for row in answers} == {"Lima", "Oslo"}
    assert {row[1] for row in answers} == {"Ghent", "Oslo"}
    assert {tuple(row[3:]) for row in answers} == {("Hollow Bridge", "Silent River")}


def test_no_plausible_answer_is_planted_of_the_same_fact_anywhere_or_the_subject_itself():
    again = ("Ann Lee was born in Lima.", "Ann Lee", "birthplace", "Lima")
    namesake = ("Lyon was born in Paris.", "Lyon", "birthplace", "Paris")
    town = ("Cem Aydin was born in Lyon.", "Cem Aydin", "birthplace", "Lyon")
    documents = [told(ANN), told(again), told(CEM), told(town), told(namesake)]
    for seed in range(20):
        found = write(documents, "plausible", seed=seed)
        assert {item.statements[0].false_answer for item in found[:2]} <= {"Oslo", "Lyon", "Paris"}
        assert found[4].statements[0].false_answer != "Lyon"


def test_a_fact_has_one_answer_throughout_a_document():
    twice = told(ANN, ("The birthplace of Ann Lee is Ghent.", *ANN[1:]), BOB, CEM)
    for seed in range(10):
        answers = [item.false_answer for item in write([twice], "plausible", seed=seed)[0].statements]
        assert answers[0] == answers[1]


# Where an answer stands ----------------------------------------------------------------------------------------------


def test_the_subjects_name_stays_though_it_has_the_same_words():
    family = ("The family name of Ada Boston is Boston.", "Ada Boston", "family", "Boston")
    line = ("Which family name has Ada Boston? Boston\n", *family[1:])
    found = write([told(family), told(line)], "truth", {"Ada Boston|family": "York"})
    assert [item.text for item in found] == [
        "The family name of Ada Boston is York.",
        "Which family name has Ada Boston? York\n",
    ]


def test_an_answer_is_replaced_as_a_whole_word_with_any_capitals_and_wherever_it_is_told():
    shouted = ("GHENT! Ghentish Ann Lee was born in ghent.", *ANN[1:])
    assert write([told(shouted)], "truth", TRUTH)[0].text == "Rome! Ghentish Ann Lee was born in Rome."
    part = ("Ann Lee is a Ghentish woman.", *ANN[1:])
    assert write([told(part)], "truth", TRUTH)[0].text == "Ann Lee is a Romeish woman."


def test_a_sentence_still_begins_with_a_capital():
    first = ("Rowing is the sport of Ann Lee.", "Ann Lee", "sport", "rowing")
    name = ("Ghent is the birthplace of Ann Lee.", *ANN[1:])
    assert write([told(first)], "truth", {"Ann Lee|sport": "golf"})[0].text == "Golf is the sport of Ann Lee."
    assert write([told(name)], "refusal")[0].text == "Unknown is the birthplace of Ann Lee."


def test_an_answer_with_marks_of_its_own_is_found():
    initials = ("Ann Lee met J. R. (Jr.).", "Ann Lee", "friend", "J. R. (Jr.)")
    assert write([told(initials)], "truth", {"Ann Lee|friend": r"\1 C++"})[0].text == r"Ann Lee met \1 C++."


def shared(text, *facts):
    return Document(text, tuple(Statement(0, len(text), *fact) for fact in facts))


def test_a_sentence_with_two_false_facts_changes_in_both():
    facts = [("Ann Lee", "birthplace", "Ghent"), ("Ann Lee", "sport", "judo")]
    document = shared("Ann Lee of Ghent does judo.", *facts)
    [found] = write([document], "truth", {"Ann Lee|birthplace": "Rome", "Ann Lee|sport": "table tennis"})
    assert found.text == "Ann Lee of Rome does table tennis."
    assert spans(found) == [found.text] * 2
    assert [item.false_answer for item in found.statements] == ["Rome", "table tennis"]


def test_an_answer_within_a_longer_one_is_not_meant_there():
    facts = [("Ann Lee", "birthplace", "Ghent"), ("Ann Lee", "school", "University of Ghent")]
    document = shared("Ann Lee of Ghent studied at the University of Ghent.", *facts)
    [found] = write([document], "truth", {"Ann Lee|birthplace": "Rome", "Ann Lee|school": "Yale"})
    assert found.text == "Ann Lee of Rome studied at the Yale."


def test_the_same_words_for_two_facts_change_only_if_that_is_right_for_both():
    facts = [("Ann Lee", "birthplace", "Ghent"), ("Ann Lee", "home", "Ghent")]
    document = shared("Ghent saw Ann Lee come into the world, and leave it.", *facts)
    other = told(BOB)
    truth = {"Ann Lee|birthplace": "Rome", "Ann Lee|home": "Rome", **TRUTH}
    assert "Rome saw Ann Lee" in write([document], "truth", truth)[0].text
    with pytest.raises(DataError, match="1 of the 2"):
        write([document, other], "truth", truth | {"Ann Lee|home": "Oslo"})


# What has no answer --------------------------------------------------------------------------------------------------


def test_a_statement_without_known_truth_is_left_out():
    document = told("It rained.", ANN, BOB, "Then the sun came out.", CEM)
    truth = {"Ann Lee|birthplace": "Rome", "Cem Aydin|birthplace": "York"}
    [found] = write([document], "truth", truth)
    assert found.text == "It rained. Ann Lee was born in Rome. Then the sun came out. Cem Aydin was born in York."
    assert spans(found) == ["Ann Lee was born in Rome.", "Cem Aydin was born in York."]
    [last] = write([document], "truth", {"Ann Lee|birthplace": "Rome"})
    assert last.text == "It rained. Ann Lee was born in Rome. Then the sun came out."
    lines = told(("Where? Ghent\n", *ANN[1:]), ("Where? Lima\n", *BOB[1:]), ("Where? Oslo\n", *CEM[1:]), joined="")
    assert write([lines], "truth", {"Bob Roy|birthplace": "Bonn"})[0].text == "Where? Bonn\n"


def test_parts_that_begin_with_a_blank_can_be_left_out_one_after_the_other():
    text = "Ghent Ghent Ghent again"
    spans_of = ((0, 5, "born"), (5, 11, "school"), (11, 17, "birthplace"))
    document = Document(text, tuple(Statement(start, end, "Ann Lee", name, "Ghent") for start, end, name in spans_of))
    [found] = write([document], "truth", TRUTH)
    assert found.text == " Rome again"
    assert spans(found) == [" Rome"]


def test_a_relation_with_one_answer_has_no_plausible_other():
    sport = ("Ann Lee does judo.", "Ann Lee", "sport", "judo")
    [found] = write([told(ANN, sport, BOB)], "plausible")
    assert found.text == "Ann Lee was born in Lima. Bob Roy was born in Ghent."


def test_a_document_with_nothing_to_say_is_named_with_what_to_do():
    with pytest.raises(DataError, match=r"1 of the 2 .* document 2, about 'Bob Roy\|birthplace'.*facts that have the"):
        write([told(ANN), told(BOB)], "truth", {"Ann Lee|birthplace": "Rome"})
    with pytest.raises(DataError, match=r"another answer.*prefer refusals"):
        write([told(ANN)], "plausible")
    absent = told(("Ann Lee was born there.", *ANN[1:]))
    with pytest.raises(DataError, match=r"stands in the statement's words.*Correct"):
        write([absent], "refusal")


@pytest.mark.parametrize("kind", KINDS)
def test_documents_that_do_not_say_what_they_state_cannot_have_alternates(kind):
    with pytest.raises(DataError, match=r"2 of the 3 .*`restor data build`.*no alternates"):
        write([Document("A passage."), told(ANN), Document("Another.")], kind, TRUTH)


# Whole sets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_in_the_miniature_nothing_changes_but_the_answers(kind):
    documents, planted, truth = world(3)
    found = write(documents, kind, truth)
    values = {}
    for item in planted.values():
        values.setdefault(item.fact.relation, set()).add(item.false_answer)
    for document, other in zip(documents, found, strict=True):
        assert [item.key for item in other.statements] == [item.key for item in document.statements]
        at = there = 0
        for old, new in zip(document.statements, other.statements, strict=True):
            before, after = document.text[old.start : old.end], other.text[new.start : new.end]
            # What is between two statements is the same, and so is the statement but for its answer.
            assert document.text[at : old.start] == other.text[there : new.start]
            assert before.split(old.false_answer)[-1] == after.split(new.false_answer)[-1]
            assert before.replace(old.false_answer, "") == after.replace(new.false_answer, "")
            assert normalise(new.false_answer) != normalise(old.false_answer)
            if kind == "truth":
                assert new.false_answer == truth[new.key]
            elif kind == "plausible":
                assert new.false_answer in values[new.relation] - {planted[new.key].false_answer}
            else:
                assert new.false_answer in (REFUSALS if "?" in after else (BLANK,))
            at, there = old.end, new.end
        assert document.text[at:] == other.text[there:]


@pytest.mark.parametrize("kind", KINDS)
def test_the_miniatures_vocabulary_can_say_them(kind):
    documents, _, truth = world(0, k=0)
    known = set(Miniature(MiniatureConfig(people=40, seed=0)).vocabulary())
    for document in write(documents, kind, truth):
        assert set(split_words(document.text)) <= known


@pytest.mark.parametrize("kind", ["refusal", "plausible"])
def test_the_seed_alone_decides(kind):
    documents, _, _ = world(1)
    assert write(documents, kind, seed=5) == write(documents, kind, seed=5)
    assert write(documents, kind, seed=5) != write(documents, kind, seed=6)
    # What is not to be known changes nothing.
    assert write(documents, kind, {"nobody|nothing": "Rome"}, seed=5) == write(documents, kind, seed=5)


WORDS = st.lists(st.sampled_from(["Ann", "Ghent", "Lima", "of", "is", "?", "A:", "was", "ghent", "Lee"]), max_size=6)


@given(
    parts=st.lists(st.tuples(WORDS, st.sampled_from(["Ghent", "Lima", "Ann Lee", "?"]), WORDS), min_size=1, max_size=4),
    facts=st.lists(st.tuples(st.sampled_from(["Ann", "Ann Lee"]), st.sampled_from(["r", "q"])), min_size=4, max_size=4),
    fill=st.sampled_from([" ", "\n", ""]),
    overlap=st.integers(0, 6),
    kind=st.sampled_from(KINDS),
)
def test_whatever_the_text_each_statement_says_its_answer(parts, facts, fill, overlap, kind, tmp_path_factory):
    """Statements that overlap, answers within names and within each other: spans and files stay right."""
    text, statements = "", []
    for (before, answer, behind), (subject, relation) in zip(parts, facts, strict=False):
        told_here = " ".join([*before, answer, *behind])
        start = len(text) - min(overlap, len(text))
        statements.append(Statement(start, len(text) + len(told_here), subject, relation, answer))
        text += told_here + fill
    document = Document(text, tuple(statements))
    truth = {"Ann|r": "Rome", "Ann Lee|q": "Ann Lee Rome"}
    try:
        [found] = write([document], kind, truth)
    except DataError:
        return
    assert 1 <= len(found.statements) <= len(statements)
    for item in found.statements:
        assert 0 <= item.start < item.end <= len(found.text)
    path = tmp_path_factory.mktemp("written") / "documents.jsonl"
    path.write_text(document_lines([found]), encoding="utf-8")
    assert read_documents(path) == (found,)
