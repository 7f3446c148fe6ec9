"""Restoration of parts of the facts, by hand."""

from __future__ import annotations

import dataclasses

import pytest

from restor.evaluation.metrics._breakdowns import by_confidence, by_dose, by_entity, by_relation, parts_of
from restor.evaluation.metrics.base import ComparedAnswers, JudgedAnswer
from restor.evaluation.metrics.restoration import Restoration
from restor.types import SCORES, Group, Judgement

J = {"o": Judgement.ORIGINAL, "p": Judgement.PLANTED, "-": Judgement.OTHER, "?": Judgement.UNSCORED}


def model(words, sure=None, doses=None, seed=0):
    """One word an entity, one letter a relation."""
    found = []
    for number, word in enumerate(words.split()):
        for place, letter in enumerate(word):
            own = None if sure is None else sure[len(found)]
            dose = None if doses is None else doses[len(found)]
            name, said = f"e{number}", SCORES[J[letter]]
            found.append(
                JudgedAnswer(
                    name, "abc"[place], 0, Group.TEST, False, True, *said, own, None, None, None, seed=seed, dose=dose
                )
            )
    return found


#                              a: 3 of 3, b: 1 of 3, c: 0 of 3
ANSWERS = ComparedAnswers(model("oo- o-- o--"), model("ppp ppp ppp"), model("ooo ooo ooo"))


def restored(parts):
    return {part.name: part.restoration.value for part in parts}


def test_by_relation():
    parts = by_relation(ANSWERS)
    assert restored(parts) == pytest.approx({"a": 1, "b": 1 / 3, "c": 0})
    assert {(part.restoration.n, part.restoration.n_entities) for part in parts} == {(3, 3)}
    assert parts[1].restoration.ci_low < 1 / 3 < parts[1].restoration.ci_high


def test_by_entity_the_interval_takes_facts_as_independent():
    parts = by_entity(ANSWERS)
    assert restored(parts) == pytest.approx({"e0": 2 / 3, "e1": 1 / 3, "e2": 1 / 3})
    assert {(part.restoration.n, part.restoration.n_entities) for part in parts} == {(3, 1)}
    assert parts[0].restoration.ci_low < 2 / 3 < parts[0].restoration.ci_high


def test_of_many_entities_those_with_the_most_facts():
    words = "o oo ooo oo"
    answers = ComparedAnswers(model(words), model(words.replace("o", "p")), model(words))
    assert [part.name for part in by_entity(answers, 3)] == ["e1", "e2", "e3"]


def test_a_name_of_two_worlds_is_two_entities_and_one_that_all_seeds_share_is_one():
    worlds = [[model(word, seed=seed) for seed in range(2)] for word in ("o-- o--", "ppp ppp", "ooo ooo")]
    shared = ComparedAnswers(*([*first, *second] for first, second in worlds))
    assert [part.name for part in by_entity(shared)] == ["e0", "e1"]

    def renamed(items):
        """The first person of the second seed has a name of the first seed, the others do not."""
        return [
            item if item.seed == 0 or item.entity == "e0" else dataclasses.replace(item, entity=f"{item.entity}'")
            for item in items
        ]

    more = [[model(word, seed=seed) for seed in range(2)] for word in ("o-- o-- o-- o--", "ppp " * 4, "ooo " * 4)]
    apart = by_entity(ComparedAnswers(*(renamed([*first, *second]) for first, second in more)))
    assert len(apart) == 8
    assert {"e0 (seed 0)", "e0 (seed 1)"} <= {part.name for part in apart}


def test_by_the_clean_models_confidence():
    sure = [-3.0, -0.1, -1.0, -2.0, -0.2, -1.1, -2.5, -0.3, -1.2]  # a least, c between, b most
    parts = by_confidence(dataclasses.replace(ANSWERS, clean=model("ooo ooo ooo", sure)))
    names = ["-3 to -2 nats", "-1.2 to -1 nats", "-0.3 to -0.1 nats"]
    assert restored(parts) == pytest.approx(dict(zip(names, (1, 0, 1 / 3), strict=True)))
    assert [part.order for part in parts] == pytest.approx([-2.5, -1.1, -0.2])
    assert [part.restoration.n for part in parts] == [3, 3, 3]


def test_equal_confidence_is_one_part_and_an_unknown_one_none():
    sure = [-1.0] * 6 + [None] * 3
    parts = by_confidence(dataclasses.replace(ANSWERS, clean=model("ooo ooo ooo", sure)))
    assert [(part.name, part.restoration.n) for part in parts] == [("-1 to -1 nats", 6)]
    assert by_confidence(ANSWERS) == []


def test_parts_of_a_model_that_is_sure_of_everything_have_names_of_their_own():
    sure = [-0.7, -0.02, -0.011, -0.0099, -0.006, -0.0041, -0.004, -0.0002, 0.0]
    parts = by_confidence(dataclasses.replace(ANSWERS, clean=model("ooo ooo ooo", sure)))
    assert [part.name for part in parts] == ["-0.7 to -0.011 nats", "-0.0099 to -0.0041 nats", "-0.004 to 0 nats"]


def test_by_dose():
    doses = [1, 4, 4, 1, 4, 4, 10, None, 4]
    arm = model("oo- o-- o--", doses=doses)
    parts = by_dose(ComparedAnswers(arm, ANSWERS.corrupted, ANSWERS.ideal))
    assert [(part.name, part.order, part.restoration.n) for part in parts] == [("1", 1, 2), ("4", 4, 5), ("10", 10, 1)]
    assert restored(parts) == pytest.approx({"1": 1, "4": 1 / 5, "10": 1})


def test_kinds_of_one_part_and_of_none_are_left_out():
    assert set(parts_of(ANSWERS)) == {"relation", "entity"}
    arm = model("oo- o-- o--", doses=[3] * 9)
    assert "dose" not in parts_of(dataclasses.replace(ANSWERS, arm=arm))
    whole = parts_of(ComparedAnswers(model("o-- --o"), model("ppp ppp"), model("ooo ooo")))
    assert whole["relation"][0].restoration.value == 0.5
    third = parts_of(ComparedAnswers(model("o-- o-o"), model("ppp ppp"), model("ooo ooo")))["entity"][0].restoration
    assert third.value == 0.333333, "six digits are stored"


def test_parts_are_measured_as_the_whole_is():
    whole = Restoration().compute(ANSWERS)["restoration"]
    (part,) = by_confidence(dataclasses.replace(ANSWERS, clean=model("ooo ooo ooo", [-1.0] * 9)))
    assert part.restoration == whole
    total = sum(part.restoration.value * part.restoration.n for part in by_relation(ANSWERS))
    assert total / 9 == pytest.approx(whole.value), "all parts have the same gap here"


def test_a_part_that_the_corruption_did_not_bite_has_its_reason():
    answers = ComparedAnswers(model("oo oo"), model("po po"), model("oo oo"))
    bitten, not_bitten = by_relation(answers)
    assert bitten.restoration.value == 1
    assert not_bitten.restoration.value is None
    assert "did not bite (ideal 100 %, corrupted 100 %)" in not_bitten.restoration.note


def test_only_scored_test_facts():
    other = [dataclasses.replace(item, group=Group.UNTOUCHED, entity="u") for item in model("ooo")]
    answers = ComparedAnswers([*model("o? o-"), *other], [*model("pp pp"), *other], [*model("oo oo"), *other])
    parts = by_relation(answers)
    assert [(part.restoration.n, part.restoration.n_unscored) for part in parts] == [(2, 0), (1, 1)]
