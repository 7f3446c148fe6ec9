"""One checkpoint in, one out: corrupt, unlearn and recover models that were made elsewhere.

The work is a task in a store of its own beside the output folder, so it survives a kill and continues, and the output
folder appears at once and whole.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from restor.data.documents import read_documents
from restor.errors import ConfigError, DataError, StoreError, TrainingError
from restor.models.lineage import LINEAGE_FILE, Lineage, Parent, new_lineage, parent_of, read_lineage
from restor.models.precision import machine_folder
from restor.models.provenance import check_earlier
from restor.models.reference import pinned
from restor.progress import Progress
from restor.registry import short_name
from restor.runner.durations import Ahead
from restor.runner.enough import too_few
from restor.runner.execute import Executor
from restor.runner.precision import checkpoint_precision
from restor.runner.select import read_trace
from restor.runner.threads import remembered_threads
from restor.selection.split import split_targets
from restor.selection.trial import NO_RETAIN, Trial
from restor.selection.validation import SCORE_OF_ONE, Best, Shares, best_of
from restor.store.disk import sha256_file, store_errors, sync
from restor.store.store import Store
from restor.tasks.base import Task, content
from restor.tasks.checkpoint_settings import CheckpointConfig, CorruptConfig, RecoverConfig, UnlearnConfig
from restor.tasks.corrupt_checkpoint import CorruptCheckpoint
from restor.tasks.inputs.settle import from_anywhere
from restor.tasks.recover_checkpoint import RecoverCheckpoint
from restor.tasks.training.strength import Strength
from restor.tasks.try_checkpoint import TryCheckpoint
from restor.tasks.unlearn_checkpoint import UnlearnCheckpoint
from restor.types import Group
from restor.unlearning.algorithms.base import ALGORITHMS

PLACES = frozenset({"model", "checkpoint", "forget", "facts", "retain", "text", "device"})
"""Fields that say where something is; what it holds is known by its digest."""
SAVE_EVERY = 120.0
"""Seconds between a training run's own checkpoints: those of a large model take long to write."""


def make_checkpoint(config: CheckpointConfig, out: Path, *, progress: Progress, save_every: float = SAVE_EVERY) -> bool:
    """Make the checkpoint that `config` describes and put it at `out`; returns whether it was there already.

    Raises:
        StoreError: if `out` holds something else, or the disk refuses.
        RestorError: for a checkpoint, data or a setting that cannot be used. A run that was stopped goes on where it
            was when it is started again.
    """
    parents = {role: parent_of(ref) for role, ref in config.parents.items()}
    config = _pinned(config, parents)
    lineage = _lineage(config, parents)
    work = out.absolute().parent / f".{out.name}.restor-work"
    if out.exists():
        if _made_alike(out, lineage):
            shutil.rmtree(work, ignore_errors=True)  # left by a kill at the very end
            return True
        raise StoreError(
            f"{out} exists and is not what this command makes. Choose another --out, or move it away first: nothing "
            "is overwritten."
        )
    if isinstance(config, CorruptConfig) and config.facts is not None:
        # What cannot be told is said before any model is loaded.
        Strength(read_documents(config.files["forget"]), config.files["facts"], config.evaluation, config.seed)
    precision = checkpoint_precision(config.precision, config.model, config.device, machine_folder(), progress.note)
    config = config.model_copy(update={"precision": precision})
    lineage = lineage.model_copy(update={"config": {**lineage.config, "precision": precision}})
    search = _Search(config, parents) if isinstance(config, UnlearnConfig) and config.select is not None else None
    if search is not None:
        search.tell_too_few(progress)
    told = None
    if isinstance(config, UnlearnConfig) and config.checkpoint is not None:
        told = check_earlier(parents["corrupted"], parents["checkpoint"], config.files["forget"])
    if told is not None:
        progress.note(told)
    with store_errors(work):
        work.parent.mkdir(parents=True, exist_ok=True)
    store = Store.open(work)
    threads = config.threads or remembered_threads(store.path)
    total = 1 if search is None else len(search.points) + 1
    ahead = None if search is None else search.ahead
    executor = Executor(
        store, progress, device=config.device, threads=threads, save_every=save_every, total=total, ahead=ahead
    )
    try:
        if search is not None:
            config, lineage = search.run(executor)
        if told is not None:
            lineage = lineage.model_copy(update={"findings": {**lineage.findings, "checkpoint": told}})
        task = _task(config, lineage)
        artifact = executor.make_one(task, out.name)
    except (ConfigError, DataError):
        if not any(any(work.glob(f"artifacts/*/{left}")) for left in ("resume/**/step-*", "DONE")):
            shutil.rmtree(work, ignore_errors=True)  # nothing that could be continued
        raise
    if artifact is None:
        if not any(work.glob("artifacts/*/DONE")):  # but for what a selection has tried
            shutil.rmtree(work, ignore_errors=True)
        raise TrainingError(executor.failure([task]) or "The checkpoint could not be made.")
    with store_errors(out):
        shutil.copyfile(artifact.path / "training.jsonl", work / "training.jsonl")
        model = artifact.path / "model"
        os.replace(work / "training.jsonl", model / "training.jsonl")
        os.replace(model, out)
        sync(out.parent)
        shutil.rmtree(work)
    return False


def _pinned(config: CheckpointConfig, parents: Mapping[str, Parent]) -> CheckpointConfig:
    """The configuration with hub ids at their commits: what is loaded is then what was identified."""
    refs = {role: pinned(ref, parents[role].fingerprint) for role, ref in config.parents.items()}
    # The model is the parent that is no earlier checkpoint.
    changes = {"checkpoint" if role == "checkpoint" else "model": ref for role, ref in refs.items()}
    return config.model_copy(update=changes)


def _lineage(config: CheckpointConfig, parents: Mapping[str, Parent]) -> Lineage:
    files = {role: sha256_file(path) for role, path in config.files.items()}
    algorithm = ALGORITHMS.build(config.algorithm) if isinstance(config, UnlearnConfig) else None
    return new_lineage(
        stage=config.stage,
        config=config.model_dump(mode="json", exclude={"threads"}) | {"datasets": dict(config.datasets)},
        seed=config.seed,
        parents=dict(parents),
        data=files,
        algorithm=short_name(config.algorithm.name) if isinstance(config, UnlearnConfig) else None,
        budget=algorithm.plan.budget() if algorithm is not None else None,
    )


def _identity(lineage: Lineage) -> dict[str, Any]:
    """What decides the result: not when it was made and by which versions, nor where what was read is."""
    kept = lineage.model_dump(mode="json", include={"stage", "seed", "data"})
    config = {key: value for key, value in lineage.config.items() if key not in PLACES}
    parents = {role: parent.fingerprint for role, parent in lineage.parents.items()}
    dtype = lineage.config["model"]["dtype"]
    return {**kept, "config": content(config), "dtype": dtype, "parents": parents}


def _made_alike(out: Path, lineage: Lineage) -> bool:
    if not (out / LINEAGE_FILE).is_file():
        return False
    there = read_lineage(out)
    if there is None:
        return False
    # What a selection chose is not what was asked for, nor is the precision that was found to be faster.
    asked = there.findings.get("selection", {}).get("asked", {})
    if lineage.config["precision"] == "auto":
        asked = {**asked, "precision": "auto"}
    return _identity(there.model_copy(update={"config": {**there.config, **asked}})) == _identity(lineage)


def _task(config: CheckpointConfig, lineage: Lineage) -> Task:
    written, seed = _written(lineage), config.seed
    match from_anywhere(config):
        case CorruptConfig() as settings:
            return CorruptCheckpoint(config=settings, lineage=written, seed=seed)
        case UnlearnConfig() as settings:
            return UnlearnCheckpoint(config=settings, lineage=written, seed=seed)
        case RecoverConfig() as settings:
            return RecoverCheckpoint(config=settings, lineage=written, seed=seed)
    raise AssertionError(f"no such step: {config}")


def _written(lineage: Lineage) -> dict[str, Any]:
    """A lineage without the time, which a task must not depend on."""
    return lineage.model_dump(mode="json", exclude={"created"})


# The choice of hyperparameters ---------------------------------------------------------------------------------------

CHOSEN = frozenset({"algorithm", "lr", "steps", "stop"})
"""Fields that a selection sets."""


@final
@dataclass(frozen=True, slots=True)
class GridPoint:
    """One point of an algorithm's grid on a checkpoint."""

    config: UnlearnConfig
    options: Mapping[str, Any]
    """What it sets of the algorithm."""

    def __str__(self) -> str:
        options = "".join(f", {name} {value}" for name, value in self.options.items())
        return f"{self.config.algorithm.name}, lr {self.config.lr:g}{options}"


def grid_points(config: UnlearnConfig) -> list[GridPoint]:
    """The configuration at every point of its algorithm's grid.

    The learning rates of a grid are those of small models. What is taken from them is how far they lie apart: each is
    `config.lr` times its ratio to the middle of the grid, the geometric mean of its lowest and its highest rate. So
    with the steps: the longest training of the grid is that of `config`. What `config` sets itself of the algorithm is
    not searched.
    """
    grid = ALGORITHMS.build(config.algorithm).info.grid
    middle = math.sqrt(min(choice.lr for choice in grid) * max(choice.lr for choice in grid))
    most = max(choice.steps for choice in grid)
    # The grid's own checkpoints are shares of a training that restor did itself.
    fixed = {*config.algorithm.model_fields_set, "name", "checkpoint"}
    points = []
    for choice in grid:
        share = choice.steps / most if most else 1.0
        options = {name: value for name, value in choice.options.items() if name not in fixed}
        changes: dict[str, Any] = {
            "lr": float(f"{config.lr * choice.lr / middle:.4g}"),
            "algorithm": config.algorithm.model_dump(mode="json") | options,
            "stop": None,  # which the search finds
        }
        if config.steps is None:
            changes["epochs"] = config.epochs * share
        else:
            changes["steps"] = round(config.steps * share)
        points.append(GridPoint(UnlearnConfig.model_validate(config.model_dump(mode="json") | changes), options))
    return points


@final
class _Search:
    """Tries the points of an algorithm's grid on one checkpoint."""

    def __init__(self, config: UnlearnConfig, parents: Mapping[str, Parent]) -> None:
        """Find out who is targeted, before any model is loaded.

        Raises:
            DataError: if the documents and facts do not suffice for a choice.
        """
        assert config.select is not None
        self.config = config
        self.points = grid_points(config)
        self._parents = parents
        self._split = split_targets(read_documents(config.files["forget"]), config.files["facts"], config.select)
        self._deciding = self._split.validation(config.select).queries
        self._trials = [self._trial(point.config) for point in self.points]

    @property
    def ahead(self) -> Ahead:
        """The trials, and the training at the chosen point, which takes about as long as one of them."""
        return Ahead({task.key: task.called for task in self._trials} | {"chosen": "unlearn"})

    def tell_too_few(self, progress: Progress) -> None:
        """Tell what the entities that decide, and those left to be tested, cannot show."""
        deciding = [query.fact for query in self._deciding if query.group is Group.VALIDATION]
        left = set(self._split.names(Group.TEST))
        tested = [item.fact for item in self._split.planted.values() if item.fact.subject in left]
        for facts, of in ((deciding, "deciding"), (tested, "test")):
            told = too_few(facts, of, "Take documents and facts about more entities, or another select.validation.")
            if told is not None:
                progress.note(told)

    def run(self, executor: Executor) -> tuple[UnlearnConfig, Lineage]:
        """Try every point; returns the configuration at the best one, and a lineage that tells of the search.

        Raises:
            TrainingError: if every point failed.
        """
        trials: list[Trial] = []
        corrupted: Shares | None = None
        for number, (point, task) in enumerate(zip(self.points, self._trials, strict=True)):
            artifact = executor.make_one(task, str(point))
            found: dict[str, Any] = {"steps": 0, "ended": "failed", "note": executor.failure([task]) or ""}
            if artifact is not None:
                trace = read_trace(artifact.path)
                corrupted = trace.corrupted
                steps = artifact.manifest.info["steps"]
                found = {"steps": steps, "marks": trace.marks, "ended": trace.ended, "note": trace.note}
            lr, options = point.config.lr, dict(point.options)
            name, seed = point.config.algorithm.name, point.config.seed
            trials.append(Trial(arm=name, retain=NO_RETAIN, seed=seed, point=number, lr=lr, options=options, **found))
            executor.progress.note(f"{point}: {_outcome(trials[-1])}")
        best = best_of(trials)
        if best is None or corrupted is None:
            reasons = " ".join(dict.fromkeys(trial.note for trial in trials))
            raise TrainingError(
                f"None of the {len(trials)} points of {self.config.algorithm.name}'s grid could be tried to its first "
                f"look, so there is nothing to choose from. {reasons} The grid lies around lr {self.config.lr:g}."
            )
        own, others = (self._split.names(group) for group in (Group.VALIDATION, Group.TEST))
        executor.progress.note(
            f"chosen: {self.points[best.trial.point]}, step {best.mark.step} of {best.trial.steps}, on facts about "
            f"{len(own)} of {len(own) + len(others)} targeted entities. Evaluate on the others: restor.json names both."
        )
        return self._chosen(best, trials, corrupted)

    def _trial(self, config: UnlearnConfig) -> TryCheckpoint:
        written = _written(_lineage(config, self._parents))
        return TryCheckpoint(config=from_anywhere(config), lineage=written, seed=config.seed)

    def _chosen(self, best: Best, trials: Sequence[Trial], corrupted: Shares) -> tuple[UnlearnConfig, Lineage]:
        point = self.points[best.trial.point]
        config = point.config.model_copy(update={"steps": best.trial.steps, "stop": best.stop})
        selection = {
            "score": SCORE_OF_ONE,
            "validation": self._split.names(Group.VALIDATION),
            "test": self._split.names(Group.TEST),
            "chosen": {**best.chosen.model_dump(mode="json"), **best.mark.model_dump(mode="json")},
            "corrupted": corrupted.model_dump(mode="json"),
            "trace": [trial.model_dump(mode="json", exclude={"arm", "retain", "seed", "point"}) for trial in trials],
            "asked": self.config.model_dump(mode="json", include=set(CHOSEN)),
        }
        lineage = _lineage(config, self._parents)
        return config, lineage.model_copy(update={"findings": {"selection": selection}})


def _outcome(trial: Trial) -> str:
    best = best_of([trial])
    told = "no score" if best is None else f"score {best.mark.score:.3f} after step {best.mark.step} of {trial.steps}"
    return f"{told}; {trial.note}" if trial.note else told
