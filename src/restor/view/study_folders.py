"""What lies inside a store, and nothing else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, final

from restor.errors import DataError

Stamp: TypeAlias = tuple[int, int, int]
"""When the content last changed, bytes, and when anything of the file last changed, its rights among it; nanoseconds. A
file with the same stamp is not read again."""


@final
@dataclass(frozen=True, slots=True)
class StudyFolder:
    """A folder of `STORE/studies`."""

    id: str
    path: Path
    """Without links."""
    changed: int
    """When entries of the folder last changed, nanoseconds."""


def study_folders(store: Path) -> Iterator[StudyFolder | DataError]:
    """The folders of the studies, in any order; instead of one that leads out of the store, why it is left alone.

    Args:
        store: without links.

    Raises:
        DataError: if `studies` itself leads out of the store or cannot be read.
    """
    studies = store / "studies"
    try:
        if not studies.exists():
            return
        entries = list(os.scandir(inside(store, studies)))
    except OSError as error:
        raise DataError(f"{studies} cannot be read: {error.strerror}.") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = studies / entry.name
        try:
            if entry.is_symlink():
                path = inside(store, path)
            state = path.stat()
            if stat.S_ISDIR(state.st_mode):
                yield StudyFolder(entry.name, path, state.st_mtime_ns)
        except OSError:
            continue  # removed in this moment, or a link that leads nowhere
        except DataError as error:
            yield DataError(f"{entry.name}: {error}")


def inside(store: Path, path: Path) -> Path:
    """The path without links.

    Raises:
        DataError: if it leads out of the store.
        OSError: if there is nothing.
    """
    real = path.resolve(strict=True)
    if not real.is_relative_to(store):
        raise DataError(f"{path.name} is a link that leads out of the store, so it is not followed.")
    return real


def stamp(store: Path, path: Path) -> Stamp | None:
    """The stamp of a file of the store; None where there is none.

    Raises:
        DataError: if it leads out of the store, or is no file.
    """
    try:
        state = path.lstat()
        if stat.S_ISLNK(state.st_mode):
            state = inside(store, path).stat()
    except OSError:
        return None
    if not stat.S_ISREG(state.st_mode):
        raise DataError(f"{path.name} is not a file.")
    return state.st_mtime_ns, state.st_size, state.st_ctime_ns
