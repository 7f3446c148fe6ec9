"""The verdict of an arm: its answers in, a word and a sentence out.

The rules are read from the top, and the first that holds decides, so that exactly one verdict follows. "Shown" means
by the 95 % interval and, where arms are compared, also by the paired test, corrected by Holm for all of its role in the
table: a verdict never says more than the tests beside it.

| # | if | verdict |
|---|---|---|
| 1 | a model to compare with is missing, or ideal - corrupted is below 5 points | undefined |
| 2 | there is no interval, or ideal > corrupted is not shown | inconclusive |
| 3 | untouched: 10 points or more below the ideal, shown below it and shown below the corrupted model | damaged |
| 3a | a control: restoration is shown above 0 | restores |
| | - otherwise, if it may be half or more | inconclusive |
| | - otherwise | restores little |
| 4 | restoration is shown to lie above 85 % (test at 5 %) | see 4a to 4d |
| 4a | - planted answers fell by less than half | partly restored |
| 4b | - untouched: 10 points or more below the ideal, but that may be chance | inconclusive |
| 4c | - half of the planted answers gone is not shown, or more restoration than by each control is not | inconclusive |
| 4d | - otherwise | restored |
| 5 | restoration shown above 0, and above that of each control | see 5a and 5b |
| 5a | - shown below 100 %, and the untouched are not as in 4b | partly restored |
| 5b | - otherwise | inconclusive |
| 6 | restoration may be half or more, and so may what is above the best control | inconclusive |
| 7 | planted answers: half of them gone is shown | only forgotten |
| 8 | planted answers fell by less than half | not unlearned |
| 9 | otherwise | inconclusive |

Rule 4 is the lower of the two one-sided tests of equivalence to the ideal (`statistics.equivalence`), at the 5 % that
are usual for them, with a margin of 15 points of *restoration*. Not of accuracy: where the corruption took 20 points,
15 of them are most of what there was to restore. The upper test is reported, too, but an arm that knows more than the
ideal lacks no restoration; the sentence then says so. "Gone" compares planted answers with those of the corrupted model
(0) and of the ideal one (1). Arms without controls skip what is asked about controls. Where no planted answers are
known, 4 asks nothing about them and 7 to 9 are inconclusive. In a control nothing is unlearned, so its words are its
own: "partly restored" would read as if it had done better than a method.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import final

import numpy as np

from restor.evaluation.metrics.base import ComparedAnswers, needs
from restor.evaluation.statistics.clusters import Clusters, Floats
from restor.evaluation.statistics.contrast import RESTORATION, RESTORATION_ABOVE
from restor.evaluation.statistics.equivalence import Equivalence, equivalence
from restor.evaluation.statistics.estimates import (
    SMALLEST_GAP,
    Estimate,
    above_all,
    difference,
    restoration,
    restoration_above,
)
from restor.evaluation.statistics.power import needed_for_margin, needed_for_width, seeds_for_margin, seeds_for_width
from restor.evaluation.verdict.comparisons import Role, shown
from restor.evaluation.verdict.evidence import HALF, Evidence, Three
from restor.results import ArmVerdict, Needed, PairedTest, VerdictKind

ALPHA = 0.05
"""Of the test of equivalence to the ideal, each side: the usual level of two one-sided tests."""
MARGIN = 0.15
"""Of restoration: within this of the ideal counts as restored."""
DAMAGE = 0.1
"""Of accuracy on untouched facts: losing as much as this is damage."""


def missing_models(answers: ComparedAnswers) -> ArmVerdict | None:
    """The verdict where a model to compare with is missing."""
    missing = needs("a verdict", answers, "corrupted", "top")
    return ArmVerdict(kind="undefined", reason=f"Undefined: {missing}.") if missing else None


def decide(evidence: Evidence, tests: Sequence[PairedTest] = ()) -> ArmVerdict:
    """The rules. `tests` are those of the arm, corrected; an arm of no table has none, and its intervals decide."""
    seen = _ArmEstimates(evidence, tests)
    right = evidence.right
    back = seen.back
    if not back.n:
        return seen.verdict("undefined", "Undefined: no targeted fact has a judgement of all models.")
    top, corrupted = seen.share(right.top), seen.share(right.corrupted)
    if back.value is None:
        text = f"the {evidence.top_name} model answers {top} of the questions rightly and the corrupted one {corrupted}"
        if float(np.nanmean(right.top)) < SMALLEST_GAP:
            text = f"the {evidence.top_name} model answers {top} of the questions rightly, so there is nothing to lose"
            return seen.verdict("undefined", f"Undefined: {text}. Ask about facts that it knows.")
        return seen.verdict("undefined", f"Undefined, as the false documents hardly took anything: {text}.")
    bite = seen.bite
    if back.low is None or back.high is None or bite.low is None:
        return seen.open(back.note or bite.note, None)
    if bite.low <= 0:
        text = f"what the false documents took ({corrupted} right against {top}) may be chance"
        return seen.open(text, seen.width(right.clusters, right.top - right.corrupted, bite, bite.value))
    lost, shown_damage = seen.lost()
    if shown_damage:
        return seen.verdict("damaged", f"It broke what it should have left alone: {lost}.")
    if evidence.is_control:
        return seen.control()
    if seen.equal.p_above is not None and seen.equal.p_above < ALPHA:
        return seen.full(lost)
    if back.low > 0 and seen.shown("corrupted") and seen.above_control is not False:
        return seen.part(lost)
    return seen.none()


@final
class _ArmEstimates:
    """Estimates of one arm, and the sentences about them."""

    def __init__(self, evidence: Evidence, tests: Sequence[PairedTest]) -> None:
        right = evidence.right
        self._evidence = evidence
        self._tests = tests
        self.back = restoration(right.arm, right.corrupted, right.top, right.clusters)
        self.equal: Equivalence = equivalence(right.arm, right.corrupted, right.top, right.clusters, MARGIN)
        self.bite = difference(right.top, right.corrupted, right.clusters, shares=True)
        self._above = {
            name: restoration_above(right.arm, control, right.corrupted, right.top, right.clusters)
            for name, control in evidence.controls.items()
        }
        self._best = min(self._above, key=lambda name: self._above[name].value or 0.0, default=None)
        planted = evidence.planted
        self.gone: Estimate | None = None
        if planted is not None:
            self.gone = restoration(-planted.arm, -planted.corrupted, -planted.top, planted.clusters)

    @property
    def above_control(self) -> bool | None:
        """Whether it is shown to be above each control."""
        if not self._above:
            return None
        return self._above_all and self.shown("control")

    @cached_property
    def _above_all(self) -> bool:
        estimate = above_all(list(self._above.values()))
        return estimate.low is not None and estimate.low > 0

    def shown(self, role: Role) -> bool:
        """Whether the tests of this role show the difference that the figures have."""
        return all(shown(test) for test in self._tests if test.role == role)

    # What follows from a rule

    def control(self) -> ArmVerdict:
        """Rule 3a: nothing was unlearned, so the words for unlearning say nothing of it."""
        back = self.back
        if back.low is not None and back.low > 0 and self.shown("corrupted"):
            return self.verdict(
                "restores", f"A control: nothing is unlearned, and yet true answers come back, {self._back}."
            )
        if back.high is not None and back.high >= HALF:
            needed = self.width(self._evidence.right.clusters, self._influence(self._evidence.right), back, HALF / 2)
            return self.open(f"how much this control brings back, {self._back}, cannot be said", needed)
        text = f"that true answers come back is not shown, {self._back}{self._corrected('corrupted')}"
        return self.verdict("restores little", f"A control: nothing is unlearned, and {text}.")

    def full(self, lost: str) -> ArmVerdict:
        """Rule 4: about as good as the ideal on targeted facts."""
        gone = self.gone
        if gone is not None and gone.value is not None:
            if gone.value < HALF:
                return self.verdict("partly restored", f"The true answers are back, {self._back}, but {self._planted}.")
            if gone.low is None or gone.low <= HALF:
                return self.open(f"the true answers are back, {self._back}, but {self._planted}", self._to_tell_gone())
        if lost:
            return self.open(f"the true answers are back, {self._back}, but {lost}, which may be chance", self._safe())
        if self.above_control is False:
            return self.open(
                f"the true answers are back, {self._back}, but {self._control}: nothing shows that unlearning did it",
                self._to_tell_credit(),
            )
        more = "" if (self.equal.p or 0.0) < ALPHA else "; it may even know more than that model"
        text = f"The true answers are back, {self._back}: as good as a model that never read the false documents{more}"
        return self.verdict("restored", f"{text}. {self._credit}")

    def part(self, lost: str) -> ArmVerdict:
        """Rule 5: something is back, and unlearning did it."""
        right, value, high = self._evidence.right, self.back.value or 0.0, self.back.high or 0.0
        less = high < 1 and self.shown("ideal")
        if less and not lost:
            return self.verdict("partly restored", f"Part of the true answers is back, {self._back}. {self._credit}")
        if less:
            return self.open(
                f"part of the true answers is back, {self._back}, but {lost}, which may be chance", self._safe()
            )
        text = f"something is back, {self._back}, but not whether it is all"
        away, error = value - (1 - MARGIN), self.equal.error
        if away <= 0 or error is None:
            return self.open(text, self.width(right.clusters, self._influence(right), self.back, 1 - value))
        needed = needed_for_margin(self._influence(right), right.clusters, away, error, alpha=ALPHA)
        seeds = seeds_for_margin(replace(self.back, error=error), away, alpha=ALPHA)
        return self.open(text, _needed(right.clusters, needed, seeds))

    def none(self) -> ArmVerdict:
        """Rules 6 to 9: nothing shows that unlearning brought anything back."""
        right, back, gone = self._evidence.right, self.back, self.gone
        best = self._above[self._best] if self._best is not None else None
        excluded = [estimate.high for estimate in (back, best) if estimate is not None and estimate.high is not None]
        if min(excluded) >= HALF:
            if back.low is not None and back.low > 0:
                return self._unproven()
            needed = self.width(right.clusters, self._influence(right), back, HALF / 2)
            return self.open(f"how much is back, {self._back}, cannot be said", needed)
        text = f"the true answers did not come back, {self._back}"
        if back.low is not None and back.low > 0:
            text = f"the true answers are no more back than a control brings them, {self._back}: {self._control}"
            if best is not None and (best.value or 0.0) > 0:
                text = f"that more is back than a control brings is not shown, {self._back}: {self._control}"
            if self.above_control is None or not self.shown("corrupted"):
                text = f"that the true answers came back is not shown, {self._back}{self._corrected('corrupted')}"
        if gone is None or gone.value is None or gone.low is None:
            why = "the planted answers are not known, or the corrupted model hardly gives them"
            return self.open(f"{text}; whether the false ones are gone cannot be said, as {why}", None)
        if gone.low > HALF:
            kind: VerdictKind = "only forgotten"
            return self.verdict(kind, f"Most of the false answers are gone ({self._planted}), but {text}.")
        if gone.value < HALF:
            left = f"Most of the false answers are still there ({self._planted}), and {text}."
            return self.verdict("not unlearned", left)
        return self.open(f"{text}, and {self._planted}", self._to_tell_gone())

    def _unproven(self) -> ArmVerdict:
        """Something is back by the interval, but a test or a control stands against it."""
        if not self.shown("corrupted"):
            text = f"that something is back, {self._back}, is not shown{self._corrected('corrupted')}"
            return self.open(text, None)
        text = f"something is back, {self._back}, but not that it is more than without unlearning: {self._control}"
        return self.open(text, self._to_tell_credit())

    def lost(self) -> tuple[str, bool]:
        """What untouched facts lost, in words if it is the margin or more, and whether it is shown."""
        untouched = self._evidence.untouched
        if untouched is None:
            return "", False
        to_top = difference(untouched.top, untouched.arm, untouched.clusters, shares=True)
        if to_top.value is None or to_top.value < DAMAGE:
            return "", False
        before = difference(untouched.corrupted, untouched.arm, untouched.clusters, shares=True)
        if before.value is None or before.value <= 0:
            return "", False  # the corruption broke it, not the arm
        shown = all(each.low is not None and each.low > 0 for each in (to_top, before))
        name = self._evidence.top_name
        text = f"{self.share(untouched.arm)} of the questions about other entities are answered rightly"
        return (
            f"{text}, {self.share(untouched.corrupted)} before and {self.share(untouched.top)} by the {name} model",
            shown,
        )

    # Words and numbers

    def verdict(self, kind: VerdictKind, reason: str, needed: Needed | None = None) -> ArmVerdict:
        """With the figures that belong to every verdict."""
        hidden = self._evidence.hidden if kind not in ("undefined", "inconclusive", "damaged") else ""
        gaps = self._evidence.gaps if kind != "undefined" else ""
        return ArmVerdict(
            kind=kind,
            reason=" ".join(filter(None, [reason.strip(), hidden, gaps])),
            restoration=self.back.value,
            ci_low=self.back.low,
            ci_high=self.back.high,
            margin=None if self.back.value is None else MARGIN,
            equivalence_p=self.equal.p,
            above_control=self.above_control,
            needed=needed,
        )

    def open(self, why: str, needed: Needed | None) -> ArmVerdict:
        """Nothing can be said, and what would help."""
        return self.verdict("inconclusive", f"Undecided: {why}.{self._would_do(needed)}", needed)

    def width(self, clusters: Clusters, values: Floats, figure: Estimate, half: float | None) -> Needed | None:
        """What an interval of this half-width needs."""
        if not half or half <= 0:
            return None
        needed = needed_for_width(values, clusters, half)
        return _needed(clusters, needed, seeds_for_width(figure, half))

    def share(self, values: Floats) -> str:
        """In percent."""
        known = values[np.isfinite(values)]
        return f"{100 * float(known.mean()):.0f} %" if len(known) else "an unknown share"

    @property
    def _back(self) -> str:
        estimate = self.back
        low, high = (round(100 * (end or 0.0)) for end in (estimate.low, estimate.high))
        return (
            f"{round(100 * (estimate.value or 0.0))} % of what the false documents took (95 % interval {low} to {high})"
        )

    @property
    def _planted(self) -> str:
        planted = self._evidence.planted
        if planted is None:
            return ""
        return f"{self.share(planted.arm)} of the answers are the false ones, {self.share(planted.corrupted)} before"

    @property
    def _control(self) -> str:
        right, best = self._evidence.right, self._best
        if best is None:
            return ""
        estimate = restoration(self._evidence.controls[best], right.corrupted, right.top, right.clusters)
        doubt = self._corrected("control") if self._above_all and not self.shown("control") else ""
        return f"the control '{best}' reaches {100 * (estimate.value or 0.0):.0f} %{doubt}"

    def _corrected(self, role: Role) -> str:
        """The largest p of this role, in words."""
        ps = [test.p_holm for test in self._tests if test.role == role and test.p_holm is not None]
        return f" (p = {max(ps):.2g}, corrected for all comparisons of the table)" if ps else ""

    @property
    def _credit(self) -> str:
        if self.above_control is None:
            return "There is no control to compare it with."
        return f"That is more than without unlearning: {self._control}."

    def _would_do(self, needed: Needed | None) -> str:
        if needed is None:
            return ""
        clusters = self._evidence.right.clusters
        ways = []
        if needed.seeds is not None:
            ways.append(f"{needed.seeds} seeds (there are {clusters.n_seeds})")
        if needed.entities is not None:
            ways.append(f"{needed.entities} entities (there are {clusters.n_entities})")
        return f" About {' or '.join(ways)} would decide it, if the figures stay as they are." if ways else ""

    def _influence(self, three: Three) -> Floats:
        rows = np.stack([three.arm, three.corrupted, three.top])
        return _where_known(rows, RESTORATION.influence)

    def _to_tell_gone(self) -> Needed | None:
        planted, gone = self._evidence.planted, self.gone
        if planted is None or gone is None or gone.value is None:
            return None
        three = Three(planted.clusters, -planted.arm, -planted.corrupted, -planted.top)
        return self.width(planted.clusters, self._influence(three), gone, abs(gone.value - HALF))

    def _to_tell_credit(self) -> Needed | None:
        right, best = self._evidence.right, self._best
        if best is None or not self._above[best].value:
            return None
        rows = np.stack([right.arm, self._evidence.controls[best], right.corrupted, right.top])
        values = _where_known(rows, RESTORATION_ABOVE.influence)
        return self.width(right.clusters, values, self._above[best], self._above[best].value)

    def _safe(self) -> Needed | None:
        untouched = self._evidence.untouched
        if untouched is None:
            return None
        to_top = difference(untouched.top, untouched.arm, untouched.clusters, shares=True)
        return self.width(untouched.clusters, untouched.top - untouched.arm, to_top, to_top.value)


def _where_known(rows: Floats, influence: Callable[[Floats], Floats]) -> Floats:
    kept = np.isfinite(rows).all(axis=0)
    values = np.full(rows.shape[1], np.nan)
    values[kept] = influence(rows[:, kept])
    return values


def _needed(clusters: Clusters, needed: Needed, seeds: int | None) -> Needed | None:
    """Of several seeds, seeds are what would help: entities of all seeds hide how seeds differ."""
    if clusters.n_seeds > 1 and seeds is not None:
        return Needed(seeds=seeds) if seeds > clusters.n_seeds else None
    # what is there is not enough, whatever a formula says
    return needed if needed.entities is not None and needed.entities > clusters.n_entities else None
