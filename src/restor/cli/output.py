"""Where text reaches the terminal: nothing that a file, a model or an endpoint says can act on it there.

`main` puts `safe_streams` around every verb, so whatever writes to stdout or stderr is covered, libraries too. Rich
writes its own colours, so it has the stream behind them, and a console that escapes what it is given.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast, final

from restor.text import escaped

if TYPE_CHECKING:
    from rich.console import Console


@contextmanager
def safe_streams() -> Iterator[None]:
    """Within the block, stdout and stderr write controls, direction marks and half characters as `\\u001b`."""
    with ExitStack() as stack:
        stack.enter_context(_lossless(sys.stdout))
        stack.enter_context(redirect_stdout(cast(TextIO, _Escaping(sys.stdout))))
        stack.enter_context(redirect_stderr(cast(TextIO, _Escaping(sys.stderr))))
        yield


def safe_console(*, stderr: bool = False, soft_wrap: bool = False) -> Console:
    """A console of rich on stdout or stderr that escapes what it is given; names in it are not coloured by guess."""
    from restor.cli._console import SafeConsole

    return SafeConsole(file=_behind(sys.stderr if stderr else sys.stdout), soft_wrap=soft_wrap, highlight=False)


def file_console(width: int) -> Console:
    """The same for text that goes to a file: of a fixed width and without colours."""
    from restor.cli._console import SafeConsole

    return SafeConsole(file=io.StringIO(), width=width, color_system=None, highlight=False)


def put(text: str, out: Path | None = None, *, coloured: bool = False) -> None:
    """Write a text to a file, and where that is to stdout, or else the text; `coloured`: such a console made it."""
    if out is None:
        (_behind(sys.stdout) if coloured else sys.stdout).write(text)
        return
    from restor.store.disk import write_atomic

    write_atomic(out, text)
    sys.stdout.write(f"{out}\n")


def put_json(content: object, *, indent: int | None = None) -> None:
    """Write one JSON value to stdout, in ASCII, so that no encoding of the terminal can spoil it."""
    import json

    sys.stdout.write(json.dumps(content, indent=indent, allow_nan=False) + "\n")


def _behind(stream: Any) -> TextIO:
    target: TextIO = stream.stream if isinstance(stream, _Escaping) else stream
    return target


@contextmanager
def _lossless(stream: TextIO) -> Iterator[None]:
    """What the terminal's encoding lacks is written as `\\u2013`, instead of ending the verb in the middle."""
    if not isinstance(stream, io.TextIOWrapper):
        yield
        return
    before = stream.errors
    stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        stream.reconfigure(errors=before)


@final
class _Escaping:
    """A text stream in front of another one."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """The number of characters given."""
        # Progress bars of libraries go back to the start of the line before they write it again.
        start = "\r" if text.startswith("\r") else ""
        self.stream.write(start + escaped(text[len(start) :].replace("\r\n", "\n")))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """One after another."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
