"""What a run keeps of where it is, and what is made of it: alive, stopped, failed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from stores import add, new_store

from heard import Heard
from restor.errors import DataError
from restor.progress import Running, Silent
from restor.runner.running import RunningFile, now, running
from restor.view.index import Index, StudyState
from restor.view.study_processes import Life

STUDY = {"name": "mini", "kind": "study", "protocol": "restor", "seeds": [0, 1]}


@pytest.fixture
def store(tmp_path):
    made = new_store(tmp_path / "store")
    (made / "studies" / "mini-1").mkdir()
    (made / "studies" / "mini-1" / "stages.json").write_text("[]")
    return made


def seen(store, study="mini-1"):
    return Index(store).look().studies[study]


def files(store):
    return sorted(path.name for path in (store / "studies" / "mini-1").iterdir())


def test_a_live_run_tells_stage_steps_loss_and_time(store):
    about = Running(study="mini-1", pid=os.getpid(), host="here", started=now(), updated=now(), **STUDY)
    heard = Heard()
    file = RunningFile(store / "studies" / "mini-1", about, heard, every=0.001)
    file.begin("clean", "seed 0", 1, 9)
    file.end(False, 4.0)
    file.expect({"unlearn": 4, "judge": 3}, {"unlearn": 30.0, "judge": 2.0})
    file.begin("unlearn", "npo, related, seed 0", 2, 9)
    file.advance(30, 60, 1.25)
    file.note("a remark")
    file.open()
    study = seen(store)
    (process,) = study.processes
    assert study.state is StudyState.RUNNING
    assert study.name == "mini"
    assert process.life is Life.RUNNING
    told = process.told
    assert (told.stage, told.detail, told.number, told.total) == ("unlearn", "npo, related, seed 0", 2, 9)
    assert (told.done, told.steps, told.loss, told.note) == (30, 60, 1.25, "a remark")
    assert told.seconds_left == pytest.approx(30 + 4 * 30 + 3 * 2, abs=1), "as the store tells, stage by stage"
    # Later steps reach the file without the run having to wait for it.
    file.advance(31, 60, 1.0)
    deadline = time.monotonic() + 20
    while seen(store).processes[0].told.done != 31:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    file.close()
    assert files(store) == ["stages.json"]
    assert [call[0] for call in heard.calls] == ["begin", "end", "expect", "begin", "advance", "note", "advance"]


def test_a_forked_child_does_not_end_the_run_of_its_parent(store, monkeypatch):
    with running(store / "studies" / "mini-1", Silent(), **STUDY) as told:
        with monkeypatch.context() as child:
            child.setattr(os, "getpid", lambda: 1)
            told.close("stopped")
        assert seen(store).state is StudyState.RUNNING


def test_a_reason_that_no_file_can_hold_is_told_all_the_same(store):
    def fails():
        with running(store / "studies" / "mini-1", Silent(), **STUDY):
            raise DataError("no name \udc80")

    with pytest.raises(DataError):
        fails()
    assert seen(store).processes[0].told.reason == "no name ?"


def test_a_finished_run_leaves_nothing_and_a_failed_one_says_why(store):
    folder = store / "studies" / "mini-1"
    with running(folder, Silent(), **STUDY):
        assert seen(store).state is StudyState.RUNNING
    assert files(store) == ["stages.json"]

    def ends(error):
        with running(folder, Silent(), **STUDY) as told:
            assert len(seen(store).processes) == 1, "what a former run left is gone"
            told.begin("clean", "seed 0", 3, 9)
            raise error

    with pytest.raises(DataError):
        ends(DataError("There is no file facts.json."))
    (process,) = seen(store).processes
    assert (process.life, process.told.number) == (Life.FAILED, 3)
    assert process.told.reason == "There is no file facts.json."
    assert seen(store).state is StudyState.FAILED
    with pytest.raises(KeyboardInterrupt):
        ends(KeyboardInterrupt())
    assert seen(store).state is StudyState.STOPPED
    add(store, "mini-1")
    assert seen(store).state is StudyState.FINISHED, "another process finished it"


HELD = """
import sys, time
from pathlib import Path
from restor.runner.running import running
from restor.progress import Silent
with running(Path(sys.argv[1]), Silent(), name="mini", kind="study", protocol="restor", seeds=[0]) as told:
    print("ready", flush=True)
    time.sleep(600)
"""


def test_a_killed_run_is_stopped_and_the_next_one_clears_up(store):
    folder = store / "studies" / "mini-1"
    child = subprocess.Popen([sys.executable, "-c", HELD, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "ready\n"
        (process,) = seen(store).processes
        assert (process.life, process.told.pid) == (Life.RUNNING, child.pid)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    assert seen(store).processes[0].life is Life.STOPPED
    assert seen(store).state is StudyState.STOPPED
    with running(folder, Silent(), **STUDY):
        assert [process.told.pid for process in seen(store).processes] == [os.getpid()]
    assert files(store) == ["stages.json"]


def test_two_runs_of_one_study_do_not_disturb_each_other(store):
    folder = store / "studies" / "mini-1"
    with running(folder, Silent(), **STUDY):
        with running(folder, Silent(), **STUDY):
            assert [process.life for process in seen(store).processes] == [Life.RUNNING] * 2
        assert [process.life for process in seen(store).processes] == [Life.RUNNING]


def test_trouble_with_the_file_never_stops_a_run(store, tmp_path):
    heard = Heard()
    with running(tmp_path / "nowhere", heard, **STUDY) as told:
        told.begin("clean", "half \ud800 a character", 1, 2)
        told.end(False, 1.0)
    with running(store / "studies" / "mini-1", heard, **STUDY) as told:
        told.note("lone \ud800")
        (store / "studies" / "mini-1").rename(tmp_path / "moved")
    assert [call[0] for call in heard.calls] == ["begin", "end", "note"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', "x" * 100_000])
def test_a_file_that_tells_nothing_is_passed_over(store, text):
    (store / "studies" / "mini-1" / "running-0.json").write_text(text)
    assert seen(store).state is StudyState.UNFINISHED


def test_a_process_of_another_machine_is_not_called_dead(store):
    about = Running(study="mini-1", pid=1, host="elsewhere", started=now(), updated=now(), **STUDY)
    (store / "studies" / "mini-1" / "running-0.json").write_text(about.model_dump_json())
    (store / "studies" / "mini-1" / "running-0.lock").touch()
    (process,) = seen(store).processes
    assert process.life is Life.UNKNOWN
    assert seen(store).state is StudyState.RUNNING
