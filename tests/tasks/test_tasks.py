"""Tasks: every kind can be read from its manifest, and makes the same again in another process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from shutil import copy, copytree
from typing import Any
from unittest import mock

import again
import pytest
from test_local_chat import make as make_judge

from chat_endpoint import Endpoint, completed, serving
from restor.datasets.documents import DocumentsConfig
from restor.domains.triples import TriplesConfig
from restor.errors import DataError
from restor.evaluation.ask.endpoint import EndpointRef
from restor.evaluation.config import EvaluationConfig
from restor.evaluation.judges.base import JUDGES
from restor.models.model_ref import ModelRef
from restor.progress import Silent
from restor.runner.checkpoints.make import CorruptConfig, RecoverConfig, UnlearnConfig, make_checkpoint
from restor.runner.compare import ComparisonConfig, compare
from restor.runner.execute import Executor
from restor.runner.study import run_study
from restor.store import keys
from restor.store.store import Manifest, manifest_of
from restor.tasks import base
from restor.tasks.base import Product, Ref, Task, content, read_task, ref_to, task_kinds
from restor.tasks.plant import Plant
from tiny_study import tiny_config

KINDS = sorted(task_kinds())
STAMPS = {
    "results.json": rb'"created": ?"[^"]*"',
    "report.html": rb"\d{4}-\d\d-\d\d(T| )\d\d:\d\d(:\d\d)?(\+00:00|Z| UTC)?",
    "model/restor.json": rb'"created": ?"[^"]*"',
}
"""File -> the time that stands in it: when results or a checkpoint were made. Nothing else differs."""
NOT_THE_TASK = {"errors.py", "faults.py", "progress.py", "models/quiet.py"}
"""Files whose code runs while a task is made and changes no result: what is said of errors and progress."""


# What is made --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Again:
    """An artifact, and what another process made from its manifest."""

    folder: Path
    out: Path
    outside: Mapping[str, Any]
    """Fields that no manifest holds."""
    key: str
    """As the other process worked it out."""
    ran: frozenset[Path]
    """Files of restor whose code ran."""

    @property
    def manifest(self) -> Manifest:
        return manifest_of(self.folder)

    @property
    def task(self) -> Task:
        return read_task({**self.manifest.task, **self.outside})


def make_checkpoints(clean: Path, corrupted: Path, artifacts: Path) -> None:
    """What the verbs on checkpoints make; their own stores are removed, so what was in them is copied."""
    original = Executor.make_one

    def keep(executor: Executor, task: Task, detail: str) -> Any:
        artifact = original(executor, task, detail)
        if artifact is not None and not (artifacts / task.label).exists():
            copytree(artifact.path, artifacts / task.label)
        return artifact

    shared = {"steps": 4, "tokens": 256, "lr": 1e-3, "lora": None, "threads": 1, "device": "cpu"}
    asked = EvaluationConfig(asked="listed", max_new_tokens=3)
    plain = DocumentsConfig(path=Path("plain.txt"))
    documents = {"forget": Path("forget.jsonl"), "facts": Path("facts.jsonl")}
    search = {"algorithm": {"name": "npo"}, "retain": plain, "select": {"untouched": 10, "evaluation": asked}}
    configs = {
        "corrupted": CorruptConfig(model=ModelRef(path=str(clean)), **documents, evaluation=asked, **shared),
        "unlearned": UnlearnConfig(model=ModelRef(path=str(corrupted)), **documents, **search, **shared),
        "recovered": RecoverConfig(model=ModelRef(path=str(corrupted)), text=plain, **shared),
    }
    with mock.patch.object(Executor, "make_one", keep):
        for name, config in configs.items():
            make_checkpoint(config, Path(name), progress=Silent())


def write_few(place: Path) -> None:
    """Facts about two targets and two others: a judge on this machine takes its time over each answer."""
    facts = [json.loads(line) for line in (place / "facts.jsonl").read_text(encoding="utf-8").splitlines()]
    documents = [json.loads(line) for line in (place / "forget.jsonl").read_text(encoding="utf-8").splitlines()]
    targets = sorted({statement["subject"] for document in documents for statement in document["statements"]})
    others = [subject for subject in dict.fromkeys(fact["subject"] for fact in facts) if subject not in targets]
    kept = {*targets[:2], *others[:2]}
    lines = [json.dumps(fact) for fact in facts if fact["subject"] in kept]
    (place / "few.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def compare_models(corrupted: Path, judge: Path, served: EndpointRef, store: Path) -> None:
    """A comparison of a checkpoint with a served model, judged by a model on this machine."""
    local = {"model": {"path": str(judge)}, "max_tokens": 4}
    config = ComparisonConfig(
        models={"corrupted": ModelRef(path=str(corrupted))},
        endpoints={"served": served},
        domain=TriplesConfig(facts=Path("few.jsonl")),
        forget=Path("forget.jsonl"),
        evaluation=EvaluationConfig(
            asked="listed", max_new_tokens=3, judge=JUDGES.parse({"name": "llm", "local": local})
        ),
        threads=1,
        device="cpu",
    )
    compare(config, store=store, progress=Silent())


@pytest.fixture(scope="module")
def made_again(tmp_path_factory) -> dict[str, list[Again]]:
    """Kind -> its artifacts, each made again; all of them by one other process."""
    place, elsewhere = tmp_path_factory.mktemp("tasks"), tmp_path_factory.mktemp("elsewhere")
    run_study(tiny_config(), store=place / "study", progress=Silent())
    artifacts = place / "study" / "artifacts"
    clean, corrupted = (next(artifacts.glob(f"{kind}-*")) for kind in ("clean", "corrupt"))
    copy(clean / "facts.jsonl", place)
    copy(corrupted / "forget.jsonl", place)
    (place / "plain.txt").write_text("the town has red walls .\n\n" * 30, encoding="utf-8")
    write_few(place)
    make_judge(place / "judge")
    (place / "verbs" / "artifacts").mkdir(parents=True)
    variables = {"RESTOR_CACHE": str(place / "cache"), "OPENAI_API_KEY": "none"}
    with (
        Endpoint(lambda body, number: completed(" york"), serving("m")) as endpoint,
        mock.patch.dict(os.environ, variables),
        chdir(place),  # relative paths are what users give
    ):
        served = EndpointRef(model="m", base_url=endpoint.url)
        make_checkpoints(clean / "model", corrupted / "model", place / "verbs" / "artifacts")
        compare_models(corrupted / "model", place / "judge", served, place / "compared")
        jobs, seen = [], set[str]()
        for manifest in sorted(place.glob("*/artifacts/*/manifest.json")):
            store, label = manifest.parents[2].name, manifest.parent.name
            kind = label.rpartition("-")[0]
            # One of each kind, since each trains or asks again; of what studies and verbs train one each, and of texts,
            # which are quick, those of every role.
            once = kind if kind not in ("corrupt", "unlearn", "recover") else f"{store} {kind}"
            if kind != "texts" and once in seen:
                continue
            seen.add(once)
            outside = {"endpoint": served.model_dump(mode="json")} if label.startswith("ask_endpoint-") else {}
            jobs.append({"manifest": str(manifest), "out": str(elsewhere / store / label), "outside": outside})
        os.environ["RESTOR_CACHE"] = str(elsewhere / "cache")
        finished = subprocess.run(
            [sys.executable, again.__file__],
            input=json.dumps(jobs),
            capture_output=True,
            text=True,
            check=False,
            cwd=elsewhere,
        )
    assert finished.returncode == 0, finished.stderr
    found: dict[str, list[Again]] = {}
    for job, told in zip(jobs, json.loads(finished.stdout), strict=True):
        folder = Path(job["manifest"]).parent
        one = Again(folder, Path(job["out"]), job["outside"], told["key"], frozenset(map(Path, told["ran"])))
        found.setdefault(folder.name.rpartition("-")[0], []).append(one)
    return found


def every(made_again: dict[str, list[Again]]) -> list[Again]:
    """All artifacts, of every kind."""
    return [one for kind in KINDS for one in made_again[kind]]


# Every kind ----------------------------------------------------------------------------------------------------------


def test_every_kind_of_work_has_a_name_of_its_own_and_says_what_it_makes():
    classes = [cls for cls in base._leaves(Task) if cls.__module__.startswith("restor.tasks.")]
    assert len({cls.kind for cls in classes}) == len(classes), "two kinds of one name"
    for cls in classes:
        assert re.fullmatch(r"[a-z][a-z_]*", cls.kind)
        assert issubclass(cls.makes, Product)
        assert cls.makes is not Product
        assert cls.__doc__
        assert cls.outside_key <= cls.model_fields.keys()
        assert "seed" in cls.model_fields


def test_every_kind_of_work_is_made_by_a_study_a_selection_a_comparison_or_a_verb(made_again):
    assert sorted(made_again) == KINDS


# One test goes through all kinds, so that what is made for all of them is made by one worker.
def test_a_task_read_from_its_manifest_makes_the_same_in_another_process(made_again):
    for one in every(made_again):
        assert one.key == one.manifest.key, "the key follows from what the manifest says"
        written = {path.relative_to(one.out).as_posix() for path in one.out.rglob("*") if path.is_file()}
        assert written == set(one.manifest.files)
        for name in written:
            before, after = ((folder / name).read_bytes() for folder in (one.folder, one.out))
            if name in STAMPS:
                before, after = (re.sub(STAMPS[name], b"", text) for text in (before, after))
            assert before == after, (one.folder.name, name)


def test_what_is_written_can_be_read_and_has_the_same_key(made_again):
    for one in every(made_again):
        task, manifest = one.task, one.manifest
        assert task.written() == manifest.task
        assert task.key == manifest.key
        assert {role: ref.key for role, ref in task.inputs.items()} == manifest.parents
        copied = read_task({**json.loads(json.dumps(task.written())), **one.outside})
        assert copied == task
        assert copied.key == task.key


def test_where_a_served_model_is_stands_in_no_manifest_and_in_no_key(made_again):
    (one,) = made_again["ask_endpoint"]
    assert "endpoint" not in one.manifest.task
    with pytest.raises(DataError, match="endpoint"):
        read_task(one.manifest.task)
    moved = read_task({**one.manifest.task, "endpoint": {"model": "m", "base_url": "http://localhost:9/v1"}})
    assert moved.key == one.manifest.key


def test_an_unknown_kind_is_named():
    with pytest.raises(DataError, match=r"no kind of work 'distil'.*ask_endpoint"):
        read_task({"kind": "distil", "seed": 0})


# Code ----------------------------------------------------------------------------------------------------------------


def uncounted(one: Again) -> set[str]:
    """Files whose code ran while an artifact was made, and whose code its key does not know."""
    modules, _ = base._modules(one.task)
    counted = {keys._file_of(module) for module in keys.closure(tuple(sorted(modules)))}
    package = Path(again.PACKAGE)
    return {path.relative_to(package).as_posix() for path in one.ran - counted} - NOT_THE_TASK


def test_a_task_of_a_verb_can_be_made_from_any_folder(made_again):
    for one in made_again["documents"]:
        assert Path(one.manifest.task["path"]).is_absolute()
    for one in made_again["split"]:
        assert Path(one.manifest.task["domain"]["facts"]).is_absolute()


def test_all_code_that_ran_counts_in_the_key(made_again):
    for one in every(made_again):
        assert one.ran
        assert not uncounted(one), one.folder.name


def test_a_module_that_the_closure_leaves_out_is_noticed(made_again, monkeypatch):
    (one, *_) = made_again["corrupt"]
    whole = keys.closure
    for left_out in ("restor.training.loop", "restor.training.batching", "restor.corruption.corrupt"):
        monkeypatch.setattr(keys, "closure", lambda modules, name=left_out: whole(modules) - {name})
        assert uncounted(one) == {left_out.removeprefix("restor.").replace(".", "/") + ".py"}


# Single tasks --------------------------------------------------------------------------------------------------------


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


def test_the_folder_of_a_class_in_a_file_does_not_change_a_key():
    settings = {"algorithm": {"name": "/one/mine.py:Mine", "beta": 1.0}, "path": "/one/mine.py:Mine"}
    assert content(settings) == {"algorithm": {"name": "mine.py:Mine", "beta": 1.0}, "path": "/one/mine.py:Mine"}
