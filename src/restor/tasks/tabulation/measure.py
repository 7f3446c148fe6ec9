"""From stored rows to the figures of an arm. Torch-free, so that judging again loads no models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, final

from numpy.typing import NDArray

from restor.errors import CodeError
from restor.evaluation.metrics._breakdowns import parts_of
from restor.evaluation.metrics.base import METRICS_CATALOGUE, ComparedAnswers, JudgedAnswer, Said
from restor.evaluation.verdict.comparisons import Others, corrected, paired_tests
from restor.evaluation.verdict.decide import decide, missing_models
from restor.evaluation.verdict.evidence import Evidence, evidence_of
from restor.report.io.load import summary_ids
from restor.results import Arm, ArmVerdict, PairedTest, Part, PartKind, Results, Value
from restor.types import Group, Kind

if TYPE_CHECKING:
    import pyarrow

REFERENCES = ("corrupted", "ideal", "clean")
"""What an arm is compared with."""

_COLUMNS = (
    "subject relation run group answer_shown planted score planted_score logprob_original logprob_planted "
    "logprob_random rank_original"
).split()
_LISTS = ("options", "option_logprobs", "layers_original", "layers_planted")


def scored_rows(table: pyarrow.Table, seed: int) -> tuple[JudgedAnswer, ...]:
    """The rows of one arm and seed as the metrics take them."""
    columns = (table.column(name).to_pylist() for name in _COLUMNS)
    lists = [_lists(table, name) for name in _LISTS]
    doses = table.column("dose").to_pylist() if "dose" in table.column_names else [None] * table.num_rows
    return tuple(
        JudgedAnswer(
            entity=subject,
            relation=relation,
            run=run,
            group=Group(group),
            answer_shown=shown,
            planted=planted is not None,
            score=score,
            planted_score=planted_score,
            logprob_original=original,
            logprob_planted=wrong,
            logprob_random=random,
            rank_original=rank,
            options=() if texts is None else tuple(texts.tolist()),
            option_logprobs=scores,
            layers_original=layers,
            layers_planted=wrong_layers,
            seed=seed,
            dose=dose,
        )
        for (subject, relation, run, group, shown, planted, score, planted_score, original, wrong, random, rank), (
            texts,
            scores,
            layers,
            wrong_layers,
        ), dose in zip(zip(*columns, strict=True), zip(*lists, strict=True), doses, strict=True)
    )


def _lists(table: pyarrow.Table, name: str) -> list[NDArray[Any] | None]:
    """The lists of a column, each a part of one array; None for null."""
    if table.column(name).null_count == table.num_rows:
        return [None] * table.num_rows
    lists: list[NDArray[Any] | None] = []
    for chunk in table.column(name).chunks:
        # Thousands of lists: as arrays they are read ten times as fast as one by one.
        values, places, known = (
            part.to_numpy(zero_copy_only=False) for part in (chunk.values, chunk.offsets, chunk.is_valid())
        )
        parts = zip(known.tolist(), pairwise(places.tolist()), strict=True)
        lists += [values[start:end] if there else None for there, (start, end) in parts]
    return lists


@final
class Pool:
    """The answers of arms over one or more seeds; each set is read once, whichever arms are compared with it."""

    def __init__(self, scored: Mapping[str, Sequence[JudgedAnswer]]) -> None:
        """From the answers by the id of an arm of one seed."""
        self._scored = scored
        self._made: dict[tuple[str, ...], Said] = {}

    def __contains__(self, id: object) -> bool:
        """Whether this arm has answers."""
        return id in self._scored

    def of(self, ids: Sequence[str]) -> Said:
        """The answers of these arms together; none where one of them has none."""
        key = tuple(ids)
        if key not in self._made:
            whole = all(id in self._scored for id in key)
            self._made[key] = Said(item for id in key for item in self._scored[id]) if whole else Said(())
        return self._made[key]


@final
@dataclass(frozen=True, slots=True)
class ArmRow:
    """An arm of a table with the answers that it is compared with."""

    answers: ComparedAnswers
    ids: Mapping[str, str] = field(default_factory=dict)
    """The ids of the arms in `answers`: of `corrupted`, `ideal`, `clean`, and of controls by their names."""
    pooled: bool = False
    """Whether its tests and parts are kept."""


@final
@dataclass(frozen=True, slots=True)
class Measured:
    """What the answers of an arm say."""

    metrics: dict[str, Value]
    verdict: ArmVerdict | None
    tests: list[PairedTest]
    parts: dict[PartKind, list[Part]]

    def into(self, arm: Arm) -> Arm:
        """The arm with its figures."""
        changes = {"metrics": self.metrics, "verdict": self.verdict, "tests": self.tests, "parts": self.parts}
        return arm.model_copy(update=changes)


def measured(results: Results, scored: Mapping[str, Sequence[JudgedAnswer]]) -> Results:
    """The results with the figures of all arms that have answers; the others keep what they say of why they have none.

    Args:
        results: the arms of each seed and pooled over the seeds, as they are described; their figures are made anew.
        scored: the answers by the id of an arm of one seed.
    """
    pool = Pool(scored)
    arms: dict[str, Arm] = {arm.id: arm for arm in results.arms}
    for seed in dict.fromkeys(arm.seed for arm in results.arms):
        made = [arm for arm in results.arms if arm.seed == seed and arm.id in pool]
        table = measure({arm.id: _row(results, pool, arm, [arm]) for arm in made})
        arms |= {arm.id: table[arm.id].into(arm) for arm in made}
    rows = summary_ids(results)
    parts = {pooled.id: [arm for arm in results.arms if rows.get(arm.id) == pooled.id] for pooled in results.summary}
    made_of = {id: [arm for arm in arms_of_row if arm.id in pool] for id, arms_of_row in parts.items()}
    table = measure(
        {arm.id: _row(results, pool, arm, made_of[arm.id], pooled=True) for arm in results.summary if made_of[arm.id]}
    )
    summary = []
    for arm in results.summary:
        failed = [part for part in parts[arm.id] if part.id not in pool]
        note = "; ".join(f"{part.id} failed: {_reason(part)}" for part in failed)
        summary.append(_noted(table[arm.id].into(arm), note) if arm.id in table else arm)
    return results.model_copy(update={"arms": list(arms.values()), "summary": summary})


def _reason(failed: Arm) -> str:
    """Why an arm has no answers: the note of each of its figures."""
    return next((value.note for value in failed.metrics.values()), "")


def _row(results: Results, pool: Pool, arm: Arm, made: Sequence[Arm], *, pooled: bool = False) -> ArmRow:
    """An arm of the seeds of `made`, beside its references and controls."""
    seeds = [part.seed for part in made]
    names = summary_ids(results)
    references = {name: _reference(results, pool, name, seeds) for name in REFERENCES}
    ids = {name: names[of_seeds[0]] if pooled else of_seeds[0] for name, of_seeds in references.items() if of_seeds}
    controls: dict[str, Said] = {}
    for control in results.summary:
        if _controls(arm, control):
            by_seed = {other.seed: other.id for other in results.arms if names.get(other.id) == control.id}
            name = control_name(control.label, control.retain, control.id, controls)
            controls[name] = pool.of([by_seed.get(seed, "") for seed in seeds])
            ids[name] = control.id if pooled else by_seed.get(seeds[0], control.id)
    answers = ComparedAnswers(
        arm=pool.of([part.id for part in made]),
        corrupted=pool.of(references["corrupted"]),
        ideal=pool.of(references["ideal"]),
        clean=pool.of(references["clean"]),
        controls=controls,
        kind=arm.kind,
    )
    return ArmRow(answers, ids, pooled)


def control_name(label: str, retain: str | None, id: str, taken: Mapping[str, object]) -> str:
    """What a control is called in notes: its label and retain text, or its id where another one has these."""
    name = f"{label} ({retain})" if retain else label
    return id if name in taken else name


def _controls(arm: Arm, other: Arm) -> bool:
    """Whether the other one controls for the arm: it read the same retain text or none."""
    compared = arm.kind in (Kind.METHOD, Kind.ORACLE) and other.kind is Kind.CONTROL
    return compared and other.retain in (None, arm.retain)


def _reference(results: Results, pool: Pool, name: str, seeds: Sequence[int | None]) -> list[str]:
    """The ids of a reference arm, one per seed; none where the study has no such model."""
    return [
        arm.id
        for seed in seeds
        for arm in results.arms
        if arm.kind is Kind.REFERENCE and arm.arm == name and arm.seed == seed and arm.id in pool
    ]


def measure(table: Mapping[str, ArmRow]) -> dict[str, Measured]:
    """The arms of one table by id: all metrics in the order of the catalogue, tests corrected for the table, and the
    verdicts, which take these tests."""
    evidence = {
        id: evidence_of(row.answers)
        for id, row in table.items()
        if row.answers.kind not in (Kind.REFERENCE, Kind.BASELINE) and missing_models(row.answers) is None
    }
    tests = corrected({id: _tests(item, table[id]) for id, item in evidence.items()})
    return {
        id: Measured(
            metrics=_figures(row.answers),
            verdict=decide(evidence[id], tests[id]) if id in evidence else _without(row.answers),
            tests=tests.get(id, []) if row.pooled else [],
            parts=parts_of(row.answers) if row.pooled and id in evidence else {},
        )
        for id, row in table.items()
    }


def _figures(answers: ComparedAnswers) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name in METRICS_CATALOGUE.names():
        computed: object = METRICS_CATALOGUE.get(name)().compute(answers)
        if not isinstance(computed, Mapping) or not all(isinstance(value, Value) for value in computed.values()):
            raise CodeError(f"The metric {name!r} must return values by name, it returned {str(computed)[:80]}.")
        values.update(computed)
    return values


def _tests(evidence: Evidence, row: ArmRow) -> list[PairedTest]:
    """None of controls: they are what others are compared with."""
    if row.answers.kind is Kind.CONTROL:
        return []
    right, ids = evidence.right, row.ids
    others = Others(
        corrupted=(ids["corrupted"], right.corrupted),
        ideal=(ids[evidence.top_name], right.top),
        controls={ids[name]: values for name, values in evidence.controls.items()},
    )
    return paired_tests(right.arm, others, right.clusters)


def _without(answers: ComparedAnswers) -> ArmVerdict | None:
    return None if answers.kind in (Kind.REFERENCE, Kind.BASELINE) else missing_models(answers)


def _noted(arm: Arm, note: str) -> Arm:
    """The arm with a note in each figure."""
    if not note:
        return arm
    figures = {
        name: value.model_copy(update={"note": "; ".join(filter(None, [value.note, note]))})
        for name, value in arm.metrics.items()
    }
    return arm.model_copy(update={"metrics": figures})
