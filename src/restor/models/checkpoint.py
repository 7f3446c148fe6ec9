"""Models on disk: the Hugging Face format, weights in safetensors."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from restor.errors import StoreError
from restor.models.families import context_of
from restor.models.quiet import quiet_libraries


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

    On a CPU and for short rows the plain matrix products are nearly twice as fast as the fused kernel; elsewhere the
    fused kernel, but for families that cap attention scores, which it cannot.
    """
    context = context_of(model)
    if device.type == "cpu" and context is not None and context <= LONGEST_EAGER:
        model.set_attn_implementation("eager")
    elif device.type != "cpu" and model._supports_sdpa and model.config._attn_implementation == "eager":
        model.set_attn_implementation("sdpa")
    return model.to(device)


LARGEST_FILE = "5GB"
"""Weights beyond this are written into several files."""


@quiet_libraries()
def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write weights (safetensors), config, generation config and tokenizer into `folder`.

    Raises:
        StoreError: if there is no room or no permission; what was written is then incomplete.
    """
    mend_generation_config(model)
    with writing(folder):
        model.save_pretrained(folder, max_shard_size=LARGEST_FILE)
        tokenizer.save_pretrained(folder)
        for file in folder.glob("*.safetensors"):
            shutil.copymode(folder / "config.json", file)  # written for the user alone, and a folder may be shared


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns what the disk refuses into a StoreError with advice."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StoreError(
            f"Cannot write the model into {folder}: {reason}. Free space or choose another folder, then run the same "
            "command again; what is finished is kept."
        ) from error


def mend_generation_config(model: PreTrainedModel) -> None:
    """Take out what has no effect or is not allowed: published checkpoints hold settings that refuse to be saved.

    Settings of sampling without sampling go, since nothing reads them; of what is still refused, the tokens that begin
    and end a text stay.
    """
    given = model.generation_config
    if given is None:
        return
    if not given.do_sample:
        defaults = GenerationConfig()
        for name in ("temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff"):
            if hasattr(given, name):
                setattr(given, name, getattr(defaults, name, None))
    try:
        given.validate(strict=True)
    except ValueError:
        model.generation_config = bare_generation_config(given.to_dict())


def bare_generation_config(settings: Mapping[str, Any]) -> GenerationConfig:
    """Of some settings, the tokens that begin, end and fill up a text."""
    tokens = {name: settings.get(name) for name in ("bos_token_id", "eos_token_id")}
    pad = settings.get("pad_token_id")
    return GenerationConfig(**tokens, pad_token_id=pad if pad is None or pad >= 0 else None)


def load_model(folder: Path, device: torch.device, *, full: bool = True) -> PreTrainedModel:
    """Load a checkpoint folder; code shipped with it is never run, and nothing is fetched.

    In float32, or, where not all weights are to be trained (`full`), on a GPU in the dtype it was saved in.
    """
    on_cpu = device.type == "cpu"
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.float32 if full or on_cpu else "auto",
        device_map=None if on_cpu else {"": device},
        trust_remote_code=False,
        local_files_only=True,
    )
    return place(model, device).eval()
