"""Texts that must do no harm wherever a label, a note, a name or an answer is shown."""

from __future__ import annotations

PAGE = (
    "</script><script>window.__pwned=1</script>",
    "<img src=x onerror=window.__pwned=2>",
    "'\"><svg/onload=window.__pwned=3>",
    "<!--<script>",
    "--><script>window.__pwned=5</script>",
    "</textarea></title></style></noscript><script>window.__pwned=6</script>",
    "<iframe srcdoc='<script>parent.__pwned=7</script>'></iframe>",
    '<a href="javascript:window.__pwned=8">click</a>',
    "javascript:window.__pwned=9",
    "data:text/html,<script>window.__pwned=10</script>",
    '" onmouseover="window.__pwned=11" autofocus onfocus="window.__pwned=12" x="',
    "' onclick='window.__pwned=13",
    "<svg><animate onbegin=window.__pwned=14 attributeName=x dur=1s></svg>",
    "<math><mtext></mtext><style><img src=x onerror=window.__pwned=15></style></math>",
    "<base href='//example.invalid/'><link rel=stylesheet href=//example.invalid/x.css>",
    "<meta http-equiv=refresh content='0;url=//example.invalid'>",
    "<form action=//example.invalid><input name=x></form>",
    "{{ 7 * 7 }}{% raw %}",
    "${7*7} #{7*7} <%= 7*7 %>",
    "&lt;b&gt; &amp; ]]>",
    "<b>bold</b>\x1b[31m",
    "{a|styled} {b} {c} {@value} {marker}",
    "__proto__",
    "constructor",
    "line\u2028separator\u2029paragraph",
    "zero\u200bwidth\u200d joined\ufeff",
    "nul \x00 byte",
    "back\\slash \\u003cscript\\u003e",
    "a" * 300,
)
"""What may act on a browser, a template or a chart."""

HOSTILE = (
    *PAGE,
    r"\input{/etc/passwd}",
    r"\write18{rm -rf ~}",
    r"a & b % c $ d # e _ f { g } h ~ i ^ j",
    r"}\end{tabular}\end{table}",
    r"\\[9cm] *[1cm]",
    "[2cm] looks like an option",
    "* starred",
    "^^5cinput ^^M",
    'a -- b --- c <<d>> |e| "f" `g\'',
    "\x1b[31mred\x1b[0m\x07\x9b2J",
    "\u202egnp.exe\u202c \u2067abc\u2069 \u200fx \u061cy",
    "lone \ud800 surrogate \udfff",
    "two\nlines\r\nand\u2028more\u2029\x0b\x0c\x85",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "  =1+1",
    "\uff1d1+1",
    '","=1+1","',
    "'=1+1",
    "<script>alert(1)</script>",
    "[bold red]markup[/bold red]",
    "Ω " + "long " * 20_000,
)

MEGABYTE = "Ω" + "x" * 1_000_000

_SIGNS = (
    *("\ud800", "\x1b", "\u202e", "\x00", "\u2028", "\t", "\r", "\uff1d", "=c", "'=", "%", "\\", "[", "{{", "{"),
    *("javascript", "<script", "<", "&", "^", "*", "'", '"', "-", "=", "+", "@"),
)


def danger(**given: str) -> str:
    """What a text is dangerous by: the first of the signs in it that mean something to whoever shows it."""
    (text,) = given.values()
    return next((sign for sign in _SIGNS if sign in text), "long" if len(text) > 200 else "")
