"""Texts of a data set on the Hugging Face hub, or of local files that its library reads: C4, LIMA, WikiText, yours.

The first texts that are long enough are read once, in an order shuffled by the seed, and kept; then every draw comes
from them. What is read is untrusted text: no code of a data set is run.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Literal, final

from pydantic import Field, field_validator, model_validator

from restor.caches import data_cache
from restor.config import stable_hash
from restor.data.text_files import write_atomic
from restor.datasets._sentences import sentences
from restor.datasets.base import Dataset, DatasetConfig
from restor.errors import ConfigError, DataError, to_install
from restor.registry import unknown_name
from restor.untrusted import json_value

PRESETS: Mapping[str, Mapping[str, str]] = {
    "c4": {"path": "allenai/c4", "config": "en", "column": "text"},
    # Its repository has a loading script, which the library refuses; the file itself can be read.
    "lima": {"path": "GAIR/lima", "files": "train.jsonl", "column": "conversations"},
    "wikitext": {"path": "Salesforce/wikitext", "config": "wikitext-103-raw-v1", "column": "text"},
}
"""Short names that can be given as `path`."""

_PRESET_IDS = frozenset(preset["path"] for preset in PRESETS.values())
"""They are on the hub, whatever folder of that name there is."""

COLUMNS = ("text", "content", "conversations", "messages")
"""Where texts are looked for, in this order, if no column is named."""
FORMATS = {".json": "json", ".jsonl": "json", ".csv": "csv", ".parquet": "parquet", ".txt": "text"}
"""Local files that can be given as `path`, and what reads them; compressed ones too."""
LARGE = 1 << 31
"""Bytes of local files above which only their beginnings tell whether they are the same."""
BEGINNING = 1 << 20
"""Bytes."""
FRUITLESS = 10_000
"""Rows in a row without a text that is kept, after which reading stops."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s|\Z)|[。！？]+[」』”’）]*")
_SENTENCE_CHARS = (20, 300)


@final
class HubConfig(DatasetConfig):
    """Which texts, and how many of them."""

    name: Literal["hub"] = "hub"
    path: str = Field(min_length=1)
    """A data set of the hub, such as `allenai/c4`; c4, lima or wikitext, which are always those of the hub; or a local
    folder or file, such as `./c4`."""
    config: str | None = None
    """The part of the data set, such as `en`."""
    files: str | None = None
    """File of the repository that is read alone, such as `train.jsonl`."""
    split: str = Field("train", min_length=1)
    """The split of the data set that is read."""
    column: str | None = None
    """Column with the texts. A list of turns is joined by newlines. null takes text, content, conversations or
    messages, else the only column of text."""
    revision: str | None = None
    """Commit, tag or branch on the hub; `sha256-` and a digest for local files. A study pins it to the commit."""
    streaming: bool = True
    """Read only what is used; else the whole data set is downloaded and shuffled as a whole."""
    texts: int = Field(1000, ge=1)
    """Texts that are kept, or all where there are fewer."""
    buffer: int = Field(10_000, ge=0)
    """Rows among which the next one is drawn when streaming; 0 keeps the stored order, streaming or not."""
    seed: int | None = None
    """Which texts; null takes the seed of the study."""
    min_chars: int = Field(100, ge=1)
    """Shorter texts are left out, and so are repeated ones."""
    max_chars: int | None = Field(2000, ge=1)
    """Longer texts are cut, at the end of a sentence if one ends in the second half, else between words."""

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("path"), str) and given["path"] in PRESETS:
            preset = PRESETS[given["path"]]
            return {**given, **{key: value for key, value in preset.items() if key == "path" or not given.get(key)}}
        return given

    @field_validator("path")
    @classmethod
    def _is_plain(cls, path: str) -> str:
        if "://" in path or not path.isprintable():
            raise ValueError(f"must be the name of a data set on the hub, or a local folder or file, not {path!r}")
        return path

    @model_validator(mode="after")
    def _lengths(self) -> HubConfig:
        if self.max_chars is not None and self.max_chars < self.min_chars:
            raise ValueError(f"max_chars ({self.max_chars}) must not be below min_chars ({self.min_chars})")
        return self


def pinned(config: DatasetConfig) -> DatasetConfig:
    """The config with the revision that its texts come from: the commit, or a digest of local files.

    Any other data set's config comes back as it is, and so does one that names a commit, without network. A branch or
    tag is looked up once in a process; without network, it is the commit that it was when last looked up from here.

    Raises:
        DataError: if the hub has no such data set or cannot be reached, or local files cannot be read or are not those
            of the revision that the config names.
    """
    if not isinstance(config, HubConfig):
        return config
    local = _local(config.path)
    if local is None:
        commit = config.revision is not None and _COMMIT.fullmatch(config.revision)
        return config if commit else config.model_copy(update={"revision": _commit(config.path, config.revision)})
    revision = _local_revision(local)
    if config.revision not in (None, revision):
        raise DataError(
            f"The files of {config.path} are not those of revision {config.revision}: theirs is {revision}. Bring the "
            "former files back, or leave the revision out."
        )
    return config.model_copy(update={"revision": revision})


@final
class Hub(Dataset):
    """Texts of the hub; see the module."""

    config_type: ClassVar[type[DatasetConfig]] = HubConfig

    def __init__(self, config: HubConfig) -> None:
        """Nothing is read, and no hub asked, before the first text is wanted."""
        self.config = config

    @cached_property
    def texts(self) -> Sequence[str]:
        """The texts that are kept.

        Raises:
            ConfigError: if the library is missing, or for a column, split or part that is not there.
            DataError: if the hub cannot be reached, the data set is not there, or has no text that is long enough.
        """
        config = pinned(self.config)
        assert isinstance(config, HubConfig)
        if _local(config.path) is not None:
            return _read(config)
        # Streaming again is slow and needs the network; the texts of a commit are always the same.
        kept = data_cache() / "hub" / f"{stable_hash(config.identity())}.json"
        if (texts := _kept_texts(kept)) is None:
            texts = _read(config)
            _keep(kept, json.dumps({"hash": stable_hash(texts), "texts": texts}, ensure_ascii=False))
        return texts

    def sample(self, rng: Random, count: int) -> list[str]:
        """Each text at most once."""
        return rng.sample(self.texts, min(count, len(self.texts)))

    def text(self, rng: Random) -> str:
        """One of the texts."""
        return rng.choice(self.texts)

    @cached_property
    def _sentences(self) -> Sequence[str]:
        short, long = _SENTENCE_CHARS
        pool = dict.fromkeys(sentence for text in self.texts for sentence in sentences(text))
        # Braces would be taken for those of a template.
        return [text for text in pool if short <= len(text) <= long and not re.search("[{}]", text)]

    def sentence(self, rng: Random) -> str:
        """One of the texts' sentences.

        Raises:
            DataError: if there is none.
        """
        if not self._sentences:
            raise DataError(
                f"The texts of {self.config.path} have no sentence of {_SENTENCE_CHARS[0]} to {_SENTENCE_CHARS[1]} "
                "characters, which context is made of. Take another data set."
            )
        return rng.choice(self._sentences)

    def vocabulary(self) -> None:
        """What people write cannot be listed."""
        return


# Reading -------------------------------------------------------------------------------------------------------------


def _read(config: HubConfig) -> list[str]:
    """The texts that are kept, in a shuffled order."""
    library = _library(config)
    texts: dict[str, None] = {}
    read = fruitless = 0
    with _hub_errors(config.path, config.revision, library.exceptions.DatasetsError), _no_bars(library):
        column = None
        for row in _rows(library, config):
            read += 1
            column = column or _column(config, row)
            text = _cut(_plain(row.get(column)), config.max_chars)
            if len(text) < config.min_chars or text in texts:
                fruitless += 1
                if fruitless == FRUITLESS:
                    raise DataError(
                        f"{config.path} gave {len(texts):,} of {config.texts:,} texts, then {FRUITLESS:,} rows without "
                        f"a new one of {config.min_chars} characters. Lower texts or min_chars, or name another column."
                    )
                continue
            fruitless = 0
            texts[text] = None
            if len(texts) == config.texts:
                break
    if not texts:
        raise DataError(
            f"None of the {read:,} rows of {config.path}, split {config.split}, has a text of {config.min_chars} "
            "characters. Lower min_chars, or name another column or data set."
        )
    return list(texts)


def _library(config: HubConfig) -> Any:
    """The module `datasets`, which has no types."""
    try:
        return importlib.import_module("datasets")
    except ImportError as error:
        raise ConfigError(
            f"Texts of {config.path} are read by the library `datasets`, which cannot be imported ({error}): "
            f"{to_install('hub')}."
        ) from error


def _rows(library: Any, config: HubConfig) -> Iterable[Mapping[str, Any]]:
    local = _local(config.path)
    where: dict[str, Any] = {"path": config.path, "name": config.config, "data_files": config.files}
    if local is not None and local.is_file():
        where = {"path": _reader(local.name), "data_files": str(local)}
    elif local is None and config.files is not None:
        file = f"hf://datasets/{config.path}@{config.revision or 'main'}/{config.files}"
        where = {"path": _reader(config.files), "data_files": file}
    elif local is None:
        where["revision"] = config.revision
    if where["path"] == "text":
        where["sample_by"] = "paragraph"
    rows = library.load_dataset(**where, split=config.split, streaming=config.streaming)
    if config.buffer:
        how = {"buffer_size": config.buffer} if config.streaming else {"keep_in_memory": True}
        rows = rows.shuffle(seed=config.seed or 0, **how)
    kept: Iterable[Mapping[str, Any]] = rows
    return kept


def _reader(name: str) -> str:
    """What reads a file of that name.

    Raises:
        ConfigError: for an unknown ending.
    """
    plain = re.sub(r"\.(gz|bz2|xz|zst)\Z", "", name.lower())
    for ending, reader in FORMATS.items():
        if plain.endswith(ending):
            return reader
    raise ConfigError(f"{name} ends in none of {', '.join(FORMATS)}. Give a file of one of these, or a folder.")


def _column(config: HubConfig, row: Mapping[str, Any]) -> str:
    if config.column is not None:
        if config.column in row:
            return config.column
        raise ConfigError(unknown_name(f"column of {config.path}", config.column, row))
    texts = [name for name, value in row.items() if isinstance(value, str)]
    column = next((name for name in COLUMNS if name in row), texts[0] if len(texts) == 1 else None)
    if column is None:
        raise ConfigError(f"Name the column of {config.path} that has the texts, one of: {', '.join(row)}.")
    return column


def _plain(value: Any) -> str:
    """A text, or turns joined by newlines: texts, or objects with the text under value, content or text."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Mapping):
        return next((_plain(value[key]) for key in ("value", "content", "text") if value.get(key)), "")
    if isinstance(value, Sequence):
        return "\n".join(turn for turn in map(_plain, value) if turn)
    return ""


def _cut(text: str, most: int | None) -> str:
    if most is None or len(text) <= most:
        return text
    ends = [end.end() for end in _SENTENCE_END.finditer(text, most // 2) if end.end() <= most]
    if ends:
        return text[: ends[-1]]
    words = re.match(r"(?s).*(?=\s)", text[: most + 1])
    return words[0].rstrip() if words is not None and words[0].strip() else text[:most]


# Where from ----------------------------------------------------------------------------------------------------------


@final
class _Unreachable(DataError):
    """The hub does not answer."""


@cache
def _commit(path: str, revision: str | None) -> str:
    """The commit of a branch or tag on the hub. One process gets one answer, whatever happens there meanwhile."""
    from huggingface_hub import HfApi

    kept = data_cache() / "hub" / f"{stable_hash([path, revision])}.commit"
    try:
        with _hub_errors(path, revision):
            commit = str(HfApi().dataset_info(path, revision=revision, timeout=30).sha)
    except _Unreachable:
        with suppress(OSError, ValueError):
            commit = kept.read_text(encoding="ascii")
            if _COMMIT.fullmatch(commit):
                return commit
        raise
    _keep(kept, commit)
    return commit


def _local(path: str) -> Path | None:
    """The folder or file of this machine that is meant; None for a data set of the hub."""
    place = Path(path)
    return place if path not in _PRESET_IDS and place.exists() else None


def _local_revision(path: Path) -> str:
    """A digest of the names and contents of local files; of much data, of names, sizes and beginnings.

    Raises:
        DataError: if one cannot be read.
    """
    sha = hashlib.sha256()
    try:
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        sizes = [file.stat().st_size for file in files]
        large = sum(sizes) > LARGE
        for file, size in zip(files, sizes, strict=True):
            with file.open("rb") as source:
                start = hashlib.sha256(source.read(BEGINNING)) if large else hashlib.file_digest(source, "sha256")
            name = file.name if file == path else file.relative_to(path).as_posix()
            sha.update(json.dumps([name, size, start.hexdigest()]).encode())
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}. Check its rights.") from error
    return f"{'beginnings-' if large else ''}sha256-{sha.hexdigest()}"


@contextmanager
def _hub_errors(path: str, revision: str | None, *more: type[Exception]) -> Iterator[None]:
    """Turns what the libraries raise into advice."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        yield
    except (OSError, ValueError, RuntimeError, EOFError, StopIteration, HTTPError, *more) as error:
        reason = (str(error).strip().splitlines() or ["it is empty or ends early"])[0].rstrip(".")
        what = f"The data set {path}"
        if isinstance(error, RevisionNotFoundError):
            raise DataError(f"{what} has no revision {revision!r} on the hub.") from error
        if isinstance(error, RepositoryNotFoundError) or type(error).__name__ == "DatasetNotFoundError":
            raise DataError(
                f"{what} is not on the hub, or you may not read it: {reason}. Check the name; accept its terms on its "
                "page and set HF_TOKEN if it is gated; or give a local folder or file."
            ) from error
        offline = isinstance(error, (ConnectionError, TimeoutError, HTTPError))
        if offline and _local(path) is None:
            status = f", status {error.response.status_code}" if isinstance(error, HfHubHTTPError) else ""
            raise _Unreachable(
                f"{what}: there is no such file or folder here, and the Hugging Face hub cannot be reached{status}: "
                f"{reason}. Check the name, the network, HF_HUB_OFFLINE and HF_ENDPOINT."
            ) from error
        raise DataError(f"{what} cannot be read: {reason}. Check path, config, files and split.") from error


@contextmanager
def _no_bars(library: Any) -> Iterator[None]:
    """The library's own progress bars would tear the one of a study."""
    if library.are_progress_bars_disabled():
        yield
        return
    library.disable_progress_bars()
    try:
        yield
    finally:
        library.enable_progress_bars()


# Kept from one run to the next ---------------------------------------------------------------------------------------


def _kept_texts(path: Path) -> list[str] | None:
    try:
        content = json_value(path.read_bytes())
        texts: list[str] = content["texts"]
        return texts if texts and stable_hash(texts) == content["hash"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not there, or damaged: read again


def _keep(path: Path, content: str) -> None:
    # What is kept is at hand: a disk that refuses must not stop the work.
    with suppress(OSError, ValueError, DataError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)
