"""How losses went while an arm's model was made: from stored logs. Torch-free."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from restor.results import Curve

MOST_POINTS = 200
DIGITS = 4
"""Significant digits of a value."""

_NO_LOSS = frozenset({"step", "lr", "grad_norm"})
_NAMES = {"text": "loss"}

Record = Mapping[str, float]


def training_curves(kind: str, folder: Path) -> list[Curve]:
    """The losses of a training over optimiser steps, from the folder of its artifact; none without a training."""
    file = folder / "training.jsonl"
    records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []
    return list(loss_curves(kind, records))


def loss_curves(stage: str, records: Sequence[Record]) -> Iterator[Curve]:
    """One curve per term and, of several, of their sum; an algorithm that trains more than once has them for each."""
    runs: list[list[Record]] = []
    for record in records:
        if not runs or record["step"] <= runs[-1][-1]["step"]:
            runs.append([])
        runs[-1].append(record)
    for number, run in enumerate(runs, 1):
        which = f", training {number} of {len(runs)}" if len(runs) > 1 else ""
        terms = [name for name in run[0] if name not in _NO_LOSS]
        for name in terms:
            values = [(record["step"], record[name]) for record in run if name in record]
            yield Curve(name=f"{_NAMES.get(name, f'{name} loss')}{which}", stage=stage, points=thinned(values))
        if len(terms) > 1:
            sums = [(record["step"], sum(record.get(name, math.nan) for name in terms)) for record in run]
            yield Curve(name=f"total loss{which}", stage=stage, points=thinned(sums))


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `MOST_POINTS`, evenly spaced, the first and the last among them; values that are none are left out."""
    known = [(step, value) for step, value in points if math.isfinite(value)]
    if len(known) > MOST_POINTS:
        last = len(known) - 1
        known = [known[round(place * last / (MOST_POINTS - 1))] for place in range(MOST_POINTS)]
    return [(step, float(f"{value:.{DIGITS}g}")) for step, value in known]
