from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from synthetic_study import make_comparison, make_study

from restor.report.io.states import States
from restor.report.page.svg import Scale, density, judgement_plot, judgement_shares, logprob_plot
from restor.results import Value
from restor.types import Judgement

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "hostile"])
def study(request):
    return make_study(people=3, untouched=1, hostile=request.param)


def all_plots(results, facts):
    return [judgement_plot(results), logprob_plot(results, States(results, facts))]


def words(svg):
    return ["".join(node.itertext()) for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_plots_are_well_formed_and_described(study):
    for svg in all_plots(*study):
        root = ElementTree.fromstring(svg)
        assert root.find(f"{SVG}title").text
        assert root.find(f"{SVG}desc").text
        assert root.get("role") == "img"
        ids = [node.get("id") for node in root.iter() if node.get("id")]
        assert len(ids) == len(set(ids))
        assert not [name for node in root.iter() for name in node.attrib if name.startswith("on") or name == "style"]
        assert not [node for node in root.iter() if node.tag in (f"{SVG}script", f"{SVG}image", f"{SVG}foreignObject")]


def test_what_has_no_figure_at_all_is_no_plot():
    results, facts = make_study(people=2)
    bare = results.model_copy(update={"summary": [arm.model_copy(update={"metrics": {}}) for arm in results.summary]})
    judgements, logprobs = all_plots(bare, facts.slice(0, 0))
    assert logprobs == ""
    ElementTree.fromstring(judgements)


def curves(svg):
    """Per option: how many curves there are."""
    groups = [node.get("class") for node in ElementTree.fromstring(svg).iter(f"{SVG}g")]
    return {name: groups.count(f"p-{name}") - 1 for name in ("original", "planted", "random") if f"p-{name}" in groups}


def test_log_probs_are_three_distributions_for_every_model_and_none_for_a_baseline():
    results, facts = make_comparison(planted=True, runs=3)
    svg = logprob_plot(results, States(results, facts))
    assert curves(svg) == {"original": 3, "planted": 3, "random": 3}
    shown = words(svg)
    assert {"Clean", "Corrupted", "unlearned"} <= set(shown)
    assert "Most frequent answer" not in shown


def test_two_distributions_where_no_planted_answer_is_known():
    results, facts = make_comparison()
    svg = logprob_plot(results, States(results, facts))
    assert curves(svg) == {"original": 3, "random": 3}
    assert "planted" not in svg


def test_a_density_is_highest_where_most_values_are_and_ends_at_its_edge():
    values = np.array([-6.0] * 60 + [-0.1] * 30 + [-3.0])
    heights = density(values, -8.0, 0.0, points=81)
    places = np.linspace(-8, 0, 81)
    assert places[heights.argmax()] == pytest.approx(-6.0)
    assert heights.max() == 1
    # A value at -0.1 weighs as much as one at -6; reflected at 0, none of its weight is lost.
    near, far = (np.trapezoid(heights[part], places[part]) for part in (places > -1.5, places < -4.5))
    assert near / far == pytest.approx(30 / 60, rel=0.05)
    assert heights[(places > -4.5) & (places < -4)].max() < 0.05, "two peaks, and little between them"


def test_one_very_unlikely_answer_does_not_squeeze_the_curves():
    results, facts = make_comparison(people=60, baselines=False)
    rows = facts.to_pylist()
    rows[0]["logprob_random"] = -900.0
    svg = logprob_plot(results, States(results, facts.from_pylist(rows)))
    axis = [text for text in words(svg) if text.startswith("−") and "/" not in text]
    assert max(float(text.replace("−", "")) for text in axis) < 12


def test_shares_count_the_unscored():
    results, _ = make_study(people=2)
    arm = results.summary[-1]
    half = Value(value=0.5, n=6, n_unscored=2)
    none = Value(value=0.0, n=6, n_unscored=2)
    shares = judgement_shares(
        arm.model_copy(update={"metrics": {"test.original": half, "test.planted": none, "test.other": half}})
    )
    assert shares == {Judgement.ORIGINAL: 0.375, Judgement.OTHER: 0.375, Judgement.UNSCORED: 0.25}


@pytest.mark.parametrize(("low", "high"), [(-1, 1.6), (-0.08, 1.08), (-30.0, 0), (-1.03, 0), (0, 1)])
def test_ticks_are_few_round_and_inside(low, high):
    ticks = Scale(low, high).ticks()
    assert 3 <= len(ticks) <= 10
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)
