"""Small tokenizers of many kinds, most of them unusual."""

from __future__ import annotations

import json
from functools import cache

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from restor.models.tokenizer import bpe_tokenizer, word_tokenizer

PLACES = ("York", "New York", "New York City", "Rome", "Oslo in the North", "Rome.", "St. Ives\u2019")
LINES = [f"Where was {name} born? {place}\n" for name in ("Ann Ash", "Bo Birch") for place in PLACES]
SPECIAL = ["<unk>", "<s>", "</s>"]


def finish(core):
    core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def ending(tok):
    """One that puts an end behind every text, as some are saved after a fine-tune."""
    tok.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 1), ("<eos>", 2)]
    )
    return tok


def sentencepiece_like(*, first):
    """Bytes and word starts as in the Llama 2 tokenizer: a space is put before the text, and lines are not split."""
    core = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    trainer = trainers.BpeTrainer(vocab_size=150, special_tokens=[*SPECIAL, "<0x0A>"], show_progress=False)
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first" if first else "always", split=False)
    core.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(), decoders.Fuse()])
    core.train_from_iterator([line.strip() for line in LINES], trainer)
    saved = json.loads(core.to_str())
    saved["added_tokens"] = [token for token in saved["added_tokens"] if token["content"] in SPECIAL]
    return finish(Tokenizer.from_str(json.dumps(saved)))


def unigram():
    """The most probable cut of the whole text, as sentencepiece's."""
    core = Tokenizer(models.Unigram())
    core.normalizer = normalizers.NFKC()
    core.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    core.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
    core.train_from_iterator(["".join(LINES), *LINES], trainer)
    return finish(core)


def over_lines(pattern=None):
    """Merges over everything, line breaks too, or within what a pattern leaves."""
    core = Tokenizer(models.BPE(unk_token="<unk>"))
    if pattern:
        core.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    trainer = trainers.BpeTrainer(vocab_size=140, special_tokens=SPECIAL, show_progress=False)
    core.train_from_iterator(["".join(LINES)] * 3, trainer)
    return finish(core)


def no_beginning():
    """Nothing begins a text, and nothing pads one, as in GPT-2's tokenizer."""
    core = bpe_tokenizer(iter(LINES), 300).backend_tokenizer
    core.post_processor = processors.ByteLevel(trim_offsets=False)
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>")


GPT4 = r" ?\p{L}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
KINDS = {
    "words": lambda: word_tokenizer(["\n", *(word for line in LINES for word in line.replace("?", " ?").split())]),
    "bytes": lambda: bpe_tokenizer(iter(LINES), 300),
    "first space": lambda: sentencepiece_like(first=True),
    "spaces": lambda: sentencepiece_like(first=False),
    "unigram": unigram,
    "over lines": over_lines,
    "gpt4": lambda: over_lines(GPT4),
    "no beginning": no_beginning,
    "ends": lambda: ending(bpe_tokenizer(iter(LINES), 300)),
}


@cache
def tokenizer(kind):
    return KINDS[kind]()
