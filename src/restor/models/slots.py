"""Keys and values of many tokens in lanes of slots, read by whatever attention a mask allows.

A lane is a row of the batch. Its slots hold tokens in any order that has each token behind those that it attends to, so
many texts that begin alike stand in one lane, and what they share stands there once. Which slots a token sees is said
by a mask for each token, positions are given, and slots that nothing needs any longer are given up.
"""

from __future__ import annotations

import inspect
from typing import Any, final

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import Cache, CacheLayerMixin

from restor.models.families import decoder

GROWTH = 256
"""Slots are made in multiples of this many."""


@final
class _Layer(CacheLayerMixin):  # type: ignore[misc]  # untyped
    """Keys and values of one decoder layer, (G, heads, slots, width), of which the first `used` are filled."""

    is_sliding = False

    def __init__(self, **_: Any) -> None:
        super().__init__()
        self.used = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing is known of the layer before it is run for the first time."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys, self.values = (
            part.new_empty((*part.shape[:2], 0, part.shape[3])) for part in (key_states, value_states)
        )
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Take in new tokens; returns everything that is held."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.used + key_states.shape[2]
        self.keys, self.values = _holding(self.keys, self.used, end), _holding(self.values, self.used, end)
        self.keys[:, :, self.used : end] = key_states
        self.values[:, :, self.used : end] = value_states
        self.used = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def keep(self, lanes: Tensor, slots: Tensor) -> None:
        """Chosen slots (G', S) of chosen lanes (G',), in the order given."""
        if self.is_initialized:
            self.keys, self.values = (_chosen(part, lanes, slots) for part in (self.keys, self.values))
        self.used = slots.shape[1]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Slots with the new tokens, and the first of them."""
        return self.used + query_length, 0

    def get_seq_length(self, *_: Any) -> int:
        """Filled slots."""
        return self.used

    def get_max_length(self) -> int:
        """Without a limit."""
        return -1

    def get_max_cache_shape(self) -> int:
        """The same, as older releases of transformers call it."""
        return -1


def _holding(part: Tensor, used: int, wanted: int) -> Tensor:
    """The same with room for so many slots."""
    if wanted <= part.shape[2]:
        return part
    size = -(-max(wanted, part.shape[2] * 3 // 2) // GROWTH) * GROWTH
    larger = part.new_empty((*part.shape[:2], size, part.shape[3]))
    larger[:, :, :used] = part[:, :, :used]
    return larger


def _chosen(part: Tensor, lanes: Tensor, slots: Tensor) -> Tensor:
    heads, width = part.shape[1], part.shape[3]
    if len(lanes) != len(part):
        part = part.index_select(0, lanes)
    size = slots.shape[1]
    kept = part.gather(2, slots[:, None, :, None].expand(-1, heads, -1, width))
    part[:, :, :size] = kept
    return part


@final
class Slots:
    """The slots of a model's layers."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._decoder = decoder(model)
        # transformers 5.24 renamed the argument, and warns of the old name; code that a checkpoint brings may keep it.
        accepted = inspect.signature(self._decoder.forward).parameters
        self._cache_argument = "cache" if "cache" in accepted else "past_key_values"
        self._dtype = model.dtype
        self._cache = Cache(layer_class_to_replicate=_Layer)
        self.used = 0

    def run(self, tokens: Tensor, positions: Tensor, seen: Tensor) -> Tensor:
        """Run new tokens, which take the next slots of their lanes; returns their last hidden states (G, T, d).

        Args:
            tokens: (G, T).
            positions: (G, T), each token's in its text.
            seen: (G, T, used + T), true where a token attends to a slot.
        """
        # Additive, which all kinds of attention understand.
        mask = torch.zeros(seen.shape, dtype=self._dtype, device=seen.device)
        mask.masked_fill_(~seen, torch.finfo(self._dtype).min)
        output = self._decoder(
            input_ids=tokens,
            attention_mask=mask[:, None],
            position_ids=positions,
            use_cache=True,
            **{self._cache_argument: self._cache},
        )
        self.used += tokens.shape[1]
        return output.last_hidden_state  # type: ignore[no-any-return]

    def keep(self, lanes: Tensor, slots: Tensor) -> None:
        """Keep chosen slots (G', S) of chosen lanes (G',), in the order given."""
        for layer in self._cache.layers:
            layer.keep(lanes, slots)
        self.used = slots.shape[1]
