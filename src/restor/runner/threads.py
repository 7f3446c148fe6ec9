"""How many CPU threads to compute with: measured once per store, since on a busy machine two can be slower than one."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from statistics import median

from filelock import FileLock

from restor.errors import StoreError
from restor.store.disk import store_errors, write_atomic
from restor.untrusted import json_value, read_text


def remembered_threads(store: Path) -> int:
    """The store's number of threads; the first call measures and remembers it.

    The same number every time keeps results equal to the last bit on one machine.

    Raises:
        StoreError: if the remembered number cannot be read.
    """
    path = store / "threads.json"
    with store_errors(path), FileLock(store / "locks" / "threads.lock"):  # two that begin together agree
        if not path.exists():
            write_atomic(path, json.dumps({"threads": fastest_threads()}) + "\n")
    try:
        threads = json_value(read_text(path))["threads"]
        if not isinstance(threads, int) or threads < 1:
            raise ValueError(threads)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is garbled: {error}. Remove it, and the next run measures again.") from error
    return threads


def fastest_threads() -> int:
    """Time small training-like steps with one thread, half of the cores and all of them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    timed = {count: min(_times(count)) for count in sorted({1, max(1, cores // 2), cores})}
    return min(timed, key=lambda count: (timed[count], count))


def slowdown(threads: int) -> float:
    """How many times as long as with one thread the same takes with several at the moment: below 1 on free cores."""
    return median(_times(threads)) / min(_times(1))


def _times(threads: int) -> list[float]:
    """Seconds of the same work, three times over, with so many threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return [_seconds() for _ in range(3)]
    finally:
        torch.set_num_threads(before)


def _seconds() -> float:
    """A few matrix products and elementwise passes of a small model's size."""
    import torch

    left, right = torch.ones(1024, 128), torch.ones(128, 384)
    began = time.perf_counter()
    for _ in range(20):
        torch.nn.functional.silu(left @ right).sum()
    return time.perf_counter() - began
