"""Models on disk: the Hugging Face format, weights in safetensors."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)


def new_llama(
    *,
    tokenizer: PreTrainedTokenizerBase,
    hidden: int,
    intermediate: int,
    layers: int,
    heads: int,
    context: int,
    seed: int,
) -> PreTrainedModel:
    """A Llama with random weights drawn from `seed`, in float32, embeddings tied."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


LONGEST_EAGER = 1024
"""Longest context whose attention matrix is written out on a CPU."""


def place(model: PreTrainedModel, device: torch.device) -> PreTrainedModel:
    """Move a model to its device, with the attention that is fast there.

    On a CPU and for short rows the plain matrix products are nearly twice as fast as the fused kernel.
    """
    if device.type == "cpu" and model.config.max_position_embeddings <= LONGEST_EAGER:
        model.set_attn_implementation("eager")
    return model.to(device)


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write weights (safetensors), config and tokenizer into `folder`."""
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


def load_model(folder: Path, device: torch.device) -> PreTrainedModel:
    """Load a checkpoint folder in float32; code shipped with it is never run, and nothing is fetched."""
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, trust_remote_code=False, local_files_only=True
    )
    return place(model, device).eval()


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a checkpoint."""
    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
