"""Runs a study: every stage that the store lacks, then the results and the report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, final

from restor.config import Config, stable_hash, to_yaml
from restor.errors import CodeError, ConfigError, DataError
from restor.evaluation.ask.fewshot import build_queries
from restor.evaluation.config import EvaluationConfig
from restor.experiment import ExperimentConfig
from restor.progress import Progress
from restor.report.io.load import load_results
from restor.results import Curve, Results
from restor.runner.durations import REPORT, ahead_of
from restor.runner.enough import too_few
from restor.runner.execute import Executor
from restor.runner.plan import check_arms, plan_seed
from restor.runner.precision import study_precision
from restor.runner.resolve import resolve
from restor.runner.running import running
from restor.runner.threads import remembered_threads
from restor.runner.validation_curves import validation_curves
from restor.store.store import Store
from restor.store.studies import STAGES_FILE
from restor.tasks.base import Task
from restor.tasks.inputs.settle import settled
from restor.tasks.plant import World
from restor.tasks.tabulate import Tabulate
from restor.tasks.tabulation.arms import PlannedArm, SeedPlan, in_order
from restor.tasks.tabulation.publish import results_files
from restor.types import Group, Kind

SAVE_EVERY = 20.0
"""Seconds between a training run's own checkpoints: what a kill may cost."""


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished study: its folder (config.yaml, results.json, facts.parquet, report.html) and its results."""

    folder: Path
    results: Results
    failed: tuple[str, ...] = ()
    """Arms that could not be made, each with the reason."""


@final
@dataclass(frozen=True, slots=True)
class Work:
    """A study or a comparison, ready to be made."""

    kind: Literal["study", "comparison"]
    name: str
    id: str
    """Folder within the store."""
    config: Config
    """What `config.yaml` stores."""
    evaluation: EvaluationConfig
    plans: Sequence[SeedPlan]
    data_sha256: Mapping[str, str]
    """Seed -> digest of what the questions are made from."""
    device: str
    threads: int
    notes: tuple[str, ...]
    curves: Mapping[str, tuple[Curve, ...]] = field(default_factory=dict)
    """Curves of arms beside those of their own trainings."""

    @property
    def seeds(self) -> list[int]:
        """The seeds, in order."""
        return [plan.seed for plan in self.plans]


def run_study(config: ExperimentConfig, *, store: Path, progress: Progress, save_every: float = SAVE_EVERY) -> Outcome:
    """Run what the store lacks of a study, and write its results.

    An arm whose training fails has a row that says why; the others go on.

    Args:
        config: the study.
        store: folder of the store, made if it is new.
        progress: hears of stages and steps.
        save_every: seconds between the checkpoints of a stage in the middle.

    Raises:
        RestorError: for a configuration, data or store that cannot be used.
    """
    config = resolve(config)
    check_arms(config)
    worlds = {seed: world_of(config, seed) for seed in config.seeds}
    _tell_too_few(config, worlds, progress)
    opened = Store.open(store)
    precision = study_precision(config, opened.path, progress.note)
    threads = config.threads or remembered_threads(opened.path)
    config = config.model_copy(update={"threads": threads, "precision": precision})
    plans = [plan_seed(config, seed) for seed in config.seeds]
    work = Work(
        kind="study",
        name=config.name,
        id=f"{config.name}-{stable_hash({'name': config.name, **config.scientific()}, 8)}",
        config=config,
        evaluation=config.evaluation,
        plans=plans,
        data_sha256={str(seed): world.digest() for seed, world in worlds.items()},
        device=config.device,
        threads=threads,
        notes=tuple(_notes(config, plans[0].arms)),
        curves=validation_curves([arm for plan in plans for arm in plan.arms], config),
    )
    return make(work, opened, progress, save_every=save_every)


def world_of(config: ExperimentConfig, seed: int) -> World:
    """Who is targeted and what is planted in a study, before anything is stored."""
    return World(
        domain=settled(config.domain, seed),
        general=settled(config.general, seed),
        targets=config.targets,
        corruptor=settled(config.corruption.corruptor, seed),
        seed=seed,
        shots=config.evaluation.shots,
    )


def _tell_too_few(config: ExperimentConfig, worlds: Mapping[int, World], progress: Progress) -> None:
    """Make all questions, so that what cannot be asked is told before any work, and tell what they cannot show.

    Raises:
        DataError: if there are too many targets, or nothing to ask or to show.
    """
    queries = [
        query
        for seed, world in worlds.items()
        for query in build_queries(world.domain, world.planted, world.groups, config.evaluation, seed=seed)
    ]
    facts = [query.fact for query in queries if query.group is Group.TEST]
    documented = any(world.documented is not None for world in worlds.values())
    advice = "Take documents about more entities" if documented else "Raise targets.test, or take more seeds"
    if (warning := too_few(facts, "test", f"{advice}.")) is not None:
        progress.note(warning)


def make(work: Work, store: Store, progress: Progress, *, save_every: float = SAVE_EVERY) -> Outcome:
    """Make every stage that the store lacks, then the results and the report.

    Raises:
        RestorError: for data, a model or a store that cannot be used; finished stages are kept.
    """
    folder = store.path / "studies" / work.id
    tasks = in_order(arm.verdicts for plan in work.plans for arm in plan.arms)
    known = folder.exists()
    arms = _made_for(work.plans)
    announce(store, work.id, work.config, tasks, arms)
    protocol = work.evaluation.protocol
    with running(folder, progress, name=work.name, kind=work.kind, protocol=protocol, seeds=work.seeds) as heard:
        ahead = ahead_of(store, tasks)
        ahead.kinds[REPORT] = REPORT
        executor = Executor(
            store,
            heard,
            device=work.device,
            threads=work.threads,
            save_every=save_every,
            total=len(tasks) + 1,
            ahead=ahead,
        )
        try:
            for plan in work.plans:
                executor.make_all(plan.tasks(), _told_for(plan), essential=_essential(plan))
        except (ConfigError, DataError):
            if work.kind == "comparison" and not known:
                heard.close()  # of a checkpoint that cannot be used there is nothing to keep
                shutil.rmtree(folder, ignore_errors=True)
                store.studies.forget(work.id)
            raise
        _check_made(work, executor)
        table = _table(work, executor, tasks)
        announce(store, work.id, work.config, [*tasks, table], arms)
        artifact = executor.make_one(table, work.id)
        if artifact is None:
            raise CodeError(executor.failure([table]) or "The results could not be written.")
        labels = [task.label for task in (*tasks, table)]
        store.studies.write(work.id, results_files(artifact.path), labels)
    return Outcome(folder, load_results(folder / "results.json"), tuple(_failed(work.plans, executor)))


def _told_for(plan: SeedPlan) -> dict[str, str]:
    """Key of each task -> the first arm that it belongs to, for progress."""
    return {
        ref.key: arm.id
        for arm in reversed(plan.arms)
        for ref in (*arm.made_by, arm.verdicts, arm.answers, *([arm.model] if arm.checkpoint and arm.model else []))
    }


def _essential(plan: SeedPlan) -> set[str]:
    """Keys of what the references need: without their answers nothing can be compared."""
    references = [arm.verdicts for arm in plan.arms if arm.kind is Kind.REFERENCE]
    return {task.key for task in in_order(references)}


def announce(
    store: Store, study: str, config: Config, tasks: Sequence[Task], arms: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Write what the study is and which stages it refers to, before they are made, so that nobody cleans them away.

    `arms` tells by key for which arm a stage is made.
    """
    listed = [
        {"stage": task.kind, "key": task.key} | ({"arm": arms[task.key]} if task.key in arms else {}) for task in tasks
    ]
    texts = {STAGES_FILE: json.dumps(listed, indent=1).encode(), "config.yaml": to_yaml(config).encode()}
    store.studies.write(study, texts, [task.label for task in tasks])


def _made_for(plans: Sequence[SeedPlan]) -> dict[str, str]:
    """Key of each task -> the first arm that needs it: references come first, so that what arms share is theirs."""
    arms: dict[str, str] = {}
    for plan in plans:
        for arm in plan.arms:
            for task in in_order([arm.verdicts]):
                arms.setdefault(task.key, arm.id)
    return arms


def _table(work: Work, executor: Executor, tasks: Sequence[Task]) -> Tabulate:
    """The task that makes the results: made again when an answer, a metric or the page changes."""
    arms = [arm for plan in work.plans for arm in plan.arms]
    reasons = {arm.id: executor.failure([arm.verdicts.task]) for arm in arms}
    return Tabulate(
        seed=work.seeds[0],
        study=work.id,
        name=work.name,
        what=work.kind,
        protocol=work.evaluation.protocol,
        runs=work.evaluation.answers,
        config=work.config.identity(),
        data_sha256=dict(work.data_sha256),
        models_code=stable_hash([task.artifact.code for task in tasks]),
        notes=work.notes,
        plans=tuple(work.plans),
        failed={id: reason for id, reason in reasons.items() if reason is not None},
        curves={id: curves for id, curves in work.curves.items() if curves},
    )


def _notes(config: ExperimentConfig, arms: Sequence[PlannedArm]) -> list[str]:
    notes = []
    if any(arm.hyperparameters == "selected" for arm in arms):
        notes.append(
            f"Learning rates, steps and options marked as selected were chosen on validation entities (selection "
            f"{config.unlearning.selection!r}), never on the test entities of this table."
        )
    if config.recovery is not None:
        notes.append(
            f"Every arm but those marked otherwise ends with the recovery fine-tune: {config.recovery.steps} steps on "
            "text that touches no probed relation."
        )
    return notes


def _check_made(work: Work, executor: Executor) -> None:
    """Make sure that there is something to report.

    Raises:
        CodeError: if no arm has answers, with the first reason: a judge of the user's own that fails fails everywhere.
    """
    judging = [arm.verdicts.task for plan in work.plans for arm in plan.arms]
    if not any(task.key in executor.artifacts for task in judging):
        raise CodeError(executor.failure(judging) or "Nothing was asked.")


def _failed(plans: Sequence[SeedPlan], executor: Executor) -> list[str]:
    arms = [(arm.id, executor.failure([arm.verdicts.task])) for plan in plans for arm in plan.arms]
    return [f"{name}: {reason}" for name, reason in arms if reason is not None]
