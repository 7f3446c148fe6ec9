"""The stored paired tests of an arm: what tables and sentences say beside a figure."""

from __future__ import annotations

from restor.results import Arm, PairedTest
from restor.types import Kind

JUDGED = (Kind.METHOD, Kind.ORACLE)
"""What is tested against controls and counted in sentences."""


def against_controls(arm: Arm) -> PairedTest | None:
    """The test against the control that is hardest to be above; None where none is stored.

    To be above every control an arm must be above this one. Where it is above all of them, it is the test with the
    largest p and, of several, with the smallest difference; otherwise the one with the smallest difference.
    """
    tests = [test for test in arm.tests if test.role == "control" and test.difference is not None]
    if not tests:
        return next((test for test in arm.tests if test.role == "control"), None)
    if all((test.difference or 0.0) > 0 for test in tests):
        return max(tests, key=lambda test: (1.0 if test.p_holm is None else test.p_holm, -(test.difference or 0.0)))
    return min(tests, key=lambda test: test.difference or 0.0)


def p_holm(arm: Arm, role: str) -> float | None:
    """The corrected p against every control, the ideal or the corrupted model; None where it is not stored."""
    if role == "control":
        hardest = against_controls(arm)
        return hardest.p_holm if hardest else None
    return next((test.p_holm for test in arm.tests if test.role == role), None)


def p_text(p: float) -> str:
    """A p as people read it; a small one is not shown as 0."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"
