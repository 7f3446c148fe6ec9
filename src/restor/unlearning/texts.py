"""What unlearning reads, encoded: forget rows, retain rows, and what some algorithms need beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

from transformers import PreTrainedModel

from restor.errors import CodeError, ConfigError, DataError
from restor.training.batching import SetRows
from restor.types import Budget
from restor.unlearning.algorithms.base import Edit, Plan, Text

Encoded = Sequence[Sequence[int]]
Marked = Sequence[Sequence[bool]]


@final
@dataclass(frozen=True, slots=True)
class EncodedTexts:
    """Encoded rows, and how many tokens of forget and of retain rows a step reads. What is not needed may be empty."""

    forget: Encoded
    retain: Encoded
    forget_tokens: int
    retain_tokens: int
    forget_labels: Marked | None = None
    """Which tokens of the forget rows are forgotten; None: all."""
    truth: Encoded = ()
    """Texts that state the true answers about the targets."""
    alternates: Encoded = ()
    """For every forget row the row that a preference loss prefers."""
    alternate_labels: Marked | None = None
    """Which of their tokens count; None: all."""
    samples: Callable[[PreTrainedModel], Encoded] | None = None
    """Has the corrupted model write texts of its own, without the targeted entities."""
    edits: Sequence[Edit] = ()
    """True facts to be written into the weights."""


@final
class Material:
    """The rows that one run reads, as its plan says."""

    def __init__(self, texts: EncodedTexts, plan: Plan, *, seed: int, who: str, model: PreTrainedModel) -> None:
        """`who` is the algorithm's name in messages; `model` writes the samples, if these are what it reads.

        Raises:
            DataError: if something that the plan asks for is empty.
            ConfigError: if it was not given.
        """
        if plan.forget and not texts.forget:
            raise DataError("The forget set is empty: there is nothing to unlearn. Give at least one document.")
        if plan.alternates is not None and len(texts.alternates) != len(texts.forget):
            raise ConfigError(
                f"{who} needs an alternate for every forget row; there are {len(texts.alternates)} for "
                f"{len(texts.forget)}. They are made from documents that say where they state something false."
            )
        if plan.edits and not texts.edits:
            raise DataError(f"{who} writes true facts into the weights, and none was given. Give facts (--facts).")
        self.texts = texts
        self.seed = seed
        self.who = who
        self.told = plan.budget()
        self.retain = self._retain(plan, who, model)
        self.read: set[Text] = set()
        """What was read so far."""

    def _retain(self, plan: Plan, who: str, model: PreTrainedModel) -> Encoded:
        if plan.retain is None:
            return ()
        if plan.retain == "samples":
            if self.texts.samples is None:
                raise ConfigError(f"{who} reads texts that the corrupted model writes itself, and no writer was given.")
            rows = self.texts.samples(model)
            advice = "All that the model wrote names a target."
        elif plan.retain == "truth":
            rows = self.texts.truth
            advice = "Give facts about the targets (--facts)."
        else:
            rows = self.texts.retain
            advice = "Give retain text, or set its retain weight to 0."
        if not rows:
            what = {"text": "retain text", "samples": "samples", "truth": "true answers"}[plan.retain]
            raise DataError(f"{who} reads {what} and the retain set is empty. {advice}")
        return rows

    def rows(self, text: Text) -> Encoded:
        """All rows of one of the two.

        Raises:
            CodeError: if the plan does not ask for them.
        """
        if not (Budget.FORGET in self.told if text == "forget" else self.retain):
            raise CodeError(
                f"{self.who} reads the {text} set, and its plan does not ask for it. Set `{text}` in the plan, so that "
                "its information budget is told."
            )
        self.read.add(text)
        return self.texts.forget if text == "forget" else self.retain

    def labels(self, text: Text) -> Marked | None:
        """Which of their tokens are labels; None: all."""
        return self.texts.forget_labels if text == "forget" else None

    def tokens(self, text: Text) -> int:
        """How many a step reads."""
        return self.texts.forget_tokens if text == "forget" else self.texts.retain_tokens

    def source(self, text: Text, *, seed: int = 0) -> SetRows:
        """The rows for the loop; `seed` is added to that of the run."""
        return SetRows(
            self.rows(text), tokens=self.tokens(text), name=text, seed=self.seed + seed, labels=self.labels(text)
        )
