"""What several verbs need. Imports nothing heavy."""

from __future__ import annotations

import os
from pathlib import Path


def default_store() -> Path:
    """The store if none is named: the environment variable RESTOR_STORE, else `restor-store` in this directory."""
    return Path(os.environ.get("RESTOR_STORE") or "restor-store")


def size(amount: int) -> str:
    """Bytes for people: 512 B, 1.5 KB, 3.2 GB; a KB is 1000 bytes."""
    if amount < 1000:
        return f"{amount} B"
    scaled = float(amount)
    for unit in ("KB", "MB", "GB"):
        scaled /= 1000
        if scaled < 999.95:
            return f"{scaled:.1f} {unit}"
    return f"{scaled / 1000:.1f} TB"


def short(key: str) -> str:
    """The part of a stage's key that people need to tell it from others."""
    return key[:8]


def count(number: int, one: str, more: str) -> str:
    """`1 study`, `2 studies`."""
    return f"{number} {one if number == 1 else more}"
