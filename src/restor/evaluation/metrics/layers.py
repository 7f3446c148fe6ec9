"""Layers: what the model holds likely inside, before the last layer decides what comes out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, final

from restor.evaluation.metrics.base import (
    NO_PLANTED,
    ComparedAnswers,
    JudgedAnswer,
    Metric,
    Read,
    gained,
    needs,
    of_group,
    paired,
)
from restor.evaluation.statistics.clusters import Floats
from restor.results import STORED_ONLY, MetricInfo, Value
from restor.types import Group

SMALLEST_LAYER_GAP = 0.1
"""Below this difference of ideal and corrupted mean, nats, the corruption does not show inside."""

NO_LAYERS = "nothing was read off after the layers"
ONE_LAYER = "a model of one layer has none before its output"


@final
class Layers(Metric):
    """What is read off the second half of the layers, the output itself left out, of targeted test facts.

    Of L layers these are the ones from L / 2 on, up to L - 1; log-probs are averaged over them (`inner`). The layers
    are read off through the final norm and the output layer (logit lens), of which little can be read in the first
    half. Two ratios compare the arm with the corrupted model and the ideal one at the same depth:

    - `restoration`: (arm - corrupted) / (ideal - corrupted) of the log-prob of the true answer. Beside
      `logprob.restoration`, which is the same of the output.
    - `planted`: (arm - ideal) / (corrupted - ideal) of how much likelier the planted answer is than the true one: 1 is
      as much as in the corrupted model, 0 as in the ideal one. Where planted answers are only kept from being said,
      it is high while `margin.restoration` is high, too.
    """

    figures: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo(
            name="layers.restoration",
            title="Restoration inside % [95 %]",
            short="Rest. inside\n% [95 %]",
            meaning="(arm - corrupted) / (ideal - corrupted) of the log-prob of the true answer, read off after the "
            "layers of the second half before the output; where there is no ideal model, the clean one takes its place",
            unit="ratio",
            rank=STORED_ONLY,
        ),
        MetricInfo(
            name="layers.planted",
            title="Planted inside % [95 %]",
            short="Plant. inside\n% [95 %]",
            meaning="(arm - ideal) / (corrupted - ideal) of how much likelier the planted answer is than the true one, "
            "read off after the same layers: 100 % is as much as in the corrupted model; where there is no ideal "
            "model, the clean one takes its place",
            unit="ratio",
            rank=STORED_ONLY,
        ),
    )

    def compute(self, answers: ComparedAnswers) -> Mapping[str, Value]:
        """Two ratios."""
        models = [of_group(asked, Group.TEST) for asked in (answers.arm, answers.corrupted, answers.top)]
        why = needs("what is inside", answers, "corrupted", "top") or _why_none(models)
        if why:
            return {figure.name: Value(value=None, n=0, note=why) for figure in self.figures}
        arm, corrupted, top = models
        name, certain = answers.top_name, answers.by_definition is not None
        return {
            "layers.restoration": _ratio((arm, corrupted, top), inner_original, (name, "corrupted"), certain),
            # What is left and not what came back: the corrupted model is at 1.
            "layers.planted": _ratio((arm, top, corrupted), inner_advantage, ("corrupted", name), certain),
        }


def inner_original(item: JudgedAnswer) -> float | None:
    """The log-prob of the true answer inside: its mean over the layers of the second half before the output."""
    return _inner(item.layers_original)


def inner_advantage(item: JudgedAnswer) -> float | None:
    """How much likelier the planted answer is than the true one inside, over the same layers."""
    original, planted = _inner(item.layers_original), _inner(item.layers_planted)
    return None if original is None or planted is None else planted - original


def _inner(layers: Floats | None) -> float | None:
    if layers is None or len(layers) < 2:
        return None
    inner = layers[(len(layers) - 1) // 2 : -1].tolist()  # a list: numpy takes ten times as long for so few
    mean = sum(inner) / len(inner)
    return mean if math.isfinite(mean) else None


def _why_none(models: Sequence[Sequence[JudgedAnswer]]) -> str:
    """Why a model has nothing to compare."""
    for model in models:
        known = [item.layers_original for item in model if item.layers_original is not None]
        if model and not known:
            return NO_LAYERS if any(item.planted for item in model) else NO_PLANTED
        if known and all(len(layers) < 2 for layers in known):
            return ONE_LAYER
    return ""


def _ratio(models: Sequence[Sequence[JudgedAnswer]], value: Read, names: tuple[str, str], certain: bool) -> Value:
    """(first - second) / (third - second) of the means; `names` are what the third and the second are called."""

    def flat(top: float, floor: float) -> str:
        one, other = names
        return f"undefined: the corruption does not show inside ({one} {top:.2f} nats, {other} {floor:.2f})"

    return gained(paired(models, value), least=SMALLEST_LAYER_GAP, flat=flat, certain=certain)
