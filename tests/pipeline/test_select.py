"""The choice of hyperparameters: by validation people only, written so that a study can take it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tiny_study import tiny_config

from restor.errors import ConfigError
from restor.experiment import ArmConfig, ExperimentConfig
from restor.pipeline.plan import plan_seed
from restor.pipeline.resolve import Selection, read_selection, resolve
from restor.pipeline.select import select
from restor.progress import Silent
from restor.unlearning.algorithms.base import ALGORITHMS, GRID_SIZE


def searched() -> ExperimentConfig:
    config = tiny_config(retain=("related",))
    arms = {"npo": ArmConfig(label="NPO", algorithm="npo"), "nothing": ArmConfig(label="Nothing", recover=False)}
    return config.model_copy(
        update={
            "unlearning": config.unlearning.model_copy(update={"arms": arms}),
            "corruption": config.corruption.model_copy(update={"strengths": {"medium": 1e-3}, "lr": None}),
        }
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("selection")
    select(searched(), store=folder / "store", progress=Silent(), out=folder / "mine.json")
    return folder / "store", folder / "mine.json"


def test_every_point_was_tried_and_the_best_was_chosen(made: tuple[Path, Path]) -> None:
    selection = Selection.model_validate(json.loads(made[1].read_text(encoding="utf-8")))
    trials = selection.trace["medium"]
    assert len(trials) == GRID_SIZE == len(ALGORITHMS.get("npo").info.grid)
    best = max(trial.score for trial in trials if trial.score is not None)
    chosen = selection.choices["medium"]["npo"]["related"]
    assert any((trial.lr, trial.steps, trial.score) == (chosen.lr, chosen.steps, best) for trial in trials), (
        "the chosen point is not the best of the trace"
    )


def test_the_score_is_that_of_validation_people(made: tuple[Path, Path]) -> None:
    """Worked out again from the stored answers, with the test people's answers removed."""
    store, out = made
    selection = Selection.model_validate(json.loads(out.read_text(encoding="utf-8")))
    shares = Counter()
    for judged in store.glob("artifacts/judge-*"):
        answers = json.loads((judged / "manifest.json").read_text(encoding="utf-8"))["parents"]["answers"]
        folder = next(store.glob(f"artifacts/*-{answers}"))
        groups = pq.read_table(folder / "answers.parquet")["group"].to_pylist()
        verdicts = pq.read_table(judged / "verdicts.parquet")["judgement"].to_pylist()
        own = [verdict == "original" for group, verdict in zip(groups, verdicts, strict=True) if group == "validation"]
        shares[round(sum(own) / len(own), 9)] += 1
    for trial in selection.trace["medium"]:
        assert round(trial.original, 9) in shares


def test_a_study_takes_the_choice_and_says_so(made: tuple[Path, Path]) -> None:
    config = searched()
    config = config.model_copy(update={"unlearning": config.unlearning.model_copy(update={"selection": str(made[1])})})
    chosen = read_selection(str(made[1])).choices["medium"]["npo"]["related"]
    arm = next(arm for arm in plan_seed(resolve(config), 0).arms if arm.name == "npo")
    assert arm.hyperparameters == "selected"
    assert (arm.options["lr"], arm.options["steps"]) == (chosen.lr, chosen.steps)


def test_a_selection_that_is_not_there_names_the_shipped_ones() -> None:
    with pytest.raises(ConfigError, match="miniature"):
        read_selection("nope")


def test_the_shipped_selection_fits_the_shipped_recipe() -> None:
    from restor.recipes.miniature import miniature

    config = resolve(miniature())
    for arm in plan_seed(config, 0).arms:
        assert arm.hyperparameters in ("none", "selected"), f"{arm.id} has no chosen hyperparameters"
    assert set(config.seeds).isdisjoint(read_selection("miniature").seeds), "chosen on a world of the table"
