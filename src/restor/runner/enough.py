"""Whether what models are asked can show anything: told before any of them is trained."""

from __future__ import annotations

from collections.abc import Sequence

from restor.evaluation.statistics.power import smallest_difference, smallest_p
from restor.evaluation.verdict.decide import ALPHA, DAMAGE
from restor.types import Fact


def too_few(facts: Sequence[Fact], of: str, advice: str) -> str | None:
    """What too few entities cannot show, in numbers; None where they are enough.

    Enough is what can show a difference of ten points, from which on a model counts as damaged.

    Args:
        facts: those that decide, of all seeds.
        of: which entities they are about, such as `test`.
        advice: what to do, in the words of the command at hand.
    """
    entities = len({fact.subject for fact in facts})
    who = f"{entities} {of} {'entity' if entities == 1 else 'entities'}"
    if entities < 2:
        return f"{who} cannot show any difference between models: nothing says how entities differ. {advice}"
    smallest, p = smallest_difference(entities, len(facts) / entities), smallest_p(entities)
    if smallest <= DAMAGE and p <= ALPHA:
        return None
    text = f"{who} with {len(facts)} facts cannot show a difference below {100 * smallest:.0f} points"
    if p > ALPHA:
        text += f", nor any by a paired test: the smallest p of so few is {p:.2g}"
    return f"{text}. {advice}"
