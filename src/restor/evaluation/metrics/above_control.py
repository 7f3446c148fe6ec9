"""Restoration above control: what unlearning restores beyond its side effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, final

from restor.evaluation.metrics.base import (
    NO_FACTS,
    SCORE,
    ComparedAnswers,
    Metric,
    needs,
    not_bitten,
    of_group,
    paired,
    stored,
)
from restor.evaluation.statistics.estimates import restoration_above_all
from restor.results import MetricInfo, Value
from restor.types import Group, Kind


@final
class AboveControl(Metric):
    """Restoration of the arm less that of its best control: (acc(arm) - acc(best)) / (acc(ideal) - acc(corrupted)).

    The controls are those of the study that read the arm's retain text or none: recovery only, retain only, a random
    forget set. All models are compared on the same facts: those that are scored for every one of them. The best control
    is the one with the highest estimate.

    That choice is made on the facts that are reported, so luck favours the best of several controls. The figure is
    therefore too low on average, never too high: the choice works against the method. The interval speaks of the
    control that truly is the best, whichever that is (`restoration_above_all`): where it lies above 0, so does the
    interval of the method against each control alone.
    """

    figures: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo(
            name="above_control",
            title="Above control % [95 %]",
            short="Above control\n% [95 %]",
            meaning="restoration less that of the best control that reads the same retain text or none",
            unit="ratio",
            rank=6,
        ),
    )

    def compute(self, answers: ComparedAnswers) -> Mapping[str, Value]:
        """The difference, or why there is none."""
        return {"above_control": self._value(answers)}

    def _value(self, answers: ComparedAnswers) -> Value:
        if answers.kind not in (None, Kind.METHOD, Kind.ORACLE):
            return Value(value=None, n=0, note="only methods are compared with controls")
        if missing := needs("restoration above control", answers, "corrupted", "top"):
            return Value(value=None, n=0, note=missing)
        names = [name for name, asked in answers.controls.items() if asked]
        failed = [name for name, asked in answers.controls.items() if not asked]
        if not names:
            why = f"no control has answers: {', '.join(failed)}" if failed else "there is no control to compare with"
            return Value(value=None, n=0, note=why)
        models = [answers.arm, answers.corrupted, answers.top, *(answers.controls[name] for name in names)]
        pairs = paired([of_group(asked, Group.TEST) for asked in models], SCORE)
        if not pairs.facts:
            return Value(value=None, n=0, n_unscored=pairs.unscored, note=NO_FACTS)
        arm, corrupted, top, *controls = (pairs.model(place) for place in range(len(models)))
        estimate = restoration_above_all(arm, controls, corrupted, top, pairs.clusters)
        if estimate.value is None:
            why = not_bitten(answers.top_name)(*pairs.means[2:0:-1])
            return stored(replace(estimate, note=why), n_unscored=pairs.unscored)
        means = dict(zip(names, pairs.means[3:], strict=True))
        note = f"best control: {max(means, key=means.__getitem__)}"
        note += f"; without {', '.join(failed)}, which failed for some seed" if failed else ""
        return stored(estimate, note=note, n_unscored=pairs.unscored)
