"""What the loop minimises for a loss algorithm: its terms, each with the predictions that its plan asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor
from transformers import PreTrainedModel

from restor.errors import CodeError
from restor.models.labelled import Labelled, TokenBatch, collate, predict
from restor.training.objective import Normalizer, Objective, RememberingObjective
from restor.training.reference import Reference
from restor.unlearning.algorithms.base import DualLossAlgorithm, LossAlgorithm, Predictions, Text
from restor.unlearning.losses import kl_divergence


@final
class Unlearning(RememberingObjective):
    """The terms of a loss algorithm."""

    def __init__(
        self,
        algorithm: LossAlgorithm,
        *,
        references: Mapping[Text, Reference] | None = None,
        teachers: Mapping[str, Mapping[Text, Reference]] | None = None,
        alternates: Sequence[Sequence[int]] = (),
        alternate_labels: Sequence[Sequence[bool]] | None = None,
        alternate_reference: Reference | None = None,
        layer: int | None = None,
        pad: int = 0,
        seed: int = 0,
    ) -> None:
        """`references` predict as the corrupted model does, by term; `teachers` by name and term."""
        self.algorithm = algorithm
        self.references = references or {}
        self.teachers = teachers or {}
        self.alternates = alternates
        self.alternate_labels = alternate_labels
        self.alternate_reference = alternate_reference
        self.layer = layer
        self.pad = pad
        self.seed = seed
        self._multipliers = dict(algorithm.multipliers()) if isinstance(algorithm, DualLossAlgorithm) else {}

    @property
    def terms(self) -> dict[str, Normalizer]:
        """Forget and retain, as far as the algorithm has them."""
        plan = self.algorithm.plan
        normalizers: dict[str, Normalizer] = {}
        if plan.forget:
            normalizers["forget"] = plan.normalizer
        if plan.retain:
            normalizers["retain"] = plan.retain_normalizer
        return normalizers

    def loss(self, term: str, model: PreTrainedModel, batch: TokenBatch) -> Tensor:
        """One term.

        Raises:
            CodeError: if the loss is no scalar, does not depend on the model, or changes what it is given.
        """
        text: Text = "forget" if term == "forget" else "retain"
        seen = self._predictions(text, model, batch)
        known = [seen.maybe_reference, *seen.teachers.values()]
        if text == "forget" and self.alternate_reference is not None:
            known.append(seen.alternate.maybe_reference)
        frozen = [item for item in known if item is not None]
        before = [item.logits._version for item in frozen]
        loss = self.algorithm.forget_loss(seen) if term == "forget" else self.algorithm.retain_loss(seen)
        who = f"{type(self.algorithm).__name__}.{term}_loss"
        if not isinstance(loss, Tensor) or loss.ndim != 0:
            given = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else repr(loss)
            raise CodeError(f"{who} must return a scalar tensor, it returned {given}. Take the mean over its tokens.")
        if not loss.requires_grad:
            raise CodeError(
                f"{who} does not depend on the predictions of the model in training, so it would change nothing. Use "
                f"seen.policy in it, without detaching it; or, if there is to be no {term} term, say so in `plan`."
            )
        if [item.logits._version for item in frozen] != before:
            raise CodeError(
                f"{who} changes the predictions of the reference model in place. Work on a copy: use the operations "
                "without a trailing underscore."
            )
        return self._weighted(term, loss)

    def _weighted(self, term: str, loss: Tensor) -> Tensor:
        if not self._multipliers:
            return loss
        # A multiplier of zero has no gradient at all, and its loss can still be told.
        weight = self._multipliers[term]
        return loss * weight if weight else loss * 0.0 + loss.detach() * self._weight(term)

    def _weight(self, term: str) -> float:
        # Not quite zero, so that the loss without its weight can be had from that with it.
        return max(self._multipliers[term], 1e-12) if self._multipliers else 1.0

    def _predictions(self, text: Text, model: PreTrainedModel, batch: TokenBatch) -> Predictions:
        source = self.references.get(text)
        alternate = None
        if text == "forget" and self.algorithm.plan.alternates is not None:
            rows = [int(number) for number in batch.rows]
            marked = None if self.alternate_labels is None else [self.alternate_labels[number] for number in rows]
            paired = collate([self.alternates[number] for number in rows], rows, self.pad, marked)
            paired = paired.to(batch.input_ids.device)
            known = self.alternate_reference
            alternate = Predictions(predict(model, paired), None if known is None else known.predict(paired))
        return Predictions(
            policy=predict(model, batch, self.layer),
            _reference=None if source is None else source.predict(batch),
            teachers={name: by_term[text].predict(batch) for name, by_term in self.teachers.items() if text in by_term},
            _alternate=alternate,
            seed=self.seed,
        )

    def restore(self, memory: Mapping[str, Tensor]) -> None:
        """The multipliers of the terms."""
        if self._multipliers and memory:
            self._multipliers = {name: float(memory[name]) for name in self._multipliers}

    def after_step(self, losses: Mapping[str, float], step: int) -> Mapping[str, Tensor]:
        """Those of the next step."""
        if not isinstance(self.algorithm, DualLossAlgorithm):
            return {}
        plain = {term: loss / self._weight(term) for term, loss in losses.items()}
        multipliers = self.algorithm.update(self._multipliers, plain, step)
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in multipliers.items()}


@final
class Distillation(Objective):
    """KL(teacher || policy) on the rows of one text: L = T^2 KL(softmax(z_t / T) || softmax(z / T))."""

    def __init__(self, teacher: Reference, temperature: float) -> None:
        self.teacher = teacher
        self.temperature = temperature

    @property
    def terms(self) -> dict[str, Normalizer]:
        """One term."""
        return {"text": "tokens"}

    def loss(self, term: str, model: PreTrainedModel, batch: TokenBatch) -> Tensor:
        """Mean over tokens, nats."""
        return distillation_loss(predict(model, batch), self.teacher.predict(batch), self.temperature)


def distillation_loss(policy: Labelled, teacher: Labelled, temperature: float) -> Tensor:
    """T^2 KL(softmax(z_t / T) || softmax(z / T)), mean over labelled tokens (Hinton et al. 2015, arXiv 1503.02531)."""
    divergence = kl_divergence(teacher.logits / temperature, policy.logits / temperature)
    return temperature**2 * divergence.mean()
