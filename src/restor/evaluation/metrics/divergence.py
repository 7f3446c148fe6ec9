"""Divergence: how far the answers that a model holds likely are from those of the ideal one, whatever it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import numpy as np

from restor.evaluation.metrics.base import (
    NO_LOG_PROBS,
    ComparedAnswers,
    FactKey,
    JudgedAnswer,
    Metric,
    Paired,
    Said,
    gained,
    mean_of,
    needs,
    of_group,
)
from restor.evaluation.statistics.clusters import Floats
from restor.results import STORED_ONLY, MetricInfo, Value
from restor.types import Group

SMALLEST_DIVERGENCE = 0.02
"""Bits: where the corrupted model is nearer to the ideal one than this, there is nothing to come back from."""

NO_OPTIONS = f"{NO_LOG_PROBS} for each option"
OTHER_OPTIONS = "the models were asked about different options"


@final
class Divergence(Metric):
    """Jensen-Shannon divergence (Lin 1991, doi 10.1109/18.61115) to the ideal model over the options of a fact, bits.

    The options are the true answers, the planted one and random ones. Both models choose among them with
    p(o) = exp(l(o)) / sum of exp(l(o')) over all options o', where l is the mean token log-prob, as in all figures
    here: by the sum, long answers would hardly count. With m = (p + q) / 2 the divergence is
    (KL(p || m) + KL(q || m)) / 2 in base 2: 0 where the models choose alike, 1 where they share no option. It is the
    information that an answer carries about which of the two models gave it. Its square root is a metric.

    Restoration in it is 1 - divergence of the arm / divergence of the corrupted model: 1 is the ideal model itself, 0
    is as far from it as before. Another seed of the ideal model would not reach 1.
    """

    figures: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo(
            name="js.ideal",
            title="JS to ideal, % of a bit",
            short="JS to ideal\n% of a bit",
            meaning="Jensen-Shannon divergence to the ideal model over the options of a fact, in bits: 0 where both "
            "choose alike, 100 % where they share no option; targeted test facts",
            rank=STORED_ONLY,
        ),
        MetricInfo(
            name="js.ideal_untouched",
            title="JS to ideal, untouched, % of a bit",
            short="JS untouched\n% of a bit",
            meaning="the same for facts about untouched entities",
            rank=STORED_ONLY,
        ),
        MetricInfo(
            name="js.restoration",
            title="Restoration, options % [95 %]",
            short="Rest. options\n% [95 %]",
            meaning="1 - js.ideal of the arm / js.ideal of the corrupted model; where there is no ideal model, the "
            "clean one takes its place",
            unit="ratio",
            rank=STORED_ONLY,
        ),
    )

    def compute(self, answers: ComparedAnswers) -> Mapping[str, Value]:
        """Two means and how much of the way back that is."""
        if missing := needs("divergence", answers, "top"):
            return {figure.name: Value(value=None, n=0, note=missing) for figure in self.figures}
        test, untouched = (_Distances(answers.arm, answers.top, group) for group in (Group.TEST, Group.UNTOUCHED))
        means = {
            "js.ideal": test.mean(""),
            "js.ideal_untouched": untouched.mean("no facts about untouched entities"),
        }
        if answers.arm is answers.top:
            same = {"ci_low": 0.0, "ci_high": 0.0}
            means = {name: value.model_copy(update=same) if value.n else value for name, value in means.items()}
        return {**means, "js.restoration": _restored(answers, test)}


def js_divergence(one: Floats, other: Floats, starts: Sequence[int]) -> Floats:
    """Jensen-Shannon divergences, bits, of softmax distributions; NaN where a log-prob is none.

    Args:
        one: log-probs of all options of all facts, one fact behind the other.
        other: those of another model.
        starts: where each fact begins.
    """
    places = np.asarray(starts, dtype=np.intp)
    sizes = np.diff([*starts, len(one)])

    def shares(values: Floats) -> Floats:
        weights = np.exp(values - np.repeat(np.maximum.reduceat(values, places), sizes))
        shares_of: Floats = weights / np.repeat(np.add.reduceat(weights, places), sizes)
        return shares_of

    p, q = shares(one), shares(other)
    middle = (p + q) / 2
    terms = sum(part * np.log2(np.where(part > 0, part / np.where(part > 0, middle, 1.0), 1.0)) for part in (p, q))
    return np.clip(np.add.reduceat(terms, places) / 2, 0.0, 1.0)


@final
class _Distances:
    """The divergences of two models about the facts of a group."""

    def __init__(self, model: Sequence[JudgedAnswer], top: Sequence[JudgedAnswer], group: Group) -> None:
        answers, other = of_group(model, group), of_group(top, group)
        self.facts = answers.facts
        self.values = _divergences(answers, other)
        """NaN where one of the models has no options or other ones."""
        both = all(any(item.option_logprobs is not None for item in asked) for asked in (answers, other))
        self.why_none = OTHER_OPTIONS if both else NO_OPTIONS

    def mean(self, empty: str) -> Value:
        """Their mean; `empty` says what it is where there are no facts."""
        return mean_of(self.facts, self.values, shares=True, lacking=self.why_none if self.facts else empty)


def _divergences(model: Said, other: Said) -> Floats:
    left, right = _options(model), _options(other)
    if left.keys() != right.keys():
        raise ValueError(f"arms asked different facts: {len(left)} and {len(right)}")
    divergences = np.full(len(left), np.nan)
    pairs = [
        (place, item.option_logprobs, right[fact].option_logprobs)
        for place, (fact, item) in enumerate(left.items())
        if item.options and item.options == right[fact].options and _whole(item) and _whole(right[fact])
    ]
    if pairs:
        places, one, two = zip(*pairs, strict=True)
        starts = np.cumsum([0, *(len(values) for values in one[:-1])]).tolist()
        divergences[list(places)] = js_divergence(np.concatenate(one), np.concatenate(two), starts)
    return divergences


def _options(asked: Said) -> dict[FactKey, JudgedAnswer]:
    """Per fact one answer: its runs share the options and their log-probs."""
    answers_of: dict[FactKey, JudgedAnswer] = {}
    for item in asked:
        answers_of.setdefault(item.fact, item)
    return answers_of


def _whole(item: JudgedAnswer) -> bool:
    return item.option_logprobs is not None and len(item.option_logprobs) == len(item.options)


def _restored(answers: ComparedAnswers, arm: _Distances) -> Value:
    if missing := needs("restoration", answers, "corrupted", "top"):
        return Value(value=None, n=0, note=missing)
    before = _Distances(answers.corrupted, answers.top, Group.TEST)
    if before.facts != arm.facts:
        order = {fact: place for place, fact in enumerate(before.facts)}
        before.values = before.values[[order[fact] for fact in arm.facts]]
    kept = np.isfinite(arm.values) & np.isfinite(before.values)
    facts = tuple(fact for fact, keep in zip(arm.facts, kept.tolist(), strict=True) if keep)
    if not facts:
        return Value(value=None, n=0, n_unscored=len(kept), note=arm.why_none if arm.facts else "no facts")
    # Nearness, so that more is better; the ideal model is as near to itself as can be.
    values = np.stack([-arm.values[kept], -before.values[kept], np.zeros(len(facts))], axis=1)
    name = answers.top_name
    return gained(
        Paired(facts, values, int((~kept).sum())),
        least=SMALLEST_DIVERGENCE,
        flat=lambda _, near: f"undefined: the corruption did not move it ({abs(near):.3f} bits from the {name} model)",
        certain=answers.by_definition is not None,
    )
