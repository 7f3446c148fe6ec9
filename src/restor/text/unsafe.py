"""Characters of foreign texts that act on a terminal or a page."""

from __future__ import annotations

import re

UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufeff\ufffe\uffff"
    "\ud800-\udfff]"
)
"""Characters by which a text acts on a terminal or a page: controls (ESC, C1), direction marks, broken ones."""


def escaped(text: str) -> str:
    """Foreign text with unsafe characters as `\\u001b`, which is also what JSON and YAML read within double quotes."""
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
