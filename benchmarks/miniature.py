"""Measures whether the miniature is a clean experiment, and what each arm does in it: writes docs/miniature.md.

    python benchmarks/miniature.py --store STORE [--seeds 3]

Runs the default study at both strengths over several worlds (minutes; what is in the store is not run again).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import restor
from restor.evaluation.metrics.base import mean_of
from restor.report.io.load import load_facts
from restor.report.tables.arm_table import arm_table, to_markdown
from restor.results import Arm, Results, Value
from restor.runner.study import Outcome

REQUIREMENTS = (
    ("clean", "clean.all", "Clean model, all people", "at least 98 %", {"medium": (0.98, 1), "strong": (0.98, 1)}),
    (
        "corrupted",
        "test.original",
        "Corrupted, test targets, original",
        "at most 20 % / 5 %",
        {"medium": (0, 0.20), "strong": (0, 0.05)},
    ),
    (
        "corrupted",
        "test.planted",
        "Corrupted, test targets, planted",
        "at least 65 % / 90 %",
        {"medium": (0.65, 1), "strong": (0.90, 1)},
    ),
    (
        "corrupted",
        "untouched.original",
        "Corrupted, untouched people",
        "at least 96 %",
        {"medium": (0.96, 1), "strong": (0.96, 1)},
    ),
    ("ideal", "test.original", "Ideal, test targets", "at least 97 %", {"medium": (0.97, 1), "strong": (0.97, 1)}),
    (
        "recovery_only",
        "restoration",
        "Recovery only, restoration",
        "at most 15 %",
        {"medium": (-9, 0.15), "strong": (-9, 0.15)},
    ),
    (
        "retain_only/unrelated",
        "restoration",
        "Retain only, unrelated text, restoration",
        "at most 15 %",
        {"medium": (-9, 0.15), "strong": (-9, 0.15)},
    ),
)

INTRODUCTION = """# The miniature, measured

Written by `benchmarks/miniature.py`; the figures are those of one machine (2 CPU cores) and seeds {seeds}. Each seed is
another world with other people, another model and another choice of targets. Intervals are 95 % intervals over
seeds; n is in the captions.

## Is the experiment clean?

A study means something only if the clean model knows the facts, the corruption replaces them for the targets and
leaves everybody else alone, the ideal (the same training without the forget documents) still knows them, and text that
has nothing to do with the facts does not bring them back. These are the requirements and what was measured.

| what | required (medium / strong) | medium | strong |
|---|---|---|---|
"""


def percent(value: Value) -> str:
    """`98.3 [97, 99]`, or why not."""
    if value.value is None:
        return f"– ({value.note})"
    low, high = value.ci_low, value.ci_high
    interval = "" if low is None or high is None else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{100 * value.value:.1f} %{interval}"


def arm(results: Results, name: str) -> Arm:
    """A row of the table."""
    return next(row for row in results.summary if row.id == name)


def all_people(outcome: Outcome) -> Value:
    """The clean model's accuracy on everybody: targets of both kinds and untouched people."""
    facts = load_facts(outcome.folder / "facts.parquet").to_pylist()
    clean = [fact for fact in facts if fact["arm"].startswith("clean/")]
    right = {
        (fact["subject"], fact["relation"], fact["seed"]): float(fact["judgement"] == "original") for fact in clean
    }
    return mean_of(tuple(right), np.array(list(right.values())), shares=True)


def main() -> None:
    """Run, check, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, default=Path("restor-store"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("docs/miniature.md"))
    given = parser.parse_args()
    found: dict[str, Outcome] = {}
    for strength in ("medium", "strong"):
        found[strength] = restor.run(
            "miniature", store=given.store, seeds=given.seeds, overrides={"corruption.strength": strength}
        )
    text = INTRODUCTION.format(seeds=", ".join(map(str, range(given.seeds))))
    missed = []
    for name, metric, label, wanted, bounds in REQUIREMENTS:
        cells = []
        for strength, outcome in found.items():
            whole = metric == "clean.all"
            value = all_people(outcome) if whole else arm(outcome.results, name).metrics[metric]
            low, high = bounds[strength]
            good = value.value is not None and low <= value.value <= high
            if not good:
                missed.append(f"{label}, {strength}: {percent(value)}, wanted {wanted}")
            cells.append(f"{percent(value)}{'' if good else ' **missed**'}")
        text += f"| {label} | {wanted} | {' | '.join(cells)} |\n"
    for strength, outcome in found.items():
        text += f"\n## What each arm does, {strength} corruption\n\n{to_markdown(arm_table(outcome.results))}\n"
    given.out.write_text(text, encoding="utf-8")
    print(text)
    print("\n".join(["missed:", *missed]) if missed else "all requirements met")


if __name__ == "__main__":
    main()
