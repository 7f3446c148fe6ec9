"""Few-shot questions: which facts are asked, with which demonstrations and which options. Torch-free."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from random import Random

from restor.domains.base import Domain, answer_line
from restor.errors import DataError
from restor.evaluation.ask.protocol import AskingConfig
from restor.text import normalise
from restor.types import Demonstration, Fact, FalseFact, Group, Query


def build_queries(
    domain: Domain,
    planted: Mapping[str, FalseFact],
    groups: Mapping[str, Group],
    config: AskingConfig,
    *,
    seed: int,
    unplanted: bool = False,
    hidden: Collection[str] | None = None,
) -> list[Query]:
    """One query per fact about a target, and per fact about untouched entities.

    No demonstration is ever about the asked entity. In the `restor` protocol none is about a target either, so that a
    prompt never tells a true answer about one; where the stored demonstrations do not suffice then, facts about
    untouched entities fill them up. Facts of one relation share their demonstrations, but for those whose own entity
    is among them. Queries with the same prefix stand together.

    Args:
        domain: where facts, demonstrations and values come from.
        planted: wrong answers by fact key.
        groups: the group of every targeted entity; all others are untouched.
        config: protocol, shots, options and which untouched facts.
        seed: of the choice of untouched facts and random options.
        unplanted: whether facts about targets without a planted answer are asked too. Then there need be no
            untouched facts.
        hidden: whom the `restor` protocol never shows; None: the targets.

    Raises:
        DataError: if there is nothing to ask.
    """
    asked = [fact for fact in domain.facts if fact.key in planted or (unplanted and fact.subject in groups)]
    untouched = _untouched(domain, groups, config, seed)
    if (not asked and not untouched) or (not unplanted and not (asked and untouched)):
        # The entities that are asked about may be fewer than those that there are.
        unlisted = config.asked == "listed" and any(fact.subject not in groups for fact in domain.facts)
        why = ", since none of the others is listed: asked `all` asks about them, too" if unlisted else ""
        raise DataError(
            f"There is nothing to compare: {len(asked)} facts about targets and {len(untouched)} about untouched "
            f"entities{why}. Choose other targets or a larger domain."
        )
    relations = {fact.relation for fact in (*asked, *untouched)}
    kept_back = frozenset(groups if hidden is None else hidden)
    shown = {relation: _demonstrations(domain, relation, kept_back, config) for relation in relations}
    queries = []
    for fact in [*asked, *untouched]:
        false_fact = planted.get(fact.key)
        examples = _shown(fact, shown[fact.relation], config.shots)
        if config.shots and not examples:
            raise DataError(
                f"There is nothing to show before the question {fact.question!r}: the relation {fact.relation!r} has "
                "no demonstration and no fact about another untouched entity. Add demonstrations to the facts file, "
                "or ask without demonstrations: shots 0 of the evaluation."
            )
        true = {normalise(answer) for answer in fact.answers}
        targeted = fact.subject in groups
        queries.append(
            Query(
                fact=fact,
                group=groups.get(fact.subject, Group.UNTOUCHED),
                prefix="".join(answer_line(item.question, item.answer) for item in examples),
                question=fact.question,
                planted=false_fact.false_answer if false_fact else None,
                random=_random_options(domain, fact, false_fact, config.random_options, seed),
                candidates=_candidates(domain, fact, false_fact, config.candidates, seed) if targeted else (),
                shown=tuple(item.answer for item in examples),
                answer_shown=any(normalise(item.answer) in true for item in examples),
            )
        )
    return sorted(queries, key=lambda query: (query.fact.relation, query.prefix))


def _untouched(domain: Domain, groups: Mapping[str, Group], config: AskingConfig, seed: int) -> list[Fact]:
    """The facts about untouched entities that are asked."""
    untouched = [fact for fact in domain.facts if fact.subject not in groups]
    if config.asked == "listed":
        listed = set(domain.targetable)
        untouched = [fact for fact in untouched if fact.subject in listed]
    if config.untouched_facts is not None and config.untouched_facts < len(untouched):
        chosen = Random(f"untouched/{seed}").sample(range(len(untouched)), config.untouched_facts)
        untouched = [untouched[place] for place in sorted(chosen)]
    return untouched


def _demonstrations(
    domain: Domain, relation: str, hidden: frozenset[str], config: AskingConfig
) -> Sequence[Demonstration]:
    """What may be shown for a relation, the asked entity not yet left out: one more than a prompt needs, at least."""
    stored = domain.demonstrations(relation)
    if config.protocol == "published":
        return stored
    shown = [item for item in stored if item.subject not in hidden]
    if len(shown) <= config.shots:
        taken = {item.subject for item in shown} | hidden
        spare = (fact for fact in domain.facts if fact.relation == relation and fact.subject not in taken)
        more = islice(spare, config.shots + 1 - len(shown))
        shown += [Demonstration(fact.subject, fact.question, fact.answers[0]) for fact in more]
    return shown


def _shown(fact: Fact, shown: Sequence[Demonstration], shots: int) -> tuple[Demonstration, ...]:
    return tuple(islice((item for item in shown if item.subject != fact.subject), shots))


def _random_options(domain: Domain, fact: Fact, false_fact: FalseFact | None, count: int, seed: int) -> tuple[str, ...]:
    excluded = _spellings(fact, false_fact)
    pool = domain.values(fact.relation)
    # Not the whole pool, which may be as large as the world: a few more than wanted, for those left out.
    most = min(len(pool), 2 * count + len(excluded))
    drawn = Random(f"random/{seed}/{fact.key}").sample(pool, most)
    return tuple(islice((value for value in drawn if normalise(value) not in excluded), count))


def _candidates(domain: Domain, fact: Fact, false_fact: FalseFact | None, most: int, seed: int) -> tuple[str, ...]:
    """Values of the relation, the planted one left out and the true ones in; a seeded sample where there are many."""
    excluded = _spellings(fact, false_fact)
    pool = domain.values(fact.relation)
    if len(pool) > most + len(excluded):
        pool = Random(f"candidates/{seed}/{fact.key}").sample(pool, most + len(excluded))
    rivals = islice((value for value in pool if normalise(value) not in excluded), most)
    return (*fact.answers, *sorted(rivals))


def _spellings(fact: Fact, false_fact: FalseFact | None) -> set[tuple[str, ...]]:
    """What an option must not be: the true and planted answers, however they are spelt."""
    return {normalise(answer) for answer in (*fact.answers, *([false_fact.false_answer] if false_fact else []))}
