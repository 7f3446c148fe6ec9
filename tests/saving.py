"""Checkpoints as the verbs write them."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from restor.models.checkpoint import save_model
from restor.models.lineage import Lineage, write_lineage


def save_checkpoint(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, lineage: Lineage) -> None:
    """Write a model with its lineage."""
    save_model(model, tokenizer, folder)
    write_lineage(lineage, folder)
