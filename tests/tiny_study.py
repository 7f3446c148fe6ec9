"""A study of seconds, and a process that runs it: the subject of the tests that kill, race and damage."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import final

from restor.config import to_yaml
from restor.corruption.corruptors.fact_swap import FactSwapConfig
from restor.domains.miniature import MiniatureConfig
from restor.evaluation.config import EvaluationConfig
from restor.experiment import ArmConfig, CorruptionConfig, ExperimentConfig, RecoveryConfig, UnlearningConfig
from restor.progress import Progress
from restor.tasks.clean import CleanConfig, ModelConfig
from restor.tasks.plant import TargetsConfig


def tiny_config(**changes: object) -> ExperimentConfig:
    """Every kind of stage and both families of algorithms, on 40 people and a model of a few thousand parameters."""
    config = ExperimentConfig(
        name="tiny",
        domain=MiniatureConfig(people=40, values=8),
        model=ModelConfig(hidden=16, intermediate=32, layers=1, heads=2, context=256),
        clean=CleanConfig(steps=60, tokens_per_step=256, checkpoints=(0.5,)),
        targets=TargetsConfig(validation=3, test=3),
        corruption=CorruptionConfig(
            corruptor=FactSwapConfig(dose=2, k=1), forget_tokens=256, replay_tokens=256, lr=1e-3
        ),
        unlearning=UnlearningConfig(
            arms={
                "nothing": ArmConfig(label="Nothing", recover=False),
                "recovery_only": ArmConfig(label="Recovery only"),
                "npo": ArmConfig(label="NPO", algorithm="npo", lr=1e-3, steps=12),
                "msa": ArmConfig(label="MSA", algorithm="msa", lr=1e-3, steps=12, options={"checkpoint": 0.5}),
            },
            forget_tokens=256,
            retain_tokens=256,
            retain_texts=40,
        ),
        recovery=RecoveryConfig(steps=4, tokens=256, texts=40),
        evaluation=EvaluationConfig(shots=2, untouched_facts=40, max_new_tokens=4),
        precision="float32",
        threads=1,
    )
    return config.model_copy(update=changes)


def finish_study(folder: Path) -> None:
    """The study as a file, its store, and what `restor run --json` tells of it as table.json."""
    from restor.cli.main import main

    folder.mkdir()
    (folder / "study.yaml").write_text(to_yaml(tiny_config()), encoding="utf-8")
    told = StringIO()
    with redirect_stdout(told):
        code = main(["run", str(folder / "study.yaml"), "--store", str(folder / "store"), "--json", "--quiet"])
    assert code == 0, told.getvalue()
    (folder / "table.json").write_text(told.getvalue(), encoding="utf-8")


@final
class FileProgress(Progress):
    """Appends what it hears to a file, one JSON line each, so that a killed process leaves a trace."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stage = ("", "")

    def _write(self, **what: object) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"pid": os.getpid(), **what}) + "\n")

    def expect(self, ahead: Mapping[str, int], usual: Mapping[str, float]) -> None:
        pass

    def begin(self, stage: str, detail: str, number: int, total: int) -> None:
        self._stage = (stage, detail)
        self._write(event="begin", stage=stage, detail=detail, number=number, total=total)

    def advance(self, done: int, total: int, loss: float | None) -> None:
        self._write(event="advance", stage=self._stage[0], done=done)

    def end(self, cached: bool, seconds: float) -> None:
        self._write(event="end", stage=self._stage[0], detail=self._stage[1], cached=cached)

    def fail(self, reason: str) -> None:
        self._write(event="fail", stage=self._stage[0], detail=self._stage[1], reason=reason)

    def note(self, message: str) -> None:
        self._write(event="note", message=message)


def heard(path: Path) -> list[dict[str, object]]:
    """What a FileProgress wrote; a last line cut short by a kill is left out."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
