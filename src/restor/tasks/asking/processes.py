"""Several processes that share evaluations: process 0 does what it would do alone, the others wait for its calls.

torchrun starts them, or any launcher that sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT. They speak through the
small key-value store of that launch, so nothing is left over from an earlier one, and answers are files beside the
evaluation that they belong to. Nobody waits in a collective operation for a process that has died.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, final

from restor.errors import ConfigError, RestorError, StoreError

if TYPE_CHECKING:
    from types import TracebackType

    from torch.distributed.distributed_c10d import Store

POLL_SECONDS = 0.1

MEETING = timedelta(minutes=5)
"""How long the others wait for process 0 to be there."""

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")

T = TypeVar("T")
TakePart = Callable[["Crew", "Call", Path, dict[str, Any]], None]
"""Answers some of the batches of a call; the last argument is kept from call to call."""


def is_crew(environment: Mapping[str, str]) -> bool:
    """Whether a launcher has started several processes."""
    return all(environment.get(name) for name in _VARIABLES) and environment["WORLD_SIZE"] != "1"


@final
@dataclass(frozen=True, slots=True)
class Call:
    """An evaluation that others are called to."""

    number: int
    task: Path | None
    """What it is; None when it is over."""


@final
class Crew:
    """One of the processes, in touch with the others.

    Args:
        store: the key-value store that all of them see.
        rank: of this one; 0 leads.
        size: how many they are.
    """

    def __init__(self, store: Store, rank: int, size: int) -> None:
        self.rank, self.size, self._store = rank, size, store

    @classmethod
    def join(cls, environment: Mapping[str, str]) -> Self:
        """Meet the others.

        Raises:
            ConfigError: if that is not possible.
        """
        from torch.distributed import TCPStore  # type: ignore[attr-defined]
        from torch.distributed.distributed_c10d import PrefixStore

        rank, size, host, port = (environment[name] for name in _VARIABLES)
        try:
            # torchrun has a server of its own; other launchers leave that to process 0.
            serves = rank == "0" and environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
            store = TCPStore(
                host, int(port), int(size), serves, timeout=MEETING, wait_for_workers=False, multi_tenant=True
            )
            return cls(PrefixStore("restor", store), int(rank), int(size))
        except (RuntimeError, ValueError) as error:
            raise ConfigError(
                f"Process {rank} of {size} cannot meet the others at {host}:{port}: {str(error).splitlines()[0]} "
                "Start them with torchrun --standalone, or unset WORLD_SIZE to work alone."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from torch.distributed import DistError

        if self.rank == 0:
            with suppress(DistError):
                self._store.set("call", json.dumps({"number": -1}))
        if isinstance(error, DistError):
            raise StoreError(
                "The launcher that started the processes has ended, so they have lost touch. What is finished is kept; "
                "the same command continues from there."
            ) from error

    # Process 0 -------------------------------------------------------------------------------------------------------

    def call(self, task: Path) -> Call:
        """Call the others to an evaluation."""
        found = Call(self._store.add("calls", 1), task)
        self._store.set("call", json.dumps({"number": found.number, "task": str(task)}))
        return found

    def end(self, call: Call) -> None:
        """The evaluation is over: who comes late need not begin."""
        self._store.set("call", json.dumps({"number": call.number, "task": None}))

    def refusals(self, call: Call) -> list[tuple[int, str]]:
        """Which of the others could not take part, and why."""
        keys = {rank: f"refused/{call.number}/{rank}" for rank in range(1, self.size)}
        return [(rank, self._store.get(key).decode()) for rank, key in keys.items() if self._store.check([key])]

    # All of them -----------------------------------------------------------------------------------------------------

    def shared(self, call: Call, items: Sequence[T]) -> Iterator[T]:
        """The items that this process is to work on: each is given to the one that asks for it first."""
        while self.now() == call:
            place = self._store.add(f"taken/{call.number}", 1) - 1
            if place >= len(items):
                return
            yield items[place]

    def now(self) -> Call | None:
        """The newest call; None before the first."""
        if not self._store.check(["call"]):
            return None
        told = json.loads(self._store.get("call"))
        task = told.get("task")
        return Call(told["number"], None if task is None else Path(task))

    # The others ------------------------------------------------------------------------------------------------------

    def refuse(self, call: Call, why: str) -> None:
        """Tell process 0 that this one cannot take part."""
        self._store.set(f"refused/{call.number}/{self.rank}", why)

    def serve(self, take_part: TakePart) -> int:
        """Take part in every evaluation that process 0 calls to, until it ends; returns the exit code."""
        from torch.distributed import DistError

        # What is read from this command is what process 0 says.
        with redirect_stdout(sys.stderr):
            try:
                self._serve(take_part)
            except DistError:
                return 0  # process 0 is gone, and with it the store
            except KeyboardInterrupt:
                return 130
        return 0

    def _serve(self, take_part: TakePart) -> None:
        done, memo = 0, dict[str, Any]()
        while True:
            call = self.now()
            if call is not None and call.number < 0:
                return
            if call is None or call.task is None or call.number == done:
                time.sleep(POLL_SECONDS)
                continue
            done = call.number
            try:
                take_part(self, call, call.task, memo)
            except RestorError as error:
                self.refuse(call, str(error))


def leading() -> Crew | None:
    """The crew of the environment, for the process that leads one."""
    return Crew.join(os.environ) if is_crew(os.environ) and os.environ["RANK"] == "0" else None
