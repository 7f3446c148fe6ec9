"""Which processes make a study, where they are, and whether they still live. Read from what `restor run` keeps."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import final

from pydantic import ValidationError

from restor.errors import DataError
from restor.progress import RUNNING_PREFIX, Running
from restor.view.study_folders import stamp

MOST_BYTES = 64 * 1024
"""Of a file that tells where a process is."""


class Life(StrEnum):
    """What became of a process."""

    RUNNING = "running"
    UNKNOWN = "on another machine"
    """Whether it lives cannot be seen from here."""
    STOPPED = "stopped"
    FAILED = "failed"


@final
@dataclass(frozen=True, slots=True)
class Process:
    """A process that makes a study, or has tried to."""

    told: Running
    life: Life

    @property
    def live(self) -> bool:
        """Whether it may still be at work."""
        return self.life in (Life.RUNNING, Life.UNKNOWN)

    def age(self, now: datetime) -> float | None:
        """Seconds since it last told anything; None if its clock is not ours."""
        try:
            seconds = (now - datetime.fromisoformat(self.told.updated)).total_seconds()
        except (ValueError, TypeError):
            return None
        return max(seconds, 0.0)


def is_running_file(name: str) -> bool:
    """Whether a file of this name tells where a process is."""
    return name.startswith(RUNNING_PREFIX) and name.endswith(".json")


def read_processes(store: Path, folder: Path, names: Iterable[str]) -> tuple[Process, ...]:
    """The processes of a study, the latest first. A file that cannot be read tells nothing.

    Args:
        store: without links.
        folder: of the study.
        names: of the files that tell.
    """
    processes = []
    for name in names:
        path = folder / name
        try:
            known = stamp(store, path)
            if known is None or known[1] > MOST_BYTES:
                continue
            running = Running.model_validate_json(path.read_bytes())
        except (DataError, OSError, ValidationError):
            continue  # gone in this moment, or of another version
        processes.append(Process(running, _life(running, path.with_suffix(".lock"))))
    return tuple(sorted(processes, key=lambda process: process.told.started, reverse=True))


def _life(running: Running, lock: Path) -> Life:
    held = _held(lock)
    if held:
        return Life.RUNNING
    if running.ended:
        return Life(running.ended)
    # A lock that another machine holds may look free from here.
    return Life.UNKNOWN if held is None or running.host != socket.gethostname() else Life.STOPPED


def _held(lock: Path) -> bool | None:
    """Whether a process holds the lock; None where this cannot be seen. The file is opened for reading only."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return False


def utc_now() -> datetime:
    """Now."""
    return datetime.now(UTC)
