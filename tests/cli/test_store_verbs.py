from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from cyclopts import App

from restor.cli.clean import clean
from restor.cli.common import default_store, size
from restor.cli.status import status
from restor.cli.verify import verify
from restor.errors import StoreError
from restor.results import Cost
from restor.store.keys import ArtifactId
from restor.store.store import Store


@pytest.fixture
def app(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    app = App(result_action="return_value")
    for verb in (status, verify, clean):
        app.command(verb)
    return app


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RESTOR_STORE", raising=False)
    store = Store.open(default_store())
    for seed in (0, 1):
        with store.claim(stage(seed)) as claim:
            (claim.directory / "model.bin").write_bytes(b"x" * 3000)
            claim.finish(task={}, versions={}, cost=Cost())
    texts = {
        "stages.json": json.dumps([{"stage": "corrupt", "key": stage(0).key}]).encode(),
        "results.json": b'{"study": {"name": "Quick [x]", "created": "2026-01-02T03:04:05+00:00"}}',
    }
    store.studies.write("first", texts, [stage(0).label])
    return store


def stage(seed):
    return ArtifactId("corrupt", {}, {}, seed, "code")


def test_the_store_is_the_option_or_the_variable_or_the_folder_here(monkeypatch, tmp_path, app, store, capsys):
    assert str(default_store()) == "restor-store"
    monkeypatch.setenv("RESTOR_STORE", str(tmp_path / "other"))
    assert default_store() == tmp_path / "other"
    with pytest.raises(StoreError, match=r"There is no store at .*other"):
        app(["status"])
    app(["status", "--store", str(store.path)])
    assert "2 stages" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["status", "verify", "clean"])
def test_no_verb_makes_a_store(monkeypatch, tmp_path, app, verb):
    with pytest.raises(StoreError, match="There is no store"):
        app([verb, "--store", str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()


def test_status_shows_stages_studies_and_the_total(app, store, capsys):
    app(["status"])
    out = capsys.readouterr().out
    assert stage(0).key[:8] in out
    assert stage(1).key[:8] in out
    assert "done" in out
    assert "Quick [x]" in out
    assert "2026-01-02 03:04:05" in out
    assert "2 stages, 7." in out
    assert "KB; 1 study." in out


def test_status_has_studies_first_and_their_stages_by_arm(app, store, capsys):
    listed = [
        {"stage": "corrupt", "key": stage(seed).key, "arm": arm} for seed, arm in ((1, "corrupted/s1"), (7, "npo [a]"))
    ]
    texts = {"stages.json": json.dumps(listed).encode()}
    store.studies.write("begun", texts, [stage(seed).label for seed in (1, 7)])
    with store.claim(stage(7)):
        app(["status"])
        shown = capsys.readouterr().out
        app(["status", "--json"])
    lines = shown.splitlines()
    at = [next(place for place, line in enumerate(lines) if text in line) for text in ("Studies in", "Stages of begun")]
    assert at == sorted(at)
    study = next(line for line in lines if "│ begun" in line)
    assert "(no results yet)" in study
    assert "1 of 2" in study
    rows = [line for line in lines if "│ corrupt " in line]
    assert [line.split("│")[1].strip() for line in rows] == ["corrupted/s1", "npo [a]", "–"], "in the study's order"
    assert "running" in rows[1]
    assert "Stages of first" in shown, "a study that does not say for which arms"
    content = json.loads(capsys.readouterr().out)
    assert {item["key"]: item["studies"] for item in content["stages"]} == {
        stage(0).key: {"first": None},
        stage(1).key: {"begun": "corrupted/s1"},
        stage(7).key: {"begun": "npo [a]"},
    }
    assert [item["done"] for item in content["studies"]] == [1, 1]


def test_status_names_what_runs_and_what_is_damaged(app, store, capsys):
    (store.find(stage(0)).path / "model.bin").unlink()
    with store.claim(stage(7)):
        app(["status"])
    out = capsys.readouterr().out
    assert f"running, process {os.getpid()} on" in out
    assert f"corrupt-{stage(0).key} is damaged: file model.bin was removed" in out


def test_status_as_json(app, store, capsys):
    app(["status", "--json"])
    content = json.loads(capsys.readouterr().out)
    assert {item["key"] for item in content["stages"]} == {stage(0).key, stage(1).key}
    assert content["bytes"] == sum(item["bytes"] for item in content["stages"])
    assert content["studies"] == [
        {
            "id": "first",
            "name": "Quick [x]",
            "created": "2026-01-02T03:04:05+00:00",
            "stages": 1,
            "done": 1,
            "problems": [],
        }
    ]


def test_verify_names_every_problem_and_exits_with_1(app, store, capsys):
    app(["verify"])
    assert "is sound" in capsys.readouterr().out
    for seed in (0, 1):
        (store.find(stage(seed)).path / "model.bin").write_bytes(b"y" * 3000)
    with pytest.raises(SystemExit) as caught:
        app(["verify"])
    assert caught.value.code == 1
    out = capsys.readouterr().out
    for seed in (0, 1):
        assert f"artifact corrupt-{stage(seed).key}: file model.bin was changed, its SHA-256 is another" in out
    assert "2 problems" in out


def test_clean_shows_and_frees_what_no_study_needs(app, store, capsys):
    app(["clean", "--dry-run"])
    out = capsys.readouterr().out
    assert "Would free 3." in out
    assert stage(1).key[:8] in out
    assert stage(0).key[:8] not in out
    assert store.find(stage(1)) is not None
    app(["clean"])
    assert "Freed 3." in capsys.readouterr().out
    assert store.find(stage(1)) is None
    assert store.find(stage(0)) is not None
    app(["clean"])
    assert "Nothing to remove" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 KB"), (999_999, "1.0 MB"), (2 * 10**9, "2.0 GB"), (5 * 10**12, "5.0 TB")],
)
def test_sizes_for_people(count, text):
    assert size(count) == text


def test_importing_the_verbs_imports_nothing_heavy():
    program = (
        "import sys\nfrom restor.cli import clean, common, status, verify\n"
        "assert not {'torch', 'rich', 'pydantic', 'filelock', 'json'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
