"""How many CPU threads to compute with: measured once per store, since on a busy machine two can be slower than one."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from restor.errors import StoreError
from restor.pipeline.files import write_atomic
from restor.untrusted import json_value, read_text


def remembered_threads(store: Path) -> int:
    """The store's number of threads; the first call measures and remembers it.

    The same number every time keeps results equal to the last bit on one machine.

    Raises:
        StoreError: if the remembered number cannot be read.
    """
    path = store / "threads.json"
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
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    before = torch.get_num_threads()
    timed: dict[int, float] = {}
    try:
        for count in sorted({1, max(1, cores // 2), cores}):
            torch.set_num_threads(count)
            timed[count] = min(_seconds() for _ in range(3))
    finally:
        torch.set_num_threads(before)
    return min(timed, key=lambda count: (timed[count], count))


def _seconds() -> float:
    """A few matrix products and elementwise passes of a small model's size."""
    import torch

    left, right = torch.ones(1024, 128), torch.ones(128, 384)
    began = time.perf_counter()
    for _ in range(20):
        torch.nn.functional.silu(left @ right).sum()
    return time.perf_counter() - began
