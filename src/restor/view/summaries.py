"""The few fields of a results.json that the list of studies shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

from pydantic import BaseModel, ConfigDict

from restor.report.io.load import load_results
from restor.report.plain import one_line
from restor.report.words.judged import BY_SUCCESS
from restor.results import VerdictKind
from restor.types import Kind
from restor.untrusted import read_bytes

MOST_CHARACTERS = 120
"""Of a name or a label; an id stays whole."""


class _Part(BaseModel):
    """Reads the fields it knows and passes over all others; strictly, so that neither true nor "0.5" is a figure."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, strict=True)


@final
class _Restoration(_Part):
    value: float | None
    ci_low: float | None = None
    ci_high: float | None = None


@final
class _Metrics(_Part):
    restoration: _Restoration | None = None


@final
class _Verdict(_Part):
    kind: VerdictKind
    reason: str


@final
class _Arm(_Part):
    id: str
    label: str
    arm: str
    kind: Kind
    algorithm: str | None = None
    retain: str | None = None
    metrics: _Metrics
    verdict: _Verdict | None = None


@final
class _Study(_Part):
    name: str
    id: str
    kind: Literal["study", "comparison"] = "study"
    protocol: str = "restor"
    runs: int = 1
    created: str
    seeds: list[int]
    config: dict[str, Any]


@final
class _Results(_Part):
    format: Literal[2]
    study: _Study
    summary: list[_Arm]


@final
@dataclass(frozen=True, slots=True)
class ListedArm:
    """A pooled arm."""

    id: str
    label: str
    kind: Kind
    algorithm: str | None
    retain: str | None
    restoration: float | None
    interval: tuple[float, float] | None
    """Of the restoration."""
    verdict: VerdictKind | None
    reason: str
    """For the verdict."""


@final
@dataclass(frozen=True, slots=True)
class Summary:
    """A finished study in short."""

    name: str
    kind: Literal["study", "comparison"]
    protocol: str
    domain: str
    """The domain's name, or the data that a comparison asked about; empty where it is not told."""
    seeds: tuple[int, ...]
    created: str
    arms: tuple[ListedArm, ...]

    @property
    def best(self) -> ListedArm | None:
        """The method with the best verdict and, among these, the highest restoration. Oracles are told the truth."""
        return min((arm for arm in self.arms if arm.kind is Kind.METHOD), key=rank, default=None)


def read_summary(folder: Path) -> Summary:
    """The summary of the study in a folder.

    Raises:
        DataError: as `load_results`.
    """
    try:
        content = _Results.model_validate_json(read_bytes(folder / "results.json"))
        if not content.summary:
            raise ValueError("no arms")
    except (ValueError, OSError):  # a ValidationError among them
        # It mends what can be mended, or says what is wrong.
        results = load_results(folder)
        content = _Results.model_validate(results.model_dump(include={"format", "study", "summary"}))
    return _summary(content)


def _summary(results: _Results) -> Summary:
    study = results.study
    return Summary(
        name=one_line(study.name, MOST_CHARACTERS),
        kind=study.kind,
        protocol=one_line(study.protocol, 60),
        domain=_domain(study.config),
        seeds=tuple(study.seeds),
        created=study.created,
        arms=tuple(_arm(arm) for arm in results.summary),
    )


def _domain(config: dict[str, Any]) -> str:
    domain = config.get("domain")
    name = domain.get("name") if isinstance(domain, dict) else config.get("data")
    return one_line(name, 60) if isinstance(name, str) else ""


def _arm(arm: _Arm) -> ListedArm:
    value = arm.metrics.restoration or _Restoration(value=None)
    return ListedArm(
        id=arm.id,
        label=one_line(arm.label, MOST_CHARACTERS),
        kind=arm.kind,
        algorithm=arm.algorithm,
        retain=arm.retain,
        restoration=value.value,
        interval=None if value.ci_low is None or value.ci_high is None else (value.ci_low, value.ci_high),
        verdict=arm.verdict.kind if arm.verdict else None,
        reason=one_line(arm.verdict.reason, 600) if arm.verdict else "",
    )


def rank(arm: ListedArm | None) -> tuple[int, float]:
    """Sorts the best verdict first, then the highest restoration; what has none comes last."""
    verdict = BY_SUCCESS.index(arm.verdict) if arm and arm.verdict else len(BY_SUCCESS)
    return verdict, -arm.restoration if arm and arm.restoration is not None else float("inf")
