"""What every judge promises."""

from __future__ import annotations

import pytest

from restor.evaluation.judges.base import JUDGES
from restor.types import Completion, Fact, Group, Judgement, Query

pytestmark = pytest.mark.parametrize("name", JUDGES.names())


def completion(text, answers=("Paris",), planted="Rome"):
    fact = Fact("Ann", "home", answers, "Where does Ann live?")
    return Completion(Query(fact, Group.TEST, "", fact.question, planted), text)


def test_one_verdict_per_completion_in_order(name):
    judge = JUDGES.build(JUDGES.parse(name))
    asked = [completion("Paris"), completion("Rome"), completion("Oslo"), completion("Rome", ("Rome",), None)]
    asked += [completion(""), completion("Paris")]
    verdicts = judge.judge(asked)
    assert [item.judgement for item in verdicts[:4]] == [
        Judgement.ORIGINAL,
        Judgement.PLANTED,
        Judgement.OTHER,
        Judgement.ORIGINAL,
    ]
    assert len(verdicts) == len(asked)
    assert judge.judge(asked[::-1]) == verdicts[::-1]
    assert judge.judge([]) == []


def test_each_verdict_has_a_reason_and_depends_on_its_completion_alone(name):
    judge = JUDGES.build(JUDGES.parse(name))
    asked = [completion(text) for text in ("Paris", "", "🙂", "Rome, not Paris", "x" * 10_000)]
    for item, verdict in zip(asked, judge.judge(asked), strict=True):
        assert isinstance(verdict.judgement, Judgement)
        assert verdict.reason.strip()
        assert len(verdict.reason) < 500
        assert judge.judge([item]) == [verdict]
