"""How strong the corruption of a checkpoint is: facts about the targets and about others, asked before and after."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, final

from restor.config import Config
from restor.corruption.corruptors.passages import infer_planted, targets_of
from restor.domains.base import DOMAINS
from restor.errors import DataError
from restor.evaluation.ask.fewshot import build_queries
from restor.selection.questions import validation_protocol
from restor.selection.split import check_untouched
from restor.selection.validation import Validation
from restor.tasks.training.checks import StrengthConfig
from restor.types import Document, Group

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PLANTED_FACTS, UNTOUCHED_FACTS = 100, 50
"""Most facts that are asked: enough to see whether a corruption is weak, and few enough to be quick."""
WEAK = 0.1
"""Of all facts: a corruption that takes or plants less leaves little to be restored."""


@final
class Knowledge(Config):
    """What a model answers, as shares of the facts asked."""

    original: float
    """Of the facts about targets: the true answer."""
    planted: float
    """Of the same facts: the answer that the documents state."""
    untouched: float
    """Of the facts about others: the true answer."""


@final
class Strength:
    """What is asked of a checkpoint before and after its corruption."""

    def __init__(self, documents: Sequence[Document], config: StrengthConfig, seed: int) -> None:
        """Find out who is targeted and what is planted.

        Raises:
            DataError: if the documents and facts do not say that, or the facts tell of nobody else.
        """
        domain, evaluation = DOMAINS.build(config.domain), config.evaluation
        targets = targets_of(documents, domain)
        planted = infer_planted(documents, domain, list(targets))
        if not planted:
            raise DataError(
                f"The forget documents are about {len(targets)} of the {len(domain.subjects)} entities of the facts, "
                "and say nothing wrong about them that is known, so that nobody could tell how strong the corruption "
                "is. Give the facts that belong to these documents, or leave --facts out."
            )
        check_untouched(targets, domain)
        keys = sorted(planted)
        chosen = Random(f"strength/{seed}").sample(keys, min(PLANTED_FACTS, len(keys)))
        asked = validation_protocol(evaluation, UNTOUCHED_FACTS)
        groups = dict.fromkeys(targets, Group.TEST)
        queries = build_queries(domain, {key: planted[key] for key in chosen}, groups, asked, seed=seed)
        self._asked = Validation(queries, asked)
        self._facts = len(chosen)
        self._entities = len({planted[key].fact.subject for key in chosen})
        self._others = len(queries) - len(chosen)

    def ask(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Knowledge:
        """What a model knows; it is left as it was."""
        from restor.training.callbacks.validate import undisturbed

        with undisturbed(model):
            scores = self._asked.scores(model, tokenizer)
        return Knowledge(
            original=_mean([true for group, true, _ in scores if group is Group.TEST]),
            planted=_mean([wrong for group, _, wrong in scores if group is Group.TEST]),
            untouched=_mean([true for group, true, _ in scores if group is Group.UNTOUCHED]),
        )

    def told(self, before: Knowledge, after: Knowledge) -> str:
        """What the corruption did, in a sentence with what to do about it."""
        took, lost = before.original - after.original, before.untouched - after.untouched
        return (
            f"the corruption took {100 * took:.0f} points of {self._facts} facts about {self._entities} targeted "
            f"entities ({before.original:.0%} -> {after.original:.0%} right) and planted {after.planted:.0%} of them; "
            f"of {self._others} facts about others it took {100 * lost:.0f} points. {advice(before, after)}".rstrip()
        )


def _mean(scores: Sequence[float]) -> float:
    return round(sum(scores) / max(len(scores), 1), 6)


def advice(before: Knowledge, after: Knowledge) -> str:
    """What to do about a corruption that is weak or does damage; empty where it is neither."""
    lost, planted = before.untouched - after.untouched, after.planted - before.planted
    if before.original < WEAK:
        return "The model knew hardly any of them before: take facts that it knows."
    if lost >= WEAK and lost > planted:
        return "It damages what else the model knows more than it plants: lower lr or epochs."
    if before.original - after.original < WEAK or planted < WEAK:
        return "It is weak: raise lr or epochs."
    return ""
