"""The per-fact table in the few bytes that a page can carry: column by column, each string once."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from restor.errors import DataError
from restor.report.load import summary_ids
from restor.report.text import clip, printable
from restor.results import Results
from restor.types import Group, Judgement

if TYPE_CHECKING:
    import pyarrow

MOST_ROWS = 40_000
"""Answers on one page: about 2 MB."""
MOST_CHARACTERS = {
    "completion": 1_000,
    "reason": 400,
    "question": 2_000,
    "prompt": 8_000,
    "answer": 300,
    "subject": 300,
}
LETTERS = {Judgement.ORIGINAL: "o", Judgement.PLANTED: "p", Judgement.OTHER: "x", Judgement.UNSCORED: "u"}

_ACTIVE = re.compile("[<>&\u2028\u2029]")


@final
@dataclass(frozen=True, slots=True)
class Embedded:
    """Facts and answers as JSON that is safe within a script element, and what was left out."""

    json: str
    facts: int
    answers: int
    left_out: str
    """In words; empty when everything is there."""


def embed_facts(results: Results, facts: pyarrow.Table) -> Embedded:
    """The data of the fact browser.

    Raises:
        DataError: if the facts name an arm that the results do not have.
    """
    rows, left_out = _thinned(facts)
    strings = _Strings()
    pooled = summary_ids(results)
    columns = {name: rows[name].to_pylist() for name in rows.column_names}
    unknown = sorted(set(columns["arm"]) - set(pooled), key=str)
    if unknown:
        raise DataError(
            f"The facts name the arm {unknown[0]!r}, which the results do not have: {', '.join(pooled)}. "
            "Use results.json and facts.parquet of one study."
        )
    asked: dict[tuple[Any, ...], int] = {}
    answers: dict[str, list[tuple[int, int]]] = {arm.id: [] for arm in results.summary}
    for row, arm in enumerate(columns["arm"]):
        fact = tuple(columns[name][row] for name in ("seed", "subject", "relation", "group", "question", "prompt"))
        fact = (*fact, tuple(columns["answers"][row] or ()), columns["planted"][row], columns["n_candidates"][row])
        answers[pooled[arm]].append((asked.setdefault(fact, len(asked)), row))
    data = {
        "arms": [
            _arm(arm.id, arm.label, arm.retain, arm.kind, columns, answers[arm.id], strings) for arm in results.summary
        ],
        "facts": _facts(list(asked), strings),
        "strings": strings.values,
    }
    return Embedded(script_json(data), len(asked), rows.num_rows, left_out)


def script_json(value: Any) -> str:
    """JSON in which no text can end, or start, an element: `</script>` is written `\\u003c/script\\u003e`."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _ACTIVE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _thinned(facts: pyarrow.Table) -> tuple[pyarrow.Table, str]:
    import pyarrow.compute as pc

    if facts.num_rows <= MOST_ROWS:
        return facts, ""
    known = pc.and_(
        pc.equal(facts["group"], Group.UNTOUCHED.value), pc.equal(facts["judgement"], Judgement.ORIGINAL.value)
    )
    kept = facts.filter(pc.invert(known))
    said = f"{facts.num_rows:,} answers are too many for one page. Answers to facts about untouched entities are shown"
    said += " only where they are not the original answer"
    if kept.num_rows > MOST_ROWS:
        seeds = sorted(pc.unique(kept["seed"]).to_pylist())
        fitting = len(seeds)
        while fitting > 1 and kept.filter(pc.less_equal(kept["seed"], seeds[fitting - 1])).num_rows > MOST_ROWS:
            fitting -= 1
        if fitting < len(seeds):
            kept = kept.filter(pc.less_equal(kept["seed"], seeds[fitting - 1]))
            said += f", and only for seeds {', '.join(map(str, seeds[:fitting]))}"
    return kept, f"{said}. facts.parquet has all of them."


@final
class _Strings:
    """Texts, each stored once and named by its number."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self._numbers: dict[str, int] = {}

    def add(self, text: str | None, sort: str) -> int:
        """The number of a text, -1 for none."""
        if text is None:
            return -1
        shown = printable(clip(text, MOST_CHARACTERS[sort]))
        number = self._numbers.setdefault(shown, len(self.values))
        if number == len(self.values):
            self.values.append(shown)
        return number


def _facts(asked: Sequence[tuple[Any, ...]], strings: _Strings) -> dict[str, list[Any]]:
    made: dict[str, list[Any]] = {
        name: []
        for name in ("seed", "subject", "relation", "group", "question", "prefix", "answers", "planted", "candidates")
    }
    for seed, subject, relation, group, question, prompt, answers, planted, candidates in asked:
        # The demonstrations are the same for many questions; stored apart they are stored once.
        shared = prompt[: -len(question)] if question and (prompt or "").endswith(question) else prompt
        made["seed"].append(seed)
        made["subject"].append(strings.add(subject, "subject"))
        made["relation"].append(strings.add(relation, "subject"))
        made["group"].append(strings.add(group, "subject"))
        made["question"].append(strings.add(question, "question"))
        made["prefix"].append(strings.add(shared, "prompt"))
        made["answers"].append([strings.add(text, "answer") for text in answers])
        made["planted"].append(strings.add(planted, "answer"))
        made["candidates"].append(candidates)
    return made


def _arm(
    arm_id: str,
    label: str,
    retain: str | None,
    kind: str,
    columns: dict[str, list[Any]],
    answers: Sequence[tuple[int, int]],
    strings: _Strings,
) -> dict[str, Any]:
    rows = [row for _, row in answers]
    places = [fact for fact, _ in answers]
    whole = places == list(range(len(places)))
    return {
        "id": printable(arm_id),
        "label": printable(clip(label, 80)),
        "retain": printable(retain) if retain else None,
        "kind": str(kind),
        # A count where the arm was asked the facts in order, as arms mostly are.
        "fact": len(places) if whole else places,
        "completion": [strings.add(columns["completion"][row], "completion") for row in rows],
        "judgement": "".join(LETTERS[Judgement(columns["judgement"][row])] for row in rows),
        "reason": [strings.add(columns["reason"][row], "reason") for row in rows],
        "original": [_hundredths(columns["logprob_original"][row]) for row in rows],
        "planted": [_hundredths(columns["logprob_planted"][row]) for row in rows],
        "random": [_hundredths(columns["logprob_random"][row]) for row in rows],
        "rank": [columns["rank_original"][row] for row in rows],
    }


def _hundredths(value: float | None) -> int | None:
    return round(100 * value) if value is not None and math.isfinite(value) else None
