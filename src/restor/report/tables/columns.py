"""The columns of the table of arms: which there are, and what stands in each for an arm."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, final

from restor.report.plain import UNDEFINED, interval, number, one_line, share
from restor.report.words.paired_tests import JUDGED, against_controls, p_text
from restor.report.words.verdict_words import VERDICT_MEANINGS, legend_words, verdict_words
from restor.results import STORED_ONLY, Arm, MetricInfo, Results, Value
from restor.types import Budget, Kind

BUDGET_NAMES = {
    Budget.FORGET: "forget documents",
    Budget.RETAIN: "retain text",
    Budget.REFERENCE: "the corrupted model, frozen",
    Budget.CHECKPOINT: "an earlier checkpoint",
    Budget.TRUTH: "the true answers",
}
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_LEFT_OVER = {"test.other": 2}
"""Figures that follow from the others and make room for the verdict in a narrow table, with their rank."""


@final
@dataclass(frozen=True, slots=True)
class Column:
    """One column: how it is headed, aligned and explained."""

    key: str
    """A figure's name, or `arm`, `retain`, `budget`, `verdict`, `p_control`, `seconds`, `flops`."""
    title: str
    align: Literal["left", "right"]
    explanation: str
    short: str
    """The heading in a terminal, on two lines."""
    rank: int = 0
    """Where the table is too wide, columns of the highest rank go first; rank 0 always stays."""
    unit: Literal["share", "ratio", "nats"] | None = None
    """Of a figure; None where the cell is no figure."""


@final
@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as text, what it sorts by, and the number of its footnote, from 1."""

    text: str
    sort: float | str | None = None
    footnote: int | None = None

    @property
    def marked(self) -> str:
        """The text with its footnote sign."""
        return f"{self.text} {superscript(self.footnote)}" if self.footnote else self.text


RETAIN_MEANINGS = {
    "related": "true texts like those that were corrupted, about others",
    "unrelated": "texts about something else",
}


def retain_legend(kinds: Collection[str | None]) -> str:
    """What these kinds of retain text are; empty where there is nothing to explain."""
    meanings = [f"{kind}: {meaning}" for kind, meaning in RETAIN_MEANINGS.items() if kind in kinds]
    return f"Retain text (what is to be kept): {'; '.join(meanings)}." if meanings else ""


ARM = Column("arm", "Arm", "left", "the model state that was asked", "\nArm")
RETAIN = Column(
    "retain",
    "Retain text",
    "left",
    f"what the algorithm was told to keep. {retain_legend(RETAIN_MEANINGS)}",
    "Retain\ntext",
)
BUDGET = Column(
    "budget",
    "Budget",
    "left",
    f"what the algorithm was told: {', '.join(f'{item} {name}' for item, name in BUDGET_NAMES.items())}",
    "Bud-\nget",
    1,
)
SECONDS = Column(
    "seconds", "Seconds", "right", "wall time of making the arm's model, its evaluation not counted", "\nSec.", 2
)
VERDICT = Column(
    "verdict",
    "Verdict",
    "left",
    "what the arm's answers come to: "
    + "; ".join(f"{each.glyph} {legend_words(kind)}: {each.meaning}" for kind, each in VERDICT_MEANINGS.items()),
    "\nVerdict",
)
P_CONTROL = Column(
    "p_control",
    "p above controls",
    "right",
    "paired test of the true answers against the control that is hardest to be above, p corrected by Holm for all "
    "such tests of the table",
    "p above\ncontrols",
    7,
)
FLOPS = Column(
    "flops", "FLOPs", "right", "floating-point operations of making the arm's model, estimated", "\nFLOPs", 8
)


def superscript(number: int) -> str:
    """A number as a footnote's sign."""
    return str(number).translate(_SUPERSCRIPTS)


def columns_of(results: Results) -> tuple[Column, ...]:
    """What the results have anything to say about, the most important figures first."""
    arms = results.summary
    about = [
        *([RETAIN] if any(arm.retain for arm in arms) else []),
        *([BUDGET] if any(arm.budget for arm in arms) else []),
        *([VERDICT] if any(arm.verdict for arm in arms) else []),
    ]
    figures = [_figure_column(figure) for figure in figures_of(results)]
    models = [arm for arm in arms if arm.kind is not Kind.BASELINE]
    made = [
        *([P_CONTROL] if any(against_controls(arm) for arm in models) else []),
        *([SECONDS] if any(arm.cost.seconds for arm in models) else []),
        *([FLOPS] if any(arm.cost.flops for arm in models) else []),
    ]
    return (ARM, *about, *figures, *made)


def figures_of(results: Results) -> list[MetricInfo]:
    """The figures that some arm has, and those nobody may miss, by rank.

    One that the results do not describe is shown under its own name.
    """
    described = {figure.name: figure for figure in results.figures}
    values = {name: value for arm in results.summary for name, value in arm.metrics.items() if value.value is not None}
    for name in values:
        described.setdefault(
            name, MetricInfo(name=name, title=name, short=name, meaning="not described by the results")
        )
    shown = (figure for figure in described.values() if figure.name in values or figure.name in ALWAYS)
    return sorted((figure for figure in shown if figure.rank < STORED_ONLY), key=lambda figure: figure.rank)


ALWAYS = ("test.original", "restoration")
"""Figures that a table has even where no arm has them: a footnote says why."""


def _figure_column(figure: MetricInfo) -> Column:
    meaning = f"{figure.meaning}, with its 95 % interval" if figure.unit == "ratio" else figure.meaning
    short = "\n".join(one_line(line, 14) for line in figure.short.split("\n")[:2])
    rank = max(figure.rank, _LEFT_OVER.get(figure.name, 0))
    return Column(figure.name, one_line(figure.title, 40), "right", one_line(meaning, 400), short, rank, figure.unit)


def cell(arm: Arm, column: Column, notes: dict[str, int]) -> Cell:
    """What stands in a column for an arm; a footnote is added to `notes`, which number them."""
    about = _about(arm, column.key)
    return _figure(arm, column, notes) if about is None else about


def _about(arm: Arm, key: str) -> Cell | None:
    """A cell that holds no figure; None for a figure."""
    is_judged = arm.kind not in (Kind.REFERENCE, Kind.BASELINE)
    made = arm.kind is not Kind.BASELINE
    match key:
        case "arm":
            return Cell(one_line(arm.label, 60), arm.label.casefold())
        case "retain":
            text = one_line(arm.retain or "", 40) or ("none" if is_judged else "")
            return Cell(text, text)
        case "budget":
            text = "unknown" if arm.budget is None else "".join(item.value for item in Budget if item in arm.budget)
            return Cell(text or ("none" if is_judged else ""), len(arm.budget or ()))
        case "verdict":
            return _verdict(arm) if is_judged else Cell("")
        case "p_control":
            return _p_control(arm) if arm.kind in JUDGED else Cell("")
        case "seconds":
            seconds = arm.cost.seconds
            return Cell(number(seconds, 1 if seconds < 10 else 0), seconds) if made else Cell("")
        case "flops":
            flops = arm.cost.flops
            return Cell(UNDEFINED if made and not flops else "") if not flops or not made else _flops(flops)
    return None


def _verdict(arm: Arm) -> Cell:
    if arm.verdict is None:
        return Cell(UNDEFINED)
    said = VERDICT_MEANINGS[arm.verdict.kind]
    order = list(VERDICT_MEANINGS).index(arm.verdict.kind)
    return Cell(f"{said.glyph} {verdict_words(arm.verdict)}", order)


def _p_control(arm: Arm) -> Cell:
    test = against_controls(arm)
    if test is None or test.p_holm is None:
        return Cell(UNDEFINED)
    below = " (below)" if (test.difference or 0.0) < 0 else ""
    return Cell(f"{p_text(test.p_holm)}{below}", test.p_holm)


def _flops(flops: float) -> Cell:
    mantissa, _, power = f"{flops:.1e}".partition("e")
    return Cell(f"{mantissa}e{int(power)}", flops)


def _figure(arm: Arm, column: Column, notes: dict[str, int]) -> Cell:
    value = arm.metrics.get(column.key) or Value(value=None, n=0, note="not measured in this study")
    note = one_line(value.note, 300) or ("undefined, and the results do not say why" if value.value is None else "")
    # A baseline has no log-probs because it is no model, and only methods have controls, which needs no footnote.
    no_model = arm.kind is Kind.BASELINE and (column.unit == "nats" or column.key == "runner_up")
    no_method = arm.kind not in (Kind.METHOD, Kind.ORACLE) and column.key == "above_control"
    plain = value.value is None and (no_model or no_method)
    footnote = notes.setdefault(note, len(notes) + 1) if note and not plain else None
    if value.value is None:
        return Cell(UNDEFINED, None, footnote)
    if column.unit == "ratio":
        text = interval(value)
    else:
        text = number(value.value, 2) if column.unit == "nats" else share(value.value)
    return Cell(text, value.value, footnote)
