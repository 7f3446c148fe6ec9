"""The tokenizer of a checkpoint as its own file describes it, whatever class its settings name."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import transformers
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.tokenization_utils_base import get_fast_tokenizer_file

from restor.errors import CheckpointWarning, DataError
from restor.models.files import SENTENCEPIECE, TOKENIZER, is_sentencepiece, read_json
from restor.models.tokenizer import limit_embeddings

SAMPLES = (
    "",
    "Where was Ann Ash born? New York\n",
    " A space  before, two\tand a tab within, one behind ",
    "One line.\n\nAnother,\r\nand \"quoted\" 'words' (in) [all] {sorts} <of> brackets",
    "I've DON'T we'll 1234567 3.14 50% $7 a_b a-b a/b #tag @me x@y.org",
    "Łódź naïve — “Ωμέγα” Москва 東京は 你好 한국어 العَرَبِيَّة עברית ไทย हिन्दी 🙂",
    "e\u0301 \ufb01 \u00bd \u2460 \u00a0 \u200b \u3000 10\u2076",
)
"""Texts on which tokenizers of different makes come apart."""
PIECES, PIECE = 64, 8
"""How many samples are made of the vocabulary itself, and of how many tokens that follow each other in it."""
SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


def load_tokenizer(folder: Path, *, name: str | None = None, trusted: bool = False) -> PreTrainedTokenizerBase:
    """The tokenizer in a folder, which does what its tokenizer.json says.

    For some types of models transformers takes from that file the vocabulary alone, and the rest from a class of its
    own. Where this reads a sample otherwise, or adds tokens, the file itself is loaded, with its settings.

    Args:
        folder: of the checkpoint.
        name: what errors call the checkpoint.
        trusted: whether code that comes with the checkpoint may be run; a tokenizer of such code is taken as it is.

    Raises:
        DataError: if it is written in Python, or its files contradict each other.
    """
    name = name or str(folder)
    stored = _stored(folder, name)
    tokenizer = _automatic(folder, has_file=stored is not None, trusted=trusted)
    if stored is not None and (tokenizer is None or not _is_right(tokenizer, stored)):
        tokenizer = _of_file(folder, stored, tokenizer, name)
    if tokenizer is None or not tokenizer.is_fast:
        raise DataError(
            f"The tokenizer of {name} ({type(tokenizer).__name__}) is written in Python. restor needs a fast one, a "
            f"{TOKENIZER}: convert it, or take that of a model with the same vocabulary."
        )
    if stored is not None and stored.name == SENTENCEPIECE[0] and not (folder / "tokenizer_config.json").is_file():
        _note_beginning(tokenizer, stored.name, name)
    return tokenizer


def _note_beginning(tokenizer: PreTrainedTokenizerBase, file: str, name: str) -> None:
    """Tell that no text begins with the token that is there for it, as the vocabulary alone does not ask for it."""
    begin = tokenizer.bos_token
    if begin is not None and tokenizer.bos_token_id not in tokenizer("", verbose=False)["input_ids"]:
        warnings.warn(
            f"{name} has {file} without a tokenizer_config.json, so its texts are read without the token of their "
            f"beginning, {begin}. If the model was trained with it, put the model's own tokenizer_config.json there.",
            CheckpointWarning,
            stacklevel=2,
        )


def fit_tokenizer(tokenizer: PreTrainedTokenizerBase, embeddings: int, name: str) -> None:
    """Accept tokens that the model has no embedding for and that only certain texts need: these texts are refused.

    Padding without an embedding is not used.

    Args:
        tokenizer: of the model.
        embeddings: how many the model has.
        name: what errors call the checkpoint.

    Raises:
        DataError: if one of them is an ordinary token, or begins or ends every text.
    """
    beyond = {number: token for token, number in tokenizer.get_vocab().items() if number >= embeddings}
    if tokenizer.pad_token_id in beyond:
        tokenizer.pad_token = None  # another token fills rows up as well
    added = tokenizer.backend_tokenizer.get_added_tokens_decoder().keys()
    always = {tokenizer.eos_token_id, *tokenizer("", verbose=False)["input_ids"]}
    if needed := sorted(number for number in beyond if number not in added or number in always):
        raise DataError(
            f"The tokenizer of {name} has {len(needed)} tokens more than the model has embeddings ({embeddings}), the "
            f"first is {beyond[needed[0]]!r} ({needed[0]}). Take the tokenizer that belongs to the model, or resize "
            "its embeddings (model.resize_token_embeddings) and save it again."
        )
    limit_embeddings(tokenizer, embeddings)


def _settings(folder: Path) -> dict[str, object]:
    file = folder / "tokenizer_config.json"
    return read_json(file) if file.is_file() else {}


@final
@dataclass(frozen=True, slots=True)
class _Stored:
    """What the file of a tokenizer does in the library that it is of."""

    name: str
    vocabulary: Mapping[str, int]
    read: Callable[[str], list[int]]
    write: Callable[[list[int]], str] | None
    """The text of ids; None where nobody else spells unknown tokens alike."""
    special: bool
    """Whether it says what stands around every text."""
    samples: tuple[str, ...] = SAMPLES


def _stored(folder: Path, name: str) -> _Stored | None:
    """The tokenizer of its file; None where there is only a vocabulary, for which a class is needed.

    Raises:
        DataError: if it cannot be read.
    """
    several = _settings(folder).get("fast_tokenizer_files")
    file = folder / (get_fast_tokenizer_file([*map(str, several)]) if isinstance(several, list) else TOKENIZER)
    read = _of_tokenizers
    if not file.is_file():
        file, read = folder / SENTENCEPIECE[0], _of_sentencepiece
        if not file.is_file() or not is_sentencepiece(file):
            return None
    try:
        return read(file)
    except Exception as error:  # these libraries have no narrower one
        raise DataError(
            f"Cannot load the tokenizer of {name}: {file.name}: {str(error)[:200]}. Copy or fetch the checkpoint again."
        ) from error


def _of_tokenizers(file: Path) -> _Stored:
    core = Tokenizer.from_file(str(file))
    core.no_truncation()
    core.no_padding()
    # Further samples are texts of ordinary tokens from all over the vocabulary.
    size, added = core.get_vocab_size(), core.get_added_tokens_decoder().keys()
    pieces = (range(start, min(start + PIECE, size)) for start in range(0, size, max(PIECE, size // PIECES)))
    return _Stored(
        file.name,
        core.get_vocab(),
        lambda text: core.encode(text).ids,
        lambda ids: core.decode(ids, skip_special_tokens=False),
        special=True,
        samples=(*SAMPLES, *(core.decode([token for token in piece if token not in added]) for piece in pieces)),
    )


def _of_sentencepiece(file: Path) -> _Stored:
    # An extra, which may not be installed.
    from sentencepiece import SentencePieceProcessor  # type: ignore[import-not-found,import-untyped,unused-ignore]

    core = SentencePieceProcessor(model_file=str(file))
    vocabulary = {core.id_to_piece(number): number for number in range(core.get_piece_size())}
    return _Stored(file.name, vocabulary, core.encode, None, special=False)


def _automatic(folder: Path, *, has_file: bool, trusted: bool) -> PreTrainedTokenizerBase | None:
    """What transformers makes of the folder; None where its class cannot take the vocabulary that the file has."""
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=trusted, local_files_only=True)
    except Exception:  # tokenizers has no narrower one for a vocabulary of another kind
        if not has_file or "auto_map" in _settings(folder):
            raise
        return None


def _of_file(
    folder: Path, stored: _Stored, tokenizer: PreTrainedTokenizerBase | None, name: str
) -> PreTrainedTokenizerBase:
    """The file with the settings beside it, and with the special tokens of the class that the vocabulary has."""
    made: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    for kind in SPECIAL:
        default = getattr(tokenizer, kind, None)
        if default is not None and getattr(made, kind) is None and str(default) in stored.vocabulary:
            setattr(made, kind, default)
    if (text := _differing(made, stored)) is not None:
        raise DataError(
            f"The tokenizer of {name} is not known: with the settings beside it, the installed transformers "
            f"({transformers.__version__}) reads {text!r} otherwise than its {stored.name} does. Take tokenizer files "
            "of one version, such as those of the model that it was made from, or a newer transformers."
        )
    return made


def _is_right(tokenizer: PreTrainedTokenizerBase, stored: _Stored) -> bool:
    """Whether a tokenizer is the one of its file, as far as samples tell, or one of code that is trusted."""
    if not type(tokenizer).__module__.startswith("transformers."):
        return True
    return tokenizer.is_fast and tokenizer.get_vocab() == stored.vocabulary and _differing(tokenizer, stored) is None


def _differing(tokenizer: PreTrainedTokenizerBase, stored: _Stored) -> str | None:
    """The first sample that a tokenizer reads otherwise than its file says, or whose ids it writes otherwise."""

    def read(text: str) -> list[int]:
        ids: list[int] = tokenizer(text, add_special_tokens=stored.special, verbose=False)["input_ids"]
        return ids

    core: Tokenizer = tokenizer.backend_tokenizer
    for text in stored.samples:
        ids = _ids(stored.read, text)
        if ids != _ids(read, text):
            return text
        if ids and stored.write is not None and stored.write(ids) != core.decode(ids, skip_special_tokens=False):
            return text
    return None


def _ids(read: Callable[[str], list[int]], text: str) -> list[int] | None:
    """The ids of a text; None where the tokenizer has none for something in it."""
    try:
        return read(text)
    except Exception:  # noqa: BLE001 (tokenizers has no narrower one)
        return None
