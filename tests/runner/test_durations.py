"""How long stages are likely to take, from those that the store has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from restor.results import Cost
from restor.runner.durations import REPORT, ahead_of
from restor.store.store import Store
from restor.tasks.stage import Stage

SOURCES = ("restor.types",)
SMALL, LARGE = {"model": {"hidden": 16}, "clean": {"steps": 10}}, {"model": {"hidden": 1024}, "clean": {"steps": 10}}


def stage(name, config=None, seed=0, **parents):
    return Stage(name, config or {}, parents, SOURCES, seed)


def made(store, stage, seconds, cost=0.0):
    """The stage, finished after so many seconds."""
    with store.claim(stage) as claim:
        (claim.directory / "out").write_text("x")
        began = datetime.now(UTC) - timedelta(seconds=seconds)
        claim.finish(versions={}, cost=Cost(seconds=cost), started=began)
    return stage


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "store")


def test_what_is_finished_is_not_ahead_and_its_kind_is_known(store):
    clean = made(store, stage("clean", SMALL), 60)
    first = made(store, stage("unlearn", {"algorithm": "npo"}, clean=clean), 10)
    second = stage("unlearn", {"algorithm": "msa"}, clean=clean)
    judge = stage("judge", {}, answers=second)
    ahead = ahead_of(store, [clean, first, second, judge])
    assert ahead.kinds == {second.key: "unlearn", judge.key: "judge"}
    assert ahead.usual["unlearn"] == pytest.approx(10, abs=1)
    assert "judge" not in ahead.usual, "none was ever made"
    assert "clean" not in ahead.usual, "none is to be made"
    assert REPORT in ahead.usual
    assert ahead.without(second.key) == {"judge": 1}
    assert ahead.without(judge.key) == {}


def test_stages_of_models_of_another_size_tell_nothing(store):
    large = made(store, stage("clean", LARGE), 36_000)
    made(store, stage("evaluate", {}, model=made(store, stage("unlearn", {}, clean=large), 3_600)), 1_800)
    # Another seed of another study in the same store, on a small model.
    clean = stage("clean", SMALL, seed=3)
    plan = [clean, stage("unlearn", {"lr": 1}, clean=clean), stage("evaluate", {}, model=clean)]
    assert ahead_of(store, plan).usual.keys() == {REPORT}
    small = made(store, stage("clean", SMALL, seed=4), 30)
    made(store, stage("unlearn", {}, clean=small), 5, cost=12)
    usual = ahead_of(store, plan).usual
    assert usual["clean"] == pytest.approx(30, abs=1)
    assert usual["unlearn"] == pytest.approx(12), "of a run that was killed and went on, the whole training counts"


def test_checkpoints_are_alike_if_their_files_are(store):
    def checkpoint(content):
        return stage("checkpoint", {"model": {"path": "m"}, "content": content})

    made(store, stage("evaluate", {}, model=made(store, checkpoint({"sha": "a"}), 0)), 1_800)
    other = stage("evaluate", {"shots": 1}, model=checkpoint({"sha": "b"}))
    again = stage("evaluate", {"shots": 1}, model=checkpoint({"sha": "a"}))
    assert "evaluate" not in ahead_of(store, [other]).usual
    assert ahead_of(store, [again]).usual["evaluate"] == pytest.approx(1_800, abs=1)


def test_a_damaged_store_tells_nothing(store):
    clean = made(store, stage("clean", SMALL), 60)
    loop = made(store, stage("unlearn", {}, clean=clean), 10)
    directory = store.path / "artifacts"
    (directory / clean.label / "manifest.json").write_text("{")
    file = directory / loop.label / "manifest.json"
    plan = [stage("unlearn", {"lr": 1}, clean=clean)]
    assert ahead_of(store, plan).usual.keys() == {REPORT}
    file.write_text(file.read_text().replace(clean.key, loop.key))  # its own parent
    assert ahead_of(store, plan).usual.keys() == {REPORT}
