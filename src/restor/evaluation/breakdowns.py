"""Restoration of parts of the facts: by relation, by entity, and by how sure the clean model was.

Each part is measured as the whole is (see `restor.evaluation.metrics.restoration`), on targeted test facts. A part is
small, and many parts have a best one: read their intervals, and do not pick.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np

from restor.evaluation.metrics.base import (
    Answers,
    FactKey,
    Paired,
    Scored,
    gained,
    judged,
    missing_verdicts,
    needs,
    not_bitten,
    of_group,
    paired,
    per_fact,
)
from restor.evaluation.statistics.estimates import SMALLEST_GAP
from restor.results import Value
from restor.types import Group, Judgement

KeyT = TypeVar("KeyT", int, str)


@final
@dataclass(frozen=True, slots=True)
class Part:
    """Some of the facts and what of them is restored."""

    name: str
    restoration: Value
    """With its facts, entities and interval; undefined where the corruption did not bite on this part."""
    low: float | None = None
    """By confidence: the lowest log-prob of the true answer that the clean model has in this part, nats."""
    high: float | None = None
    """The highest."""


def by_relation(answers: Answers) -> tuple[Part, ...]:
    """One part per relation, by name."""
    return tuple(Part(name, value) for name, value in _values(answers, lambda fact: fact[1]))


def by_entity(answers: Answers) -> tuple[Part, ...]:
    """One part per entity, by name. With one entity the bootstrap draws its facts, and the note says so."""
    found = _values(answers, lambda fact: fact[0], facts_drawn=True)
    return tuple(Part(name, value) for name, value in found)


def by_confidence(answers: Answers, parts: int = 3) -> tuple[Part, ...]:
    """Parts of about equal size by the clean model's log-prob of the true answer, the least sure first.

    Facts of the same log-prob are in the same part, and a part that is empty therefore is left out. Facts without a
    log-prob are a part of their own, the last.

    Raises:
        ValueError: for fewer than one part.
    """
    if parts < 1:
        raise ValueError(f"parts must be at least 1, not {parts}")
    sure = per_fact(of_group(answers.clean, Group.TEST), lambda item: item.logprob_original)
    known = {fact: value for fact, value in sure.items() if value is not None}
    cuts = np.quantile(list(known.values()), np.arange(1, parts) / parts) if known else np.zeros(0)
    places = {fact: int(np.searchsorted(cuts, value)) for fact, value in known.items()}
    found = []
    for place, value in _values(answers, lambda fact: places.get(fact, parts)):
        own = [known[fact] for fact, where in places.items() if where == place]
        if own:
            found.append(Part(f"{place + 1} of {parts}", value, min(own), max(own)))
        else:
            found.append(Part("unknown", value))
    return tuple(found)


def _values(answers: Answers, key: Callable[[FactKey], KeyT], *, facts_drawn: bool = False) -> list[tuple[KeyT, Value]]:
    """Restoration of the facts of each key, in the order of the keys."""
    arm = _by_key(answers.arm, key)
    if missing := needs("restoration", answers, "corrupted", "top"):
        return [(name, Value(value=None, n=0, note=missing)) for name in sorted(arm)]
    corrupted, top = _by_key(answers.corrupted, key), _by_key(answers.top, key)
    flat = not_bitten(answers.top_name)
    found = []
    for name in sorted(arm):
        models = [model.get(name, []) for model in (arm, corrupted, top)]
        pairs = paired(models, judged(Judgement.ORIGINAL))
        if facts_drawn:
            pairs = Paired(tuple((relation, entity) for entity, relation in pairs.facts), pairs.values, pairs.unscored)
        value = gained(pairs, least=SMALLEST_GAP, flat=flat, note=missing_verdicts(arm[name]))
        if facts_drawn and value.n:
            how = "one entity: the interval draws its facts" if value.ci_low is not None else ""
            note = "; ".join(filter(None, [value.note, how]))
            value = value.model_copy(update={"n_entities": 1, "note": note})
        found.append((name, value))
    return found


def _by_key(asked: Sequence[Scored], key: Callable[[FactKey], KeyT]) -> dict[KeyT, list[Scored]]:
    found: dict[KeyT, list[Scored]] = {}
    for item in of_group(asked, Group.TEST):
        found.setdefault(key(item.fact), []).append(item)
    return found
