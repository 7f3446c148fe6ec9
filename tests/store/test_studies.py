"""What a study must be stands outside of its folder, so what happened to the folder is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from restor.data.text_files import sweep, temporary_beside, write_atomic
from restor.errors import StoreError
from restor.results import Cost
from restor.store.keys import ArtifactId
from restor.store.store import Store


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "store")


def stage(seed=0):
    return ArtifactId("corrupt", {"rate": 1}, {}, seed, "code")


def made(store, seed=0):
    with store.claim(stage(seed)) as claim:
        (claim.directory / "model.bin").write_text("weights")
        return claim.finish(task={}, versions={}, cost=Cost())


def listed(*stages):
    return json.dumps([{"stage": item.kind, "key": item.key} for item in stages]).encode()


RESULTS = json.dumps({"study": {"name": "A", "created": "2026-01-02"}}).encode()
TEXTS = {
    "config.yaml": b"name: a\n",
    "results.json": RESULTS,
    "facts.parquet": b"facts",
    "report.html": b"<html></html>",
}


@pytest.fixture
def study(store):
    made(store)
    store.studies.write("a", TEXTS | {"stages.json": listed(stage())}, [stage().label])
    assert store.verify() == []
    return store.path / "studies" / "a"


def problems(store):
    return [(problem.where, problem.what) for problem in store.verify()]


@pytest.mark.parametrize("name", sorted({*TEXTS, "stages.json"}))
def test_a_changed_or_removed_file_of_a_study_is_found(store, study, name):
    before = (study / name).read_bytes()
    (study / name).write_bytes(before + b" ")
    assert problems(store) == [("study a", f"{name} was changed, its SHA-256 is another")]
    (study / name).unlink()
    assert {where for where, _ in problems(store)} == {"study a"}
    assert any(name in what and ("removed" in what or "missing" in what) for _, what in problems(store))


def test_files_of_nobody_are_found(store, study):
    (study / "notes.txt").write_text("mine")
    (store.path / "artifacts" / stage().label / "extra.bin").write_text("mine")
    os.mkfifo(store.path / "artifacts" / stage().label / "pipe")
    (store.path / "artifacts" / "stray").write_text("mine")
    (store.path / "more").mkdir()
    for own in ("threads.json", "precision.json"):
        (store.path / own).write_text("{}")  # what the store remembers of the machine
    (study / "plots").mkdir()  # where `restor plot` draws
    (study / "plots" / "cost.pdf").write_text("drawn")
    assert sorted(problems(store)) == [
        (f"artifact {stage().label}", "extra.bin is not a file of the artifact"),
        (f"artifact {stage().label}", "pipe is not a file of the artifact"),
        ("store", "artifacts/stray is not a file of a store"),
        ("store", "more is not a file of a store"),
        ("study a", "notes.txt is not a file of the study"),
    ]


def test_links_out_of_the_store_are_found_and_not_followed(store, study, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "report.html").write_bytes(TEXTS["report.html"])
    (study / "report.html").unlink()
    (study / "report.html").symlink_to(outside / "report.html")
    (store.path / "studies" / "b").symlink_to(outside)
    folder = store.path / "artifacts" / stage().label
    folder.rename(outside / folder.name)
    folder.symlink_to(outside / folder.name)
    assert sorted(problems(store)) == [
        (f"artifact {stage().label}", "its folder is a link that leads out of the store"),
        ("study a", f"its artifact {stage().label} is missing"),
        ("study a", "report.html is a link that leads out of the store"),
        ("study b", "its folder is a link that leads out of the store"),
    ]


def test_of_a_link_in_the_place_of_an_artifact_the_link_is_removed(store, study, tmp_path):
    outside = tmp_path / "outside"
    made(store, seed=1)
    (store.path / "artifacts" / stage(1).label).rename(outside)
    (store.path / "artifacts" / stage(1).label).symlink_to(outside)
    assert [entry.key for entry in store.clean(dry_run=False)] == [stage(1).key]
    assert (outside / "model.bin").exists()
    assert problems(store) == []


def pipe_for_a_record(store):
    record = store.path / "records" / "a.json"
    record.unlink()
    os.mkfifo(record)


@pytest.mark.parametrize(
    "break_it",
    [
        lambda store: (store.path / "studies" / "a" / "stages.json").write_text("[]"),
        lambda store: (store.path / "studies" / "a" / "stages.json").write_bytes(listed(stage(1))),
        lambda store: (store.path / "studies" / "a" / "stages.json").unlink(),
        lambda store: (store.path / "records" / "a.json").write_text("{"),
        lambda store: (store.path / "records" / "a.json").unlink(),
        pipe_for_a_record,
    ],
    ids=["emptied", "another list", "no list", "garbled record", "no record", "a pipe for a record"],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_damaged_list_is_an_error_and_nothing_is_cleaned(store, study, break_it, dry_run):
    break_it(store)
    with pytest.raises(StoreError, match=r"Cannot tell which artifacts the study .*a needs"):
        store.clean(dry_run=dry_run)
    assert store.find(stage()) is not None
    assert any(where == "study a" for where, _ in problems(store))


def test_what_results_were_made_from_stays_until_there_are_newer_results(store, study):
    made(store, seed=1)
    store.studies.write("a", {"stages.json": listed(stage(1))}, [stage(1).label])  # run again, then killed
    assert store.clean(dry_run=False) == []
    assert problems(store) == []
    store.studies.write("a", TEXTS, [stage(1).label])
    assert [entry.key for entry in store.clean(dry_run=False)] == [stage().key]
    assert problems(store) == []


def test_the_record_of_a_removed_study_goes_with_the_next_cleaning(store, study):
    for file in study.iterdir():
        file.unlink()
    study.rmdir()
    assert [entry.key for entry in store.clean(dry_run=False)] == [stage().key]
    assert list((store.path / "records").glob("*.json")) == []


WRITER = """
import os, sys
from pathlib import Path
from restor.data import text_files
replace = os.replace
def killed(*_):
    os.kill(os.getpid(), 9)
text_files.os.replace = killed
text_files.write_atomic(Path(sys.argv[1]), "new")
"""


def killed_write(path):
    assert subprocess.run([sys.executable, "-c", WRITER, str(path)], check=False).returncode == -9
    assert len(list(path.parent.glob(".restor-*"))) == 1


def test_what_a_killed_process_half_wrote_goes_with_the_next_write(tmp_path):
    killed_write(tmp_path / "facts.json")
    write_atomic(tmp_path / "other.json", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["other.json"]


def test_cleaning_removes_what_killed_processes_half_wrote(store, study):
    killed_write(study / "report.html")
    killed_write(store.path / "threads.json")
    assert store.clean(dry_run=False) == []
    assert list(store.path.rglob(".restor-*")) == []
    assert problems(store) == []


def test_what_others_still_write_stays(tmp_path):
    mine = temporary_beside(tmp_path / "facts.json")
    elsewhere = tmp_path / f".restor-00000000-1-{'0' * 16}.tmp"  # a process of another machine
    forgotten = tmp_path / f".restor-00000000-2-{'0' * 16}.tmp"
    for path in (mine, elsewhere, forgotten):
        path.write_text("half")
    os.utime(forgotten, (0, 0))
    sweep(tmp_path)
    assert set(tmp_path.iterdir()) == {mine, elsewhere}
