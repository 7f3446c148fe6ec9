"""The processes of one launch: process 0 does what it would do alone, and calls the others to tasks that can be shared.

torchrun starts them, or any launcher that sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT. They speak through the
small key-value store of that launch, so nothing is left over from an earlier one. Nobody waits in a collective
operation for a process that has died.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self, final

from restor.errors import ConfigError, RestorError, StoreError

if TYPE_CHECKING:
    from types import TracebackType

    from torch.distributed.distributed_c10d import Store

POLL_SECONDS = 0.1

MEETING = timedelta(minutes=5)
"""How long the others wait for process 0 to be there."""

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def launched(environment: Mapping[str, str]) -> bool:
    """Whether a launcher has started several processes."""
    return all(environment.get(name) for name in _VARIABLES) and environment["WORLD_SIZE"] != "1"


@final
class Call:
    """A task that several processes work on, as one of them sees it.

    Args:
        processes: of the launch.
        number: of the call.
        order: the file that says what is to be done.
    """

    def __init__(self, processes: Processes, number: int, order: Path) -> None:
        self.number, self.order = number, order
        self._processes, self._store = processes, processes.store

    @property
    def rank(self) -> int:
        """Of this process; 0 leads."""
        return self._processes.rank

    @property
    def is_over(self) -> bool:
        """Whether process 0 needs nobody any more."""
        return self._processes.newest() != (self.number, self.order)

    # Process 0 -------------------------------------------------------------------------------------------------------

    def offer(self, items: Sequence[int]) -> None:
        """Tell the others what there is to be shared."""
        self._store.set(f"items/{self.number}", json.dumps(list(items)))

    def end(self) -> None:
        """Who comes late need not begin."""
        self._processes.announce(self.number, None)

    def refusals(self) -> list[str]:
        """Which of the others could not take part, and why."""
        size = self._processes.size
        keys = {rank: f"refused/{self.number}/{rank}" for rank in range(1, size)}
        return [
            f"Process {rank} of {size} took no part: {self._store.get(key).decode()}"
            for rank, key in keys.items()
            if self._store.check([key])
        ]

    # All of them -----------------------------------------------------------------------------------------------------

    def items(self) -> Iterator[int]:
        """The items that this process is to work on: each is given to the one that asks for it first."""
        items = self._offered()
        while not self.is_over:
            place = self._store.add(f"taken/{self.number}", 1) - 1
            if place >= len(items):
                return
            yield items[place]

    @property
    def is_offered(self) -> bool:
        """Whether there is anything to be shared; waits until process 0 knows."""
        return bool(self._offered())

    def _offered(self) -> list[int]:
        key = f"items/{self.number}"
        while not self._store.check([key]):
            if self.is_over:
                return []
            time.sleep(POLL_SECONDS)
        offered: list[int] = json.loads(self._store.get(key))
        return offered

    # The others ------------------------------------------------------------------------------------------------------

    def refuse(self, why: str) -> None:
        """Tell process 0 that this one cannot take part."""
        self._store.set(f"refused/{self.number}/{self.rank}", why)


@final
class Processes:
    """The processes of a launch, as one of them sees them.

    Args:
        store: the key-value store that all of them see.
        rank: of this one; 0 leads.
        size: how many they are.
    """

    def __init__(self, store: Store, rank: int, size: int) -> None:
        self.rank, self.size, self.store = rank, size, store

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
                self.announce(-1, None)
        if isinstance(error, DistError):
            raise StoreError(
                "The launcher that started the processes has ended, so they have lost touch. What is finished is kept; "
                "the same command continues from there."
            ) from error

    def call(self, order: Path) -> Call:
        """Call the others to a task; of process 0."""
        call = Call(self, self.store.add("calls", 1), order)
        self.announce(call.number, order)
        return call

    def announce(self, number: int, order: Path | None) -> None:
        """Tell the others the newest call; no order: it is over, a negative number: all is."""
        self.store.set("call", json.dumps({"number": number, "order": None if order is None else str(order)}))

    def newest(self) -> tuple[int, Path | None]:
        """Number and order of the newest call; 0 before the first."""
        if not self.store.check(["call"]):
            return 0, None
        content = json.loads(self.store.get("call"))
        return content["number"], None if content["order"] is None else Path(content["order"])

    def serve(self, take_part: Callable[[Call], None]) -> int:
        """Take part in every task that process 0 calls to, until it ends; returns the exit code."""
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

    def _serve(self, take_part: Callable[[Call], None]) -> None:
        done = 0
        while True:
            number, order = self.newest()
            if number < 0:
                return
            if order is None or number == done:
                time.sleep(POLL_SECONDS)
                continue
            done = number
            call = Call(self, number, order)
            try:
                take_part(call)
            except RestorError as error:
                call.refuse(str(error))


def leading() -> Processes | None:
    """The processes of the environment, for the one that leads them."""
    return Processes.join(os.environ) if launched(os.environ) and os.environ["RANK"] == "0" else None
