"""The README stays short, and what it tells can be followed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from restor.cli.main import _DATA_VERBS, _VERBS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_it_has_at_most_900_words():
    assert len(README.split()) <= 900


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_blocks_exist(page):
    blocks = re.findall(r"```(\w*)\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    told = [line for language, block in blocks if not language for line in block.splitlines()]
    lines = [line.split() for line in told if line.startswith("restor ")]
    for words in lines:
        known = _DATA_VERBS if words[1] == "data" else _VERBS
        assert words[2 if words[1] == "data" else 1] in known, words


def test_nobody_is_told_to_install_what_is_not_released():
    files = [*PAGES, *(ROOT / "src" / "restor").rglob("*.py")]
    told = [str(file) for file in files if re.search(r"pip install '?restor", file.read_text(encoding="utf-8"))]
    assert told == []
