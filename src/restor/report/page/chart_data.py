"""What the charts of the page show, as plain JSON values: stored figures and means of stored log-probs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from restor.report.across.series import series_of
from restor.report.io.states import States
from restor.report.page.flows import Flows
from restor.report.plain import clip, one_line, printable
from restor.report.words.restored import estimate, restoration
from restor.results import Arm, PartKind, Results, Value
from restor.types import Group, Kind

if TYPE_CHECKING:
    import pyarrow

MOST_POINTS = 100
"""Of a curve: no screen shows more."""
MOST_PARTS = 300
"""Of one kind, such as entities."""
PICKED = 6
"""Arms that the charts show at first."""
PART_TITLES: dict[PartKind, str] = {
    "confidence": "Log-prob of the true answer by the clean model, nats",
    "relation": "Relation",
    "entity": "Entity",
    "dose": "Forget documents that state the planted answer",
}


def chart_data(results: Results, states: States, ways: Flows) -> dict[str, Any]:
    """Everything but the answers; arms go by their place in the summary."""
    place = {arm.id: number for number, arm in enumerate(results.summary)}
    picked = {arm.id for arm in pick(results)}
    return {
        "arms": [_about(arm, arm.id in picked) for arm in results.summary],
        "origins": [place[arm.id] for arm in ways.origins],
        "flows": {
            group.value: {place[arm]: counts for arm, counts in arms.items()} for group, arms in ways.counts.items()
        },
        "parts": _parts(results, place),
        "series": _series(results, place),
        "curves": _curves(results),
        "layers": {place[arm]: means for arm, means in layer_means(results, states).items()},
    }


def pick(results: Results) -> list[Arm]:
    """The arms that say most: the best methods, then the best controls, then the references."""

    def best(*kinds: Kind) -> list[Arm]:
        return sorted((arm for arm in results.summary if arm.kind in kinds), key=estimate, reverse=True)

    methods, controls, references = best(Kind.METHOD, Kind.ORACLE), best(Kind.CONTROL), best(Kind.REFERENCE)
    chosen = [*methods[: PICKED - 3], *controls[:1], *[arm for arm in references if arm.arm != "clean"][:2]]
    rest = [arm for arm in [*methods, *controls, *references] if arm not in chosen]
    return [*chosen, *rest[: PICKED - len(chosen)]]


def _about(arm: Arm, picked: bool) -> dict[str, Any]:
    cost = arm.cost
    made = arm.kind is not Kind.BASELINE
    return {
        "id": printable(arm.id),
        "label": one_line(arm.label, 60),
        "retain": one_line(arm.retain, 20) if arm.retain else None,
        "kind": arm.kind.value,
        "picked": int(picked),
        "restoration": _value(restoration(arm)),
        "seconds": _rounded(cost.seconds) if made and cost.seconds else None,
        "tokens": cost.tokens if made and cost.tokens else None,
        "flops": _rounded(cost.flops) if made and cost.flops else None,
    }


def _parts(results: Results, place: Mapping[str, int]) -> list[dict[str, Any]]:
    parts = []
    for kind, title in PART_TITLES.items():
        names: dict[str, int] = {}
        orders: list[float | None] = []
        arms: dict[int, list[Any]] = {}
        for arm in results.summary:
            for part in arm.parts.get(kind, ()):
                name = printable(clip(part.name, 80))
                number = names.setdefault(name, len(names))
                if number == len(orders):
                    orders.append(_rounded(part.order))
                if number < MOST_PARTS:
                    value = part.restoration
                    arms.setdefault(place[arm.id], []).append([number, *_value(value), value.n])
        if arms:
            shown = {"names": list(names)[:MOST_PARTS], "orders": orders[:MOST_PARTS], "arms": arms}
            parts.append({"kind": kind, "title": title, "left_out": max(0, len(names) - MOST_PARTS), **shown})
    return parts


def _series(results: Results, place: Mapping[str, int]) -> list[dict[str, Any]]:
    axes: dict[str, list[Any]] = {}
    for series in series_of(results):
        points = [
            [_rounded(point.x), *_value(point.value), point.value.n, place.get(point.arm)] for point in series.points
        ]
        axes.setdefault(one_line(series.x_title, 80), []).append({"label": one_line(series.label), "points": points})
    return [{"title": title, "series": series} for title, series in axes.items()]


def _curves(results: Results) -> list[dict[str, Any]]:
    """Per figure and stage, unlearning first: the curves of every arm and seed."""
    pooled = {(arm.arm, arm.retain): number for number, arm in enumerate(results.summary)}
    curves: dict[tuple[str, str], list[Any]] = {}
    for arm in results.arms:
        owner = pooled.get((arm.arm, arm.retain))
        for curve in arm.curves if owner is not None else ():
            points = [[_rounded(x), _rounded(y)] for x, y in _thinned(curve.points)]
            key = (one_line(curve.name, 60), one_line(curve.stage, 30))
            curves.setdefault(key, []).append({"arm": owner, "seed": arm.seed, "points": points})
    ordered = sorted(curves.items(), key=lambda item: item[0][1] != "unlearn")
    return [{"name": name, "stage": stage, "lines": lines} for (name, stage), lines in ordered]


def _thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """Evenly spaced points, the first and the last among them."""
    last = len(points) - 1
    if last < MOST_POINTS:
        return points
    return [points[round(number * last / (MOST_POINTS - 1))] for number in range(MOST_POINTS)]


def layer_means(results: Results, states: States) -> dict[str, dict[str, list[float | None]]]:
    """Per arm: the mean log-prob after each layer over the targeted test facts, of the true and the planted answer."""
    import numpy as np

    tested = (states.group == list(Group).index(Group.TEST))[states.fact]
    means: dict[str, dict[str, list[float | None]]] = {}
    for name in ("original", "planted"):
        lengths, values, starts = _lists(states.facts[f"layers_{name}"])
        for arm in results.summary:
            rows = np.flatnonzero(tested & (states.owner == states.arms[arm.id]) & (lengths > 0))
            depths = np.unique(lengths[rows])
            if len(depths) != 1:  # of models of several depths no mean has a meaning
                continue
            matrix = values[starts[rows][:, None] + np.arange(depths[0])]
            sound = matrix[np.isfinite(matrix).all(axis=1)]
            if len(sound):
                means.setdefault(arm.id, {})[name] = [_rounded(value) for value in sound.mean(axis=0).tolist()]
    return means


def _lists(column: pyarrow.ChunkedArray) -> tuple[Any, Any, Any]:
    """Lengths, all values and where each row starts, of a column of lists; a null has length 0."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    column = column.cast(pa.list_(pa.float64()))  # one that is null throughout may have no type
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(np.int64)
    values = pc.list_flatten(column).to_numpy().astype(float)
    return lengths, values, np.concatenate([[0], np.cumsum(lengths)[:-1]]) if len(lengths) else lengths


def _value(value: Value) -> list[float | None]:
    return [_rounded(value.value), _rounded(value.ci_low), _rounded(value.ci_high)]


def _rounded(value: float | None) -> float | None:
    """Four digits."""
    return None if value is None else float(f"{value:.4g}")
