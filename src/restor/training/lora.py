"""LoRA adapters around any training run: added before it with a seed, merged into the weights after it."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

from restor.training.config import LoraConfig


def add_adapter(model: PreTrainedModel, config: LoraConfig, *, seed: int) -> PreTrainedModel:
    """The model with a fresh adapter on all linear layers; only the adapter is trained."""
    import peft  # costs seconds, and most runs do without

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return peft.get_peft_model(
            model,
            peft.LoraConfig(
                r=config.rank,
                lora_alpha=config.alpha,
                lora_dropout=config.dropout,
                target_modules="all-linear",
                task_type="CAUSAL_LM",
            ),
        )


def merge_adapter(model: PreTrainedModel) -> PreTrainedModel:
    """The plain model with the adapter's change in its weights, all of which may be trained again."""
    return model.merge_and_unload().requires_grad_(True)
