"""The reference model's predictions without a second copy of the model.

With an adapter the reference is the model with its adapter off. With full fine-tuning its last hidden states at the
labelled positions are computed once per row, before training, and kept with a copy of the output layer's weights:
exact, and smaller than logits (d instead of V numbers a token) or a copied model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from restor.models.families import finish_logits, output_layer, text_config
from restor.models.flops import Meter
from restor.models.labelled import IGNORED, Labelled, TokenBatch, collate, hidden_states, predict
from restor.models.precision import Precision
from restor.training.optim import autocast


class Reference(ABC):
    """A frozen model's predictions on batches of one source."""

    @abstractmethod
    def predict(self, batch: TokenBatch) -> Labelled:
        """Its logits at the labelled positions, without gradient."""


@final
class KeptHead:
    """A copy of a model's output layer, which several caches of its hidden states share."""

    def __init__(self, model: PreTrainedModel, meter: Meter | None = None) -> None:
        """`meter` counts what is run through it."""
        self._meter = meter or Meter()
        self._config = text_config(model)
        kept = {name: value.detach().clone() for name, value in output_layer(model).named_parameters()}
        self._weight, self._bias = kept["weight"], kept.get("bias")

    def logits(self, states: Tensor) -> Tensor:
        """Logits (N, V) in float32 from hidden states (N, d)."""
        self._meter.applied(self._weight, len(states))
        return finish_logits(self._config, nn.functional.linear(states, self._weight, self._bias))


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
        precision: Precision,
        labels: Sequence[Sequence[bool]] | None = None,
        layer: int | None = None,
        numbers: Collection[int] | None = None,
        head: KeptHead | None = None,
    ) -> None:
        """Run rows once, in batches of at most `tokens` tokens.

        `layer` names one whose output is kept too; `numbers` are the rows that will be asked for, all if None; `head`
        is the model's output layer, where a copy is there already.
        """
        model.eval()
        self.head = head or KeptHead(model)
        self.precision = precision
        self._states: dict[int, Tensor] = {}
        self._between: dict[int, Tensor] = {}
        order = sorted(
            range(len(rows)) if numbers is None else numbers, key=lambda number: len(rows[number]), reverse=True
        )
        start = 0
        with torch.no_grad():
            while start < len(order):
                count = max(1, tokens // max(len(rows[order[start]]), 1))
                part = order[start : start + count]
                start += count
                marked = None if labels is None else [labels[number] for number in part]
                batch = collate([rows[number] for number in part], part, pad, marked).to(model.device)
                with autocast(model.device, precision):
                    states, _, row, between = hidden_states(model, batch, layer)
                for place, number in enumerate(part):
                    self._states[number] = states[row == place].cpu()
                    if between is not None:
                        self._between[number] = between[row == place].cpu()

    def predict(self, batch: TokenBatch) -> Labelled:
        """The kept states of the batch's rows through the kept output layer."""
        states = torch.cat([self._states[int(number)] for number in batch.rows]).to(batch.input_ids.device)
        with torch.no_grad(), autocast(batch.input_ids.device, self.precision):
            logits = self.head.logits(states)
        places = (batch.labels[:, 1:] != IGNORED).nonzero(as_tuple=True)
        kept = [self._between[int(number)] for number in batch.rows] if self._between else None
        between = None if kept is None else torch.cat(kept).to(batch.input_ids.device)
        return Labelled(logits, batch.labels[:, 1:][places], places[0], batch.n_rows, between)


@final
class AdapterOffReference(Reference):
    """The model itself with its adapter switched off."""

    def __init__(self, model: Any, *, precision: Precision, layer: int | None = None) -> None:
        self.model = model
        self.precision = precision
        self.layer = layer

    def predict(self, batch: TokenBatch) -> Labelled:
        """A forward pass without the adapter, without gradient and, in the middle of training, without dropout."""
        training = self.model.training
        # peft lets all of the adapter be trained when it is switched on again, whatever was frozen before.
        frozen = [value for value in self.model.parameters() if not value.requires_grad]
        self.model.eval()
        try:
            with torch.no_grad(), self.model.disable_adapter(), autocast(batch.input_ids.device, self.precision):
                return predict(self.model, batch, self.layer)
        finally:
            self.model.train(training)
            for value in frozen:
                value.requires_grad_(False)
