"""Requests shared out among the processes of torchrun: each asks some batches, and all of them get every result."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, distributed

from restor.errors import DataError, TrainingError
from restor.evaluation.ask.engine.items import Item, OptionScore, Result


@final
@dataclass(frozen=True, slots=True)
class Sharing:
    """One of several processes that are asked the same."""

    rank: int
    size: int
    device: torch.device
    """Where the backend of the process group wants its tensors."""

    @classmethod
    def begin(cls, device: torch.device) -> Sharing | None:
        """The process group of the user, else one of its own; None where there is one process.

        Args:
            device: of the model.
        """
        if not distributed.is_initialized():
            if os.environ.get("WORLD_SIZE", "1") in ("", "1"):
                return None
            distributed.init_process_group("gloo")
        place = device if distributed.get_backend() == "nccl" else torch.device("cpu")
        return cls(distributed.get_rank(), distributed.get_world_size(), place)

    def results(
        self,
        items: Sequence[Item],
        batches: Sequence[Sequence[int]],
        ask: Callable[[Sequence[int]], Mapping[int, Result]],
    ) -> dict[int, Result]:
        """The results of all batches, which hold the numbers of items; this process asks its share.

        Raises:
            DataError: if the processes are not asked the same.
            TrainingError: in all of them what `ask` raises in one.
        """
        results_here: dict[int, Result] = {}
        error = None
        try:
            for batch in batches[self.rank :: self.size]:
                results_here |= ask(batch)
        except TrainingError as raised:  # the others must not wait for ever
            error = str(raised)
        asked = hashlib.sha256(repr([(item.prompt, item.options, item.answers) for item in items]).encode())
        message = {
            "asked": asked.hexdigest(),
            "error": error,
            "results": [_plain(*pair) for pair in results_here.items()],
        }
        heard = [json.loads(data) for data in self._exchange(json.dumps(message).encode())]
        if any(other["asked"] != message["asked"] for other in heard):
            raise DataError(
                "The processes were given different requests, or in another order, so they cannot share them. Give all "
                "of them the same, or leave settings.shared out: then each asks its own."
            )
        if errors := [other["error"] for other in heard if other["error"] is not None]:
            raise TrainingError(errors[0])
        return dict(_result(*pair) for other in heard for pair in other["results"])

    def _exchange(self, data: bytes) -> list[bytes]:
        """What each process gives, by rank."""
        sizes = self._gather(torch.tensor([len(data)], device=self.device))
        most = max(int(size) for size in sizes)
        padded = torch.zeros(most, dtype=torch.uint8)
        padded[: len(data)] = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        parts = self._gather(padded.to(self.device))
        return [bytes(part[: int(size)].cpu().numpy()) for part, size in zip(parts, sizes, strict=True)]

    def _gather(self, tensor: Tensor) -> list[Tensor]:
        tensors = [torch.empty_like(tensor) for _ in range(self.size)]
        distributed.all_gather(tensors, tensor)
        return tensors


def _plain(number: int, result: Result) -> list[Any]:
    options = [None if option is None else [option.total, option.tokens, option.greedy] for option in result.options]
    return [number, options, [list(ids) for ids in result.answers]]


def _result(number: int, options: list[list[Any] | None], answers: list[list[int]]) -> tuple[int, Result]:
    return number, Result(
        tuple(None if given is None else OptionScore(given[0], given[1], greedy=given[2]) for given in options),
        tuple(map(tuple, answers)),
    )
