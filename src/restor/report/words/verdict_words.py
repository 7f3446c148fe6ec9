"""What the verdicts mean, in plain words and once for all: tables, sentences, the page and the docs take them here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from restor.report.plain import share
from restor.results import ArmVerdict, VerdictKind


@final
@dataclass(frozen=True, slots=True)
class VerdictMeaning:
    """A verdict for people. Glyph and word go together, so that nothing hangs on a colour."""

    glyph: str
    meaning: str


VERDICT_MEANINGS: dict[VerdictKind, VerdictMeaning] = {
    "restored": VerdictMeaning(
        "●",
        "The model gives the true answers again, about as often as one that never read the false documents.",
    ),
    "partly restored": VerdictMeaning(
        "◐",
        "Some of the true answers are back, and by a method more than by any control, but not all is as it was.",
    ),
    "only forgotten": VerdictMeaning(
        "○",
        "Most of the false answers are gone, but the true ones are not shown to be back, or no more than by a control.",
    ),
    "not unlearned": VerdictMeaning(
        "✗",
        "Most of the false answers are still there, and the true ones are not shown to be back, or no more than by a "
        "control.",
    ),
    "damaged": VerdictMeaning(
        "!",
        "The model lost knowledge about other entities, which it should have kept.",
    ),
    "inconclusive": VerdictMeaning(
        "?",
        "Too few facts, entities or seeds to tell: the figures allow more than one of these verdicts.",
    ),
    "undefined": VerdictMeaning(
        "–",
        "There is nothing to measure against: a model is missing, or the false documents hardly took anything.",
    ),
    "restores": VerdictMeaning(
        "·",
        "A control: nothing is unlearned, and yet so much of what the false documents took comes back. A method has to "
        "bring back more.",
    ),
    "restores little": VerdictMeaning(
        "·",
        "A control: nothing is unlearned, and nothing is shown to come back.",
    ),
}
"""In the order in which they are told: the best first."""


def verdict_words(verdict: ArmVerdict) -> str:
    """The verdict as tables and pages say it: its kind, and of a control how much it restores."""
    if verdict.kind == "restores" and verdict.restoration is not None:
        return f"restores {share(verdict.restoration)} %"
    return verdict.kind


def legend_words(kind: VerdictKind) -> str:
    """The same where it is explained."""
    return "restores N %" if kind == "restores" else kind
