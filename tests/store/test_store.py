from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from restor.errors import StoreError
from restor.results import Cost
from restor.store import store as store_module
from restor.store.keys import ArtifactId
from restor.store.store import STORE_FORMAT, State, Store

# Makes a stage with `seed` as another process: argv = store, seed, what to do.
MAKER = """
import sys, time
from pathlib import Path
from restor.store.keys import ArtifactId
from restor.store.store import Store
from restor.results import Cost

path, seed, what = sys.argv[1:]
stage = ArtifactId("corrupt", {"rate": 1}, {}, int(seed), "code")

def say(text):
    print(text, flush=True)

with Store.open(Path(path)).claim(stage, notify=say) as claim:
    if claim.artifact is not None:
        say("found")
    else:
        say("making")
        (claim.directory / "half").write_text("half")
        claim.resume.mkdir(exist_ok=True)
        (claim.resume / "step").write_text("7")
        say("ready")
        if what == "hang":
            time.sleep(60)
        if what == "wait":
            sys.stdin.readline()
        (claim.directory / "half").rename(claim.directory / "whole")
        with open(Path(path) / "made", "a") as log:
            log.write("x")
        claim.finish(task={}, versions={}, cost=Cost())
        say("finished")
"""


def stage(name="corrupt", seed=0, **parents):
    return ArtifactId(name, {"rate": 1}, {role: of.key for role, of in parents.items()}, seed, "code")


def make(store, wanted, files=None, **finish):
    """A finished artifact, made anew or found; the directory's content at the start is checked to be empty."""
    with store.claim(wanted) as claim:
        if claim.artifact is not None:
            return claim.artifact
        assert list(claim.directory.iterdir()) == []
        for name, content in (files or {"model.bin": "weights", "sub/log.txt": "log"}).items():
            (claim.directory / name).parent.mkdir(exist_ok=True)
            (claim.directory / name).write_text(content)
        return claim.finish(**{"task": {"rate": 1}, "versions": {"restor": "0"}, "cost": Cost(), **finish})


def study(store, name, *stages, results=True):
    texts = {"stages.json": json.dumps([{"stage": item.kind, "key": item.key} for item in stages]).encode()}
    if results:
        texts["results.json"] = json.dumps({"study": {"name": name.upper(), "created": "2026-01-02"}}).encode()
    store.studies.write(name, texts, [item.label for item in stages])
    return store.path / "studies" / name


@contextmanager
def process(store, seed=0, what="finish"):
    """Another process that makes a stage; killed at the end at the latest."""
    running = subprocess.Popen(
        [sys.executable, "-c", MAKER, str(store.path), str(seed), what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def until(running, line):
    seen = []
    while not seen or seen[-1] != line:
        text = running.stdout.readline()
        assert text, f"ended before {line!r}, said {seen}"
        seen.append(text.strip())
    return seen


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "store")


class TestOpen:
    def test_a_new_store_states_its_format_and_opens_again(self, tmp_path):
        Store.open(tmp_path / "a" / "store")
        assert json.loads((tmp_path / "a" / "store" / "store.json").read_text()) == {"format": STORE_FORMAT}
        assert Store.open(tmp_path / "a" / "store", create=False).entries() == []

    def test_an_empty_folder_and_one_where_another_process_just_begins_become_stores(self, tmp_path):
        (tmp_path / ".restor-0123.tmp").write_text("")
        Store.open(tmp_path)
        assert (tmp_path / "store.json").exists()

    def test_a_missing_store_is_not_made_by_a_reader(self, tmp_path):
        with pytest.raises(StoreError, match=r"There is no store at .*RESTOR_STORE"):
            Store.open(tmp_path / "none", create=False)
        assert not (tmp_path / "none").exists()

    def test_a_file_is_refused(self, tmp_path):
        (tmp_path / "file").write_text("mine")
        with pytest.raises(StoreError, match="is a file"):
            Store.open(tmp_path / "file")
        with pytest.raises(StoreError, match="Not a directory"):
            Store.open(tmp_path / "file" / "store")

    @pytest.mark.parametrize("create", [True, False])
    def test_a_folder_of_other_files_is_not_adopted(self, tmp_path, create):
        (tmp_path / "thesis.tex").write_text("mine")
        with pytest.raises(StoreError, match="is not a store"):
            Store.open(tmp_path, create=create)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]

    def test_another_format_is_named_with_the_one_that_can_be_read(self, store):
        (store.path / "store.json").write_text('{"format": 7}')
        with pytest.raises(StoreError, match=r"has format 7, this restor reads format 2\. Use the restor that made it"):
            Store.open(store.path)

    @pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"format": "1"}', '{"format": true}', "{}", "\x00"])
    def test_a_garbled_marker_is_named(self, store, content):
        (store.path / "store.json").write_text(content)
        with pytest.raises(StoreError, match=r"store\.json is garbled"):
            Store.open(store.path)

    def test_a_read_only_store_is_refused_for_writing_and_read_by_readers(self, store, monkeypatch):
        made = make(store, stage())
        monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)  # root may write to anything
        with pytest.raises(StoreError, match="read-only for this user"):
            Store.open(store.path)
        assert Store.open(store.path, create=False).find(stage()) == made

    def test_a_read_only_disk_is_named(self, tmp_path, monkeypatch):
        def refuse(*args, **kwargs):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(os, "replace", refuse)
        with pytest.raises(StoreError, match=r"Not allowed to write .*another folder with --store"):
            Store.open(tmp_path / "store")


class TestRoundTrip:
    def test_what_is_finished_is_found_with_all_that_was_said_about_it(self, store):
        clean = stage("clean")
        make(store, clean)
        wanted = stage(start=clean)
        began = datetime.now(UTC) - timedelta(seconds=100)
        cost = Cost(seconds=3, steps=4, tokens=5, peak_memory_mb=6)
        made = make(store, wanted, versions={"torch": "2"}, cost=cost, info={"loss": [1.5]}, started=began)
        found = Store.open(store.path).find(wanted)
        assert found == made
        manifest = found.manifest
        assert found.path == store.path / "artifacts" / f"corrupt-{wanted.key}"
        assert (manifest.stage, manifest.key, manifest.seed, manifest.task) == ("corrupt", wanted.key, 0, {"rate": 1})
        assert manifest.parents == {"start": clean.key}
        assert manifest.code == wanted.code
        assert (manifest.versions, manifest.cost, manifest.info) == ({"torch": "2"}, cost, {"loss": [1.5]})
        assert sorted(manifest.files) == ["model.bin", "sub/log.txt"]
        assert manifest.files["model.bin"].bytes == 7
        assert 100 <= manifest.seconds < 130
        assert manifest.started == began.isoformat(timespec="seconds")
        assert manifest.finished.endswith("+00:00")

    def test_a_second_claim_hands_out_the_artifact(self, store):
        made = make(store, stage())
        with store.claim(stage()) as claim:
            assert claim.artifact == made
            with pytest.raises(StoreError, match="finished already"):
                claim.finish(task={}, versions={}, cost=Cost())

    def test_nobody_is_named_as_the_maker_of_what_is_finished(self, store):
        make(store, stage())
        assert [path.suffix for path in (store.path / "locks").iterdir()] == [".lock"]

    def test_what_was_never_made_is_not_found(self, store):
        make(store, stage())
        assert store.find(stage(seed=1)) is None

    def test_a_block_that_raises_leaves_the_stage_unfinished_and_free(self, store):
        def fail():
            with store.claim(stage()) as claim:
                (claim.directory / "model.bin").write_text("half")
                claim.resume.mkdir()
                (claim.resume / "step").write_text("3")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert store.find(stage()) is None
        assert [entry.state for entry in store.entries()] == [State.UNFINISHED]
        with store.claim(stage()) as claim:
            assert [path.name for path in claim.directory.iterdir()] == ["resume"]
            assert (claim.resume / "step").read_text() == "3"
            made = claim.finish(task={}, versions={}, cost=Cost())
        assert made.manifest.files == {}
        assert not claim.resume.exists()

    @pytest.mark.parametrize("written", ["manifest.json", "DONE"])
    def test_a_stop_while_finishing_leaves_the_stage_unfinished(self, store, monkeypatch, written):
        real = store_module.write_atomic

        def stop(path, data):
            if path.name == written:
                raise KeyboardInterrupt
            real(path, data)

        monkeypatch.setattr(store_module, "write_atomic", stop)
        with pytest.raises(KeyboardInterrupt):
            make(store, stage())
        monkeypatch.undo()
        told = []
        assert store.find(stage(), told.append) is None
        assert told == []
        assert store.find(stage()) is None
        assert make(store, stage()) == store.find(stage())

    def test_a_full_disk_in_the_block_is_a_store_error_and_other_errors_pass(self, store):
        with pytest.raises(StoreError, match="No room to write"), store.claim(stage()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with pytest.raises(FileNotFoundError), store.claim(stage()):
            raise FileNotFoundError(errno.ENOENT, "mine", "facts.jsonl")

    def test_a_full_disk_while_finishing_loses_nothing_that_was_finished(self, store, monkeypatch):
        made = make(store, stage())

        def full(*args):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with store.claim(stage(seed=1)) as claim:
            monkeypatch.setattr(os, "replace", full)
            with pytest.raises(StoreError, match="No room to write"):
                claim.finish(task={}, versions={}, cost=Cost())
            monkeypatch.undo()
        assert store.find(stage()) == made
        assert store.find(stage(seed=1)) is None
        assert store.verify() == []


def remove_file(directory):
    (directory / "sub" / "log.txt").unlink()


def truncate_file(directory):
    (directory / "model.bin").write_text("weigh")


def change_file(directory):
    (directory / "model.bin").write_text("weighty")


def remove_manifest(directory):
    (directory / "manifest.json").unlink()


def garble_manifest(directory):
    (directory / "manifest.json").write_text("{")


def edit_manifest(directory):
    text = (directory / "manifest.json").read_text()
    (directory / "manifest.json").write_text(
        text.replace('"restor":"0"', '"restor":"1"').replace('"seed": 0', '"seed": 9')
    )


def change_done(directory):
    (directory / "DONE").write_text("0" * 64)


def rename_folder(directory):
    """As if the folder of another seed had got this name."""
    text = (directory / "manifest.json").read_bytes().replace(stage().key.encode(), stage(seed=5).key.encode())
    (directory / "manifest.json").write_bytes(text)
    (directory / "DONE").write_text(hashlib.sha256(text).hexdigest())


DAMAGES = [
    (remove_file, r"sub/log\.txt was removed"),
    (truncate_file, r"model\.bin was changed, it has 5 bytes instead of 7"),
    (change_file, r"model\.bin was changed, its SHA-256"),
    (remove_manifest, r"manifest\.json was removed"),
    (garble_manifest, r"manifest\.json is garbled"),
    (edit_manifest, r"manifest\.json was changed"),
    (change_done, r"DONE holds another digest"),
    (rename_folder, r"its folder was renamed"),
]


class TestDamage:
    @pytest.mark.parametrize(("damage", "message"), DAMAGES)
    def test_damage_is_named_and_the_artifact_is_made_again(self, store, damage, message):
        artifact = make(store, stage())
        damage(artifact.path)
        (artifact.path / "resume").mkdir()  # of a damaged artifact nothing is kept
        told = []
        assert store.find(stage(), told.append) is None
        assert len(told) == 1
        assert re.search(message, told[0])
        assert stage().label in told[0]
        assert "will be made again" in told[0]
        problems = store.verify()
        assert [problem.where for problem in problems] == [f"artifact {stage().label}"]
        assert re.search(message, problems[0].what)
        again = make(store, stage())
        assert store.find(stage()) == again
        assert store.verify() == []
        assert [path.name for path in (store.path / "artifacts").iterdir()] == [stage().label]

    def test_a_large_file_is_compared_by_size_at_use_and_read_by_verify(self, store, monkeypatch):
        artifact = make(store, stage())
        monkeypatch.setattr(store_module, "HASHED_AT_USE", 7)
        change_file(artifact.path)
        assert store.find(stage()) == artifact
        assert len(store.verify()) == 1
        truncate_file(artifact.path)
        assert store.find(stage()) is None

    def test_a_removed_marker_means_unfinished_not_damaged(self, store):
        (make(store, stage()).path / "DONE").unlink()
        told = []
        assert store.find(stage(), told.append) is None
        assert told == []
        assert store.verify() == []

    def test_damage_is_listed(self, store):
        remove_file(make(store, stage()).path)
        (entry,) = store.entries()
        assert entry.state is State.DAMAGED
        assert "log.txt" in entry.damage


class TestProcesses:
    def test_a_stage_is_made_once_and_the_waiting_process_is_told_by_whom(self, store):
        with process(store, what="wait") as first:
            until(first, "ready")
            with process(store) as second:
                message = second.stdout.readline()
                assert f"Waiting for process {first.pid} on" in message
                assert stage().label in message
                time.sleep(3 * store_module.POLL_SECONDS)  # it asks again, silently
                first.stdin.write("\n")
                first.stdin.flush()
                assert until(second, "found") == ["found"]  # and told only once
                until(first, "finished")
        assert (store.path / "made").read_text() == "x"
        assert store.find(stage()) is not None

    def test_another_stage_need_not_wait(self, store):
        with process(store, what="hang") as first:
            until(first, "ready")
            make(store, stage(seed=1))
            (entry,) = [entry for entry in store.entries() if entry.key == stage().key]
            assert (entry.state, entry.pid) == (State.RUNNING, first.pid)

    def test_after_a_kill_the_next_process_goes_on_and_nothing_finished_is_lost(self, store):
        finished = make(store, stage(seed=1))
        with process(store, what="hang") as first:
            until(first, "ready")
            first.send_signal(signal.SIGKILL)
            first.wait()
        assert [entry.state for entry in store.entries() if entry.key == stage().key] == [State.UNFINISHED]
        told = []
        start = time.monotonic()
        with store.claim(stage(), told.append) as claim:
            assert time.monotonic() - start < 2
            assert claim.artifact is None
            assert [path.name for path in claim.directory.iterdir()] == ["resume"]
            assert (claim.resume / "step").read_text() == "7"
            claim.finish(task={}, versions={}, cost=Cost())
        assert told == []
        assert store.find(stage(seed=1)) == finished
        assert store.verify() == []

    def test_a_process_that_waits_takes_over_from_a_killed_one(self, store):
        with process(store, what="hang") as first:
            until(first, "ready")
            with process(store) as second:
                assert "Waiting" in second.stdout.readline()
                first.send_signal(signal.SIGKILL)
                assert until(second, "finished")[0] == "making"

    def test_listing_does_not_keep_anyone_waiting(self, store):
        """The lock is tried by many while one claims: nobody is told to wait, and no state is wrong."""
        make(store, stage())
        stop = threading.Event()
        states = set()

        def look():
            while not stop.is_set():
                states.update(entry.state for entry in store.entries())

        threads = [threading.Thread(target=look) for _ in range(2)]
        for thread in threads:
            thread.start()
        told = []
        for _ in range(3):
            with store.claim(stage(), told.append) as claim:
                assert claim.artifact is not None
        stop.set()
        for thread in threads:
            thread.join()
        assert told == []
        assert states == {State.DONE}


class TestEntries:
    def test_done_stages_have_their_figures(self, store):
        artifact = make(store, stage())
        (entry,) = store.entries()
        assert (entry.stage, entry.key, entry.state) == ("corrupt", stage().key, State.DONE)
        assert entry.bytes == sum(path.stat().st_size for path in artifact.path.rglob("*") if path.is_file())
        assert entry.finished == artifact.manifest.finished
        assert entry.seconds == artifact.manifest.seconds
        assert entry.pid is None

    def test_verify_reports_progress(self, store):
        make(store, stage())
        make(store, stage(seed=1))
        seen = []
        store.verify(lambda done, total, name: seen.append((done, total, name)))
        assert [item[:2] for item in seen] == [(0, 2), (1, 2)]
        assert {item[2] for item in seen} == {stage().label, stage(seed=1).label}


class TestStudies:
    def test_studies_are_listed_and_garbled_ones_named(self, store):
        study(store, "a", stage())
        study(store, "b", results=False)
        garbled = study(store, "c")
        (garbled / "results.json").write_text("{")
        (garbled / "stages.json").write_text("[1]")
        (store.path / "studies" / "empty").mkdir()
        first, second, third = store.studies.entries()
        assert (first.id, first.name, first.created) == ("a", "A", "2026-01-02")
        assert first.stages == (("corrupt", stage().key),)
        assert first.problems == ()
        assert (second.name, second.stages, second.problems) == (None, (), ())
        assert third.problems == ("results.json is garbled", "stages.json is garbled")
        assert {problem.where for problem in store.verify()} == {"study a", "study c"}

    def test_verify_names_artifacts_that_a_finished_study_misses(self, store):
        make(store, stage())
        study(store, "a", stage(), stage(seed=1))
        study(store, "b", stage(seed=2), results=False)  # still running
        (problem,) = store.verify()
        assert (problem.where, problem.what) == ("study a", f"its artifact {stage(seed=1).label} is missing")


class TestClean:
    def test_keeps_what_studies_refer_to_and_what_that_was_made_from(self, store):
        clean, other = stage("clean"), stage("clean", seed=1)
        corrupt = stage("corrupt", start=clean)
        for item in (clean, other, corrupt):
            make(store, item)
        half = stage("unlearn", start=corrupt)
        for item in (half, stage("unlearn", seed=1)):
            with store.claim(item) as claim:
                (claim.directory / "part").write_text("part")
        study(store, "a", corrupt)
        study(store, "b", half, results=False)
        before = {entry.path.name: entry.bytes for entry in store.entries()}
        dropped = {other.label, stage("unlearn", seed=1).label}
        would = store.clean(dry_run=True)
        assert {entry.path.name for entry in would} == dropped
        assert {entry.path.name for entry in store.entries()} == set(before)
        removed = store.clean(dry_run=False)
        assert removed == would
        assert {entry.path.name: entry.bytes for entry in removed} == {name: before[name] for name in dropped}
        assert {path.name for path in (store.path / "artifacts").iterdir()} == set(before) - dropped
        assert store.clean(dry_run=False) == []

    def test_leaves_alone_what_is_being_made(self, store):
        with process(store, what="wait") as first:
            until(first, "ready")
            assert store.clean(dry_run=True) == []
            assert store.clean(dry_run=False) == []
            first.stdin.write("\n")
            first.stdin.flush()
            until(first, "finished")
        assert store.find(stage()) is not None
        assert [entry.key for entry in store.clean(dry_run=False)] == [stage().key]

    @pytest.mark.parametrize("break_it", [lambda path: path.write_text("{"), lambda path: path.unlink()])
    def test_removes_nothing_when_a_study_cannot_say_what_it_needs(self, store, break_it):
        make(store, stage())
        break_it(study(store, "a", stage()) / "stages.json")
        with pytest.raises(StoreError, match=r"Cannot tell which artifacts the study .*a needs: stages\.json"):
            store.clean(dry_run=False)
        assert store.find(stage()) is not None

    def test_keeps_what_a_study_begins_to_refer_to_meanwhile(self, store, monkeypatch):
        make(store, stage())
        real = Store._lock

        def lock(self, label):
            if not (store.path / "studies" / "a").exists():
                study(store, "a", stage())
            return real(self, label)

        monkeypatch.setattr(Store, "_lock", lock)
        assert store.clean(dry_run=False) == []
        assert store.find(stage()) is not None

    def test_sweeps_what_a_killed_removal_left(self, store):
        make(store, stage()).path.rename(store.path / "artifacts" / ".removed-0123")
        assert store.entries() == []
        store.clean(dry_run=False)
        assert list((store.path / "artifacts").iterdir()) == []

    def test_what_was_removed_can_be_made_again(self, store):
        make(store, stage())
        store.clean(dry_run=False)
        assert make(store, stage()) == store.find(stage())
