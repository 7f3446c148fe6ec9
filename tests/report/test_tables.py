from __future__ import annotations

import io
import json
import re
from collections import Counter

import pytest
from hostile import HOSTILE, danger
from rich.cells import cell_len
from rich.console import Console
from synthetic_study import make_comparison, make_study

from representatives import one_for_each
from restor.report.tables.arm_table import arm_table, to_json_rows, to_markdown
from restor.report.tables.terminal_table import to_rich
from restor.report.words.paired_tests import against_controls
from restor.report.words.verdict_words import VERDICT_MEANINGS, legend_words
from restor.results import STORED_ONLY, ArmVerdict, MetricInfo, PairedTest, Value


@pytest.fixture(scope="module")
def results():
    return make_study()[0]


def printed(table, width):
    file = io.StringIO()
    Console(file=file, width=width, color_system="truecolor", force_terminal=True).print(to_rich(table))
    return file.getvalue()


def plain(table, width):
    file = io.StringIO()
    Console(file=file, width=width, color_system=None).print(to_rich(table))
    return file.getvalue()


def replaced(results, name, **fields):
    """The results with one arm of the summary changed."""
    summary = [arm.model_copy(update=fields) if arm.id == name else arm for arm in results.summary]
    return results.model_copy(update={"summary": summary})


def with_value(results, name, metric, value):
    arm = next(arm for arm in results.summary if arm.id == name)
    return replaced(results, name, metrics={**arm.metrics, metric: value})


def keys(results):
    return [column.key for column in arm_table(results).columns]


def test_every_figure_that_some_arm_has_is_a_column_unless_it_is_stored_only(results):
    had = {name for arm in results.summary for name in arm.metrics}
    assert set(keys(results)) == {"arm", "retain", "budget", "verdict", "p_control", "seconds", "flops"} | had
    detail = MetricInfo(
        name="detail", title="Detail", short="Detail", meaning="seen by those who look", rank=STORED_ONLY
    )
    more = with_value(results, "msa", "detail", Value(value=0.5, n=3))
    more = more.model_copy(update={"figures": [*results.figures, detail]})
    assert keys(more) == keys(results)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_restoration_above_control_makes_no_narrow_table_wider(results, width):
    """It is the first to go, and its notes take no numbers from those that are shown."""
    undefined = with_value(results, "msa", "restoration", Value(value=None, n=3, note="the corruption did not bite"))
    value = Value(value=0.3, ci_low=0.1, ci_high=0.5, n=32, n_entities=8, note="best control: Recovery only")
    more = with_value(undefined, "task_vector", "above_control", value)
    assert "above_control" in keys(more)
    before, after = (plain(arm_table(each), width) for each in (undefined, more))
    assert after.split("Left out")[0] == before.split("Left out")[0]
    assert "Above control" in " ".join(after.split("Left out")[1].split())


def test_a_wide_table_names_the_best_control_below_it(results):
    value = Value(value=0.3, ci_low=0.1, ci_high=0.5, n=32, n_entities=8, note="best control: Recovery only")
    text = plain(arm_table(with_value(results, "task_vector", "above_control", value)), 200)
    row = next(line for line in text.splitlines() if line.startswith("Task vector"))
    sign = row.split("30 [10, 50] ")[1][0]
    assert f"{sign} best control: Recovery only" in text


def test_a_metric_of_a_users_own_is_a_column_with_its_own_words(results):
    """Its class describes it, the results store that, and no file of the report is touched."""
    figure = MetricInfo(name="calm", title="Calm", short="Calm", meaning="how calm it stays", unit="nats", rank=2)
    more = with_value(results, "msa", "calm", Value(value=-0.25, n=3))
    more = more.model_copy(update={"figures": [*results.figures, figure]})
    column = next(column for column in arm_table(more).columns if column.key == "calm")
    assert (column.title, column.explanation, column.align) == ("Calm", "how calm it stays", "right")
    assert next(line for line in to_markdown(arm_table(more)).splitlines() if "MSA" in line).count("−0.25") == 1
    assert "calm" in keys(more.model_copy(update={"figures": []})), "shown under its name where nothing describes it"
    assert "calm" not in keys(results.model_copy(update={"figures": more.figures})), "no arm has it"


def test_sections_come_in_order_and_hold_all_arms(results):
    sections = arm_table(results).sections
    assert [kind.value for kind, _ in sections] == ["reference", "baseline", "control", "method"]
    assert sum(len(rows) for _, rows in sections) == len(results.summary)


def test_values_are_shown(results):
    shown = with_value(
        results, "msa", "restoration", Value(value=0.917, ci_low=0.6412, ci_high=1.031, n=32, n_entities=8)
    )
    row = next(line for line in plain(arm_table(shown), 180).splitlines() if line.startswith("MSA"))
    assert "92 [64, 103]" in row
    assert " FC " in row
    assert "−1.10" in row
    assert "−7.50" in row


def test_undefined_has_its_reason_below(results):
    value = Value(value=None, n=32, note="the corruption did not bite")
    table = arm_table(with_value(results, "msa", "restoration", value))
    assert "the corruption did not bite" in table.footnotes
    text = plain(table, 120)
    row = next(line for line in text.splitlines() if line.startswith("MSA"))
    assert "– ²" in row
    assert "² the corruption did not bite" in text
    assert "2. the corruption did not bite" in to_markdown(table)


def test_a_figure_that_was_not_measured_says_so(results):
    table = arm_table(replaced(results, "msa", metrics={}))
    assert "not measured in this study" in table.footnotes


@pytest.mark.parametrize(
    ("width", "gone"),
    [
        (180, []),
        (155, ["FLOPs"]),
        (135, ["FLOPs", "above", "Log-p"]),
        (100, ["FLOPs", "Log-p", "shown", "er-up"]),
        (80, ["Log-p", "shown", "er-up", "Sec.", "Other", "Bud-"]),
        (60, ["Log-p", "Bud-", "touched", "Retain"]),
        (44, ["Orig.", "Planted"]),
        (30, ["Orig.", "Planted"]),
    ],
)
def test_the_terminal_is_never_overrun(results, width, gone):
    text = plain(arm_table(results), width)
    assert max(map(len, text.splitlines())) <= width
    head = "".join(text.splitlines(keepends=True)[:2])
    assert not [word for word in gone if word in head]
    assert ("Left out of this narrow terminal" in " ".join(text.split())) == bool(gone)
    if width >= 44:
        assert "Restoration" in head
        assert "Verdict" in head
        assert "● restored" in text
        assert "MSA" in text
    if width >= 80:
        assert "touched" in head
        assert "CONTROLS" in text
        assert "· Retain only" in text


def test_controls_are_apart_in_colour_too(results):
    assert "\x1b[33m" in printed(arm_table(results), 120)


def test_escapes_in_labels_do_not_reach_the_terminal():
    table = arm_table(make_study(people=2, hostile=True)[0])
    assert "\x1b" not in plain(table, 120)
    assert "\x1b" not in to_markdown(table)
    assert "\\<b\\>bold" in to_markdown(table)


def test_caption_says_how_many_and_what_was_unscored(results):
    caption = arm_table(results).caption
    assert "targeted test facts: 32 facts about 8 entities" in caption
    assert "seed 0" in caption
    assert "unscored" not in caption
    assert "protocol restor;" in caption
    value = Value(value=0.5, ci_low=0.4, ci_high=0.6, n=29, n_entities=8, n_unscored=3)
    caption = arm_table(with_value(results, "msa", "test.original", value)).caption
    assert "29 to 32 facts" in caption
    assert "facts without a verdict, left out of the shares: 3 in MSA" in caption


def test_markdown_is_a_rectangle(results):
    lines = [line for line in to_markdown(arm_table(results)).splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert lines[1].startswith("| :-- |")


def test_json_rows_keep_numbers_and_intervals(results):
    rows = json.loads(json.dumps(to_json_rows(arm_table(results)), allow_nan=False))
    row = next(row for row in rows if row["id"] == "npo_token/related")
    stored = next(arm for arm in results.summary if arm.id == "npo_token/related")
    assert row["metrics"]["restoration"] == stored.metrics["restoration"].model_dump()
    assert row["budget"] == ["F", "D", "R"]
    assert row["kind"] == "method"
    assert row["cost"]["seconds"] == stored.cost.seconds


def test_baselines_have_a_dash_without_a_footnote_where_only_a_model_has_a_figure(results):
    table = arm_table(results)
    row = next(row for row in table.rows if row.arm.arm == "copy_demonstrations")
    cells = dict(zip((column.key for column in table.columns), row.cells, strict=True))
    for key in ("logprob.original", "logprob.random", "runner_up"):
        assert (cells[key].text, cells[key].footnote) == ("–", None)
    assert cells["test.original"].text == "12"
    assert cells["retain"].text == cells["budget"].text == cells["seconds"].text == ""
    assert "no log-probs were stored" not in table.footnotes


def test_a_comparison_has_no_columns_about_how_models_were_made():
    found = keys(make_comparison(planted=True, untouched=2)[0])
    assert not {"retain", "budget", "seconds"} & set(found)
    assert {"test.planted", "untouched.original", "restoration", "test.original_unshown"} <= set(found)


def test_a_comparison_without_planted_answers_and_untouched_facts():
    results = make_comparison()[0]
    assert not {"test.planted", "untouched.original", "runner_up", "logprob.planted"} & set(keys(results))
    table = arm_table(results)
    assert table.caption == (
        "restor: facts: 32 facts about 8 entities; protocol restor; [95 % intervals] over entities; "
        "restoration is relative to the clean model, as there is no ideal one; no planted answers are known."
    )


def test_a_comparison_of_models_without_references_says_what_restoration_needs():
    table = arm_table(make_comparison(("mine", "yours"))[0])
    note = "restoration needs a corrupted model (--model corrupted=...) and a clean or an ideal one (--model clean=...)"
    assert table.footnotes == (note,)
    assert "– ¹" in plain(table, 80)


def test_the_caption_says_the_protocol_and_how_often_a_fact_was_asked():
    caption = arm_table(make_comparison(runs=3, planted=True, untouched=2)[0]).caption
    assert "targeted test facts: 32 facts about 8 entities; untouched: 8 facts about 2 entities" in caption
    assert "protocol published, 3 runs a fact; seed 0" in caption


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_sections_title_stays_whole_beside_short_labels(results, width):
    arms = [arm.model_copy(update={"label": "A"}) for arm in results.summary]
    text = plain(arm_table(results.model_copy(update={"summary": arms})), width)
    for title in ("REFERENCES", "BASELINES", "CONTROLS", "METHODS"):
        assert title in text
    assert max(map(len, text.splitlines())) <= width


def test_what_a_checkpoint_was_told_is_unknown_and_not_none(results):
    budget = keys(results).index("budget")
    table = arm_table(replaced(results, "msa", budget=None))
    assert next(row for row in table.rows if row.arm.id == "msa").cells[budget].text == "unknown"


def cells(results, name):
    table = arm_table(results)
    row = next(row for row in table.rows if row.arm.id == name)
    return dict(zip((column.key for column in table.columns), row.cells, strict=True))


def test_a_verdict_is_a_glyph_and_the_same_word_in_table_legend_and_markdown(results):
    for kind, said in VERDICT_MEANINGS.items():
        shown = replaced(results, "msa", verdict=ArmVerdict(kind=kind, reason="x"))
        assert cells(shown, "msa")["verdict"].text == f"{said.glyph} {kind}"
        assert f"{said.glyph} {kind}" in plain(arm_table(shown), 80)
        legend = " ".join(plain(arm_table(shown), 80).split("Verdicts: ")[1].split())
        assert f"{said.glyph} {legend_words(kind)}" in legend
        assert f"| {said.glyph} {kind} |" in to_markdown(arm_table(shown))
    glyphs = Counter(said.glyph for said in VERDICT_MEANINGS.values())
    assert glyphs.pop(VERDICT_MEANINGS["restores"].glyph) == 2, "both words of controls have that of controls"
    assert set(glyphs.values()) == {1}


def test_what_a_control_restores_is_told_with_its_number_and_explained(results):
    said = ArmVerdict(kind="restores", reason="x", restoration=0.286)
    shown = replaced(results, "retain_only/related", verdict=said)
    assert cells(shown, "retain_only/related")["verdict"].text == "· restores 29 %"
    text = " ".join(plain(arm_table(shown), 120).split())
    assert "· restores 29 %" in text
    assert f"restores N %: {VERDICT_MEANINGS['restores'].meaning}" in text
    none = [arm.model_copy(update={"verdict": None}) for arm in results.summary]
    assert "restores" not in plain(arm_table(results.model_copy(update={"summary": none})), 120)


def test_the_legend_explains_retain_texts_and_the_letters_of_the_budget(results):
    text = " ".join(plain(arm_table(results), 120).split())
    assert "Retain text (what is to be kept): related: true texts like those" in text
    assert "unrelated: texts about something else." in text
    assert "Budget (what the algorithm was told): F forget documents, D retain text, R the corrupted model" in text
    for word in ("Retain text (", "Budget ("):
        assert word not in plain(arm_table(results), 44), "the column is left out, and so is what explains it"
    unrelated = results.model_copy(update={"summary": [arm for arm in results.summary if arm.retain != "related"]})
    assert "related: true texts" not in " ".join(plain(arm_table(unrelated), 120).split())


def test_an_arm_without_a_verdict_has_a_dash_and_a_reference_nothing(results):
    shown = replaced(results, "msa", verdict=None)
    assert cells(shown, "msa")["verdict"].text == "–"
    assert cells(shown, "clean")["verdict"].text == cells(shown, "most_frequent")["verdict"].text == ""


def test_p_is_that_of_the_hardest_control(results):
    def shown(*pairs):
        tests = [
            PairedTest(other="nothing", role="control", difference=difference, p_holm=p) for difference, p in pairs
        ]
        return cells(replaced(results, "msa", tests=tests), "msa")["p_control"].text

    assert shown((0.3, 0.0001), (0.2, 0.04)) == "0.040"
    assert shown((0.3, 0.2), (0.2, 0.04)) == "0.200"
    assert shown((0.3, 0.0001), (-0.1, 0.0002)) == "<0.001 (below)"
    assert shown((None, None)) == "–"
    assert cells(results, "retain_only/related")["p_control"].text == "", "a control is not tested against controls"


def test_of_equal_p_the_smallest_difference_is_the_hardest_control(results):
    tests = [
        PairedTest(other=str(place), role="control", difference=difference, p_holm=0.002)
        for place, difference in enumerate((0.70, 0.54, 0.64))
    ]
    msa = next(arm for arm in replaced(results, "msa", tests=tests).summary if arm.id == "msa")
    assert against_controls(msa).difference == 0.54


def test_flops_and_what_older_files_lack(results):
    assert cells(results, "msa")["flops"].text == "3.9e11"
    assert cells(results, "most_frequent")["flops"].text == ""
    older = make_study(people=2, untouched=1, sparse=True)[0]
    assert not {"verdict", "p_control", "flops"} & set(keys(older))


def test_controls_say_what_they_are_where_there_is_room(results):
    assert "| **Controls (nothing is unlearned)** |" in to_markdown(arm_table(results))


@one_for_each(danger)
@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_is_shown_harmlessly(results, text):
    arms = [
        arm.model_copy(
            update={
                "label": text,
                "retain": text,
                "metrics": {"restoration": Value(value=None, n=1, note=text), text: Value(value=0.5, n=1, note=text)},
            }
        )
        for arm in results.summary[-2:]
    ]
    figure = MetricInfo(name="own", title=text, short=text, meaning=text)
    study = results.study.model_copy(update={"name": text, "protocol": text})
    hostile = results.model_copy(update={"summary": arms, "figures": [figure], "study": study})
    table = arm_table(hostile)
    unsafe = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
    for width in (60, 80, 200):
        shown = plain(table, width)
        assert not re.search(unsafe, shown)
        assert max(map(cell_len, shown.splitlines())) <= width
        assert len(shown) < 20_000
    markdown = to_markdown(table)
    assert not re.search(unsafe, markdown)
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in markdown.splitlines() if line.startswith("|")}) == 1
    assert not re.search(r"(?<!\\)<(?=[a-zA-Z/!])", markdown)
    json.dumps(to_json_rows(table)).encode()


def test_an_arm_that_was_not_made_says_nothing_about_what_was_asked():
    results = make_study()[0]
    before = arm_table(results).caption
    last = results.summary[-1]
    metrics = {name: value.model_copy(update={"n": 0, "value": None}) for name, value in last.metrics.items()}
    failed = results.model_copy(
        update={"summary": [*results.summary[:-1], last.model_copy(update={"metrics": metrics})]}
    )
    assert arm_table(failed).caption == before
