"""The reference model's predictions without a second copy of the model.

With an adapter the reference is the model with its adapter off. With full fine-tuning its last hidden states at the
labelled positions are computed once per row, before training, and kept with a copy of the output layer's weights:
exact, and smaller than logits (d instead of V numbers a token) or a copied model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from restor.models.families import finish_logits, output_layer, text_config
from restor.models.labelled import IGNORED, Labelled, TokenBatch, collate, hidden_states, predict
from restor.training.precision import autocast


class Reference(ABC):
    """A frozen model's predictions on batches of one source."""

    @abstractmethod
    def predict(self, batch: TokenBatch) -> Labelled:
        """Its logits at the labelled positions, without gradient."""


@final
class CachedReference(Reference):
    """Hidden states kept per row of a finite source, on the CPU."""

    def __init__(
        self,
        model: PreTrainedModel,
        rows: Sequence[Sequence[int]],
        *,
        tokens: int,
        pad: int,
        precision: str,
        labels: Sequence[Sequence[bool]] | None = None,
    ) -> None:
        """Run every row once, in batches of at most `tokens` tokens."""
        head = output_layer(model.eval())
        kept = {name: value.detach().clone() for name, value in head.named_parameters()}
        self.weight, self.bias = kept["weight"], kept.get("bias")
        self.config = text_config(model)
        self.precision = precision
        self._states: dict[int, Tensor] = {}
        order = sorted(range(len(rows)), key=lambda number: len(rows[number]), reverse=True)
        start = 0
        with torch.no_grad():
            while start < len(order):
                count = max(1, tokens // max(len(rows[order[start]]), 1))
                part = order[start : start + count]
                start += count
                marked = None if labels is None else [labels[number] for number in part]
                batch = collate([rows[number] for number in part], part, pad, marked).to(model.device)
                with autocast(model.device, precision):
                    states, _, row = hidden_states(model, batch)
                for place, number in enumerate(part):
                    self._states[number] = states[row == place].cpu()

    def predict(self, batch: TokenBatch) -> Labelled:
        """The kept states of the batch's rows through the kept output layer."""
        states = torch.cat([self._states[int(number)] for number in batch.rows]).to(batch.input_ids.device)
        with torch.no_grad(), autocast(batch.input_ids.device, self.precision):
            logits = nn.functional.linear(states, self.weight, self.bias)
            logits = finish_logits(self.config, logits)
        found = (batch.labels[:, 1:] != IGNORED).nonzero(as_tuple=True)
        return Labelled(logits, batch.labels[:, 1:][found], found[0], batch.n_rows)


@final
class AdapterOffReference(Reference):
    """The model itself with its adapter switched off."""

    def __init__(self, model: Any, *, precision: str) -> None:
        self.model = model
        self.precision = precision

    def predict(self, batch: TokenBatch) -> Labelled:
        """A forward pass without the adapter, without gradient and, in the middle of training, without dropout."""
        training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad(), self.model.disable_adapter(), autocast(batch.input_ids.device, self.precision):
                return predict(self.model, batch)
        finally:
            self.model.train(training)
