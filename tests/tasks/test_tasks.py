"""Tasks: every kind can be read from its manifest, and makes the same again in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from restor.progress import Silent
from restor.runner.select import select
from restor.runner.study import run_study
from restor.store.store import manifest_of
from restor.tasks.base import Product, Ref, Task, content, read_task, ref_to, task_kinds
from restor.tasks.plant import Plant
from tiny_study import tiny_config

AGAIN = """
import json, sys
from pathlib import Path
import torch
from restor.progress import Silent
from restor.tasks.base import Context, read_task

torch.set_num_threads(1)
task = read_task(json.loads(Path(sys.argv[1]).read_text())["task"])
artifacts, out = Path(sys.argv[1]).parents[1], Path(sys.argv[2])
inputs = {ref.key: artifacts / ref.label for ref in task.inputs.values()}
task.run(Context(inputs, out, out / "resume", "cpu", Silent(), 1e9))
print(task.key)
"""
ELSEWHERE = {
    "checkpoint",
    "planted_by_documents",
    "ask_endpoint",
    "judge_here",
    "corrupt_checkpoint",
    "unlearn_checkpoint",
    "recover_checkpoint",
    "try_checkpoint",
}
"""Kinds of work that no study of its own models has."""


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory) -> Path:
    """One store with a study and a selection."""
    store = tmp_path_factory.mktemp("tasks") / "store"
    run_study(tiny_config(), store=store, progress=Silent())
    config = tiny_config(retain=("related",))
    arms = {"npo": config.unlearning.arms["npo"]}
    config = config.model_copy(
        update={
            "unlearning": config.unlearning.model_copy(update={"arms": arms}),
            "corruption": config.corruption.model_copy(update={"strengths": {"medium": 1e-3}, "lr": None}),
        }
    )
    select(config, store=store, progress=Silent(), out=store.parent / "selection.json")
    return store / "artifacts"


def test_every_kind_of_work_says_what_it_makes():
    for kind, task in task_kinds().items():
        assert issubclass(task.makes, Product)
        assert task.kind == kind
        assert task.__doc__


def test_a_study_and_a_selection_have_every_kind_but_those_of_checkpoints(artifacts):
    assert {folder.name.rpartition("-")[0] for folder in artifacts.iterdir()} == task_kinds().keys() - ELSEWHERE


@pytest.mark.parametrize("kind", sorted(task_kinds().keys() - ELSEWHERE))
def test_a_task_read_from_its_manifest_makes_the_same_in_another_process(artifacts, tmp_path, kind):
    folder = sorted(artifacts.glob(f"{kind}-*"))[-1]
    out = tmp_path / "again"
    out.mkdir()
    command = [sys.executable, "-c", AGAIN, folder / "manifest.json", out]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    manifest = manifest_of(folder)
    assert finished.stdout.strip() == manifest.key, "the key follows from what the manifest says"
    for name in manifest.files:
        one, other = ((place / name).read_bytes() for place in (folder, out))
        # Results and the page say when they were made.
        assert one == other or name in ("results.json", "report.html"), name


def planted(**changes: object) -> Task:
    config = tiny_config()
    settings = {
        "domain": config.domain.model_copy(update={"seed": 0}),
        "general": config.general.model_copy(update={"seed": 0}),
        "targets": config.targets,
        "corruptor": config.corruption.corruptor,
        "seed": 0,
    }
    return Plant(**(settings | changes))


def test_a_task_copied_with_a_change_has_a_key_of_its_own():
    task = planted()
    assert task.key == planted().key
    changed = task.model_copy(update={"seed": 1})
    assert (changed.key, changed.seed) == (planted(seed=1).key, 1)
    assert changed.key != task.key


def test_a_reference_knows_its_task_only_where_it_was_planned():
    ref = ref_to(planted(), Product)
    assert ref.task.key == ref.key
    with pytest.raises(AssertionError, match="read from a manifest"):
        _ = Ref.model_validate_json(ref.model_dump_json()).task


def test_what_is_written_can_be_read_and_has_the_same_key():
    task = planted()
    again = read_task(json.loads(json.dumps(task.written())))
    assert again == task
    assert again.key == task.key


def test_the_folder_of_a_class_in_a_file_does_not_change_a_key():
    settings = {"algorithm": {"name": "/one/mine.py:Mine", "beta": 1.0}, "path": "/one/mine.py:Mine"}
    assert content(settings) == {"algorithm": {"name": "mine.py:Mine", "beta": 1.0}, "path": "/one/mine.py:Mine"}
