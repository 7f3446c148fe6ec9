"""Damaged results, plotted: one message and no file. Missing figures and models: a marked gap in every output."""

from __future__ import annotations

import csv
import io
import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic_study import make_study, write_study

from restor.cli.main import main

COMMANDS = {
    "terminal": ["report"],
    "md": ["report", "--format", "md"],
    "csv": ["report", "--format", "csv"],
    "latex": ["report", "--format", "latex"],
    "html": ["report", "--format", "html"],
    "compare": ["compare"],
    "plot": ["plot", "--figure", "restoration,transitions", "--format", "svg", "--arms", "msa"],
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    results, facts = make_study(people=2, untouched=1)
    return write_study(tmp_path_factory.mktemp("whole"), results, facts)


@pytest.fixture
def study(whole, tmp_path):
    """A copy that a test may damage."""
    folder = tmp_path / "study"
    folder.mkdir()
    for file in whole.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def run(name, study, out):
    verb, *rest = COMMANDS[name]
    return main([verb, str(study), *rest, "--out", str(out)])


def edited(study, change):
    raw = json.loads((study / "results.json").read_text(encoding="utf-8"))
    change(raw)
    (study / "results.json").write_text(json.dumps(raw), encoding="utf-8")


def cut(study):
    file = study / "results.json"
    file.write_bytes(file.read_bytes()[:-200])


def replaced(table, column, value):
    return table.set_column(table.column_names.index(column), column, pa.array([value] * len(table)))


def first_of(raw, name):
    return next(arm for arm in raw["summary"] if arm["arm"] == name)


REFUSED = {
    "cut short": (cut, "is cut short"),
    "empty": (lambda study: (study / "results.json").write_text(""), "is empty"),
    "gone": (lambda study: (study / "results.json").unlink(), "There is no"),
    "of an older version": (lambda study: edited(study, lambda raw: raw.update(format=1)), "reads format 2"),
    "of a newer version": (lambda study: edited(study, lambda raw: raw.update(format=3)), "reads format 2"),
    "not a number": (
        lambda study: edited(study, lambda raw: raw["summary"][5]["metrics"]["restoration"].update(value=math.nan)),
        "contains NaN",
    ),
    "too large a number": (
        lambda study: (study / "results.json").write_text(
            (study / "results.json").read_text().replace('"seconds":', '"seconds":1e999,"was":', 1)
        ),
        "is too large for a number",
    ),
    "without arms": (lambda study: edited(study, lambda raw: raw.update(summary=[])), "nothing to report"),
    "an arm twice": (
        lambda study: edited(study, lambda raw: raw["summary"].append(raw["summary"][0])),
        "more than once",
    ),
}


@pytest.mark.parametrize("damage", REFUSED)
def test_results_that_cannot_be_read(study, tmp_path, capsys, damage):
    damaging, said = REFUSED[damage]
    damaging(study)
    before = sorted(tmp_path.rglob("*"))
    assert run("plot", study, tmp_path / "out") == 1
    told = capsys.readouterr()
    assert said in told.err
    assert "results.json" in told.err
    assert "Traceback" not in told.err
    assert told.out == ""
    assert sorted(tmp_path.rglob("*")) == before, "nothing is written"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda table: table.drop_columns(["judgement"]), "lacks the column 'judgement'"),
        (lambda table: replaced(table, "arm", "another/s0"), "another/s0"),
        (lambda table: replaced(table, "answer_shown", "what"), "of another type"),
        (lambda table: table.slice(0, 0), "has no facts"),
    ],
)
def test_facts_that_cannot_be_read_or_belong_to_others(study, tmp_path, capsys, damage, said):
    table = pq.read_table(study / "facts.parquet")
    pq.write_table(damage(table), study / "facts.parquet")
    before = sorted(tmp_path.rglob("*"))
    assert run("plot", study, tmp_path / "out") == 1
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert sorted(tmp_path.rglob("*")) == before


def test_a_figure_that_is_missing_is_a_gap_everywhere(study, tmp_path):
    def change(raw):
        del first_of(raw, "msa")["metrics"]["restoration"]

    edited(study, change)
    for name in ("terminal", "md", "latex", "html"):
        assert run(name, study, tmp_path / name) == 0
    row = next(line for line in (tmp_path / "md").read_text(encoding="utf-8").splitlines() if "MSA" in line)
    assert "–" in row
    assert run("csv", study, tmp_path / "csv") == 0
    rows = csv.DictReader(io.StringIO((tmp_path / "csv").read_text(encoding="utf-8")))
    (value,) = [row for row in rows if row["arm"] == "msa" and row["figure"] == "restoration"]
    assert (value["value"], value["note"]) == ("", "not measured in this study")
    assert main(["plot", str(study), "--figure", "restoration", "--out", str(tmp_path / "a.svg")]) == 0
    assert ">–<" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_what_needs_a_model_that_is_missing_is_left_out_and_said(study, tmp_path, capsys):
    def change(raw):
        for name in ("arms", "summary"):
            raw[name] = [{**arm, "tests": []} for arm in raw[name] if arm["arm"] not in ("ideal", "clean")]

    edited(study, change)
    table = pq.read_table(study / "facts.parquet")
    kept = [not arm.startswith(("ideal/", "clean/")) for arm in table["arm"].to_pylist()]
    pq.write_table(table.filter(pa.array(kept)), study / "facts.parquet")
    for name in ("terminal", "md", "html", "compare"):
        assert run(name, study, tmp_path / name) == 0
    assert main(["plot", str(study), "--out", str(tmp_path / "plots"), "--format", "svg", "--arms", "msa"]) == 0
    assert "Not drawn: transitions, as the study has no clean model to start from." in capsys.readouterr().err


def test_two_studies_of_different_facts_share_no_table_and_no_line(tmp_path, capsys):
    folders = []
    for name, people, k in (("a", 2, 0), ("b", 3, 4)):
        results, facts = make_study(people=people, untouched=1)
        config = {**results.study.config, "corruption": {"corruptor": {"k": k}}}
        study = results.study.model_copy(update={"id": name, "config": config, "data_sha256": {"facts": name * 64}})
        folders.append(str(write_study(tmp_path / name, results.model_copy(update={"study": study}), facts)))
    assert main(["compare", *folders]) == 0
    assert "B has other facts" in " ".join(capsys.readouterr().out.split())
    assert main(["plot", *folders, "--figure", "against", "--out", str(tmp_path / "x.svg")]) == 1
    assert "no two arms with a restoration that differ in one number alone" in capsys.readouterr().err
    assert not (tmp_path / "x.svg").exists()
