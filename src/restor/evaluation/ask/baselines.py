"""Baselines: what can be answered without any model, from the prompt or from how common answers are. Torch-free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from restor.domains.base import Domain
from restor.types import Query


def copy_demonstrations(queries: Sequence[Query], domain: Domain) -> list[str]:
    """The most common answer among the demonstrations of the prompt; of equally common ones the first."""
    return [_most_common(query.shown) for query in queries]


def most_frequent(queries: Sequence[Query], domain: Domain) -> list[str]:
    """The most common answer of the relation among all other entities; of equally common ones the first."""
    counts: dict[str, Counter[str]] = {}
    answers_of: dict[str, tuple[str, ...]] = {}
    for fact in domain.facts:
        counts.setdefault(fact.relation, Counter()).update(fact.answers)
        answers_of[fact.key] = fact.answers
    ranked = {relation: counted.most_common() for relation, counted in counts.items()}
    answers = []
    for query in queries:
        mine = Counter(answers_of.get(query.fact.key, ()))
        # Counted without the asked entity: the first of the ranking may owe its place to it.
        near = [(value, count - mine[value]) for value, count in ranked.get(query.fact.relation, [])[: len(mine) + 1]]
        best = max(near, key=lambda item: item[1], default=("", 0))
        answers.append(best[0] if best[1] > 0 else "")
    return answers


def _most_common(values: Sequence[str]) -> str:
    return max(values, key=values.count, default="")


BASELINES: Mapping[str, tuple[str, Callable[[Sequence[Query], Domain], list[str]]]] = {
    "copy_demonstrations": ("Copy from the demonstrations", copy_demonstrations),
    "most_frequent": ("Most frequent answer", most_frequent),
}
"""Arm name -> label and how it answers."""
