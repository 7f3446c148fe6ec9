"""Runs a study: every stage that the store lacks, then the results and the report."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Literal, final

from restor.config import Config, stable_hash, to_yaml
from restor.errors import CodeError, ConfigError, DataError
from restor.evaluation.config import EvaluationConfig
from restor.evaluation.metrics.base import all_figures
from restor.experiment import ExperimentConfig
from restor.progress import Progress
from restor.report.load import load_results
from restor.results import Cost, Curve, Results, Study
from restor.runner.durations import REPORT, ahead_of
from restor.runner.enough import too_few
from restor.runner.execute import Maker, versions
from restor.runner.plan import PlannedArm, SeedPlan, check_arms, plan_seed
from restor.runner.precision import study_precision
from restor.runner.publish import results_files, write_results
from restor.runner.running import running
from restor.runner.threads import remembered_threads
from restor.selection.choices import resolve
from restor.store.disk import store_errors
from restor.store.store import Store
from restor.store.studies import STAGES_FILE
from restor.tabulate.curves import training_curves, validation_curves
from restor.tabulate.dose import Doses
from restor.tabulate.summary import arms_of, facts_table, read_answers, summary_of
from restor.tasks.stage import Stage
from restor.tasks.world import Asked, World
from restor.types import Group

SAVE_EVERY = 20.0
"""Seconds between a training run's own checkpoints: what a kill may cost."""

REPORT_SOURCES = (
    "restor.report",
    "restor.results",
    "restor.runner.study",
    "restor.runner.publish",
    "restor.tabulate.summary",
    "restor.tabulate.dose",
    "restor.tabulate.curves",
    "restor.selection.validation",
    "restor.tabulate.measure",
    "restor.evaluation.metrics",
    "restor.evaluation.statistics",
    "restor.evaluation.verdicts",
    "restor.evaluation.breakdowns",
    "restor.evaluation.comparisons",
    "restor.evaluation.evidence",
)


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
    asked: Mapping[int, Asked]
    """By seed."""
    device: str
    threads: int
    notes: tuple[str, ...]

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
    worlds = {seed: World(config, seed) for seed in config.seeds}
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
        asked=worlds,
        device=config.device,
        threads=threads,
        notes=tuple(_notes(config, plans[0].arms)),
    )
    return make(work, opened, progress, save_every=save_every)


def _tell_too_few(config: ExperimentConfig, worlds: Mapping[int, World], progress: Progress) -> None:
    """Make all questions, so that what cannot be asked is told before any work, and tell what they cannot show.

    Raises:
        DataError: if there are too many targets, or nothing to ask or to show.
    """
    facts = [query.fact for world in worlds.values() for query in world.queries if query.group is Group.TEST]
    documented = any(world.documented is not None for world in worlds.values())
    advice = "Take documents about more entities" if documented else "Raise targets.test, or take more seeds"
    if (told := too_few(facts, "test", f"{advice}.")) is not None:
        progress.note(told)


def make(work: Work, store: Store, progress: Progress, *, save_every: float = SAVE_EVERY) -> Outcome:
    """Make every stage that the store lacks, then the results and the report.

    Raises:
        RestorError: for data, a model or a store that cannot be used; finished stages are kept.
    """
    folder = store.path / "studies" / work.id
    stages = [stage for plan in work.plans for stage in plan.stages()]
    known = folder.exists()
    arms = _made_for(work.plans)
    announce(store, work.id, work.config, stages, arms)
    protocol = work.evaluation.protocol
    with running(folder, progress, name=work.name, kind=work.kind, protocol=protocol, seeds=work.seeds) as told:
        ahead = ahead_of(store, stages)
        ahead.kinds[REPORT] = REPORT
        maker = Maker(store, told, threads=work.threads, save_every=save_every, total=len(stages) + 1, ahead=ahead)
        try:
            for plan in work.plans:
                maker.make_all(plan, work.asked[plan.seed], work.device)
        except (ConfigError, DataError):
            if work.kind == "comparison" and not known:
                told.close()  # of a checkpoint that cannot be used there is nothing to keep
                shutil.rmtree(folder, ignore_errors=True)
                store.studies.forget(work.id)
            raise
        _check_made(work, maker)
        began = maker.begin(REPORT, REPORT, work.id)
        stage = _report_stage(work, maker)
        announce(store, work.id, work.config, [*stages, stage], arms)
        with store.claim(stage, told.note) as claim:
            artifact, cached = claim.artifact, claim.artifact is not None
            if artifact is None:
                with store_errors(claim.directory):
                    _write_results(claim.directory, work, maker)
                artifact = claim.finish(versions=versions(), cost=Cost(seconds=time.perf_counter() - began))
            labels = [needed.label for needed in (*stages, stage)]
            store.studies.write(work.id, results_files(artifact.path), labels)
        told.end(cached, time.perf_counter() - began)
    return Outcome(folder, load_results(folder / "results.json"), tuple(_failed(work.plans, maker)))


def announce(
    store: Store, study: str, config: Config, stages: Sequence[Stage], arms: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Write what the study is and which stages it refers to, before they are made, so that nobody cleans them away.

    `arms` tells by key for which arm a stage is made.
    """
    listed = [
        {"stage": stage.name, "key": stage.key} | ({"arm": arms[stage.key]} if stage.key in arms else {})
        for stage in stages
    ]
    texts = {STAGES_FILE: json.dumps(listed, indent=1).encode(), "config.yaml": to_yaml(config).encode()}
    store.studies.write(study, texts, [stage.label for stage in stages])


def _made_for(plans: Sequence[SeedPlan]) -> dict[str, str]:
    """Key of each stage -> the first arm that needs it: references come first, so that what arms share is theirs."""
    found: dict[str, str] = {}

    def visit(stage: Stage, arm: str) -> None:
        for parent in stage.parents.values():
            visit(parent, arm)
        found.setdefault(stage.key, arm)

    for plan in plans:
        for arm in plan.arms:
            visit(arm.evaluation, arm.id)
    return found


def _report_stage(work: Work, maker: Maker) -> Stage:
    """The results as a stage of their own: made again when an evaluation, a metric or the report changes."""
    arms = [arm for plan in work.plans for arm in plan.arms]
    failed = {arm.id: reason for arm in arms if (reason := maker.failure([arm.evaluation])) is not None}
    parents = {arm.id: arm.evaluation for arm in arms if arm.id not in failed}
    told = [
        {
            "id": arm.id,
            "label": arm.label,
            "kind": arm.kind,
            "retain": arm.retain,
            "recovered": arm.recovered,
            "algorithm": arm.algorithm,
            "options": dict(arm.options),
            "hyperparameters": arm.hyperparameters,
            "budget": arm.budget,
            "checkpoint": arm.checkpoint,
        }
        for arm in arms
    ]
    settings = {"study": work.id, "name": work.name, "failed": failed, "arms": told, "notes": list(work.notes)}
    return Stage("report", settings, parents, REPORT_SOURCES, work.seeds[0])


def _study(work: Work) -> Study:
    stages = [stage for plan in work.plans for stage in plan.stages()]
    return Study(
        name=work.name,
        id=work.id,
        kind=work.kind,
        protocol=work.evaluation.protocol,
        runs=work.evaluation.answers,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seeds=work.seeds,
        config=work.config.identity(),
        data_sha256={str(seed): asked.digest() for seed, asked in work.asked.items()},
        versions=versions(),
        code=stable_hash([stage.code for stage in stages]),
        notes=list(work.notes),
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


def _check_made(work: Work, maker: Maker) -> None:
    """Make sure that there is something to report.

    Raises:
        CodeError: if no arm has answers, with the first reason: a judge of the user's own that fails fails everywhere.
    """
    asked = [arm.evaluation for plan in work.plans for arm in plan.arms]
    if not any(stage.key in maker.artifacts for stage in asked):
        raise CodeError(maker.failure(asked) or "Nothing was asked.")


def _write_results(directory: Path, work: Work, maker: Maker) -> None:
    arms = [arm for plan in work.plans for arm in plan.arms]
    made = [arm for arm in arms if arm.evaluation.key in maker.artifacts]
    doses = {seed: Doses(asked.forget_documents) for seed, asked in work.asked.items()}
    answers = {arm.id: read_answers(arm, maker.artifacts, doses[arm.seed], _curves(work, arm, maker)) for arm in made}
    reasons = {arm.id: maker.failure([arm.evaluation]) or "" for arm in arms}
    results = Results(
        study=_study(work),
        figures=all_figures(),
        arms=arms_of(work.plans, answers, reasons),
        summary=summary_of(work.plans, answers, reasons),
    )
    write_results(directory, results, facts_table(list(answers.values())))


def _curves(work: Work, arm: PlannedArm, maker: Maker) -> list[Curve]:
    found = training_curves(arm, maker.artifacts)
    return [*found, *validation_curves(arm, work.config)] if isinstance(work.config, ExperimentConfig) else found


def _failed(plans: Sequence[SeedPlan], maker: Maker) -> list[str]:
    arms = [(arm.id, maker.failure([arm.evaluation])) for plan in plans for arm in plan.arms]
    return [f"{name}: {reason}" for name, reason in arms if reason is not None]
