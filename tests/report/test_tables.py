from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from synthetic_study import make_study

from restor.report.tables import arm_table, to_json_rows, to_markdown, to_rich
from restor.results import METRICS, Value


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


def test_every_metric_has_a_column(results):
    assert {column.key for column in arm_table(results).columns} >= set(METRICS)


def test_sections_come_in_order_and_hold_all_arms(results):
    sections = arm_table(results).sections
    assert [kind.value for kind, _ in sections] == ["reference", "control", "method"]
    assert sum(len(rows) for _, rows in sections) == len(results.summary)


def test_values_are_shown(results):
    shown = with_value(
        results, "msa", "restoration", Value(value=0.917, ci_low=0.6412, ci_high=1.031, n=32, n_entities=8)
    )
    row = next(line for line in plain(arm_table(shown), 120).splitlines() if line.startswith("MSA"))
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
    ("width", "gone"), [(120, []), (100, ["Log-p"]), (80, ["Log-p", "er-up", "Sec."]), (40, ["Log-p", "Bud-"])]
)
def test_the_terminal_is_never_overrun(results, width, gone):
    text = plain(arm_table(results), width)
    assert max(map(len, text.splitlines())) <= width
    head = "".join(text.splitlines(keepends=True)[:2])
    assert not [word for word in gone if word in head]
    assert ("Left out of this narrow terminal" in text) == bool(gone)
    if width >= 80:
        assert "Restoration" in head
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
    value = Value(value=0.5, ci_low=0.4, ci_high=0.6, n=29, n_entities=8, n_unscored=3)
    caption = arm_table(with_value(results, "msa", "test.original", value)).caption
    assert "29 to 32 facts" in caption
    assert "unscored answers, left out of the shares: 3 in MSA" in caption


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
