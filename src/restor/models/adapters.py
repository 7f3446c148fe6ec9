"""Adapters of peft: found and checked before the model is read that they are for, then merged into its weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import nn
from transformers import PreTrainedModel

from restor.errors import ConfigError, DataError
from restor.models.files import ADAPTER_CONFIG, ADAPTER_WEIGHTS, VOCABULARIES, find_folder, read_header, read_json
from restor.models.model_ref import adapter_source
from restor.models.patterns import SECONDS, end_in_time

PREFIX = "base_model.model."
"""What peft puts before a model's own names."""
WRAPPERS = ("", ".base_layer", ".modules_to_save", ".token_adapter.base_layer")
"""What is between the name of a layer and the `.weight` that an adapter stores of it as a whole."""
TRAINED = ".token_adapter.trainable_tokens_delta"
"""Ends the name of the embeddings of single tokens."""
ADDED_TOKENS = "added_tokens.json"
MERGE_ELSEWHERE = "merge it where it was trained (merge_and_unload), and give the merged model"
RANKS = ("r", "init_r", "num_vectors", "n_frequency")
"""Settings of adapters that are sizes of their tensors."""
UNMERGEABLE = {
    **dict.fromkeys(
        ("PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CPT", "CARTRIDGE"),
        "puts trained vectors before every text",
    ),
    **dict.fromkeys(("ADAPTION_PROMPT", "LILY", "SHADOW"), "adds a computation beside the layers"),
    **dict.fromkeys(("POLY", "XLORA"), "mixes several adapters anew for every text"),
}
"""Types of adapters that no weights of the model can stand for, and what they do instead."""
UNMERGEABLE_SETTINGS = {
    "layer_replication": "runs layers of the model several times, changed in different ways",
    "alora_invocation_tokens": "acts only behind certain tokens of a text",
    "arrow_config": "mixes several adapters anew for every text",
    "megatron_config": "is for models of Megatron",
}
"""Settings that make an adapter one of these, and what it does with them."""
PISSA, MOST_ROUNDS = "pissa_niter_", 1000


@final
@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter whose files are there, of a type that can become a part of weights."""

    name: str
    """What errors call it."""
    folder: Path
    settings: Mapping[str, Any]
    """Of adapter_config.json."""
    shapes: Mapping[str, tuple[int, ...]]
    """Of every tensor, by name."""

    @property
    def has_tokenizer(self) -> bool:
        """Whether it brings the tokenizer that it was trained with."""
        return (self.folder / "tokenizer.json").is_file()


def find_adapter(given: str) -> Adapter:
    """The adapter in a folder or, with `@REVISION` where wanted, of the hub.

    Raises:
        DataError: if it is not there, damaged, or of a type that cannot be merged.
        ConfigError: if the hub cannot be reached or refuses.
    """
    source, revision = adapter_source(given)
    folder = find_folder(source, revision, adapter=True).folder
    settings = read_json(folder / ADAPTER_CONFIG)
    _check_kind(settings, given)
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise DataError(f"{given} has no {ADAPTER_WEIGHTS}. Save the adapter with safetensors, peft's default.")
    shapes = {tensor: tuple(entry["shape"]) for tensor, entry in read_header(folder / ADAPTER_WEIGHTS).items()}
    _check_ranks(settings, shapes, given)
    _check_rounds(settings, given)
    return Adapter(given, folder, settings, shapes)


def _check_kind(settings: Mapping[str, Any], name: str) -> None:
    """Make sure that weights can stand for it."""
    kind = settings.get("peft_type")
    if not isinstance(kind, str):
        raise DataError(f"The {ADAPTER_CONFIG} of {name} names no peft_type: it is not an adapter of peft.")
    reasons = [UNMERGEABLE[kind]] if kind in UNMERGEABLE else []
    reasons += [f"has {key}: it {does}" for key, does in UNMERGEABLE_SETTINGS.items() if settings.get(key)]
    if reasons:
        raise DataError(
            f"{name} is an adapter of type {kind} and {reasons[0]}. It cannot be merged into a model's weights, which "
            "is how restor uses adapters. Give one that can, such as LoRA, or a merged model."
        )


def _check_ranks(settings: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], name: str) -> None:
    """No rank may be far beyond the tensors that are there: peft makes room for it before it reads them."""
    if settings["peft_type"] == "LOKR":  # whose users write any large number for a full rank, which takes no room
        return
    most = max([1024, *(size for shape in shapes.values() for size in shape)])
    pattern = settings.get("rank_pattern")
    ranks = [settings.get(size) for size in RANKS] + (list(pattern.values()) if isinstance(pattern, dict) else [])
    if high := [rank for rank in ranks if isinstance(rank, int) and rank > most]:
        raise DataError(
            f"{ADAPTER_CONFIG} of {name} has the size {max(high)}, and no side of its tensors is longer than {most}. "
            "Take the files that belong together."
        )


def _check_rounds(settings: Mapping[str, Any], name: str) -> None:
    """No start of the matrices may be computed in more rounds than anybody needs: peft does it anew when it loads."""
    start, loftq = str(settings.get("init_lora_weights")), settings.get("loftq_config")
    given = [start.removeprefix(PISSA)] if start.startswith(PISSA) else []
    given += [str(loftq.get("loftq_iter"))] if isinstance(loftq, dict) else []
    if many := [rounds for rounds in given if rounds.isdecimal() and int(rounds[:9]) > MOST_ROUNDS]:
        raise DataError(
            f"{ADAPTER_CONFIG} of {name} asks for {many[0][:20]} rounds to begin with, at most {MOST_ROUNDS} are "
            "computed. Convert it to a plain LoRA where it was trained (save_pretrained with "
            "path_initial_model_for_weight_conversion)."
        )


# Merged --------------------------------------------------------------------------------------------------------------


def merge(model: PreTrainedModel, adapter: Adapter, device: torch.device, name: str) -> PreTrainedModel:
    """The model with an adapter's change in its weights; it predicts what model and adapter predict side by side.

    Weights that the model shares, and that the adapter changes in one of their places, are shared no longer.

    Args:
        model: what it is merged into; not to be used afterwards.
        adapter: what is merged.
        device: where the model is.
        name: what errors call the model.

    Raises:
        DataError: if the adapter does not fit the model, or peft cannot merge it.
    """
    import peft  # costs seconds, and most checkpoints have no adapter

    base = adapter.settings.get("base_model_name_or_path")
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they are about is checked here, and ends in an error or is mended
        with _told(adapter, "cannot be used with these settings", "Check its adapter_config.json"):
            _check_patterns(model, adapter)
            config = _config(adapter)
        misfit = f"does not fit {name}; it was made for {base or 'another model'}"
        with _told(adapter, misfit, "Give the model that it was trained on"):
            had = _resize(model, adapter)
            adapted = peft.PeftModel.from_pretrained(model, adapter.folder, config=config, torch_device=str(device))
            _check_names(adapted, adapter)
        with _told(adapter, f"cannot be merged into {name}", f"If it can be, {MERGE_ELSEWHERE}"):
            merged = fold(adapted)
    _check_added(merged, had, adapter)
    return merged


def fold(adapted: Any) -> PreTrainedModel:
    """The plain model of a `PeftModel` with the adapter's change in its weights, all of which may be trained."""
    configs = (adapted.config, adapted.config.get_text_config())
    tied = any(getattr(config, "tie_word_embeddings", False) for config in configs)
    _separate(adapted)
    _merge_tokens(adapted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of shared weights, which are not shared any more
        merged: PreTrainedModel = adapted.merge_and_unload()
    read, said = merged.get_input_embeddings(), merged.get_output_embeddings()
    if tied and said is not None and said.weight is not read.weight:
        alike = torch.equal(read.weight, said.weight)
        if alike:  # changed in the same way in both places
            said.weight = read.weight
        for config in configs:
            config.tie_word_embeddings = alike
    return merged.requires_grad_(True)


@contextmanager
def _told(adapter: Adapter, what: str, advice: str) -> Iterator[None]:
    """Tells what peft raises, which is whatever the settings and tensors of a file lead it to."""
    try:
        yield
    except DataError:
        raise
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"The GPU's memory does not hold the adapter {adapter.name} beside its model. Use dtype bfloat16, or "
            "device cpu."
        ) from error
    except ImportError as error:
        raise DataError(
            f"The adapter {adapter.name} needs a package that is not installed ({_reason(error)}). Install it, or "
            f"{MERGE_ELSEWHERE}."
        ) from error
    except Exception as error:
        raise DataError(f"The adapter {adapter.name} {what}: {_reason(error)}. {advice}.") from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__


def _check_patterns(model: PreTrainedModel, adapter: Adapter) -> None:
    """Make sure that peft will end matching them with the names of the model's layers."""
    if not end_in_time(list(_texts(adapter.settings)), [place for place, _ in model.named_modules()]):
        raise DataError(
            f"The {ADAPTER_CONFIG} of the adapter {adapter.name} has a pattern for names of layers that is still not "
            f"matched after {SECONDS:g} seconds. List the names of the layers in its place (target_modules)."
        )


def _texts(value: object) -> Iterator[str]:
    """All texts of the settings, any of which may be a pattern for peft."""
    match value:
        case str():
            yield value
        case dict():
            for key, content in value.items():
                yield key
                yield from _texts(content)
        case list():
            for content in value:
                yield from _texts(content)


def _config(adapter: Adapter) -> Any:
    """The settings as peft reads them; switches that it would ignore are refused."""
    import peft

    kind = adapter.settings["peft_type"]
    if kind not in peft.PeftType.__members__:
        raise DataError(
            f"{adapter.name} is an adapter of type {kind}, which the installed peft ({peft.__version__}) does not "
            f"know. Install a newer one, or {MERGE_ELSEWHERE}."
        )
    config = peft.PeftConfig.from_pretrained(adapter.folder)
    unknown = [key for key, value in adapter.settings.items() if not hasattr(config, key)]
    if on := sorted(key for key in unknown if adapter.settings[key] is True or isinstance(adapter.settings[key], dict)):
        raise DataError(
            f"The adapter {adapter.name} sets {on[0]}, which the installed peft ({peft.__version__}) does not know. "
            f"Install a newer one, or {MERGE_ELSEWHERE}."
        )
    return config


def _check_names(adapted: Any, adapter: Adapter) -> None:
    """Make sure that every tensor of the adapter has its place in the model, and every place its tensor."""
    import peft

    wanted = set(peft.get_peft_model_state_dict(adapted, save_embedding_layers=False))
    # Of some layers peft writes the same tensor under several names, such as that of the head tied to the embeddings.
    stored = {tensor.replace(".modules_to_save.", ".") for tensor in adapter.shapes}
    if any(tensor.endswith(TRAINED) for tensor in wanted):
        stored = {tensor for tensor in stored if tensor in wanted or not tensor.endswith(TRAINED)}
    missing, surplus = wanted - stored, stored - wanted - set(adapted.state_dict())
    if surplus:  # unless peft translates them: transformers 4 had other names for the layers of some families
        loaded = peft.set_peft_model_state_dict(adapted, peft.load_peft_weights(str(adapter.folder)))
        if not loaded.unexpected_keys:
            missing, surplus = {key for key in loaded.missing_keys if "default" in key.split(".")}, set()
    for where, tensors in (("the adapter", missing), ("the model", surplus)):
        if tensors:
            raise ValueError(f"{len(missing | surplus)} tensors differ; {where} lacks {min(tensors)}")


# Weights that are shared ---------------------------------------------------------------------------------------------


def _separate(adapted: nn.Module) -> None:
    """Give a layer that the adapter changes weights of its own, where it shares them with another layer.

    Else the change would reach the other layer too, or be made twice.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    owners: dict[int, list[tuple[nn.Module, str]]] = {}
    changed: set[int] = set()
    for module in adapted.modules():
        for name, value in module.named_parameters(recurse=False):
            owners.setdefault(id(value), []).append((module, name))
        if isinstance(module, BaseTunerLayer):
            changed |= {id(value) for value in module.get_base_layer().parameters(recurse=False)}
    for shared in changed:
        for module, name in owners[shared][1:]:
            weights = getattr(module, name).detach().clone()
            setattr(module, name, nn.Parameter(weights, requires_grad=False))


def _merge_tokens(adapted: nn.Module) -> None:
    """Merge single tokens of layers that the adapter also changes as a whole, which peft would leave where they are."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils import TrainableTokensWrapper

    for module in adapted.modules():
        if isinstance(module, BaseTunerLayer) and isinstance(module.base_layer, TrainableTokensWrapper):
            tokens = module.base_layer.token_adapter
            tokens.merge()
            module.base_layer = tokens.base_layer


# Tokens that the adapter adds ----------------------------------------------------------------------------------------


def _resize(model: PreTrainedModel, adapter: Adapter) -> int:
    """Give the model as many embeddings as the adapter was trained with; how many it had.

    What is new is not a number until the adapter fills it.
    """
    had: int = model.get_input_embeddings().weight.shape[0]
    size = _rows(model, adapter, had)
    if size == had:
        return had
    model.resize_token_embeddings(size, mean_resizing=False)
    with torch.no_grad():
        for value in _embeddings(model):
            value[had:] = torch.nan
    return had


def _rows(model: PreTrainedModel, adapter: Adapter, had: int) -> int:
    layers = (model.get_input_embeddings(), model.get_output_embeddings())
    places = [place for place, module in model.named_modules() if module in layers]
    whole = {f"{PREFIX}{place}{wrapper}.weight" for place in places for wrapper in WRAPPERS}
    stored = [shape[0] for tensor, shape in adapter.shapes.items() if tensor in whole]
    trained = [number for number in _trained_tokens(adapter.settings) if number >= had]
    # Tokens that are trained alone follow those of the model, one by one.
    size = max(stored, default=had + len(trained))
    if beyond := [number for number in trained if number >= size]:
        raise ValueError(f"it trains the token {max(beyond)}, and there are {size} embeddings")
    return size


def _trained_tokens(settings: Mapping[str, Any]) -> set[int]:
    given = settings.get("trainable_token_indices") or settings.get("token_indices") or ()
    lists = given.values() if isinstance(given, dict) else [given]
    return {number for numbers in lists for number in numbers}


def _embeddings(model: PreTrainedModel) -> list[torch.Tensor]:
    """The parameters with a row per token."""
    layers = (model.get_input_embeddings(), model.get_output_embeddings())
    return [value for layer in layers if layer is not None for value in layer.parameters(recurse=False)]


def _check_added(model: PreTrainedModel, had: int, adapter: Adapter) -> None:
    added = model.get_input_embeddings().weight.shape[0] - had
    if added <= 0:
        return
    what = f"The adapter {adapter.name} was trained with {added} tokens more than its model has and"
    if any(value[had:].isnan().any() for value in _embeddings(model)):
        raise DataError(
            f"{what} does not store all of their embeddings. Save it again with save_embedding_layers=True, from the "
            "model in which it was trained."
        )
    if not adapter.has_tokenizer and any((adapter.folder / file).is_file() for file in (*VOCABULARIES, ADDED_TOKENS)):
        raise DataError(
            f"{what} has no tokenizer.json, which would know them. Load its tokenizer where it was trained, and save "
            "it into the adapter's folder as a fast one."
        )
