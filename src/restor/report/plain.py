"""Figures and foreign text as people read them, shared by tables, plots and the page."""

from __future__ import annotations

import re

from restor.results import Value
from restor.text import UNSAFE

UNDEFINED = "–"


def printable(text: str) -> str:
    """Foreign text with control, direction and broken characters made visible, so that it cannot act on its reader.

    Newlines and tabs stay.
    """
    return UNSAFE.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else f"[U+{code:04X}]"


def clip(text: str, limit: int) -> str:
    """The first `limit` characters, saying so when there were more."""
    return text if len(text) <= limit else f"{text[:limit]} … [{len(text):,} characters, cut here]"


def one_line(text: str, limit: int = 80) -> str:
    """Foreign text for a cell or a label."""
    head = text[: 16 * limit]  # a megabyte costs no more than a line
    joined = " ".join(printable(head).split())
    return joined if len(joined) <= limit and len(head) == len(text) else f"{joined[: limit - 1]}…"


def ended(sentence: str) -> str:
    """With a full stop, unless it ends already."""
    return sentence if sentence.endswith((".", "?", "!", "…")) else f"{sentence}."


def number(value: float, digits: int = 0) -> str:
    """A number with a true minus sign and no negative zero."""
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def share(value: float) -> str:
    """A share in percent; what is not quite 0 or 100 is not shown as such."""
    text = number(100 * value)
    if text == "0" and value > 0:
        return "<1"
    return ">99" if text == "100" and value < 1 else text


def interval(value: Value) -> str:
    """A ratio in percent with its interval, such as `37 [21, 52]`."""
    if value.value is None:
        return UNDEFINED
    text = number(100 * value.value)
    if value.ci_low is None or value.ci_high is None:
        return text
    return f"{text} [{number(100 * value.ci_low)}, {number(100 * value.ci_high)}]"


def listed(items: list[str], most: int = 3) -> str:
    """`A, B and C`, or `A, B, C and 2 more`; semicolons where an item has a comma of its own."""
    comma = "; " if any(", " in item for item in items) else ", "
    if len(items) > most:
        return f"{comma.join(items[:most])}{comma}and {len(items) - most} more"
    if comma == "; " or len(items) < 2:
        return comma.join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def counted(count: int, noun: str) -> str:
    """`1 fact`, `2 facts`, `16 entities`."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"
