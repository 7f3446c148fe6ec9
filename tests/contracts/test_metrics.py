"""What every metric promises."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from restor.evaluation.metrics.base import METRICS_CATALOGUE, ComparedAnswers, JudgedAnswer, metric_infos
from restor.results import Value
from restor.types import SCORES, Group, Judgement, Kind

ENTRIES = METRICS_CATALOGUE.names()
LISTS = ("options", "option_logprobs", "layers_original", "layers_planted")


def scored(entity, judgement=Judgement.ORIGINAL, group=Group.TEST, known=True):
    """What a model says is also what it holds likely."""
    right = judgement is Judgement.ORIGINAL
    true, false = (-0.5, -3.0) if right else (-3.0, -1.0)
    figures = (true, false, -6.0 - len(entity) / 10, 1 if right else 2)
    lists = (("york", "rome"), np.array([true, false]), np.array([true, true]), np.array([false, false]))
    found = JudgedAnswer(
        entity, "home", 0, group, False, True, *SCORES[judgement], *(figures if known else (None,) * 4)
    )
    return replace(found, **dict(zip(LISTS, lists, strict=True))) if known else found


def names(entry):
    return [figure.name for figure in METRICS_CATALOGUE.get(entry).figures]


def compute(name, arm, corrupted=None, ideal=None, controls=None):
    answers = ComparedAnswers(arm, corrupted or arm, ideal or arm, ideal or arm, controls or {}, Kind.METHOD)
    return METRICS_CATALOGUE.get(name)().compute(answers)


def world(groups=(Group.TEST, Group.UNTOUCHED)):
    """A method between the corrupted model and the ideal one, with two controls, all asked the same 60 facts."""
    judgements, people = list(Judgement), [(f"{group}{place}", group) for group in groups for place in range(30)]
    arm = [scored(name, judgements[place % 4], group) for place, (name, group) in enumerate(people)]
    wrong = [scored(name, Judgement.PLANTED, group) for name, group in people]
    right = [scored(name, Judgement.ORIGINAL, group) for name, group in people]
    some = [scored(name, judgements[place % 5 % 2], group) for place, (name, group) in enumerate(people)]
    return arm, wrong, right, {"Recovery only": wrong, "Retain only": some}


def test_every_figure_has_one_metric_and_is_described_for_people():
    figures = metric_infos()
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
    figures = compute(name, *world())
    assert list(figures) == names(name)
    for described in METRICS_CATALOGUE.get(name).figures:
        figure = figures[described.name]
        assert math.isfinite(figure.value)
        assert figure.ci_low <= figure.value <= figure.ci_high
        assert figure.n > 0
        assert figure.n_entities > 0
        if described.unit == "share":
            assert 0 <= figure.ci_low <= figure.ci_high <= 1
        assert Value.model_validate_json(figure.model_dump_json()) == figure


@pytest.mark.parametrize("name", ENTRIES)
def test_facts_are_paired_by_name_and_their_order_means_nothing(name):
    arm, wrong, right, controls = world()
    expected = compute(name, arm, wrong, right, controls)
    rng = random.Random(3)

    def mixed(items):
        return rng.sample(items, len(items))

    others = mixed(wrong), mixed(right), {key: mixed(items) for key, items in controls.items()}
    assert compute(name, arm, *others) == expected
    for key, figure in compute(name, mixed(arm), *others).items():
        assert figure.value == pytest.approx(expected[key].value)
        assert (figure.n, figure.n_entities, figure.n_unscored, figure.note) == (
            expected[key].n,
            expected[key].n_entities,
            expected[key].n_unscored,
            expected[key].note,
        )


@pytest.mark.parametrize("name", ENTRIES)
def test_what_is_asked_about_untouched_entities_changes_no_figure_of_targeted_ones_and_back(name):
    """But specificity, which compares the two."""
    whole = compute(name, *world())
    for group, other in ((Group.TEST, Group.UNTOUCHED), (Group.UNTOUCHED, Group.TEST)):
        arm, *rest, controls = world((group,))
        alone = compute(name, arm, *rest, controls)
        # The verdicts of the second group of the whole begin elsewhere, so only the first is compared by value.
        same = [key for key in alone if group is Group.TEST and alone[key].value is not None]
        assert {key: alone[key] for key in same} == {key: whole[key] for key in same}
        assert not [key for key in alone if alone[key].value is not None and f"{other}" in key.split(".")]


@pytest.mark.parametrize("name", ENTRIES)
def test_a_comparison_without_references_has_figures_or_reasons(name):
    answers = ComparedAnswers([scored("a"), scored("b", Judgement.OTHER)], [], [])
    for figure in METRICS_CATALOGUE.get(name)().compute(answers).values():
        assert figure.value is not None or figure.note


@pytest.mark.parametrize("name", ENTRIES)
def test_validation_entities_never_enter_a_figure(name):
    """Hyperparameters were chosen on them."""
    arm, wrong, right, controls = world()
    seen = [scored(f"v{i}", Judgement.PLANTED, Group.VALIDATION) for i in range(9)]
    more = {key: items + seen for key, items in controls.items()}
    assert compute(name, arm + seen, wrong + seen, right + seen, more) == compute(name, arm, wrong, right, controls)
