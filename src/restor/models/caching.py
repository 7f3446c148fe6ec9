"""Continuing rows of text from a cache of keys and values: what many texts begin with is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from restor.models.families import decoder, logits_of

Ids = tuple[int, ...]


@final
@dataclass(frozen=True, slots=True)
class Rows:
    """B rows in the middle of a text."""

    cache: DynamicCache
    mask: Tensor
    """(B, S), 1 where a slot of the cache holds a token of the row."""
    positions: Tensor
    """(B,) position of the next token."""
    logits: Tensor
    """(B, V) of the next token, float32."""


@final
@dataclass(frozen=True, slots=True)
class Branches:
    """Tokens that continue B rows in many ways at once, T a row, padded: a tree each, without regard to order."""

    tokens: Tensor
    """(B, T)."""
    positions: Tensor
    """(B, T) position of each token in its text."""
    visible: Tensor
    """(B, T) how many tokens of the row, from its beginning, each token has before it."""
    ancestors: Tensor
    """(B, T, T), true where the second token comes before the first in its text, or is the first."""


def begin(model: PreTrainedModel, ids: Ids) -> DynamicCache:
    """The cache of one row."""
    cache = DynamicCache(config=model.config)
    if ids:
        tokens = torch.tensor([ids], device=model.device)
        decoder(model)(input_ids=tokens, past_key_values=cache, use_cache=True)
    return cache


def choose(cache: DynamicCache, rows: Tensor | None = None, *, count: int | None = None) -> DynamicCache:
    """A new cache with chosen rows of another, or with its only row `count` times; the other stays as it is."""
    chosen = copy(cache)
    chosen.layers = []
    for layer in cache.layers:
        taken = copy(layer)  # with what it knows beside its tensors, such as how far a window has moved
        if layer.is_initialized and count is not None:
            taken.keys, taken.values = (part.expand(count, -1, -1, -1) for part in (layer.keys, layer.values))
        elif layer.is_initialized and rows is not None:
            taken.keys, taken.values = (part.index_select(0, rows) for part in (layer.keys, layer.values))
        chosen.layers.append(taken)
    return chosen


def read(model: PreTrainedModel, shared: DynamicCache, known: int, rows: Sequence[Ids], pad: int) -> Rows:
    """Continue one row of `known` tokens in several ways, each at least one token."""
    width, device = max(map(len, rows)), model.device
    tokens = torch.tensor([row + (pad,) * (width - len(row)) for row in rows], device=device)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    steps = torch.arange(width, device=device)
    mask = torch.cat(
        [
            torch.ones((len(rows), known), dtype=torch.long, device=device),
            (steps[None, :] < lengths[:, None]).long(),
        ],
        dim=1,
    )
    cache = choose(shared, count=len(rows))
    states = _states(model, tokens, mask, (known + steps).expand(len(rows), -1), cache)
    last = states[torch.arange(len(rows), device=device), lengths - 1]
    return Rows(cache, mask, known + lengths, logits_of(model, last))


def advance(model: PreTrainedModel, rows: Rows, tokens: Sequence[int]) -> Rows:
    """One token more in every row; the cache of `rows` is used up."""
    new = torch.tensor(tokens, device=rows.mask.device)[:, None]
    mask = torch.cat([rows.mask, torch.ones_like(new)], dim=1)
    states = _states(model, new, mask, rows.positions[:, None], rows.cache)
    return Rows(rows.cache, mask, rows.positions + 1, logits_of(model, states[:, -1]))


def keep(rows: Rows, chosen: Sequence[int]) -> Rows:
    """Chosen rows, in the order given, any of them several times."""
    places = torch.tensor(chosen, device=rows.mask.device)
    return Rows(choose(rows.cache, places), rows.mask[places], rows.positions[places], rows.logits[places])


def branch(model: PreTrainedModel, rows: Rows, branches: Branches) -> Tensor:
    """Last hidden states (B, T, d) behind each token of the branches; `rows` stays as it is.

    The row's own tokens must fill its cache from the first slot on, as after `read`.
    """
    slots = torch.arange(rows.mask.shape[1], device=rows.mask.device)
    seen = torch.cat([slots < branches.visible[..., None], branches.ancestors], dim=2)[:, None]
    # Additive, which all kinds of attention understand.
    hidden = torch.zeros(seen.shape, dtype=model.dtype, device=seen.device)
    hidden.masked_fill_(~seen, torch.finfo(model.dtype).min)
    return _states(model, branches.tokens, hidden, branches.positions, choose(rows.cache))


def _states(model: PreTrainedModel, tokens: Tensor, mask: Tensor, positions: Tensor, cache: DynamicCache) -> Tensor:
    output = decoder(model)(
        input_ids=tokens, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
    )
    return output.last_hidden_state  # type: ignore[no-any-return]
