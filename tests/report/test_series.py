"""Which arms make a series, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from restor.report.across.series import Series, series_across, series_of, told
from restor.report.across.side_by_side import Entrant, entrant
from restor.results import Arm, MetricInfo, Results, Study, Value
from restor.types import Kind

Config = dict[str, Any]
RESTORATION = MetricInfo(name="restoration", title="Restored", short="R", meaning="how much", unit="ratio")


def arm(name: str, value: float | None, *, kind: Kind = Kind.METHOD, algorithm: str = "npo", **changes: Any) -> Arm:
    figures = {"restoration": Value(value=value, ci_low=0.0, ci_high=1.0, n=9, note="" if value else "did not bite")}
    return Arm(id=name, label=name.upper(), arm=name, kind=kind, algorithm=algorithm, metrics=figures).model_copy(
        update=changes
    )


def study(*arms: Arm, k: float = 0, lr: float = 1e-3, own: Config | None = None, **changes: Any) -> Results:
    """A study; `own` is what its configuration says of single arms."""
    config: Config = {
        "name": "any",
        "threads": 1,
        "domain": {"name": "miniature", "people": 96},
        "corruption": {"lr": lr, "strength": "medium", "corruptor": {"name": "fact_swap", "k": k}},
        "unlearning": {"lr": None, "arms": {one.arm: (own or {}).get(one.arm, {"label": one.label}) for one in arms}},
        "evaluation": {"judge": {"name": "alias"}, "shots": 5},
    }
    ideal = arm("ideal", 1.0, kind=Kind.REFERENCE, algorithm=None)
    about = Study(name="any", id="any-1", created="2026-01-01", seeds=[0], config={**config, **changes})
    return Results(study=about, figures=[RESTORATION], arms=[*arms], summary=[ideal, *arms])


def joined(*studies: Results, facts: str | None = "the same") -> list[Series]:
    entrants = []
    for place, results in enumerate(studies):
        each = entrant("ABC"[place], results, None)
        entrants.append(Entrant(each.tag, results, {**each.terms, "facts": facts, "digests": None}))
    return series_across(entrants)


def points(series: Series) -> list[tuple[float, float | None, str, str]]:
    return [(point.x, point.value.value, point.study, point.arm) for point in series.points]


def test_arms_that_differ_in_their_steps_alone_are_a_series_in_the_order_of_steps() -> None:
    long = arm("long", 0.4, options={"steps": 40, "lr": 1e-3})
    short = arm("short", 0.2, options={"steps": 20, "lr": 1e-3})
    (series,) = series_of(study(long, short))
    assert (series.x_name, series.x_title, series.label) == ("options.steps", "unlearning steps", "npo")
    assert points(series) == [(20.0, 0.2, "", "short"), (40.0, 0.4, "", "long")]


@pytest.mark.parametrize(
    "other",
    [
        {"options": {"steps": 40, "lr": 2e-3}},
        {"options": {"steps": 40, "lr": 1e-3}, "retain": "related"},
        {"options": {"steps": 40, "lr": 1e-3}, "algorithm": "simnpo"},
        {"options": {"steps": 40, "lr": 1e-3}, "recovered": True},
        {"options": {"steps": 20, "lr": 1e-3}},
    ],
)
def test_arms_that_differ_in_something_else_too_or_in_nothing_are_none(other: Config) -> None:
    assert series_of(study(arm("one", 0.2, options={"steps": 20, "lr": 1e-3}), arm("two", 0.4, **other))) == []


def test_a_wrapper_that_only_the_configuration_tells_of_is_a_difference() -> None:
    one, two = arm("one", 0.2, options={"steps": 20}), arm("two", 0.4, options={"steps": 40})
    wrapped = {"one": {"label": "One", "wrapper": None}, "two": {"label": "Two", "wrapper": "sam"}}
    assert series_of(study(one, two, own=wrapped)) == []


def test_studies_of_other_k_make_a_series_for_each_arm_and_controls_are_among_them() -> None:
    control = {"kind": Kind.CONTROL, "algorithm": None}
    studies = [study(arm("npo", 0.1 * k, options={"steps": 9}), arm("nothing", 0.0, **control), k=k) for k in (4, 0, 2)]
    found = joined(*studies)
    assert [(one.x_name, one.label) for one in found] == [
        ("corruption.corruptor.k", "NOTHING"),
        ("corruption.corruptor.k", "NPO"),
    ]
    assert points(found[1]) == [(0.0, 0.0, "B", "npo"), (2.0, 0.2, "C", "npo"), (4.0, 0.4, "A", "npo")]


def test_an_undefined_figure_is_a_point_with_its_reason() -> None:
    (series,) = joined(study(arm("npo", None), k=0), study(arm("npo", 0.4), k=4))
    assert [point.value.note for point in series.points] == ["did not bite", ""]
    assert joined(study(arm("npo", None), k=0), study(arm("npo", None), k=4)) == []


def test_in_words_each_point_has_its_study_and_interval() -> None:
    series = joined(study(arm("npo", None), k=0), study(arm("npo", 0.4, label="N\x1b[1m"), k=4))
    assert told(series) == [
        "Restoration in % against k: unrelated sentences per wrong fact, npo: A at 0 –; B at 4 40 [0, 100]."
    ]
    within = series_of(study(arm("a", 0.2, options={"steps": 1}), arm("b", 0.4, options={"steps": 2})))
    assert told(within) == ["Restoration in % against unlearning steps, npo: at 1 20 [0, 100]; at 2 40 [0, 100]."]


def test_what_also_differs_tells_series_of_one_arm_apart() -> None:
    studies = [study(arm("npo", 0.4), k=k, lr=lr) for k, lr in ((0, 1e-3), (4, 1e-3), (4, 2e-3))]
    assert [(one.x_name, one.label, len(one.points)) for one in joined(*studies)] == [
        ("corruption.corruptor.k", "NPO", 2),
        ("corruption.lr", "NPO", 2),
    ]
    more = study(arm("npo", 0.4), k=0, lr=2e-3)
    both = series_across([_same_facts(n, each) for n, each in enumerate([*studies, more])])
    assert [one.label for one in both] == [
        "NPO, corruption.lr 0.001",
        "NPO, corruption.lr 0.002",
        "NPO, corruption.corruptor.k 0",
        "NPO, corruption.corruptor.k 4",
    ]


def _same_facts(place: int, results: Results) -> Entrant:
    each = entrant(str(place), results, None)
    return Entrant(each.tag, results, {**each.terms, "facts": "the same"})


def test_hyperparameters_selected_for_each_strength_are_one_procedure() -> None:
    weak = arm("npo", 0.4, options={"lr": 1e-3, "steps": 20}, hyperparameters="selected")
    strong = arm("npo", 0.1, options={"lr": 9e-3, "steps": 60}, hyperparameters="selected")
    (series,) = joined(study(weak, lr=1e-3), study(strong, lr=2e-3))
    assert series.x_name == "corruption.lr"
    given = strong.model_copy(update={"hyperparameters": "given"})
    assert joined(study(weak, lr=1e-3), study(given, lr=2e-3)) == []


def test_studies_that_asked_other_facts_or_in_another_way_share_no_series() -> None:
    one, two = study(arm("npo", 0.4), k=0), study(arm("npo", 0.4), k=4)
    assert joined(one, two, facts=None) == []  # nobody knows
    asked = {"judge": {"name": "alias"}, "shots": 2}
    assert joined(one, study(arm("npo", 0.4), k=4, evaluation=asked)) == []


def test_another_definition_or_reference_of_the_figure_keeps_studies_apart() -> None:
    one, two = study(arm("npo", 0.4), k=0), study(arm("npo", 0.4), k=4)
    other = two.model_copy(update={"figures": [RESTORATION.model_copy(update={"meaning": "something else"})]})
    without = two.model_copy(update={"summary": two.summary[1:]})
    assert joined(one, other) == joined(one, without) == []
    assert len(joined(one, two)) == 1


def test_a_comparison_of_checkpoints_makes_none() -> None:
    results = study(arm("a", 0.1, options={"steps": 1}), arm("b", 0.2, options={"steps": 2}))
    assert len(series_of(results)) == 1
    about = results.study.model_copy(update={"kind": "comparison"})
    assert series_of(results.model_copy(update={"study": about})) == []


def test_arms_chosen_without_their_references_are_still_measured_towards_them() -> None:
    ideal = arm("ideal", 1.0, kind=Kind.REFERENCE, algorithm=None)
    one, two = (
        results.model_copy(update={"arms": [ideal, *results.arms]})
        for results in (study(arm("npo", 0.4), k=0), study(arm("npo", 0.4), k=4))
    )
    chosen = two.model_copy(update={"summary": two.summary[1:]})
    assert len(joined(one, chosen)) == 1
