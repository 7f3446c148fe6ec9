"""What the verdicts mean, in plain words and once for all: tables, sentences, the page and the docs take them here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from restor.results import VerdictKind


@final
@dataclass(frozen=True, slots=True)
class VerdictMeaning:
    """A verdict for people. Glyph and word go together, so that nothing hangs on a colour."""

    glyph: str
    title: str
    short: str
    """For a narrow column."""
    meaning: str


VERDICT_MEANINGS: dict[VerdictKind, VerdictMeaning] = {
    "restored": VerdictMeaning(
        "●",
        "Restored",
        "restored",
        "The model gives the true answers again, about as often as one that never read the false documents.",
    ),
    "partly restored": VerdictMeaning(
        "◐",
        "Partly restored",
        "partly",
        "Some of the true answers are back, and by a method more than by any control, but not all is as it was.",
    ),
    "forgotten but not restored": VerdictMeaning(
        "○",
        "Forgotten, not restored",
        "forgot",
        "Most of the false answers are gone, but the true ones are not shown to be back, or no more than by a control.",
    ),
    "not unlearned": VerdictMeaning(
        "✗",
        "Not unlearned",
        "not gone",
        "Most of the false answers are still there, and the true ones are not shown to be back, or no more than by a "
        "control.",
    ),
    "damaged": VerdictMeaning(
        "!",
        "Damaged",
        "damaged",
        "The model lost knowledge about other entities, which it should have kept.",
    ),
    "inconclusive": VerdictMeaning(
        "?",
        "Inconclusive",
        "open",
        "Too few facts, entities or seeds to tell: the figures allow more than one of these verdicts.",
    ),
    "undefined": VerdictMeaning(
        "–",
        "Undefined",
        "undef.",
        "There is nothing to measure against: a model is missing, or the false documents hardly took anything.",
    ),
}
"""In the order in which they are told: the best first."""
