"""What a model in training is asked while hyperparameters are chosen. Torch-free.

Only facts about validation entities and about untouched ones are asked. Facts about test entities are not even among
the questions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from restor.domains.base import Domain
from restor.errors import DataError
from restor.evaluation.ask.fewshot import build_queries
from restor.evaluation.ask.protocol import AskingConfig
from restor.types import FalseFact, Group, Query

AskingT = TypeVar("AskingT", bound=AskingConfig)

UNTOUCHED_FACTS = 100
"""Facts about untouched entities asked at each mark: enough to see damage."""


def validation_protocol(evaluation: AskingT, untouched: int = UNTOUCHED_FACTS) -> AskingT:
    """How models are asked during a selection: greedily, and never with demonstrations about a target."""
    return evaluation.model_copy(update={"protocol": "restor", "runs": None, "untouched_facts": untouched})


def validation_queries(
    domain: Domain,
    planted: Mapping[str, FalseFact],
    groups: Mapping[str, Group],
    evaluation: AskingConfig,
    *,
    seed: int,
) -> list[Query]:
    """The planted facts about validation entities and a seeded sample of untouched ones.

    Raises:
        DataError: if one of the two is empty.
    """
    planted_here = {key: item for key, item in planted.items() if groups.get(item.fact.subject) is Group.VALIDATION}
    if not planted_here:
        raise DataError(
            f"Nothing is planted about the {sum(group is Group.VALIDATION for group in groups.values())} validation "
            "entities, so they cannot tell which hyperparameters restore. Take more of them, or other ones by another "
            "seed."
        )
    queries = build_queries(domain, planted_here, groups, evaluation, seed=seed)
    assert all(query.group is not Group.TEST for query in queries), "test facts must not decide a selection"
    return queries
