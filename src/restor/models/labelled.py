"""Forward passes in which only the labelled positions go through the output layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

from restor.errors import ConfigError
from restor.models.families import decoder, decoder_layers, logits_of, output_layer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

IGNORED = -100
"""Label of a position that is not learnt, the Hugging Face convention."""


@final
@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Rows of token ids, padded on the right.

    `input_ids` and `labels` are (B, T); a label is the token itself or `IGNORED`. A position's logits predict the
    label one to the right. `rows` (B,) holds each row's number in its source, for cached reference values.
    """

    input_ids: Tensor
    labels: Tensor
    rows: Tensor

    @property
    def n_labelled(self) -> int:
        """Positions that are predicted."""
        return int((self.labels[:, 1:] != IGNORED).sum())

    @property
    def n_rows(self) -> int:
        """Rows."""
        return int(self.input_ids.shape[0])

    def to(self, device: torch.device) -> TokenBatch:
        """The same batch on another device."""
        return TokenBatch(self.input_ids.to(device), self.labels.to(device), self.rows.to(device))


@final
@dataclass(frozen=True, slots=True)
class Labelled:
    """What a model predicts at the N labelled positions of a batch.

    `logits` (N, V) in float32, `targets` (N,), `row` (N,) the batch row of each position, `n_rows` = B. `states` (N, d)
    in float32 is the output of a decoder layer there, if one was asked for.
    """

    logits: Tensor
    targets: Tensor
    row: Tensor
    n_rows: int
    states: Tensor | None = None

    def log_probs(self) -> Tensor:
        """Log-prob of each target, (N,), nats."""
        return -nn.functional.cross_entropy(self.logits, self.targets, reduction="none")


ROUND_WIDTH, ROUND_LABELLED = 8, 64
"""Shapes are rounded up to multiples of these: a CPU compiles and keeps a kernel for every new shape it meets."""


def collate(
    rows: Sequence[Sequence[int]], numbers: Sequence[int], pad: int, marked: Sequence[Sequence[bool]] | None = None
) -> TokenBatch:
    """Pad rows on the right to the longest, rounded up; every token is a label, or those that are `marked`."""
    width = _rounded(max(len(row) for row in rows), ROUND_WIDTH)
    input_ids = torch.full((len(rows), width), pad, dtype=torch.long)
    labels = torch.full((len(rows), width), IGNORED, dtype=torch.long)
    for place, row in enumerate(rows):
        ids = torch.tensor(row, dtype=torch.long)
        input_ids[place, : len(row)] = ids
        labels[place, : len(row)] = ids
        if marked is not None:
            labels[place, : len(row)][~torch.tensor(marked[place])] = IGNORED
    return TokenBatch(input_ids, labels, torch.tensor(list(numbers), dtype=torch.long))


def hidden_states(
    model: PreTrainedModel, batch: TokenBatch, layer: int | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Last hidden states (N, d) at the labelled positions, the targets (N,), the rows (N,), and a layer's output there.

    No attention mask is needed: padding is on the right, and causal attention never looks there.
    """
    places = (batch.labels[:, 1:] != IGNORED).nonzero(as_tuple=True)
    seen: list[Tensor] = []
    watch = None if layer is None else decoder_layers(model)[layer].register_forward_hook(_keep(seen))
    try:
        states = decoder(model)(input_ids=batch.input_ids, use_cache=False).last_hidden_state
    finally:
        if watch is not None:
            watch.remove()
    between = seen[0][places].float() if seen else None
    return states[places], batch.labels[:, 1:][places], places[0], between


def _keep(seen: list[Tensor]) -> Callable[[nn.Module, object, Tensor | tuple[Tensor, ...]], None]:
    def hook(_module: nn.Module, _given: object, made: Tensor | tuple[Tensor, ...]) -> None:
        seen[:] = [made if isinstance(made, Tensor) else made[0]]

    return hook


def predict(model: PreTrainedModel, batch: TokenBatch, layer: int | None = None) -> Labelled:
    """Logits at the labelled positions only, and a layer's states there if one is named; differentiable."""
    states, targets, row, between = hidden_states(model, batch, layer)
    count = len(targets)
    padded = nn.functional.pad(states, (0, 0, 0, _rounded(count, ROUND_LABELLED) - count))
    return Labelled(logits_of(model, padded)[:count], targets, row, batch.n_rows, between)


def _rounded(count: int, step: int) -> int:
    return -(-count // step) * step


def check_output_layer(model: PreTrainedModel) -> None:
    """Make sure that `predict` equals the model's own logits, whatever its family does after the output layer.

    Raises:
        ConfigError: if it does not.
    """
    ids = torch.tensor([[1, 2]], device=model.device)  # not 0, often the padding, whose state is all zeros
    # As it is, for a scale; and enlarged, since a cap hardly changes the small logits of a new model.
    for factor in (1.0, 1000.0):
        enlarged = output_layer(model).register_forward_hook(lambda _module, _states, out, by=factor: out * by)
        try:
            with torch.no_grad():
                logits = model(input_ids=ids, use_cache=False).logits.float()
                ours = logits_of(model, decoder(model)(input_ids=ids, use_cache=False).last_hidden_state)
        finally:
            enlarged.remove()
        # Families compute their tail in the model's own dtype.
        if not torch.allclose(logits, ours, rtol=0.02, atol=1e-4 * factor, equal_nan=True):
            raise ConfigError(
                f"{type(model).__name__} changes its logits after the output layer in a way that restor does not know; "
                "it can be evaluated and not trained."
            )
