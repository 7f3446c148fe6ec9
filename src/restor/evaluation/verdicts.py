"""The verdict of an arm: its answers in, one of seven words and one sentence out.

The rules are read from the top, and the first that holds decides, so that exactly one verdict follows. "Shown" means
by the 95 % interval, which is a one-sided test at 0.025 on either side. With one seed, an arm at exactly 90 % of
restoration was called restored in about 5 % of simulated studies.

| # | if | verdict |
|---|---|---|
| 1 | a model to compare with is missing, or ideal - corrupted is below 5 points | undefined |
| 2 | there is no interval, or ideal > corrupted is not shown | inconclusive |
| 3 | untouched: 10 points or more below the ideal, shown below it and shown below the corrupted model | damaged |
| 4 | restoration is shown to lie above 90 % | see 4a to 4d |
| 4a | - planted answers fell by less than half | partly restored |
| 4b | - untouched: 10 points or more below the ideal, but that may be chance | inconclusive |
| 4c | - half of the planted answers gone is not shown, or more restoration than by each control is not | inconclusive |
| 4d | - otherwise | restored |
| 5 | restoration shown above 0, and above that of each control | see 5a and 5b |
| 5a | - shown below 100 %, and the untouched are not as in 4b | partly restored |
| 5b | - otherwise | inconclusive |
| 6 | restoration may be half or more, and so may what is above the best control | inconclusive |
| 7 | planted answers: half of them gone is shown | forgotten but not restored |
| 8 | planted answers fell by less than half | not unlearned |
| 9 | otherwise | inconclusive |

Rule 4 is the lower of the two one-sided tests of equivalence to the ideal, with a margin of 10 points of *restoration*.
Not of accuracy: where the corruption took 20 points, 10 of them are half of what there was to restore. The upper test
is reported, too, but an arm that knows more than the ideal lacks no restoration; the sentence then says so. "Gone"
compares planted answers with those of the corrupted model (0) and of the ideal one (1). Controls and arms without
controls skip what is asked about controls. Where no planted answers are known, 4 asks nothing about them and 7 to 9 are
inconclusive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np

from restor.evaluation.metrics.base import Answers, Paired, Scored, judged, needs, of_group, paired
from restor.evaluation.statistics.clusters import Clusters, Floats
from restor.evaluation.statistics.contrast import RESTORATION, RESTORATION_ABOVE
from restor.evaluation.statistics.distributions import t_quantile
from restor.evaluation.statistics.equivalence import Equivalence, equivalence
from restor.evaluation.statistics.estimates import SMALLEST_GAP, Estimate, difference, restoration, restoration_above
from restor.evaluation.statistics.power import (
    needed_for_equivalence,
    needed_for_width,
    seeds_for_equivalence,
    seeds_for_width,
)
from restor.results import ArmVerdict, Needed, VerdictKind
from restor.types import Group, Judgement, Kind

ALPHA = 0.025
"""Of each one-sided test: simulation shows that 0.05 errs more often than it says with few seeds or entities."""
MARGIN = 0.1
"""Of restoration: within this of the ideal counts as restored."""
DAMAGE = 0.1
"""Of accuracy on untouched facts: losing as much as this is damage."""
HALF = 0.5
"""Of planted answers that must be gone, and of restoration that must be excluded, before it is called missing."""


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
    """What a verdict is made of: per fact 1 or 0, shares of its runs, or NaN where it is unscored."""

    right: Three
    """Targeted test facts: the true answer."""
    planted: Three | None = None
    """Those whose planted answer is known: the planted answer."""
    untouched: Three | None = None
    """Facts about untouched entities: the true answer."""
    controls: Mapping[str, Floats] = field(default_factory=dict)
    """By name, the true answer to the facts of `right`."""
    hidden: str = ""
    """What the log-probs say besides, a sentence."""
    top_name: str = "ideal"


def verdict_of(answers: Answers) -> ArmVerdict | None:
    """The verdict from stored answers; None for what is no method, oracle or control.

    Raises:
        ValueError: if the models were not asked the same facts.
    """
    if answers.kind in (Kind.REFERENCE, Kind.BASELINE):
        return None
    if missing := needs("a verdict", answers, "corrupted", "top"):
        return ArmVerdict(kind="undefined", reason=f"Undefined: {missing}.")
    models = (answers.arm, answers.corrupted, answers.top)
    test = [of_group(model, Group.TEST) for model in models]
    controls = {name: of_group(asked, Group.TEST) for name, asked in answers.controls.items() if asked}
    table = paired([*test, *controls.values()], judged(Judgement.ORIGINAL))
    known = {item.fact for item in test[0] if item.planted}
    planted = [[item for item in model if item.fact in known] for model in test]
    untouched = [of_group(model, Group.UNTOUCHED) for model in models]
    return decide(
        Evidence(
            right=_three(table),
            planted=_three(paired(planted, judged(Judgement.PLANTED))) if known else None,
            untouched=_three(paired(untouched, judged(Judgement.ORIGINAL))) if untouched[0] else None,
            controls={name: table.values[:, 3 + place] for place, name in enumerate(controls)},
            hidden=_hidden(test),
            top_name=answers.top_name,
        )
    )


def decide(evidence: Evidence) -> ArmVerdict:
    """The rules."""
    seen = _Seen(evidence)
    right = evidence.right
    back = seen.back
    if not back.n:
        return seen.verdict("undefined", "Undefined: no targeted fact has a judgement of all models.")
    top, corrupted = seen.share(right.top), seen.share(right.corrupted)
    if back.value is None:
        text = f"the {evidence.top_name} model answers {top} of the questions rightly and the corrupted one {corrupted}"
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
    if seen.equal.p_above is not None and seen.equal.p_above < ALPHA:
        return seen.full(lost)
    if back.low > 0 and seen.above_control is not False:
        return seen.part(lost)
    return seen.none()


@final
class _Seen:
    """Estimates of one arm, and the sentences about them."""

    def __init__(self, evidence: Evidence) -> None:
        right = evidence.right
        self._evidence = evidence
        self.back = restoration(right.arm, right.corrupted, right.top, right.clusters)
        self.equal: Equivalence = equivalence(self.back, MARGIN, reference=1.0, alpha=ALPHA)
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
        return all(found.low is not None and found.low > 0 for found in self._above.values())

    # What follows from a rule

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
        more = "" if self.equal.equivalent else "; it may even know more than that model"
        text = f"The true answers are back, {self._back}: as good as a model that never read the false documents{more}"
        return self.verdict("restored", f"{text}. {self._credit}")

    def part(self, lost: str) -> ArmVerdict:
        """Rule 5: something is back, and unlearning did it."""
        right, value, high = self._evidence.right, self.back.value or 0.0, self.back.high or 0.0
        if high < 1 and not lost:
            return self.verdict("partly restored", f"Part of the true answers is back, {self._back}. {self._credit}")
        if high < 1:
            return self.open(
                f"part of the true answers is back, {self._back}, but {lost}, which may be chance", self._safe()
            )
        text = f"something is back, {self._back}, but not whether it is all"
        away = abs(value - 1)
        if away >= MARGIN:
            return self.open(text, self.width(right.clusters, self._influence(right), self.back, away))
        scale = self.bite.value or 1.0
        found = needed_for_equivalence(
            right.arm - right.top,
            right.clusters,
            MARGIN * scale,
            expected=away * scale,
            alpha=ALPHA,
            shares=True,
        )
        seeds = seeds_for_equivalence(self._tested, MARGIN, expected=away, alpha=ALPHA)
        return self.open(text, _needed(right.clusters, found.entities, found.facts_per_entity, seeds))

    def none(self) -> ArmVerdict:
        """Rules 6 to 9: nothing shows that unlearning brought anything back."""
        right, back, gone = self._evidence.right, self.back, self.gone
        best = self._above[self._best] if self._best is not None else None
        excluded = [found.high for found in (back, best) if found is not None and found.high is not None]
        if min(excluded) >= HALF:
            needed = self.width(right.clusters, self._influence(right), back, HALF / 2)
            return self.open(f"how much is back, {self._back}, cannot be said", needed)
        text = f"the true answers did not come back, {self._back}"
        if back.low is not None and back.low > 0:
            text = f"the true answers are no more back than a control brings them, {self._back}: {self._control}"
        if gone is None or gone.value is None or gone.low is None:
            why = "the planted answers are not known, or the corrupted model hardly gives them"
            return self.open(f"{text}; whether the false ones are gone cannot be said, as {why}", None)
        if gone.low > HALF:
            kind: VerdictKind = "forgotten but not restored"
            return self.verdict(kind, f"The false answers are gone ({self._planted}), but {text}.")
        if gone.value < HALF:
            return self.verdict("not unlearned", f"The false answers are still there ({self._planted}), and {text}.")
        return self.open(f"{text}, and {self._planted}", self._to_tell_gone())

    def lost(self) -> tuple[str, bool]:
        """What untouched facts lost, in words if it is the margin or more, and whether it is shown."""
        found = self._evidence.untouched
        if found is None:
            return "", False
        to_top = difference(found.top, found.arm, found.clusters, shares=True)
        if to_top.value is None or to_top.value < DAMAGE:
            return "", False
        before = difference(found.corrupted, found.arm, found.clusters, shares=True)
        if before.value is None or before.value <= 0:
            return "", False  # the corruption broke it, not the arm
        shown = all(each.low is not None and each.low > 0 for each in (to_top, before))
        name = self._evidence.top_name
        text = f"{self.share(found.arm)} of the questions about other entities are answered rightly"
        return f"{text}, {self.share(found.corrupted)} before and {self.share(found.top)} by the {name} model", shown

    # Words and numbers

    def verdict(self, kind: VerdictKind, reason: str, needed: Needed | None = None) -> ArmVerdict:
        """With the figures that belong to every verdict."""
        hidden = self._evidence.hidden if kind not in ("undefined", "inconclusive", "damaged") else ""
        return ArmVerdict(
            kind=kind,
            reason=" ".join(filter(None, [reason.strip(), hidden])),
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
        found = needed_for_width(values, clusters, half)
        return _needed(clusters, found.entities, found.facts_per_entity, seeds_for_width(figure, half))

    def share(self, values: Floats) -> str:
        """In percent."""
        known = values[np.isfinite(values)]
        return f"{100 * float(known.mean()):.0f} %" if len(known) else "an unknown share"

    @property
    def _tested(self) -> Estimate:
        """Restoration with the standard error that the test of equivalence takes, which is at times larger."""
        found, df = self.equal, self.back.df
        if found.high is None or df is None or self.back.value is None:
            return self.back
        return replace(self.back, error=(found.high - self.back.value) / t_quantile(1 - ALPHA, df))

    @property
    def _back(self) -> str:
        found = self.back
        low, high = (f"{100 * (end or 0.0):.0f}" for end in (found.low, found.high))
        return f"{100 * (found.value or 0.0):.0f} % of what the false documents took (95 % interval {low} to {high})"

    @property
    def _planted(self) -> str:
        found = self._evidence.planted
        if found is None:
            return ""
        return f"{self.share(found.arm)} of the answers are the false ones, {self.share(found.corrupted)} before"

    @property
    def _control(self) -> str:
        right, best = self._evidence.right, self._best
        if best is None:
            return ""
        found = restoration(self._evidence.controls[best], right.corrupted, right.top, right.clusters)
        return f"the control '{best}' reaches {100 * (found.value or 0.0):.0f} %"

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
        found = Three(planted.clusters, -planted.arm, -planted.corrupted, -planted.top)
        return self.width(planted.clusters, self._influence(found), gone, abs(gone.value - HALF))

    def _to_tell_credit(self) -> Needed | None:
        right, best = self._evidence.right, self._best
        if best is None or not self._above[best].value:
            return None
        rows = np.stack([right.arm, self._evidence.controls[best], right.corrupted, right.top])
        values = _where_known(rows, RESTORATION_ABOVE.influence)
        return self.width(right.clusters, values, self._above[best], self._above[best].value)

    def _safe(self) -> Needed | None:
        found = self._evidence.untouched
        if found is None:
            return None
        to_top = difference(found.top, found.arm, found.clusters, shares=True)
        return self.width(found.clusters, found.top - found.arm, to_top, to_top.value)


def _where_known(rows: Floats, influence: Callable[[Floats], Floats]) -> Floats:
    kept = np.isfinite(rows).all(axis=0)
    found = np.full(rows.shape[1], np.nan)
    found[kept] = influence(rows[:, kept])
    return found


def _needed(clusters: Clusters, entities: int | None, facts: int | None, seeds: int | None) -> Needed | None:
    """Of several seeds, seeds are what would help: entities of all seeds hide how seeds differ."""
    if clusters.n_seeds > 1 and seeds is not None:
        return Needed(seeds=seeds)
    found = Needed(entities=entities, facts_per_entity=facts)
    return None if entities is None and facts is None else found


def _three(table: Paired) -> Three:
    subjects, seeds = zip(*(_subject(entity) for entity, _ in table.facts), strict=True) if table.facts else ((), ())
    by_seed: dict[str, set[str]] = {}
    for subject, seed in zip(subjects, seeds, strict=True):
        by_seed.setdefault(seed, set()).add(subject)
    same = all(found == by_seed[seeds[0]] for found in by_seed.values())
    # seeds that ask about the same people share them; those of a generated world only share a name at times
    entities = subjects if same else tuple(entity for entity, _ in table.facts)
    arm, corrupted, top = (table.values[:, place] for place in range(3))
    return Three(Clusters.of(entities, seeds), arm, corrupted, top)


def _subject(entity: str) -> tuple[str, str]:
    subject, mark, seed = entity.rpartition("/s")
    return (subject, seed) if mark else (entity, "")


def _hidden(models: Sequence[Sequence[Scored]]) -> str:
    """What the log-probs add, by their means: nothing is tested here."""
    true = _returned(models, lambda item: item.logprob_original, up=True)
    false = _returned(models, lambda item: item.logprob_planted, up=False)
    spoken = _returned(models, judged(Judgement.ORIGINAL), up=True)
    gone = _returned(models, judged(Judgement.PLANTED), up=False)
    if spoken is None or true is None:
        return ""
    if spoken >= HALF and true < HALF:
        return f"But inside the model the true answers are not as likely again ({100 * true:.0f} % in log-probs)."
    if spoken >= HALF or gone is None or gone < HALF:
        return ""
    if true >= HALF:
        return f"Inside the model the true answers are likely again ({100 * true:.0f} % in log-probs): it keeps silent."
    if false is not None and false < HALF:
        return "Inside the model the false answers are about as likely as before: they are only kept from being said."
    return f"Inside the model the true answers are not likely again either ({100 * true:.0f} % in log-probs)."


def _returned(models: Sequence[Sequence[Scored]], value: Callable[[Scored], float | None], *, up: bool) -> float | None:
    """(arm - corrupted) / (top - corrupted) of the means; None where top and corrupted hardly differ."""
    pairs = paired(models, value)
    if not pairs.facts:
        return None
    arm, corrupted, top = pairs.means
    gap = top - corrupted if up else corrupted - top
    return (arm - corrupted) / (top - corrupted) if gap >= SMALLEST_GAP else None
