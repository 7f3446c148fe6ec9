"""The report: one self-contained page, made from stored results only.

`page.html.jinja` is the skeleton, `page.css` and `page.js` are inlined. A later plot is a function of plots.py and a
section of the skeleton; a later finding is a sentence of answer.py. Everything that came from a model or a document is
escaped here or set as text by the script, and the content policy of the page lets no script run but its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from restor.report.answer import answer
from restor.report.embed import embed_facts
from restor.report.load import reference
from restor.report.plots import judgement_plot, logprob_plot, restoration_plot
from restor.report.tables import BUDGET_NAMES, KIND_TITLES, arm_table, to_markdown
from restor.report.text import UNDEFINED, number, one_line, printable, share
from restor.results import Arm, Results
from restor.types import Kind

if TYPE_CHECKING:
    import pyarrow

ARM_MEANINGS = {
    "clean": "The model before it read anything wrong: what it knew.",
    "corrupted": "The clean model after it read the forget documents. Every arm starts here: 0 % restoration.",
    "ideal": "The same start, steps and text, but without the forget documents: 100 % restoration.",
    "nothing": "The corrupted model, left as it is.",
    "recovery_only": "The light recovery fine-tune without any unlearning: what it restores, no method may claim.",
    "retain_only": "Training on the retain text without forgetting anything: often the control that decides.",
    "random_forget": "An unlearning algorithm that is given documents about random other entities to forget.",
}
SETTINGS_FROM = {
    "none": "",
    "selected": "chosen on validation people",
    "default": "defaults: the paper's hyperparameters, the middle of the search grid",
    "given": "given by the user",
}


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
    environment.filters["share"] = lambda value: UNDEFINED if value is None else f"{share(value)} %"
    folder = files("restor.report")
    style, script = (folder.joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    template = environment.from_string(folder.joinpath("page.html.jinja").read_text("utf-8"))
    table = arm_table(results)
    embedded = embed_facts(results, facts)
    page = template.render(
        policy=f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; base-uri 'none'; "
        "form-action 'none'",
        style=Markup(style),
        script=Markup(script),
        study=results.study,
        answer=answer(results),
        figures={name: _figures(reference(results, name)) for name in ("clean", "corrupted", "ideal")},
        counts={kind.value: len({a.arm for a in results.summary if a.kind is kind}) for kind in Kind},
        truth=any("T" in arm.budget for arm in results.summary),
        table=table,
        kind_titles=KIND_TITLES,
        markdown=to_markdown(table),
        plots={
            "restoration": Markup(restoration_plot(results)),
            "judgements": Markup(judgement_plot(results)),
            "logprobs": Markup(logprob_plot(results, facts)),
        },
        arms=_arms_explained(results.summary),
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


def _figures(arm: Arm | None) -> dict[str, float | None]:
    metrics = arm.metrics if arm else {}
    return {key: metrics[name].value if name in metrics else None for key, name in _STEP_METRICS.items()}


_STEP_METRICS = {"original": "test.original", "planted": "test.planted", "untouched": "untouched.original"}


def _arms_explained(arms: Sequence[Arm]) -> list[dict[str, str]]:
    return [
        {
            "label": one_line(arm.label, 60),
            "retain": arm.retain or "",
            "kind": arm.kind.value,
            "meaning": ARM_MEANINGS.get(arm.arm) or f"Algorithm {arm.algorithm or arm.arm} of the catalogue.",
            "settings": ", ".join(f"{name} {_setting(value)}" for name, value in arm.options.items()),
            "from": SETTINGS_FROM[arm.hyperparameters] if arm.options else "",
            "told": ", ".join(name for item, name in BUDGET_NAMES.items() if item in arm.budget),
            "cost": f"{arm.cost.steps:,} steps, {arm.cost.tokens:,} tokens, {number(arm.cost.seconds, 1)} s, "
            f"{number(arm.cost.peak_memory_mb)} MB",
            "recovered": "followed by the recovery fine-tune" if arm.recovered else "",
            "lineage": " → ".join(f"{item.stage} {item.key}" for item in arm.lineage),
        }
        for kind in KIND_TITLES
        for arm in arms
        if arm.kind is kind
    ]


def _setting(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
