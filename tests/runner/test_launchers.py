"""Tasks that the processes of a launch share: here two threads of one process stand for them."""

from __future__ import annotations

import threading

import pyarrow.parquet as pq
import pytest
from torch.distributed import HashStore

from restor.evaluation.ask.evaluation import Evaluation
from restor.evaluation.config import EvaluationConfig
from restor.models.model_ref import ModelRef
from restor.processes import Processes
from restor.progress import Silent
from restor.runner.compare import ComparisonConfig, compare
from restor.runner.launchers import local
from restor.runner.study import run_study
from restor.store.store import Store, manifest_of
from restor.tasks.asking import batches
from tiny_study import tiny_config


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A comparison of one small model, which is asked some dozens of questions."""
    place = tmp_path_factory.mktemp("study")
    run_study(tiny_config(), store=place / "store", progress=Silent())
    (clean,) = Store.open(place / "store").path.glob("artifacts/clean-*")
    return ComparisonConfig(
        models={"mine": ModelRef(path=str(clean / "model"))},
        domain={"name": "triples", "facts": clean / "facts.jsonl"},
        evaluation=EvaluationConfig(asked="listed", max_new_tokens=3),
        threads=1,
        device="cpu",
    )


def answers(store):
    """What was answered, and how many batches each process has asked."""
    (folder,) = store.glob("artifacts/ask-*")
    return pq.read_table(folder / "answers.parquet"), manifest_of(folder).info


def test_two_that_share_a_task_answer_as_one(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "BATCH", 8)
    compare(asked, store=tmp_path / "alone", progress=Silent())
    launch = HashStore()
    leader = Processes(launch, 0, 2)
    monkeypatch.setattr(local, "leading", lambda: leader)
    ended = []
    other = threading.Thread(target=lambda: ended.append(local.serve(Processes(launch, 1, 2))), daemon=True)
    rows, joined = Evaluation.rows, threading.Event()

    def rows_when_both_are_there(evaluation, number):
        if threading.current_thread() is other:
            joined.set()
        elif number:  # the first batch is the leader's own
            joined.wait(timeout=60)
        return rows(evaluation, number)

    monkeypatch.setattr(Evaluation, "rows", rows_when_both_are_there)
    other.start()
    with leader:
        compare(asked, store=tmp_path / "together", progress=Silent())
    other.join(timeout=60)
    assert ended == [0], "the other one ends with the leader"
    (alone, _), (together, info) = answers(tmp_path / "alone"), answers(tmp_path / "together")
    assert together.equals(alone)
    assert set(info["batches_by_process"]) == {"0", "1"}
    assert info["notes"] == []
