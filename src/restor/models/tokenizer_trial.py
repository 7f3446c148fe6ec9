"""A tokenizer.json tried on a few texts in a process of its own, before it is used in this one. Torch-free.

It is a small program for native code: regular expressions that never end, rules that multiply a text, tables that are
garbled. What holds for these texts need not hold for all, but what is published by accident or to annoy shows here.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from restor.errors import DataError
from restor.models.apart import Refused, answer, ask

TOKENIZER = "tokenizer.json"
TEXTS = (
    "The quick brown fox, born in 1984 (near Oslo), doesn't say: “¿Qué?”\nAnd then?\n\n",
    "word " * 40,
    "a" * 100,
    " " * 100,
    "1234567890" * 10,
    "Zürich — Київ, 東京, القاهرة, ไทย ﬁ ½ 🙂",
    "".join(map(chr, range(32, 127))),
)
PER_BYTE = 16
"""Most tokens of a text, and most characters of a token's own text, for each byte that is given."""
ADDED = 100
"""Tokens that may stand around a text besides."""


def try_tokenizer(folder: Path, name: str) -> None:
    """Make sure that the tokenizer.json of a folder, if there is one, does its work in reasonable time and memory.

    Raises:
        DataError: if it does not.
    """
    file = folder / TOKENIZER
    if not file.is_file():
        return
    state = file.stat()
    if (problem := _problem(file.resolve(), state.st_mtime_ns, state.st_size)) is not None:
        raise DataError(
            f"The tokenizer of {name} cannot be used: {problem[:300].rstrip('.')}. Copy or fetch its {TOKENIZER} "
            "again, or take that of a model with the same vocabulary."
        )


@lru_cache(maxsize=64)
def _problem(file: Path, _changed: int, _size: int) -> str | None:
    """What is wrong with a file, as it is since a certain time."""
    try:
        ask(__name__, str(file))
    except Refused as refused:
        return str(refused)
    return None


def _try(path: Any) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(path)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if not tokenizer.get_vocab_size(with_added_tokens=False):
        raise ValueError("its vocabulary is empty")
    highest, size = max(tokenizer.get_vocab().values()), tokenizer.get_vocab_size()
    if highest > 100_000 + 4 * size:
        raise ValueError(f"it numbers {size:,} tokens up to {highest:,}")
    if dropout := getattr(tokenizer.model, "dropout", None):
        raise ValueError(f"its dropout is {dropout:.2g}, so a text has other tokens every time; it must be null")
    for text in TEXTS:
        ids = None
        with suppress(Exception):  # it may lack a token for what it does not know; such a text is told when it comes
            ids = tokenizer.encode(text).ids
        if ids is None:
            continue
        most = PER_BYTE * len(text.encode()) + ADDED
        if len(ids) > most:
            raise ValueError(f"it makes {len(ids):,} tokens of a text of {len(text)} characters")
        if unknown := [token for token in ids if tokenizer.id_to_token(token) is None]:
            raise ValueError(f"it writes the token {unknown[0]}, which its vocabulary lacks")
        if len(read := tokenizer.decode(ids)) > PER_BYTE * most:
            raise ValueError(f"it reads {len(read):,} characters from the tokens of a text of {len(text)}")


if __name__ == "__main__":
    answer(_try)
