"""The miniature world's shapes and sizes, and that its other family gives nothing away."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections import Counter
from random import Random

import pytest
from pydantic import ValidationError

from restor.datasets.general import General, GeneralConfig
from restor.domains.base import biography, question_list
from restor.domains.miniature import BY_NAME, RELATIONS, Miniature, MiniatureConfig
from restor.text import split_words

UNIQUE = {"spouse", "work"}
SEVERAL = {"language", "award"}


def miniature(people=96, values=20, seed=0):
    return Miniature(MiniatureConfig(people=people, values=values, seed=seed))


@pytest.mark.parametrize("people", [40, 96, 325, 2_001, 5_000])
def test_any_size_has_twelve_facts_about_each_of_its_people(people):
    world = miniature(people)
    assert len(world.subjects) == len(set(world.subjects)) == people
    assert len(world.facts) == 12 * people
    assert len(world.relations) == 12
    assert [len(world.facts_about(name)) for name in world.subjects] == [12] * people
    for relation in UNIQUE:
        given = [fact.answers for fact in world.facts if fact.relation == relation]
        assert len(set(given)) == people, f"two people share their {relation}"


@pytest.mark.nightly
def test_the_largest_world_is_built_in_seconds():
    began = time.process_time()
    world = miniature(100_000)
    assert len(world.facts) == 1_200_000
    assert len(set(world.subjects)) == 100_000
    assert len(world.values("work")) == len(world.values("spouse")) == 100_000
    assert time.process_time() - began < 10
    words = set(world.vocabulary())
    for place in range(0, 1_200_000, 9_973):
        fact = world.facts[place]
        assert set(split_words(" ".join((fact.question, *fact.answers)))) <= words


@pytest.mark.parametrize("people", [39, 100_001, 0, -1])
def test_other_sizes_are_refused(people):
    with pytest.raises(ValidationError, match="people"):
        MiniatureConfig(people=people)


@pytest.mark.parametrize("values", [8, 20])
def test_shared_values_are_shared_and_as_many_as_configured(values):
    world = miniature(people=400, values=values)
    for relation in set(world.relations) - UNIQUE:
        counts = Counter(answer for fact in world.facts if fact.relation == relation for answer in fact.answers)
        assert len(counts) == values
        assert min(counts.values()) >= 1
        assert max(counts.values()) < 400 / values * 4, f"one {relation} is true of nearly everybody"


def test_only_the_multi_valued_relations_have_several_values_and_not_always():
    world = miniature()
    for relation in world.relations:
        lengths = {len(fact.answers) for fact in world.facts if fact.relation == relation}
        assert lengths == ({1, 2} if relation in SEVERAL else {1})


def test_every_value_of_a_multi_valued_fact_is_told():
    world = miniature()
    fact = next(fact for fact in world.facts if len(fact.answers) == 2)
    rng = Random(0)
    told = " ".join(biography(world, fact.subject, 12, rng) for _ in range(30))
    assert all(answer in told for answer in fact.answers)


def test_an_object_is_one_or_two_words_and_nobody_is_a_value():
    world = miniature(people=700)
    for relation in world.relations:
        most = 3 if relation == "work" else 2  # a sequel has its number
        assert all(1 <= len(split_words(value)) <= most for value in world.values(relation))
        assert not set(world.values(relation)) & set(world.subjects)


def test_first_and_last_names_tell_people_apart():
    """One word is enough to know a person in small worlds; in large ones the whole name is."""
    lasts = [name.split()[1] for name in miniature().subjects]
    assert len(set(lasts)) == len(lasts)
    assert all(len(name.split()) == 2 for name in miniature(5_000).subjects)


def test_several_wordings_state_every_relation_in_prose_and_questions():
    for relation in RELATIONS:
        assert len(set(relation.sentences)) >= 3
        assert len(set(relation.questions)) == 2
        for text in relation.sentences:
            assert text.count("{s}") == text.count("{o}") == 1
        for text in relation.questions:
            assert text.count("{s}") == 1
            assert "{o}" not in text
    frames = [text for relation in RELATIONS for text in (*relation.sentences, *relation.questions)]
    assert len(set(frames)) == len(frames), "one wording for two relations cannot be answered"


def test_values_of_one_relation_do_not_leak_from_another():
    """Birthplace and residence share their cities, which is meant; a person's two cities are drawn independently."""
    world = miniature(people=2_000)
    same = sum(
        facts[1].answers == facts[2].answers for facts in map(world.facts_about, world.subjects)
    )  # birthplace, residence
    assert 0.02 < same / 2_000 < 0.09  # 1 in 20 by chance


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_other_family_mentions_no_subject_and_no_probed_value(seed):
    world, general = miniature(seed=seed), General(GeneralConfig(seed=seed))
    rng = Random(seed)
    read = [split_words(general.text(rng).casefold()) for _ in range(2_000)]
    words = {word for text in read for word in text}
    pairs = {pair for text in read for pair in itertools.pairwise(text)}
    told = {tuple(split_words(value.casefold())) for name in world.relations for value in world.values(name)}
    told |= {tuple(split_words(name.casefold())) for name in world.subjects}
    assert {item for item in told if len(item) == 1} & {(word,) for word in words} == set()
    assert {item for item in told if len(item) == 2} & pairs == set()
    names = {word for name in world.subjects for word in split_words(name.casefold())}
    assert names & words == set(), "not even half a name"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_other_family_asks_nothing_in_the_words_of_a_probed_question(seed):
    general = General(GeneralConfig(seed=seed))
    rng = Random(seed)
    read = "\n".join(general.text(rng) for _ in range(2_000))
    frames = {text.split("{s}")[0] for relation in RELATIONS for text in relation.questions}
    assert not [frame for frame in frames if frame.strip() and frame in read and len(frame.split()) > 3]


def test_a_seeded_world_does_not_depend_on_the_process():
    code = "from restor.domains.miniature import *; print(hash_of(Miniature(MiniatureConfig(seed=4))))"
    code = "import hashlib\nhash_of = lambda w: hashlib.sha256(repr(w.facts).encode()).hexdigest()\n" + code
    told = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(told) == 1


def test_question_lists_use_the_probed_wording_most():
    world = miniature()
    probed = other = 0
    for line in question_list(world, world.subjects, 400, Random(0)).splitlines():
        for relation in BY_NAME.values():
            starts = [text.split("{s}")[0] for text in relation.questions]
            ends = [text.split("{s}")[1] for text in relation.questions]
            probed += line.startswith(starts[0]) and ends[0] + " " in line
            other += line.startswith(starts[1]) and ends[1] + " " in line
    assert probed > 2 * other > 0
