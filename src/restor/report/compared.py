"""A comparison as one self-contained page: the tables that the terminal shows, without scripts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from restor.report.compare import Comparison, Entrant
from restor.report.tables import SECTION_TITLES
from restor.report.text import printable
from restor.report.verdicts import VERDICT_MEANINGS

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


def render_comparison(comparison: Comparison, studies: Sequence[Entrant]) -> str:
    """The whole page as one string. Everything in it is foreign and escaped."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def shown(value: Any) -> Any:
        # Everything printed passes here; autoescape follows.
        return printable(value) if type(value) is str else value

    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=shown, trim_blocks=True)
    template = environment.from_string(files("restor.report").joinpath("compared.html.jinja").read_text("utf-8"))
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
