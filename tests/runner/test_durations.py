"""How long tasks are likely to take, from those that the store has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from restor.results import Cost
from restor.runner.durations import REPORT, ahead_of
from restor.store.store import Store
from restor.tasks.base import Context, Made, Model, Product, Ref, Task, ref_to

SMALL, LARGE = {"model": {"hidden": 16}, "clean": {"steps": 10}}, {"model": {"hidden": 1024}, "clean": {"steps": 10}}


class Work(Task):
    """A task that makes nothing."""

    makes = Model
    of: Ref[Product] | None = None
    model: dict[str, Any] | None = None
    clean: dict[str, Any] | None = None
    content: dict[str, Any] | None = None
    setting: int = 0

    def run(self, context: Context) -> Made:
        raise AssertionError("only its manifest is looked at")


def kind_of_work(name):
    return type(name.title(), (Work,), {"kind": name, "__module__": __name__})


KINDS = {name: kind_of_work(name) for name in ("clean_model", "unlearning", "asking", "judging", "elsewhere")}


def task(name, of=None, seed=0, **settings):
    return KINDS[name](of=None if of is None else ref_to(of, Model), seed=seed, **settings)


def made(store, task, seconds, cost=0.0):
    """The task, finished after so many seconds."""
    with store.claim(task.artifact) as claim:
        (claim.directory / "out").write_text("x")
        began = datetime.now(UTC) - timedelta(seconds=seconds)
        claim.finish(task=task.written(), versions={}, cost=Cost(seconds=cost), started=began)
    return task


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "store")


def test_what_is_finished_is_not_ahead_and_its_kind_is_known(store):
    clean = made(store, task("clean_model", **SMALL), 60)
    first = made(store, task("unlearning", clean, setting=1), 10)
    second = task("unlearning", clean, setting=2)
    judge = task("judging", second)
    ahead = ahead_of(store, [clean, first, second, judge])
    assert ahead.kinds == {second.key: "unlearning", judge.key: "judging"}
    assert ahead.usual["unlearning"] == pytest.approx(10, abs=1)
    assert "judging" not in ahead.usual, "none was ever made"
    assert "clean_model" not in ahead.usual, "none is to be made"
    assert REPORT in ahead.usual
    assert ahead.without(second.key) == {"judging": 1}
    assert ahead.without(judge.key) == {}


def test_tasks_of_models_of_another_size_tell_nothing(store):
    large = made(store, task("clean_model", **LARGE), 36_000)
    made(store, task("asking", made(store, task("unlearning", large), 3_600)), 1_800)
    # Another seed of another study in the same store, on a small model.
    clean = task("clean_model", seed=3, **SMALL)
    plan = [clean, task("unlearning", clean, setting=3), task("asking", clean)]
    assert ahead_of(store, plan).usual.keys() == {REPORT}
    small = made(store, task("clean_model", seed=4, **SMALL), 30)
    made(store, task("unlearning", small), 5, cost=12)
    usual = ahead_of(store, plan).usual
    assert usual["clean_model"] == pytest.approx(30, abs=1)
    assert usual["unlearning"] == pytest.approx(12), "of a run that was killed and went on, the whole training counts"


def test_checkpoints_are_alike_if_their_files_are(store):
    def checkpoint(content):
        return task("elsewhere", model={"path": "m"}, content=content)

    made(store, task("asking", made(store, checkpoint({"sha": "a"}), 0)), 1_800)
    other = task("asking", checkpoint({"sha": "b"}), setting=1)
    again = task("asking", checkpoint({"sha": "a"}), setting=1)
    assert "asking" not in ahead_of(store, [other]).usual
    assert ahead_of(store, [again]).usual["asking"] == pytest.approx(1_800, abs=1)


def test_a_damaged_store_tells_nothing(store):
    clean = made(store, task("clean_model", **SMALL), 60)
    loop = made(store, task("unlearning", clean), 10)
    directory = store.path / "artifacts"
    (directory / clean.label / "manifest.json").write_text("{")
    file = directory / loop.label / "manifest.json"
    plan = [task("unlearning", clean, setting=3)]
    assert ahead_of(store, plan).usual.keys() == {REPORT}
    file.write_text(file.read_text().replace(clean.key, loop.key))  # its own parent
    assert ahead_of(store, plan).usual.keys() == {REPORT}
