"""The results of a study or a comparison: `results.json`, `facts.parquet` and the page. No model is asked."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, final

from pydantic import Field

from restor.evaluation.metrics.base import METRICS_CATALOGUE, metric_infos
from restor.results import Cost, Curve, Results, Study
from restor.store.store import manifest_of
from restor.store.versions import versions
from restor.tasks.base import Context, Made, Product, Ref, Tables, Task
from restor.tasks.inputs.products import read_texts
from restor.tasks.tabulation.arms import PlannedArm, SeedPlan
from restor.tasks.tabulation.curves import training_curves
from restor.tasks.tabulation.dose import Doses, with_dose
from restor.tasks.tabulation.measure import measured
from restor.tasks.tabulation.publish import write_results
from restor.tasks.tabulation.summary import ArmAnswers, described, facts_table, judged_answers, pooled, read_answers


@final
class Tabulate(Task):
    """Measures stored answers: made again when an answer, a metric or the page changes."""

    kind = "report"
    makes = Tables
    needs_torch = False

    study: str
    """Id of the study."""
    name: str
    what: Literal["study", "comparison"]
    protocol: str
    runs: int
    config: dict[str, Any]
    """What `config.yaml` stores."""
    data_sha256: dict[str, str]
    """Seed -> digest of what the questions are made from."""
    models_code: str
    """A digest of the code that made and asked the models."""
    notes: tuple[str, ...]
    plans: tuple[SeedPlan, ...]
    failed: dict[str, str] = Field(default_factory=dict)
    """Arms that could not be made, each with the reason."""
    curves: dict[str, tuple[Curve, ...]] = Field(default_factory=dict)
    """Curves of arms beside those of their own trainings."""

    @functools.cached_property
    def inputs(self) -> Mapping[str, Ref[Product]]:
        """What the arms that could be made consist of."""
        refs: dict[str, Ref[Product]] = {}
        for plan in self.plans:
            refs[f"s{plan.seed}.planted"] = plan.planted
            for arm in plan.arms:
                if arm.id not in self.failed:
                    refs[arm.id] = arm.verdicts
                    refs[f"{arm.id}.answers"] = arm.answers
                    refs |= {f"{arm.id}.{number}": model for number, model in enumerate(arm.made_by)}
        return refs

    @property
    def found_by_name(self) -> frozenset[str]:
        """All metrics."""
        return frozenset(METRICS_CATALOGUE.get(name).__module__ for name in METRICS_CATALOGUE.names())

    def run(self, context: Context) -> Made:
        """Measure, and write results, facts and page."""
        began = time.perf_counter()
        answers: dict[str, ArmAnswers] = {}
        for plan in self.plans:
            doses = Doses(read_texts(context.folder(plan.planted)))
            for arm in plan.arms:
                if arm.id not in self.failed:
                    answers[arm.id] = self._answers(context, arm, doses)
        planned = Results(
            study=self._study(),
            figures=metric_infos(),
            arms=described(self.plans, answers, self.failed),
            summary=pooled(self.plans, answers, self.failed),
        )
        results = measured(planned, {id: part.scored for id, part in answers.items()})
        write_results(context.directory, results, facts_table(list(answers.values())))
        return Made(Cost(seconds=time.perf_counter() - began))

    def _answers(self, context: Context, arm: PlannedArm, doses: Doses) -> ArmAnswers:
        table = with_dose(judged_answers(context.folder(arm.answers), context.folder(arm.verdicts)), doses)
        folders = [context.folder(model) for model in arm.made_by]
        costs = [manifest_of(folder).cost for folder in folders]
        curves = [
            curve
            for model, folder in zip(arm.made_by, folders, strict=True)
            for curve in training_curves(model.kind, folder)
        ]
        return read_answers(arm, table, costs, [*curves, *self.curves.get(arm.id, ())])

    def _study(self) -> Study:
        return Study(
            name=self.name,
            id=self.study,
            kind=self.what,
            protocol=self.protocol,
            runs=self.runs,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            seeds=[plan.seed for plan in self.plans],
            config=self.config,
            data_sha256=self.data_sha256,
            versions=versions(),
            code=self.models_code,
            notes=list(self.notes),
        )
