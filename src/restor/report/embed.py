"""The per-fact table in the few bytes that a page can carry: column by column, each string once."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from restor.report.moved import Counts, Pair
from restor.report.states import STATES, States
from restor.report.text import clip, printable
from restor.results import Results
from restor.types import Group, Judgement

if TYPE_CHECKING:
    import pyarrow

    from restor.report.states import Flags

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
MOST_ENTITIES = 200
"""Entities whose moved facts are counted one by one, for each pair of models."""
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


def embed_facts(results: Results, states: States, pairs: Sequence[Pair] = ()) -> Embedded:
    """The data of the fact browser and of the lists of moved facts.

    Args:
        results: the arms.
        states: of all facts of these results.
        pairs: the models between which facts moved.
    """
    rows, owners, left_out = _thinned(states)
    strings = _Strings()
    columns = {name: rows[name].to_pylist() for name in rows.column_names}
    asked: dict[tuple[Any, ...], int] = {}
    answers: dict[str, list[tuple[int, int]]] = {arm.id: [] for arm in results.summary}
    candidates: dict[int, int] = {}
    for row, owner in enumerate(owners):
        key = tuple(columns[name][row] for name in ("seed", "subject", "relation", "group", "question", "prompt"))
        key = (*key, tuple(columns["answers"][row] or ()), columns["planted"][row], columns["answer_shown"][row])
        fact = asked.setdefault(key, len(asked))
        if columns["n_candidates"][row] is not None:  # a baseline has none
            candidates[fact] = columns["n_candidates"][row]
        answers[results.summary[owner].id].append((fact, row))
    data = {
        "arms": [
            _arm(arm.id, arm.label, arm.retain, arm.kind, columns, answers[arm.id], strings) for arm in results.summary
        ],
        "facts": _facts(list(asked), candidates, strings),
        "moved": [_moved(pair, states, strings) for pair in pairs],
        "strings": strings.values,
    }
    return Embedded(script_json(data), len(asked), rows.num_rows, left_out)


def script_json(value: Any) -> str:
    """JSON in which no text can end, or start, an element: `</script>` is written `\\u003c/script\\u003e`."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _ACTIVE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _thinned(states: States) -> tuple[pyarrow.Table, list[int], str]:
    """The rows that one page can carry, whole facts at a time, the arm of each, and in words what is lacking."""
    import numpy as np

    total = states.facts.num_rows
    kept = np.ones(total, dtype=bool)
    said: list[str] = []

    def too_many() -> bool:
        return int(kept.sum()) > MOST_ROWS

    if too_many():
        known = (states.state == STATES.index(Judgement.ORIGINAL)) | (states.state < -1)
        dull = known.all(axis=0) & (states.group == list(Group).index(Group.UNTOUCHED))
        kept &= ~dull[states.fact]
        if dull.any():
            said.append(
                "facts about untouched entities are shown only where some arm does not give the original answer"
            )
    shows = states.row[states.row >= 0]
    if too_many() and len(shows) < total:
        one = np.zeros(total, dtype=bool)
        one[shows] = True
        kept &= one
        said.append("of several runs of a fact one is shown, which says what most of them say")
    codes, seeds = states.named["seed"]
    for last in sorted(seeds, reverse=True)[:-1]:
        if not too_many():
            break
        kept &= codes != seeds.index(last)
    left = sorted({seeds[code] for code in np.unique(codes[kept])})
    if len(left) < len(seeds):
        said.append(f"only for seeds {', '.join(map(str, left))}")
    if too_many():
        chosen = _chosen(states, kept)
        kept &= chosen[states.fact]
        said.append(f"only {int(chosen.sum()):,} facts, spread over all of them, the targeted ones first")
    words = f"{total:,} answers are too many for one page: {'; '.join(said)}. facts.parquet has all of them."
    places = np.flatnonzero(kept)
    return states.facts.take(places), states.owner[places].tolist(), words if said else ""


def _chosen(states: States, kept: Flags) -> Flags:
    """As many facts as there is room for, evenly spaced; targeted ones before all others."""
    import numpy as np

    present = np.bincount(states.fact[kept], minlength=len(states.first))
    room = MOST_ROWS // max(1, int(present.max(initial=1)))
    targeted = states.group == list(Group).index(Group.TEST)
    chosen = np.zeros(len(present), dtype=bool)
    for members in (np.flatnonzero((present > 0) & targeted), np.flatnonzero((present > 0) & ~targeted)):
        count = min(room, len(members))
        chosen[members[np.arange(count) * len(members) // max(1, count)]] = True
        room -= count
    return chosen


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


def _facts(asked: Sequence[tuple[Any, ...]], candidates: Mapping[int, int], strings: _Strings) -> dict[str, list[Any]]:
    names = ("seed", "subject", "relation", "group", "question", "prefix", "answers", "planted", "shown", "candidates")
    made: dict[str, list[Any]] = {name: [] for name in names}
    for place, (seed, subject, relation, group, question, prompt, answers, planted, shown) in enumerate(asked):
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
        made["shown"].append(int(bool(shown)))
        made["candidates"].append(candidates.get(place))
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


def _moved(pair: Pair, states: States, strings: _Strings) -> dict[str, Any]:
    def told(counts: Mapping[str, Counts]) -> list[list[int]]:
        rows = [
            [strings.add(name, "subject"), row.facts, row.restored, row.lost, row.planted, row.forgotten]
            for name, row in counts.items()
        ]
        # The most moved first; those that moved alike as stored.
        return sorted(rows, key=lambda row: -sum(row[2:]))

    entities = told(pair.entities)
    return {
        "before": states.arms[pair.before.id],
        "after": states.arms[pair.after.id],
        "moves": len(pair.moves),
        "relations": told(pair.relations),
        "entities": entities[:MOST_ENTITIES],
        "more": max(0, len(entities) - MOST_ENTITIES),
    }


def _hundredths(value: float | None) -> int | None:
    return round(100 * value) if value is not None and math.isfinite(value) else None
