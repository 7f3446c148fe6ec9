"""From planned arms and stored answers to the arms of results.json, before they are measured. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import pyarrow as pa
import pyarrow.parquet as pq

from restor.evaluation.metrics.base import JudgedAnswer, metric_infos
from restor.results import FACT_COLUMNS, Arm, Cost, Curve, Value
from restor.tasks.asking.answer_rows import ANSWERS_FILE
from restor.tasks.judge import VERDICTS_FILE
from restor.tasks.tabulation.arms import PlannedArm, SeedPlan
from restor.tasks.tabulation.measure import scored_rows


@final
@dataclass(frozen=True, slots=True)
class ArmAnswers:
    """An arm of one seed with its stored answers."""

    arm: PlannedArm
    table: pa.Table
    scored: tuple[JudgedAnswer, ...]
    cost: Cost
    curves: tuple[Curve, ...]


def judged_answers(answers_folder: Path, verdicts_folder: Path) -> pa.Table:
    """Stored answers with their verdicts."""
    answers = pq.read_table(answers_folder / ANSWERS_FILE)
    verdicts = pq.read_table(verdicts_folder / VERDICTS_FILE)
    for name in verdicts.column_names:
        answers = answers.append_column(name, verdicts.column(name))
    return answers.select([name for name in FACT_COLUMNS if name in answers.column_names])


def read_answers(arm: PlannedArm, table: pa.Table, costs: Sequence[Cost], curves: Sequence[Curve]) -> ArmAnswers:
    """The answers of an arm; its cost is that of what was made for it alone."""
    cost = Cost(
        seconds=sum(item.seconds for item in costs),
        steps=sum(item.steps for item in costs),
        tokens=sum(item.tokens for item in costs),
        peak_memory_mb=max((item.peak_memory_mb for item in costs), default=0.0),
        # Of a checkpoint made elsewhere nobody knows.
        flops=None if arm.checkpoint is not None else known_sum([item.flops for item in costs]),
    )
    return ArmAnswers(arm, table, scored_rows(table, arm.seed), cost, tuple(curves))


def described(plans: Sequence[SeedPlan], answers: Mapping[str, ArmAnswers], reasons: Mapping[str, str]) -> list[Arm]:
    """The arms of each seed without their figures; one that could not be made has the reason in every note."""
    arms = []
    for arm in (arm for plan in plans for arm in plan.arms):
        changes: dict[str, Any] = {"lineage": list(arm.lineage)}
        if (made := answers.get(arm.id)) is not None:
            changes |= {"cost": made.cost, "curves": list(made.curves)}
        else:
            changes["metrics"] = undefined(reasons[arm.id])
        arms.append(describe(arm, id=arm.id, seed=arm.seed, seeds=[arm.seed]).model_copy(update=changes))
    return arms


def pooled(plans: Sequence[SeedPlan], answers: Mapping[str, ArmAnswers], reasons: Mapping[str, str]) -> list[Arm]:
    """The arms over all seeds without their figures; one that failed for every seed says so in every note."""
    arms = []
    for place, first in enumerate(plans[0].arms):
        ids = [plan.arms[place].id for plan in plans]
        parts = [answers[id] for id in ids if id in answers]
        arm = describe(first, id=first.pooled_id, seed=None, seeds=[part.arm.seed for part in parts])
        if parts:
            arms.append(arm.model_copy(update={"cost": mean_cost(parts)}))
        else:
            note = "; ".join(f"{id} failed: {reasons[id]}" for id in ids)
            arms.append(arm.model_copy(update={"metrics": undefined(note)}))
    return arms


def describe(planned: PlannedArm, *, id: str, seed: int | None, seeds: Sequence[int]) -> Arm:
    """An arm without its figures."""
    return Arm(
        id=id,
        label=planned.label,
        arm=planned.name,
        kind=planned.kind,
        algorithm=planned.algorithm,
        options=dict(planned.options),
        hyperparameters=planned.hyperparameters,
        retain=planned.retain,
        recovered=planned.recovered,
        seed=seed,
        seeds=list(seeds),
        budget=None if planned.budget is None else list(planned.budget),
        model=planned.checkpoint,
    )


def facts_table(parts: Sequence[ArmAnswers]) -> pa.Table:
    """facts.parquet: the answers of all arms under each other, in the documented column order."""
    tables = []
    for part in parts:
        rows = part.table.num_rows
        tables.append(
            part.table.add_column(0, "arm", pa.array([part.arm.id] * rows, pa.string())).add_column(
                1, "seed", pa.array([part.arm.seed] * rows, pa.int64())
            )
        )
    return pa.concat_tables(tables)


def mean_cost(parts: Sequence[ArmAnswers]) -> Cost:
    """The mean over seeds; the largest peak."""
    count = max(1, len(parts))
    flops = known_sum([part.cost.flops for part in parts])
    return Cost(
        seconds=sum(part.cost.seconds for part in parts) / count,
        steps=round(sum(part.cost.steps for part in parts) / count),
        tokens=round(sum(part.cost.tokens for part in parts) / count),
        peak_memory_mb=max((part.cost.peak_memory_mb for part in parts), default=0.0),
        flops=None if flops is None else flops / count,
    )


def known_sum(values: Sequence[float | None]) -> float | None:
    """The sum; None where one of them is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def undefined(note: str) -> dict[str, Value]:
    """The metrics of an arm that could not be made."""
    return {figure.name: Value(value=None, n=0, note=note) for figure in metric_infos()}
