"""Wordings with names in them, and the articles that English puts before values."""

from __future__ import annotations

import re
import unicodedata


def fill(wording: str, subject: str, answer: str = "") -> str:
    """A wording with its names."""

    def part(match: re.Match[str]) -> str:
        match match[1]:
            case "s":
                return subject
            case "an":
                return with_a(answer)
            case "the":
                return with_the(answer)
        return answer

    # Not str.format, and all at once: a name may hold braces.
    return re.sub(r"\{(s|o|an|the)\}", part, wording)


_ARTICLE = re.compile(r"(?:a|an|the)\s", re.IGNORECASE)
_SOUNDS_LIKE_YOU = re.compile(r"(?:uni(?![nm])|us[aeu]|eu|ug[ao]|uk|ur[aiou]|uto|one\b|once\b)")
_SILENT = re.compile(r"(?:hono|hour|heir|honest)")
_SPELT = re.compile(r"[AEFHILMNORSX](?:[A-Z0-9]|\b)")
"""Abbreviations whose first letter is spoken with a vowel at its beginning, such as MP."""


def with_a(value: str) -> str:
    """`an actor`, `a university teacher`, `an MP`."""
    if _ARTICLE.match(value):
        return value
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", value) if letter.isalnum() or letter in " +-")
    spoken = plain.strip().casefold()
    if plain[:2].isupper() and len(plain) > 1:
        vowel = _SPELT.match(plain) is not None
    else:
        vowel = _SILENT.match(spoken) is not None or (spoken[:1] in "aeiou8" and not _SOUNDS_LIKE_YOU.match(spoken))
    return f"{'an' if vowel and spoken else 'a'} {value}"


_NEEDS_THE = re.compile(
    r"(?:(?:Czech|Dominican|Democratic|People's|Socialist|Federal|Islamic) .*)?"
    r"(?:Kingdom|Republic|Empire|State|Principality|Duchy|Grand Duchy|Commonwealth|Dominion|Government|Provisional "
    r"Government) of .*"
    r"|United .*|Netherlands|Philippines|Bahamas|Gambia|Maldives|Vatican"
    r"|.* (?:Empire|Republic|Republics|Kingdom|Union|Commonwealth|Confederation|Federation|Raj|dynasty|Islands|Emirates"
    r"|Indies|Protectorate|Principalities|region)"
)


def with_the(value: str) -> str:
    """`the United Kingdom`, `the Russian Empire`, but `France`."""
    return f"the {value}" if _NEEDS_THE.fullmatch(value) else value
