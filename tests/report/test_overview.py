"""The table at the top of the page, and the dots and whiskers in its rows."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from synthetic_study import make_comparison, make_study

from restor.report.page.overview import HEIGHT, LEFT, RIGHT, best_control, duration, overview
from restor.results import Value
from restor.types import Kind


def rows(results):
    return {row.arm.id: row for _, _, members in overview(results).sections for row in members}


def with_restoration(results, arm_id, value):
    arms = [
        arm.model_copy(update={"metrics": {**arm.metrics, "restoration": value}}) if arm.id == arm_id else arm
        for arm in results.summary
    ]
    return results.model_copy(update={"summary": arms})


def places(svg, name):
    """Horizontal places of what has a class."""
    found = [node for node in ElementTree.fromstring(svg).iter() if node.get("class") == name]
    return [float(node.get("cx") or node.get("x1")) for node in found]


@pytest.fixture(scope="module")
def study():
    return make_study(people=6)[0]


def test_methods_come_first_and_controls_are_apart(study):
    table = overview(study)
    assert [kind for kind, _, _ in table.sections] == [Kind.METHOD, Kind.CONTROL, Kind.BASELINE, Kind.REFERENCE]
    for _, _, members in table.sections:
        order = [row.restoration.sort for row in members if row.restoration.sort is not None]
        assert order == sorted(order, reverse=True) or members[0].arm.kind is Kind.REFERENCE
    assert sum(len(members) for _, _, members in table.sections) == len(study.summary)
    assert {row.place for row in rows(study).values()} == set(range(len(study.summary)))


def test_a_row_says_what_the_arm_says(study):
    arm = next(arm for arm in study.summary if arm.id == "msa")
    row = rows(study)["msa"]
    assert (row.glyph, row.verdict) == ("●", "restored")
    assert row.reason == arm.verdict.reason
    assert row.true.text == f"{100 * arm.metrics['test.original'].value:.0f}"
    assert row.planted.sort == arm.metrics["test.planted"].value
    assert row.untouched.text == "100"
    assert row.budget.text == "FC"
    assert "an earlier checkpoint" in row.budget.title
    assert row.cost.text == "2.6 s"
    assert "floating-point operations" in row.cost.title


def test_the_axis_is_the_same_in_all_rows(study):
    drawn = [row.drawn for row in rows(study).values() if row.drawn]
    assert len({tuple(places(svg, "zero")) for svg in drawn}) == 1
    assert len({tuple(places(svg, "full")) for svg in drawn}) == 1
    (zero,), (full,) = places(drawn[0], "zero"), places(drawn[0], "full")
    assert LEFT < zero < full < RIGHT
    value = rows(study)["npo_seq/related"].restoration.sort
    assert places(rows(study)["npo_seq/related"].drawn, "dot") == [pytest.approx(zero + value * (full - zero), abs=0.1)]


def test_the_band_is_the_best_control_that_read_the_same_text(study):
    named = {arm.id: arm for arm in study.summary}
    assert best_control(named["npo_seq/related"], study).retain == "related"
    assert best_control(named["npo_seq/unrelated"], study).retain != "related"
    assert best_control(named["msa"], study).retain is None
    assert best_control(named["retain_only/related"], study) is None
    for row in rows(study).values():
        assert ('class="band"' in row.drawn) == (row.arm.kind is Kind.METHOD)


def test_an_exploded_arm_does_not_squeeze_the_others(study):
    wild = with_restoration(study, "msa", Value(value=-13.2, ci_low=-20.0, ci_high=-5.0, n=8))
    row = rows(wild)["msa"]
    assert row.restoration.text == "−1320 [−2000, −500]"
    assert "<circle" not in row.drawn, "an arrow at the edge"
    (zero,), (full,) = places(row.drawn, "zero"), places(row.drawn, "full")
    assert full - zero > 100
    assert min(places(row.drawn, "whisker")) >= LEFT


def test_undefined_is_a_dash_with_its_reason_and_no_dot(study):
    row = rows(with_restoration(study, "msa", Value(value=None, n=8, note="it did not bite <b>")))["msa"]
    assert (row.restoration.text, row.restoration.title, row.drawn) == ("–", "it did not bite <b>", "")


def test_references_stand_where_they_define_the_axis(study):
    table = rows(study)
    assert (table["corrupted"].restoration.sort, table["ideal"].restoration.sort) == (0.0, 1.0)
    assert table["clean"].restoration.text == ""
    compared = rows(make_comparison()[0])
    assert compared["clean"].restoration.sort == 1.0, "where there is no ideal model"
    assert "clean: 100" in overview(make_comparison()[0]).axis


def test_older_results_have_no_verdicts_and_say_so_with_dashes():
    table = overview(make_study(people=3, sparse=True)[0])
    assert not table.judged
    assert {row.verdict for kind, _, members in table.sections if kind is Kind.METHOD for row in members} == {"–"}


def test_what_cannot_be_drawn_has_no_axis():
    table = overview(make_comparison(("mine", "yours"), baselines=False)[0])
    assert table.axis == ""
    assert not table.controlled
    assert not table.costed


def test_hostile_labels_leave_the_drawing_well_formed():
    for row in rows(make_study(people=3, hostile=True)[0]).values():
        if row.drawn:
            root = ElementTree.fromstring(row.drawn)
            assert float(root.get("viewBox").split()[3]) == HEIGHT
            assert not [name for node in root.iter() for name in node.attrib if name.startswith("on")]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.4, "9.4 s"), (42, "42 s"), (600, "10 min"), (9000, "2.5 h")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
