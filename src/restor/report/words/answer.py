"""What the study found, in sentences that claim no more than the intervals allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from restor.report.plain import counted, one_line
from restor.report.words.checkpoint_words import checkpoint_caveats, checkpoint_details, checkpoint_headline
from restor.report.words.findings import findings
from restor.report.words.judged import judged_details, judged_headline, judged_others
from restor.report.words.restored import figure
from restor.results import Results
from restor.types import Kind

_MEANING = (
    "The model had read documents that state false facts. Its knowledge is back where it gives the true answers again "
    "as it would without those documents, and gives more of them than controls, which train alike but unlearn nothing."
)
_COMPARED = (
    "A model has its knowledge back where it gives the true answers again that reading false documents took from it."
)


@final
@dataclass(frozen=True, slots=True)
class Conclusion:
    """The sentence at the top, what stands behind it, and what limits it."""

    headline: str
    meaning: str
    """What that means, for somebody who reads of it for the first time."""
    basis: str
    """How many facts, entities and seeds it rests on."""
    details: tuple[str, ...]
    caveats: tuple[str, ...]


def answer(results: Results) -> Conclusion:
    """The finding of a study, or of a comparison of checkpoints."""
    shared = findings(results)
    if results.study.kind == "comparison":
        return Conclusion(
            checkpoint_headline(results),
            _COMPARED,
            _basis(results),
            (*checkpoint_details(results), *shared),
            (*checkpoint_caveats(results), *_caveats(results)),
        )
    return Conclusion(
        judged_headline(results),
        " ".join([*judged_others(results), _MEANING]),
        _basis(results),
        (*judged_details(results), *shared),
        tuple(_caveats(results)),
    )


def answer_text(results: Results) -> str:
    """The finding as plain text for a terminal: one paragraph or item a line, nothing in it that could act on one."""
    finding = answer(results)
    items = [f"- {detail}" for detail in finding.details]
    limits = [f"- {caveat}" for caveat in finding.caveats]
    return "\n".join([finding.headline, finding.meaning, f"({finding.basis}.)", *items, "What limits this:", *limits])


def brief_text(results: Results) -> str:
    """The finding of a study in three lines, and where the rest is told."""
    finding = answer(results)
    more = f"`restor report` tells more: which arms ({len(finding.details)} items) and what limits this"
    return "\n".join(
        [
            finding.headline,
            finding.meaning,
            f"({finding.basis}.)",
            f"{more} ({len(finding.caveats)}). The page below shows every arm and fact.",
        ]
    )


def _basis(results: Results) -> str:
    study = results.study
    values = [arm.metrics["test.original"] for arm in results.summary if "test.original" in arm.metrics]
    compared = study.kind == "comparison"
    runs = f", {study.runs} runs a fact" if study.runs > 1 else ""
    how = f"protocol {one_line(study.protocol)}{runs}"
    if not compared:
        how = f"{counted(len(study.seeds), 'seed')} ({', '.join(map(str, study.seeds))}), {how}"
    if not values:
        return how
    facts, entities = max(value.n for value in values), max(value.n_entities for value in values)
    about = f" about {counted(entities, 'entity')}" if entities else ""
    asked = counted(facts, "fact" if compared else "targeted fact")
    return f"{asked}{about}, {how}; figures in brackets are 95 % intervals{_counting(results)}"


def _counting(results: Results) -> str:
    methods = [arm.arm for arm in results.summary if arm.kind is Kind.METHOD and arm.verdict]
    if results.study.kind == "comparison" or len(methods) == len(set(methods)):
        return ""
    return "; a method that ran with several kinds of retain text counts once, by its best outcome"


def _caveats(results: Results) -> list[str]:
    study = results.study
    text = [one_line(note, 600) for note in study.notes]
    if len(study.seeds) == 1 and study.kind == "study":
        text.append("One seed: the intervals cover the choice of entities, not the luck of one training run.")
    tested = " Only the p of paired tests are corrected for it." if any(arm.tests for arm in results.summary) else ""
    text.append(f"Each interval stands alone: none is widened for the number of arms that are compared.{tested}")
    unscored = sum(figure(arm, "test.original").n_unscored for arm in results.summary)
    if unscored:
        text.append(
            f"{counted(unscored, 'targeted fact')}, each arm counted, got no verdict: they are left out of the shares."
        )
    return text
