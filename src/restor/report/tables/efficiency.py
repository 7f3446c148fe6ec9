"""What restoration costs: seconds, tokens or operations per whole restoration, at the rate of an arm."""

from __future__ import annotations

from restor.report.words.paired_tests import JUDGED
from restor.report.words.restored import restoration
from restor.results import Arm


def per_restoration(arm: Arm, cost: float | None) -> float | None:
    """What a whole restoration would cost at this rate, `cost` being one of the arm's; None with a reason as below."""
    share = restoration(arm).value
    return None if why_no_rate(arm, cost) or not cost or not share else cost / share


def why_no_rate(arm: Arm, cost: float | None) -> str:
    """Why there is no cost per restoration, in words; empty where there is one.

    Peak memory has none: it is needed once, however much is restored.
    """
    back = restoration(arm)
    if arm.kind not in JUDGED:
        return "only methods restore"
    if back.value is None:
        return back.note or "restoration is not defined"
    if back.ci_low is None:
        return "restoration has no interval"
    if back.ci_low <= 0:
        return "restoration is not shown to be above 0: its interval includes 0 or lies below"
    if arm.verdict and arm.verdict.above_control is False:
        return "it is not shown to restore more than every control"
    if not cost:
        return "the cost is not known" if cost is None else "nothing was spent"
    return ""
