from __future__ import annotations

import csv
import io

import pytest
from hostile import HOSTILE, danger
from synthetic_study import make_study

from representatives import one_for_each
from restor.report.tables.comma import to_csv
from restor.report.tables.metric_rows import FIGURE_COLUMNS
from restor.results import ArmVerdict, Value


@pytest.fixture(scope="module")
def results():
    return make_study(people=2, untouched=1)[0]


def read(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def changed(results, name, **fields):
    summary = [arm.model_copy(update=fields) if arm.id == name else arm for arm in results.summary]
    return results.model_copy(update={"summary": summary})


def of(rows, arm, figure):
    return next(row for row in rows if (row["id"], row["figure"]) == (arm, figure))


def test_one_row_per_arm_and_figure_with_all_digits(results):
    value = Value(value=-1 / 3, ci_low=-0.5, ci_high=0.1, n=8, n_entities=2, n_unscored=1, note="best control: A, B")
    verdict = ArmVerdict(kind="not unlearned", reason="planted answers stay")
    rows = read(to_csv(changed(results, "msa", metrics={"restoration": value}, verdict=verdict)))
    assert list(rows[0]) == list(FIGURE_COLUMNS)
    assert len(rows) == len(results.summary) * len(results.figures)
    row = of(rows, "msa", "restoration")
    assert float(row["value"]) == -1 / 3, "a negative number stays a number"
    assert (row["ci_low"], row["ci_high"], row["n"], row["n_entities"], row["n_unscored"]) == (
        "-0.5",
        "0.1",
        "8",
        "2",
        "1",
    )
    assert (row["note"], row["unit"], row["kind"], row["budget"]) == ("best control: A, B", "ratio", "method", "FC")
    assert (row["study"], row["verdict"]) == (results.study.id, "not unlearned")


def test_what_is_undefined_or_missing_is_empty_and_says_why(results):
    undefined = Value(value=None, n=8, note="the corruption did not bite")
    rows = read(to_csv(changed(results, "msa", metrics={"restoration": undefined}, budget=None)))
    row = of(rows, "msa", "restoration")
    assert (row["value"], row["ci_low"], row["note"]) == ("", "", "the corruption did not bite")
    assert row["budget"] == ""
    assert of(rows, "msa", "test.original")["note"] == "not measured in this study"


@one_for_each(danger)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_text_is_a_formula_or_breaks_its_cell(results, hostile):
    told = changed(
        results, "msa", label=hostile, retain=hostile, algorithm=hostile,
        metrics={hostile: Value(value=None, n=0, note=hostile)},
    )  # fmt: skip
    study = told.study.model_copy(update={"id": hostile})
    text = to_csv(told.model_copy(update={"study": study}))
    text.encode()
    rows = read(text)
    assert len(rows) == len(results.summary) * (len(results.figures) + 1) == len(text.splitlines()) - 1
    for row in rows:
        assert None not in row
        for name, cell in row.items():
            assert len(cell) <= 501
            if name not in ("value", "ci_low", "ci_high"):
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d"))
    label = next(row["label"] for row in rows if row["id"] == "msa")
    if hostile.startswith("=cmd"):
        assert label == f"'{hostile}"
