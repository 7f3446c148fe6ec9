"""Chooses hyperparameters: every arm tries the points of its grid, and validation entities decide."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, final

from filelock import FileLock

from restor.config import stable_hash
from restor.errors import ConfigError, TrainingError
from restor.experiment import ArmConfig, ExperimentConfig
from restor.progress import Progress
from restor.runner.durations import ahead_of
from restor.runner.enough import too_few
from restor.runner.execute import Executor
from restor.runner.plan import StudyBuilder, build_algorithm, check_arms
from restor.runner.precision import study_precision
from restor.runner.resolve import resolve
from restor.runner.search import GridPoint
from restor.runner.study import SAVE_EVERY, announce, world_of
from restor.runner.threads import remembered_threads
from restor.selection.choices import Selection
from restor.selection.questions import validation_protocol, validation_queries
from restor.selection.trial import NO_RETAIN, Chosen, Trial
from restor.selection.validation import SCORE, best_of
from restor.store.disk import write_atomic
from restor.store.store import Store
from restor.store.versions import versions
from restor.tasks.base import Model, Questions, Ref, Task, Trace, ref_to
from restor.tasks.tabulation.arms import in_order
from restor.tasks.trial import TryPoint
from restor.tasks.unlearn import Unlearn
from restor.tasks.validation_questions import WriteValidationQuestions
from restor.types import Group, Strength

Retain = Literal["none", "unrelated", "related"]


def select(
    config: ExperimentConfig, *, store: Path, progress: Progress, out: Path, save_every: float = SAVE_EVERY
) -> None:
    """Try every point of every arm's grid for both strengths of the corruption, and write the choice to `out`.

    Each point is trained once and looked at on the way, see `restor.selection.validation`. All grids have the same
    size, no test entity is asked about, and the seeds should be other worlds than those of the table. A point is tried
    with the options that the arm sets itself. Several processes may select on one store at the same time: they share
    the work, and each writes the same choice.

    Raises:
        RestorError: for a configuration or a store that cannot be used, or if no arm could be trained at all.
    """
    if not config.targets.validation:
        raise ConfigError(
            "A selection needs validation entities, and targets.validation is 0. Set it to some of the targets."
        )
    check_arms(config)
    searches = {strength: _search(config, strength) for strength in config.corruption.strengths}
    _tell_too_few(config, progress)
    opened = Store.open(store)
    settled = {"precision": study_precision(config, opened.path, progress.note)}
    searches = {
        strength: replace(search, study=search.study.model_copy(update=settled))
        for strength, search in searches.items()
    }
    threads = config.threads or remembered_threads(opened.path)
    grids = {
        (strength, seed): _grid(search, seed) for strength, search in searches.items() for seed in search.study.seeds
    }
    tasks = {
        key: in_order([*grid.models.values(), *(item.trace for item in grid.items)]) for key, grid in grids.items()
    }
    everything = list({task.key: task for some in tasks.values() for task in some}.values())
    with _announced(opened, config, everything):
        executor = Executor(
            opened,
            progress,
            device=config.device,
            threads=threads,
            save_every=save_every,
            total=sum(map(len, tasks.values())),
            ahead=ahead_of(opened, everything),
        )
        for key, grid in grids.items():
            essential = {task.key for task in in_order(grid.models.values())}
            executor.make_all(tasks[key], grid.used_by, essential=essential)
        trace = {
            strength: [item.trial(executor) for key, grid in grids.items() if key[0] == strength for item in grid.items]
            for strength in searches
        }
    choices = {strength: _choices(trials) for strength, trials in trace.items()}
    _tell_failures(trace, choices, progress)
    selection = Selection(
        recipe=config.name,
        score=SCORE,
        seeds=list(config.seeds),
        n_entities=config.targets.validation * len(config.seeds),
        versions=versions(),
        choices=choices,
        trace={strength: _in_order(trials) for strength, trials in trace.items()},
    )
    write_atomic(out, selection_text(selection))


def _tell_too_few(config: ExperimentConfig, progress: Progress) -> None:
    """Make all questions, so that what cannot be asked is told before any work, and tell what they cannot show.

    Raises:
        DataError: if there are too many targets, or nothing to ask or to show.
    """
    evaluation = validation_protocol(config.evaluation)
    worlds = [world_of(config, seed) for seed in config.seeds]
    asked = [
        query
        for world in worlds
        for query in validation_queries(world.domain, world.planted, world.groups, evaluation, seed=world.seed)
    ]
    facts = [query.fact for query in asked if query.group is Group.VALIDATION]
    warning = too_few(facts, "validation", "Raise targets.validation, or take more seeds, so that chance decides less.")
    if warning is not None:
        progress.note(warning)


# The search ----------------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class _Search:
    """The study in which every grid point is an arm of its own."""

    study: ExperimentConfig
    points: Mapping[str, tuple[str, int, Chosen]]
    """Its arms: the arm of the configuration, the number of the point in its grid, and what the point sets."""


@final
@dataclass(frozen=True, slots=True)
class _Grid:
    """All points of all arms in one world, and the models that they begin with."""

    models: Mapping[str, Ref[Model]]
    """Id of a reference -> its model."""
    items: Sequence[GridPoint]

    @property
    def used_by(self) -> dict[str, str]:
        """Key -> where progress is told."""
        return {item.trace.key: item.id for item in self.items} | {ref.key: id for id, ref in self.models.items()}


def _search(config: ExperimentConfig, strength: Strength) -> _Search:
    arms: dict[str, ArmConfig] = {}
    points: dict[str, tuple[str, int, Chosen]] = {}
    for name, arm in config.unlearning.arms.items():
        if arm.algorithm is None:
            continue
        for number, choice in enumerate(build_algorithm(name, arm.algorithm, arm.options).info.grid):
            key = f"{name}__{number}"
            options = {**choice.options, **arm.options}
            points[key] = name, number, Chosen(lr=choice.lr, steps=choice.steps, options=dict(choice.options))
            arms[key] = arm.model_copy(
                update={"lr": choice.lr, "steps": choice.steps, "options": options, "chosen": {}, "recover": False}
            )
    study = config.model_copy(
        update={
            "corruption": config.corruption.model_copy(update={"strength": strength, "lr": None}),
            "unlearning": config.unlearning.model_copy(
                update={"arms": arms, "selection": None, "lr": None, "steps": None}
            ),
        }
    )
    return _Search(resolve(study), points)


def _grid(search: _Search, seed: int) -> _Grid:
    """One point per arm of the search and retain text: what would make the arm's model is looked at on the way."""
    study, builder = search.study, StudyBuilder(search.study, seed)
    evaluation = validation_protocol(study.evaluation)
    asked = WriteValidationQuestions(
        domain=builder.domain, planted=builder.planted, asking=evaluation.asking, seed=seed
    )
    questions = ref_to(asked, Questions)
    items = []
    for key, (name, number, chosen) in search.points.items():
        for arm in builder.arm(key, study.unlearning.arms[key]):
            (unlearning,) = arm.made_by
            assert isinstance(unlearning.task, Unlearn), "no point recovers"
            trial = TryPoint(unlearning=unlearning.task, questions=questions, evaluation=evaluation, seed=seed)
            retain = "" if arm.retain is None else f"/{arm.retain}"
            items.append(
                GridPoint(
                    id=f"{name}{retain}/s{seed}, point {number + 1}",
                    arm=name,
                    point=number,
                    chosen=chosen,
                    retain=arm.retain,
                    seed=seed,
                    trace=ref_to(trial, Trace),
                )
            )
    return _Grid({f"clean/s{seed}": builder.clean, f"corrupted/s{seed}": builder.corrupted}, items)


@contextmanager
def _announced(store: Store, config: ExperimentConfig, tasks: Sequence[Task]) -> Iterator[None]:
    """Says which tasks are needed, so that nobody cleans away what is being compared.

    Processes that share a selection share the announcement. The first that is ready removes it: all that the others
    still have to do is to read.
    """
    name = f"select-{stable_hash([task.key for task in tasks], 8)}"
    folder, lock = store.path / "studies" / name, FileLock(store.path / "locks" / f"{name}.lock")
    with lock:
        announce(store, name, config, tasks)
    yield
    with lock:
        shutil.rmtree(folder, ignore_errors=True)
        store.studies.forget(name)


# The choice ----------------------------------------------------------------------------------------------------------


def _in_order(trials: Sequence[Trial]) -> list[Trial]:
    """By arm, retain text, point and world; arms in the order of the configuration."""
    arms = list(dict.fromkeys(trial.arm for trial in trials))
    return sorted(trials, key=lambda one: (arms.index(one.arm), one.retain, one.point, one.seed))


def _choices(trials: Sequence[Trial]) -> dict[str, dict[Retain, Chosen]]:
    """The best point of every arm and retain text; an arm that failed at every point has none."""
    groups: dict[tuple[str, Retain], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.arm, trial.retain), []).append(trial)
    choices: dict[str, dict[Retain, Chosen]] = {}
    for (arm, retain), trials_of_arm in groups.items():
        if (best := best_of(trials_of_arm)) is not None:
            choices.setdefault(arm, {})[retain] = best.chosen
    return choices


def _tell_failures(
    trace: Mapping[Strength, Sequence[Trial]],
    choices: Mapping[Strength, Mapping[str, Mapping[Retain, Chosen]]],
    progress: Progress,
) -> None:
    """Name the arms for which there is no choice.

    Raises:
        TrainingError: if there is none at all.
    """
    reasons = {
        (strength, trial.arm, trial.retain): trial.note
        for strength, trials in trace.items()
        for trial in trials
        if trial.retain not in choices[strength].get(trial.arm, {})
    }
    if reasons and not any(choices.values()):
        raise TrainingError(f"No arm could be trained, so nothing was chosen. {next(iter(reasons.values()))}")
    for (strength, arm, retain), reason in reasons.items():
        text = "" if retain == NO_RETAIN else f", {retain} retain text"
        progress.note(f"no choice for {arm}{text}, strength {strength}: {reason}")


def selection_text(selection: Selection) -> str:
    """The selection as JSON with one trial to a line, so that two of them can be compared."""
    content = selection.model_dump(mode="json")
    trace = content.pop("trace")
    lines = [
        f" {json.dumps(strength)}: [\n"
        + ",\n".join("  " + json.dumps(trial, ensure_ascii=False) for trial in trials)
        + "\n ]"
        for strength, trials in trace.items()
    ]
    head = json.dumps(content, indent=1, ensure_ascii=False)
    return head.removesuffix("\n}") + ',\n "trace": {\n' + ",\n".join(lines) + "\n }\n}\n"
