"""Which facts moved, counted by hand on four facts about two people."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pytest
from rich.console import Console
from synthetic_study import make_comparison, make_study

from restor.errors import DataError
from restor.report.io.states import STATES, States
from restor.report.tables.changes import Change, examples, moved, moved_json, moved_rich
from restor.results import FACT_COLUMNS, Arm, Results, Study
from restor.types import Group, Judgement, Kind

J = {"o": "original", "p": "planted", "-": "other", "?": "unscored"}
FACTS = (("Ann", "home"), ("Ann", "job"), ("Bob", "home"), ("Bob", "job"))


def study(answers, groups="tttt", planted="Nowhere"):
    """Arms by name -> one word a fact, one letter a run."""
    rows = []
    for name, words in answers.items():
        for (subject, relation), word, group in zip(FACTS, words.split(), groups, strict=True):
            for run, letter in enumerate(word):
                row = dict.fromkeys(FACT_COLUMNS)
                row |= {"arm": f"{name}/s0", "seed": 0, "subject": subject, "relation": relation, "run": run}
                row |= {"group": {"t": "test", "u": "untouched", "v": "validation"}[group], "planted": planted}
                row |= {"question": f"{relation} of {subject}?", "answers": ["True"], "judgement": J[letter]}
                row |= {"completion": f"{name}{run}", "prompt": "", "reason": "", "answer_shown": False}
                rows.append(row)
    kinds = {"clean": Kind.REFERENCE, "corrupted": Kind.REFERENCE, "ideal": Kind.REFERENCE, "base": Kind.BASELINE}
    arms = [Arm(id=f"{name}/s0", label=name, arm=name, kind=kinds.get(name, Kind.METHOD), seed=0) for name in answers]
    summary = [arm.model_copy(update={"id": arm.arm, "seed": None}) for arm in arms]
    about = Study(name="x", id="x", kind="comparison", created="2025-01-01", seeds=[0], config={})
    return Results(study=about, arms=arms, summary=summary), pa.Table.from_pylist(rows)


def names(pairs):
    return [(pair.before.arm, pair.after.arm) for pair in pairs]


def changes(pair):
    return {(move.subject, move.relation): move.changes for move in pair.moves}


def test_every_way_to_move():
    """o -> o, p -> o, o -> p, p -> -: kept, restored, lost and planted, forgotten."""
    (pair,) = moved(*study({"corrupted": "o p o p", "method": "o o p -"}))
    assert changes(pair) == {
        ("Ann", "job"): (Change.RESTORED,),
        ("Bob", "home"): (Change.LOST, Change.PLANTED),
        ("Bob", "job"): (Change.FORGOTTEN,),
    }
    counts = pair.groups[Group.TEST]
    assert (counts.facts, counts.unscored, counts.true_before, counts.true_after) == (4, 0, 2, 2)
    assert (counts.restored, counts.lost, counts.planted, counts.forgotten) == (1, 1, 1, 1)


def test_what_stays_wrong_has_not_moved():
    (pair,) = moved(*study({"corrupted": "p - - ?", "method": "p - p o"}))
    assert changes(pair) == {("Bob", "home"): (Change.PLANTED,)}
    assert pair.groups[Group.TEST].unscored == 1
    assert pair.groups[Group.TEST].facts == 3


def test_by_relation():
    (pair,) = moved(*study({"corrupted": "p p - o", "method": "o o o -"}))
    assert {name: (row.facts, row.restored, row.lost) for name, row in pair.relations.items()} == {
        "home": (2, 2, 0),
        "job": (2, 1, 1),
    }


def test_untouched_facts_are_counted_apart_and_validation_facts_not_at_all():
    (pair,) = moved(*study({"corrupted": "p o p p", "method": "o - o o"}, groups="tuvv"))
    assert {group.value: (row.restored, row.lost) for group, row in pair.groups.items()} == {
        "test": (1, 0),
        "untouched": (0, 1),
    }
    assert set(changes(pair)) == {("Ann", "home"), ("Ann", "job")}
    assert list(pair.relations) == ["home"], "of the targeted facts"


@pytest.mark.parametrize(
    ("runs", "state"),
    [("oo-", "o"), ("o--", "-"), ("op-", "-"), ("op", "p"), ("o-", "-"), ("o??", "o"), ("???", "?"), ("pp-", "p")],
)
def test_of_several_runs_most_decide_and_a_tie_is_never_knowledge(runs, state):
    states = States(*study({"corrupted": f"{runs} o o o"}))
    kind = states.state[0, 0]
    assert (J["?"] if kind < 0 else STATES[kind].value) == J[state]


def test_what_was_said_is_a_run_that_shows_the_state():
    (pair,) = moved(*study({"corrupted": "opp o o o", "method": "poo o o o"}))
    move = pair.moves[0]
    assert (move.said_before, move.before, move.said_after, move.after) == (
        "corrupted1",
        Judgement.PLANTED,
        "method1",
        Judgement.ORIGINAL,
    )


@pytest.mark.parametrize(
    ("arms", "expected"),
    [
        (["clean", "corrupted", "a", "b"], [("clean", "corrupted"), ("corrupted", "a"), ("corrupted", "b")]),
        (["a", "corrupted", "clean"], [("clean", "corrupted"), ("corrupted", "a")]),
        (["corrupted", "ideal"], [("corrupted", "ideal")]),
        (["a", "clean", "b"], [("clean", "a"), ("clean", "b")]),
        (["a", "b", "c"], [("a", "b"), ("a", "c")]),
        (["base", "a", "b"], [("a", "b")]),
        (["a", "base"], []),
        (["a"], []),
    ],
)
def test_from_which_model_to_which(arms, expected):
    assert names(moved(*study(dict.fromkeys(arms, "o o p -")))) == expected


def test_an_arm_that_failed_has_no_answers_and_no_pair():
    results, facts = study({"clean": "o o o o", "corrupted": "p p p p", "method": "o o o o"})
    kept = facts.filter(pa.compute.not_equal(facts["arm"], "method/s0"))
    assert names(moved(results, kept)) == [("clean", "corrupted")]
    assert moved(results, facts.slice(0, 0)) == ()


def test_facts_of_another_study_are_refused():
    results, facts = study({"clean": "o o o o", "corrupted": "p p p p"})
    fewer = results.model_copy(update={"arms": results.arms[:1], "summary": results.summary[:1]})
    with pytest.raises(DataError, match="name the arm 'corrupted/s0'"):
        moved(fewer, facts)


def test_seeds_are_worlds_of_their_own_and_pooled():
    results, facts = make_study(people=3, untouched=1, seeds=(0, 1))
    pair = next(pair for pair in moved(results, facts) if pair.after.id == "npo_token/related")
    assert pair.groups[Group.TEST].facts == 2 * 3 * 4
    assert pair.name == "Corrupted → NPO, per token · related"
    rows = {}
    for row in facts.to_pylist():
        rows[row["arm"], row["subject"], row["relation"]] = row["judgement"]
    restored = sum(
        judgement == "original" and group == "test" and rows[f"corrupted/s{seed}", subject, relation] != "original"
        for judgement, group, seed, subject, relation, arm in zip(
            *(facts[name].to_pylist() for name in ("judgement", "group", "seed", "subject", "relation", "arm")),
            strict=True,
        )
        if arm == f"npo_token/related/s{seed}"
    )
    assert pair.groups[Group.TEST].restored == restored > 0


def test_examples_are_of_every_sort_and_spread():
    results, facts = make_comparison(("clean", "corrupted", "unlearned"), people=40, planted=True)
    pair = moved(results, facts)[1]
    shown = examples(pair, 10)
    assert len(shown) == 10
    assert {move.changes[-1] for move in shown} >= {Change.RESTORED, Change.LOST, Change.FORGOTTEN}
    assert len({move.subject for move in shown}) >= 8
    assert examples(pair, 10_000) == sorted(
        pair.moves, key=lambda move: (list(Change).index(move.changes[-1]), pair.moves.index(move))
    )


def printed(pairs, width=80, **more):
    file = io.StringIO()
    Console(file=file, width=width, color_system=None).print(moved_rich(pairs, **more))
    return file.getvalue()


def test_the_terminal_shows_counts_and_examples():
    text = printed(moved(*study({"clean": "o o o o", "corrupted": "p p o o", "method": "o p o -"})))
    rows = {line.split("  ")[0]: line.split()[-7:] for line in text.splitlines() if "→" in line}
    assert rows["corrupted → method"] == ["4", "2", "2", "1", "1", "0", "0"]
    assert "corrupted → method: 2 of 2 facts that moved" in text
    assert "restored   Ann, home" in text
    assert "lost       Bob, job" in text
    assert "✗ corrupted0" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_terminal_says_nothing_of_planted_answers_that_nobody_knows():
    text = printed(moved(*study({"clean": "o o o o", "corrupted": "- - o o"}, planted=None)))
    assert "Planted" not in text
    assert "✗" not in text
    assert "lost" in text


@pytest.mark.parametrize("width", [40, 80, 140])
def test_foreign_text_stays_text_and_within_the_terminal(width):
    text = printed(moved(*make_comparison(people=12, planted=True, hostile=True, untouched=2)), width)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= width
    assert "[/bold]" not in text


def test_one_model_alone_says_so():
    assert "not two models" in printed(())


def test_json_has_the_counts():
    (pair,) = json.loads(json.dumps(moved_json(moved(*study({"corrupted": "o p o p", "method": "o o p -"})))))
    assert (pair["before"], pair["after"]) == ("corrupted", "method")
    assert pair["groups"]["test"]["restored"] == 1
    assert pair["relations"]["job"]["forgotten"] == 1
