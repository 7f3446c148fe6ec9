"""The llm judge with a scripted model in place of one on this machine: the same rules as at an endpoint."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError
from test_llm_judge import INJECTIONS, completion, facts

from chat_endpoint import verdict_of
from restor.chat import ChatConfig
from restor.errors import ConfigError
from restor.evaluation.judges._local import LocalModel, Written
from restor.evaluation.judges.base import JUDGES
from restor.evaluation.judges.llm import EACH, Llm, LlmConfig
from restor.types import Judgement

O, P, N, U = Judgement.ORIGINAL, Judgement.PLANTED, Judgement.OTHER, Judgement.UNSCORED  # noqa: E741


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("RESTOR_CACHE", str(tmp_path / "cache"))


def items_of(request):
    return json.loads(request.user.rpartition("\n\n")[0])


def judged(request):
    verdicts = [{"id": item["id"], "verdict": verdict_of(item)} for item in items_of(request)]
    return json.dumps({"verdicts": verdicts})


class Scripted:
    """Writes what `reply` makes of a request: a text, or a Written."""

    def __init__(self, reply=judged):
        self.reply = reply
        self.requests = []
        self.longest = []

    def __call__(self, requests, max_tokens):
        for request in requests:
            self.requests.append(request)
            self.longest.append(max_tokens)
            said = self.reply(request)
            yield said if isinstance(said, Written) else Written(said, prompt_tokens=50, completion_tokens=5)

    @property
    def sizes(self):
        return [len(items_of(request)) for request in self.requests]


def llm(writer, *, content="weights", per_request=10, **local):
    config = LlmConfig(local=LocalModel(model="org/judge-7b", **local), per_request=per_request)
    judge = Llm(config)
    if writer is not None:
        judge.use(writer, {"model": content})
    return judge


def test_verdicts_are_those_of_an_endpoint_and_are_counted():
    made, labels = facts(25)
    writer, heard = Scripted(), []
    judge = llm(writer)
    verdicts = judge.judge([*made, *made], heard.append)
    assert [item.judgement for item in verdicts] == labels * 2
    assert verdicts[0].reason.startswith("org/judge-7b: ")
    assert writer.sizes == [10, 10, 5]
    assert len({request.system for request in writer.requests}) == 1  # what the engine shares
    assert (judge.usage.requests, judge.usage.prompt_tokens, judge.usage.completion_tokens) == (3, 150, 15)
    assert heard == sorted(heard)
    assert heard[-1] == 50


def test_verdicts_are_kept_for_the_weights_and_not_for_their_name():
    made, labels = facts(12)
    llm(Scripted()).judge(made)
    again = Scripted()
    judge = llm(again, per_request=2)
    assert [item.judgement for item in judge.judge(made)] == labels
    assert again.requests == []
    assert judge.usage.cached == 12
    llm(again, content="other weights").judge(made)
    assert again.sizes == [10, 2]


def test_a_greedy_model_is_not_asked_the_same_again_but_in_halves():
    made, labels = facts(20)

    def reply(request):
        return "no" if any(item["reply"] == made[7].text for item in items_of(request)) else judged(request)

    writer = Scripted(reply)
    verdicts = llm(writer).judge(made)
    assert [item.judgement for item in verdicts] == [*labels[:7], U, *labels[8:]]
    assert "no verdict of org/judge-7b: its reply cannot be used: it is not valid JSON" in verdicts[7].reason
    assert writer.sizes[:4] == [10, 10, 5, 5]
    assert len({request.user for request in writer.requests}) == len(writer.requests)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Written("{", problem="its reply was cut at 704 tokens; raise local.max_tokens"), "raise local.max_tokens"),
        ("", "not valid JSON"),
        ('{"verdicts": []}', "lacks 1 of 1 verdicts"),
        ("All of them are A.", "not valid JSON"),
    ],
)
def test_a_model_that_never_gives_a_verdict_leaves_everything_unscored(said, words):
    made, _ = facts(5)
    verdicts = llm(Scripted(lambda request: said)).judge(made)
    assert {item.judgement for item in verdicts} == {U}
    assert all(words in item.reason for item in verdicts)
    good, labels = facts(5)  # nothing of that was kept
    assert [item.judgement for item in llm(Scripted()).judge(good)] == labels


def test_verdicts_are_kept_as_they_come():
    made, labels = facts(30)

    def reply(request):
        if len(writer.requests) == 3:
            raise KeyboardInterrupt
        return judged(request)

    writer = Scripted(reply)
    with pytest.raises(KeyboardInterrupt):
        llm(writer).judge(made)
    again = Scripted()
    assert [item.judgement for item in llm(again).judge(made)] == labels
    assert again.sizes == [10]


def test_answers_that_talk_to_the_judge_are_asked_about_alone():
    made, _ = facts(10)
    writer = Scripted()
    llm(writer).judge([*made, *(completion(text, f"Liar {n}") for n, text in enumerate(INJECTIONS))])
    assert sorted(writer.sizes) == [1] * len(INJECTIONS) + [10]


def test_replies_may_grow_with_the_request_unless_the_user_says_how_long():
    made, _ = facts(3)
    writer = Scripted()
    llm(writer, per_request=3).judge(made[:1])
    llm(writer, max_tokens=70).judge(made)
    assert writer.longest == [4 * EACH, 70]


def test_one_model_is_named():
    local = {"model": "org/judge-7b"}
    config = JUDGES.parse({"name": "llm", "local": local})
    assert LlmConfig.model_validate(config.identity()) == config
    for given in ({}, {"chat": ChatConfig(model="m"), "local": local}):
        with pytest.raises(ValidationError, match="name one model"):
            LlmConfig(**given)


def test_a_study_without_the_judges_model_says_what_to_type():
    from restor.api import build_config

    with pytest.raises(ConfigError, match=r"name one model(?s:.*)--evaluation\.judge\.local\.model"):
        build_config("miniature", overrides={"evaluation.judge.name": "llm"})


def test_without_its_model_it_says_how_to_get_it():
    with pytest.raises(ConfigError, match="build_judge"):
        llm(None).judge([completion("Paris")])
