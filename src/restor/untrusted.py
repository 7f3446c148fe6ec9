"""Files that others wrote, read within limits: every fault of their JSON is one kind of error."""

from __future__ import annotations

import errno
import json
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MOST_BYTES = 2**29
"""Of a file that is read as a whole."""
MOST_DIGITS = 40
"""Of a whole number. Published tokenizers have a longest text of 10^30 tokens; nothing is larger on purpose."""
DEEPEST = 100
"""Levels of lists and objects: deeper ones exhaust the stack of whatever walks them."""


def read_bytes(path: Path, most: int | None = MOST_BYTES) -> bytes:
    """What is in a file of at most so many bytes; None: of any size.

    Raises:
        OSError: if it cannot be read, is larger, or is no regular file: a pipe would let us wait for ever.
        ValueError: for a path that no file can have.
    """
    state = path.stat()
    if not stat.S_ISREG(state.st_mode) and not stat.S_ISDIR(state.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    if most is not None and state.st_size > most:
        raise OSError(errno.EFBIG, f"{state.st_size:,} bytes, of which at most {most:,} are read", str(path))
    return path.read_bytes()


def read_text(path: Path) -> str:
    """The text of a file in UTF-8. Raises OSError and ValueError as `read_bytes`."""
    return read_bytes(path).decode("utf-8")


def json_value(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: if it is not JSON, nested too deeply, or has a number of very many digits.
    """
    try:
        value = json.loads(text, parse_int=whole_number)
    except RecursionError:
        raise too_deep() from None
    check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Make sure that a JSON value can be walked.

    Raises:
        ValueError: if it is nested too deeply.
    """
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        level = [part for container in level for part in _parts(container) if isinstance(part, dict | list)]
        if not level:
            return
    raise too_deep()


def too_deep() -> ValueError:
    """The error for lists and objects within each other beyond `DEEPEST`."""
    return ValueError(f"nested too deeply, at most {DEEPEST} levels are read")


def whole_number(digits: str) -> int:
    """The number that some digits are. Raises ValueError for very many."""
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"the number {digits[:12]}... has {len(digits):,} digits, at most {MOST_DIGITS} are read")
    return int(digits)


def _parts(container: Any) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container if isinstance(container, list) else ()
