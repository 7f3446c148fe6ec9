"""Where one sentence ends and the next begins, as far as that can be told without knowing the language."""

from __future__ import annotations

import re

_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s|\Z)|[。！？]+[」』”’）]*")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|Gen|Col|Sen|Rep|Gov|Lt|Capt|Rev|Hon|vs|etc|cf|approx|No|Vol|Fig|ca|al)"
    r"|\b[A-Za-z](?:\.[A-Za-z])*)\.\Z"
)
"""What a full stop may end without ending the sentence: `Dr.`, and initials such as `J.` or `U.S.`."""


def sentences(text: str) -> list[str]:
    """The sentences of a text, each on one line; a line without an end, such as a heading, is left out.

    If no line has an end, they are the lines.
    """
    texts: list[str] = []
    for line in text.splitlines():
        start = 0
        for end in _END.finditer(line):
            after = line[end.end() :].lstrip()
            if after and (_ABBREVIATION.search(line[start : end.end()]) or after[0].islower()):
                continue
            texts.append(line[start : end.end()].strip())
            start = end.end()
    return texts or [line.strip() for line in text.splitlines() if line.strip()]
