"""Writes docs/algorithms.md: what every algorithm, wrapper and control is, told by the code, and what was measured.

    python benchmarks/algorithms.py [--measured STUDY]

Without an option it takes seconds and runs nothing: do it after every change to an entry. `--measured` takes the
figures of a finished study of the miniature, its folder or its results.json, into docs/algorithms-measured.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from restor.experiment import ArmConfig
from restor.recipes._arms import further_arms, standard_arms
from restor.report.io.load import load_results
from restor.report.plain import UNDEFINED, number, share
from restor.report.tables.columns import BUDGET_NAMES
from restor.report.words.restored import figure, restoration
from restor.results import Arm, Results
from restor.types import Budget, Kind
from restor.unlearning.algorithms.base import ALGORITHMS, WeightAlgorithm
from restor.unlearning.described import by_default, letters, other_budgets
from restor.unlearning.wrappers.base import WRAPPERS

DOCS = Path(__file__).parent.parent / "docs"
RETAIN_TEXTS = {"unrelated": "Unrelated retain text", "related": "Related retain text"}
NO_RETAIN = "none"
NOT_MEASURED = "not measured"

Measured = Mapping[str, Any]
"""What docs/algorithms-measured.json holds; its field `arms` is None before the first measurement."""

INTRODUCTION = """# Unlearning algorithms

Written by `benchmarks/algorithms.py` from what the code says of itself; do not edit it by hand. `restor list
algorithms` shows the same with all settings, `restor list algorithms NAME` the page of one, and `restor list wrappers`
the wrappers. [add-an-algorithm.md](add-an-algorithm.md) adds your own.

p is the model in training, r the corrupted model, frozen. f and ret stand for the forget documents and the retain text,
theta for all weights, theta_C for those of an earlier checkpoint, y for the token that is stated.

**Is told** is the information budget: what the algorithm reads with its default settings. In brackets stand the
settings that change it. Compare only what is told the same.

{key}

**Cost** is what a step or the whole algorithm takes beside the model itself.

**Unrelated** and **related retain text** say what was measured in the miniature with medium corruption: restoration in
percent with its 95 % interval over entities, and behind the dot the facts about untouched entities that
are still answered truly, in percent. Restoration is 0 for the corrupted model and 100 for the ideal one. Unrelated text
is another family; related text tells true facts about other entities of the same world. What reads no retain text has
one figure, which stands in both columns. An algorithm restores only what it has above the controls with the same text.

{measured}
"""

IDEAL = "the same start, steps and stream without the forget documents: what 100 % means, no unlearning"

SOUL = (
    "SOUL<br>`optimizer.name sophia`",
    "steps divided by a curvature estimate and clipped, in place of AdamW",
    "`theta - eta clip(m / max(gamma h, eps), 1), h from the squared gradient`",
    "[2404.18239](https://arxiv.org/abs/2404.18239)",
    "every loss",
    "no further pass",
)
"""An optimiser, which is no entry of a catalogue."""


# What was measured ---------------------------------------------------------------------------------------------------


def measured_of(results: Results) -> dict[str, Any]:
    """The figures of a study that the page shows, by arm and retain text."""
    config = results.study.config
    arms: dict[str, Any] = {}
    for row in results.summary:
        if row.kind is Kind.BASELINE:
            continue
        settings = config["unlearning"]["arms"].get(row.arm, {})
        arm = arms.setdefault(
            row.arm,
            {
                "label": row.label,
                "algorithm": row.algorithm,
                "wrapper": settings.get("wrapper"),
                "optimizer": (settings.get("optimizer") or {}).get("name"),
                "forget": settings.get("forget", "targets"),
                "retain": {},
            },
        )
        arm["retain"][row.retain or NO_RETAIN] = _figures(row)
    return {
        "study": results.study.id,
        "strength": config["corruption"]["strength"],
        "seeds": results.study.seeds,
        "created": results.study.created,
        "versions": results.study.versions,
        "code": results.study.code,
        "arms": arms,
    }


def _figures(arm: Arm) -> dict[str, Any]:
    restored = restoration(arm)
    shares = {key: figure(arm, f"test.{key}").value for key in ("original", "planted")}
    return {
        "value": _rounded(restored.value),
        "low": _rounded(restored.ci_low),
        "high": _rounded(restored.ci_high),
        "n": restored.n,
        **{key: _rounded(value) for key, value in shares.items()},
        "untouched": _rounded(figure(arm, "untouched.original").value),
        "note": restored.note,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


# The page ------------------------------------------------------------------------------------------------------------


def page(measured: Measured) -> str:
    """docs/algorithms.md."""
    key = "\n".join(f"- **{item.value}** {text}" for item, text in BUDGET_NAMES.items())
    names = ALGORITHMS.names()
    methods = [name for name in names if not ALGORITHMS.get(name).info.control]
    losses = [name for name in methods if not issubclass(ALGORITHMS.get(name), WeightAlgorithm)]
    weights = [name for name in methods if name not in losses]
    parts = [
        INTRODUCTION.format(key=key, measured=_provenance(measured)),
        "## Losses\n\nMinimised from the corrupted model by gradient descent.\n",
        _table(_algorithm(name, measured) for name in losses),
        "\n## Weight arithmetic, editing and distillation\n\nNew weights, made from those of one or several models.\n",
        _table(_algorithm(name, measured) for name in weights),
        "\n## Wrappers\n\nA wrapper changes how the step of a loss is taken, and combines with every loss that has the "
        "terms it needs. It is told\nwhat the loss is told.\n",
        _table(_wrappers(measured), budget="Wraps"),
        "\n## Controls\n\nThey do not unlearn what they should: they tell a method from its side effects, or are told "
        "the truth.\n",
        _table(_controls(names, measured)),
    ]
    return "\n".join(parts)


def _provenance(measured: Measured) -> str:
    if measured["arms"] is None:
        return "Nothing has been measured yet: `benchmarks/algorithms.py --measured STUDY` fills the columns."
    versions = ", ".join(f"{name} {version}" for name, version in measured["versions"].items())
    seeds = measured["seeds"]
    worlds = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    facts = max((text["n"] for arm in measured["arms"].values() for text in arm["retain"].values()), default=0)
    return f"Measured: study {measured['study']}, {worlds}, {facts:,} targeted test facts; {versions}."


def _table(rows: Iterable[Sequence[str]], budget: str = "Is told") -> str:
    heading = ("Name", "What it does", "Equation", "Paper", budget, "Cost", *RETAIN_TEXTS.values())
    lines = [heading, tuple(":--" for _ in heading), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _algorithm(name: str, measured: Measured) -> Sequence[str]:
    info = ALGORITHMS.get(name).info
    default = by_default(name)
    told = "depends on its settings" if default is None else letters(default.plan.budget())
    others = "; ".join(f"{change}: {letters(budget)}" for change, budget in other_budgets(name))
    found = _arms(measured, algorithm=name, wrapper=None, optimizer=None, forget="targets")
    return (
        f"{info.title}<br>`{name}`",
        info.mechanism,
        f"`{info.equation}`",
        _paper(info.paper),
        f"{told}{f' ({others})' if others else ''}",
        info.cost,
        *_cells(found),
    )


def _wrappers(measured: Measured) -> Iterator[Sequence[str]]:
    for name in WRAPPERS.names():
        yield _wrapper(name, measured)
    yield *SOUL, *_cells(_arms(measured, optimizer="sophia"), always_label=True)


def _wrapper(name: str, measured: Measured) -> Sequence[str]:
    info = WRAPPERS.get(name).info
    terms = [term for term, on in (("forget", info.needs_forget), ("retain", info.needs_retain)) if on]
    return (
        f"{info.title}<br>`{name}`",
        info.mechanism,
        f"`{info.equation}`",
        _paper(info.paper),
        f"losses with a {' and a '.join(terms)} term" if terms else "every loss",
        info.cost,
        *_cells(_arms(measured, wrapper=name), always_label=True),
    )


def _controls(names: Sequence[str], measured: Measured) -> Iterator[Sequence[str]]:
    """The arms of the miniature that have no algorithm or the wrong documents, and the algorithms that are controls."""
    yield "Ideal", IDEAL, "", "", "the past", "that of the corruption", *_cells(_arms(measured, arm="ideal"))
    for name, arm in {**standard_arms(), **further_arms(small=True)}.items():
        if arm.algorithm is None or arm.forget == "random":
            yield f"{arm.label}<br>`{name}`", *_recipe_control(arm), *_cells(_arms(measured, arm=name))
    for name in names:
        if ALGORITHMS.get(name).info.control:
            yield _algorithm(name, measured)


def _recipe_control(arm: ArmConfig) -> Sequence[str]:
    """What an arm does, its equation, paper, budget and cost."""
    if arm.filter:
        what = "the corrupted model as it is; its planted answers are suppressed when it is asked"
        return what, "", "", "the planted answers", "none"
    if arm.algorithm is None:
        recovers = "the corrupted model after the light recovery fine-tune, which ends every other arm"
        return recovers if arm.recover else "the corrupted model as it is", "", "", "nothing", "none"
    default = by_default(arm.algorithm)
    told = () if default is None else tuple(item for item in default.plan.budget() if item is not Budget.FORGET)
    title = ALGORITHMS.get(arm.algorithm).info.title
    return f"{title} against true documents about random untouched entities", "", "", letters(told), f"that of {title}"


def _paper(link: str) -> str:
    if not link:
        return "none"
    text = link.removeprefix("https://").removeprefix("www.").removeprefix("arxiv.org/abs/").rstrip("/")
    return f"[{text}]({link})"


def _arms(measured: Measured, *, arm: str | None = None, **wanted: str | None) -> list[Mapping[str, Any]]:
    """The measured arms of that name, or those that agree in all the fields given."""
    arms: Mapping[str, Mapping[str, Any]] = measured["arms"] or {}
    if arm is not None:
        return [arms[arm]] if arm in arms else []
    return [item for item in arms.values() if all(item[key] == value for key, value in wanted.items())]


def _cells(arms: Sequence[Mapping[str, Any]], *, always_label: bool = False) -> Iterator[str]:
    """One cell per retain text; where an algorithm has several arms, each with its label."""
    for kind in RETAIN_TEXTS:
        found = [(arm["label"], arm["retain"].get(kind) or arm["retain"].get(NO_RETAIN)) for arm in arms]
        shown = [(label, _restored(figures)) for label, figures in found if figures is not None]
        labelled = always_label or len(arms) > 1
        yield "<br>".join(f"{label}: {text}" if labelled else text for label, text in shown) or NOT_MEASURED


def _restored(figures: Mapping[str, Any]) -> str:
    """`37 [21, 52] · 98`, or why there is none."""
    if figures["value"] is None:
        return f"{UNDEFINED} ({figures['note']})"
    low, high, untouched = figures["low"], figures["high"], figures["untouched"]
    ends = "" if low is None or high is None else f" [{number(100 * low)}, {number(100 * high)}]"
    return f"{number(100 * figures['value'])}{ends}{'' if untouched is None else f' · {share(untouched)}'}"


def read_measured(path: Path) -> Measured:
    """The committed figures, or that there are none."""
    measured: Measured = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"arms": None}
    return measured


def main(argv: Sequence[str] | None = None) -> None:
    """Take over what was measured, if it is given, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measured", type=Path, help="a study of the miniature with medium corruption")
    parser.add_argument("--docs", type=Path, default=DOCS, help="the folder of the page and the figures")
    given = parser.parse_args(argv)
    stored = given.docs / "algorithms-measured.json"
    if given.measured is not None:
        measured = measured_of(load_results(given.measured))
        if measured["strength"] != "medium":
            parser.error(f"the page shows medium corruption; {given.measured} has {measured['strength']}")
        stored.write_text(json.dumps(measured, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (given.docs / "algorithms.md").write_text(page(read_measured(stored)), encoding="utf-8")
    print(f"{given.docs / 'algorithms.md'}: {len(ALGORITHMS.names())} algorithms, {len(WRAPPERS.names())} wrappers")


if __name__ == "__main__":
    main()
