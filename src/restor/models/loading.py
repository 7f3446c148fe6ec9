"""Checkpoints of others, by folder or hub id: loaded with one copy of the weights, and what is wrong told in words."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from restor.errors import CheckpointWarning, ConfigError, DataError
from restor.faults import reading
from restor.models.adapters import find_adapter, merge
from restor.models.checkpoint import bare_generation_config, place
from restor.models.device import pick_device
from restor.models.families import embeddings_in
from restor.models.files import (
    check_config,
    check_tokenizer,
    check_weights,
    find_folder,
    read_json,
    weight_files,
    weight_shapes,
)
from restor.models.limits import check_model, check_sizes
from restor.models.model_ref import ModelRef
from restor.models.precision import machine_folder, precision_to_ask
from restor.models.quiet import quiet_libraries
from restor.models.tokenizer_loading import fit_tokenizer, load_tokenizer
from restor.models.tokenizer_trial import try_tokenizer

LOADING = (
    OSError,
    ValueError,
    RuntimeError,
    ImportError,
    LookupError,
    AttributeError,
    TypeError,
    ArithmeticError,
    AssertionError,
    SafetensorError,
    StrictDataclassError,
)
"""What transformers and peft raise for files that they cannot use."""

SIZES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "U8": 1, "I8": 1}
"""Bytes of the dtypes of safetensors."""

DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""Those that a model computes in, as torch calls them."""

T = TypeVar("T")


@quiet_libraries()
def load_checkpoint(
    ref: ModelRef, device: torch.device | None = None, *, to_ask: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A model in evaluation mode on its device, any adapter merged, and its tokenizer.

    The weights are held once: files are mapped into memory and each tensor goes from there to its place. On a CPU
    tensors of the wanted dtype stay mapped until they are written to.

    Args:
        ref: which checkpoint; what a hub id lacks in the cache is fetched.
        device: in place of the reference's own.
        to_ask: nothing will be trained, so what is stored in bfloat16 may stay it on a CPU that is faster in it.

    Raises:
        DataError: for a checkpoint that is missing, incomplete, damaged or of another kind.
        ConfigError: if the hub refuses or cannot be reached, code would have to be run, or memory does not suffice.
    """
    device = device or pick_device(ref.device)
    located = find_folder(ref.path, ref.revision, code=ref.trust_remote_code)
    folder, name = located.folder, ref.path
    settings = check_config(folder, name)
    check_tokenizer(folder, name)
    counts = check_weights(folder, name)
    _check_code(settings, ref)
    adapter = None if ref.adapter is None else find_adapter(ref.adapter)
    config = _config(folder, settings, ref)
    # Not what the installed transformers would choose among several: what was hashed and checked.
    config.transformers_weights = weight_files(folder).entry
    source, owner, trusted = folder, name, ref.trust_remote_code
    if adapter is not None and adapter.has_tokenizer:
        source, owner, trusted = adapter.folder, adapter.name, False
    try_tokenizer(source, owner)
    tokenizer = _told(f"the tokenizer of {owner}", lambda: load_tokenizer(source, name=owner, trusted=trusted))
    if adapter is None and (embeddings := getattr(config.get_text_config(), "vocab_size", None)) is not None:
        fit_tokenizer(tokenizer, embeddings, name)
    dtype = _dtype(ref, settings, counts, device, to_ask=to_ask)
    _check_memory(counts, dtype, device, name)
    model, info = _told(
        name,
        lambda: AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=dtype if dtype == "auto" else getattr(torch, dtype),
            # Each tensor is read to the GPU itself, never through a whole copy in memory.
            device_map=None if device.type == "cpu" else {"": device},
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=ref.trust_remote_code,
            generation_config=_generation(folder),
            ignore_mismatched_sizes=True,  # told below, by name
            output_loading_info=True,
        ),
    )
    if other := sorted(info["mismatched_keys"]):
        tensor, stored, wanted = other[0]
        raise DataError(
            f"{name} has {len(other)} weights of other shapes than its config.json says, such as {tensor}: "
            f"{list(stored)} in place of {list(wanted)}. Take the config.json that belongs to the weights."
        )
    _check_complete(info["missing_keys"], info["unexpected_keys"], config, name)
    if adapter is not None:
        model = merge(model, adapter, device, name)
        fit_tokenizer(tokenizer, embeddings_in(model), f"{name}+{adapter.name}")
    return place(model, device).eval(), tokenizer


def _config(folder: Path, settings: Mapping[str, Any], ref: ModelRef) -> PreTrainedConfig:
    """The configuration, of which nothing is followed that would not be followed for another checkpoint.

    Raises:
        DataError: if it does not fit the weights.
    """
    trusted, name = ref.trust_remote_code, ref.path
    shapes = weight_shapes(folder)
    if not trusted:
        check_sizes(settings, shapes, name)
    config: PreTrainedConfig = _told(name, lambda: AutoConfig.from_pretrained(folder, trust_remote_code=trusted))
    _told(name, lambda: _plain(config))
    if not trusted:
        # Either may name kernels on the hub, which are programs.
        config._attn_implementation = config._experts_implementation = None
        _told(name, lambda: check_model(config, shapes, name))
    return config


def _plain(config: PreTrainedConfig) -> None:
    """Outputs with names, and none that nobody reads."""
    for part in (config, config.get_text_config()):
        part.return_dict, part.output_hidden_states, part.output_attentions = True, False, False


def _check_complete(missing: Collection[str], surplus: Collection[str], config: PreTrainedConfig, name: str) -> None:
    """Make sure that the weights are those of the model."""
    if missing:
        raise DataError(
            f"{name} lacks {len(missing)} of its weights, such as {min(missing)}: it was saved in part, or is of "
            f"another model than its config.json says ({config.model_type}). Save or fetch it again."
        )
    text = config.get_text_config()
    # Behind the last layer, some families have others that guess further tokens.
    layers = getattr(text, "num_hidden_layers", 2**31) + (getattr(text, "num_nextn_predict_layers", None) or 0)
    numbers = [int(match[1]) for tensor in surplus if (match := re.search(r"\.(\d{1,9})\.", tensor))]
    if max(numbers, default=-1) >= layers:
        raise DataError(
            f"{name} has weights of {max(numbers) + 1} layers, and its config.json says {layers}: {len(surplus)} "
            f"weights would be left out, such as {min(surplus)}. Take the config.json that belongs to the weights."
        )
    if surplus:
        warnings.warn(
            f"{name} has {len(surplus)} weights that {config.model_type} does not use, such as {min(surplus)}. They "
            "are left out.",
            CheckpointWarning,
            stacklevel=3,
        )


def _told(name: str, load: Callable[[], T]) -> T:
    """Runs a loader of transformers or peft; what it cannot use is told in words."""
    try:
        with reading(name):
            return load()
    except torch.OutOfMemoryError as error:
        raise ConfigError(f"The GPU's memory does not hold {name}. Use dtype bfloat16, or device cpu.") from error
    except Exception as error:
        # The tokenizers library raises nothing but Exception itself.
        if not isinstance(error, LOADING) and type(error) is not Exception:
            raise
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise DataError(
            f"Cannot load {name}: {reason.rstrip('.')}. Check that its files belong together, and that the "
            f"installed transformers ({transformers.__version__}) is new enough for it."
        ) from error


def _check_code(settings: Mapping[str, Any], ref: ModelRef) -> None:
    kind = settings["model_type"]
    if ref.trust_remote_code or kind in CONFIG_MAPPING:
        return
    if settings.get("auto_map"):
        raise ConfigError(
            f"{ref.path} is of the type {kind!r}, for which it brings Python code of its own. If you trust its "
            "authors, allow to run it with trust_remote_code."
        )
    raise DataError(
        f"{ref.path} is of the type {kind!r}, which the installed transformers ({transformers.__version__}) does not "
        "know. Install a newer one, or check the model_type in its config.json."
    )


def _dtype(
    ref: ModelRef, settings: Mapping[str, Any], counts: Mapping[str, int], device: torch.device, *, to_ask: bool
) -> str:
    """The dtype to load in; auto only for weights that are packed."""
    if ref.dtype != "auto":
        return ref.dtype
    if device.type == "cpu":
        narrow = to_ask and set(counts) == {"BF16"}  # any other dtype is slower than float32
        return precision_to_ask(settings, machine_folder())[0] if narrow else "float32"
    # That of most weights in the files, whatever the configuration says of another time.
    return DTYPES.get(max(counts, key=lambda kind: counts[kind], default=""), "auto")


def _generation(folder: Path) -> GenerationConfig | None:
    """What is left of generation settings that transformers refuses; None where it can read them itself.

    Nothing that restor does depends on more than the tokens that end a text.

    Raises:
        DataError: if they cannot be read, or name tokens by something else than numbers.
    """
    file = folder / "generation_config.json"
    if not file.exists():
        return None
    settings = read_json(file)
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        given = settings.get(name)
        tokens = given if isinstance(given, list) else [] if given is None else [given]
        if any(type(token) is not int for token in tokens) or (name == "pad_token_id" and given is tokens):
            raise DataError(f"{file} has the {name} {given!r}. Give the number of a token, or remove it.")
    try:
        GenerationConfig.from_pretrained(folder, local_files_only=True)
    except LOADING:
        return bare_generation_config(settings)
    return None


def _check_memory(counts: Mapping[str, int], dtype: str, device: torch.device, name: str) -> None:
    """Better told now than by the kernel, which kills without a word."""
    numbers = sum(counts.values())
    weights_size = sum(count * SIZES.get(kind, 2) for kind, count in counts.items())
    needed = weights_size if dtype == "auto" else numbers * getattr(torch, dtype).itemsize
    free = _free_memory(device)
    if free is not None and needed > free:
        stored = "as it is stored" if dtype == "auto" else f"as {dtype}"
        raise ConfigError(
            f"{name} needs {needed / 1e9:.1f} GB {stored} on {device}, and {free / 1e9:.1f} GB are free. Dtype "
            "bfloat16 takes half of what float32 takes; else free memory or choose another device."
        )


def _free_memory(device: torch.device) -> int | None:
    """Bytes, as far as the system tells."""
    if device.type == "cuda":
        # What torch keeps for its next tensors is free for ours.
        spare = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + spare
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) * 1024
    return None
