from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys

import pytest
from synthetic_study import make_study, write_study

from restor.cli.main import main


@pytest.fixture
def store(tmp_path):
    for name, people in (("first", 2), ("second", 2), ("third", 3)):
        results, facts = make_study(people=people, untouched=1)
        study = results.study.model_copy(update={"id": name})
        write_study(tmp_path / "studies" / name, results.model_copy(update={"study": study}), facts)
    return tmp_path


def test_ids_and_folders_side_by_side(store, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    second = str(store / "studies" / "second" / "results.json")
    assert main(["compare", "first", second, "--store", str(store), "--arms", "msa,retain_only"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 120
    lines = [line.split("  ")[0] for line in out.splitlines() if "MSA" in line]
    assert lines == ["A: MSA", "B: MSA"]
    assert "· A: Retain only" in out, "controls are apart"
    assert "UNDIAL" not in out
    assert "B: miniature (second)" in out
    assert "apart" not in out


def test_other_facts_are_said_first_and_never_share_a_table(store, capsys):
    assert main(["compare", "first", "third", "--store", str(store), "--arms", "msa"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("B stands apart from A: B has other facts.")
    assert out.index("A: MSA") < out.index("Table 1 of 2") < out.index("B: MSA") < out.index("Table 2 of 2")


@pytest.mark.parametrize("format", ["md", "json", "csv", "latex", "terminal", "html"])
def test_every_format_goes_to_the_terminal_or_a_file(store, tmp_path, capsys, format):
    command = ["compare", "first", "third", "--store", str(store), "--format", format]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "MSA" in text
    if format == "csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert {(row["table"], row["tag"], row["study"]) for row in rows} == {("1", "A", "first"), ("2", "B", "third")}
    elif format == "json":
        assert [[s["id"] for s in table["studies"]] for table in json.loads(text)["tables"]] == [["first"], ["third"]]
    else:
        assert "not to be compared" in " ".join(text.split())
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    assert "MSA" in (tmp_path / "out").read_text()


def test_what_cannot_be_compared_is_said(store, capsys):
    def said(*command):
        code = main(["compare", *command, "--store", str(store)])
        return code, capsys.readouterr().err

    assert said()[0] == 2
    assert said("first", "second", "--arms", ",")[0] == 2
    assert said("first", "second", "--format", "pdf")[0] == 2
    code, message = said("first", str(store / "studies" / "first"))
    assert code == 1
    assert "Name each study once" in message
    code, message = said("first", "fourth")
    assert code == 1
    assert "no study 'fourth'" in message
    code, message = said("first", "--arms", "nobody")
    assert code == 1
    assert "No study here has the arm 'nobody'" in message


def test_one_damaged_study_is_named_and_nothing_is_shown(store, capsys):
    file = store / "studies" / "second" / "results.json"
    whole = file.read_text()
    file.write_text(whole[:5000])
    assert main(["compare", "first", "second", "--store", str(store)]) == 1
    shown = capsys.readouterr()
    assert "cut short" in shown.err
    assert "second" in shown.err
    assert not shown.out
    file.write_text(whole.replace('"seconds":', '"seconds":NaN,"x":', 1))
    assert main(["compare", "first", "second", "--store", str(store)]) == 1
    assert "contains NaN" in capsys.readouterr().err
    file.write_text(whole)
    (file.parent / "facts.parquet").write_bytes(b"PAR1")
    assert main(["compare", "first", "second", "--store", str(store)]) == 1
    assert "facts.parquet cannot be read" in capsys.readouterr().err


def test_it_writes_nothing_into_the_studies_and_loads_no_torch(store):
    before = {file: file.stat().st_mtime_ns for file in store.rglob("*")}
    code = (
        "import sys; from restor.cli.main import main; "
        f"main(['compare', 'first', 'second', '--store', {str(store)!r}]); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert {file: file.stat().st_mtime_ns for file in store.rglob("*")} == before


def test_the_page_of_a_comparison_loads_nothing_runs_nothing_and_escapes(store, capsys):
    results, facts = make_study(people=2, untouched=1, hostile=True)
    write_study(store / "studies" / "hostile", results, facts)
    assert main(["compare", "first", "hostile", "--store", str(store), "--format", "html"]) == 0
    page = capsys.readouterr().out
    tags = set(re.findall(r"<(\w+)", page))
    assert tags <= set(
        "html head meta title style body main h1 h2 ul li div table caption thead tr th tbody td ol dl dt dd".split()
    )
    assert not re.search(r"<[^>]*\s(src|href|on\w+)\s*=", page)
    assert "&lt;/title&gt;&lt;script&gt;" in page
    assert "\x1b" not in page
    assert page.count("<table>") == 2
    assert "Controls (nothing is unlearned)" in page
    assert "◐ partly restored" in page
    assert "not to be compared with the others" in page
