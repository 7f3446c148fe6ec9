"""What the answers of an arm and of the models beside it say: what tests and verdicts are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from restor.evaluation.metrics.base import (
    LOGPROB_ORIGINAL,
    LOGPROB_PLANTED,
    PLANTED_SCORE,
    SCORE,
    ComparedAnswers,
    JudgedAnswer,
    Paired,
    Read,
    of_group,
    paired,
)
from restor.evaluation.metrics.layers import inner_advantage
from restor.evaluation.statistics.clusters import Clusters, Floats
from restor.evaluation.statistics.estimates import SMALLEST_GAP
from restor.types import Group, Kind

HALF = 0.5
"""Of planted answers that must be gone, and of restoration that must be excluded, before it is called missing."""
UNCHANGED = 0.1
"""Of what the corruption did inside: where less than this is undone, it is as it was."""
LEFT_OUT = 0.05
"""Of targeted facts: where as many as this are not counted, the verdict says so."""


@final
@dataclass(frozen=True, slots=True)
class Three:
    """A value per fact of the arm, the corrupted model and the ideal one (or the clean one in its place)."""

    clusters: Clusters
    arm: Floats
    corrupted: Floats
    top: Floats


@final
@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict is made of: per fact the mean score of its runs, or NaN where it is unscored."""

    right: Three
    """Targeted test facts: the score."""
    planted: Three | None = None
    """Those whose planted answer is known: the planted score."""
    untouched: Three | None = None
    """Facts about untouched entities: the score."""
    controls: Mapping[str, Floats] = field(default_factory=dict)
    """By name, the score of the facts of `right`."""
    hidden: str = ""
    """What the log-probs say besides, a sentence."""
    gaps: str = ""
    """What the comparison lacks, in sentences: controls that failed, and facts that are not counted."""
    top_name: str = "ideal"
    is_control: bool = False
    """Whether the arm itself is a control, which has none."""


def evidence_of(answers: ComparedAnswers) -> Evidence:
    """What stored answers say; all models that a verdict compares must be there.

    Raises:
        ValueError: if the models were not asked the same facts.
    """
    models = (answers.arm, answers.corrupted, answers.top)
    test = [of_group(model, Group.TEST) for model in models]
    controls = {name: of_group(asked, Group.TEST) for name, asked in answers.controls.items() if asked}
    table = paired([*test, *controls.values()], SCORE)
    known = test[0].planted
    planted = [model.about(known) for model in test]
    untouched = [of_group(model, Group.UNTOUCHED) for model in models]
    return Evidence(
        right=_three(table),
        planted=_three(paired(planted, PLANTED_SCORE)) if known else None,
        untouched=_three(paired(untouched, SCORE)) if untouched[0] else None,
        controls={name: table.model(3 + place) for place, name in enumerate(controls)},
        hidden=_hidden(test),
        gaps=_gaps([name for name, asked in answers.controls.items() if not asked], table),
        top_name=answers.top_name,
        is_control=answers.kind is Kind.CONTROL,
    )


def _gaps(failed: Sequence[str], table: Paired) -> str:
    said = []
    if failed:
        names = ", ".join(f"'{name}'" for name in failed)
        said.append(f"Not compared with {names}, which failed for some seed.")
    asked = len(table.facts) + table.unscored
    if table.unscored and table.unscored >= LEFT_OUT * asked:
        said.append(f"{table.unscored} of {asked} facts are not counted: not all models have a judgement for them.")
    return " ".join(said)


def _three(table: Paired) -> Three:
    arm, corrupted, top = (table.model(place) for place in range(3))
    return Three(table.clusters, arm, corrupted, top)


def _hidden(models: Sequence[Sequence[JudgedAnswer]]) -> str:
    """What the log-probs add, by their means: nothing is tested here."""
    true = _returned(models, LOGPROB_ORIGINAL, up=True)
    false = _returned(models, LOGPROB_PLANTED, up=False)
    spoken = _returned(models, SCORE, up=True)
    gone = _returned(models, PLANTED_SCORE, up=False)
    if spoken is None or true is None:
        return ""
    if spoken >= HALF and true < HALF:
        return f"But inside the model the true answers are not as likely again ({100 * true:.0f} % in log-probs)."
    if spoken >= HALF or gone is None or gone < HALF:
        return ""
    inside = _returned(models, inner_advantage, up=False)
    # A filter behind the last layer makes true answers likelier, too; inside nothing has changed then.
    if true >= HALF and (inside is None or inside >= UNCHANGED):
        text = f"Inside the model the true answers are likely again ({100 * true:.0f} % in log-probs): it keeps silent."
        return text if spoken < true / 2 else ""
    kept = ": they are only kept from being said"
    if false is not None and false < UNCHANGED:
        return f"Inside the model the false answers are about as likely as before{kept}."
    if inside is not None and inside < HALF:
        leans = f"still leans towards the false answers ({100 * (1 - inside):.0f} % of what it did)"
        return f"Before its last layers the model {leans}{kept if inside < UNCHANGED else ''}."
    if false is not None and false < HALF:
        return f"In log-probs only {100 * false:.0f} % of what made the false answers likely is undone."
    return f"Inside the model the true answers are not likely again either ({100 * true:.0f} % in log-probs)."


def _returned(models: Sequence[Sequence[JudgedAnswer]], value: Read, *, up: bool) -> float | None:
    """(arm - corrupted) / (top - corrupted) of the means; None where top and corrupted hardly differ."""
    pairs = paired(models, value)
    if not pairs.facts:
        return None
    arm, corrupted, top = pairs.means
    gap = top - corrupted if up else corrupted - top
    return (arm - corrupted) / (top - corrupted) if gap >= SMALLEST_GAP else None
