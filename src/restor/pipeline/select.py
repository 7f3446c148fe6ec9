"""Chooses hyperparameters: every arm tries the points of its grid, and validation entities decide."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, final

from restor.config import stable_hash
from restor.errors import ConfigError, DataError
from restor.experiment import ArmConfig, Chosen, ExperimentConfig, RetainText, Strength
from restor.pipeline.files import write_atomic
from restor.pipeline.maker import Maker, versions
from restor.pipeline.plan import PlannedArm, SeedPlan, build_algorithm, plan_seed
from restor.pipeline.resolve import NO_RETAIN, Selection, Trial, resolve
from restor.pipeline.runner import SAVE_EVERY, announce
from restor.pipeline.store import Store
from restor.pipeline.summary import judged_answers
from restor.pipeline.threads import remembered_threads
from restor.pipeline.world import World
from restor.progress import Progress
from restor.types import Group, Judgement

SCORE = (
    "share of facts about validation targets answered with the true answer, less what the share of untouched facts "
    "answered rightly lost against the corrupted model; mean over the worlds of the selection"
)

UNTOUCHED_FACTS = 200
"""Facts about untouched entities asked at each point: enough to see damage."""


def select(config: ExperimentConfig, *, store: Path, progress: Progress, out: Path) -> None:
    """Try every point of every arm's grid for both strengths of the corruption, and write the choice to `out`.

    All grids have the same size, no test entity is looked at, and the seeds should be other worlds than those of the
    table. A grid point is tried with the options that the arm sets itself.

    Raises:
        RestorError: for a configuration or a store that cannot be used.
    """
    if not config.targets.validation:
        raise ConfigError(
            "A selection needs validation entities, and targets.validation is 0. Set it to some of the targets."
        )
    opened = Store.open(store)
    threads = config.threads or remembered_threads(opened.path)
    trials = {strength: _trials(config, strength) for strength in config.corruption.strengths}
    total = 0
    plans: dict[tuple[Strength, int], SeedPlan] = {}
    for strength, (study, _) in trials.items():
        for seed in study.seeds:
            plans[strength, seed] = plan_seed(study, seed)
            total += len(plans[strength, seed].stages())
    stages = [stage for plan in plans.values() for stage in plan.stages()]
    folder = opened.path / "studies" / f"select-{stable_hash([stage.key for stage in stages], 8)}"
    announce(folder, config, stages)  # so that nobody cleans away what is being compared
    maker = Maker(opened, progress, threads=threads, save_every=SAVE_EVERY, total=total)
    choices: dict[Strength, dict[str, dict[Literal["none", "unrelated", "related"], Chosen]]] = {}
    trace: dict[Strength, list[Trial]] = {}
    for strength, (study, points) in trials.items():
        for seed in study.seeds:
            maker.make_all(plans[strength, seed], World(study, seed), study.device)
        found = _score(study, [plans[strength, seed] for seed in study.seeds], points, maker)
        trace[strength] = found
        choices[strength] = _best(found)
    selection = Selection(
        recipe=config.name,
        score=SCORE,
        seeds=list(config.seeds),
        n_entities=config.targets.validation * len(config.seeds),
        versions=versions(),
        choices=choices,
        trace=trace,
    )
    write_atomic(out, selection.model_dump_json(indent=1) + "\n")
    shutil.rmtree(folder)


@final
class _Point:
    """What one arm of the search study stands for."""

    def __init__(self, arm: str, chosen: Chosen) -> None:
        self.arm = arm
        self.chosen = chosen


def _trials(config: ExperimentConfig, strength: Strength) -> tuple[ExperimentConfig, dict[str, _Point]]:
    """The study in which every grid point is an arm of its own."""
    arms: dict[str, ArmConfig] = {}
    points: dict[str, _Point] = {}
    for name, arm in config.unlearning.arms.items():
        if arm.algorithm is None:
            continue
        for number, choice in enumerate(build_algorithm(name, arm.algorithm, arm.options).info.grid):
            key = f"{name}__{number}"
            options = {**choice.options, **arm.options}
            points[key] = _Point(name, Chosen(lr=choice.lr, steps=choice.steps, options=dict(choice.options)))
            arms[key] = arm.model_copy(
                update={"lr": choice.lr, "steps": choice.steps, "options": options, "chosen": {}}
            )
    evaluation = config.evaluation.model_copy(update={"untouched_facts": UNTOUCHED_FACTS})
    study = config.model_copy(
        update={
            "corruption": config.corruption.model_copy(update={"strength": strength, "lr": None}),
            "unlearning": config.unlearning.model_copy(
                update={"arms": arms, "selection": None, "lr": None, "steps": None}
            ),
            "evaluation": evaluation,
        }
    )
    return resolve(study), points


def _score(study: ExperimentConfig, plans: Sequence[SeedPlan], points: dict[str, _Point], maker: Maker) -> list[Trial]:
    baselines = []
    for plan in plans:
        corrupted = next(arm for arm in plan.arms if arm.name == "corrupted")
        baselines.append(_shares(corrupted, maker))
    found = []
    for place, first in enumerate(plans[0].arms):
        if first.name not in points:
            continue
        point = points[first.name]
        retain: Literal["none"] | RetainText = first.retain or NO_RETAIN
        siblings = [plan.arms[place] for plan in plans]
        failed = next((reason for arm in siblings if (reason := maker.failure([arm.evaluation])) is not None), None)
        score = original = untouched = None
        if failed is None:
            shares = [_shares(arm, maker) for arm in siblings]
            original = sum(share[0] for share in shares) / len(shares)
            untouched = sum(share[1] for share in shares) / len(shares)
            lost = sum(max(0.0, base[1] - share[1]) for base, share in zip(baselines, shares, strict=True))
            score = original - lost / len(shares)
        found.append(
            Trial(
                arm=point.arm,
                retain=retain,
                lr=point.chosen.lr or 0.0,
                steps=point.chosen.steps or 0,
                options=point.chosen.options,
                score=score,
                original=original,
                untouched=untouched,
                note=failed or "",
            )
        )
    return found


def _shares(arm: PlannedArm, maker: Maker) -> tuple[float, float]:
    """Right answers about validation targets and about untouched entities. Test rows are never read."""
    wanted = [Group.VALIDATION.value, Group.UNTOUCHED.value]
    table = judged_answers(arm, maker.artifacts)
    rows = list(zip(table.column("group").to_pylist(), table.column("judgement").to_pylist(), strict=True))
    shares = []
    for group in wanted:
        judged = [verdict for own, verdict in rows if own == group and verdict != Judgement.UNSCORED.value]
        if not judged:
            raise DataError(
                f"{arm.id} has no judged answers about {group} entities, so no choice can be made. Take more of them, "
                "or look at why the judge gave no verdict."
            )
        shares.append(sum(judgement == Judgement.ORIGINAL.value for judgement in judged) / len(judged))
    return shares[0], shares[1]


def _best(trials: Sequence[Trial]) -> dict[str, dict[Literal["none", "unrelated", "related"], Chosen]]:
    """The best point of every arm and retain text; of equal ones the gentler: fewer steps, then a lower rate."""
    best: dict[str, dict[Literal["none", "unrelated", "related"], Chosen]] = {}
    ranked = sorted(
        (trial for trial in trials if trial.score is not None),
        key=lambda trial: (-(trial.score or 0), trial.steps, trial.lr),
    )
    for trial in ranked:
        chosen = Chosen(lr=trial.lr, steps=trial.steps, options=trial.options)
        best.setdefault(trial.arm, {}).setdefault(trial.retain, chosen)
    return best
