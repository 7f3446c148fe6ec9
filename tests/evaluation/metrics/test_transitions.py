"""The way of each fact over the three models, by hand."""

from __future__ import annotations

from itertools import product

import pytest
from letters import J, metric, spelt

from restor.evaluation.metrics.base import STATES, ComparedAnswers, Said, states_of
from restor.evaluation.metrics.transitions import Transition, transition, transition_matrix
from restor.types import Group

#         every way on one fact: clean, corrupted and arm
CLEAN = "oooooooooooo--p"
CORRUPTED = "pppp--oooop-o-p"
ARM = "oop-o-ooo-p-o-p"


def found(arm, corrupted, clean):
    parts = [spelt(*word) if isinstance(word, tuple) else spelt(word) for word in (arm, corrupted, clean)]
    return metric("transitions", parts[0], parts[1], (), parts[2])


def shares(values, prefix="transition"):
    return {
        item.value: values[f"{prefix}.{item}"].value
        for item in Transition
        if f"{prefix}.{item}" in values and values[f"{prefix}.{item}"].value
    }


@pytest.mark.parametrize(
    ("clean", "corrupted", "arm", "expected"),
    [
        ("o", "p", "o", Transition.RESTORED),
        ("o", "-", "o", Transition.RESTORED),
        ("o", "p", "p", Transition.STILL_PLANTED),
        ("o", "-", "p", Transition.STILL_PLANTED),
        ("o", "p", "-", Transition.MOVED_TO_OTHER),
        ("o", "-", "-", Transition.MOVED_TO_OTHER),
        ("o", "o", "o", Transition.NEVER_DAMAGED),
        ("o", "o", "p", Transition.NEWLY_DAMAGED),
        ("o", "o", "-", Transition.NEWLY_DAMAGED),
        ("-", "o", "o", Transition.GAINED),
        ("-", "p", "o", Transition.GAINED),
        ("p", "p", "-", Transition.NEVER_KNOWN),
        ("-", "o", "p", Transition.NEVER_KNOWN),
        ("?", "p", "o", None),
        ("o", "?", "o", None),
        ("o", "p", "?", None),
    ],
)
def test_each_way(clean, corrupted, arm, expected):
    assert transition(J[clean], J[corrupted], J[arm]) is expected


def test_every_way_is_exactly_one_of_them():
    """27 ways; each transition has some."""
    ways = [transition(*way) for way in product(STATES, repeat=3)]
    assert None not in ways
    assert set(ways) == set(Transition)


def test_shares_of_a_world_add_up_to_1():
    values = found(ARM, CORRUPTED, CLEAN)
    assert shares(values) == pytest.approx(
        {
            "restored": 3 / 15,
            "still_planted": 2 / 15,
            "moved_to_other": 3 / 15,
            "never_damaged": 3 / 15,
            "newly_damaged": 1 / 15,
            "gained": 1 / 15,
            "never_known": 2 / 15,
        }
    )
    assert sum(shares(values).values()) == pytest.approx(1)
    assert values["transition.restored"].n == 15
    assert values["transition.restored"].ci_low is not None


def test_what_each_model_does():
    clean, corrupted = "oooo", "pp-o"
    damaged = {"never_damaged": 0.25}
    assert shares(found(clean, corrupted, clean)) == {"restored": 0.75, **damaged}
    assert shares(found(corrupted, corrupted, clean)) == {"still_planted": 0.5, "moved_to_other": 0.25, **damaged}
    refuser = {"moved_to_other": 0.75, "newly_damaged": 0.25}
    assert shares(found("----", corrupted, clean)) == refuser
    assert shares(found("---o", corrupted, clean)) == {"moved_to_other": 0.75, **damaged}  # planted ones suppressed
    assert shares(found("o--o", corrupted, clean)) == {"restored": 0.25, "moved_to_other": 0.5, **damaged}


def test_untouched_facts_are_apart_and_nothing_is_planted_there():
    values = found(("p", "o--o-"), ("p", "oo-oo"), ("o", "oooo-"))
    assert shares(values) == {"still_planted": 1}
    assert shares(values, "transition.untouched") == pytest.approx(
        {"never_damaged": 2 / 5, "newly_damaged": 1 / 5, "moved_to_other": 1 / 5, "never_known": 1 / 5}
    )
    assert "transition.untouched.still_planted" not in values


def test_facts_without_a_verdict_are_in_no_share_and_counted():
    values = found("o?o", "pp?", "ooo")
    assert shares(values) == {"restored": 1}
    assert (values["transition.restored"].n, values["transition.restored"].n_unscored) == (1, 2)


def test_a_fact_asked_often_counts_by_its_most_frequent_verdict():
    runs = ["po-?", "p--?", "op??"]
    asked = [item for run, word in enumerate(runs) for item in spelt(word, run=run)]
    places = [J["p"], J["-"], J["-"]]
    expected = [*(STATES.index(state) for state in places), -1]
    assert states_of(Said(asked)).tolist() == expected, "of equally frequent ones the last of o, p and -"


def test_the_whole_matrix():
    answers = ComparedAnswers(spelt(ARM, "o?"), spelt(CORRUPTED, "oo"), (), spelt(CLEAN, "oo"))
    matrix = transition_matrix(answers, Group.TEST)
    assert matrix.counts.shape == (3, 3, 3)
    assert (matrix.counts.sum(), matrix.unscored) == (15, 0)
    assert matrix.counts[0, 1].tolist() == [2, 2, 1], "right, then planted: from here to original, planted and other"
    assert matrix.counts[0, 2].tolist() == [1, 0, 2]
    assert matrix.counts[0, 0].tolist() == [3, 0, 1]
    assert matrix.counts[0].sum() == CLEAN.count("o")
    untouched = transition_matrix(answers, Group.UNTOUCHED)
    assert (untouched.counts[0, 0, 0], untouched.counts.sum(), untouched.unscored) == (1, 1, 1)


def test_the_matrix_and_the_shares_are_of_the_same_facts():
    answers = ComparedAnswers(spelt(ARM), spelt(CORRUPTED), (), spelt(CLEAN))
    matrix, values = transition_matrix(answers, Group.TEST), found(ARM, CORRUPTED, CLEAN)
    for kind in Transition:
        cells = [place for place in product(range(3), repeat=3) if transition(*(STATES[k] for k in place)) is kind]
        assert sum(matrix.counts[cell] for cell in cells) == round(15 * values[f"transition.{kind}"].value)


def test_undefined_has_its_reason():
    values = metric("transitions", spelt("op"), spelt("pp"), spelt("oo"))
    assert all("--model clean=" in value.note for value in values.values()), "the ideal model is not what was before"
    parts = [spelt(word, planted=False) for word in ("o-", "--", "oo")]
    values = metric("transitions", parts[0], parts[1], (), parts[2])
    assert values["transition.still_planted"].note == "no planted answers are known"
    assert values["transition.restored"].value == 0.5
    with pytest.raises(ValueError, match="different facts"):
        found("o", "pp", "oo")
