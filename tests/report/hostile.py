"""Texts that must do no harm wherever a label, a note or a name is shown."""

from __future__ import annotations

HOSTILE = (
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
