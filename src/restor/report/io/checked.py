"""What must hold in stored results beyond their types, so that no figure is silently wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from restor.results import Arm, Results
from restor.types import Group, Judgement

if TYPE_CHECKING:
    import pyarrow

_KEY = ("arm", "seed", "group", "subject", "relation", "question", "run")
_NEEDED = (*_KEY, "answers", "completion", "judgement")
_NUMBERS = ("logprob_original", "logprob_planted", "logprob_random")
_LISTS = ("option_logprobs", "layers_original", "layers_planted")
_PAIRS = (("options", "option_logprobs"), ("layers_original", "layers_planted"))


def wrong_in_results(results: Results) -> str | None:
    """What is wrong, in words; None where nothing is."""
    return next(_wrong_results(results), None)


def wrong_in_facts(table: pyarrow.Table) -> str | None:
    """What is wrong with a table of all the columns, in words; None where nothing is."""
    return next(_wrong_facts(table), None)


def without_answers(results: Results, table: pyarrow.Table) -> list[str]:
    """Ids of the arms of one seed that the facts do not know: their figures stand, their answers are missing."""
    import pyarrow.compute as pc

    known = set(pc.unique(table["arm"]).to_pylist())
    return [arm.id for arm in results.arms if arm.id not in known and arm.metrics]


def _wrong_results(results: Results) -> Iterator[str]:
    for name, arms in (("arms", results.arms), ("summary", results.summary)):
        if not arms:
            yield f"has no arms: `{name}` is empty, so there is nothing to report"
        if twice := _twice(arm.id for arm in arms):
            yield f"names {twice!r} more than once in `{name}`; an id must be unique"
        for arm in arms:
            yield from _wrong_arm(arm, f"{name}, {arm.id!r}")
    if twice := _twice(f"{arm.arm}/{arm.retain}" if arm.retain else arm.arm for arm in results.summary):
        yield f"has two rows of `summary` for the arm {twice!r}"
    pooled = {(arm.arm, arm.retain) for arm in results.summary}
    if lost := next((arm.id for arm in results.arms if (arm.arm, arm.retain) not in pooled), None):
        yield f"has the arm {lost!r} in `arms` and no row for it in `summary`"
    if twice := _twice(figure.name for figure in results.figures):
        yield f"describes the figure {twice!r} more than once"
    known = {arm.id for arm in results.summary}
    for arm in results.summary:
        if unknown := next((test.other for test in arm.tests if test.other not in known), None):
            yield f"tests {arm.id!r} against {unknown!r}, which is no arm of `summary`"


def _wrong_arm(arm: Arm, where: str) -> Iterator[str]:
    values = [*arm.metrics.items(), *((part.name, part.restoration) for parts in arm.parts.values() for part in parts)]
    for name, value in values:
        if not _ordered(value.ci_low, value.ci_high):
            yield f"has an interval whose ends are swapped: {where}, {name}"
        if min(value.n, value.n_entities, value.n_unscored) < 0:
            yield f"counts fewer than no facts: {where}, {name}"
    for test in arm.tests:
        if any(p is not None and not 0 <= p <= 1 for p in (test.p, test.p_holm)):
            yield f"has a p that is no probability: {where}, against {test.other!r}"
        if not _ordered(test.ci_low, test.ci_high):
            yield f"has an interval whose ends are swapped: {where}, against {test.other!r}"
    if arm.verdict and not _ordered(arm.verdict.ci_low, arm.verdict.ci_high):
        yield f"has an interval whose ends are swapped: {where}, verdict"


def _ordered(low: float | None, high: float | None) -> bool:
    return low is None or high is None or low <= high


def _twice(names: Iterable[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _wrong_facts(table: pyarrow.Table) -> Iterator[str]:
    import pyarrow.compute as pc

    if not table.num_rows:
        yield "has no facts: it has columns and not one row"
        return
    for name in _NEEDED:
        if table[name].null_count:
            yield f"lacks the {name} in {table[name].null_count:,} of {table.num_rows:,} rows"
    for column, allowed in (("judgement", Judgement), ("group", Group)):
        known = {member.value for member in allowed}
        unknown = sorted(str(value) for value in set(pc.unique(table[column]).to_pylist()) - known)
        if unknown:
            yield f"has the {column} {unknown[0]!r}; a {column} is one of {', '.join(m.value for m in allowed)}"
    for name in (*_NUMBERS, *_LISTS):
        values = table[name] if name in _NUMBERS else pc.list_flatten(table[name])
        if pc.any(pc.invert(pc.is_finite(values))).as_py():
            yield f"has a {name} that is not a number, or infinite; an unknown one is null"
    for one, other in _PAIRS:
        lengths = (pc.list_value_length(table[name]) for name in (one, other))
        if pc.any(pc.not_equal(*lengths)).as_py():
            yield f"has rows in which {one} and {other} are of unequal length"
    rows = table.select(_KEY).group_by(list(_KEY), use_threads=False).aggregate([([], "count_all")])
    if rows.num_rows < table.num_rows:
        again = rows.filter(pc.greater(rows["count_all"], 1)).slice(0, 1).to_pylist()[0]
        about = ", ".join(f"{name} {again[name]!r}" for name in ("arm", "seed", "subject", "relation", "run"))
        yield f"has {table.num_rows - rows.num_rows:,} rows more than once, such as that of {about}"
