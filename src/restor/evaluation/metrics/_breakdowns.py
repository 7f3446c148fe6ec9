"""Restoration of parts of the facts: by relation, by entity, by how sure the clean model was, and by dose.

Each part is measured as the whole is (see `restor.evaluation.metrics.restoration`), on targeted test facts. A part is
small, and many parts have a best one: read their intervals, and do not pick.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from restor.evaluation.metrics.base import (
    LOGPROB_ORIGINAL,
    SCORE,
    ComparedAnswers,
    FactKey,
    Paired,
    clusters_of,
    gained,
    in_order,
    not_bitten,
    of_group,
    per_fact,
)
from restor.evaluation.statistics.clusters import Clusters
from restor.evaluation.statistics.estimates import SMALLEST_GAP
from restor.results import Part, PartKind, Value
from restor.types import Group

KeyT = TypeVar("KeyT", int, str)

THIRDS = 3
MOST_ENTITIES = 200
"""Of entities, those with the most facts are parts; a page has no room for more."""
DIGITS = 6
"""What is stored of a part's figures."""


def parts_of(answers: ComparedAnswers) -> dict[PartKind, list[Part]]:
    """All of them, of an arm that has its corrupted model and its ideal or clean one; a kind that would have one part
    only, or none, is left out."""
    parts_by_kind: dict[PartKind, list[Part]] = {
        "relation": by_relation(answers),
        "entity": by_entity(answers),
        "confidence": by_confidence(answers),
        "dose": by_dose(answers),
    }
    return {kind: [_rounded(part) for part in parts] for kind, parts in parts_by_kind.items() if len(parts) > 1}


def by_relation(answers: ComparedAnswers) -> list[Part]:
    """One part per relation, by name."""
    return [Part(name=name, restoration=value) for name, value in _values(answers, lambda fact: fact[1])]


def by_entity(answers: ComparedAnswers, most: int = MOST_ENTITIES) -> list[Part]:
    """One part per entity, by name; at most so many, those with the most facts.

    Nothing says how entities differ within one entity: the interval takes its facts as independent. An entity of one
    world of several is named with its seed.
    """
    facts = of_group(answers.arm, Group.TEST).facts
    apart = clusters_of(facts).n_seeds > 1 and not clusters_of(facts).crossed
    names = {fact: f"{fact[0]} (seed {fact[2]})" if apart else fact[0] for fact in facts}
    kept = {name for name, _ in Counter(names.values()).most_common(most)}
    parts = _values(answers, lambda fact: names.get(fact, ""), alone=True)
    return [Part(name=name, restoration=value) for name, value in parts if name in kept]


def by_confidence(answers: ComparedAnswers, parts: int = THIRDS) -> list[Part]:
    """Parts of about equal size by the clean model's log-prob of the true answer, the least sure first.

    Facts of the same log-prob are in the same part, and a part that is empty therefore is left out, as are facts
    without a log-prob.
    """
    sure = per_fact(of_group(answers.clean, Group.TEST), LOGPROB_ORIGINAL)
    known = {fact: value for fact, value in sure.items() if value is not None}
    cuts = np.quantile(list(known.values()), np.arange(1, parts) / parts) if known else np.zeros(0)
    places = {fact: int(np.searchsorted(cuts, value)) for fact, value in known.items()}
    thirds = []
    for place, value in _values(answers, lambda fact: places.get(fact, parts)):
        confidences = [known[fact] for fact, where in places.items() if where == place]
        if confidences:
            name = f"{_brief(min(confidences))} to {_brief(max(confidences))} nats"
            thirds.append(Part(name=name, order=sum(confidences) / len(confidences), restoration=value))
    return thirds


def _brief(x: float) -> str:
    """Two digits that say something: what a model is sure of has log-probs of a thousandth, which are not all 0.00."""
    return f"{x + 0.0:.2g}"


def by_dose(answers: ComparedAnswers) -> list[Part]:
    """One part per dose, the lowest first; none where it is not known."""
    doses = {item.fact: item.dose for item in of_group(answers.arm, Group.TEST) if item.dose is not None}
    parts = _values(answers, lambda fact: doses.get(fact, -1))
    return [Part(name=str(dose), order=dose, restoration=value) for dose, value in parts if dose >= 0]


def _rounded(part: Part) -> Part:
    value = part.restoration
    ends = {name: None if x is None else round(x, DIGITS) for name, x in _figures(value).items()}
    order = None if part.order is None else round(part.order, DIGITS)
    return part.model_copy(update={"order": order, "restoration": value.model_copy(update=ends)})


def _figures(value: Value) -> Mapping[str, float | None]:
    return {"value": value.value, "ci_low": value.ci_low, "ci_high": value.ci_high}


def _values(
    answers: ComparedAnswers, key: Callable[[FactKey], KeyT], *, alone: bool = False
) -> list[tuple[KeyT, Value]]:
    """Restoration of the facts of each key, in the order of the keys. `alone`: a key is one entity."""
    models = [of_group(asked, Group.TEST) for asked in (answers.arm, answers.corrupted, answers.top)]
    facts = models[0].facts
    places: dict[KeyT, list[int]] = {}
    for place, fact in enumerate(facts):
        places.setdefault(key(fact), []).append(place)
    table = np.stack([in_order(model, facts, model.values(SCORE)) for model in models], axis=1)
    known: NDArray[np.bool_] = np.all(np.isfinite(table), axis=1)
    flat = not_bitten(answers.top_name)
    parts = []
    for name in sorted(places):
        known_places = [place for place in places[name] if known[place]]
        pairs = Paired(
            tuple(facts[place] for place in known_places), table[known_places], len(places[name]) - len(known_places)
        )
        value = gained(
            pairs, _each_alone(len(known_places)) if alone else None, least=SMALLEST_GAP, flat=flat, shares=True
        )
        if alone and value.n:
            value = value.model_copy(update={"n_entities": 1})
        parts.append((name, value))
    return parts


def _each_alone(n: int) -> Clusters:
    places = np.arange(n)
    return Clusters(cell=places, entity=places, seed=np.zeros(n, dtype=np.intp))
