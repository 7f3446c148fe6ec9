"""Arms of several studies side by side. What was measured differently stands in tables of its own.

Nothing is computed anew and nothing is pooled: every figure is that of its own study, relative to its own references.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

from restor.errors import DataError
from restor.report.across.differences import differences
from restor.report.plain import counted, listed, one_line
from restor.report.tables.arm_table import Table, arm_table, over, to_json_rows
from restor.report.tables.metric_rows import FIGURE_COLUMNS, figure_rows
from restor.results import Arm, MetricInfo, Results, Value
from restor.types import Kind

if TYPE_CHECKING:
    import pyarrow

_ACCURACY = "test.original"
_FACT = ("group", "subject", "relation", "question", "answers", "planted")
_SETTINGS = ("asked", "shots", "max_new_tokens", "random_options", "candidates")
_SAMPLING = ("temperature", "top_p")
_TO_IDEAL = ("restoration", "above_control", "collateral.ideal")
"""Figures that are relative to the ideal model or, where there is none, to the clean one."""


@final
@dataclass(frozen=True, slots=True)
class Entrant:
    """One study of a comparison."""

    tag: str
    """A, B, ...: how tables name it."""
    results: Results
    terms: Mapping[str, str | None]
    """What figures must share to stand in one table, in words -> its value; None where it is not known."""

    @property
    def named(self) -> str:
        """Tag and id."""
        return f"{self.tag} ({one_line(self.results.study.id)})"

    @property
    def shown(self) -> str:
        """Tag, name, id and seeds."""
        study = self.results.study
        seeds = f"{'seed' if len(study.seeds) == 1 else 'seeds'} {', '.join(map(str, study.seeds))}"
        return f"{self.tag}: {one_line(study.name)} ({one_line(study.id)}), {seeds}"


@final
@dataclass(frozen=True, slots=True)
class Together:
    """Studies whose figures can stand in one table, and that table."""

    entrants: tuple[Entrant, ...]
    table: Table


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """All tables, and in words what is apart or missing."""

    tables: tuple[Together, ...]
    apart: tuple[str, ...]
    missing: tuple[str, ...]
    differences: tuple[str, ...] = ()
    """Between the configurations and between the verdicts."""


def entrant(tag: str, results: Results, facts: pyarrow.Table | None) -> Entrant:
    """A study as it enters a comparison.

    Args:
        tag: how tables name it.
        results: its figures.
        facts: its answers; None where they are not there, so that only the digests of the data can tell.
    """
    study = results.study
    settings = study.config.get("evaluation")
    settings = settings if isinstance(settings, dict) else {}
    terms = {
        "facts": None if facts is None else _fingerprint(facts),
        "digests of facts and forget documents": " ".join(sorted(set(study.data_sha256.values()))) or None,
        "protocol": study.protocol,
        "runs a fact": str(study.runs),
        "judge": _said(settings.get("judge")),
    }
    sampled = study.runs > 1 or study.protocol == "published"
    for name in (*_SETTINGS, *(_SAMPLING if sampled else ())):
        terms[f"evaluation.{name}"] = _said(settings.get(name))
    return Entrant(tag, results, terms)


def tag(place: int) -> str:
    """A, B, ... Z, AA, AB, ..."""
    return (tag(place // 26 - 1) if place >= 26 else "") + chr(ord("A") + place % 26)


def compare(entrants: Sequence[Entrant], arms: Collection[str] = ()) -> Comparison:
    """The arms of all studies, in as few tables as what was measured allows.

    Args:
        entrants: the studies.
        arms: names, ids or algorithms of the arms to show; all arms where there are none.

    Raises:
        DataError: if no study has one of `arms`.
    """
    if arms:
        entrants, missing = _picked(entrants, arms)
    else:
        missing = []
    groups: list[list[Entrant]] = []
    for each in entrants:
        for group in groups:
            if not any(_differences(other, each) for other in group):
                group.append(each)
                break
        else:
            groups.append([each])
    apart = [_why_apart(groups[0], group) for group in groups[1:]]
    tables = []
    for place, group in enumerate(groups):
        said = [f"Table {place + 1} of {len(groups)}, not to be compared with the others."] if len(groups) > 1 else []
        said += apart[place - 1 : place] if place else []
        tables.append(_together(group, said, missing))
    different = differences({each.tag: each.results for each in entrants})
    return Comparison(tuple(tables), tuple(apart), tuple(missing), different)


def _why_apart(first: Sequence[Entrant], group: Sequence[Entrant]) -> str:
    one, other, reasons = next(
        (one, other, differences) for other in group for one in first if (differences := _differences(one, other))
    )
    tags = listed([each.tag for each in group], len(group))
    verb = "stands" if len(group) == 1 else "stand"
    return f"{tags} {verb} apart from {one.tag}: {other.tag} has {listed(reasons, 6)}."


def _differences(one: Entrant, other: Entrant) -> list[str]:
    """Why the figures of two studies cannot stand in one table; empty where they can."""
    differences = []
    for name in dict.fromkeys([*one.terms, *other.terms]):
        first, second = one.terms.get(name), other.terms.get(name)
        if name in ("facts", "digests of facts and forget documents"):
            if first is not None and second is not None and first != second:
                differences.append(f"other {name}")
        elif first != second:
            short = f"{one_line(str(second), 60)} against {one_line(str(first), 60)}"
            differences.append(f"another {name} ({short})".replace("another runs", "other runs"))
    data = ("facts", "digests of facts and forget documents")
    if not any(one.terms[name] is not None and other.terms[name] is not None for name in data):
        differences.append("nothing stored that shows whether its facts are the same")
    return differences


def _fingerprint(facts: pyarrow.Table) -> str:
    """The facts that were asked, whatever the seed, arm and run."""
    columns = [facts[name].to_pylist() for name in _FACT]
    rows = {json.dumps(row, ensure_ascii=True) for row in zip(*columns, strict=True)}
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()


def _said(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict) and set(value) == {"name"}:
        return str(value["name"])
    return json.dumps(value, sort_keys=True)


def _picked(entrants: Sequence[Entrant], names: Collection[str]) -> tuple[list[Entrant], list[str]]:
    def fits(arm: Arm, name: str) -> bool:
        return name in (arm.arm, arm.id, arm.algorithm)

    missing: list[str] = []
    for name in names:
        without = [each.named for each in entrants if not any(fits(arm, name) for arm in each.results.summary)]
        if len(without) == len(entrants):
            known = list(dict.fromkeys(one_line(arm.arm, 40) for each in entrants for arm in each.results.summary))
            raise DataError(f"No study here has the arm {name!r}. Known: {listed(known, 30)}.")
        if without:
            missing.append(f"{one_line(name, 60)} is not in {listed(without, len(without))}.")
    kept = []
    for each in entrants:
        chosen = [arm for arm in each.results.summary if any(fits(arm, name) for name in names)]
        if chosen:
            kept.append(replace(each, results=each.results.model_copy(update={"summary": chosen})))
    return kept, missing


def _together(group: Sequence[Entrant], said: Sequence[str], missing: Sequence[str]) -> Together:
    figures: dict[str, MetricInfo] = {}
    for each in group:
        for figure in each.results.figures:
            figures.setdefault(figure.name, figure)
    bases = {each.tag: base_of(each.results) for each in group}
    marked: list[tuple[int, Arm]] = []
    order: dict[tuple[str, str | None], int] = {}
    for each in group:
        figure_of = {figure.name: figure for figure in each.results.figures}
        for arm in each.results.summary:
            metrics = dict(arm.metrics)
            for name, value in arm.metrics.items():
                if name in figures and not _same(figures[name], figure_of.get(name)):
                    note = f"{each.tag} does not define this figure as the others do; its results.json has it"
                    metrics[name] = Value(value=None, n=value.n, note=note)
                elif _relative(name) and value.value is not None and len(set(bases.values())) > 1:
                    note = f"{each.tag}: relative to its {bases[each.tag] or 'own references'} model"
                    metrics[name] = value.model_copy(
                        update={"note": f"{note}; {value.note}" if value.note else note}
                    )  # fmt: skip
            at = order.setdefault((arm.arm, arm.retain), len(order))
            new = {"id": f"{each.tag}:{arm.id}", "label": f"{each.tag}: {arm.label}", "metrics": metrics}
            marked.append((at, arm.model_copy(update=new)))
    ordered = [arm for _, arm in sorted(marked, key=lambda pair: pair[0])]
    # Its caption would speak of one study, so a caption of our own takes its place.
    merged = Results(study=group[0].results.study, figures=list(figures.values()), arms=ordered, summary=ordered)
    table = replace(arm_table(merged), caption=" ".join([*said, _caption(group, bases), *_gaps(missing)]))
    return Together(tuple(group), table)


def _caption(group: Sequence[Entrant], bases: Mapping[str, str | None]) -> str:
    study = group[0].results.study
    runs = f", {study.runs} runs a fact" if study.runs > 1 else ""
    parts = [*(_about(each) for each in group), f"protocol {one_line(study.protocol)}{runs}"]
    parts.append(f"[95 % intervals] {over(each.results.study for each in group)}")
    parts.append("every figure is of its own study and relative to the references there")
    if set(bases.values()) == {"clean"}:
        parts.append("restoration is relative to the clean model, as there is no ideal one")
    makers = {each.tag: each.results.study.versions.get("restor", "unknown") for each in group}
    if len(set(makers.values())) > 1:
        versions = listed([f"{one_line(version, 40)} ({tag})" for tag, version in makers.items()], len(makers))
        parts.append(f"made by different versions of restor: {versions}")
    return "; ".join(parts) + "."


def _about(each: Entrant) -> str:
    """What a study is and what its figures rest on."""
    values = [arm.metrics[_ACCURACY] for arm in each.results.summary if _ACCURACY in arm.metrics]
    facts = [value.n for value in values] or [0]
    entities = max((value.n_entities for value in values), default=0)
    least = f"{min(facts):,} to " if min(facts) < max(facts) else ""
    text = f"{each.shown}, {least}{counted(max(facts), 'targeted test fact')} about {counted(entities, 'entity')}"
    unscored = [
        f"{value.n_unscored} in {one_line(arm.label)}{f' ({arm.retain})' if arm.retain else ''}"
        for arm in each.results.summary
        if (value := arm.metrics.get(_ACCURACY)) and value.n_unscored
    ]
    return f"{text}, without a verdict and left out of the shares {listed(unscored, 6)}" if unscored else text


def _gaps(missing: Sequence[str]) -> list[str]:
    return [f"Missing: {' '.join(missing)}"] if missing else []


def _same(one: MetricInfo, other: MetricInfo | None) -> bool:
    return other is not None and (one.unit, one.meaning) == (other.unit, other.meaning)


def _relative(name: str) -> bool:
    return name in _TO_IDEAL or name.endswith(".restoration")


def base_of(results: Results) -> str | None:
    """What 1 means for restoration, as far as the arms tell."""
    names = {arm.arm for arm in [*results.arms, *results.summary] if arm.kind is Kind.REFERENCE}
    return "ideal" if "ideal" in names else "clean" if "clean" in names else None


COMPARED_COLUMNS = ("table", "tag", *FIGURE_COLUMNS)
"""The columns of a comparison's CSV; rows of one `table` can be compared."""


def compared_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per arm and figure of every study, as `figure_rows` gives them: what the study itself stores."""
    return [
        {"table": place, "tag": each.tag, **row}
        for place, part in enumerate(comparison.tables, 1)
        for each in part.entrants
        for row in figure_rows(each.results, each.results.summary)
    ]


def compared_json(comparison: Comparison) -> dict[str, Any]:
    """As plain JSON values; arms have their study's tag beside their own id and label."""
    tables = []
    for part in comparison.tables:
        studies = [
            {
                "tag": each.tag,
                "name": each.results.study.name,
                "id": each.results.study.id,
                "seeds": each.results.study.seeds,
                "measured": dict(each.terms),
            }
            for each in part.entrants
        ]
        rows = []
        for row in to_json_rows(part.table):
            tag, _, name = row["id"].partition(":")
            rows.append({"tag": tag, **row, "id": name, "label": row["label"].removeprefix(f"{tag}: ")})
        tables.append({"studies": studies, "table": rows})
    said = {"apart": comparison.apart, "missing": comparison.missing, "differences": comparison.differences}
    return {"tables": tables, **{name: list(lines) for name, lines in said.items()}}
