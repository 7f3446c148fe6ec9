"""The numbers behind the charts."""

from __future__ import annotations

import pyarrow as pa
import pytest
from synthetic_study import LAYERS, make_comparison, make_study

from restor.report.io.states import States
from restor.report.page.chart_data import MOST_POINTS, PICKED, chart_data, layer_means, pick
from restor.report.page.flows import flows
from restor.report.page.render import gaps
from restor.results import Curve
from restor.types import Kind


def data(results, facts):
    states = States(results, facts)
    return chart_data(results, states, flows(results, states))


@pytest.fixture(scope="module")
def study():
    return make_study(people=4, untouched=2, seeds=(0, 1))


def test_parts_hold_the_stored_figures(study):
    results, facts = study
    charts = data(results, facts)
    assert [part["kind"] for part in charts["parts"]] == ["confidence", "relation", "entity", "dose"]
    relation = charts["parts"][1]
    place = next(place for place, arm in enumerate(results.summary) if arm.id == "msa")
    stored = results.summary[place].parts["relation"]
    for part, (at, value, low, high, n) in zip(stored, relation["arms"][place], strict=True):
        assert relation["names"][at] == part.name
        assert [value, low, high] == [
            pytest.approx(getattr(part.restoration, end), rel=1e-3) for end in ("value", "ci_low", "ci_high")
        ]
        assert n == part.restoration.n
    assert charts["parts"][3]["orders"] == [3, 4, 5]


def test_layers_are_means_over_targeted_facts(study):
    results, facts = study
    means = layer_means(results, States(results, facts))
    own = [row for row in facts.to_pylist() if row["arm"].startswith("msa/") and row["group"] == "test"]
    for name in ("original", "planted"):
        expected = [sum(row[f"layers_{name}"][layer] for row in own) / len(own) for layer in range(LAYERS)]
        assert means["msa"][name] == pytest.approx(expected, rel=1e-3)
    assert not {"copy_demonstrations", "most_frequent"} & set(means)


def test_models_of_several_depths_have_no_mean(study):
    results, facts = study
    rows = facts.to_pylist()
    next(row for row in rows if row["arm"] == "msa/s0")["layers_original"] = [-1.0]
    means = layer_means(results, States(results, pa.Table.from_pylist(rows, schema=facts.schema)))
    assert set(means["msa"]) == {"planted"}


def test_long_curves_are_thinned_and_keep_their_ends(study):
    results, facts = study
    long = [(float(step), step / 7) for step in range(1, 1000)]
    arms = [
        arm.model_copy(update={"curves": [Curve(name="loss", stage="unlearn", points=long)]}) for arm in results.arms
    ]
    (curve,) = data(results.model_copy(update={"arms": arms}), facts)["curves"]
    assert len(curve["lines"]) == len(arms)
    points = curve["lines"][0]["points"]
    assert len(points) == MOST_POINTS
    assert (points[0][0], points[-1][0]) == (1, 999)


def test_picked_are_the_best_methods_a_control_and_references(study):
    chosen = pick(study[0])
    assert len(chosen) == PICKED
    assert [arm.kind for arm in chosen].count(Kind.METHOD) == 3
    assert "msa" in {arm.arm for arm in chosen}
    assert {"corrupted", "ideal"} <= {arm.arm for arm in chosen}
    assert len(pick(make_comparison(("mine",), baselines=False)[0])) == 1


def test_what_a_sparse_study_lacks_is_said():
    results, facts = make_study(people=2, sparse=True)
    found = gaps(data(results, facts), results)
    assert set(found) == {"parts", "curves", "layers"}
    assert found["layers"] == "Log-probs after each layer were not asked for."


def test_a_study_with_everything_has_no_gap(study):
    assert gaps(data(*study), study[0]) == {}


def test_unlearning_comes_before_what_led_to_it(study):
    results, facts = study
    first, then = (Curve(name="loss", stage=stage, points=[(0, 1.0), (1, 0.5)]) for stage in ("clean", "unlearn"))
    arms = [arm.model_copy(update={"curves": [first, then]}) for arm in results.arms]
    found = data(results.model_copy(update={"arms": arms}), facts)["curves"]
    assert [curve["stage"] for curve in found] == ["unlearn", "clean"]


def test_a_comparison_has_no_costs_and_no_curves():
    results, facts = make_comparison()
    found = gaps(data(results, facts), results)
    assert "nothing is known of how these checkpoints were trained" in found["curves"]
    assert "cost" in found
