"""From stored answers to the arms of results.json: torch-free, cheap, and made again without asking a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import pyarrow as pa
import pyarrow.parquet as pq

from restor.evaluation.metrics.base import Scored, all_figures
from restor.pipeline.figures import REFERENCES, compared_with, control_name, figures_of, scored_rows
from restor.pipeline.plan import PlannedArm, SeedPlan
from restor.pipeline.stage import Stage
from restor.pipeline.store import Artifact
from restor.results import FACT_COLUMNS, Ancestor, Arm, ArmVerdict, Cost, Value
from restor.types import Kind


@final
@dataclass(frozen=True, slots=True)
class ArmAnswers:
    """An arm of one seed with its stored answers."""

    arm: PlannedArm
    table: pa.Table
    scored: tuple[Scored, ...]
    cost: Cost


def judged_answers(arm: PlannedArm, artifacts: Mapping[str, Artifact]) -> pa.Table:
    """The stored answers of an arm with their verdicts; `artifacts` by stage key."""
    answers = pq.read_table(artifacts[arm.evaluation.parents["answers"].key].path / "answers.parquet")
    verdicts = pq.read_table(artifacts[arm.evaluation.key].path / "verdicts.parquet")
    for name in verdicts.column_names:
        answers = answers.append_column(name, verdicts.column(name))
    return answers.select([name for name in FACT_COLUMNS if name in answers.column_names])


def read_answers(arm: PlannedArm, artifacts: Mapping[str, Artifact]) -> ArmAnswers:
    """The stored answers of an arm; its cost is that of the stages made for it alone."""
    table = judged_answers(arm, artifacts)
    costs = [artifacts[stage.key].manifest.cost for stage in arm.made_by]
    cost = Cost(
        seconds=sum(item.seconds for item in costs),
        steps=sum(item.steps for item in costs),
        tokens=sum(item.tokens for item in costs),
        peak_memory_mb=max((item.peak_memory_mb for item in costs), default=0.0),
    )
    return ArmAnswers(arm, table, scored_rows(table, arm.seed), cost)


def arms_of(plans: Sequence[SeedPlan], answers: Mapping[str, ArmAnswers], reasons: Mapping[str, str]) -> list[Arm]:
    """One arm per seed; one that could not be made has no figures and the reason in every note."""
    found = []
    for plan in plans:
        references = {name: _reference([plan], answers, name) for name in REFERENCES}
        for arm in plan.arms:
            own = answers.get(arm.id)
            described = describe(arm, id=arm.id, seed=arm.seed, seeds=[arm.seed])
            if own is None:
                metrics, verdict = undefined(reasons[arm.id]), None
            else:
                metrics, verdict = measure([own], **references, controls=_controls([plan], answers, arm))
            found.append(
                described.model_copy(
                    update={
                        "metrics": metrics,
                        "verdict": verdict,
                        "cost": own.cost if own else Cost(),
                        "lineage": lineage(arm.model) if arm.model else [],
                    }
                )
            )
    return found


def _reference(plans: Sequence[SeedPlan], answers: Mapping[str, ArmAnswers], name: str) -> list[ArmAnswers]:
    """The answers of a reference arm, one per seed; none where the study has no such model."""
    ids = [arm.id for plan in plans for arm in plan.arms if arm.name == name and arm.kind is Kind.REFERENCE]
    return [answers[id] for id in ids]


def _controls(
    plans: Sequence[SeedPlan], answers: Mapping[str, ArmAnswers], arm: PlannedArm
) -> dict[str, list[ArmAnswers]]:
    """The answers of the controls of an arm, one per seed; none of one that failed for any of them."""
    found: dict[str, list[ArmAnswers]] = {}
    for place, control in enumerate(plans[0].arms):
        if compared_with(arm.kind, arm.retain, control.kind, control.retain):
            ids = [plan.arms[place].id for plan in plans]
            name = control_name(control.label, control.retain, control.id.rsplit("/", 1)[0], found)
            found[name] = [answers[id] for id in ids] if all(id in answers for id in ids) else []
    return found


def summary_of(plans: Sequence[SeedPlan], answers: Mapping[str, ArmAnswers], reasons: Mapping[str, str]) -> list[Arm]:
    """One arm pooled over all seeds. An arm that failed for one seed is compared on the others, and says so."""
    found = []
    for place, first in enumerate(plans[0].arms):
        siblings = [plan.arms[place] for plan in plans]
        made = [(plan, answers[arm.id]) for plan, arm in zip(plans, siblings, strict=True) if arm.id in answers]
        described = describe(first, id=first.id.rsplit("/", 1)[0], seed=None, seeds=[part.arm.seed for _, part in made])
        missing = [arm.id for arm in siblings if arm.id not in answers]
        note = "; ".join(f"{name} failed: {reasons[name]}" for name in missing)
        if not made:
            found.append(described.model_copy(update={"metrics": undefined(note)}))
            continue
        own_plans, parts = [plan for plan, _ in made], [part for _, part in made]
        references = {name: _reference(own_plans, answers, name) for name in REFERENCES}
        metrics, verdict = measure(parts, **references, controls=_controls(own_plans, answers, first))
        if note:
            metrics = {
                name: value.model_copy(update={"note": "; ".join(filter(None, [value.note, note]))})
                for name, value in metrics.items()
            }
        found.append(described.model_copy(update={"metrics": metrics, "verdict": verdict, "cost": mean_cost(parts)}))
    return found


def measure(
    arm: Sequence[ArmAnswers],
    *,
    corrupted: Sequence[ArmAnswers],
    ideal: Sequence[ArmAnswers],
    clean: Sequence[ArmAnswers],
    controls: Mapping[str, Sequence[ArmAnswers]],
) -> tuple[dict[str, Value], ArmVerdict | None]:
    """All metrics of an arm over one or more seeds, and its verdict."""

    def pooled(parts: Sequence[ArmAnswers]) -> list[Scored]:
        return [item for part in parts for item in part.scored]

    return figures_of(
        pooled(arm),
        corrupted=pooled(corrupted),
        ideal=pooled(ideal),
        clean=pooled(clean),
        controls={name: pooled(parts) for name, parts in controls.items()},
        kind=arm[0].arm.kind,
    )


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


def lineage(stage: Stage) -> list[Ancestor]:
    """The stages that led to a model, oldest first."""
    found: dict[str, Ancestor] = {}

    def visit(item: Stage) -> None:
        for parent in item.parents.values():
            visit(parent)
        found.setdefault(item.key, Ancestor(stage=item.name, key=item.key))

    visit(stage)
    return list(found.values())


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
    return Cost(
        seconds=sum(part.cost.seconds for part in parts) / count,
        steps=round(sum(part.cost.steps for part in parts) / count),
        tokens=round(sum(part.cost.tokens for part in parts) / count),
        peak_memory_mb=max((part.cost.peak_memory_mb for part in parts), default=0.0),
    )


def undefined(note: str) -> dict[str, Value]:
    """The metrics of an arm that could not be made."""
    return {figure.name: Value(value=None, n=0, note=note) for figure in all_figures()}
