"""One seed's world: who is targeted, who is told of, and that nothing depends on anything but the configuration."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from worlds import Seeded

from restor.domains.miniature import MiniatureConfig
from restor.errors import DataError
from restor.evaluation.config import EvaluationConfig
from restor.experiment import ArmConfig, ExperimentConfig, UnlearningConfig
from restor.progress import Silent
from restor.runner.study import run_study
from restor.tasks.plant import TargetsConfig
from restor.types import Group


def config(people=48, validation=3, test=5, shots=5, seed=None, **more):
    return ExperimentConfig(
        domain=MiniatureConfig(people=people, values=8, seed=seed),
        targets=TargetsConfig(validation=validation, test=test),
        evaluation=EvaluationConfig(shots=shots),
        unlearning=UnlearningConfig(arms={"nothing": ArmConfig(label="Nothing")}, retain_texts=400),
        **more,
    )


@pytest.fixture(scope="module")
def world():
    return Seeded(config(), 0)


def test_validation_test_and_untouched_people_are_disjoint_and_all(world):
    counts = Counter(world.groups.values())
    assert counts == {Group.VALIDATION: 3, Group.TEST: 5}
    assert not set(world.groups) & set(world.untouched)
    assert {*world.groups, *world.untouched} == set(world.domain.subjects)
    assert len(world.untouched) == 40


def test_all_targets_and_only_they_are_misled(world):
    assert {item.fact.subject for item in world.planted.values()} == set(world.groups)
    stated = {item.subject for document in world.forget_documents for item in document.statements}
    assert stated == set(world.groups)


def test_every_seed_is_another_world_with_other_targets():
    worlds = [Seeded(config(), seed) for seed in range(3)]
    assert len({world.digest() for world in worlds}) == 3
    assert len({frozenset(world.groups) for world in worlds}) == 3
    assert len({world.texts("unrelated")[0] for world in worlds}) == 3


def test_a_domain_with_its_own_seed_is_the_same_in_every_study_but_other_people_are_targeted():
    worlds = [Seeded(config(seed=9), seed) for seed in range(2)]
    assert worlds[0].domain.facts == worlds[1].domain.facts
    assert set(worlds[0].groups) != set(worlds[1].groups)


def everything(world):
    rng = Random(1)
    write = world.stream(world.domain.subjects)
    return (
        world.digest(),
        world.texts("related"),
        world.texts("unrelated"),
        world.texts("recovery", 50),
        world.texts("random"),
        world.queries,
        [write(rng) for _ in range(50)],
    )


def test_the_same_seed_is_the_same_world_in_whatever_order_it_is_asked():
    one, other = Seeded(config(), 4), Seeded(config(), 4)
    _ = other.queries, other.texts("recovery", 3), other.texts("unrelated")
    assert everything(one) == everything(other)


@pytest.mark.parametrize("seed", [0, 1])
def test_related_retain_text_never_mentions_a_target(seed):
    world = Seeded(config(), seed)
    read = "\n".join(world.texts("related"))
    assert [name for name in world.groups if name in read] == []
    assert all(name in read for name in world.untouched), "retain text leaves somebody out"


@pytest.mark.parametrize("seed", [0, 1])
def test_unrelated_and_recovery_text_mention_nobody(seed):
    world = Seeded(config(), seed)
    texts = [*world.texts("unrelated"), *world.texts("recovery", 400)]
    read = "\n".join(texts)
    assert [name for name in world.domain.subjects if name in read] == []


def test_recovery_does_not_read_the_retain_set_again(world):
    retain = world.texts("unrelated")
    assert set(retain) != set(world.texts("recovery", len(retain)))
    assert retain[0] != world.texts("recovery", 1)[0]


def test_replay_leaves_the_targets_out_and_the_original_stream_does_not(world):
    rng = Random(0)
    replay, original = world.stream(world.untouched), world.stream(world.domain.subjects)
    replayed = "\n".join(replay(rng) for _ in range(600))
    assert [name for name in world.groups if name in replayed] == []
    read = "\n".join(original(rng) for _ in range(600))
    assert all(name in read for name in world.groups)


def test_the_share_of_general_text_is_as_configured(world):
    rng = Random(0)
    write = world.stream(world.domain.subjects)
    people = sum(any(name in text for name in world.domain.subjects) for text in (write(rng) for _ in range(1_000)))
    assert people / 1_000 == pytest.approx(1 - world.config.clean.general_share, abs=0.05)


def test_the_random_forget_set_is_as_large_and_about_untouched_people(world):
    documents = world.texts("random")
    assert len(documents) == len(world.forget_documents)
    assert [name for name in world.groups if any(name in text for text in documents)] == []


def test_no_prompt_tells_a_true_answer_about_a_target(world):
    assert world.queries
    for query in world.queries:
        assert not any(name in query.prefix for name in world.groups)


@pytest.mark.parametrize(("validation", "test"), [(20, 29), (100, 1), (21, 22)])
def test_more_targets_than_people_is_told_before_any_work(validation, test, tmp_path):
    store = tmp_path / "store"
    wanted = config(validation=validation, test=test, shots=5)
    with pytest.raises(DataError, match=rf"{validation} for validation and {test} for test.* at most 42 of its 48"):
        run_study(wanted, store=store, progress=Silent())
    assert not store.exists()


def test_as_many_targets_as_possible_still_leaves_the_demonstrations():
    world = Seeded(config(validation=20, test=22, shots=5), 0)
    assert len(world.untouched) == 6
    assert all(query.prefix.count("\n") == 5 for query in world.queries)
