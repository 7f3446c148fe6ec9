"""What a study shows beside restoration: ceiling, damage, what needs no model, what the prompts give away."""

from __future__ import annotations

from restor.report.io.load import reference
from restor.report.plain import counted, listed, number, share
from restor.report.words.restored import ceiling, estimate, figure, named, of_kind, percent, short_percent, variant
from restor.results import Arm, Results
from restor.types import Kind

_OWN = (Kind.CONTROL, Kind.METHOD, Kind.ORACLE)


def findings(results: Results) -> tuple[str, ...]:
    """Each a sentence or two."""
    return (*_ceiling(results), *_lost(results), *_without_model(results), *_shown(results))


def _ceiling(results: Results) -> list[str]:
    top, corrupted = ceiling(results), reference(results, "corrupted")
    if top is None or corrupted is None:
        return []
    second = figure(corrupted, "runner_up")
    return [
        f"Runner-up ceiling: with the planted answer excluded, the corrupted model's first choice is the true answer "
        f"for {short_percent(second)} of the facts. Merely suppressing planted answers could thus reach "
        f"{number(100 * top)} % restoration, without anything having been relearnt."
    ]


def _lost(results: Results) -> list[str]:
    """Who knows less about untouched entities; the verdict `damaged` needs more than this."""
    arms = [arm for arm in results.summary if arm.kind in _OWN]
    paired = [arm for arm in arms if figure(arm, "collateral.corrupted").value is not None]
    what = "Fewer facts about untouched entities right than by the corrupted model"
    lost = _apart(results, arms)
    if paired:
        what = "Facts about untouched entities that were lost, compared with the corrupted model"
        lost = [
            f"{variant(arm)} {percent(value)}"
            for arm in paired
            if (value := figure(arm, "collateral.corrupted")).ci_low is not None and value.ci_low > 0
        ]
    if lost is None:
        return []
    if not lost:
        return ["No arm is shown to have lost facts about untouched entities, compared with the corrupted model."]
    return [f"{what}: {listed(lost, 6)}."]


def _apart(results: Results, share_of_arm: list[Arm]) -> list[str] | None:
    """Where no paired figure is stored: intervals that lie apart. None where there is nothing to compare with."""
    corrupted = reference(results, "corrupted")
    floor = figure(corrupted, "untouched.original").ci_low if corrupted else None
    if floor is None:
        return None
    return [
        f"{variant(arm)} {share(value.value)} %"
        for arm in share_of_arm
        if (value := figure(arm, "untouched.original")).value is not None
        and value.ci_high is not None
        and value.ci_high < floor
    ]


def _without_model(results: Results) -> list[str]:
    """What needs no model, and who is not shown to know more than that."""
    baselines = [arm for arm in of_kind(results, Kind.BASELINE) if figure(arm, "test.original").value is not None]
    if not baselines:
        return []
    said = f"True answers without any model: {named(baselines, 'test.original')}."
    tops = [high for arm in baselines if (high := figure(arm, "test.original").ci_high) is not None]
    if not tops:
        return [said]
    near = [
        variant(arm)
        for arm in results.summary
        if arm.kind in _OWN and (low := figure(arm, "test.original").ci_low) is not None and low <= max(tops)
    ]
    return [f"{said} Not shown to know more: {listed(near, 6)}." if near else said]


def _shown(results: Results) -> list[str]:
    """How much of the accuracy the prompts may have given away."""
    arms = [arm for arm in results.summary if figure(arm, "test.original_unshown").value is not None]
    asked = max((figure(arm, "test.original").n for arm in arms), default=0)
    shown = asked - max((figure(arm, "test.original_unshown").n for arm in arms), default=0)
    if shown <= 0:
        return []
    models = [arm for arm in arms if arm.kind in (Kind.REFERENCE, Kind.METHOD)]
    ordered = sorted(models, key=estimate, reverse=True)
    best = listed([f"{variant(arm)} {percent(figure(arm, 'test.original_unshown'))}" for arm in ordered], 4)
    rest = f" Without these facts: {best} answered truly." if best else ""
    return [f"The demonstrations show a true answer to {shown:,} of {counted(asked, 'fact')}.{rest}"]
