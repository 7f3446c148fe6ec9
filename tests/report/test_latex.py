from __future__ import annotations

import re

import pytest
from hostile import HOSTILE, danger
from synthetic_study import make_study

from representatives import one_for_each
from restor.report.tables.arm_table import arm_table
from restor.report.tables.latex import escaped, to_latex
from restor.report.words.verdict_words import VERDICT_MEANINGS
from restor.results import Value


@pytest.fixture(scope="module")
def results():
    return make_study(people=2, untouched=1)[0]


def changed(results, name, **fields):
    summary = [arm.model_copy(update=fields) if arm.id == name else arm for arm in results.summary]
    return results.model_copy(update={"summary": summary})


def with_value(results, name, metric, value):
    arm = next(arm for arm in results.summary if arm.id == name)
    return changed(results, name, metrics={**arm.metrics, metric: value})


def rows(text):
    body = text.split("\\toprule\n")[1].split("\\bottomrule")[0]
    return [line for line in body.splitlines() if line != "\\midrule"]


def separators(line):
    return len(re.findall(r"(?<!\\)&", line))


def check(text):
    """One table, whole: nothing in it ends a group, a line or the environment too early."""
    bare = re.sub(r"\\[\\{}$&#%_]", "", text)
    level = 0
    for sign in bare:
        level += (sign == "{") - (sign == "}")
        assert level >= 0
    assert level == 0
    assert bare.count("$") % 2 == 0
    assert [line for line in text.splitlines() if re.search(r"(?<!\\)%", line)] == text.splitlines()[:1]
    assert re.findall(r"\\(?:begin|end)\{\w+\}", text) == [
        r"\begin{table}",
        r"\begin{tabular}",
        r"\end{tabular}",
        r"\end{table}",
    ]
    widths = {separators(line) for line in rows(text) if "\\multicolumn" not in line}
    assert len(widths) == 1
    assert all(line.endswith(r" \\") and not line.startswith(("[", "*")) for line in rows(text))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", text)


def test_the_table_has_every_arm_sections_intervals_and_numbers(results):
    value = Value(value=0.917, ci_low=-0.0412, ci_high=1.031, n=8, n_entities=2)
    accuracy = Value(value=0.5, ci_low=0.25, ci_high=0.75, n=8, n_entities=2, n_unscored=1)
    shown = with_value(with_value(results, "msa", "restoration", value), "msa", "test.original", accuracy)
    text = to_latex(arm_table(shown), shown.study.id)
    check(text)
    row = next(line for line in rows(text) if line.startswith("MSA"))
    assert r"92 {\scriptsize [$-$4, 103]}" in row
    assert r"50 {\scriptsize [25, 75]}" in row
    assert "& FC &" in row
    assert "8 (2), 1 unscored" in row
    assert len([line for line in rows(text) if "multicolumn" not in line]) == 1 + len(results.summary)
    titles = [line for line in rows(text) if "multicolumn" in line]
    assert [re.search(r"\\emph\{(\w+)", line)[1] for line in titles] == [
        "References",
        "Baselines",
        "Controls",
        "Methods",
    ]
    assert text.splitlines()[0].startswith("% needs \\usepackage{booktabs}")
    assert r"\label{tab:miniature-20250101}" in text
    assert "D retain text" in text, "the letters of the budget are explained"
    assert "Not in this table, but in the CSV: Runner-up" in text


def test_an_undefined_figure_has_its_reason_below(results):
    text = to_latex(
        arm_table(with_value(results, "msa", "restoration", Value(value=None, n=8, note="did not bite: 5 % & less"))),
        "x",
    )
    check(text)
    row = next(line for line in rows(text) if line.startswith("MSA"))
    mark = re.search(r"--\\textsuperscript\{(\d)\}", row)[1]
    assert rf"\textsuperscript{{{mark}}} did not bite: 5 \% \& less\par" in text


def test_notes_of_columns_left_out_take_no_number(results):
    more = with_value(results, "clean", "logprob.original", Value(value=None, n=8, note="never asked"))
    text = to_latex(arm_table(more), "x")
    assert "never asked" in arm_table(more).footnotes
    assert "never asked" not in text


def test_an_arm_without_figures_says_so(results):
    text = to_latex(arm_table(changed(results, "msa", metrics={})), "x")
    check(text)
    assert "not measured in this study" in text
    assert next(line for line in rows(text) if line.startswith("MSA")).endswith(r"& -- \\")


@one_for_each(danger)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_foreign_text_cannot_act(results, hostile):
    told = changed(results, "msa", label=hostile, retain=hostile)
    told = with_value(told, "undial", "restoration", Value(value=None, n=8, note=hostile))
    study = told.study.model_copy(update={"name": hostile, "id": hostile, "protocol": hostile})
    text = to_latex(arm_table(told.model_copy(update={"study": study})), hostile)
    check(text)
    commands = set(re.findall(r"\\([A-Za-z]+)", text))
    allowed = "begin centering caption label small toprule midrule bottomrule multicolumn emph scriptsize end smallskip"
    signs = "textbackslash textasciitilde textasciicircum textless textgreater textbar char ldots textperiodcentered"
    assert commands <= {*allowed.split(), *signs.split(), "footnotesize", "raggedright", "par", "textsuperscript"} | {
        "usepackage"
    }


def test_specials_are_shown_literally():
    assert escaped(r"50% \a_{b}") == r"50\% \textbackslash{}a\_\{b\}"
    assert escaped("a---b - c-d") == "a-{}-{}-b - c-d"
    assert escaped("−1 – 2…") == r"$-$1 -- 2\ldots{}"
    assert escaped("[x] [y]") == "{[}x] [y]"


def test_verdicts_are_words_and_p_stands_beside_above_control(results):
    """Few fonts of pdfLaTeX have the glyphs."""
    text = to_latex(arm_table(results), "x")
    row = next(line for line in text.splitlines() if line.startswith("MSA"))
    assert "& restored &" in row
    assert not any(said.glyph in text for said in VERDICT_MEANINGS.values() if said.glyph not in "!?–")
    assert "p above controls" in text
    assert r"\emph{Controls (nothing is unlearned)}" in text
