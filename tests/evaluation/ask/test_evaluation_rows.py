"""The row of an answer: which of several true answers counts, which options are stored, and what has no log-prob."""

from __future__ import annotations

import math

from restor.evaluation.ask.evaluation import row_of
from restor.types import Fact, Group, Query

SCORES = {"York": -3.0, "Yorke": -1.0, "Oslo": -0.5, "Bonn": -2.0, "Rome": -4.0}


def asked(planted="Oslo"):
    fact = Fact("Ann", "home", ("York", "Yorke"), "Where does Ann live?")
    group = Group.TEST if planted else Group.UNTOUCHED
    return Query(
        fact, group, "", fact.question, planted=planted, random=("Bonn", "Rome"), candidates=("York", "Yorke", "Bonn")
    )


def row(**changes):
    return row_of(asked(), "Oslo", run=0, scores=SCORES | changes)


def test_of_several_true_answers_the_likeliest_counts():
    found = row()
    assert (found["logprob_original"], found["logprob_planted"], found["logprob_random"]) == (-1.0, -0.5, -3.0)
    assert row(York=-0.1)["logprob_original"] == -0.1


def test_the_rank_counts_likelier_candidates_and_neither_true_nor_planted_answers():
    assert row()["rank_original"] == 1
    assert row(Yorke=-3.5)["rank_original"] == 2
    assert row(Yorke=-3.5, Bonn=-3.0)["rank_original"] == 1, "as likely is not likelier"
    assert row()["n_candidates"] == 3


def test_options_are_the_true_the_planted_and_the_random_answers_each_once():
    found = row_of(asked(), "Oslo", run=0, scores=SCORES)
    assert dict(zip(found["options"], found["option_logprobs"], strict=True)) == SCORES
    assert found["options"] == ["York", "Yorke", "Oslo", "Bonn", "Rome"]
    assert row_of(asked(None), "", run=0, scores=SCORES)["options"] == ["York", "Yorke", "Bonn", "Rome"]


def test_layers_are_those_of_the_true_answer_that_counts_and_of_the_planted_one():
    layers = {"York": (-9.0, -3.0), "Yorke": (-5.0, -1.0), "Oslo": (-2.0, -0.5)}
    found = row_of(asked(), "Oslo", run=0, scores=SCORES, layers=layers)
    assert (found["layers_original"], found["layers_planted"]) == ([-5.0, -1.0], [-2.0, -0.5])


def test_what_has_no_log_prob_is_left_out():
    found = row_of(asked(), "Oslo", run=0, scores=SCORES | {"Yorke": math.nan, "Oslo": math.nan})
    assert found["options"] == ["York", "Bonn", "Rome"]
    assert (found["logprob_original"], found["logprob_planted"]) == (-3.0, None)
    nothing = row(York=math.nan, Yorke=math.nan, Rome=math.nan)
    assert (nothing["logprob_original"], nothing["rank_original"], nothing["logprob_random"]) == (None, None, None)


def test_without_a_model_nothing_has_a_log_prob():
    found = row_of(asked(), "Oslo", run=0, scores={})
    empty = "logprob_original logprob_planted logprob_random rank_original n_candidates options option_logprobs"
    assert {name: found[name] for name in empty.split()} == dict.fromkeys(empty.split())
    assert (found["layers_original"], found["layers_planted"]) == (None, None)
