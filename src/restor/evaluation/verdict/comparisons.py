"""Paired tests of an arm against controls, the ideal and the corrupted model, and the correction for many of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, final

from restor.evaluation.statistics.clusters import Clusters, Floats
from restor.evaluation.statistics.estimates import difference
from restor.evaluation.statistics.multiple import holm
from restor.evaluation.statistics.paired import compared
from restor.results import PairedTest

Role: TypeAlias = Literal["control", "ideal", "corrupted"]

ALPHA = 0.05
"""Up to this corrected p a difference is shown."""


@final
@dataclass(frozen=True, slots=True)
class Others:
    """What an arm is tested against: the mean score per fact, or NaN."""

    corrupted: tuple[str, Floats]
    """Its id and answers."""
    ideal: tuple[str, Floats]
    """The same of the ideal model, or of the clean one in its place."""
    controls: Mapping[str, Floats] = field(default_factory=dict)
    """By id."""


def paired_tests(arm: Floats, others: Others, clusters: Clusters) -> list[PairedTest]:
    """Against each control, the ideal and the corrupted model; p is not corrected yet."""
    tests = [_test("control", name, arm, other, clusters) for name, other in others.controls.items()]
    tests.append(_test("ideal", others.ideal[0], arm, others.ideal[1], clusters))
    tests.append(_test("corrupted", others.corrupted[0], arm, others.corrupted[1], clusters))
    return tests


def _test(role: Role, name: str, arm: Floats, other: Floats, clusters: Clusters) -> PairedTest:
    between, tested = difference(arm, other, clusters, shares=True), compared(arm, other, clusters)
    of_these = " of these seeds" if clusters.n_seeds > 1 and "permutation" in tested.method else ""
    return PairedTest(
        other=name,
        role=role,
        difference=between.value,
        ci_low=between.low,
        ci_high=between.high,
        p=tested.p,
        method=tested.method.replace("of entities", f"of entities{of_these}"),
        note=tested.note or between.note,
    )


def corrected(table: Mapping[str, Sequence[PairedTest]]) -> dict[str, list[PairedTest]]:
    """The tests of all arms of a table, by arm, with p corrected by Holm for all of one role."""
    adjusted: dict[tuple[str, str, str], float | None] = {}
    for role in ("control", "ideal", "corrupted"):
        of_role: dict[tuple[str, str, str], float | None] = {
            (arm, role, test.other): test.p for arm, tests in table.items() for test in tests if test.role == role
        }
        adjusted.update(holm(of_role))
    return {
        arm: [test.model_copy(update={"p_holm": adjusted[arm, test.role, test.other]}) for test in tests]
        for arm, tests in table.items()
    }


def shown(test: PairedTest) -> bool:
    """Whether a difference is shown: by the corrected p, and by the interval, which speaks of other seeds, too."""
    if test.p_holm is None or test.ci_low is None or test.ci_high is None:
        return False
    return test.p_holm <= ALPHA and not test.ci_low <= 0 <= test.ci_high
