"""The plots of a comparison: what is undefined is a gap, what lies outside is marked, what is foreign is escaped."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from stores import small_results

from restor.report.across.series import Point, Series
from restor.results import Value
from restor.view.comparison_plots import LINES, against, by_arm

EVIL = "</text><script>alert(1)</script>\x1b[31m"


def value(share, spread=0.05):
    return Value(value=share, ci_low=share - spread, ci_high=share + spread, n=40)


GAP = Value(value=None, n=0, note=f"diverged {EVIL}")


def series(label, *points, x_name="corruption.corruptor.k"):
    return Series(x_name, label, tuple(Point(x, shown, "A", "npo") for x, shown in points))


def parsed(svg):
    assert "<script" not in svg
    assert "\x1b" not in svg
    return ElementTree.fromstring(svg)


def count(svg, name):
    return sum(name in (each.get("class") or "").split() for each in parsed(svg).iter())


def test_every_arm_but_references_has_a_dot_and_a_whisker():
    results = small_results("one", label=EVIL)
    svg = by_arm(results.summary, "clean model")
    assert count(svg, "dot") == count(svg, "whisker") == 2
    assert "clean model: 100 %" in svg
    assert "60 [50, 70]" in svg
    assert "alert(1)" in svg


def test_what_is_undefined_has_no_dot_and_what_lies_outside_is_hollow():
    arms = small_results("one").summary
    odd = [
        arm.model_copy(update={"metrics": {"restoration": shown}})
        for arm, shown in zip(arms[2:], (GAP, value(40.0)), strict=True)
    ]
    svg = by_arm(odd, "ideal model")
    assert count(svg, "dot") == count(svg, "hollow") == 1
    assert "diverged" in svg
    assert "4000 [3995, 4005]" in svg
    assert by_arm(odd[:1], "ideal model") == ""


def test_a_line_joins_neighbours_and_breaks_at_a_gap():
    (svg,) = against([series("NPO", (0, value(0.2)), (1, value(0.4)), (2, GAP), (3, value(0.5)), (4, value(0.6)))])
    assert count(svg, "joined") == 2
    assert "diverged" in svg
    assert "k: unrelated sentences per wrong fact" in svg
    assert "logarithmic" not in svg
    dots = [float(x) for x in re.findall(r'class="dot" transform="translate\(([\d.]+)', svg)]
    assert len(dots) == 5, "four points and the legend"


def test_rates_stand_on_a_logarithmic_axis_evenly():
    (svg,) = against([series("NPO", *((10.0**-n, value(0.1 * n)) for n in (5, 4, 3)), x_name="options.lr")])
    assert "unlearning learning rate, logarithmic" in svg
    first, second, third = sorted(map(float, re.findall(r'class="dot" transform="translate\(([\d.]+)', svg)))[1:]
    assert abs((second - first) - (third - second)) < 1


def test_each_setting_has_plots_of_its_own_with_as_many_lines_as_can_be_told_apart():
    many = [series(f"N{number} {EVIL}", (0, value(0.1)), (1, value(0.2))) for number in range(LINES + 1)]
    plots = against([*many, series("other", (1, value(0.1)), (9, value(0.2)), x_name="options.steps")])
    assert [count(svg, "joined") for svg in plots] == [LINES, 1, 1]
    for svg in plots:
        parsed(svg)
