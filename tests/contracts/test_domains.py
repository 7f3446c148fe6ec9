"""What every domain promises, checked for all of the catalogue."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from entries import domain, mentioned

from restor.domains.base import DOMAINS, biography, question_list
from restor.text import split_words

pytestmark = pytest.mark.parametrize("name", DOMAINS.names())


def told(world, seed, count):
    """Texts in all the ways a domain tells itself."""
    rng = Random(seed)
    texts = []
    for _ in range(count // 2):
        texts.append(biography(world, rng.choice(world.subjects), 6, rng))
        texts.append(question_list(world, world.subjects, 6, rng))
    return texts


def everything(world):
    relations = list(world.relations)
    return (
        list(world.facts),
        list(world.subjects),
        relations,
        list(world.targetable),
        [list(world.values(relation)) for relation in relations],
        [list(world.demonstrations(relation)) for relation in relations],
        None if world.vocabulary() is None else list(world.vocabulary()),
        told(world, 3, 60),
    )


def test_the_same_configuration_gives_the_same_world(name, tmp_path):
    assert everything(domain(name, tmp_path)) == everything(domain(name, tmp_path))


def test_another_seed_gives_another_world(name, tmp_path):
    one, other = domain(name, tmp_path, seed=0), domain(name, tmp_path, seed=1)
    assert list(one.facts) != list(other.facts)


def test_facts_have_unique_keys_and_nothing_empty(name, tmp_path):
    world = domain(name, tmp_path)
    keys = Counter(fact.key for fact in world.facts)
    assert max(keys.values()) == 1
    for fact in world.facts:
        assert fact.subject in world.subjects
        assert fact.relation in world.relations
        assert fact.answers
        assert len(set(fact.answers)) == len(fact.answers)
        assert all(answer == answer.strip() and answer for answer in fact.answers)
        assert fact.subject in fact.question
        assert not any("\n" in text for text in (fact.question, *fact.answers)), "would end a few-shot line early"


def test_facts_about_all_entities_are_all_facts_in_order(name, tmp_path):
    world = domain(name, tmp_path)
    assert len(set(world.subjects)) == len(world.subjects)
    assert [fact for subject in world.subjects for fact in world.facts_about(subject)] == list(world.facts)
    assert all(fact.subject == subject for subject in world.subjects for fact in world.facts_about(subject))


def test_targetable_entities_are_entities(name, tmp_path):
    world = domain(name, tmp_path)
    assert len(set(world.targetable)) == len(world.targetable) > 0
    assert set(world.targetable) <= set(world.subjects)


def test_values_are_exactly_the_answers_of_a_relation_sorted(name, tmp_path):
    world = domain(name, tmp_path)
    for relation in world.relations:
        answers = {answer for fact in world.facts if fact.relation == relation for answer in fact.answers}
        assert list(world.values(relation)) == sorted(answers)


def test_demonstrations_tell_the_truth(name, tmp_path):
    world = domain(name, tmp_path)
    known = {(fact.subject, fact.relation): fact for fact in world.facts}
    for relation in world.relations:
        shown = world.demonstrations(relation)
        assert len(shown) >= 5, "fewer than the default few-shot prompt"
        assert len({item.subject for item in shown}) == len(shown)
        for item in shown:
            fact = known.get((item.subject, relation))
            if fact is not None:
                assert item.question == fact.question
                assert item.answer in fact.answers


def test_sentences_state_subject_and_answer_in_several_wordings(name, tmp_path):
    world = domain(name, tmp_path)
    rng = Random(0)
    for fact in world.facts_about(world.subjects[3]):
        for answer in (*fact.answers, "Quite {o} Another", "{s}"):
            written = {world.sentence(fact, answer, rng) for _ in range(40)}
            for text in written:
                assert fact.subject in text
                assert answer in text
                assert "\n" not in text
                assert "{o}" not in text.replace(answer, "").replace(fact.subject, "")
    relations = {fact.relation: fact for fact in world.facts_about(world.subjects[0])}
    several = [len({world.sentence(fact, "Foo", rng) for _ in range(40)}) > 1 for fact in relations.values()]
    assert sum(several) >= len(several) * 0.7


def test_questions_are_about_the_subject_and_the_probed_wording_is_read(name, tmp_path):
    world = domain(name, tmp_path)
    rng = Random(0)
    for fact in world.facts_about(world.subjects[-1]):
        asked = Counter(world.question(fact, rng) for _ in range(60))
        assert asked.most_common(1)[0][0] == fact.question
        assert all(fact.subject in text and "\n" not in text for text in asked)


def test_biographies_are_about_one_entity_and_tell_each_relation_once(name, tmp_path):
    world = domain(name, tmp_path)
    rng = Random(1)
    for subject in world.subjects:
        facts = world.facts_about(subject)
        text = biography(world, subject, 3, rng)
        assert text.count(subject) >= min(3, len(facts))
        assert mentioned(text, world.subjects) == {subject}
        whole = biography(world, subject, 10_000, rng)
        assert all(any(answer in whole for answer in fact.answers) for fact in facts)


def test_question_lists_tell_the_truth_and_half_keep_to_one_relation(name, tmp_path):
    world = domain(name, tmp_path)
    rng = Random(2)
    single = 0
    for _ in range(60):
        text = question_list(world, world.subjects, 5, rng)
        assert text.endswith("\n")
        lines = text.splitlines()
        assert len(lines) == 5
        relations = []
        for line in lines:
            true = [
                fact.relation
                for fact in world.facts
                if f" {fact.subject}" in line and any(line.endswith(f" {answer}") for answer in fact.answers)
            ]
            assert true, line
            relations.append(set(true))
        single += bool(set.intersection(*relations))
    assert 20 <= single <= 50


def test_the_vocabulary_covers_whatever_the_domain_says(name, tmp_path):
    world = domain(name, tmp_path)
    vocabulary = world.vocabulary()
    if vocabulary is None:
        pytest.skip("cannot be listed")
    assert list(vocabulary) == sorted(set(vocabulary))
    asked = [f"{fact.question} {' '.join(fact.answers)}" for fact in world.facts]
    for text in [*told(world, 5, 500), *asked]:
        assert set(split_words(text)) <= set(vocabulary)
