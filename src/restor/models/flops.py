"""Floating-point operations of a model's passes, estimated from parameters and tokens while they are run.

A token costs a matrix of n parameters 2 n operations on the way forward, 2 n where its gradient is handed on, and 2 n
where the matrix itself is trained: 6 N in training, as in Kaplan et al. 2020 (arXiv 2001.08361) and Hoffmann et al.
2022 (arXiv 2203.15556, appendix F). N are the matrices of the decoder layers and, at the positions where it is applied,
the output layer; looking up embeddings is free. Attention between T tokens and K slots adds 4 T K d forward and 8 T K d
backward, d the width of all heads. Padding counts, as it is run. What gradient checkpointing repeats counts once.
Norms, activations and the optimiser are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

from torch import Tensor, nn

from restor.errors import ConfigError
from restor.models.families import decoder, decoder_layers, output_layer, text_config

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FORWARD, HANDED_ON, TRAINED = 2, 2, 2
"""Operations per parameter and token."""
ATTENDING, ATTENDING_BACK = 4, 8
"""Operations per pair of token and slot and unit of width."""


@final
class Meter:
    """Adds operations up."""

    def __init__(self) -> None:
        self._flops = 0.0
        self._watched_by: object = None

    def add(self, flops: float) -> None:
        """Count some."""
        self._flops += flops

    def applied(self, weight: Tensor, positions: int) -> None:
        """Count a matrix that is applied to some positions, without gradient."""
        self.add(FORWARD * weight.numel() * positions)

    def take(self) -> float:
        """What was counted since the last time."""
        flops, self._flops = self._flops, 0.0
        return flops

    @contextmanager
    def apart(self) -> Iterator[None]:
        """What is counted meanwhile can be taken alone; what was there before comes back, and what is left stays."""
        before = self.take()
        try:
            yield
        finally:
            self.add(before)

    @contextmanager
    def watching(self) -> Iterator[Callable[[], bool]]:
        """Gives what tells whether this is still the innermost watch: only that one counts."""
        token, outer = object(), self._watched_by
        self._watched_by = token
        try:
            yield lambda: self._watched_by is token
        finally:
            self._watched_by = outer


@contextmanager
def metered(model: PreTrainedModel, meter: Meter) -> Iterator[Meter]:
    """Everything that runs through the model meanwhile is counted once, with the adapters that it has now."""
    with meter.watching() as innermost:
        watches = _watches(model, meter, innermost)
        hooks = [layer.register_forward_hook(watch, with_kwargs=True) for layer, watch in watches]
        try:
            yield meter
        finally:
            for hook in hooks:
                hook.remove()


def _watches(model: PreTrainedModel, meter: Meter, innermost: Callable[[], bool]) -> Iterator[tuple[nn.Module, _Watch]]:
    width, share = _attention_width(model), _active_share(model)
    try:
        layers: list[nn.Module] = list(decoder_layers(model))
    except ConfigError:  # they are no list: the decoder is taken as one layer
        layers = [decoder(model)]
        width *= text_config(model).num_hidden_layers
    for layer in layers:
        yield layer, _Watch(meter, innermost, layer, width, share)
    yield output_layer(model), _Watch(meter, innermost, output_layer(model), 0, 1.0)


@final
class _Watch:
    """The hook of one layer."""

    def __init__(self, meter: Meter, innermost: Callable[[], bool], layer: nn.Module, width: int, share: float) -> None:
        self._meter = meter
        self._innermost = innermost
        self._width = width
        looked_up = {id(item.weight) for item in layer.modules() if isinstance(item, nn.Embedding)}
        self._matrices = [
            (value, value.numel() * (share if ".experts." in f".{name}." else 1.0))
            for name, value in layer.named_parameters()
            if value.ndim > 1 and id(value) not in looked_up
        ]
        self._size = sum(size for _, size in self._matrices)

    def __call__(self, _layer: nn.Module, args: tuple[Any, ...], options: dict[str, Any], made: Any) -> None:
        """Count the way forward, and the way back if and when it is gone."""
        if not self._innermost():
            return
        given = _given(args, options)
        tokens, attended = self._work(given, options)
        self._meter.add(FORWARD * self._size * tokens + ATTENDING * attended)
        output: Tensor = made if isinstance(made, Tensor) else made[0]
        if not output.requires_grad:
            return
        trained = sum(size for value, size in self._matrices if value.requires_grad)
        back = (HANDED_ON * self._handed(given) + TRAINED * trained) * tokens + ATTENDING_BACK * attended
        output.register_hook(lambda _gradient: self._meter.add(back))  # type: ignore[no-untyped-call]

    def _handed(self, given: Tensor) -> float:
        """Parameters through which a gradient is handed on: all, or those behind the first that is trained."""
        if given.requires_grad:
            return self._size
        first = next((at for at, (value, _) in enumerate(self._matrices) if value.requires_grad), len(self._matrices))
        return sum(size for _, size in self._matrices[first + 1 :])

    def _work(self, given: Tensor, options: dict[str, Any]) -> tuple[int, int]:
        """Tokens, and pairs of a token and a slot that it could attend to, by the width of attention."""
        shape = given.shape if given.is_floating_point() else (*given.shape, 1)  # states, or ids
        tokens = math.prod(shape[:-1])
        if not self._width:
            return tokens, 0
        mask = options.get("attention_mask")
        slots = mask.shape[-1] if isinstance(mask, Tensor) and mask.ndim == 4 else shape[-2]
        return tokens, tokens * slots * self._width


def _given(args: tuple[Any, ...], options: dict[str, Any]) -> Tensor:
    """What a layer is given first."""
    return next(value for value in (*args, *options.values()) if isinstance(value, Tensor))


def _attention_width(model: PreTrainedModel) -> int:
    """The width of all heads of a layer; 0 without attention."""
    config = text_config(model)
    heads = getattr(config, "num_attention_heads", None)
    if not heads:
        return 0
    return int(heads * (getattr(config, "head_dim", None) or config.hidden_size // heads))


def _active_share(model: PreTrainedModel) -> float:
    """The share of a layer's experts that a token goes through."""
    config = text_config(model)
    counts = (getattr(config, name, None) for name in ("num_local_experts", "num_experts", "n_routed_experts"))
    experts = next((count for count in counts if count), None)
    return (getattr(config, "num_experts_per_tok", None) or experts) / experts if experts else 1.0
