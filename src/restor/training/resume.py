"""A training run's own checkpoints: written in the middle, read after a kill, gone when the stage is finished.

Tensors are in safetensors and the rest in JSON; nothing is pickled.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from restor.untrusted import json_value

LEAST_RATIO = 20
"""Times as long as a save took must pass before the next one: the state of billions of parameters takes minutes."""


@final
@dataclass(slots=True)
class LoopState:
    """Where a run is: finished steps, tokens, seconds and operations spent, the log so far, and what it remembers."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    log: list[dict[str, float]] = field(default_factory=list)
    flops: float = 0.0
    memory: dict[str, Tensor] = field(default_factory=dict)
    """What the objective and the rule carry from step to step, as `objective/NAME` and `rule/NAME`."""

    def part(self, owner: str) -> dict[str, Tensor]:
        """What one of the two remembers."""
        start = f"{owner}/"
        return {name.removeprefix(start): value for name, value in self.memory.items() if name.startswith(start)}

    def keep(self, owner: str, memory: Mapping[str, Tensor]) -> None:
        """Put it in place of what it remembered before."""
        others = {name: value for name, value in self.memory.items() if not name.startswith(f"{owner}/")}
        self.memory = others | {f"{owner}/{name}": value.detach() for name, value in memory.items()}


@final
class ResumeFolder:
    """The newest checkpoint of a run, replaced at most every `every` seconds, and less often where saving is slow."""

    def __init__(self, folder: Path, every: float) -> None:
        self.folder = folder
        self.every = every
        self._last = time.monotonic()
        self._took = 0.0

    def due(self) -> bool:
        """Whether enough time has passed since the last save: so much that saving stays a small part of the run.

        With `every` 0 always.
        """
        pause = max(self.every, LEAST_RATIO * self._took) if self.every else 0.0
        return time.monotonic() - self._last >= pause

    def save(
        self, state: LoopState, parameters: dict[str, Tensor], optimizer: torch.optim.Optimizer, names: list[str]
    ) -> None:
        """Write the state beside the old one, then swap; a kill in between leaves the old one or the new one."""
        began = time.monotonic()
        tensors = {f"model/{name}": value.detach().contiguous() for name, value in parameters.items()}
        for name, entry in zip(names, _entries(optimizer), strict=True):
            for key, value in entry.items():
                tensors[f"optimizer/{name}/{key}"] = torch.as_tensor(value).contiguous()
        tensors |= {f"memory/{name}": value.contiguous() for name, value in state.memory.items()}
        tensors["rng/cpu"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors |= {f"rng/cuda/{place}": value for place, value in enumerate(torch.cuda.get_rng_state_all())}
        target = self.folder / f"step-{state.step:08d}"
        partial = self.folder / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        save_file(tensors, partial / "state.safetensors")
        meta = {"step": state.step, "tokens": state.tokens, "seconds": state.seconds, "log": state.log}
        meta["flops"] = state.flops
        (partial / "state.json").write_text(json.dumps(meta), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)  # there only if it was damaged and could not be read
        os.replace(partial, target)
        for old in self.folder.glob("step-*"):
            if old != target:
                shutil.rmtree(old, ignore_errors=True)
        self._last = time.monotonic()
        self._took = self._last - began

    def load(
        self, parameters: dict[str, Tensor], optimizer: torch.optim.Optimizer, names: list[str]
    ) -> LoopState | None:
        """Put the newest readable state back into the parameters and the optimiser; None where there is none."""
        for folder in sorted(self.folder.glob("step-*"), reverse=True):
            try:
                meta: dict[str, Any] = json_value((folder / "state.json").read_text(encoding="utf-8"))
                tensors = load_file(folder / "state.safetensors")
            except (OSError, ValueError, SafetensorError):
                continue
            with torch.no_grad():
                for name, value in parameters.items():
                    value.copy_(tensors[f"model/{name}"])
            entries: dict[int, dict[str, Tensor]] = {}
            for place, name in enumerate(names):
                start = f"optimizer/{name}/"
                entries[place] = {key.removeprefix(start): t for key, t in tensors.items() if key.startswith(start)}
            optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
            torch.set_rng_state(tensors["rng/cpu"])
            for place in range(torch.cuda.device_count()):
                if f"rng/cuda/{place}" in tensors:
                    torch.cuda.set_rng_state(tensors[f"rng/cuda/{place}"], place)
            memory = {key.removeprefix("memory/"): t for key, t in tensors.items() if key.startswith("memory/")}
            device = next(iter(parameters.values())).device
            memory = {name: value.to(device) for name, value in memory.items()}
            return LoopState(meta["step"], meta["tokens"], meta["seconds"], meta["log"], meta["flops"], memory)
        return None


def _entries(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    return [optimizer.state[parameter] for group in optimizer.param_groups for parameter in group["params"]]
