"""Small models for tests, on one thread: many test processes share the machine, and torch is slower on two."""

from __future__ import annotations

import os

import pytest

# Set before anything imports torch; tests that do without torch are not made to load it.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

WORDS = "ada bo was born in york rome . ? where lives she he and the poet baker of".split()


@pytest.fixture(scope="session")
def tokenizer():
    """One token for each of a few words."""
    from restor.models.tokenizer import word_tokenizer

    return word_tokenizer(WORDS)


@pytest.fixture(scope="session")
def llama(tokenizer):
    """Makes Llamas of two layers; the same seed gives the same weights, other seeds other ones."""
    from restor.models.checkpoint import new_llama

    def make(seed=0, **changes):
        shape = {"hidden": 32, "intermediate": 48, "layers": 2, "heads": 2, "context": 64}
        model = new_llama(tokenizer=tokenizer, **(shape | changes), seed=seed)
        # Initial weights are so small that every prediction is the same, whatever a test changes.
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.data *= 5
        return model

    return make
