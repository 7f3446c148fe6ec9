"""Where a run is, kept in a file for `restor view`. Trouble with that file never stops a run."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, final

from filelock import FileLock, Timeout

from restor.data.text_files import TEMPORARY_PREFIX
from restor.errors import RestorError
from restor.progress import RUNNING_PREFIX, Course, Progress, Running

EVERY = 1.0
"""Seconds between two writes."""
MOST_CHARACTERS = 500
"""Of a remark or a reason."""

_TROUBLE = (OSError, RuntimeError, ValueError)
"""A disk that refuses, a thread or a lock that the system does not give, a text that cannot be written."""


@final
class RunningFile(Progress):
    """Tells another progress what it hears, while a thread writes the latest of it to the study's folder.

    A stage may say nothing for minutes and training steps come by the hundred, so the writing is left to a thread.
    """

    def __init__(self, folder: Path, study: Running, inner: Progress, every: float = EVERY) -> None:
        token = secrets.token_hex(4)
        self._folder = folder
        self._file = folder / f"{RUNNING_PREFIX}{token}.json"
        self._temporary = folder / f"{TEMPORARY_PREFIX}{RUNNING_PREFIX}{token}"
        self._lock = FileLock(self._file.with_suffix(".lock"), thread_local=False)
        self._study = study
        self._inner = inner
        self._every = every
        self._course = Course()
        self._note = ""
        self._unwritten = False
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="restor-progress", daemon=True)

    def expect(self, ahead: Mapping[str, int], usual: Mapping[str, float]) -> None:
        """Passed on and kept."""
        with self._guard:
            self._course.expect(ahead, usual)
        self._inner.expect(ahead, usual)

    def begin(self, stage: str, detail: str, number: int, total: int) -> None:
        """Passed on and kept."""
        with self._guard:
            self._course.begin(stage, detail, number, total)
            self._unwritten = True
        self._inner.begin(stage, detail, number, total)

    def advance(self, done: int, total: int, loss: float | None) -> None:
        """Passed on and kept."""
        with self._guard:
            self._course.advance(done, total, loss)
            self._unwritten = True
        self._inner.advance(done, total, loss)

    def end(self, cached: bool, seconds: float) -> None:
        """Passed on and kept."""
        with self._guard:
            self._course.end(cached, seconds)
            self._unwritten = True
        self._inner.end(cached, seconds)

    def fail(self, reason: str) -> None:
        """Passed on and kept."""
        with self._guard:
            self._course.fail()
            self._note = reason or self._note
            self._unwritten = True
        self._inner.fail(reason)

    def note(self, message: str) -> None:
        """Passed on and kept."""
        with self._guard:
            self._note = message
            self._unwritten = True
        self._inner.note(message)

    def open(self) -> None:
        """Begin to write. What processes that are gone have left in the folder is removed."""
        with suppress(*_TROUBLE):
            _sweep(self._folder)
            self._lock.acquire(blocking=False)  # before the file: a file without a held lock is of a process that ended
            self._write()
            self._thread.start()

    def close(self, ended: Literal["", "stopped", "failed"] = "", reason: str = "") -> None:
        """Write no more, and leave nothing, unless there is to tell how it `ended`. The second call does nothing."""
        if self._over.is_set() or os.getpid() != self._study.pid:  # a forked child tells nothing of its parent's run
            return
        self._over.set()
        with suppress(*_TROUBLE):
            if self._thread.is_alive():
                self._thread.join()
            if ended:
                self._write(ended=ended, reason=_short(reason))
            else:
                self._file.unlink(missing_ok=True)
        with suppress(*_TROUBLE):
            _remove_lock(self._lock)

    def _keep(self) -> None:
        while not self._over.wait(self._every):
            if self._unwritten:
                with suppress(*_TROUBLE):
                    self._write()

    def _write(self, **end: str) -> None:
        course = self._course
        with self._guard:
            self._unwritten = False
            content: dict[str, Any] = {
                "updated": now(),
                "stage": course.stage,
                "detail": _short(course.detail),
                "number": course.number,
                "total": course.total,
                "done": course.done,
                "steps": course.steps,
                "loss": course.loss,
                "stage_left": course.stage_left,
                "seconds_left": course.seconds_left,
                "note": _short(self._note),
            }
        # Whole or absent, but not flushed to the disk: after a power cut nothing runs.
        self._temporary.write_text(self._study.model_copy(update=content | end).model_dump_json(), encoding="utf-8")
        os.replace(self._temporary, self._file)


@contextmanager
def running(
    folder: Path,
    progress: Progress,
    *,
    name: str,
    kind: Literal["study", "comparison"],
    protocol: str,
    seeds: Sequence[int],
) -> Iterator[RunningFile]:
    """Keeps in the folder of a study where this process is with it, until the block ends; the yielded progress hears.

    Args:
        folder: of the study, which exists.
        progress: hears the same.
        name: of the study.
        kind: as in the results, like what follows.
        protocol: how it asks.
        seeds: its seeds.
    """
    began = now()
    study = Running(
        study=folder.name,
        name=name,
        kind=kind,
        protocol=protocol,
        seeds=list(seeds),
        pid=os.getpid(),
        host=socket.gethostname(),
        started=began,
        updated=began,
    )
    file = RunningFile(folder, study, progress)
    file.open()
    try:
        yield file
    except Exception as error:
        file.close("failed", str(error) if isinstance(error, RestorError) else f"{type(error).__name__}: {error}")
        raise
    except BaseException:  # Ctrl-C
        file.close("stopped")
        raise
    else:
        file.close()


def now() -> str:
    """UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _short(text: str) -> str:
    text = text.encode("utf-8", "replace").decode("utf-8")  # half a character can be in no file
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


def _sweep(folder: Path) -> None:
    """Removes what processes that are gone have left."""
    for file in folder.glob(f"{RUNNING_PREFIX}*.json"):
        lock = FileLock(file.with_suffix(".lock"))
        with suppress(Timeout, *_TROUBLE):
            lock.acquire(blocking=False)
            file.unlink(missing_ok=True)
            _remove_lock(lock)
    for left in folder.glob(f"{TEMPORARY_PREFIX}{RUNNING_PREFIX}*"):
        if not (folder / f"{left.name.removeprefix(TEMPORARY_PREFIX)}.json").exists():
            left.unlink(missing_ok=True)


def _remove_lock(lock: FileLock) -> None:
    """Releases it for good: its name is random and nobody will want it again."""
    lock.release()
    Path(lock.lock_file).unlink(missing_ok=True)
