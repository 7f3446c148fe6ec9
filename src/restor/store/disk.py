"""Files that are either whole or absent, and disk errors in words a user can act on."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from restor.data.text_files import TEMPORARY_PREFIX, replace_file
from restor.errors import StoreError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
DENIED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def store_error(path: Path, error: OSError) -> StoreError:
    """The error of the disk at `path` with advice."""
    where = Path(os.fsdecode(error.filename or path))
    if where.name.startswith(TEMPORARY_PREFIX):
        where = path
    reason = error.strerror or str(error)
    if error.errno in FULL:
        return StoreError(
            f"No room to write {where}: {reason}. Free space or raise the quota; `restor clean` removes what no study "
            "refers to. Then run the same command again: what is finished is kept."
        )
    if error.errno in DENIED:
        return StoreError(
            f"Not allowed to write {where}: {reason}. A store must be a folder that this user can write to: give "
            "write permission, or choose another folder with --store or RESTOR_STORE."
        )
    return StoreError(f"Cannot use {where}: {reason}. Check the path and its disk, then run the same command again.")


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turns an OSError of the block into a StoreError with advice. `path` is named when the error names no file."""
    try:
        yield
    except OSError as error:
        raise store_error(path, error) from error


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Makes sure a file, or the entries of a directory, survive a power cut. Raises OSError."""
    if os.name == "nt":
        return  # Windows refuses fsync here
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, data: bytes | str) -> None:
    """Replaces a file at once: a reader, or a kill at any moment, finds the old or the new one, never a part.

    Raises:
        StoreError: if the disk is full, read-only or otherwise refuses; the old file is then untouched.
    """
    with store_errors(path):
        replace_file(path, data)
        sync(path.parent)
