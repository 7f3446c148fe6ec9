"""What several verbs need. Imports nothing heavy."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from restor.words import composed


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


def named_entities(given: Iterable[str], known: Iterable[str]) -> list[str]:
    """The entities that an option names: names, names with commas, or files with a list of them.

    Raises:
        DataError: for a file that cannot be read or is no list of names.
    """
    subjects, found = set(known), []
    for text in given:
        if composed(text) in subjects:  # a name may hold a comma
            found.append(composed(text))
        elif Path(text).is_file():
            found += _listed(Path(text))
        else:
            found += [composed(name.strip()) for name in text.split(",") if name.strip()]
    return list(dict.fromkeys(found))


def _listed(path: Path) -> list[str]:
    """Names from a JSON list, or from a text file with one per line."""
    from restor.data.facts import read_entities
    from restor.data.text_files import read_source

    if path.suffix.lower() != ".txt":
        return list(read_entities(path))
    return [composed(line.strip()) for line in read_source(path).text.splitlines() if line.strip()]
