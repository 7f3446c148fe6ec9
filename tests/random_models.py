"""Small models of many families with random weights, and models that say what they are told to."""

from __future__ import annotations

from itertools import pairwise

import torch
import transformers as hf

SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": 0.3,
    "max_position_embeddings": 256,
}
GROUPED = {**SHAPE, "num_key_value_heads": 2}
WIDE = {**GROUPED, "head_dim": 16}
MIXED = {"layer_types": ["sliding_attention", "full_attention"]}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256, "initializer_range": 0.3}

FAMILIES = {
    "llama": lambda size: hf.LlamaForCausalLM(hf.LlamaConfig(**GROUPED, **size)),
    "llama_tied": lambda size: hf.LlamaForCausalLM(hf.LlamaConfig(**GROUPED, **size, tie_word_embeddings=True)),
    "qwen2": lambda size: hf.Qwen2ForCausalLM(hf.Qwen2Config(**GROUPED, **size)),
    "qwen3": lambda size: hf.Qwen3ForCausalLM(hf.Qwen3Config(**WIDE, **size)),
    "mistral": lambda size: hf.MistralForCausalLM(hf.MistralConfig(**GROUPED, **size, sliding_window=200)),
    "mistral_near": lambda size: hf.MistralForCausalLM(hf.MistralConfig(**GROUPED, **size, sliding_window=20)),
    "gemma": lambda size: hf.GemmaForCausalLM(hf.GemmaConfig(**WIDE, **size)),
    "gemma2": lambda size: hf.Gemma2ForCausalLM(
        hf.Gemma2Config(
            **WIDE, **size, sliding_window=200, final_logit_softcapping=5.0, attn_logit_softcapping=5.0, **MIXED
        )
    ),
    "gemma3": lambda size: hf.Gemma3ForCausalLM(hf.Gemma3TextConfig(**WIDE, **size, sliding_window=200, **MIXED)),
    "gemma3_near": lambda size: hf.Gemma3ForCausalLM(hf.Gemma3TextConfig(**WIDE, **size, sliding_window=20, **MIXED)),
    "olmo": lambda size: hf.OlmoForCausalLM(hf.OlmoConfig(**GROUPED, **size)),
    "olmo2": lambda size: hf.Olmo2ForCausalLM(hf.Olmo2Config(**GROUPED, **size)),
    "pythia": lambda size: hf.GPTNeoXForCausalLM(hf.GPTNeoXConfig(**SHAPE, **size)),
    "gpt2": lambda size: hf.GPT2LMHeadModel(hf.GPT2Config(**GPT2, **size)),
    "cohere": lambda size: hf.CohereForCausalLM(hf.CohereConfig(**GROUPED, **size, logit_scale=0.25)),
    "granite": lambda size: hf.GraniteForCausalLM(hf.GraniteConfig(**GROUPED, **size, logits_scaling=4.0)),
}
TIED = {"llama_tied", "gemma", "gemma2", "gemma3", "gemma3_near", "gpt2", "cohere"}
NEAR = {"mistral_near", "gemma3_near"}
"""Their windows are shorter than the tests' prompts, and longer than what is tried before the first question."""

ODD = {
    "bloom": lambda size: hf.BloomForCausalLM(hf.BloomConfig(hidden_size=32, n_layer=2, n_head=4, **size)),
    "gpt_neo": lambda size: hf.GPTNeoForCausalLM(
        hf.GPTNeoConfig(
            hidden_size=32,
            num_layers=2,
            num_heads=4,
            attention_types=[[["global", "local"], 1]],
            window_size=64,
            max_position_embeddings=256,
            **size,
        )
    ),
    "mamba": lambda size: hf.MambaForCausalLM(hf.MambaConfig(hidden_size=32, num_hidden_layers=2, **size)),
}
"""Whose strings are run as wholes: positions or masks of their own, or a recurrent state."""


def made(family, vocabulary, **size):
    """A model in evaluation mode, the same one at every call."""
    given = {"vocab_size": vocabulary, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0} | size
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {**FAMILIES, **ODD}[family](given).eval()


def follower(vocabulary, follows, *, first=None, strength=40.0, noise=1.0):
    """A model whose next token depends on the last one alone.

    Args:
        vocabulary: how many tokens there are.
        follows: token -> the one that it is most probably followed by.
        first: what follows all other tokens; None leaves these to the noise.
        strength: logits that this is worth.
        noise: standard deviation of all logits.
    """
    config = hf.LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=2 * -(-vocabulary // 2),
        intermediate_size=4,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=512,
        rms_norm_eps=1e-12,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    model = hf.LlamaForCausalLM(config).eval()
    table = torch.randn(vocabulary, vocabulary, generator=torch.Generator().manual_seed(0)) * noise
    for token in range(vocabulary):
        if (chosen := follows.get(token, first)) is not None:
            table[chosen, token] += strength
    layer = model.model.layers[0]
    with torch.no_grad():
        # Nothing but the token itself reaches the output layer: its place among the hidden states.
        for part in (layer.self_attn.o_proj, layer.mlp.down_proj, model.model.embed_tokens, model.lm_head):
            part.weight.zero_()
        model.model.embed_tokens.weight[:, :vocabulary].fill_diagonal_(1.0)
        model.lm_head.weight[:, :vocabulary] = table / config.hidden_size**0.5
    return model


def chain(ids):
    """Each token follows the one before it."""
    follows = {}
    for left, right in pairwise(ids):
        assert follows.setdefault(left, right) == right, "a token cannot be followed by two"
    return follows


def speaker(vocabulary, ids, *, behind, context=128, strength=40.0):
    """A model that says given tokens behind prompts of `behind` tokens, whatever these are, and then the last one."""
    size = {"n_embd": 2 * context, "n_layer": 1, "n_head": 1, "n_positions": context, "n_inner": 4}
    special = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = hf.GPT2Config(vocab_size=vocabulary, **size, **special, tie_word_embeddings=False)
    model = hf.GPT2LMHeadModel(config).eval()
    table = torch.randn(vocabulary, context, generator=torch.Generator().manual_seed(0))
    for place in range(behind - 1, context):
        table[ids[min(place - behind + 1, len(ids) - 1)], place] += strength
    block = model.transformer.h[0]
    with torch.no_grad():
        # Nothing but the position reaches the output layer.
        for part in (block.attn.c_proj, block.mlp.c_proj, model.transformer.wte):
            part.weight.zero_()
        # Each position has a mean of 0, which is what the last normalisation takes off.
        model.transformer.wpe.weight.copy_(torch.cat([torch.eye(context), -torch.eye(context)], dim=1))
        model.lm_head.weight.copy_(torch.cat([table, torch.zeros_like(table)], dim=1) / context**0.5)
    return model
