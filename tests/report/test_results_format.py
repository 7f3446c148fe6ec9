"""docs/results-format.md names what the code stores."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from restor.evaluation.metrics.base import metric_infos
from restor.report.tables.metric_rows import FIGURE_COLUMNS
from restor.report.words.verdict_words import VERDICT_MEANINGS, legend_words
from restor.results import FACT_COLUMNS, RESULTS_FORMAT, Arm, MetricInfo, Results, Study, Value

TEXT = (Path(__file__).parents[2] / "docs" / "results-format.md").read_text(encoding="utf-8")


def rows_after(marker):
    table = TEXT.split(f"<!-- {marker}:")[1].split("\n\n")[0]
    return [tuple(part.strip() for part in line.strip("| ").split(" | ")) for line in table.splitlines()[3:]]


def test_documented_columns_are_the_stored_ones():
    assert [row[0].strip("`") for row in rows_after("columns")] == list(FACT_COLUMNS)


def test_documented_figures_say_what_their_metrics_say():
    """A metric of a user's own is one new file: it need not be here, as results.json describes it."""
    declared = {figure.name: figure.meaning for figure in metric_infos()}
    documented = {name.strip("`"): meaning for name, meaning in rows_after("metrics")}
    assert documented
    assert documented == {name: declared.get(name) for name in documented}


def test_the_verdicts_are_documented_in_the_words_of_the_page():
    assert rows_after("verdicts") == [
        (f"{said.glyph} {legend_words(kind)}", said.meaning) for kind, said in VERDICT_MEANINGS.items()
    ]
    kinds = next(line for line in TEXT.splitlines() if line.startswith("| `kind` | `restored`"))
    assert set(re.findall("`([a-z ]+)`", kinds)) == {"kind", *VERDICT_MEANINGS}


def test_the_columns_of_the_csv_are_documented():
    assert [name for name in FIGURE_COLUMNS if f"`{name}`" not in TEXT] == []


def test_the_documented_format_is_the_written_one():
    assert f"| `format` | {RESULTS_FORMAT};" in TEXT
    assert Results.model_fields["format"].default == RESULTS_FORMAT


def test_the_example_is_an_arm():
    example = re.search(r"```json\n(.*?)```", TEXT, re.DOTALL)[1]
    assert Arm.model_validate(json.loads(example)).metrics["test.original"].n == 192


@pytest.mark.parametrize("model", [Arm, Value, Study, MetricInfo, Results])
def test_every_field_is_documented(model):
    assert [name for name in model.model_fields if f"`{name}`" not in TEXT] == []
