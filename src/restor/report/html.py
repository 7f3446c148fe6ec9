"""The report: one self-contained page, made from stored results only.

`page.html.jinja` is the skeleton, `page.css` and `page.js` are inlined. A later plot is a function of plots.py and a
section of the skeleton; a later finding is a sentence of answer.py. Everything that came from a model or a document is
escaped here or set as text by the script, and the content policy of the page lets no script run but its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from restor.report.answer import answer
from restor.report.embed import embed_facts
from restor.report.explained import arms_explained, steps
from restor.report.moved import CHANGE_MEANINGS, Change, moved
from restor.report.plots import judgement_plot, logprob_plot, restoration_plot
from restor.report.restored import figure
from restor.report.states import States
from restor.report.tables import KIND_TITLES, arm_table, to_markdown
from restor.report.text import one_line, printable
from restor.results import Results

if TYPE_CHECKING:
    import pyarrow


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
    folder = files("restor.report")
    style, script = (folder.joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    template = environment.from_string(folder.joinpath("page.html.jinja").read_text("utf-8"))
    table = arm_table(results)
    states = States(results, facts)
    pairs = moved(results, facts, states)
    embedded = embed_facts(results, states, pairs)
    page = template.render(
        policy=f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; base-uri 'none'; "
        "form-action 'none'",
        style=Markup(style),
        script=Markup(script),
        study=results.study,
        answer=answer(results),
        compared=results.study.kind == "comparison",
        steps=steps(results),
        table=table,
        kind_titles=KIND_TITLES,
        markdown=to_markdown(table),
        plots={
            "restoration": Markup(restoration_plot(results)),
            "judgements": Markup(judgement_plot(results)),
            "logprobs": Markup(logprob_plot(results, states)),
        },
        pairs=pairs,
        changes={change: meaning for change, meaning in CHANGE_MEANINGS.items() if change in _changes(results)},
        arms=arms_explained(results),
        config=yaml_like(results.study.config),
        embedded=embedded,
        data=Markup(embedded.json),
    )
    return page.encode("utf-8", "replace").decode("utf-8")


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


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _changes(results: Results) -> tuple[Change, ...]:
    """Those that can be told: without planted answers nothing is planted or forgotten."""
    planted = any(figure(arm, "test.planted").value is not None for arm in results.summary)
    return tuple(Change) if planted else (Change.RESTORED, Change.LOST)
