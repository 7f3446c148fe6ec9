"""Regular expressions that a file brings: tried in a process of their own, since nothing else can stop one that hangs.

Run as a script it is that process, which imports nothing of restor.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence

SECONDS = 10.0
"""What all of them together may take; honest ones take milliseconds."""
PLAIN = re.compile(r"[\w. /:@-]*")
"""A name, with nothing in it that a regular expression could repeat."""
TEMPLATES = ("{}", r"(.*\.)?({})$", r"(^|.*\.){}($|\..*)", r"(?:^|.*?\.){}\.(?P<idx>\d+)\.", r".*\.{}$")
"""How peft puts the patterns of an adapter around the names of a model's modules."""


def end_in_time(patterns: Sequence[str], names: Sequence[str]) -> bool:
    """Whether matching every pattern with every name comes to an end within the limit, as `re` does it."""
    doubtful = sorted({pattern for pattern in patterns if not PLAIN.fullmatch(pattern)})
    if not doubtful:
        return True
    try:
        subprocess.run(
            [sys.executable, "-I", __file__],
            input=json.dumps([doubtful, list(names)]),
            text=True,
            timeout=SECONDS,
            check=True,
            capture_output=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):  # the latter: killed for its memory, ...
        return False
    return True


def _match_all() -> None:
    """Match as peft will; a pattern that is none is refused by peft itself."""
    patterns, names = json.load(sys.stdin)
    for pattern in patterns:
        for template in TEMPLATES:
            try:
                matcher = re.compile(template.replace("{}", pattern))
            except (re.error, OverflowError, RecursionError):
                continue
            for name in names:
                matcher.match(name)
                matcher.fullmatch(name)


if __name__ == "__main__":
    _match_all()
