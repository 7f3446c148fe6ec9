"""What differs between families of models: context, window, padding, and what follows the output layer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from restor.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CONTEXTS = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "seq_length", "n_ctx")
"""Names under which configurations hold the longest row."""


def text_config(model: PreTrainedModel) -> Any:
    """The configuration of the language model, which is inside another one where a model also sees."""
    return model.config.get_text_config()


def context_of(model: PreTrainedModel) -> int | None:
    """Most tokens in a row, or None where positions are not bounded."""
    config = text_config(model)
    lengths = (getattr(config, name, None) for name in CONTEXTS)
    return next((value for value in lengths if isinstance(value, int) and value > 0), None)


def window_of(model: PreTrainedModel) -> int | None:
    """How far back a layer looks, the nearest-sighted one where they differ; None if all see everything."""
    config = text_config(model)
    if not getattr(config, "use_sliding_window", True):
        return None
    kinds = getattr(config, "layer_types", None)
    if kinds is not None and all(kind == "full_attention" for kind in kinds):
        return None
    lengths = (getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size", "window_size"))
    return min((value for value in lengths if isinstance(value, int) and value > 0), default=None)


def places_of(model: PreTrainedModel) -> int | None:
    """How many tokens a row may have before the positions of all of them are encoded in another way (LongRoPE)."""
    given = getattr(text_config(model), "rope_parameters", None) or {}
    kinds = [given, *(part for part in given.values() if isinstance(part, dict))]
    lengths = (kind.get("original_max_position_embeddings") for kind in kinds if kind.get("rope_type") == "longrope")
    return min((value for value in lengths if isinstance(value, int)), default=None)


def masks_itself(model: PreTrainedModel) -> bool:
    """Whether layers look back by a mask of their own, counted in tokens that were run and not in positions."""
    return "local" in (getattr(text_config(model), "attention_layers", None) or ())  # GPT-Neo


def embeddings_in(model: PreTrainedModel) -> int:
    """How many tokens the model has an embedding for."""
    return int(model.get_input_embeddings().weight.shape[0])


def pad_of(tokenizer: PreTrainedTokenizerBase) -> int:
    """A token id to fill rows up with: the padding, else the end of text, else 0; it is never read or learnt."""
    wanted = (tokenizer.pad_token_id, tokenizer.eos_token_id)
    return next((int(token) for token in wanted if token is not None), 0)


def ends_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Tokens behind which a text is over: the tokenizer's, and those that the checkpoint generates until."""
    config = model.generation_config
    given = None if config is None else config.eos_token_id
    further = given if isinstance(given, list | tuple) else [given]
    return frozenset(int(token) for token in (tokenizer.eos_token_id, *further) if token is not None)


# From hidden states to logits ----------------------------------------------------------------------------------------


def decoder(model: PreTrainedModel) -> nn.Module:
    """The model without its output layer, adapters included."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return inner.base_model  # type: ignore[no-any-return]


def decoder_layers(model: PreTrainedModel) -> nn.ModuleList:
    """The decoder layers, in order.

    Raises:
        ConfigError: for a family that keeps them elsewhere than in one list.
    """
    depth = text_config(model).num_hidden_layers
    lists = [item for item in decoder(model).modules() if isinstance(item, nn.ModuleList) and len(item) == depth]
    if not lists:
        raise ConfigError(
            f"{type(model).__name__} has no list of {depth} decoder layers, so none of its layers can be named. Choose "
            "an algorithm that reads no states of a layer."
        )
    return lists[0]


def layer_index(model: PreTrainedModel, layer: int | float) -> int:
    """The number of a layer, from 0, given as such or as a share of the depth, 1.0 being the last.

    Raises:
        ConfigError: if the model has no such layer.
    """
    depth = text_config(model).num_hidden_layers
    index = max(0, math.ceil(layer * depth - 1e-9) - 1) if isinstance(layer, float) else layer
    if not 0 <= index < depth:
        raise ConfigError(f"There is no layer {layer}: {type(model).__name__} has {depth}, numbered from 0.")
    return int(index)


@torch.no_grad()
def final_norm(model: PreTrainedModel) -> nn.Module | None:
    """What makes the last hidden states from the output of the last decoder layer; None where no one module does.

    Families call it by many names, so a forward of two tokens is watched: it is given the one and returns the other.

    Raises:
        ConfigError: for a family that keeps its layers elsewhere than in one list.
    """
    layers = decoder_layers(model)
    within = {part for layer in layers for part in layer.modules()}
    calls: list[tuple[nn.Module, Any, Any]] = []

    def keep(module: nn.Module, given: tuple[Any, ...], made: Any) -> None:
        calls.append((module, given[0] if given else None, made))

    around = [module for module in decoder(model).modules() if module not in within]
    watches = [module.register_forward_hook(keep) for module in (*layers, *around)]
    try:
        ids = torch.tensor([[1, 2]], device=model.device)
        states = decoder(model)(input_ids=ids, use_cache=False).last_hidden_state
    finally:
        for watch in watches:
            watch.remove()
    run = [(module, made if isinstance(made, Tensor) else made[0]) for module, _, made in calls if module in {*layers}]
    # One that runs a layer twice, or in another order, has no output of each.
    if [module for module, _ in run] != [*layers] or run[-1][1].shape[:2] != ids.shape:
        return None
    return next(
        (module for module, given, made in reversed(calls) if _same(given, run[-1][1]) and _same(made, states)), None
    )


def _same(one: object, other: Tensor) -> bool:
    return (
        isinstance(one, Tensor)
        and (one.dtype, one.numel()) == (other.dtype, other.numel())
        and torch.equal(one.flatten(), other.flatten())
    )


MLP_OUTPUTS = ("mlp.down_proj", "mlp.c_proj", "mlp.dense_4h_to_h", "mlp.fc2", "mlp.fc_out", "feed_forward.w2", "fc2")
"""Names, within a decoder layer, of the linear map with which families leave their MLP."""


def mlp_output(model: PreTrainedModel, layer: int) -> nn.Module:
    """The linear map from the MLP's inner states back to the residual stream, of one layer.

    Raises:
        ConfigError: for a family whose MLP is built otherwise, such as a mixture of experts.
    """
    parts: dict[str, nn.Module] = dict(decoder_layers(model)[layer].named_modules())
    output = next((parts[name] for name in MLP_OUTPUTS if name in parts), None)
    if output is None:
        raise ConfigError(
            f"{type(model).__name__} has no MLP output projection that restor knows ({', '.join(MLP_OUTPUTS)}). Choose "
            "an algorithm that does not need one."
        )
    return output


def output_layer(model: PreTrainedModel) -> nn.Module:
    """The layer that turns hidden states into logits, before a family scales or caps them."""
    return model.get_output_embeddings()  # type: ignore[no-any-return]


def finish_logits(config: Any, logits: Tensor) -> Tensor:
    """What follows the output layer, in float32: the scale of Cohere, Falcon H1 and Granite, the soft cap of Gemma 2.

    `config` is that of the text model.
    """
    logits = logits.float()
    for name in ("logit_scale", "lm_head_multiplier"):
        if (factor := getattr(config, name, None)) is not None:
            logits = logits * factor
    if (divisor := getattr(config, "logits_scaling", None)) is not None:
        logits = logits / divisor
    if (cap := getattr(config, "final_logit_softcapping", None)) is not None:
        logits = cap * torch.tanh(logits / cap)
    return logits


def logits_of(model: PreTrainedModel, states: Tensor) -> Tensor:
    """Logits (..., V) in float32 from the last hidden states (..., d)."""
    return finish_logits(text_config(model), output_layer(model)(states))
