from __future__ import annotations

from xml.etree import ElementTree

import pytest
from synthetic_study import make_study

from restor.report.plots import Scale, judgement_plot, judgement_shares, logprob_plot, restoration_plot
from restor.results import Value
from restor.types import Judgement

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "hostile"])
def study(request):
    return make_study(people=3, untouched=1, hostile=request.param)


def all_plots(results, facts):
    return [restoration_plot(results), judgement_plot(results), logprob_plot(results, facts)]


def words(svg):
    return ["".join(node.itertext()) for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def with_metrics(results, **metrics):
    """The results with the same metrics for every arm that is no reference."""
    arms = [
        arm if arm.kind == "reference" else arm.model_copy(update={"metrics": {**arm.metrics, **metrics}})
        for arm in results.summary
    ]
    return results.model_copy(update={"summary": arms})


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


def test_restoration_shows_references_ceiling_and_figures():
    results, _ = make_study()
    shown = words(restoration_plot(results))
    assert "corrupted model: 0 %" in shown
    assert "ideal model: 100 %" in shown
    assert any(text.startswith("runner-up ceiling") for text in shown)
    assert shown.index("CONTROLS") < shown.index("METHODS")
    assert {"unrelated retain text", "related retain text", "no retain text"} <= set(shown)


def test_an_exploded_arm_does_not_squeeze_the_others():
    results, _ = make_study(people=2)
    wild = with_metrics(results, restoration=Value(value=-13.2, ci_low=-20.0, ci_high=-5.0, n=8))
    svg = restoration_plot(wild)
    assert "−1320 [−2000, −500]" in words(svg)
    places = [float(line.get("x1")) for line in ElementTree.fromstring(svg).iter(f"{SVG}line")]
    assert min(places) >= 0


def test_undefined_restoration_is_a_dash_with_its_reason():
    results, facts = make_study(people=2)
    svg = restoration_plot(with_metrics(results, restoration=Value(value=None, n=8, note="it did not bite <b>")))
    assert "–" in words(svg)
    assert "it did not bite &lt;b&gt;" in svg
    ElementTree.fromstring(svg)
    bare = results.model_copy(update={"summary": [arm.model_copy(update={"metrics": {}}) for arm in results.summary]})
    for drawn in all_plots(bare, facts.slice(0, 0)):
        ElementTree.fromstring(drawn)


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
