"""Whether bfloat16 or float32 is faster on this processor for a model of some size: measured, and remembered in a file.

A processor that multiplies bfloat16 may still be slower in it, for small models above all: what is gained in the
products is lost in converting.
"""

from __future__ import annotations

import copy
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

from filelock import FileLock
from pydantic import Field

from restor.caches import data_cache
from restor.config import Config
from restor.data.text_files import replace_file
from restor.errors import ConfigError, DataError
from restor.untrusted import json_value, read_bytes

Precision = Literal["float32", "bfloat16"]
Use = Literal["train", "ask"]
"""Training computes from float32 weights in bfloat16; a model that is asked has its weights in it."""

FILE = "precision.json"

GAIN = 1.15
"""So many times as fast must bfloat16 be to be taken: it is less exact, and what is measured is noisy."""

LARGEST = {"hidden": 1024, "intermediate": 4096, "vocabulary": 4096}
"""Of what is measured: beyond these sizes the products decide, and their ratio stays."""

OPERATIONS = 4e9
"""Floating-point operations of a pass, about: a twentieth of a second on one core."""

LEAST_TOKENS, MOST_TOKENS, ROW = 64, 512, 64
TRIES, ENOUGH = 3, 0.4
"""At least so many passes in each precision, and so many CPU seconds: passes of a few milliseconds are noisy."""


@final
@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a model, as far as it matters here."""

    hidden: int
    intermediate: int
    vocabulary: int
    layers: int
    tokens: int = MOST_TOKENS
    """That it reads at a time."""

    @property
    def parameters(self) -> int:
        """About."""
        return self.layers * self.hidden * (4 * self.hidden + 3 * self.intermediate) + self.hidden * self.vocabulary

    @property
    def measured(self) -> Shape:
        """What stands for it: a layer or two, numbers that differ from world to world rounded up to powers of two."""
        sizes = {name: max(64, min(most, getattr(self, name))) for name, most in LARGEST.items()}
        sizes["hidden"] -= sizes["hidden"] % 64
        sizes["vocabulary"] = 1 << (sizes["vocabulary"] - 1).bit_length()
        one = Shape(**sizes, layers=min(2, self.layers) if sizes["hidden"] <= 256 else 1)
        fitting = int(OPERATIONS / (6 * one.parameters))
        tokens = max(LEAST_TOKENS, min(self.tokens, MOST_TOKENS, fitting))
        return Shape(**sizes, layers=one.layers, tokens=1 << (tokens.bit_length() - 1))

    def __str__(self) -> str:
        sizes = self.hidden, self.intermediate, self.vocabulary, self.layers, self.tokens
        return "hidden {}, intermediate {}, vocabulary {}, layers {}, tokens {}".format(*sizes)


@final
class PrecisionChoice(Config):
    """What was measured, and what follows from it."""

    processor: str
    use: Use
    shape: str
    float32: float = Field(gt=0)
    """CPU seconds of a pass."""
    bfloat16: float = Field(gt=0)
    precision: Precision

    @property
    def told(self) -> str:
        """In words."""
        doing = "training" if self.use == "train" else "asking"
        share, than = self.bfloat16 / self.float32, "as long as float32 for a model of this size"
        return f"{doing} in {self.precision}: on this processor bfloat16 takes {share:.2f} times {than} (measured once)"


@final
class _Choices(Config):
    """The file."""

    choices: tuple[PrecisionChoice, ...] = ()


Time = Callable[[Shape, Use], Mapping[Precision, float]]
"""CPU seconds of a pass in each precision."""


def machine_folder() -> Path | None:
    """Where choices are remembered that belong to no store; None without a home directory."""
    try:
        return data_cache() / "precision"
    except DataError:
        return None


def choose(folder: Path | None, shape: Shape, use: Use, measure: Time | None = None) -> tuple[PrecisionChoice, bool]:
    """What is faster on this processor, and whether it was measured just now: what `folder` remembers is not again.

    Without a folder, or where nothing can be written, nothing is remembered.

    Raises:
        ConfigError: if the file of the folder is garbled.
    """
    measured = shape.measured
    mine = processor_name(), use, str(measured)
    if folder is not None:
        with suppress(OSError):
            (folder / "locks").mkdir(parents=True, exist_ok=True)
            with FileLock(folder / "locks" / "precision.lock"):  # two that begin together agree
                known = _read(folder / FILE)
                for choice in known.choices:
                    if (choice.processor, choice.use, choice.shape) == mine:
                        return choice, False
                choice = _measured(*mine, (measure or passes)(measured, use))
                content = _Choices(choices=(*known.choices, choice)).model_dump(mode="json")
                replace_file(folder / FILE, json.dumps(content, indent=1) + "\n")
                return choice, True
    return _measured(*mine, (measure or passes)(measured, use)), True


def _measured(processor: str, use: Use, shape: str, seconds: Mapping[Precision, float]) -> PrecisionChoice:
    exact, rough = seconds["float32"], seconds["bfloat16"]
    faster: Precision = "bfloat16" if exact >= GAIN * rough else "float32"
    return PrecisionChoice(processor=processor, use=use, shape=shape, float32=exact, bfloat16=rough, precision=faster)


def precision_to_ask(config: Mapping[str, Any], folder: Path | None) -> tuple[Precision, str]:
    """How to ask a checkpoint that is stored in bfloat16 on this CPU, and what to tell of it if it was measured now.

    In float32, unless bfloat16 is clearly faster, or float32 would take more than half of the machine's memory and the
    processor multiplies bfloat16 at all.

    Args:
        config: the checkpoint's config.json.
        folder: as in `choose`.

    Raises:
        ConfigError: as `choose`.
    """
    import torch

    from restor.models.hardware import multiplies_bfloat16

    if not multiplies_bfloat16(torch.device("cpu")):
        return "float32", ""
    shape, memory = shape_of(config), _memory()
    if memory is not None and 4 * shape.parameters > memory / 2:
        return "bfloat16", ""
    choice, new = choose(folder, shape, "ask")
    return choice.precision, choice.told if new else ""


def _memory() -> int | None:
    """Bytes that this machine has, as far as the system tells."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _read(file: Path) -> _Choices:
    try:
        return _Choices.model_validate(json_value(read_bytes(file)))
    except FileNotFoundError:
        return _Choices()
    except ValueError as error:
        raise ConfigError(f"{file} is garbled. Remove it, and the next run measures again.") from error


def processor_name() -> str:
    """As the system calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line for line in lines if line.startswith("model name")).partition(":")[2].strip()
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def passes(shape: Shape, use: Use) -> dict[Precision, float]:
    """CPU seconds of the fastest pass in each precision, taken in turns, on a model of that shape with random weights.

    In one thread and by its own time, so that other work on the machine changes little.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from restor.models.hardware import computing_with

    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.hidden // 32,
        num_key_value_heads=shape.hidden // 32,
        attn_implementation="eager",
    )
    with torch.random.fork_rng(devices=[]):
        model = LlamaForCausalLM(config)
    ids = torch.arange(shape.tokens).remainder(shape.vocabulary).view(-1, min(ROW, shape.tokens))

    def train(dtype: torch.dtype) -> None:
        with torch.autocast("cpu", dtype, enabled=dtype == torch.bfloat16):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        model.zero_grad(set_to_none=True)

    def ask(dtype: torch.dtype) -> None:
        with torch.inference_mode():
            models[dtype](input_ids=ids, use_cache=False)

    dtypes: dict[Precision, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    models = {torch.float32: model}
    if use == "ask":
        models[torch.bfloat16] = copy.deepcopy(model).to(torch.bfloat16)
    run = train if use == "train" else ask
    seconds: dict[Precision, list[float]] = {name: [] for name in dtypes}
    with computing_with(1):
        start = time.process_time()
        while len(seconds["bfloat16"]) <= TRIES or time.process_time() - start < ENOUGH:
            for name, dtype in dtypes.items():
                began = time.process_time()
                run(dtype)
                seconds[name].append(time.process_time() - began)
    # The first also prepares. A clock that ticks slowly may not move at all.
    return {name: max(min(tries[1:]), 1e-9) for name, tries in seconds.items()}


def shape_of(config: Mapping[str, Any]) -> Shape:
    """The shape that the config.json of a checkpoint tells, whatever its family calls the sizes.

    What it does not tell is taken to be that of a small model. Nothing of it is built at its own size.
    """
    inner = config.get("text_config")
    config = inner if isinstance(inner, Mapping) else config

    def size(default: int, *names: str) -> int:
        sizes = (config.get(name) for name in names)
        return next((value for value in sizes if isinstance(value, int) and value > 0), default)

    hidden = size(1024, "hidden_size", "n_embd", "d_model")
    return Shape(
        hidden=hidden,
        intermediate=size(4 * hidden, "intermediate_size", "n_inner", "ffn_dim"),
        vocabulary=size(32768, "vocab_size"),
        layers=size(16, "num_hidden_layers", "n_layer"),
    )
