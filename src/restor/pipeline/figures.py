"""From stored rows to the figures of an arm. Torch-free, so that judging again loads no models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from restor.evaluation.metrics.base import METRICS_CATALOGUE, Answers, Scored
from restor.evaluation.verdicts import verdict_of
from restor.results import ArmVerdict, Value
from restor.types import Group, Judgement, Kind

if TYPE_CHECKING:
    import pyarrow

REFERENCES = ("corrupted", "ideal", "clean")
"""What an arm is compared with."""

_COLUMNS = (
    "subject relation run group answer_shown planted judgement logprob_original logprob_planted logprob_random "
    "rank_original"
).split()


def scored_rows(table: pyarrow.Table, seed: int) -> tuple[Scored, ...]:
    """The rows of one arm and seed as the metrics take them."""
    columns = (table.column(name).to_pylist() for name in _COLUMNS)
    return tuple(
        Scored(
            entity=f"{subject}/s{seed}",
            relation=relation,
            run=run,
            group=Group(group),
            answer_shown=shown,
            planted=planted is not None,
            judgement=Judgement(judgement),
            logprob_original=original,
            logprob_planted=wrong,
            logprob_random=random,
            rank_original=rank,
        )
        for subject, relation, run, group, shown, planted, judgement, original, wrong, random, rank in zip(
            *columns, strict=True
        )
    )


def compared_with(kind: Kind, retain: str | None, control: Kind, read: str | None) -> bool:
    """Whether an arm of this kind and retain text has another as its control: one that `read` the same text or none."""
    return kind in (Kind.METHOD, Kind.ORACLE) and control is Kind.CONTROL and read in (None, retain)


def control_name(label: str, retain: str | None, id: str, taken: Mapping[str, object]) -> str:
    """What a control is called in notes: its label and retain text, or its id where another one has these."""
    name = f"{label} ({retain})" if retain else label
    return id if name in taken else name


def figures_of(
    arm: Sequence[Scored],
    *,
    corrupted: Sequence[Scored],
    ideal: Sequence[Scored],
    clean: Sequence[Scored],
    controls: Mapping[str, Sequence[Scored]],
    kind: Kind,
) -> tuple[dict[str, Value], ArmVerdict | None]:
    """All metrics of an arm, in the order of the catalogue, and its verdict."""
    answers = Answers(arm=arm, corrupted=corrupted, ideal=ideal, clean=clean, controls=controls, kind=kind)
    found: dict[str, Value] = {}
    for name in METRICS_CATALOGUE.names():
        found.update(METRICS_CATALOGUE.get(name)().compute(answers))
    return found, verdict_of(answers)
