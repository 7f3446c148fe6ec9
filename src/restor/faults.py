"""Errors that nobody foresaw, in words: whose code failed and where, and what was being read at that time."""

from __future__ import annotations

import difflib
import errno
import linecache
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from restor.errors import ChatError, CodeError, RestorError, StoreError, TrainingError

OWN_MODULE = "restor_own_"
"""How the name of a module begins that is a file of the user's own."""

_READ = "while reading "
_LONGEST = 400
_NO_MEMORY = "can't allocate memory"


@contextmanager
def reading(what: object) -> Iterator[None]:
    """Whatever goes wrong within the block says that `what` was being read: a file, or a part of one."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"{_READ}{what}")
        raise


def what_was_read(error: BaseException) -> str | None:
    """The innermost that `reading` knows of; None if nothing was being read."""
    notes = getattr(error, "__notes__", ())
    return next((note.removeprefix(_READ) for note in notes if note.startswith(_READ)), None)


@contextmanager
def own_code() -> Iterator[None]:
    """Turns what code of the user's own raises within the block into a CodeError that says where."""
    try:
        yield
    except (CodeError, TrainingError, StoreError, ChatError):  # these know better whose fault it is
        raise
    except (Exception, SystemExit) as error:
        if is_shortage(error) or (user_error := own_code_error(error)) is None:
            raise
        raise user_error from error


def own_code_error(error: BaseException) -> CodeError | None:
    """The error in the user's own words, if code of their own, or of a package that adds entries, was running."""
    packages: set[str] | None = None
    cause: BaseException | None = error
    while cause is not None:
        for frame, line in reversed(list(traceback.walk_tb(cause.__traceback__))):
            module = str(frame.f_globals.get("__name__", ""))
            if not module.startswith((OWN_MODULE, "restor.")):
                packages = _packages() if packages is None else packages
            if module.startswith(OWN_MODULE) or (packages and module.partition(".")[0] in packages):
                return CodeError(f"{_place(frame, line)}: {_told(cause, frame, line)}")
        cause = cause.__cause__
    return None


def _packages() -> set[str]:
    """The top modules of the installed packages that add entries."""
    from importlib.metadata import entry_points

    groups = (group for group in entry_points().groups if group.startswith("restor."))
    points = (point for group in groups for point in entry_points(group=group))
    return {point.module.partition(".")[0] for point in points} - {"restor"}


def _place(frame: FrameType, line: int) -> str:
    path = Path(frame.f_code.co_filename)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    function = frame.f_code.co_name
    return f"{shown}, line {line}" + ("" if function == "<module>" else f", in {function}")


def _told(error: BaseException, frame: FrameType, line: int) -> str:
    if isinstance(error, RestorError):
        return str(error)
    if not str(error).strip():  # such as an assertion without words
        source = linecache.getline(frame.f_code.co_filename, line).strip()
        return f"{type(error).__name__}{f' ({source})' if source else ''}."
    return f"{one_line(error)}.{_did_you_mean(error)}"


def one_line(error: BaseException) -> str:
    """The kind of an error and what it says, on one line and not long."""
    said = " ".join(str(error).split()).rstrip(".")
    said = said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _did_you_mean(error: BaseException) -> str:
    """Newer versions of Python say it in a traceback only."""
    if not isinstance(error, AttributeError) or not error.name:
        return ""
    near = difflib.get_close_matches(error.name, dir(error.obj), n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else ""


def is_shortage(error: BaseException) -> bool:
    """Whether memory or the disk has run out, which is nobody's mistake."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    # By name, for torch is not to be imported here.
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or _NO_MEMORY in str(error)
