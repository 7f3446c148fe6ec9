"""Selections of two processes on one store, and one that is killed: in real processes."""

from __future__ import annotations

import importlib
import os
import random
import signal
import time
import traceback
from collections import Counter
from pathlib import Path

import pytest
from test_select import searched

from restor.runner.select import select
from tiny_study import FileProgress, heard

# Loaded here, so that a forked child starts at once.
for _name in ("trial", "baseline", "clean", "corrupt", "asking", "judge", "recover", "training", "unlearn"):
    importlib.import_module(f"restor.tasks.{_name}")
importlib.import_module("transformers.models.llama.modeling_llama")

# Sharing and kills by day: test_store.py, test_whole_study.py and, for a killed selection, test_select.py.
pytestmark = [pytest.mark.nightly, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]


def start(folder: Path, name: str) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            told, out = FileProgress(folder / f"{name}.told"), folder / f"{name}.json"
            select(searched("npo", "msa"), store=folder / "store", progress=told, out=out, save_every=0.0)
            status = 0
        except BaseException:  # noqa: BLE001 (whatever it is, it is told, and the child ends)
            traceback.print_exc()
        finally:
            os._exit(status)
    return pid


def finish(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def traces(store: Path) -> dict[str, str]:
    return {path.parent.name: path.read_text() for path in store.glob("artifacts/trial-*/trace.json")}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One selection without interruption."""
    folder = tmp_path_factory.mktemp("alone")
    assert finish(start(folder, "one")) == 0
    return folder


def test_two_processes_share_the_work_and_choose_the_same(alone: Path, tmp_path: Path) -> None:
    pids = [start(tmp_path, name) for name in ("one", "two")]
    assert [finish(pid) for pid in pids] == [0, 0]
    made = {
        name: Counter(
            (event["stage"], event["detail"])
            for event in heard(tmp_path / f"{name}.told")
            if event["event"] == "end" and not event["cached"]
        )
        for name in ("one", "two")
    }
    together = made["one"] + made["two"]
    assert set(together.values()) == {1}, "nothing is made twice"
    assert len(together) == 3 + 2 + 12  # texts and questions, clean, corrupted, and six points of two arms
    assert all(sum(stage == "trial" for stage, _ in own) >= 2 for own in made.values()), f"not shared: {made}"
    for name in ("one", "two"):
        assert (tmp_path / f"{name}.json").read_bytes() == (alone / "one.json").read_bytes()
    assert traces(tmp_path / "store") == traces(alone / "store")
    assert not list((tmp_path / "store" / "studies").iterdir())


def test_kills_do_not_change_a_bit(alone: Path, tmp_path: Path) -> None:
    rng, told = random.Random(4), tmp_path / "one.told"
    kills = 0
    while kills < 6:
        before = len(heard(told))
        pid = start(tmp_path, "one")
        wanted = before + rng.choice([1, 15, 80, 300])
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            if len(heard(told)) >= wanted:
                time.sleep(rng.uniform(0, 0.2))
                os.kill(pid, signal.SIGKILL)
                finish(pid)
                kills += 1
                break
            time.sleep(0.02)
        else:
            break  # it was faster than the kills
    assert kills >= 3
    assert finish(start(tmp_path, "one")) == 0
    assert (tmp_path / "one.json").read_bytes() == (alone / "one.json").read_bytes()
    assert traces(tmp_path / "store") == traces(alone / "store")
