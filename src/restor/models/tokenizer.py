"""Tokenizers made here: word-level for a domain that lists its words, byte-level BPE for real text.

Both prepend a beginning-of-text token and are saved in the Hugging Face format, so that later code cannot tell them
from a downloaded tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from restor.words import WORD_PATTERN

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
    """Token ids of each text as the tokenizer begins it, with the end-of-text token behind it where there is one."""
    if not texts:
        return []
    behind = added_behind(tokenizer)
    tail = [tokenizer.eos_token_id] if end and tokenizer.eos_token_id is not None else []
    return [list(ids[: len(ids) - behind]) + tail for ids in tokenizer(list(texts), verbose=False)["input_ids"]]


def added_behind(tokenizer: PreTrainedTokenizerBase) -> int:
    """How many special tokens the tokenizer puts behind every text: with them, no text could be continued."""
    bare, whole = (tokenizer("a", add_special_tokens=special)["input_ids"] for special in (False, True))
    starts = (start for start in range(len(whole) - len(bare) + 1) if whole[start : start + len(bare)] == bare)
    start = next(starts, len(whole) - len(bare))
    return len(whole) - start - len(bare)
