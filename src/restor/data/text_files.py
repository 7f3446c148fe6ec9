"""Files of facts and documents: read as text, parsed with line numbers, written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, final

from restor.errors import DataError
from restor.faults import reading
from restor.untrusted import read_bytes, whole_number

T = TypeVar("T")

TEMPORARY_PREFIX = ".restor-"
"""Files of this prefix are half-written leftovers of a killed process; nothing reads them."""


# What is wrong -------------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a file: in which line (from 1), in which field or record, and what."""

    path: Path
    line: int | None
    where: str
    what: str

    def __str__(self) -> str:
        place = f"{self.path}, line {self.line}" if self.line is not None else f"{self.path}"
        return f"{place}: {self.where}: {self.what}" if self.where else f"{place}: {self.what}"


@final
@dataclass(slots=True)
class Findings:
    """What is found while a file is read: what is wrong (`problems`) and what is odd but usable (`notes`)."""

    path: Path
    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    lines: dict[str | int, int | None] = field(default_factory=dict)
    """Where each good record begins, by the key of a fact, the name of an entity or the number of a passage (from 1);
    None where the places were not kept."""

    def bad(self, line: int | None, where: str, what: str) -> None:
        """Add a problem."""
        self.problems.append(Finding(self.path, line, where, what))

    def note(self, line: int | None, where: str, what: str) -> None:
        """Add a note."""
        self.notes.append(Finding(self.path, line, where, what))


@final
class BadFile(DataError):
    """A file with problems; the message shows the first few, `problems` has them all."""

    def __init__(self, path: Path, problems: Sequence[Finding], shown: int = 5) -> None:
        self.problems = tuple(problems)
        if len(problems) == 1:
            super().__init__(f"{problems[0]} Mend it, or give another file.")
            return
        lines = [f"  {problem}" for problem in problems[:shown]]
        if len(problems) > shown:
            lines.append(f"  ... `restor data check {path}` shows all.")
        super().__init__("\n".join([f"{path} has {len(problems):,} problems:", *lines]))


# Reading -------------------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Source:
    """The text of a file, without a byte order mark, and the SHA-256 of its bytes, 64 hex digits."""

    path: Path
    text: str
    sha256: str


def read_source(path: Path) -> Source:
    """Read a UTF-8 file.

    Raises:
        DataError: for a file that is missing, a folder or unreadable.
        BadFile: for one that is not UTF-8, naming the line.
    """
    try:
        content = read_bytes(path, most=None)
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}. Check the path.") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder. Give a file.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read: {reason}. Check the path and its rights.") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Finding(path, line, "", f"byte {error.start} is not UTF-8 text. Save the file in that encoding.")
        raise BadFile(path, [problem]) from error
    if (place := text.find("\0")) >= 0:
        problem = Finding(path, text.count("\n", 0, place) + 1, "", f"{NUL} Save the file as UTF-8 text.")
        raise BadFile(path, [problem])
    return Source(path, text, hashlib.sha256(content).hexdigest())


NUL = "holds a NUL character (\\u0000), which no text has: it is damaged, or was saved in another encoding."
_HALF = re.compile("[\ud800-\udfff]")


def text_problem(value: Any, *, one_line: bool = False) -> str | None:
    """What is wrong with a value that must be a text with at least one visible character; None if nothing is."""
    if not isinstance(value, str):
        return f"must be text in quotes, is {kind_of(value)}."
    if not value.strip():
        return "is empty."
    if "\0" in value:
        return NUL
    if _HALF.search(value):
        return "holds half a character (a lone surrogate such as \\ud800)."
    if one_line and ("\n" in value or "\r" in value):
        return "holds a line break, which would end the line of a prompt. Put it on one line."
    return None


def kind_of(value: Any) -> str:
    """The kind of a JSON value in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    kinds: dict[type, str] = {str: "text", dict: "an object", list: "a list"}
    return kinds.get(type(value), "a number")


def read_checked(path: Path, read: Callable[[Path, bool], tuple[T | None, Findings]]) -> T:
    """What a reader makes of a file; where there is a problem it reads again for the lines, which takes long.

    Args:
        path: the file, or a folder of them.
        read: gets the path and whether to keep the lines.

    Raises:
        DataError: for a file that cannot be read.
        BadFile: naming the first bad records and how many there are.
    """
    with reading(path):
        content, findings = read(path, False)
        if findings.problems:
            content, findings = read(path, True)
    if findings.problems or content is None:
        raise BadFile(path, findings.problems)
    return content


# JSON with places ----------------------------------------------------------------------------------------------------


@final
class Json:
    """A JSON value. A *placed* one knows the line of each part, and every value of a repeated key."""

    def __init__(self, value: Any) -> None:
        self.value = value
        # By identity, of containers that `value` keeps alive: where it begins and where its parts do.
        self.lines: dict[int, tuple[int, dict[str, int] | list[int]]] = {}
        self.again: dict[int, list[tuple[str, Any, int]]] = {}

    def line(self, container: dict[str, Any] | list[Any], key: str | int | None = None) -> int | None:
        """The line of a part, or of the container if it has no such part; None where nothing is placed."""
        if id(container) not in self.lines:
            return None
        begins, parts = self.lines[id(container)]
        if isinstance(parts, dict):
            return parts.get(key, begins) if isinstance(key, str) else begins
        return parts[key] if isinstance(key, int) and key < len(parts) else begins

    def items(self, container: dict[str, Any]) -> Iterator[tuple[str, Any, int | None]]:
        """Key, value and line of every pair of an object, those of repeated keys too."""
        for key, value in container.items():
            yield key, value, self.line(container, key)
        yield from self.again.get(id(container), ())


def parse_json(text: str, findings: Findings, *, line: int = 1, placed: bool = False) -> Json | None:
    """Parse a JSON text that begins in `line` of its file; None if it is not JSON, which is a problem.

    Repeated keys are a problem too. Places cost about ten times as long; without them a line is None.
    """
    repeats = False

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeats
        made = dict(members)
        repeats = repeats or len(made) < len(members)
        return made

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_int=whole_number)
    except json.JSONDecodeError as error:
        findings.bad(line + error.lineno - 1, "", f"not JSON: column {error.colno}: {error.msg}.")
    except RecursionError:
        findings.bad(line, "", "not usable JSON: nested too deeply.")
    except ValueError as error:
        findings.bad(line, "", f"not usable JSON: {error}.")
    else:
        return _place(text, findings, line) if placed or repeats else Json(value)
    return None


_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]|[^\s{}\[\],:"]+')


@final
@dataclass(slots=True)
class _Frame:
    """A container that is being read: where its parts begin, and which part comes next."""

    container: Any
    parts: Any
    key: str | None = None


def _place(text: str, findings: Findings, line: int) -> Json:
    """Parse again what is known to be JSON, keeping lines and repeated keys. Not recursive."""
    placed = Json(None)
    around: list[_Frame] = []
    last = 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", last, match.start())
        last, token = match.start(), match.group()
        if token in "}]":
            around.pop()
            if around:
                around[-1].key = None
            continue
        frame = around[-1] if around else None
        if frame is not None and frame.key is None:
            if isinstance(frame.container, dict):
                key = frame.key = str(json.loads(token))
                if key in frame.container:
                    where = " > ".join(str(outer.key) for outer in around)
                    what = f"the key is given twice, first in line {frame.parts[key]}. Keep one."
                    findings.bad(line, where, what)
                    placed.again.setdefault(id(frame.container), []).append((key, None, line))
                else:
                    frame.parts[key] = line
                continue
            frame.key = str(len(frame.container) + 1)
        value: Any = {} if token == "{" else [] if token == "[" else json.loads(token)
        if frame is None:
            placed.value = value
        elif isinstance(frame.container, list):
            frame.parts.append(line)
            frame.container.append(value)
        elif frame.key in frame.container:
            again = placed.again[id(frame.container)]
            again[-1] = (again[-1][0], value, again[-1][2])
        else:
            frame.container[frame.key] = value
        if token in "{[":
            parts: Any = {} if token == "{" else []
            placed.lines[id(value)] = (line, parts)
            around.append(_Frame(value, parts))
        elif frame is not None:
            frame.key = None
    return placed


# Writing -------------------------------------------------------------------------------------------------------------


def write_atomic(path: Path, data: bytes | str) -> None:
    """Replaces a file at once, see `replace_file`.

    Raises:
        DataError: if the disk is full, read-only or otherwise refuses; the old file is then untouched.
    """
    try:
        replace_file(path, data)
    except OSError as error:
        raise write_error(path, error) from error


def replace_file(path: Path, data: bytes | str) -> None:
    """Replaces a file at once: a reader, or a kill at any moment, finds the old or the new one, never a part.

    Raises OSError; the old file is then untouched.
    """
    sweep(path.parent)
    # Not tempfile: its files are private to the user, and a folder may be shared.
    temporary = temporary_beside(path)
    try:
        with temporary.open("xb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def temporary_beside(path: Path) -> Path:
    """Where this process may write what becomes `path`: a new name in its folder, which says whose it is."""
    return path.with_name(f"{TEMPORARY_PREFIX}{_this_host()}-{os.getpid()}-{secrets.token_hex(8)}.tmp")


def sweep(folder: Path) -> None:
    """Remove what killed processes have half written in a folder. What others still write, on any machine, stays."""
    for left in folder.glob(f"{TEMPORARY_PREFIX}*.tmp"):
        if not _may_be_written(left):
            with suppress(OSError):
                shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()


FORGOTTEN_SECONDS = 24 * 3600
"""Nobody writes one file for so long: how leftovers of processes on other machines are told."""


def _may_be_written(left: Path) -> bool:
    named = re.fullmatch(rf"{re.escape(TEMPORARY_PREFIX)}([0-9a-f]{{8}})-([0-9]{{1,9}})-[0-9a-f]{{16}}\.tmp", left.name)
    if named is not None and named[1] == _this_host():
        return _is_alive(int(named[2]))
    try:
        return time.time() - left.lstat().st_mtime < FORGOTTEN_SECONDS
    except OSError:
        return False  # gone by now


def _is_alive(pid: int) -> bool:
    if os.name == "nt":
        return True  # no harmless way to ask without another library
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _this_host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def write_error(path: Path, error: OSError) -> DataError:
    """The error of a disk that refuses to write `path`, with advice."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DataError(f"No room to write {path}: {reason}. Free space or raise the quota, then run it again.")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return DataError(f"Not allowed to write {path}: {reason}. Give write permission, or choose another place.")
    if error.errno == errno.ENOENT:
        return DataError(f"Cannot write {path}: its folder does not exist. Make it, or choose another place.")
    return DataError(f"Cannot write {path}: {reason}. Check the path and its disk.")
