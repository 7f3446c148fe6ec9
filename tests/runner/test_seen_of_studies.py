"""What the models of a study have read is recorded beside them: clean, corrupted, ideal and those kept on the way."""

from __future__ import annotations

import json

import pytest

from restor.data.document_files import read_documents
from restor.errors import ConfigError
from restor.experiment import UnlearningConfig
from restor.models.lineage import has_read, marks_of, predates, read_history
from restor.models.provenance import forget_marks, refuse_reader
from restor.progress import Silent
from restor.runner.study import run_study
from tiny_study import tiny_config


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    store = tmp_path_factory.mktemp("seen") / "store"
    run_study(tiny_config(unlearning=UnlearningConfig(arms={})), store=store, progress=Silent())
    return store / "artifacts"


def one(artifacts, stage):
    (found,) = artifacts.glob(f"{stage}-*")
    return found


def test_checkpoints_from_before_are_told_from_those_that_read_the_documents(artifacts):
    clean, corrupt, ideal = (one(artifacts, stage) for stage in ("clean", "corrupt", "ideal"))
    marks = forget_marks(corrupt / "forget.jsonl")
    (kept,) = clean.glob("checkpoints/step-*")
    before = {"kept": kept, "clean": clean / "model", "ideal": ideal / "model"}
    for name, folder in before.items():
        assert predates(read_history(folder), marks) is True, name
    assert predates(json.loads((kept / "seen.json").read_text()), marks) is True
    history = read_history(corrupt / "model")
    assert predates(history, marks) is False
    assert [item.role for item in history.seen] == ["stream", "documents", "replay"]
    read = has_read(history, marks)
    assert (read.stage, read.steps > 0, read.tokens > 0) == ("corrupt", True, True)
    assert [item.role for item in read_history(ideal / "model").seen] == ["stream", "replay"]


def test_the_step_is_the_checkpoints_own(artifacts):
    clean = one(artifacts, "clean")
    (kept,) = clean.glob("checkpoints/step-*")
    (on_the_way,), (at_the_end,) = read_history(kept).seen, read_history(clean / "model").seen
    assert (on_the_way.steps, at_the_end.steps) == (30, 60)
    assert 0 < on_the_way.tokens < at_the_end.tokens


def test_a_study_can_refuse_one_that_read_them(artifacts):
    corrupt = one(artifacts, "corrupt")
    texts = [document.text for document in read_documents(corrupt / "forget.jsonl")]
    refuse_reader("clean", read_history(one(artifacts, "clean") / "model"), texts)
    with pytest.raises(ConfigError, match=r"corrupted is not from before.*`corrupt`"):
        refuse_reader("corrupted", read_history(corrupt / "model"), texts[:1])
    assert marks_of(texts) < forget_marks(corrupt / "forget.jsonl")
