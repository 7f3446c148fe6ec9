"""Prompts and options as token ids. What is scored equals scoring the whole string.

Ids are those of the whole prompt and of the whole prompt with an option. Where it is certain that a line is tokenised
alike whatever stands before it, the lines before the last one are not read again for each option.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import final

from transformers import PreTrainedTokenizerBase

from restor.evaluation.ask.engine.items import Ids, Option, common
from restor.models.families import pad_of
from restor.models.tokenizer import added_behind, token_ids

LINE_BREAK = "\n"

HEADS = 512
"""Most beginnings whose ids are kept, a few kB each."""


@final
class Encoder:
    """A tokenizer, and what is known of it."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.pad = pad_of(tokenizer)
        self._tokenizer = tokenizer
        self._texts = _token_texts(tokenizer)
        self._end = tokenizer.eos_token_id
        self._behind = added_behind(tokenizer)
        self._break = self.encode([LINE_BREAK], special=False)[0]
        # Where no token spans a newline and what follows it, a new line is certain to begin a new token.
        self._certain = not any(re.search(r"\n\S", text) for text in self._texts)
        self._heads: dict[str, Ids] = {}

    def stops(self, strings: Sequence[str]) -> frozenset[int]:
        """Tokens that end an answer: the end of text and every token with one of the strings in it."""
        special = frozenset(self._tokenizer.all_special_ids)  # whose names are no part of an answer
        tokens = {
            token
            for token, text in enumerate(self._texts)
            if (text in strings if token in special else any(string in text for string in strings))
        }
        return frozenset(tokens | ({self._end} - {None}))

    def prepare(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> list[tuple[Ids, tuple[Option, ...]]]:
        """The ids of each prompt, and of what its options put behind it."""
        ids = self.encode(prompts)
        lines = self._lines_of(prompts, ids)
        heads = [text[: text.rfind(LINE_BREAK) + 1] for text in prompts]
        starts = [
            text if line is None else LINE_BREAK + text[len(head) :]
            for text, line, head in zip(prompts, lines, heads, strict=True)
        ]
        texts = [start + option for start, option_ids in zip(starts, options, strict=True) for option in option_ids]
        special = [line is None for line, option_ids in zip(lines, options, strict=True) for _ in option_ids]
        strings = iter(self._encode_mixed(texts, special))
        prepared = []
        for prompt, line, head, option_ids in zip(ids, lines, heads, options, strict=True):
            known, before = (prompt, 0) if line is None else (line, len(self._head(head)) - len(self._break))
            encoded = []
            for _ in option_ids:
                string = next(strings)
                same = common(string, known)
                encoded.append(Option(before + same, string[same:]))
            prepared.append((prompt, tuple(encoded)))
        return prepared

    def encode(self, texts: Sequence[str], *, special: bool = True) -> list[Ids]:
        """Token ids of each text, with or without what the tokenizer puts before texts, and nothing behind them.

        Raises:
            DataError: as `token_ids`.
        """
        encoded = token_ids(self._tokenizer, texts, special=special)
        behind = self._behind if special else 0
        return [tuple(ids[: len(ids) - behind]) for ids in encoded]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some tokens, special ones left out."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def _head(self, text: str) -> Ids:
        if text not in self._heads:
            if len(self._heads) >= HEADS:
                self._heads.clear()
            self._heads[text] = self.encode([text])[0]
        return self._heads[text]

    def _lines_of(self, prompts: Sequence[str], ids: Sequence[Ids]) -> list[Ids | None]:
        """Line break and last line as token ids, where the prompt is the ids of what stands before and then these."""
        lines_found: list[Ids | None] = [None] * len(prompts)
        if not self._certain:
            return lines_found
        starts = [text.rfind(LINE_BREAK) + 1 for text in prompts]
        # Behind a space at its beginning, a line may belong to the token of the line break.
        places = [
            place
            for place, (text, start) in enumerate(zip(prompts, starts, strict=True))
            if start and text[start:] and not text[start].isspace()
        ]
        lines = self.encode([LINE_BREAK + prompts[place][starts[place] :] for place in places], special=False)
        size = len(self._break)
        for place, line in zip(places, lines, strict=True):
            head = self._head(prompts[place][: starts[place]])
            if line[:size] == self._break and ids[place] == head + line[size:]:
                lines_found[place] = line
        return lines_found

    def _encode_mixed(self, texts: Sequence[str], special: Sequence[bool]) -> Iterator[Ids]:
        """Token ids of each text, some with the tokenizer's special tokens and some without."""
        both = {
            kind: iter(
                self.encode(
                    [text for text, is_special in zip(texts, special, strict=True) if is_special is kind], special=kind
                )
            )
            for kind in (True, False)
        }
        return (next(both[kind]) for kind in special)


def _token_texts(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """What each token of the vocabulary is on its own."""
    ids = [[token] for token in range(max(tokenizer.get_vocab().values(), default=-1) + 1)]
    texts: list[str] = tokenizer.backend_tokenizer.decode_batch(ids, skip_special_tokens=False)
    return texts
