"""Static figures: every one draws what is stored, says what is not, and is the same file each time."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from itertools import combinations
from pathlib import Path
from typing import get_args

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from synthetic_study import make_study, write_study

from representatives import one_for_each
from restor.errors import DataError
from restor.report.figures._style import styled, to_bytes
from restor.report.figures.base import INCHES, PLOTS, Drawn, LackingError, PlotMaterial
from restor.report.figures.restoration import GLYPHS
from restor.report.figures.transitions import _flows
from restor.report.io.load import load_facts, load_results
from restor.results import Curve, Part, Value, VerdictKind
from restor.types import Kind

NAMES = PLOTS.names()
ARMS = ("msa", "npo_token", "retain_only", "task_vector")
HOSTILE = (r"$\frac{1}{0}$ a_b^c", r"\input{x} 100 % #1 & ~", "<b>&amp;</b> 日本 $", "\u202egnp\x1b[31m")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    results, facts = make_study(people=4, untouched=2, seeds=(0, 1))
    return write_study(tmp_path_factory.mktemp("study"), _in_steps(results), facts)


@pytest.fixture(scope="module")
def material(folder):
    return PlotMaterial([(load_results(folder), folder)], ARMS)


def _in_steps(results):
    """Two arms of one algorithm differ in their steps alone, so that there is a line to draw."""

    def changed(arm):
        steps = {"npo_token": 20, "npo_seq": 40}.get(arm.arm)
        if steps is None:
            return arm
        return arm.model_copy(update={"algorithm": "npo", "label": "NPO", "options": {"steps": steps}})

    config = {**results.study.config, "unlearning": {"arms": {"npo_token": {}, "npo_seq": {}}}}
    study = results.study.model_copy(update={"config": config})
    return results.model_copy(update={"study": study, "summary": [changed(arm) for arm in results.summary]})


def draw(name, material, width="double") -> Drawn:
    return PLOTS.get(name)().draw(material, width)


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


def changed(folder, tmp_path, change) -> PlotMaterial:
    """The study with something else in its results."""
    facts = load_facts(folder)
    other = write_study(tmp_path / "other", change(load_results(folder)), facts)
    return PlotMaterial([(load_results(other), other)], ARMS)


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_fits_its_column_and_can_be_read(name, folder):
    arms = () if name == "against" else ("msa", "nothing")
    material = PlotMaterial([(load_results(folder), folder)], arms)
    with styled():
        for width, inches in INCHES.items():
            drawn = draw(name, material, width)
            assert drawn.figure.get_figwidth() == inches
            drawn.figure.draw_without_rendering()
            seen = [text for text in drawn.figure.findobj(Text) if text.get_text() and text.get_visible()]
            assert min(text.get_fontsize() for text in seen) >= 7
            box = drawn.figure.get_tightbbox()
            assert box.x0 > -0.02
            assert box.x1 < inches + 0.02, "nothing is cut off"
    assert "miniature-20250101" in drawn.caption
    assert any(said in drawn.caption for said in ("n = ", "a line for each of 2 seeds"))
    if "whiskers" in drawn.caption or "dots" in drawn.caption:
        assert "95 % intervals" in drawn.caption


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_says_what_is_lacking(name, folder, tmp_path):
    """Of an older version, without a clean model and without restoration, and without its facts."""

    def stripped(results):
        value = Value(value=None, n=0, note="the corruption did not bite")
        lacking = {"tests": [], "parts": {}, "curves": [], "verdict": None}
        keep = {"metrics": {"restoration": value}, **lacking}
        arms, summary = (
            [arm.model_copy(update=keep) for arm in some if arm.arm != "clean"]
            for some in (results.arms, results.summary)
        )
        return results.model_copy(update={"arms": arms, "summary": summary})

    results = stripped(load_results(folder))
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "results.json").write_text(results.model_dump_json())
    said = {
        "against": "no two arms",
        "answers": "no arm has judged answers",
        "confidence": "no arm has a restoration by confidence",
        "cost": "fewer than two arms have a restoration and a cost",
        "curves": "no arm has losses by step",
        "dose": "no arm has a restoration by dose",
        "layers": "facts.parquet",
        "logprobs": "facts.parquet",
        "relation": "no arm has a restoration by relation",
        "restoration": "the corruption did not bite",
        "transitions": "no clean model",
        "validation": "no arm has validation curves",
        "verdicts": "no arm has a verdict",
    }
    with styled(), pytest.raises(DataError, match=said[name]):
        draw(name, PlotMaterial([(results, tmp_path / "bare")]))


def test_facts_without_layers_or_log_probs(tmp_path):
    results, facts = make_study(people=2, untouched=1, sparse=True)
    folder = write_study(tmp_path / "older", results, facts)
    with styled(), pytest.raises(LackingError, match=r"no log-probs by layer.*evaluation\.layers"):
        draw("layers", PlotMaterial([(results, folder)]))
    nothing = facts
    for name in ("logprob_original", "logprob_planted", "logprob_random"):
        at = nothing.column_names.index(name)
        nothing = nothing.set_column(at, name, [[None] * facts.num_rows])
    folder = write_study(tmp_path / "bare", results, nothing)
    with styled(), pytest.raises(LackingError, match="no log-probs of targeted"):
        draw("logprobs", PlotMaterial([(results, folder)]))


@pytest.mark.parametrize("format", ["pdf", "svg", "png"])
def test_the_same_results_give_the_same_bytes(folder, format):
    material = PlotMaterial([(load_results(folder), folder)], ["msa"])
    files = []
    for _ in range(2):
        with styled():
            files.append(to_bytes(draw("restoration", material).figure, format, "Restoration", 80))
    assert files[0] == files[1]
    if format == "svg":
        assert b"<text" in files[0], "text stays text"
        assert b"date" not in files[0].lower()
    if format == "pdf":
        assert b"/FontFile2" in files[0], "TrueType outlines are embedded"
        assert b"CreationDate" not in files[0]


def test_labels_stay_as_they_are(folder, tmp_path):
    def named(results):
        labels = dict(zip(ARMS, HOSTILE, strict=True))
        summary = [arm.model_copy(update={"label": labels.get(arm.arm, "x")}) for arm in results.summary]
        return results.model_copy(update={"summary": summary})

    material = changed(folder, tmp_path, named)
    for name in ("restoration", "transitions", "cost", "logprobs"):
        with styled():
            svg = to_bytes(draw(name, material).figure, "svg", "x", 80)
        text = "".join(ElementTree.fromstring(svg).itertext())
        assert r"\frac" in text, "mathtext did not run"
        assert "\u202e" not in text
        assert "\x1b" not in text
        assert "<b>" in text, "markup is text"
    with styled():
        assert to_bytes(draw("restoration", material, "single").figure, "pdf", "x", 80).startswith(b"%PDF")


def test_settings_of_the_user_neither_count_nor_change(material):
    with styled():
        usual = to_bytes(draw("answers", material).figure, "svg", "x", 80)
    with mpl.rc_context({"font.size": 30, "text.usetex": True, "svg.fonttype": "path", "axes.grid": True}):
        with styled():
            other = to_bytes(draw("answers", material).figure, "svg", "x", 80)
        assert mpl.rcParams["font.size"] == 30
        assert mpl.rcParams["text.usetex"] is True
    assert usual == other


def test_restoration_shows_the_stored_figures(folder, tmp_path):
    def known(results):
        values = {
            "msa": Value(value=0.5, ci_low=0.25, ci_high=0.75, n=32, n_entities=8),
            "task_vector": Value(value=None, n=0, note="failed"),
            "retain_only": Value(value=-40.0, ci_low=-50.0, ci_high=-30.0, n=32, n_entities=8),
        }
        summary = [
            arm.model_copy(update={"metrics": {**arm.metrics, "restoration": values[arm.arm]}})
            if arm.arm in values
            else arm
            for arm in results.summary
        ]
        return results.model_copy(update={"summary": summary})

    material = changed(folder, tmp_path, known)
    with styled():
        drawn = draw("restoration", material)
    axes = drawn.figure.axes[0]
    places = {text.get_text(): y for text, y in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)}
    at = {
        (round(float(line.get_ydata()[0]), 3), line.get_marker()): [float(x) for x in line.get_xdata()]
        for line in axes.lines
        if line.get_transform() == axes.transData
    }
    row = round(places["MSA"], 3)
    assert at[row, "s"] == [50.0]
    assert at[row, "None"] == [25.0, 75.0]
    assert at[row, "|"] == [75.0]
    assert "50 [25, 75]" in words(drawn.figure)
    assert not [place for place in at if place[0] == round(places["Task vector"], 3)], "undefined is no dot"
    assert "–" in words(drawn.figure)
    outside = [place for place, marker in at if marker == "<"]
    assert len(outside) == 2, "what is far outside is an arrow at the edge"
    assert axes.get_xlim()[0] >= -100
    assert places["Controls"] < places["Retain only"] < places["Methods"] < places["MSA"]


def test_transitions_count_each_way(material):
    with styled():
        drawn = draw("transitions", material)
    titles = [axes.get_title() for axes in drawn.figure.axes]
    panel = drawn.figure.axes[titles.index("MSA")]
    states = material.states
    own = states.state[states.arms["msa"]][states.group == 0]
    share = round(100 * float(np.mean(own == 2)))
    assert str(share) in [text.get_text() for text in panel.texts]
    assert titles.index("Retain only · related") < titles.index("MSA"), "controls first"
    assert "n = 32 targeted test facts" in drawn.caption


def test_layers_are_means_over_targeted_facts(material):
    with styled():
        drawn = draw("layers", material)
    titles = [axes.get_title() for axes in drawn.figure.axes]
    lines = drawn.figure.axes[titles.index("MSA")].lines
    facts = material.states.facts.to_pylist()
    rows = [row["layers_planted"] for row in facts if row["arm"].startswith("msa/") and row["group"] == "test"]
    assert np.allclose(lines[1].get_ydata(), np.mean(rows, axis=0))
    assert list(lines[1].get_xdata()) == [1, 2, 3, 4, 5, 6]


def test_models_of_several_depths_are_not_averaged(folder, tmp_path):
    facts = load_facts(folder).to_pylist()
    for row in facts:
        if row["arm"] == "msa/s1" and row["layers_original"]:
            row["layers_original"] = row["layers_original"][:3]
            row["layers_planted"] = row["layers_planted"] and row["layers_planted"][:3]
    import pyarrow as pa

    other = write_study(tmp_path / "deep", load_results(folder), pa.Table.from_pylist(facts))
    with styled():
        drawn = draw("layers", PlotMaterial([(load_results(other), other)], ARMS))
    assert "MSA" not in [axes.get_title() for axes in drawn.figure.axes]
    assert "Not drawn, as nothing is stored by layer: MSA." in drawn.caption


def test_parts_stand_at_their_place(material):
    with styled():
        drawn = draw("dose", material)
    titles = [axes.get_title() for axes in drawn.figure.axes]
    lines = drawn.figure.axes[titles.index("MSA")].lines
    line = next(line for line in lines if len(line.get_xdata()) == 3)
    msa = next(arm for arm in material.results.summary if arm.arm == "msa")
    parts = sorted(msa.parts["dose"], key=lambda part: part.order)
    panel = drawn.figure.axes[titles.index("MSA")]
    named = {at: text.get_text() for at, text in zip(panel.get_xticks(), panel.get_xticklabels(), strict=True)}
    assert [named[at] for at in line.get_xdata()] == ["3", "4", "5"]
    assert np.allclose(line.get_ydata(), [100 * part.restoration.value for part in parts])


def test_many_relations_are_cut_and_said(folder, tmp_path):
    def many(results):
        value = Value(value=0.5, ci_low=0.4, ci_high=0.6, n=4, n_entities=2)
        parts = [Part(name=f"relation {i:02}", restoration=value.model_copy(update={"n": 4 + i})) for i in range(20)]
        summary = [arm.model_copy(update={"parts": {"relation": parts}}) for arm in results.summary]
        return results.model_copy(update={"summary": summary})

    with styled():
        drawn = draw("relation", changed(folder, tmp_path, many))
    shown = [axes.get_title() for axes in drawn.figure.axes]
    assert shown == [f"relation {i:02}" for i in range(5, 20)], "those with the most facts, by name"
    assert "The 15 of 20 relations with the most facts" in drawn.caption


def test_curves_tell_losses_from_validation(folder, tmp_path):
    def curves(results):
        own = [
            Curve(name="forget loss", stage="unlearn", points=[(1, 2.0), (2, 1.0)]),
            Curve(name="loss", stage="recover", points=[(1, 5.0)]),
            Curve(name="validation score", stage="selection", points=[(10, 0.25)]),
        ]
        return results.model_copy(
            update={"arms": [arm.model_copy(update={"curves": own}) for arm in results.arms if arm.seed == 0]}
        )

    material = changed(folder, tmp_path, curves)
    with styled():
        losses, validation = draw("curves", material), draw("validation", material)
    assert {tuple(line.get_ydata()) for axes in losses.figure.axes for line in axes.lines} == {(2.0, 1.0)}
    assert "one seed" in losses.caption
    assert {tuple(line.get_ydata()) for axes in validation.figure.axes for line in axes.lines} == {(25.0,)}


def test_cost_leaves_out_what_is_not_known(folder, tmp_path):
    def costs(results):
        summary = [
            arm.model_copy(update={"cost": arm.cost.model_copy(update={"seconds": 0.0, "flops": None})})
            if arm.arm == "msa"
            else arm
            for arm in results.summary
        ]
        return results.model_copy(update={"summary": summary})

    with styled():
        drawn = draw("cost", changed(folder, tmp_path, costs))
    assert [axes.get_xlabel() for axes in drawn.figure.axes] == ["Seconds", "Floating-point operations"]
    assert "MSA" not in words(drawn.figure)
    assert "Not drawn, without a cost or a restoration: MSA." in drawn.caption


def test_against_draws_lines_within_and_across_studies(folder, tmp_path):
    results, facts = make_study(people=4, untouched=2)
    entries = []
    for k in (0, 4, 8):
        study = results.study.model_copy(
            update={"id": f"k{k}", "config": {**results.study.config, "corruption": {"corruptor": {"k": k}}}}
        )
        own = results.model_copy(update={"study": study})
        entries.append((own, write_study(tmp_path / f"k{k}", own, facts)))
    with styled():
        drawn = draw("against", PlotMaterial(entries, ["msa", "task_vector"]))
    (axes,) = drawn.figure.axes
    assert axes.get_xlabel().startswith("k:")
    lines = {line.get_label(): list(line.get_xdata()) for line in axes.lines if not line.get_label().startswith("_")}
    assert lines == {"MSA": [0, 4, 8], "Task vector": [0, 4, 8]}
    assert "Studies k0, k4 and k8" in drawn.caption


def test_arms_are_chosen_and_references_stay(folder):
    results = load_results(folder)
    material = PlotMaterial([(results, folder)], ["npo"])
    assert {arm.arm for arm in material.arms(*Kind)} == {"clean", "corrupted", "ideal", "npo_token", "npo_seq"}
    with pytest.raises(DataError, match=r"no.*'nothing_such'|No study here has the arm 'nothing_such'. Known: clean"):
        PlotMaterial([(results, folder)], ["nothing_such"])


def test_verdicts_without_tests_are_one_panel(folder, tmp_path):
    def untested(results):
        summary = [arm.model_copy(update={"tests": []}) for arm in results.summary]
        return results.model_copy(update={"summary": summary})

    with styled():
        drawn = draw("verdicts", changed(folder, tmp_path, untested))
        assert len(drawn.figure.axes) == 1
        assert "No paired tests are stored." in drawn.caption
        assert len(draw("verdicts", PlotMaterial([(load_results(folder), folder)], ARMS)).figure.axes) == 2


def test_titles_tell_the_figures_apart():
    titles = [PLOTS.get(name).title for name in NAMES]
    assert len(set(titles)) == len(titles)
    assert all(titles)


def test_the_docs_name_every_figure():
    page = (Path(__file__).parents[2] / "docs" / "plots.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)) == NAMES


def test_every_verdict_has_a_sign_of_its_own():
    assert set(GLYPHS) == set(get_args(VerdictKind))
    shapes = [(str(look["marker"]), look.get("fillstyle"), look.get("markerfacecolor")) for look in GLYPHS.values()]
    assert len(set(shapes)) == len(shapes), "told apart without a colour"
    assert not any(str(look["marker"]).startswith("$") for look in GLYPHS.values()), "no mathematics"


def _boxes(figure):
    """The figure's box, and those of all its words and markers, in dots, as they are drawn."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    axes_of = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    beyond = {label for axis in axes_of for label in _undrawn(axis)}
    shown = (text for text in figure.findobj(Text) if text.get_visible() and text not in beyond)
    said = [text for text in shown if text.get_text().strip()]
    texts = [(text.get_text(), text.get_window_extent(renderer)) for text in said]
    dots = []
    for axes in figure.axes:
        for line in axes.lines:
            if line.get_marker() in ("None", "", "|") or line.get_transform() != axes.transData:
                continue
            half = line.get_markersize() * figure.dpi / 72 / 2
            for x, y in axes.transData.transform(np.column_stack(line.get_data(orig=False))):
                dots.append(Bbox([[x - half, y - half], [x + half, y + half]]))
    return figure.bbox, texts, dots


def _undrawn(axis):
    """Labels of ticks beyond the ends of an axis."""
    low, high = sorted(axis.get_view_interval())
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    return [label for tick in ticks if not low <= tick.get_loc() <= high for label in (tick.label1, tick.label2)]


def _meet(one, other):
    """Whether they overlap by more than a dot, which is what edges are rounded to."""
    both = Bbox.intersection(one, other)
    return both is not None and both.width > 1 and both.height > 1


@one_for_each("width")
@pytest.mark.parametrize("width", ["single", "double"])
@pytest.mark.parametrize("name", NAMES)
def test_every_word_is_within_the_figure_and_on_no_other_word_or_dot(folder, name, width):
    material = PlotMaterial([(load_results(folder), folder)])
    with styled():
        page, texts, dots = _boxes(draw(name, material, width).figure)
    assert texts
    outside = [text for text, box in texts if not (page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1)]
    assert outside == []
    outside = [text for text, box in texts if not (page.y0 - 1 <= box.y0 and box.y1 <= page.y1 + 1)]
    assert outside == []
    assert [(one, other) for (one, a), (other, b) in combinations(texts, 2) if _meet(a, b)] == []
    assert [text for text, box in texts if any(_meet(box, dot) for dot in dots)] == []


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """Costs of one size with long names, and shares of a few percent beside each other."""
    results, facts = make_study(people=4, untouched=2)
    summary = [
        arm.model_copy(
            update={
                "label": "Random forget set (NPO)" if arm.arm == "random_forget" else arm.label,
                "cost": arm.cost.model_copy(update={"flops": 3e10 + 2e10 * (place % 9), "seconds": 2.0 + place % 9}),
            }
        )
        for place, arm in enumerate(results.summary)
    ]
    return write_study(tmp_path_factory.mktemp("crowded"), results.model_copy(update={"summary": summary}), facts)


@one_for_each("name", "width")
@pytest.mark.parametrize("width", ["single", "double"])
@pytest.mark.parametrize("name", ["cost", "restoration", "transitions", "layers", "verdicts"])
def test_long_names_and_amounts_of_one_size_have_room_and_are_whole(crowded, name, width):
    material = PlotMaterial([(load_results(crowded), crowded)])
    with styled():
        page, texts, _ = _boxes(draw(name, material, width).figure)
    assert [text for text, box in texts if not (page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1)] == []
    assert [(one, other) for (one, a), (other, b) in combinations(texts, 2) if _meet(a, b)] == []
    assert [text for text, _ in texts if "…" in text] == []


def test_numbers_of_small_shares_stand_below_each_other():
    counts = np.zeros((3, 3, 3), dtype=np.int64)
    counts[0, 0, 0], counts[0, 1, 1], counts[0, 2, 2] = 1, 1, 98
    with styled():
        figure = Figure(figsize=(1.7, 1.2))
        _flows(figure.add_subplot(), counts)
        _, texts, _ = _boxes(figure)
    assert [text for text, _ in texts if text.isdigit()] == ["1", "1", "98"]
    assert [(one, other) for (one, a), (other, b) in combinations(texts, 2) if _meet(a, b)] == []


def test_a_long_name_of_an_arm_is_broken_and_not_cut(folder, tmp_path):
    def named(results):
        label = "Random forget set with a name"
        summary = [arm.model_copy(update={"label": label}) if arm.arm == "msa" else arm for arm in results.summary]
        return results.model_copy(update={"summary": summary})

    with styled():
        drawn = draw("transitions", changed(folder, tmp_path, named))
    assert "Random forget set with a\nname" in [axes.get_title() for axes in drawn.figure.axes]
