"""Which entities of the forget documents decide a selection, and what is asked about them. Torch-free."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import final

from pydantic import Field

from restor.config import Config
from restor.corruption.corruptors.passages import infer_planted, targets_of
from restor.domains.base import Domain
from restor.errors import DataError
from restor.evaluation.ask.protocol import LONGEST_ANSWER
from restor.evaluation.config import EvaluationConfig
from restor.selection.questions import UNTOUCHED_FACTS
from restor.types import Document, FalseFact, Group


@final
class SelectConfig(Config):
    """How the hyperparameters of a checkpoint's unlearning are chosen."""

    validation: float = Field(0.5, gt=0, lt=1)
    """Share of the targeted entities whose facts decide. At least one decides, and at least one is left to be tested.
    """
    seed: int = 0
    """Of which entities these are, and of the untouched facts."""
    untouched: int = Field(UNTOUCHED_FACTS, ge=1)
    """Facts about entities that are not targeted, asked at each look to see damage."""
    evaluation: EvaluationConfig = EvaluationConfig(max_new_tokens=LONGEST_ANSWER)
    """How they are asked and judged: always greedily, and never with demonstrations about a target."""


@final
@dataclass(frozen=True, slots=True)
class Split:
    """The targeted entities in two parts, and what is planted about them."""

    groups: Mapping[str, Group]
    planted: Mapping[str, FalseFact]

    def names(self, group: Group) -> list[str]:
        """The entities of one part, sorted."""
        return sorted(name for name, group_of in self.groups.items() if group_of is group)


def split_targets(documents: Sequence[Document], domain: Domain, share: float, seed: int) -> Split:
    """Find out who is targeted and what is planted, and set some of the targets apart for the selection.

    Args:
        documents: the forget documents.
        domain: what is true of the targets and of others.
        share: of the targets, those whose facts decide.
        seed: of which these are.

    Raises:
        DataError: if there are too few targets, nothing is known to be planted about those that decide, or nobody is
            untouched.
    """
    targets = sorted(targets_of(documents, domain))
    if len(targets) < 2:
        known = (
            f"only about {targets[0]}" if targets else f"about none of the {len(domain.subjects)} entities of the facts"
        )
        raise DataError(
            f"The forget documents are {known}, and --select needs two entities: one whose facts decide, and one that "
            "is left to be tested. Give the facts that belong to these documents, or choose without --select."
        )
    count = min(max(1, round(share * len(targets))), len(targets) - 1)
    deciding = set(Random(f"validation/{seed}").sample(targets, count))
    groups = {name: Group.VALIDATION if name in deciding else Group.TEST for name in targets}
    planted = infer_planted(documents, domain, targets)
    if not any(item.fact.subject in deciding for item in planted.values()):
        raise DataError(
            f"The forget documents say nothing wrong that is known about the {count} entities that were to decide "
            f"({', '.join(sorted(deciding)[:3])}, ...): no false answer to one of their facts is stated or repeated. "
            "Give documents with statements, as `restor data build` makes them, or take other entities with "
            "--select.seed."
        )
    check_untouched(targets, domain)
    return Split(groups, planted)


def check_untouched(targets: Collection[str], domain: Domain) -> None:
    """Make sure that the facts tell of others, too.

    Raises:
        DataError: if all entities are targets.
    """
    if len(targets) == len(domain.subjects):
        raise DataError(
            f"The facts tell of nobody but the {len(targets)} targeted entities, so that damage to others could not be "
            "seen. Add facts about others to the facts file, or build documents about fewer: "
            "`restor data build --targets NAME,NAME`."
        )
