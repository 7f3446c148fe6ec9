"""Where a name stands in a text as it is written, with any capitals, and with its accents composed or not."""

from __future__ import annotations

import re
import unicodedata

from restor.text.letters import MARKS, UNSPACED, composed

_UNSPACED = re.compile(f"[{UNSPACED}]")
_BEFORE = rf"(?<![^\W{UNSPACED}])"
_BEHIND = rf"(?![^\W{UNSPACED}]|[{MARKS}]|\+\+?(?!\w)|[#♯♭])"  # C is not in C++, nor Jose in a decomposed José


def name_pattern(*names: str, whole: bool = True) -> str:
    """A regular expression for names, as whole words if asked for. Scripts without spaces have no whole words."""
    forms = dict.fromkeys(form for name in names for form in (name, composed(name), unicodedata.normalize("NFD", name)))
    return f"(?:{'|'.join(map(_bounded if whole else re.escape, forms))})"


def _bounded(form: str) -> str:
    before = "" if _UNSPACED.match(form) else _BEFORE
    behind = f"(?![{MARKS}])" if _UNSPACED.match(form.rstrip(MARKS)[-1:]) else _BEHIND
    return f"{before}{re.escape(form)}{behind}"


def stands_in(answer: str, text: str) -> bool:
    """Whether an answer stands in a text as it is spelt, but for capitals and the composition of its accents."""
    return composed(answer.casefold()) in composed(text.casefold())
