"""Measures the promises of speed and size: a first run, a cached one, three seeds, `--help`, and the memory.

    python benchmarks/limits.py

Every row is a process of its own, timed from outside, on a store of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESTOR = [sys.executable, "-m", "restor.cli.main"]


def timed(arguments: list[str], store: Path) -> tuple[float, float]:
    """Seconds and peak memory (GB) of one command."""
    environment = {**os.environ, "RESTOR_STORE": str(store)}
    began = time.perf_counter()
    process = subprocess.Popen(
        [*RESTOR, *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"restor {' '.join(arguments)} failed with status {status}")
    return time.perf_counter() - began, usage.ru_maxrss / 2**20


def main() -> None:
    """Run everything in order and print the table."""
    print("| what | at most | measured | peak memory |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        timed(["--help"], store)  # byte code is compiled once
        for label, limit, arguments in (
            ("`restor --help`", "0.3 s", ["--help"]),
            ("`restor run`, one seed", "180 s", ["run"]),
            ("the same again, all cached", "5 s", ["run"]),
            ("`restor run --seeds 3`, on an empty store", "480 s", ["run", "--seeds", "3"]),
        ):
            place = Path(folder) / "fresh" if "--seeds" in arguments else store
            seconds, memory = timed(arguments, place)
            print(f"| {label} | {limit} | {seconds:.2f} s | {memory:.2f} GB |", flush=True)


if __name__ == "__main__":
    main()
