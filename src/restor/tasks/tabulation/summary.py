"""From stored answers to the arms of results.json: torch-free, cheap, and made again without asking a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pyarrow as pa
import pyarrow.parquet as pq

from restor.evaluation.metrics.base import Answers, Said, Scored, all_figures
from restor.results import FACT_COLUMNS, Arm, Cost, Curve, Value
from restor.tasks.asking.answer_rows import ANSWERS_FILE
from restor.tasks.judge import VERDICTS_FILE
from restor.tasks.tabulation.arms import PlannedArm, SeedPlan
from restor.tasks.tabulation.measure import (
    REFERENCES,
    Pool,
    Row,
    compared_with,
    control_name,
    measure,
    noted,
    scored_rows,
)
from restor.types import Kind


@final
@dataclass(frozen=True, slots=True)
class ArmAnswers:
    """An arm of one seed with its stored answers."""

    arm: PlannedArm
    table: pa.Table
    scored: tuple[Scored, ...]
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


def arms_of(plans: Sequence[SeedPlan], answers: Mapping[str, ArmAnswers], reasons: Mapping[str, str]) -> list[Arm]:
    """One arm per seed; one that could not be made has no figures and the reason in every note."""
    pool = _pool(answers)
    found = []
    for plan in plans:
        made = {arm.id: _row([plan], place, pool) for place, arm in enumerate(plan.arms) if arm.id in pool}
        measured = measure(made)
        for arm in plan.arms:
            described = describe(arm, id=arm.id, seed=arm.seed, seeds=[arm.seed])
            ancestors = {"lineage": list(arm.lineage)}
            if arm.id in measured:
                own = answers[arm.id]
                more = {"cost": own.cost, "curves": list(own.curves), **ancestors}
                found.append(measured[arm.id].into(described).model_copy(update=more))
            else:
                found.append(described.model_copy(update={"metrics": undefined(reasons[arm.id]), **ancestors}))
    return found


def _pool(answers: Mapping[str, ArmAnswers]) -> Pool:
    return Pool({id: found.scored for id, found in answers.items()})


def _row(plans: Sequence[SeedPlan], place: int, pool: Pool, *, pooled: bool = False) -> Row:
    """An arm of these seeds beside its references and controls."""
    arm = plans[0].arms[place]
    references = {name: _reference(plans, name) for name in REFERENCES}
    ids = {name: own[0] for name, own in references.items() if own}
    controls: dict[str, Said] = {}
    for other, control in enumerate(plans[0].arms):
        if compared_with(arm.kind, arm.retain, control.kind, control.retain):
            name = control_name(control.label, control.retain, control.pooled_id, controls)
            controls[name] = pool.of([plan.arms[other].id for plan in plans])
            ids[name] = control.id
    answers = Answers(
        arm=pool.of([plan.arms[place].id for plan in plans]),
        corrupted=pool.of(references["corrupted"]),
        ideal=pool.of(references["ideal"]),
        clean=pool.of(references["clean"]),
        controls=controls,
        kind=arm.kind,
    )
    return Row(answers, {name: id.rsplit("/", 1)[0] for name, id in ids.items()} if pooled else ids, pooled)


def _reference(plans: Sequence[SeedPlan], name: str) -> list[str]:
    """The ids of a reference arm, one per seed; none where the study has no such model."""
    return [arm.id for plan in plans for arm in plan.arms if arm.name == name and arm.kind is Kind.REFERENCE]


def summary_of(plans: Sequence[SeedPlan], answers: Mapping[str, ArmAnswers], reasons: Mapping[str, str]) -> list[Arm]:
    """One arm pooled over all seeds. An arm that failed for one seed is compared on the others, and says so."""
    pool = _pool(answers)
    made = [[plan for plan in plans if plan.arms[place].id in pool] for place in range(len(plans[0].arms))]
    measured = measure(
        {own[0].arms[place].pooled_id: _row(own, place, pool, pooled=True) for place, own in enumerate(made) if own}
    )
    found = []
    for place, (first, own) in enumerate(zip(plans[0].arms, made, strict=True)):
        parts = [answers[plan.arms[place].id] for plan in own]
        described = describe(first, id=first.pooled_id, seed=None, seeds=[part.arm.seed for part in parts])
        missing = [plan.arms[place].id for plan in plans if plan.arms[place].id not in pool]
        note = "; ".join(f"{name} failed: {reasons[name]}" for name in missing)
        if parts:
            pooled = measured[described.id].into(described).model_copy(update={"cost": mean_cost(parts)})
            found.append(noted(pooled, note))
        else:
            found.append(described.model_copy(update={"metrics": undefined(note)}))
    return found


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
    """The sum; None where one of them is not known, as of stages that older versions made."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def undefined(note: str) -> dict[str, Value]:
    """The metrics of an arm that could not be made."""
    return {figure.name: Value(value=None, n=0, note=note) for figure in all_figures()}
