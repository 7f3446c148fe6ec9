from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from synthetic_study import make_study, write_study

from restor.cli.report import report
from restor.errors import DataError


@pytest.fixture
def store(tmp_path):
    for number, name in enumerate(("first", "second")):
        results, facts = make_study(people=2, untouched=1)
        study = results.study.model_copy(update={"id": name})
        folder = write_study(tmp_path / "studies" / name, results.model_copy(update={"study": study}), facts)
        os.utime(folder / "results.json", (1_000 + number, 1_000 + number))
    return tmp_path


def test_the_newest_study_is_shown(store, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    report(store=store)
    text = capsys.readouterr().out
    assert "CONTROLS" in text
    assert "UNDIAL" in text
    assert "Of 7 unlearning methods without an earlier copy of the model, " in " ".join(text.split()), (
        "the finding stands below the table"
    )
    assert "What limits this:" in text


def test_json_holds_figures_of_the_chosen_study(store, capsys):
    report(Path("first"), store=store, format="json")
    given = json.loads(capsys.readouterr().out)
    assert given["study"]["id"] == "first"
    assert given["table"][0]["metrics"]["test.original"]["n"] == 8


def test_the_page_is_made_from_the_two_files_alone(store, capsys):
    folder = store / "studies" / "first"
    report(folder / "results.json", format="html")
    assert Path(capsys.readouterr().out.strip()) == folder / "report.html"
    assert (folder / "report.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("format", ["terminal", "md", "json", "html", "csv", "latex", "bibtex"])
def test_out_takes_any_format(store, tmp_path, capsys, format):
    report(store=store, format=format, out=tmp_path / "out")
    assert ("Model State" if format == "bibtex" else "MSA") in (tmp_path / "out").read_text()
    assert capsys.readouterr().out.strip() == str(tmp_path / "out")


def test_latex_and_csv_are_ready_to_paste(store, capsys):
    report(Path("first"), store=store, format="latex")
    assert capsys.readouterr().out.count("\\toprule") == 1
    report(Path("first"), store=store, format="csv")
    head, first = capsys.readouterr().out.splitlines()[:2]
    assert head.startswith("study,id,label,")
    assert first.startswith("first,clean,Clean,")


def test_no_study(tmp_path, store):
    with pytest.raises(DataError, match="has no finished study"):
        report(store=tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"no study 'third'.*Newest there: second, first"):
        report(Path("third"), store=store)


def test_a_file_is_no_store_and_a_study_that_runs_has_no_report(tmp_path, store):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is a file and no store"):
        report(store=tmp_path / "file")
    (tmp_path / "store" / "studies" / "begun").mkdir(parents=True)
    with pytest.raises(DataError, match=r"'begun' has not finished. `restor run`"):
        report(Path("begun"), store=tmp_path / "store")
