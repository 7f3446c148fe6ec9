"""A model and its earlier checkpoint that differ in which weights they share: an adapter may have parted some."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from restor.errors import ConfigError
from restor.models.checkpoint import save_model
from restor.training.config import LoopConfig
from restor.unlearning.algorithms.rewind import Rewind, RewindConfig
from restor.unlearning.texts import EncodedTexts
from restor.unlearning.unlearn import unlearn

ROWS = [[1, 4, 5, 6, 2]]
NO_STEPS = LoopConfig(steps=0, lr=1e-3, precision="float32")


def parted(model):
    """The model with an output layer of its own, which differs from its embeddings."""
    model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach() + 1)
    model.config.tie_word_embeddings = False
    return model


def rewound(model, checkpoint, files=None):
    """Without a step of training what is left is the checkpoint itself."""
    texts = EncodedTexts(ROWS, ROWS, 32, 32)
    done, _ = unlearn(
        model,
        Rewind(RewindConfig()),
        texts,
        NO_STEPS,
        pad=0,
        seed=0,
        checkpoint=lambda: checkpoint,
        checkpoint_files=files,
    )
    return done


def logits(model):
    with torch.no_grad():
        return model.eval()(torch.tensor(ROWS)).logits


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_checkpoint_may_share_weights_that_the_model_does_not(llama, tokenizer, tmp_path, on_disk):
    checkpoint = llama(1)
    save_model(checkpoint, tokenizer, tmp_path)
    done = rewound(parted(llama(0)), checkpoint, tmp_path if on_disk else None)
    assert torch.allclose(logits(done), logits(llama(1)), atol=1e-6)


@pytest.mark.parametrize("on_disk", [False, True])
def test_weights_that_the_model_shares_cannot_be_two_different_ones(llama, tokenizer, tmp_path, on_disk):
    checkpoint = parted(llama(1))
    save_model(checkpoint, tokenizer, tmp_path)
    with pytest.raises(ConfigError, match=r"share different weights \(lm_head\.weight\)"):
        rewound(llama(0), checkpoint, tmp_path if on_disk else None)
