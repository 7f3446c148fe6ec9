"""What the page says in words: the way of a model from knowing to knowing again, and what each arm is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, final

from restor.report.io.load import reference
from restor.report.plain import UNDEFINED, counted, number, one_line
from restor.report.tables.arm_table import KIND_TITLES
from restor.report.tables.columns import BUDGET_NAMES
from restor.report.words.papers import ALGORITHM_PAPERS, PAPERS
from restor.report.words.restored import figure, full, of_kind, restoration, short_percent
from restor.results import Arm, Results
from restor.types import Budget, Kind

ARM_MEANINGS = {
    "clean": "The model before it read anything wrong: what it knew.",
    "corrupted": "The clean model after it read the forget documents. Every arm starts here: 0 % restoration.",
    "ideal": "The same start, steps and text, but without the forget documents: 100 % restoration.",
    "nothing": "The corrupted model, left as it is.",
    "recovery_only": "The light recovery fine-tune without any unlearning: what it restores, no method may claim.",
    "retain_only": "Training on the retain text without forgetting anything: often the control that decides.",
    "random_forget": "An unlearning algorithm that is given documents about random other entities to forget.",
    "random_vector": "A random change of the weights, as large as the task vector: what size alone does.",
    "output_filter": "The corrupted model as it is; its planted answers are suppressed when it is asked.",
    "copy_demonstrations": "No model: the most common answer among the demonstrations of the prompt.",
    "most_frequent": "No model: the answer that is most common for the relation among all other entities.",
}
GIVEN_MEANINGS = {
    "clean": "Given as the model before it read anything wrong.",
    "corrupted": "Given as the model after it read false documents: 0 % restoration.",
    "ideal": "Given as the model trained alike without the false documents: 100 % restoration.",
}
"""What the references of a comparison are: what the user says of them."""
SETTINGS_FROM = {
    "none": "",
    "selected": "chosen on validation people",
    "default": "defaults: the paper's hyperparameters, the middle of the search grid",
    "given": "given by the user",
}


@final
@dataclass(frozen=True, slots=True)
class StoryStep:
    """One card at the top of the page."""

    name: str
    figure: str
    sort: Literal["true", "planted", "neutral"]
    """The colour of the figure."""
    text: str


def steps(results: Results) -> list[StoryStep]:
    """The way from knowing to knowing again, as far as the results show it."""
    clean, corrupted, top = reference(results, "clean"), reference(results, "corrupted"), full(results)
    steps_told = []
    if clean is not None:
        true = _true(clean)
        text = f"The clean model gives the true answer to {true} of the questions asked here."
        steps_told.append(StoryStep("It knows", true, "true", text))
    if corrupted is not None:
        true, wrong = _true(corrupted), figure(corrupted, "test.planted")
        planted = f", and {short_percent(wrong)} are the planted wrong ones" if wrong.value is not None else ""
        text = f"It reads documents that state wrong facts about some entities. Now {true} of the answers about them "
        steps_told.append(StoryStep("It is misled", true, "planted", f"{text}are true{planted}."))
    steps_told += _unlearning(results)
    if top is not None and corrupted is not None:
        what = (
            f"the ideal one ({_true(top)} true), which was trained alike but never read those documents"
            if top.arm == "ideal"
            else f"the clean one ({_true(top)} true), as there is no ideal one"
        )
        text = f"Restoration: 0 % is the misled model, 100 % {what}."
        steps_told.append(StoryStep("Does it know again?", _best(results), "true", text))
    return steps_told


def _unlearning(results: Results) -> list[StoryStep]:
    methods, controls, oracles = (
        len({arm.arm for arm in results.summary if arm.kind is kind})
        for kind in (Kind.METHOD, Kind.CONTROL, Kind.ORACLE)
    )
    if results.study.kind == "comparison":
        text = "Checkpoints made elsewhere. What each of them was told is unknown here."
        return [StoryStep("Compared", counted(methods, "model"), "neutral", text)] if methods else []
    copies = len({arm.arm for arm in of_kind(results, Kind.METHOD) if Budget.CHECKPOINT in (arm.budget or ())})
    said = ["Each tries to undo those documents without being told the true answers."]
    if copies:
        said.append(f"{copies} of them {'has' if copies == 1 else 'have'} a copy of the model from before.")
    if oracles:
        said.append(f"{counted(oracles, 'oracle')} {'is' if oracles == 1 else 'are'} told the true answers.")
    if controls:
        said.append(
            f"{counted(controls, 'control')} {'shows' if controls == 1 else 'show'} what comes back without unlearning."
        )
    return [StoryStep("It unlearns", counted(methods, "method"), "neutral", " ".join(said))]


def _best(results: Results) -> str:
    """The highest restoration of a method; a dash where none has one."""
    known = [value for arm in of_kind(results, Kind.METHOD) if (value := restoration(arm).value) is not None]
    return f"at best {number(100 * max(known))} %" if known else UNDEFINED


def _true(arm: Arm) -> str:
    return short_percent(figure(arm, "test.original"))


def arms_explained(results: Results) -> list[dict[str, str]]:
    """What each arm is, was told and cost, and what it came to and why, in the order of the table."""
    return [
        {
            "label": one_line(arm.label, 60),
            "retain": one_line(arm.retain or "", 40),
            "kind": arm.kind.value,
            "reason": one_line(arm.verdict.reason, 600) if arm.verdict else "",
            "meaning": _meaning(arm, results),
            "settings": ", ".join(f"{name} {_setting(value)}" for name, value in arm.options.items()),
            "from": SETTINGS_FROM[arm.hyperparameters] if arm.options else "",
            "told": "unknown"
            if arm.budget is None
            else ", ".join(name for item, name in BUDGET_NAMES.items() if item in arm.budget),
            "model": one_line(arm.model or "", 200),
            "cost": _cost(arm),
            "recovered": "followed by the recovery fine-tune" if arm.recovered else "",
            "lineage": " → ".join(f"{item.stage} {item.key}" for item in arm.lineage),
        }
        for kind in KIND_TITLES
        for arm in results.summary
        if arm.kind is kind
    ]


def _meaning(arm: Arm, results: Results) -> str:
    if results.study.kind == "comparison" and arm.kind is not Kind.BASELINE:
        return GIVEN_MEANINGS.get(arm.arm, "A checkpoint made elsewhere.")
    if arm.arm in ARM_MEANINGS:
        return ARM_MEANINGS[arm.arm]
    paper = PAPERS.get(ALGORITHM_PAPERS.get(arm.algorithm or "", ""))
    after = f" Its paper: {paper.title} (arXiv {ALGORITHM_PAPERS[arm.algorithm]})." if paper and arm.algorithm else ""
    return f"Algorithm {one_line(arm.algorithm or arm.arm, 80)}; `restor list algorithms` has its equation.{after}"


def _cost(arm: Arm) -> str:
    cost = arm.cost
    if arm.kind is Kind.BASELINE or not (cost.seconds or cost.steps):
        return UNDEFINED
    flops = f", {cost.flops:.1e} FLOPs" if cost.flops else ""
    text = (
        f"{cost.steps:,} steps, {cost.tokens:,} tokens, {number(cost.seconds, 1)} s, {number(cost.peak_memory_mb)} MB"
    )
    return text + flops


def _setting(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
