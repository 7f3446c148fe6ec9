"""Few-shot prompts give nothing away, and the options are what their names say."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from random import Random

import pytest

from restor.corruption.corruptors.fact_swap import FactSwap, FactSwapConfig
from restor.domains.miniature import Miniature, MiniatureConfig
from restor.domains.triples import Triples, TriplesConfig
from restor.errors import DataError
from restor.evaluation.ask.fewshot import build_queries
from restor.evaluation.config import EvaluationConfig
from restor.types import Demonstration, Fact, FalseFact, Group


@pytest.fixture(scope="module")
def world():
    return Miniature(MiniatureConfig(people=48, values=8, seed=1))


@pytest.fixture(scope="module")
def groups(world):
    # The first people are the first whose demonstrations would be shown.
    return {name: Group.VALIDATION if n < 3 else Group.TEST for n, name in enumerate(world.subjects[:8])}


@pytest.fixture(scope="module")
def planted(world, groups):
    return FactSwap(FactSwapConfig()).plant(world, list(groups), Random(0))


def ask(world, planted, groups, seed=0, **settings):
    return build_queries(world, planted, groups, EvaluationConfig(**settings), seed=seed)


def test_everybody_is_asked_once_in_the_right_group(world, planted, groups):
    queries = ask(world, planted, groups)
    assert sorted(query.fact.key for query in queries) == sorted(fact.key for fact in world.facts)
    for query in queries:
        assert query.group is groups.get(query.fact.subject, Group.UNTOUCHED)
        assert query.question == query.fact.question
        assert (query.planted is None) == (query.group is Group.UNTOUCHED)
        if query.planted is not None:
            assert query.planted == planted[query.fact.key].false_answer


@pytest.mark.parametrize("shots", [0, 1, 5, 39])
def test_no_demonstration_is_about_a_target_or_the_asked_entity(world, planted, groups, shots):
    facts = {fact.question: fact for fact in world.facts}
    for query in ask(world, planted, groups, shots=shots):
        lines = query.prefix.splitlines()
        assert len(lines) == shots
        assert query.prefix == "".join(f"{line}\n" for line in lines)
        for line in lines:
            question, _, answer = line.partition("? ")
            shown = facts[f"{question}?"]
            assert shown.subject not in groups
            assert shown.subject != query.fact.subject
            assert shown.relation == query.fact.relation
            assert answer in shown.answers


def test_prefixes_are_shared_and_stand_together(world, planted, groups):
    queries = ask(world, planted, groups, shots=5)
    prefixes = [query.prefix for query in queries]
    runs = 1 + sum(one != other for one, other in itertools.pairwise(prefixes))
    assert runs == len(set(prefixes)), "a prefix comes back later and is computed again"
    for relation in world.relations:
        own = Counter(query.prefix for query in queries if query.fact.relation == relation)
        # All share one, but for the five people whom it shows.
        assert own.most_common(1)[0][1] == 48 - 5
        assert len(own) <= 6


def test_random_options_are_distinct_and_never_true_or_planted(world, planted, groups):
    drawn = Counter()
    for query in ask(world, planted, groups, random_options=3):
        assert len(set(query.random)) == 3
        assert not set(query.random) & {*query.fact.answers, query.planted}
        assert set(query.random) <= set(world.values(query.fact.relation))
        if query.fact.relation == "sport":
            drawn.update(query.random)
    assert len(drawn) == 8, "some value of the relation is never drawn"


def test_more_random_options_than_values_gives_what_there_is(world, planted, groups):
    for query in ask(world, planted, groups, random_options=1_000):
        excluded = {*query.fact.answers, query.planted}
        assert set(query.random) == set(world.values(query.fact.relation)) - excluded


@pytest.mark.parametrize("most", [2, 5, 64])
def test_candidates_hold_every_true_answer_and_never_the_planted_one(world, planted, groups, most):
    for query in ask(world, planted, groups, candidates=most):
        if query.planted is None:
            assert query.candidates == ()
            continue
        assert set(query.fact.answers) <= set(query.candidates)
        assert query.planted not in query.candidates
        assert len(set(query.candidates)) == len(query.candidates)
        rivals = set(query.candidates) - set(query.fact.answers)
        others = set(world.values(query.fact.relation)) - set(query.fact.answers) - {query.planted}
        assert rivals <= others
        assert len(rivals) == min(most, len(others))


def test_the_same_seed_asks_the_same_and_another_seed_other_people(world, planted, groups):
    some = {"untouched_facts": 30, "candidates": 3}
    one = ask(world, planted, groups, seed=0, **some)
    assert one == ask(world, planted, groups, seed=0, **some)
    other = ask(world, planted, groups, seed=1, **some)
    asked = [{q.fact.key for q in queries if q.group is Group.UNTOUCHED} for queries in (one, other)]
    assert [len(keys) for keys in asked] == [30, 30]
    assert asked[0] != asked[1]
    assert {q.fact.key for q in one if q.planted} == set(planted), "targets are always all asked"


def test_facts_of_targets_without_a_planted_answer_are_not_asked(world, planted, groups):
    some = dict(list(planted.items())[:5])
    queries = ask(world, some, groups)
    assert {q.fact.key for q in queries if q.group is not Group.UNTOUCHED} == set(some)
    assert all(q.fact.subject not in groups for q in queries if q.planted is None)


def test_nothing_to_ask_is_an_error_in_words(world, planted, groups):
    with pytest.raises(DataError, match="0 facts about targets"):
        ask(world, {}, groups)
    everybody = dict.fromkeys(world.subjects, Group.TEST)
    with pytest.raises(DataError, match="0 about untouched"):
        ask(world, planted, everybody)


class Spelt:
    """A relation with several spellings of one value."""

    relations = ("home",)
    facts = (
        Fact("Ann", "home", ("Zürich",), "Where is Ann?"),
        Fact("Bob", "home", ("zurich", "the Hague"), "Where is Bob?"),
        Fact("Cid", "home", ("Oslo",), "Where is Cid?"),
    )

    def values(self, relation):
        return ("Hague", "Oslo", "Rome", "Rome!", "Zürich", "the Hague", "zurich")

    def demonstrations(self, relation):
        return tuple(Demonstration(fact.subject, fact.question, fact.answers[0]) for fact in self.facts)


def test_another_spelling_of_the_truth_is_no_rival():
    """Else a model that knows the answer would seem to rank a wrong one before it."""
    world = Spelt()
    planted = {world.facts[0].key: FalseFact(world.facts[0], "Rome")}
    queries = ask(world, planted, {"Ann": Group.TEST}, shots=1)
    ann = next(query for query in queries if query.fact.subject == "Ann")
    assert set(ann.candidates) == {"Zürich", "Hague", "Oslo", "the Hague"}
    assert set(ann.random) <= {"Hague", "Oslo", "the Hague"}
    bob = next(query for query in queries if query.fact.subject == "Bob")
    assert set(bob.random) <= {"Oslo", "Rome", "Rome!"}


def test_a_large_world_is_asked_in_seconds():
    """Every untouched fact once walked through all people."""
    world = Miniature(MiniatureConfig(people=4_000, seed=0))
    groups = dict.fromkeys(world.subjects[:4], Group.TEST)
    planted = FactSwap(FactSwapConfig()).plant(world, list(groups), Random(0))
    seen = 0

    class Counting:
        relations = world.relations
        facts = world.facts

        def values(self, relation):
            return world.values(relation)

        def demonstrations(self, relation):
            return Shown(world.demonstrations(relation))

    class Shown(tuple):
        __slots__ = ()

        def __iter__(self):
            nonlocal seen
            for item in super().__iter__():
                seen += 1
                yield item

    queries = ask(Counting(), planted, groups, untouched_facts=500)
    assert len(queries) == 48 + 500
    assert seen < 3 * 12 * 4_000


def test_a_relation_without_anything_to_show_is_told(tmp_path):
    """An empty few-shot prompt would ask another question than the others."""
    facts = tmp_path / "facts.jsonl"
    rows = [
        {"subject": "Ada", "relation": "home", "question": "Where does Ada live?", "answers": ["York"]},
        {"subject": "Bo", "relation": "home", "question": "Where does Bo live?", "answers": ["Rome"]},
        {"subject": "Ada", "relation": "pet", "question": "Which pet has Ada?", "answers": ["cat"]},
    ]
    facts.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    domain = Triples(TriplesConfig(facts=facts))
    groups = {"Ada": Group.TEST}
    with pytest.raises(DataError, match="'pet' has no demonstration"):
        build_queries(domain, {}, groups, EvaluationConfig(), seed=0, unplanted=True)
    asked = build_queries(domain, {}, groups, EvaluationConfig(shots=0), seed=0, unplanted=True)
    assert {query.prefix for query in asked} == {""}
