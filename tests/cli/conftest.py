"""A toy recipe and a study that runs in no time."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

import restor.recipes
from restor.results import Arm, Results, Study, Value
from restor.runner.plan import check_arms
from restor.types import Kind

TOY = '''
"""A toy study for tests."""
from restor.experiment import ArmConfig, ExperimentConfig, UnlearningConfig


def toy():
    """Three controls, three methods."""
    arms = {
        "nothing": ArmConfig(label="Nothing"),
        "retain_only": ArmConfig(label="Retain only", algorithm="retain_only"),
        "random": ArmConfig(label="Random forget set", algorithm="npo", forget="random"),
        "npo_token": ArmConfig(label="NPO, per token", algorithm="npo", options={"beta": 0.1}),
        "npo_batch": ArmConfig(label="NPO, per batch", algorithm="npo"),
        "kl": ArmConfig(label="KL", algorithm="kl_divergence"),
    }
    return ExperimentConfig(name="toy", unlearning=UnlearningConfig(arms=arms))
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Adds a recipe `toy`; returns its name."""
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "toy.py").write_text(TOY)
    monkeypatch.setattr(restor.recipes, "__path__", [*restor.recipes.__path__, str(folder)])
    yield "toy"
    sys.modules.pop("restor.recipes.toy", None)
    if hasattr(restor.recipes, "toy"):
        del restor.recipes.toy


@dataclass
class FakeOutcome:
    folder: Path
    results: Results
    failed: tuple[str, ...] = ()


class FakeRunner:
    """Stands for restor.runner.study and keeps what it was asked."""

    def __init__(self) -> None:
        self.config = None
        self.store = None
        self.raises = None

    def run_study(self, config, *, store, progress):
        check_arms(config)  # as the real one does before any work
        self.config, self.store = config, store
        progress.begin("clean", "seed 0", 1, 1)
        progress.advance(1, 2, 0.5)
        print("a library prints")  # noqa: T201
        if self.raises is not None:
            raise self.raises
        progress.end(False, 1.0)
        value = Value(value=0.5, ci_low=0.4, ci_high=0.6, n=10, n_entities=5)
        arms = [
            Arm(id=name, label=name, arm=name, kind=Kind.REFERENCE, seeds=[0], metrics={"test.original": value})
            for name in ("clean", "corrupted", "ideal")
        ]
        study = Study(name=config.name, id="toy-1", created="2025-01-01T00:00:00Z", seeds=[0], config=config.identity())
        return FakeOutcome(store / "toy-1", Results(study=study, arms=arms, summary=arms))


@pytest.fixture
def runner(monkeypatch):
    """Replaces the runner of studies."""
    fake = FakeRunner()
    module = ModuleType("restor.runner.study")
    module.run_study = fake.run_study
    monkeypatch.setitem(sys.modules, "restor.runner.study", module)
    return fake
