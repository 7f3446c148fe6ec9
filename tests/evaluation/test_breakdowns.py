"""Restoration of parts of the facts, by hand."""

from __future__ import annotations

import dataclasses

import pytest

from restor.evaluation.breakdowns import by_confidence, by_entity, by_relation
from restor.evaluation.metrics.base import Answers, Scored
from restor.evaluation.metrics.restoration import Restoration
from restor.types import Group, Judgement

J = {"o": Judgement.ORIGINAL, "p": Judgement.PLANTED, "-": Judgement.OTHER, "?": Judgement.UNSCORED}


def model(words, sure=None):
    """One word an entity, one letter a relation."""
    found = []
    for number, word in enumerate(words.split()):
        for place, letter in enumerate(word):
            own = None if sure is None else sure[len(found)]
            found.append(
                Scored(f"e{number}", "abc"[place], 0, Group.TEST, False, True, J[letter], own, None, None, None)
            )
    return found


#                              a: 3 of 3, b: 1 of 3, c: 0 of 3
ANSWERS = Answers(model("oo- o-- o--"), model("ppp ppp ppp"), model("ooo ooo ooo"))


def restored(parts):
    return {part.name: part.restoration.value for part in parts}


def test_by_relation():
    parts = by_relation(ANSWERS)
    assert restored(parts) == pytest.approx({"a": 1, "b": 1 / 3, "c": 0})
    assert {(part.restoration.n, part.restoration.n_entities) for part in parts} == {(3, 3)}
    assert parts[1].restoration.ci_low < 1 / 3 < parts[1].restoration.ci_high


def test_by_entity_the_interval_draws_facts_and_says_so():
    parts = by_entity(ANSWERS)
    assert restored(parts) == pytest.approx({"e0": 2 / 3, "e1": 1 / 3, "e2": 1 / 3})
    assert {(part.restoration.n, part.restoration.n_entities) for part in parts} == {(3, 1)}
    assert parts[0].restoration.ci_low < 2 / 3 < parts[0].restoration.ci_high
    assert parts[0].restoration.note == "one entity: the interval draws its facts"


def test_by_the_clean_models_confidence():
    sure = [-3.0, -0.1, -1.0, -2.0, -0.2, -1.1, -2.5, -0.3, -1.2]  # a least, c between, b most
    parts = by_confidence(dataclasses.replace(ANSWERS, clean=model("ooo ooo ooo", sure)))
    assert restored(parts) == pytest.approx({"1 of 3": 1, "2 of 3": 0, "3 of 3": 1 / 3})
    assert [(part.low, part.high) for part in parts] == [(-3.0, -2.0), (-1.2, -1.0), (-0.3, -0.1)]
    assert [part.restoration.n for part in parts] == [3, 3, 3]


def test_equal_confidence_is_one_part_and_an_unknown_one_apart():
    sure = [-1.0] * 6 + [None] * 3
    parts = by_confidence(dataclasses.replace(ANSWERS, clean=model("ooo ooo ooo", sure)))
    assert [part.name for part in parts] == ["1 of 3", "unknown"]
    assert [part.restoration.n for part in parts] == [6, 3]
    assert (parts[0].low, parts[0].high, parts[1].low) == (-1.0, -1.0, None)


def test_without_a_clean_model_confidence_is_unknown():
    assert [part.name for part in by_confidence(ANSWERS)] == ["unknown"]
    with pytest.raises(ValueError, match="at least 1"):
        by_confidence(ANSWERS, 0)


def test_parts_are_measured_as_the_whole_is():
    whole = Restoration().compute(ANSWERS)["restoration"]
    (part,) = by_confidence(dataclasses.replace(ANSWERS, clean=model("ooo ooo ooo", [-1.0] * 9)))
    assert part.restoration == whole
    total = sum(part.restoration.value * part.restoration.n for part in by_relation(ANSWERS))
    assert total / 9 == pytest.approx(whole.value), "all parts have the same gap here"


def test_a_part_that_the_corruption_did_not_bite_has_its_reason():
    answers = Answers(model("oo oo"), model("po po"), model("oo oo"))
    bitten, not_bitten = by_relation(answers)
    assert bitten.restoration.value == 1
    assert not_bitten.restoration.value is None
    assert "did not bite (ideal 100 %, corrupted 100 %)" in not_bitten.restoration.note


def test_only_scored_test_facts_and_a_reason_where_a_model_lacks():
    other = [dataclasses.replace(item, group=Group.UNTOUCHED, entity="u") for item in model("ooo")]
    answers = Answers([*model("o? o-"), *other], [*model("pp pp"), *other], [*model("oo oo"), *other])
    parts = by_relation(answers)
    assert [(part.restoration.n, part.restoration.n_unscored) for part in parts] == [(2, 0), (1, 1)]
    (part,) = by_relation(Answers(model("o"), [], []))
    assert "--model corrupted=" in part.restoration.note
    assert by_entity(Answers([], [], [])) == ()
