"""How much is run: every different beginning once, the output layer where something is predicted, nothing for the rest.

Few tokens in a forward, so that there is one row of them and no padding.
"""

from __future__ import annotations

from functools import cache

import pytest
from slowly import beginnings, stopping, watched, written

from random_models import chain, follower, made
from restor.evaluation import EngineSettings, Request, generate, matches, score
from restor.evaluation.ask.engine.engine import Engine
from tokenizer_kinds import tokenizer

ONE_LANE = EngineSettings(tokens=15)
TOK = tokenizer("bytes")


@cache
def model(family="llama"):
    return made(family, len(TOK))


@pytest.fixture(autouse=True)
def no_trial(monkeypatch):
    """The trial of a model before it is asked runs tokens too."""
    monkeypatch.setattr(Engine, "_takes_trees", lambda _: True)


SHOTS = tuple(range(10, 60))
REQUESTS = [
    Request((*SHOTS, *range(60, 60 + size)), options)
    for size, options in [
        (4, ((1, 2, 3), (1, 2, 4), (1, 5), (6,), ())),
        (2, ((60, 7, 7), (3, 3, 3))),
        (7, ()),
        (3, ((63, 1, 2, 3, 9), (1, 2, 3))),
        (4, ((1, 2, 3), (9, 9))),
        (5, ((8,), (9,))),
    ]
]


def predicting(requests):
    """Every beginning behind which a token of an option is predicted."""
    return {
        request.prompt + option[:size]
        for request in requests
        for option in request.options
        for size in range(len(option))
    }


@pytest.mark.parametrize("tokens", [1, 15, 100])
def test_each_beginning_is_run_once_and_last_tokens_are_not(tokens):
    with watched(model()) as work:
        list(score(model(), REQUESTS, settings=EngineSettings(tokens=tokens)))
    assert work.tokens == len(beginnings(predicting(REQUESTS)))
    assert max(len(row) for forward in work.forwards for row in forward) <= tokens
    assert not work.whole


def test_the_output_layer_runs_where_something_is_predicted():
    with watched(model()) as work:
        list(score(model(), REQUESTS, settings=ONE_LANE))
    assert work.head == len(predicting(REQUESTS))
    # And in forwards with several rows, padding and all.
    with watched(model()) as work:
        list(score(model(), REQUESTS * 20))
    assert len(predicting(REQUESTS)) <= work.head <= 4 * len(predicting(REQUESTS))


def test_nothing_to_predict_runs_nothing():
    with watched(model()) as work:
        found = list(score(model(), [Request((3, 4, 5)), Request((3,))]))
    assert [own.options for own in found] == [(), ()]
    assert (work.tokens, work.head) == (0, 0)


def test_requests_far_apart_share_what_they_begin_with():
    """Within a window, in whatever order they come."""
    others = [Request((place, *SHOTS[:5]), ((1, 2),)) for place in range(100, 130)]
    asked = [*REQUESTS[:3], *others, *REQUESTS[3:]]
    with watched(model()) as work:
        list(score(model(), asked, settings=ONE_LANE))
    assert work.tokens == len(beginnings(predicting(asked)))
    with watched(model()) as work:
        list(score(model(), asked, settings=EngineSettings(tokens=15, window=3)))
    assert work.tokens == sum(len(beginnings(predicting(asked[at : at + 3]))) for at in range(0, len(asked), 3))


def test_large_forwards_share_too():
    """Several rows side by side run what all begin with once in each of them, and no more."""
    requests = [Request((*SHOTS, 60 + place), ((1, 2, 3), (1, 2, 4), (5, 6))) for place in range(60)]
    with watched(model()) as work:
        list(score(model(), requests))
    assert work.tokens < 6 * len(SHOTS) + 1.2 * len(beginnings(predicting(requests)))
    assert max(len(forward) * len(forward[0]) for forward in work.forwards) <= 512


# Answers -------------------------------------------------------------------------------------------------------------


def answers_of(net, prompts, most):
    over = stopping(TOK, ["\n"])
    return [written(net, prompt, most, over) for prompt in prompts]


def test_answers_run_each_prompt_once_and_no_token_behind_their_end():
    prompts = [request.prompt for request in REQUESTS]
    with watched(model()) as work:
        found = list(generate(model(), prompts, tokenizer=TOK, max_new_tokens=12, settings=ONE_LANE))
    expected = answers_of(model(), prompts, 12)
    assert [own.ids for own in found] == [(ids,) for ids in expected]
    assert work.tokens == len(beginnings(prompts)) + sum(len(ids) - 1 for ids in expected)
    # One prediction for each token of an answer, the first ones being those of different prompts.
    assert work.head == len(set(prompts)) + sum(len(ids) - 1 for ids in expected)


def test_several_samples_share_the_cache_of_their_prompt():
    prompts = [SHOTS, SHOTS[:20]]
    given = {"tokenizer": TOK, "max_new_tokens": 10, "temperature": 1.0, "settings": ONE_LANE}
    with watched(model()) as work:
        found = list(generate(model(), prompts, samples=8, **given))
    assert len({ids for own in found for ids in own.ids}) > 8
    assert work.tokens == len(SHOTS) + sum(len(ids) - 1 for own in found for ids in own.ids)


def test_a_row_that_has_stopped_leaves_the_batch_and_another_takes_its_place():
    """Half of the answers are over at once, others go on for long: forwards are full while anything is left."""
    (stop,) = TOK("\n", add_special_tokens=False)["input_ids"]
    over = {token: stop if token % 2 else 20 for token in range(100, 130)}
    net = follower(len(TOK), {**over, 20: stop, **dict.fromkeys(range(30, 100), 40)})
    prompts = [(token, token) for token in range(90, 130)]
    expected = answers_of(net, prompts, 20)
    assert {len(ids) for ids in expected} == {1, 2, 20}
    with watched(net) as work:
        found = list(generate(net, prompts, tokenizer=TOK, max_new_tokens=20, settings=ONE_LANE))
    assert [own.ids for own in found] == [(ids,) for ids in expected]
    rows = [row for (row,) in work.forwards]
    assert sum(map(len, rows)) == len(beginnings(prompts)) + sum(len(ids) - 1 for ids in expected)
    last_begun = max(place for place, row in enumerate(rows) if max(row) >= 90)
    assert last_begun > 10
    assert all(len(row) == 15 for row in rows[:last_begun])
    assert len(rows) <= last_begun + 20


def test_answers_that_options_spell_need_no_forward_of_their_own():
    """A token of an answer is not run again where an option has been."""
    letters = TOK("abcdefgh", add_special_tokens=False)["input_ids"]
    net = follower(len(TOK), chain([*letters, TOK.eos_token_id]))
    prompt, said = (50, 60, letters[0]), tuple(letters[1:])
    options = ((*said, TOK.eos_token_id), (*said[:2], 50), (51,))
    with watched(net) as work:
        assert list(matches(net, [Request(prompt, options)], tokenizer=TOK, settings=ONE_LANE)) == [0]
    assert work.tokens == len(beginnings([prompt + option[:-1] for option in options]))
    # An option that is left behind half way: what follows is run a token at a time.
    with watched(net) as work:
        assert list(matches(net, [Request(prompt, ((*said[:3], 50),))], tokenizer=TOK, settings=ONE_LANE)) == [None]
    assert work.tokens == len(prompt) + 3


def test_asking_which_option_an_answer_is_costs_little_more_than_scoring():
    """No more than a token of each: what is none of the options is not written."""
    requests = [Request(request.prompt, tuple(filter(None, request.options))) for request in REQUESTS]
    with watched(model()) as work:
        list(matches(model(), requests, tokenizer=TOK, settings=ONE_LANE))
    least = len(beginnings([*predicting(requests), *(request.prompt for request in requests)]))
    assert least <= work.tokens <= least + len(requests)
