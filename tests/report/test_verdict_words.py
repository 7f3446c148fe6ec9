"""A verdict has one word, wherever it stands: table, legend, Markdown, LaTeX, page, figure and results.json."""

from __future__ import annotations

import io
import json
import re
from html import unescape

import pytest
from rich.console import Console
from synthetic_study import make_study, write_study

from restor.report.page.render import render_page
from restor.report.tables.arm_table import arm_table, to_json_rows, to_markdown
from restor.report.tables.latex import to_latex
from restor.report.tables.terminal_table import to_rich
from restor.report.words.verdict_words import VERDICT_MEANINGS, verdict_words
from restor.types import Kind

UNLEARNING = {"restored", "partly restored", "only forgotten", "not unlearned"}


@pytest.fixture(scope="module")
def study():
    return make_study(people=6, untouched=2)


@pytest.fixture(scope="module")
def said(study):
    """Of every arm that has a verdict: its id, and what is said of it."""
    return {arm.id: verdict_words(arm.verdict) for arm in study[0].summary if arm.verdict}


def flat(text):
    return " ".join(re.sub(r"<[^>]+>", " ", unescape(text)).split())


def test_every_place_says_the_same_word(study, said):
    results, facts = study
    table = arm_table(results)
    terminal = io.StringIO()
    Console(file=terminal, width=200, color_system=None).print(to_rich(table))
    page = render_page(results, facts)
    badges = set(
        re.findall(r'<span class="verdict [^"]*"[^>]*><span aria-hidden="true">[^<]*</span> ([^<]+)</span>', page)
    )
    places = [terminal.getvalue(), to_markdown(table), to_latex(table, "x").replace("\\%", "%"), flat(page)]
    rows = {row["id"]: row for row in to_json_rows(table)}
    assert len(set(said.values())) >= 6
    for arm, words in said.items():
        assert all(words in place for place in places), words
        assert words in badges
        assert words.startswith(rows[arm]["verdict"]["kind"])
    kinds = {arm.verdict.kind for arm in results.summary if arm.verdict}
    legend = {words.replace("restores N %", "restores") for words in badges if not re.search(r"\d", words)}
    assert legend >= kinds, "the page explains each in the same word"
    assert legend <= set(VERDICT_MEANINGS)


def test_the_file_has_the_word_too(study, said, tmp_path):
    stored = json.loads((write_study(tmp_path, *study) / "results.json").read_text(encoding="utf-8"))
    for arm in stored["summary"]:
        if arm["verdict"]:
            assert said[arm["id"]].startswith(arm["verdict"]["kind"])


def test_no_control_has_a_word_for_unlearning(study):
    results = study[0]
    kinds = {
        of: {arm.verdict.kind for arm in results.summary if arm.kind is of and arm.verdict}
        for of in (Kind.CONTROL, Kind.METHOD)
    }
    assert kinds[Kind.CONTROL] == {"restores", "restores little"}
    assert not kinds[Kind.METHOD] & {"restores", "restores little"}
    for arm in arm_table(results).rows:
        if arm.arm.kind is Kind.CONTROL:
            assert not any(word in cell.text for cell in arm.cells for word in UNLEARNING)
