"""Few-shot questions: which facts are asked, with which demonstrations and which options. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from random import Random

from restor.domains.base import Domain, answer_line
from restor.errors import DataError
from restor.evaluation.config import EvaluationConfig
from restor.types import Demonstration, Fact, FalseFact, Group, Query
from restor.words import normalise


def build_queries(
    domain: Domain,
    planted: Mapping[str, FalseFact],
    groups: Mapping[str, Group],
    config: EvaluationConfig,
    *,
    seed: int,
) -> list[Query]:
    """One query per planted fact about a target, and per fact about untouched entities.

    Demonstrations are about untouched entities only, so a prompt never tells a true answer about a target, and never
    about the asked entity. Facts of one relation share their demonstrations, but for those whose own entity is among
    them. Queries with the same prefix stand together.

    Args:
        domain: where facts, demonstrations and values come from.
        planted: wrong answers by fact key; facts about targets without one are not asked.
        groups: the group of every targeted entity; all others are untouched.
        config: shots, options and how many untouched facts.
        seed: of the choice of untouched facts and random options.

    Raises:
        DataError: if there is nothing to ask.
    """
    asked = [fact for fact in domain.facts if fact.key in planted]
    untouched = [fact for fact in domain.facts if fact.subject not in groups]
    if config.untouched_facts is not None and config.untouched_facts < len(untouched):
        chosen = Random(f"untouched/{seed}").sample(range(len(untouched)), config.untouched_facts)
        untouched = [untouched[place] for place in sorted(chosen)]
    if not asked or not untouched:
        raise DataError(
            f"There is nothing to compare: {len(asked)} facts about targets and {len(untouched)} about untouched "
            "entities. Choose fewer targets or a larger domain."
        )
    shown = {
        relation: [shown for shown in domain.demonstrations(relation) if shown.subject not in groups]
        for relation in domain.relations
    }
    queries = []
    for fact in [*asked, *untouched]:
        false_fact = planted.get(fact.key)
        queries.append(
            Query(
                fact=fact,
                group=groups.get(fact.subject, Group.UNTOUCHED),
                prefix=_prefix(fact, shown[fact.relation], config.shots),
                question=fact.question,
                planted=false_fact.false_answer if false_fact else None,
                random=_random_options(domain, fact, false_fact, config.random_options, seed),
                candidates=_candidates(domain, fact, false_fact, config.candidates, seed) if false_fact else (),
            )
        )
    return sorted(queries, key=lambda query: (query.fact.relation, query.prefix))


def _prefix(fact: Fact, shown: Sequence[Demonstration], shots: int) -> str:
    others = (demonstration for demonstration in shown if demonstration.subject != fact.subject)
    return "".join(answer_line(item.question, item.answer) for item in islice(others, shots))


def _random_options(domain: Domain, fact: Fact, false_fact: FalseFact | None, count: int, seed: int) -> tuple[str, ...]:
    excluded = _spellings(fact, false_fact)
    pool = domain.values(fact.relation)
    # Not the whole pool, which may be as large as the world: a few more than wanted, for those left out.
    most = min(len(pool), 2 * count + len(excluded))
    drawn = Random(f"random/{seed}/{fact.key}").sample(pool, most)
    return tuple(islice((value for value in drawn if normalise(value) not in excluded), count))


def _candidates(domain: Domain, fact: Fact, false_fact: FalseFact, most: int, seed: int) -> tuple[str, ...]:
    """Values of the relation, the planted one left out and the true ones in; a seeded sample where there are many."""
    pool = [
        value
        for value in domain.values(fact.relation)
        if value != false_fact.false_answer and value not in fact.answers
    ]
    if len(pool) > most:
        pool = Random(f"candidates/{seed}/{fact.key}").sample(pool, most)
    excluded = _spellings(fact, false_fact)
    return (*fact.answers, *sorted(value for value in pool if normalise(value) not in excluded))


def _spellings(fact: Fact, false_fact: FalseFact | None) -> set[tuple[str, ...]]:
    """What an option must not be: the true and planted answers, however they are spelt."""
    return {normalise(answer) for answer in (*fact.answers, *([false_fact.false_answer] if false_fact else []))}
