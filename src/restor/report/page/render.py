"""The report: one self-contained page, made from stored results only.

`page/` has the skeleton, the style and the scripts, which are inlined; `vendor/` the chart library. A later chart is a
function of charts.py and one of page/panels.js; a later finding is a sentence of answer.py. Everything that came from a
model or a document is escaped here or set as text by the scripts, and the content policy of the page lets no script run
but its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from restor.report.io.states import States
from restor.report.page.chart_data import chart_data
from restor.report.page.embed import embed_facts, packed
from restor.report.page.explained import arms_explained, steps
from restor.report.page.flows import flows
from restor.report.page.overview import overview
from restor.report.page.svg import judgement_plot, logprob_plot
from restor.report.plain import one_line, printable
from restor.report.tables.arm_table import SECTION_TITLES, arm_table, to_markdown
from restor.report.tables.bibtex import bibtex
from restor.report.tables.columns import retain_legend
from restor.report.tables.comma import to_csv
from restor.report.tables.latex import to_latex
from restor.report.words.answer import answer
from restor.report.words.restored import figure
from restor.report.words.verdict_words import VERDICT_MEANINGS, legend_words
from restor.results import Results

if TYPE_CHECKING:
    import pyarrow

SCRIPTS = ("dom", "data", "overview", "facts", "flows", "charts", "panels", "start")
"""The files of `page/` that make the page's script, in this order."""


def render_page(results: Results, facts: pyarrow.Table) -> str:
    """The whole page as one string; the same results give the same page.

    Raises:
        DataError: if the facts are not of these results.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def shown(value: Any) -> Any:
        # Everything printed passes here; autoescape follows.
        return printable(value) if type(value) is str else value

    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=shown, trim_blocks=True)
    style, library = _read("page/palette.css") + _read("page/page.css"), _read("vendor/echarts.min.js")
    script = "\n".join(['"use strict";', "(() => {", *(_read(f"page/{name}.js") for name in SCRIPTS), "})();", ""])
    table, on_top = arm_table(results), overview(results)
    states = States(results, facts)
    ways = flows(results, states)
    embedded = embed_facts(results, states)
    charts = chart_data(results, states, ways)
    page = environment.from_string(_read("page/page.html.jinja")).render(
        policy=f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)} {_digest(library)}; "
        "base-uri 'none'; form-action 'none'",
        style=Markup(style),
        script=Markup(script),
        library=Markup(library),
        study=results.study,
        answer=answer(results),
        compared=results.study.kind == "comparison",
        steps=steps(results),
        overview=on_top,
        overview_axis=Markup(on_top.axis),
        drawn=Markup,
        verdicts={
            kind: meaning
            for kind, meaning in VERDICT_MEANINGS.items()
            if any(arm.verdict and arm.verdict.kind == kind for arm in results.summary)
        },
        legend_words=legend_words,
        retain_texts=retain_legend({arm.retain for arm in results.summary}),
        table=table,
        kind_titles=SECTION_TITLES,
        copies={
            "LaTeX": to_latex(table, results.study.id),
            "Markdown": to_markdown(table),
            "BibTeX": bibtex(results),
        },
        plots={
            "judgements": Markup(judgement_plot(results)),
            "logprobs": Markup(logprob_plot(results, states)),
        },
        planted=any(figure(arm, "test.planted").value is not None for arm in results.summary),
        flows=ways,
        gaps=gaps(charts, results),
        arms=arms_explained(results),
        config=yaml_like(results.study.config),
        embedded=embedded,
        data=packed({**charts, **embedded.data, "about": charts["arms"], "csv": printable(to_csv(results))}),
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def gaps(charts: dict[str, Any], results: Results) -> dict[str, str]:
    """Charts that this study has no data for, and why, in a sentence."""
    sentences = {}
    if not charts["parts"] and not charts["series"]:
        sentences["parts"] = "Restoration by relation, confidence or dose is not stored."
    if not any(about["restoration"][0] is not None and about["seconds"] for about in charts["arms"]):
        sentences["cost"] = "No arm has both a restoration and a cost, so there is nothing to compare."
    if not charts["curves"]:
        why = ": nothing is known of how these checkpoints were trained" if results.study.kind == "comparison" else ""
        sentences["curves"] = f"There are no learning curves{why}."
    if not charts["layers"]:
        sentences["layers"] = "Log-probs after each layer were not asked for."
    return sentences


def yaml_like(value: Any, indent: int = 0) -> str:
    """A configuration as YAML, its scalars as JSON."""
    space = "  " * indent
    if isinstance(value, dict) and value:
        lines = [f"{space}{one_line(str(key))}:{_nested(item, indent)}" for key, item in value.items()]
        return "\n".join(lines)
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return "\n".join(f"{space}-{_nested(item, indent)}" for item in value)
    return f"{space}{json.dumps(value, ensure_ascii=False)}"


def _nested(value: Any, indent: int) -> str:
    deep = (isinstance(value, dict) and value) or (
        isinstance(value, list) and any(isinstance(item, dict | list) for item in value)
    )
    return f"\n{yaml_like(value, indent + 1)}" if deep else f" {json.dumps(value, ensure_ascii=False)}"


def _read(name: str) -> str:
    return files("restor.report").joinpath(*name.split("/")).read_text("utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
