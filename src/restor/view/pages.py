"""Templates filled in. Every text is escaped by Jinja and made printable before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from restor.report.plain import UNDEFINED, number, printable
from restor.report.tables.arm_table import SECTION_TITLES
from restor.report.words.verdict_words import VERDICT_MEANINGS
from restor.view.index import StudyState
from restor.view.listing import COLUMNS
from restor.view.study_processes import Process, utc_now
from restor.view.summaries import ListedArm

if TYPE_CHECKING:
    from jinja2 import Environment


def environment() -> Environment:
    """The templates with what they may use."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = files("restor.view").joinpath("templates")

    def shown(value: Any) -> Any:
        # Everything printed passes here; autoescape follows.
        return printable(value) if type(value) is str else value

    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text("utf-8")),
    )
    made.filters |= {
        "study_address": study_address,
        "percent": percent,
        "lasting": lasting,
        "moment": moment,
        "age": age,
        "steps": steps,
    }
    made.globals |= {
        "kind_titles": SECTION_TITLES,
        "verdicts": VERDICT_MEANINGS,
        "states": list(StudyState),
        "columns": COLUMNS,
    }
    return made


def study_address(study: str) -> str:
    """Where the page of a study is."""
    return f"/study/{quote(study, safe='', errors='replace')}"


def compare_address(asked: dict[str, list[str]], ending: str = "") -> str:
    """Where the comparison of these arms is, as a page or as a file."""
    pairs = [("arms", f"{study}/{arm}" if arm else study) for study, arms in asked.items() for arm in arms or [""]]
    return f"/compare{'/' + ending if ending else ''}?{urlencode(pairs, errors='replace')}"


def percent(arm: ListedArm) -> str:
    """Restoration with its interval, such as `37 % [21, 52]`."""
    if arm.restoration is None:
        return UNDEFINED
    text = f"{number(100 * arm.restoration)} %"
    return f"{text} [{number(100 * arm.interval[0])}, {number(100 * arm.interval[1])}]" if arm.interval else text


def lasting(seconds: float) -> str:
    """`4 s`, `12 min`, `3 h 20 min`, `5 days`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


def moment(iso: str) -> str:
    """`2026-11-21 16:55`, as far as the text is a time."""
    try:
        return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return iso[:20]


def age(process: Process) -> str:
    """How long ago a process last told anything."""
    seconds = process.age(utc_now())
    return "unknown" if seconds is None else f"{lasting(seconds)} ago"


def steps(process: Process) -> Sequence[str]:
    """What a process does now, in words."""
    running = process.told
    steps_shown = []
    if running.steps:
        steps_shown.append(f"step {running.done:,} of {running.steps:,}")
    if running.loss is not None:
        steps_shown.append(f"loss {number(running.loss, 3)}")
    if process.live and running.stage_left is not None:
        steps_shown.append(f"about {lasting(running.stage_left)} left of this stage")
    if process.live and running.seconds_left is not None:
        steps_shown.append(f"about {lasting(running.seconds_left)} of the study")
    return steps_shown
