"""Brings released files into a folder: from the web, continuing what broke off, or from a copy on disk.

A file stands under its name only when its content is the released one. What has arrived of the others stands beside
it as NAME.part.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from io import FileIO
from pathlib import Path
from typing import final
from urllib.parse import quote

from restor.data.published import SOURCE, PublishedFile, what_is_wrong
from restor.errors import DataError
from restor.progress import Progress, Silent
from restor.web import NETWORK_ERRORS, Failure, check_url, failure, open_url

DELAYS = (1.0, 2.0, 4.0, 8.0)
"""Seconds between tries; a try that brings something starts them anew."""
LONGEST_WAIT = 60.0
"""Seconds; a server that asks to wait longer ends the fetch."""
LARGEST = 1 << 28
"""Bytes beyond which a file of unknown size is not read on."""

PART = ".part"
_CHUNK = 1 << 16


@final
@dataclass(frozen=True, slots=True)
class FetchReport:
    """What was done. Every file that was asked for is in the folder and right."""

    folder: Path
    present: tuple[str, ...]
    """Paths of the files that were there already."""
    fetched: tuple[str, ...]
    """Paths of the files that were brought."""
    size: int
    """Bytes that were read from the web or the copy."""


@final
class _FileFailed(Exception):
    """One file could not be had; `everywhere` when there is no use in trying the others."""

    def __init__(self, message: str, everywhere: bool = False) -> None:
        super().__init__(message)
        self.everywhere = everywhere


@final
class _BrokenOff(Exception):
    """Fewer bytes came than were announced."""


def fetch(
    files: Sequence[PublishedFile],
    base_url: str,
    folder: Path,
    progress: Progress | None = None,
    *,
    delays: Sequence[float] = DELAYS,
    sleep: Callable[[float], None] = time.sleep,
    timeout: float = 30.0,
) -> FetchReport:
    """Download what is not there yet. `timeout`: seconds without a byte.

    Raises:
        DataError: naming each file that could not be had, or the network or the disk. What has arrived is kept.
    """
    base = check_url(base_url)

    def bring(file: PublishedFile, target: Path, tell: Progress) -> int:
        url = f"{base}/{quote(file.url_path)}"
        return _Download(file, url, target, tell, delays, sleep, timeout).run()

    advice = (
        "Try again later: what has arrived is kept. Without network: copy the files from a machine that has one "
        f"(`git clone {SOURCE}`), then `restor data fetch restor --from DIR`."
    )
    return _bring_all(files, folder, progress or Silent(), bring, "fetched", advice)


def copy_from(
    files: Sequence[PublishedFile], source: Path, folder: Path, progress: Progress | None = None
) -> FetchReport:
    """Copy what is not there yet from `source`, in whose folders the files are found by name and content.

    Raises:
        DataError: naming each file that is not below `source`, or the disk. What was found is kept.
    """
    if not source.is_dir():
        what = "is not a folder" if source.exists() else "does not exist"
        raise DataError(f"{source} {what}. --from takes a folder that has the released files somewhere below it.")
    places = _by_name(source, {file.name for file in files})

    def bring(file: PublishedFile, target: Path, tell: Progress) -> int:
        return _copy(file, places.get(file.name, []), source, target)

    advice = "The others are kept. Download these by the same command without --from, or leave them out with --only."
    return _bring_all(files, folder, progress or Silent(), bring, f"found below {source}", advice)


# All files -----------------------------------------------------------------------------------------------------------


def _bring_all(
    files: Sequence[PublishedFile],
    folder: Path,
    progress: Progress,
    bring: Callable[[PublishedFile, Path, Progress], int],
    done: str,
    advice: str,
) -> FetchReport:
    present: list[str] = []
    fetched: list[str] = []
    failed: list[str] = []
    size = 0
    with _disk(folder):
        if all(_is_there(file, folder / file.path) for file in files):  # nothing to write: the folder may be read-only
            return FetchReport(folder, tuple(file.path for file in files), (), 0)
    with _alone(folder, progress):
        for number, file in enumerate(files, 1):
            target = folder / file.path
            begun = time.monotonic()
            progress.begin("fetch", file.path, number, len(files))
            with _disk(target):
                there = _is_there(file, target)
                if not there:
                    if target.exists():
                        progress.note(f"{target} is damaged: {what_is_wrong(file, target)}. It is fetched again.")
                        target.unlink()
                    target.parent.mkdir(parents=True, exist_ok=True)
            if there:
                present.append(file.path)
            else:
                try:
                    size += bring(file, target, progress)
                    fetched.append(file.path)
                except _FileFailed as error:
                    if error.everywhere:
                        raise DataError(f"{error}. {advice}") from error
                    failed.append(f"{file.path}: {error}")
                    progress.note(f"{file.path} could not be {done}.")
                    continue
            progress.end(there, time.monotonic() - begun)
    if failed:
        total = f"{len(failed)} of {len(files)} files" if len(files) > 1 else "1 file"
        lines = "".join(f"\n  {line}" for line in failed)
        raise DataError(f"{total} could not be {done}:{lines}\n{advice}")
    return FetchReport(folder, tuple(present), tuple(fetched), size)


def _is_there(file: PublishedFile, target: Path) -> bool:
    """Whether the target is a file with the released content. Raises OSError."""
    return target.is_file() and what_is_wrong(file, target) is None


@contextmanager
def _alone(folder: Path, progress: Progress) -> Iterator[None]:
    """Two processes must not write the same part."""
    from filelock import FileLock, Timeout

    with _disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress.note(f"Another process is fetching to {folder}: waiting for it.")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Turns an OSError of the block into advice. Nothing that reads from the network may stand in the block."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        reason = error.strerror or str(error)
        elsewhere = "set RESTOR_DATA to a folder on another disk"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            message = f"No room to write {where}: {reason}. Free space or {elsewhere}, then run the same command again"
            raise DataError(f"{message}: what has arrived is kept.") from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            message = f"Not allowed to write {where}: {reason}. Give write permission, or set RESTOR_DATA to a folder"
            raise DataError(f"{message} that this user can write to.") from error
        raise DataError(f"Cannot use {where}: {reason}. Check the path and its disk, or {elsewhere}.") from error


def _put_in_place(part: Path, target: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(part, target)


# From the web --------------------------------------------------------------------------------------------------------


@final
@dataclass(slots=True)
class _Download:
    """One file, read on and on until it is whole."""

    file: PublishedFile
    url: str
    target: Path
    progress: Progress
    delays: Sequence[float]
    sleep: Callable[[float], None]
    timeout: float
    read: int = 0
    """Bytes, in all requests."""
    pieces: int = 0
    """Requests, of this call and earlier ones, that what has arrived is from."""

    @property
    def part(self) -> Path:
        """Where the file grows."""
        return self.target.with_name(self.target.name + PART)

    def run(self) -> int:
        """The bytes read.

        Raises:
            _FileFailed: after the last try, or if trying again is no use.
            DataError: if the disk refuses.
        """
        with _disk(self.part):
            if self.part.exists():
                self.pieces = 1
                if what_is_wrong(self.file, self.part) is None:  # stopped just before the end
                    _put_in_place(self.part, self.target)
                    return 0
        self._read_all()
        wrong = self._wrong()
        if wrong is not None and self.pieces > 1:
            # Any of the pieces may be the bad one, and the first may be from another day.
            self.progress.note(f"{self.file.path}: its pieces do not fit ({wrong}); reading it from the start.")
            self._discard()
            self._read_all()
            wrong = self._wrong()
        if wrong is not None:
            page = self._looks_like_a_page()
            self._discard()
            reason = ": a web page came instead, perhaps of a proxy or a login" if page else ""
            raise _FileFailed(f"wrong content from {self.url}{reason}: {wrong}. Nothing of it was kept")
        with _disk(self.target):
            _put_in_place(self.part, self.target)
        return self.read

    def _wrong(self) -> str | None:
        with _disk(self.part):
            return what_is_wrong(self.file, self.part)

    def _discard(self) -> None:
        with _disk(self.part):
            self.part.unlink(missing_ok=True)
        self.pieces = 0

    def _looks_like_a_page(self) -> bool:
        with _disk(self.part), self.part.open("rb") as file:
            return file.read(256).lstrip().lower().startswith((b"<!doctype", b"<html"))

    def _size(self) -> int:
        with _disk(self.part):
            return self.part.stat().st_size if self.part.exists() else 0

    def _read_all(self) -> None:
        """Read until the announced end, in as many requests as it takes."""
        furthest, tries = self._size(), 0
        while True:
            try:
                self._read_on()
                return
            except _BrokenOff as error:
                why = Failure(str(error), again=True)
            except NETWORK_ERRORS as error:
                why = failure(error)
                if why.status == 416:  # the part is longer than the file
                    self._discard()
                    why = Failure(why.what, again=True)
            if self._size() > furthest:
                furthest, tries = self._size(), 0
            if not why.again or tries >= len(self.delays):
                raise _FileFailed(f"{self.url}: {why.what}", why.everywhere)
            wait = max(self.delays[tries], why.wait or 0.0)
            if wait > LONGEST_WAIT:
                raise _FileFailed(f"{self.url}: {why.what}, to be tried again in {wait:.0f} s", everywhere=True)
            tries += 1
            self.progress.note(f"{self.file.path}: {why.what}; trying again in {wait:g} s.")
            self.sleep(wait)

    def _read_on(self) -> None:
        """One request, for what is missing.

        Raises:
            _BrokenOff: if it ends early.
            OSError, HTTPException: of the network.
            DataError: of the disk.
        """
        start = self._size()
        headers = {"Range": f"bytes={start}-"} if start else {}
        with open_url(self.url, headers, self.timeout) as reply:
            if start and not _continues(reply, start):
                start = 0  # this server sends the whole file
            announced = reply.headers.get("Content-Length")
            total = start + int(announced) if announced and announced.isdigit() else self.file.size
            self.pieces = self.pieces + 1 if start else 1
            with _disk(self.part):
                # Unbuffered: a disk that refuses is noticed here, and not by the network's handlers when closing.
                sink = self.part.open("ab" if start else "wb", buffering=0)
            with sink:
                done = self._receive(reply, sink, start, total)
        if total is not None and done < total:
            raise _BrokenOff(f"broke off after {done:,} of {total:,} bytes")

    def _receive(self, reply: HTTPResponse, sink: FileIO, start: int, total: int | None) -> int:
        most = self.file.size if self.file.size is not None else LARGEST
        done = start
        while done <= most and (content := reply.read1(_CHUNK)):
            with _disk(self.part):
                left = memoryview(content)
                while left:
                    left = left[sink.write(left) :]
            done += len(content)
            self.read += len(content)
            self.progress.advance(done // 1000, max(total or 0, done) // 1000, None)
        return done


def _continues(reply: HTTPResponse, start: int) -> bool:
    span = re.match(r"bytes (\d+)-", reply.headers.get("Content-Range", ""))
    return reply.status == 206 and span is not None and int(span[1]) == start


# From a copy ---------------------------------------------------------------------------------------------------------


def _by_name(source: Path, names: set[str]) -> dict[str, list[Path]]:
    """The files of some names below a folder, in order of path."""
    places: dict[str, list[Path]] = {}
    for folder, _, here in os.walk(source):
        for name in names.intersection(here):
            places.setdefault(name, []).append(Path(folder, name))
    return {name: sorted(paths) for name, paths in places.items()}


def _copy(file: PublishedFile, places: Iterable[Path], source: Path, target: Path) -> int:
    """The bytes copied.

    Raises:
        _FileFailed: if no file of that name has the released content.
    """
    others = []
    part = target.with_name(target.name + PART)
    for place in places:
        try:
            wrong = what_is_wrong(file, place)
        except OSError as error:
            wrong = f"it cannot be read ({error.strerror})"
        if wrong is not None:
            others.append(f"{place} is not it: {wrong}")
            continue
        with _disk(part):
            shutil.copyfile(place, part)
            _put_in_place(part, target)
            return target.stat().st_size
    raise _FileFailed("; ".join(others) or f"there is no {file.name} below {source}")
