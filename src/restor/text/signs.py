"""Signs that belong to a word and tell it from others: `C++`, `A-`, `B♭`, `-5`, `<5`, `10⁶`, `$5`."""

from __future__ import annotations

import re
import unicodedata

KEPT = {
    "\ue000": ".",
    "\ue001": "-",
    "\ue002": "+",
    "\ue003": "#",
    "\ue004": "♭",
    "\ue005": "^",
    "\ue006": "*",
    "\ue007": "<",
    "\ue008": ">",
    "\ue009": "≤",
    "\ue00a": "≥",
    "\ue00b": "±",
}
"""What stands for a sign that belongs to a word until the others are gone."""
POINT, MINUS, PLUS, SHARP, FLAT, POWER, STAR = list(KEPT)[:7]
_BOUNDS = {sign: mark for mark, sign in KEPT.items() if sign in "<>≤≥±"} | {"<=": "\ue009", ">=": "\ue00a"}

WORD_SIGN = r"(?:[-–](?<=(?<!\w)[^\W\d_].)(?!\w)|−(?!\w)|\+\+?(?!\w)|[#♯♭](?!\w))?"
"""What may end a word in a text as it is written, for a regular expression."""

SYMBOLS = frozenset("♠♣♥♦♀♂")
"""Signs that are words of their own."""

_RAISED = re.compile("(?<=[^\\W_⁰¹²³⁴-⁹₀-₉])[⁺⁻]?[⁰¹²³⁴-⁹]+[⁺⁻]*|(?<=[₀-₉])[⁰¹²³⁴-⁹]+[⁺⁻]*")
_APART = re.compile("(?<=[0-9])(?=[₀-₉¼-¾⅐-⅞])")
_WRITTEN = str.maketrans(
    {"№": " no ", "×": " x ", "♤": "♠", "♧": "♣", "♡": "♥", "♢": "♦"} | dict.fromkeys("™℠®©\u200d", "")
)


def before_letters(text: str) -> str:
    """What plain letters would lose: raised and lowered figures (`10⁶`, `101₂`), and fractions behind a figure."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFC", text)
    text = _RAISED.sub(lambda run: f"^{unicodedata.normalize('NFKD', run[0])}", text)
    return _APART.sub(" ", text).translate(_WRITTEN)


_MARK = re.compile(r"[-–−+#♯♭^*<>≤≥±%‰°$¢£¥₦₩₪₫€₱₴₹₺₽฿]")
_SPELT = re.compile(
    r"(?<!\w)(?:(?P<note>[a-g])[ -](?P<tone>sharp|flat)(?!\w)"
    r"|(?P<group>ab|a|b|o)[ -](?P<charge>positive|negative)(?!\w)"
    r"|(?P<grade>[a-f])[ -](?P<step>plus[ -]plus|plus|minus)(?=\s*(?:[^\w\s-]|$)))"
)
_AS_SIGN = {"sharp": SHARP, "flat": FLAT, "positive": PLUS, "negative": MINUS, "plus": PLUS, "minus": MINUS}
_AS_SIGN |= dict.fromkeys(("plus plus", "plus-plus"), PLUS + PLUS)
_TYPED = re.compile(r"(?:type|group|grade|blood|rhesus)\s+$")
_MAJOR = re.compile(r"\s+(?:major|minor)(?!\w)")
_THAN = re.compile(r"(?<!no )(?<!not )(?<!\w)(?:(less|fewer)|more|greater) than\s+(?=[$£¥€]?\d)")
_BOUND = re.compile(r"(?<![\w=<>-])(<=|>=|[<>≤≥±])\s?([-−]?)(?=[$£¥€]?\.?\d)")
_PLUS = re.compile(r"(?<=[^\W_])(\+\+|\+(?![\w+]))")
_ALONE = r"(?<![\w.-])(?<!\w')"
_LESS = re.compile(
    r"(?<=[^\W_])−(?![\w−])"  # the minus sign itself; a hyphen only behind a letter or what has a charge: A-, Rh-
    rf"|(?:(?<={_ALONE}[^\W\d_])|(?<={_ALONE}(?:ab|rh|cl|br|oh)))[-–](?![\w–-])"
)
_LOOSE = re.compile(rf"({_ALONE}(?:[^\W\d_]|ab|rh))\s([+–−-])(?=\s*(?:[^\w\s+–−-]|$))")
_ZONE = re.compile(r"((?<!\w)(?:utc|gmt))\s?[-–−](?=\d)")
_KEY = re.compile(r"(?<=[^\W\d_])[#♯](?!\w)|(?<=[^\W\d_])♭")
_STARRED = re.compile(r"(?<=(?<![\w*])[^\W\d_])\*(?![\w*])|(?<=\*\*[^\W\d_])\*(?=\*\*)")  # A*, also in bold
_RAISED_TYPED = re.compile(r"(?<=\w)\s?\^\s?\+?([-−]?)(?=\d)")


def as_signs(plain: str) -> str:
    """A plain text in which signs that are written as words stand as signs: `B flat` is `B♭`, `O negative` is `O-`."""
    return _SPELT.sub(_as_sign, plain)


def marked(plain: str) -> str:
    """A plain text in which every sign that belongs to a word is one of `KEPT`, and units stand behind as words."""
    plain = _THAN.sub(lambda found: f" {_BOUNDS['<' if found[1] else '>']}", plain)
    if _MARK.search(plain) is None:
        return plain
    plain = _units(plain)
    plain = _BOUND.sub(lambda found: f" {_BOUNDS[found[1]]}{MINUS if found[2] else ''}", plain)
    plain = _LOOSE.sub(r"\1\2", plain)
    plain = _PLUS.sub(lambda found: PLUS * len(found[1]) + " ", plain)
    plain = _ZONE.sub(rf"\1 {MINUS}", _LESS.sub(f"{MINUS} ", plain))
    plain = _KEY.sub(lambda found: (FLAT if found[0] == "♭" else SHARP) + " ", plain)
    plain = _RAISED_TYPED.sub(lambda found: POWER + (MINUS if found[1] else ""), plain)
    return _STARRED.sub(STAR, plain)


def _as_sign(match: re.Match[str]) -> str:
    # `a` is an article, unless nothing else is said or the words around tell.
    letter = match["note"] or match["group"] or match["grade"]
    name = match["tone"] or match["charge"] or match["step"]
    alone = match[0] == match.string
    if letter == "a" and not (alone or _TYPED.search(match.string[: match.start()]) or _told_key(match)):
        return match[0]
    return letter + _AS_SIGN[name]


def _told_key(match: re.Match[str]) -> bool:
    return match["tone"] is not None and _MAJOR.match(match.string, match.end()) is not None


# Units ----------------------------------------------------------------------------------------------------------------

_NAMES = {
    "$": "dollar",
    "€": "euro",
    "£": "pound",
    "¥": "yen",
    "¢": "cent",
    "₹": "rupee",
    "₽": "ruble",
    "₩": "won",
    "₺": "lira",
    "₪": "shekel",
    "₱": "peso",
    "₦": "naira",
    "₴": "hryvnia",
    "₫": "dong",
    "฿": "baht",
    "%": "percent",
    "‰": "permille",
    "°": "degree",
}
UNITS = frozenset(_NAMES.values())
"""The words that stand for the signs of units."""
_SIGN = "[" + "".join(_NAMES) + "]"
_MONEY = "[" + "".join(sign for sign in _NAMES if sign not in "%‰°") + "]"
_NUMBER = r"\d(?:[\d.,]*\d)?"
_SCALE = r"(?:\s?(?:hundred|thousand|million|billion|trillion|bn|k|m)(?!\w))*"
_BEFORE = re.compile(rf"({_MONEY})\s?([-−]?{_NUMBER}(?:\s?[-–]\s?{_NUMBER})?{_SCALE})")
_PREFIXED = re.compile(rf"(?<=[^\W\d_])(?={_MONEY}\d)")  # US$5
_BEHIND = re.compile(rf"(\d{_SCALE})\s?({_SIGN})")


def _units(plain: str) -> str:
    plain = _PREFIXED.sub(" ", plain)
    plain = _BEFORE.sub(lambda found: f"{found[2]} {_NAMES[found[1]]} ", plain)
    return _BEHIND.sub(lambda found: f"{found[1]} {_NAMES[found[2]]} ", plain)
