"""What every metric promises."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from restor.evaluation.metrics.base import METRICS_CATALOGUE, Answers, Scored, all_figures
from restor.results import Value
from restor.types import Group, Judgement

ENTRIES = METRICS_CATALOGUE.names()


def scored(entity, judgement=Judgement.ORIGINAL, group=Group.TEST, known=True):
    figures = (-0.5, -3.0, -6.0, 2) if known else (None, None, None, None)
    return Scored(entity, "home", 0, group, False, True, judgement, *figures)


def names(entry):
    return [figure.name for figure in METRICS_CATALOGUE.get(entry).figures]


def compute(name, arm, corrupted=None, ideal=None):
    return METRICS_CATALOGUE.get(name)().compute(Answers(arm, corrupted or arm, ideal or arm))


def test_every_figure_has_one_metric_and_is_described_for_people():
    figures = all_figures()
    assert not [name for name, count in Counter(figure.name for figure in figures).items() if count > 1]
    assert [figure.name for figure in figures] == [name for entry in ENTRIES for name in names(entry)]
    for figure in figures:
        assert figure.title
        assert figure.meaning
        assert max(map(len, figure.short.split("\n"))) <= 14, "a terminal has no room for more"
        assert figure.short.count("\n") <= 1


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize(
    "arm",
    [
        [],
        [scored("a", group=Group.VALIDATION)],
        [scored("a", Judgement.UNSCORED, known=False), scored("b", Judgement.UNSCORED, Group.UNTOUCHED, known=False)],
    ],
    ids=["no facts", "another group", "all unscored"],
)
def test_an_empty_group_has_no_value_but_a_note(name, arm):
    figures = compute(name, arm)
    assert list(figures) == names(name)
    for figure in figures.values():
        assert (figure.value, figure.ci_low, figure.ci_high, figure.n) == (None, None, None, 0)
        assert figure.note


@pytest.mark.parametrize("name", ENTRIES)
def test_figures_are_finite_lie_in_their_interval_and_can_be_stored(name):
    judgements = list(Judgement)
    arm = [scored(f"e{i % 7}", judgements[i % 4], (Group.TEST, Group.UNTOUCHED)[i % 3 == 0]) for i in range(60)]
    wrong = [scored(item.entity, Judgement.PLANTED, item.group) for item in arm]
    right = [scored(item.entity, Judgement.ORIGINAL, item.group) for item in arm]
    figures = compute(name, arm, wrong, right)
    assert list(figures) == names(name)
    for figure in figures.values():
        assert math.isfinite(figure.value)
        assert figure.ci_low <= figure.value <= figure.ci_high
        assert Value.model_validate_json(figure.model_dump_json()) == figure


@pytest.mark.parametrize("name", ENTRIES)
def test_a_comparison_without_references_has_figures_or_reasons(name):
    answers = Answers([scored("a"), scored("b", Judgement.OTHER)], [], [])
    for figure in METRICS_CATALOGUE.get(name)().compute(answers).values():
        assert figure.value is not None or figure.note


@pytest.mark.parametrize("name", ENTRIES)
def test_validation_entities_never_enter_a_figure(name):
    """Hyperparameters were chosen on them."""
    arm = [scored(f"e{i}", Judgement.ORIGINAL if i % 2 else Judgement.OTHER) for i in range(6)]
    arm += [scored(f"u{i}", group=Group.UNTOUCHED) for i in range(3)]
    seen = [scored(f"v{i}", Judgement.PLANTED, Group.VALIDATION) for i in range(9)]
    wrong = [scored(item.entity, Judgement.PLANTED, item.group) for item in arm]
    assert compute(name, arm + seen, wrong + seen, arm + seen) == compute(name, arm, wrong, arm)
