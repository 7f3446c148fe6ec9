"""Work on untrusted files in a process of its own: native code there may hang, crash or fill the memory. Torch-free."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, final

SECONDS = 10
"""Of processor time, so that a busy machine changes nothing. A vocabulary of 262,144 tokens takes one."""
PATIENCE = 300
"""Seconds by the clock, for systems without such a limit and for what only sleeps."""
MEMORY = 2 * 2**30
"""Bytes. The same vocabulary takes 0.3 GB."""


@final
class Refused(Exception):
    """What another process could not do, with the reason."""


def ask(module: str, given: Any) -> Any:
    """What another process makes of a JSON value; it runs `module`, which calls `answer`.

    Raises:
        Refused: if it fails, crashes, or needs more than its limits.
    """
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
    variables = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "RUST_BACKTRACE": "0"}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", module, str(SECONDS), str(MEMORY)],
            input=json.dumps(given),
            capture_output=True,
            check=False,
            env={**os.environ, **threads, **variables},
            text=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"it takes more than {PATIENCE} s") from None
    try:
        answered = json.loads(done.stdout)
    except ValueError:
        lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("note: ")]
        said = lines or [f"exit code {done.returncode}"]
        raise Refused(f"it takes more than {SECONDS} s or {MEMORY / 2**30:.0f} GB, or crashes ({said[-1]})") from None
    if "problem" in answered:
        raise Refused(answered["problem"])
    return answered["made"]


def answer(work: Callable[[Any], Any]) -> None:
    """In the other process: does the work within the limits, and answers.

    What raises is the file's fault; its message is the reason.
    """
    seconds, memory = map(int, sys.argv[1:])
    with suppress(ImportError, ValueError, OSError):  # not on every system
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    given = json.load(sys.stdin)
    try:
        answered = {"made": work(given)}
    except BaseException as error:  # noqa: BLE001  a panic of a library in Rust is no Exception
        answered = {"problem": " ".join(str(error).split()) or type(error).__name__}
    sys.stdout.write(json.dumps(answered))
