"""The files of a checkpoint: found or fetched, checked before anything large is read, and identified. Torch-free."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from math import prod
from pathlib import Path, PurePath
from typing import Any, final

from restor.errors import ConfigError, DataError, to_install
from restor.untrusted import json_value, read_text

HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
"""`name` or `owner/name`: what the hub takes for the id of a repository."""

CONFIG, INDEX, WEIGHTS = "config.json", "model.safetensors.index.json", "model.safetensors"
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
INDEX_END = ".safetensors.index.json"
RANKED = "shard-[0-9]*-model-*-of-*.safetensors"
"""Weights as the ranks of a distributed training hold them."""
TOKENIZER = "tokenizer.json"
SENTENCEPIECE = ("tokenizer.model", "spiece.model", "spm.model", "sentencepiece.bpe.model", "sentencepiece.model")
VOCABULARIES = (TOKENIZER, *SENTENCEPIECE, "vocab.json", "vocab.txt", "tiktoken.model", "tekken.json")
"""A tokenizer is one of these, with settings beside it."""
SENTENCEPIECE_NEEDS = ("sentencepiece", "protobuf")
TOKENIZER_FILES = (
    *VOCABULARIES,
    "tokenizer.*.json",  # for a certain version of transformers, as its settings may say
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "additional_chat_templates/*.jinja",
)
"""Names of files that decide the ids of a text, as patterns."""
SMALL_FILES = (CONFIG, "config.*.json", "generation_config.json", *TOKENIZER_FILES)
"""The same for everything beside the weights that decides what a model says."""
OTHER_HEADS = ("ForMaskedLM", "ForPreTraining", "Classification", "ForQuestionAnswering", "ForMultipleChoice")
"""Ends of the names of architectures that are no causal language models."""
LONGEST_HEADER = 100_000_000
"""Bytes, as the format has it."""
CODE_FILES = ("*.py",)
OF_FOLDERS = ("*/*.py", f"*/*{INDEX_END}")
"""What patterns would also find in the folders of a repository, where other formats of the model are."""
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack", "*.gguf")
CONVERT = (
    "restor reads safetensors only, since loading other formats can run code. Convert it once: "
    'AutoModelForCausalLM.from_pretrained("{folder}").save_pretrained("NEW_FOLDER"), the tokenizer likewise'
)


@final
@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint's folder, and the commit if it came from the hub."""

    folder: Path
    commit: str | None = None


# Where they are ------------------------------------------------------------------------------------------------------


def find_folder(
    path: str, revision: str | None = None, *, adapter: bool = False, code: bool = False, only_config: bool = False
) -> Found:
    """The folder of a checkpoint or an adapter; what a hub id lacks in the cache is fetched, safetensors only.

    Small files come first, so that a checkpoint that cannot be used is refused before its weights are fetched.

    Args:
        path: a local folder or a hub id; a folder of that name wins.
        revision: of a hub id.
        adapter: whether it is an adapter.
        code: whether Python files are fetched too.
        only_config: whether weights and tokenizer may be missing.

    Raises:
        DataError: if it is not there, or is no checkpoint.
        ConfigError: if the hub cannot be reached or refuses.
    """
    folder = Path(path).expanduser()
    wanted = ADAPTER_CONFIG if adapter else CONFIG
    if folder.exists():
        _check_folder(folder, wanted)
        return Found(folder)
    if not HUB_ID.fullmatch(path):
        raise DataError(
            f"There is no folder {folder}. Give the folder of a checkpoint, or a hub id such as owner/name."
        )
    small = (ADAPTER_CONFIG, *TOKENIZER_FILES) if adapter else (ADAPTER_CONFIG, f"*{INDEX_END}", *SMALL_FILES)
    names = [wanted] if only_config else [*small, *(CODE_FILES if code else ())]
    snapshot = _fetch(path, revision, names)
    _check_folder(snapshot, wanted, path)
    if not only_config:
        if not adapter:
            check_config(snapshot, path)
            check_tokenizer(snapshot, path)
        _fetch_weights(path, snapshot, adapter=adapter)
    return Found(snapshot, snapshot.name)


def _fetch_weights(repo: str, snapshot: Path, *, adapter: bool) -> None:
    """By commit: the same state of the repository, whatever has been pushed meanwhile."""
    if adapter:
        names: tuple[str, ...] = (ADAPTER_WEIGHTS,)
    else:
        if weight_files(snapshot).entry == INDEX:
            _fetch(repo, snapshot.name, [WEIGHTS])  # an index counts only where there is no such file
        names = weight_files(snapshot).names
    _fetch(repo, snapshot.name, names)
    if lost := [name for name in names if not (snapshot / name).is_file()]:
        raise DataError(f"{repo} has no {lost[0]} on the hub. {CONVERT.format(folder=repo)}.")


def _check_folder(folder: Path, wanted: str, name: str | None = None) -> None:
    name = name or str(folder)
    if not folder.is_dir():
        raise DataError(f"{name} is a file. Give the folder of a checkpoint.")
    if (folder / wanted).is_file():
        if wanted == CONFIG and (folder / ADAPTER_CONFIG).is_file():
            raise DataError(
                f"{name} has an {ADAPTER_CONFIG} beside its {CONFIG}, so it could be an adapter or a whole model. For "
                f"an adapter give both: BASE+{name}. If the weights of {name} are whole, put them into a folder "
                "without the files of the adapter."
            )
        return
    if wanted == CONFIG and (folder / ADAPTER_CONFIG).is_file():
        base = read_json(folder / ADAPTER_CONFIG).get("base_model_name_or_path") or "BASE"
        raise DataError(f"{name} is an adapter without its model. Give both: {base}+{name}.")
    if wanted == CONFIG and (inner := sorted(path.parent.name for path in folder.glob(f"*/{CONFIG}"))):
        raise DataError(
            f"{name} has no {CONFIG}, but its folder{'s' * (len(inner) > 1)} {', '.join(inner[:5])} "
            f"{'have' if len(inner) > 1 else 'has'} one. Give {name}/{inner[-1]}."
        )
    kind = "an adapter" if wanted == ADAPTER_CONFIG else "a Hugging Face checkpoint"
    raise DataError(f"{name} has no {wanted}: it is not {kind}. Check the name.")


def _fetch(repo: str, revision: str | None, names: Sequence[str]) -> Path:
    """Some files of a hub repository in the user's cache, with the snapshot's commit as the folder's name."""
    from huggingface_hub import snapshot_download

    return _told(
        repo,
        revision,
        lambda: Path(
            snapshot_download(repo, revision=revision, allow_patterns=list(names), ignore_patterns=list(OF_FOLDERS))
        ),
    )


def _told(repo: str, revision: str | None, fetch: Callable[[], Path]) -> Path:
    """Runs a fetch; what goes wrong with the hub is told in words."""
    from huggingface_hub import errors

    at = f" at revision {revision!r}" if revision else ""
    token = "log in with `hf auth login`, or set HF_TOKEN"
    try:
        return fetch()
    except errors.GatedRepoError as error:
        raise ConfigError(
            f"{repo} is gated: accept its terms on its page on the hub, then {token} to a token that may read it."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ConfigError(
            f"There is no folder {repo}, and the hub has no model of that name that you may read. Check the name; if "
            f"the model is private, {token}."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ConfigError(f"{repo} has no revision {revision!r}. Give a branch, a tag or a commit of it.") from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise ConfigError(
            f"There is no folder {repo}, and the hub cannot be asked for a model of that name: it cannot be reached or "
            f"HF_HUB_OFFLINE is set, and the cache does not hold all of it{at}. Check the path, connect to the "
            "network, or give the folder of a copy."
        ) from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        advice = f"{token[0].upper()}{token[1:]}" if status in (401, 403) else "Try again later"
        raise ConfigError(f"The hub refused {repo}{at} with status {status}. {advice}.") from error
    except errors.HFValidationError as error:
        raise DataError(f"There is no folder {repo}, and it is no hub id: {error}") from error
    except (OSError, errors.HTTPError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise ConfigError(f"Cannot fetch {repo}{at}: {reason}. Run it again; what is fetched is kept.") from error


# Whether they are all there ------------------------------------------------------------------------------------------


def check_config(folder: Path, name: str) -> Mapping[str, Any]:
    """The configuration of a model that reads left to right; `name` is what errors call it.

    Raises:
        DataError: if it is unreadable, or of a model of another kind.
    """
    config = read_json(folder / CONFIG)
    if not isinstance(config.get("model_type"), str):
        raise DataError(f"{folder / CONFIG} names no model_type: {name} is not a checkpoint of transformers.")
    if config.get("is_encoder_decoder"):
        raise DataError(
            f"{name} is an encoder-decoder model ({config['model_type']}). restor needs a decoder-only language model, "
            "such as Llama, Qwen, Mistral, Gemma, OLMo, Pythia or GPT-2."
        )
    given = config.get("architectures")
    architectures = [str(item) for item in given] if isinstance(given, list) else []
    if architectures and all(item.endswith(OTHER_HEADS) for item in architectures):
        raise DataError(f"{name} is a {architectures[0]}, which does not continue texts. Give a causal language model.")
    return config


def check_tokenizer(folder: Path, name: str) -> None:
    """Make sure that there is one that can be read here.

    Raises:
        DataError: if there is none.
        ConfigError: if a package is needed to read it.
    """
    vocabularies = [file for file in VOCABULARIES if (folder / file).is_file()]
    if not vocabularies:
        raise DataError(
            f"{name} has no tokenizer ({', '.join(VOCABULARIES[:2])} or a vocabulary file). Copy the tokenizer files "
            "of the model it was made from into the folder."
        )
    # Whatever needs another package says so itself; of this one transformers says that tiktoken is missing.
    if (
        vocabularies[0] in SENTENCEPIECE
        and is_sentencepiece(folder / vocabularies[0])
        and not _installed(SENTENCEPIECE_NEEDS)
    ):
        raise ConfigError(
            f"The tokenizer of {name} is {vocabularies[0]}, without a {TOKENIZER}. To read it, install "
            f"{' and '.join(SENTENCEPIECE_NEEDS)} (the extra [sentencepiece]: {to_install('sentencepiece')}), or copy "
            f"the {TOKENIZER} of the same model into the folder."
        )


def is_sentencepiece(file: Path) -> bool:
    """Whether it begins as a SentencePiece model does; a tiktoken vocabulary may have the same name."""
    with file.open("rb") as opened:
        return opened.read(1) == b"\n"


def _installed(packages: Sequence[str]) -> bool:
    try:
        return all(metadata.version(package) for package in packages)
    except metadata.PackageNotFoundError:
        return False


def check_weights(folder: Path, name: str) -> dict[str, int]:
    """How many numbers the weights are, by dtype as safetensors calls it (F32, BF16, ...). Reads headers only.

    Raises:
        DataError: if a file is missing, damaged, or not safetensors.
    """
    counts: dict[str, int] = {}
    for file in weight_files(folder).names:
        if not (folder / file).is_file():
            pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
            if pickles:
                raise DataError(f"{name} has {pickles[0]} and no {file}. {CONVERT.format(folder=folder)}.")
            raise DataError(f"{name} has no {file}: its weights are missing. Copy or fetch the checkpoint again.")
        for entry in read_header(folder / file).values():
            counts[entry["dtype"]] = counts.get(entry["dtype"], 0) + prod(entry["shape"])
    return counts


def weight_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of the weights, by name. Raises DataError as `check_weights`."""
    headers = [read_header(folder / file) for file in weight_files(folder).names]
    return {name: tuple(entry["shape"]) for header in headers for name, entry in header.items()}


@final
@dataclass(frozen=True, slots=True)
class WeightFiles:
    """The files that hold the weights of a checkpoint."""

    entry: str
    """The one to be opened: the only one, or the index of several."""
    names: tuple[str, ...]
    """Those with the weights, sorted."""


def weight_files(folder: Path) -> WeightFiles:
    """The files from which a model is loaded, as far as the folder tells: what is hashed, counted and fetched too.

    In the order of transformers: a file that the configuration names, `model.safetensors`, the index of several files.
    An index that an earlier model has left beside `model.safetensors` is not read.

    Raises:
        DataError: if they cannot be told, or lie outside of the folder.
    """
    if ranked := sorted(path.name for path in folder.glob(RANKED)):
        raise DataError(
            f"{folder} holds weights as the ranks of a distributed training wrote them ({ranked[0]}), which restor "
            f"does not read. Remove them if there is a {WEIGHTS}; else load and save the model once with transformers."
        )
    given = read_json(folder / CONFIG).get("transformers_weights")
    entry = str(given) if given else WEIGHTS
    if not given and not (folder / WEIGHTS).is_file() and (folder / INDEX).is_file():
        entry = INDEX
    names = {entry}
    if entry.endswith(INDEX_END):
        listed = read_json(folder / entry).get("weight_map")
        if not isinstance(listed, dict) or not listed:
            raise DataError(f"{folder / entry} lists no weights. Copy or fetch the checkpoint again.")
        names = {str(file) for file in listed.values()}
    for name in (entry, *sorted(names)):
        path = PurePath(name)
        if path.is_absolute() or ".." in path.parts or not name.endswith((".safetensors", INDEX_END)):
            raise DataError(
                f"{folder} names {name!r} as a file of its weights. They must be safetensors files in the folder; "
                "fetch the checkpoint again, or convert it."
            )
    return WeightFiles(entry, tuple(sorted(names)))


def read_header(file: Path) -> dict[str, dict[str, Any]]:
    """Dtype, shape and place of every tensor of a safetensors file, which must be exactly as long as it says.

    Raises:
        DataError: if it is damaged.
    """
    advice = "Copy or fetch the checkpoint again"
    with file.open("rb") as opened:
        start = opened.read(8)
        if start == b"version ":
            raise DataError(f"{file} is a Git LFS pointer and holds no weights. Run `git lfs pull` in its folder.")
        length, size = int.from_bytes(start, "little"), file.stat().st_size
        if len(start) < 8 or length + 8 > size:
            raise DataError(f"{file} is damaged: {size:,} bytes are too few for what it should hold. {advice}.")
        if length > LONGEST_HEADER:
            raise DataError(
                f"{file} is damaged: no header has {length:,} bytes, {LONGEST_HEADER:,} are the most. {advice}."
            )
        try:
            header: dict[str, dict[str, Any]] = json_value(opened.read(length))
            header.pop("__metadata__", None)
            end = max(map(_end, header.values()), default=0)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            raise DataError(f"{file} is damaged: its header is not that of a safetensors file. {advice}.") from error
    if size != 8 + length + end:
        raise DataError(f"{file} is damaged: it should have {8 + length + end:,} bytes and has {size:,}. {advice}.")
    return header


def _end(entry: Mapping[str, Any]) -> int:
    """Where the bytes of a tensor end. Raises ValueError, TypeError or LookupError for an entry that is none."""
    begin, end = entry["data_offsets"]
    numbers = [begin, end, *entry["shape"]]
    if not isinstance(entry["dtype"], str) or any(type(number) is not int or number < 0 for number in numbers):
        raise ValueError("a dtype is a word, and a shape is whole numbers")
    if prod(entry["shape"]) > 8 * (end - begin):
        raise ValueError("a number takes at least a bit")
    return int(end)


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file of a checkpoint.

    Raises:
        DataError: if it cannot be read, or holds something else.
    """
    try:
        content = json_value(read_text(file))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{file} cannot be read as JSON: {reason}. Copy or fetch the checkpoint again.") from error
    if not isinstance(content, dict):
        raise DataError(f"{file} must hold a JSON object. Copy or fetch the checkpoint again.")
    return content


# What identifies them ------------------------------------------------------------------------------------------------


def hash_folder(folder: Path, *, adapter: bool = False, also: Iterable[str] = ()) -> dict[str, str]:
    """SHA-256 of every file that decides the model, by name; several files are read side by side.

    Raises:
        DataError: if one cannot be read.
    """
    if adapter:
        names = {ADAPTER_CONFIG, ADAPTER_WEIGHTS}
    else:
        weights = weight_files(folder)
        names = {weights.entry, *weights.names}
    present = {name for name in names if (folder / name).is_file()}
    candidates = (
        path for pattern in (*(TOKENIZER_FILES if adapter else SMALL_FILES), *also) for path in folder.glob(pattern)
    )
    present |= {path.relative_to(folder).as_posix() for path in candidates if path.is_file()}
    # hashlib lets go of the interpreter, so threads really read side by side.
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        digests = pool.map(lambda name: _sha256(folder / name), sorted(present))
        return dict(zip(sorted(present), digests, strict=True))


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}. Check its rights.") from error
