"""Tokenizers made here: word-level for a domain that lists its words, byte-level BPE for real text.

Both prepend a beginning-of-text token and are saved in the Hugging Face format, so that later code cannot tell them
from a downloaded tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from restor.errors import DataError
from restor.text import WORD_PATTERN

PAD, BOS, EOS, UNK = "<pad>", "<bos>", "<eos>", "<unk>"


def word_tokenizer(vocabulary: Iterable[str]) -> PreTrainedTokenizerBase:
    """One token per word; white space other than the newline is not kept.

    Decoding puts single spaces between words and none before `.`, `,` and `?`.
    """
    words = [PAD, BOS, EOS, UNK, *sorted(set(vocabulary) - {PAD, BOS, EOS, UNK})]
    core = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token=UNK))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(WORD_PATTERN), behavior="removed", invert=True)
    core.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    return _finish(core, unk_token=UNK)


def bpe_tokenizer(texts: Iterator[str], size: int) -> PreTrainedTokenizerBase:
    """A byte-level BPE of `size` tokens trained on `texts`; texts round-trip, but for special tokens spelt out."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", behavior="isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    return _finish(core, unk_token=None)


def _finish(core: Tokenizer, unk_token: str | None) -> PreTrainedTokenizerBase:
    bos = core.token_to_id(BOS)
    core.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, bos)])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=unk_token,
        clean_up_tokenization_spaces=False,
    )


def encode_rows(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, end: bool = True) -> list[list[int]]:
    """Token ids of each text as the tokenizer begins it, with the end-of-text token behind it where there is one.

    Raises:
        DataError: as `token_ids`.
    """
    if not texts:
        return []
    behind = added_behind(tokenizer)
    tail = [tokenizer.eos_token_id] if end and tokenizer.eos_token_id is not None else []
    return [list(ids[: len(ids) - behind]) + tail for ids in token_ids(tokenizer, texts)]


def token_ids(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, special: bool = True
) -> Sequence[Sequence[int]]:
    """Token ids of each text, with or without what the tokenizer puts around texts.

    Raises:
        DataError: for a text that it cannot take, or with a token that the model has no embedding for.
    """
    if not texts:
        return []
    with encoding(tokenizer):
        rows: list[list[int]] = tokenizer(
            list(texts),
            add_special_tokens=special,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
    check_embedded(tokenizer, texts, rows)
    return rows


EMBEDDINGS = "embeddings"
"""The attribute of a tokenizer whose vocabulary is larger than its model's: how many embeddings the model has."""


def limit_embeddings(tokenizer: PreTrainedTokenizerBase, count: int) -> None:
    """Have texts refused that need more embeddings than the model has, where the tokenizer knows such tokens."""
    is_larger = any(number >= count for number in tokenizer.get_vocab().values())
    setattr(tokenizer, EMBEDDINGS, count if is_larger else None)


def embeddings_of(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """How many embeddings the model has, if the tokenizer knows tokens beyond them."""
    count: int | None = getattr(tokenizer, EMBEDDINGS, None)
    return count


def check_embedded(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], rows: Sequence[Sequence[int]]) -> None:
    """Make sure that the model has an embedding for every token of some texts.

    Raises:
        DataError: naming the first token without one, and its text.
    """
    count = embeddings_of(tokenizer)
    if count is None:
        return
    for text, ids in zip(texts, rows, strict=True):
        number = max(ids, default=0)
        if number >= count:
            token = str(tokenizer.convert_ids_to_tokens(number))
            start = max(0, text.find(token) - 40)
            raise DataError(
                f"The model has no embedding for the token {token!r} ({number}): it has {count}. A text with it is "
                f"{text[start : start + 80]!r}. Take it out of the text, or give the model more embeddings "
                "(model.resize_token_embeddings) and train them."
            )


@contextmanager
def encoding(tokenizer: PreTrainedTokenizerBase) -> Iterator[None]:
    """Within the block, a text that the tokenizer's native code cannot take is told in words.

    Raises:
        DataError: if there is one.
    """
    try:
        yield
    except BaseException as error:  # what is written in Rust raises plain exceptions, and panics are no Exception
        if type(error) is not Exception and type(error).__name__ != "PanicException":
            raise
        raise DataError(
            f"The tokenizer ({type(tokenizer).__name__}) cannot take a text: {' '.join(str(error).split())[:200]}. It "
            "lacks a token for what it does not know, or is damaged: take that of a model with the same vocabulary."
        ) from error


def added_behind(tokenizer: PreTrainedTokenizerBase) -> int:
    """How many special tokens the tokenizer puts behind every text: with them, no text could be continued."""
    with encoding(tokenizer):
        bare, whole = (tokenizer("a", add_special_tokens=special)["input_ids"] for special in (False, True))
    starts = (start for start in range(len(whole) - len(bare) + 1) if whole[start : start + len(bare)] == bare)
    start = next(starts, len(whole) - len(bare))
    return len(whole) - start - len(bare)
