"""Checkpoints of others, by folder or hub id: loaded with one copy of the weights, and what is wrong told in words."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Mapping
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
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from restor.errors import ConfigError, DataError
from restor.faults import reading
from restor.models.checkpoint import bare_generation_config, place, save_model, writing
from restor.models.files import check_adapter, check_config, check_tokenizer, check_weights, find_folder
from restor.models.hardware import multiplies_bfloat16
from restor.models.lineage import Lineage, write_lineage
from restor.models.quiet import quiet_libraries
from restor.models.reference import ModelRef, adapter_source

LOADING = (
    OSError,
    ValueError,
    RuntimeError,
    ImportError,
    LookupError,
    AttributeError,
    TypeError,
    ArithmeticError,
    SafetensorError,
    StrictDataclassError,
)
"""What transformers and peft raise for files that they cannot use."""

SIZES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "U8": 1, "I8": 1}
"""Bytes of the dtypes of safetensors."""

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
        to_ask: nothing will be trained, so what is stored in bfloat16 may stay it on a CPU that is good at it.

    Raises:
        DataError: for a checkpoint that is missing, incomplete, damaged or of another kind.
        ConfigError: if the hub refuses or cannot be reached, code would have to be run, or memory does not suffice.
    """
    device = device or pick_device(ref.device)
    found = find_folder(ref.path, ref.revision, code=ref.trust_remote_code)
    folder, name = found.folder, ref.path
    settings = check_config(folder, name)
    check_tokenizer(folder, name)
    counts = check_weights(folder, name)
    _check_code(settings, ref)
    config = _told(name, lambda: AutoConfig.from_pretrained(folder, trust_remote_code=ref.trust_remote_code))
    tokenizer = _tokenizer(folder, name, trusted=ref.trust_remote_code)
    _check_vocabulary(tokenizer, getattr(config.get_text_config(), "vocab_size", None), name)
    dtype = ref.dtype
    if (
        dtype == "auto"
        and device.type == "cpu"
        and not (to_ask and multiplies_bfloat16(device) and set(counts) == {"BF16"})
    ):
        dtype = "float32"  # any other is slower on most processors
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
    if missing := sorted(info["missing_keys"]):
        raise DataError(
            f"{name} lacks {len(missing)} of its weights, such as {missing[0]}: it was saved in part, or is of another "
            f"model than its config.json says ({config.model_type}). Save or fetch it again."
        )
    if ref.adapter is not None:
        model = _merge(model, ref.adapter, device, name)
    return place(model, device).eval(), tokenizer


def save_checkpoint(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, lineage: Lineage) -> None:
    """Write a Hugging Face checkpoint with its lineage into `folder`, in the dtype that the model has.

    What is interrupted leaves a part: give a temporary folder, and move it when this has returned.

    Raises:
        StoreError: if there is no room or no permission.
    """
    save_model(model, tokenizer, folder)
    with writing(folder):
        write_lineage(lineage, folder)


def pick_device(wanted: str) -> torch.device:
    """The device to compute on; each process of torchrun has a GPU of its own, by its LOCAL_RANK.

    Raises:
        ConfigError: if it is not there.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise ConfigError(f"Unknown device {wanted!r}. Use auto, cpu, cuda or cuda:N.") from error
    if device.type != "cuda":
        return device
    count, own = torch.cuda.device_count(), _own_gpu()
    if wanted == "cuda" and own is not None:
        if own >= count:
            raise ConfigError(
                f"Process {own} of this machine has no GPU of its own: {count} found. Start as many processes as there "
                f"are GPUs (torchrun --nproc-per-node {max(count, 1)}), or use --device cpu."
            )
        return torch.device("cuda", own)
    if (device.index or 0) >= count:
        raise ConfigError(f"Device {wanted!r} is not there: {count} GPUs found. Use cpu or auto.")
    return device


def _own_gpu() -> int | None:
    """The number of this process on its machine, where a launcher such as torchrun started several."""
    several = os.environ.get("WORLD_SIZE", "1") not in ("", "1")
    own = os.environ.get("LOCAL_RANK", "")
    return int(own) if several and own.isdigit() else None


def _told(name: str, load: Callable[[], T]) -> T:
    """Runs a loader of transformers or peft; what it cannot use is told in words."""
    try:
        with reading(name):
            return load()
    except torch.OutOfMemoryError as error:
        raise ConfigError(f"The GPU's memory does not hold {name}. Use dtype bfloat16, or device cpu.") from error
    except LOADING as error:
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


def _tokenizer(folder: Path, name: str, *, trusted: bool) -> PreTrainedTokenizerBase:
    tokenizer = _told(
        f"the tokenizer of {name}",
        lambda: AutoTokenizer.from_pretrained(folder, trust_remote_code=trusted, local_files_only=True),
    )
    if not tokenizer.is_fast:
        raise DataError(
            f"The tokenizer of {name} ({type(tokenizer).__name__}) is written in Python. restor needs a fast one, a "
            "tokenizer.json: convert it, or take that of a model with the same vocabulary."
        )
    return tokenizer


def _generation(folder: Path) -> GenerationConfig | None:
    """What is left of generation settings that transformers refuses; None where it can read them itself.

    Nothing that restor does depends on more than the tokens that end a text.
    """
    try:
        GenerationConfig.from_pretrained(folder, local_files_only=True)
    except OSError:  # there are none
        return None
    except (ValueError, TypeError):
        return bare_generation_config(json.loads((folder / "generation_config.json").read_text(encoding="utf-8")))
    return None


def _check_vocabulary(tokenizer: PreTrainedTokenizerBase, size: int | None, name: str) -> None:
    if size is None:
        return
    beyond = sorted((number, token) for token, number in tokenizer.get_vocab().items() if number >= size)
    if [token for _, token in beyond] == [tokenizer.pad_token]:
        tokenizer.pad_token = None  # often added without an embedding; another token fills rows up as well
    elif beyond:
        number, token = beyond[0]
        raise DataError(
            f"The tokenizer of {name} has {len(beyond)} tokens more than the model has embeddings ({size}), the first "
            f"is {token!r} ({number}). Take the tokenizer that belongs to the model, or resize its embeddings "
            "(model.resize_token_embeddings) and save it again."
        )


def _check_memory(counts: Mapping[str, int], dtype: str, device: torch.device, name: str) -> None:
    """Better told now than by the kernel, which kills without a word."""
    numbers = sum(counts.values())
    own = sum(count * SIZES.get(kind, 2) for kind, count in counts.items())
    needed = own if dtype == "auto" else numbers * getattr(torch, dtype).itemsize
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


def _merge(model: PreTrainedModel, adapter: str, device: torch.device, name: str) -> PreTrainedModel:
    """The model with an adapter's change in its weights."""
    import peft  # costs seconds, and most checkpoints have no adapter

    source, revision = adapter_source(adapter)
    folder = find_folder(source, revision, adapter=True).folder
    names = check_adapter(folder, adapter)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old names, and of missing tensors, which are told below
            adapted = peft.PeftModel.from_pretrained(model, folder, torch_device=str(device))
            places = set(peft.get_peft_model_state_dict(adapted, save_embedding_layers=False))
        if different := sorted(places ^ {tensor for tensor in names if "lora_" in tensor}):
            where = "the model" if different[0] not in places else "the adapter"
            raise ValueError(f"{len(different)} tensors differ; {where} lacks {different[0]}")
        return adapted.merge_and_unload().requires_grad_(True)
    except LOADING as error:
        base = peft.PeftConfig.from_pretrained(folder).base_model_name_or_path
        raise DataError(
            f"The adapter {adapter} does not fit {name}; it was made for {base or 'another model'}. Give the model "
            f"that it was trained on. ({' '.join(str(error).split())[:200]})"
        ) from error
