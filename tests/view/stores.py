"""Small stores: results that are just large enough to be listed."""

from __future__ import annotations

import json
import os
from pathlib import Path

from restor.results import Arm, ArmVerdict, Results, Study, Value
from restor.store.store import STORE_FORMAT
from restor.types import Kind


def small_results(study: str, **changes: object) -> Results:
    """Two references, a control and a method. `changes` are fields of the study, `label` and `verdict` the method's."""
    label, verdict = str(changes.pop("label", "NPO, per token")), changes.pop("verdict", "partly restored")

    def arm(name: str, kind: Kind, share: float, **more: object) -> Arm:
        value = Value(value=share, ci_low=share - 0.1, ci_high=share + 0.1, n=40, n_entities=10)
        metrics = {"test.original": value, "restoration": value}
        return Arm(id=name, label=name, arm=name, kind=kind, seeds=[0], metrics=metrics).model_copy(update=more)

    said = ArmVerdict(kind=verdict, reason="because of 40 facts") if verdict else None  # type: ignore[arg-type]
    arms = [
        arm("clean", Kind.REFERENCE, 1.0),
        arm("corrupted", Kind.REFERENCE, 0.0),
        arm("retain_only", Kind.CONTROL, 0.2, retain="related"),
        arm("npo", Kind.METHOD, 0.6, algorithm="npo", label=label, verdict=said),
    ]
    about = {
        "name": "mini",
        "created": "2026-01-02T03:04:05+00:00",
        "seeds": [0],
        "config": {"domain": {"name": "towns"}},
    }
    return Results(study=Study(id=study, **(about | changes)), arms=arms, summary=arms)


def add(store: Path, study: str, *, at: float | None = None, **changes: object) -> Path:
    """A finished study without answers; `at` is when its results were written, seconds."""
    folder = store / "studies" / study
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "results.json"
    file.write_text(small_results(study, **changes).model_dump_json(), encoding="utf-8")
    if at is not None:
        os.utime(file, (at, at))
    return folder


def new_store(path: Path) -> Path:
    """An empty store, its path without links."""
    (path / "studies").mkdir(parents=True)
    (path / "store.json").write_text(json.dumps({"format": STORE_FORMAT}), encoding="utf-8")
    return path.resolve()
