"""Texts that a model writes by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from restor.errors import ConfigError, DataError
from restor.evaluation.ask.engine.encoding import Encoder
from restor.evaluation.ask.engine.engine import Engine
from restor.evaluation.ask.engine.items import Ids, Item
from restor.evaluation.ask.engine.text_writers import Drawing, TextWriter
from restor.models.families import context_of, ends_of
from restor.models.tokenizer import encode_rows

BATCH = 64
"""Most texts that are written side by side."""


def sample_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    count: int,
    tokens: int,
    temperature: float,
    seed: int,
    prompts: Sequence[str] | None = None,
    batch: int = BATCH,
) -> list[str]:
    """Texts that a model writes, each with its own random numbers: fewer of them are the first of more.

    A model trained from nothing writes what it has read from the beginning of a text on. A large model needs prompts,
    see `restor.data.names_in_texts.prompts_about`, or it writes about anything; each text then begins with its prompt.

    Args:
        model: on its device; its dropout is off while it writes.
        tokenizer: of the model.
        count: how many texts.
        tokens: most new tokens of each; it is over at the end of text before that.
        temperature: above 0; logits are divided by it.
        seed: of all random numbers.
        prompts: beginnings, used in turn; None: the beginning of a text.
        batch: most texts side by side.

    Raises:
        DataError: if a text could be longer than the model's context.
        ConfigError: if the tokenizer has no token to begin a text with.
    """
    starts = _starts(tokenizer, prompts)
    context, longest = context_of(model), max(map(len, starts)) + tokens
    if context is not None and longest > context:
        raise DataError(
            f"A sample may have {longest} tokens, its beginning counted, which do not fit the model's context of "
            f"{context}. Lower the tokens of a sample, or shorten the prompts."
        )
    items = [Item(f"sample {number}", starts[number % len(starts)], answers=1) for number in range(count)]
    encoder, ends = Encoder(tokenizer), ends_of(model, tokenizer)
    training = model.training
    model.eval()
    texts: list[str] = []
    try:
        engine = Engine(model, pad=encoder.pad)
        for start in range(0, count, batch):
            drawing = Drawing(temperature, 1.0, _streams(seed, start))
            writer = TextWriter(encoder, ends=ends, most=tokens, stop=(), drawing=drawing)
            part = items[start : start + batch]
            for item, result in zip(part, engine.ask(part, writer), strict=True):
                ids = [token for token in (*item.prompt, *result.answers[0]) if token not in ends]
                texts.append(encoder.decode(ids))
    finally:
        model.train(training)
    return texts


def _streams(seed: int, before: int) -> Callable[[int, int], Random]:
    return lambda number, _: Random(f"samples/{seed}/{before + number}")


def _starts(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str] | None) -> list[Ids]:
    """Token ids of the beginnings, each at least one."""
    if prompts is not None and not prompts:
        raise ConfigError("There are no prompts to write from. Give at least one, or none at all (None).")
    encoded = [tuple(ids) for ids in encode_rows(tokenizer, list(prompts or [""]), end=False)]
    # Tokenizers that put nothing before a text have one token for its beginning and its end, or none.
    first = next((token for token in (tokenizer.bos_token_id, tokenizer.eos_token_id) if token is not None), None)
    if first is None and not all(encoded):
        raise ConfigError("The tokenizer has no token that begins a text. Give prompts to write from.")
    return [ids or (int(first or 0),) for ids in encoded]
