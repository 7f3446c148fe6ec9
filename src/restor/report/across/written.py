"""A comparison as a file: text of several formats, or one self-contained page with the tables and without scripts."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Literal

from restor.report.across.side_by_side import COMPARED_COLUMNS, Comparison, Entrant, compared_json, compared_rows
from restor.report.plain import printable
from restor.report.tables.arm_table import SECTION_TITLES, escaped_markdown, to_markdown
from restor.report.tables.bibtex import joined_bibtex
from restor.report.tables.comma import write_rows
from restor.report.tables.latex import to_latex
from restor.report.words.verdict_words import VERDICT_MEANINGS

TextFormat = Literal["md", "json", "csv", "latex", "bibtex"]

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 90rem; margin: 0 auto; padding: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1.5rem 0 .5rem; white-space: nowrap; font-variant-numeric: tabular-nums; }
caption { text-align: left; white-space: normal; max-width: 60rem; padding-bottom: .5rem; }
th, td { padding: .15rem .7rem .15rem 0; text-align: left; font-weight: normal; }
thead th, th[scope=rowgroup] { font-weight: bold; border-bottom: 1px solid; }
.right { text-align: right; }
.control { background: color-mix(in srgb, currentColor 8%, transparent); }
dt { font-weight: bold; }
"""


def write_comparison(
    comparison: Comparison,
    studies: Sequence[Entrant],
    said: Sequence[str],
    format: Literal["md", "json", "csv", "latex", "bibtex"],
) -> str:
    """The comparison in one of the formats of text; Markdown has what was `said` of it below the tables."""
    tables = [part.table for part in comparison.tables]
    match format:
        case "json":
            return json.dumps(compared_json(comparison), indent=2, allow_nan=False) + "\n"
        case "csv":
            return write_rows(COMPARED_COLUMNS, compared_rows(comparison))
        case "latex":
            return "\n".join(to_latex(table, f"restor-compare-{place}") for place, table in enumerate(tables, 1))
        case "md":
            return "\n".join([*map(to_markdown, tables), *(f"- {escaped_markdown(text)}\n" for text in said)])
        case "bibtex":
            return joined_bibtex(each.results for each in studies)


def render_comparison(comparison: Comparison, studies: Sequence[Entrant]) -> str:
    """The whole page as one string. Everything in it is foreign and escaped."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def shown(value: Any) -> Any:
        # Everything printed passes here; autoescape follows.
        return printable(value) if type(value) is str else value

    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=shown, trim_blocks=True)
    template = environment.from_string(files("restor.report.across").joinpath("compared.html.jinja").read_text("utf-8"))
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    rows = [row for part in comparison.tables for row in part.table.rows]
    kinds = {row.arm.verdict.kind for row in rows if row.arm.verdict}
    return template.render(
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        style=Markup(_STYLE),
        comparison=comparison,
        studies=studies,
        titles=SECTION_TITLES,
        verdicts={kind: said for kind, said in VERDICT_MEANINGS.items() if kind in kinds},
    )
