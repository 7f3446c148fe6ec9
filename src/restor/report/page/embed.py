"""The per-fact table in the few bytes that a page can carry: column by column, each string once, compressed."""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from restor.report.io.states import STATES, States
from restor.report.plain import clip, printable
from restor.results import Results
from restor.types import Group, Judgement

if TYPE_CHECKING:
    import pyarrow

    from restor.report.io.states import Flags

MOST_ROWS = 40_000
"""Answers on one page: about 2 MB."""
MOST_CHARACTERS = {
    "completion": 1_000,
    "reason": 400,
    "question": 2_000,
    "prompt": 8_000,
    "answer": 300,
    "subject": 300,
    "option": 120,
}
MOST_OPTIONS = 30
"""Answers of a fact whose log-probs are shown."""
LETTERS = {Judgement.ORIGINAL: "o", Judgement.PLANTED: "p", Judgement.OTHER: "x", Judgement.UNSCORED: "u"}


@final
@dataclass(frozen=True, slots=True)
class Embedded:
    """Facts and answers as plain JSON values, and what was left out."""

    data: dict[str, Any]
    facts: int
    answers: int
    left_out: str
    """In words; empty when everything is there."""


def embed_facts(results: Results, states: States) -> Embedded:
    """The data of the fact browser.

    Args:
        results: the arms.
        states: of all facts of these results.
    """
    rows, owners, left_out = _thinned(states)
    strings = _Strings()
    columns = {name: rows[name].to_pylist() for name in rows.column_names if not name.startswith("layers_")}
    asked: dict[tuple[Any, ...], int] = {}
    answers: dict[str, list[tuple[int, int]]] = {arm.id: [] for arm in results.summary}
    of_fact: dict[str, dict[int, Any]] = {"n_candidates": {}, "dose": {}, "options": {}}
    keys = [columns[name] for name in ("seed", "subject", "relation", "group", "question", "prompt")]
    for row, owner in enumerate(owners):
        key = tuple(column[row] for column in keys)
        key = (*key, tuple(columns["answers"][row] or ()), columns["planted"][row], columns["answer_shown"][row])
        fact = asked.setdefault(key, len(asked))
        for name, values_of_fact in of_fact.items():
            if fact not in values_of_fact and columns[name][row] is not None:  # a baseline has none
                values_of_fact[fact] = columns[name][row]
        answers[results.summary[owner].id].append((fact, row))
    data = {
        "arms": [_arm(columns, answers[arm.id], of_fact["options"], strings) for arm in results.summary],
        "facts": _facts(list(asked), of_fact, strings),
        "strings": strings.values,
    }
    return Embedded(data, len(asked), rows.num_rows, left_out)


def packed(value: Any) -> str:
    """JSON, compressed, in letters that mean nothing to a browser: no text in it can start or end an element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode("utf-8", "replace"), 6, mtime=0)).decode("ascii")


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


def _facts(
    asked: Sequence[tuple[Any, ...]], of_fact: Mapping[str, Mapping[int, Any]], strings: _Strings
) -> dict[str, list[Any]]:
    names = ("seed", "subject", "relation", "group", "question", "prefix", "answers", "planted", "shown")
    made: dict[str, list[Any]] = {name: [] for name in (*names, "candidates", "dose", "options")}
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
        made["candidates"].append(of_fact["n_candidates"].get(place))
        made["dose"].append(of_fact["dose"].get(place))
        options = (of_fact["options"].get(place) or ())[:MOST_OPTIONS]
        # 1 for a true answer, 2 for the planted one, 0 for any other.
        made["options"].append(
            [[strings.add(text, "option"), 1 if text in answers else 2 * (text == planted)] for text in options]
        )
    return made


def _arm(
    columns: dict[str, list[Any]],
    answers: Sequence[tuple[int, int]],
    options: Mapping[int, Any],
    strings: _Strings,
) -> dict[str, Any]:
    rows = [row for _, row in answers]
    places = [fact for fact, _ in answers]
    whole = places == list(range(len(places)))
    asked = columns["options"]
    return {
        # A count where the arm was asked the facts in order, as arms mostly are.
        "fact": len(places) if whole else places,
        "completion": [strings.add(columns["completion"][row], "completion") for row in rows],
        "judgement": "".join(LETTERS[Judgement(columns["judgement"][row])] for row in rows),
        "reason": [strings.add(columns["reason"][row], "reason") for row in rows],
        "original": [_hundredths(columns["logprob_original"][row]) for row in rows],
        "planted": [_hundredths(columns["logprob_planted"][row]) for row in rows],
        "random": [_hundredths(columns["logprob_random"][row]) for row in rows],
        "rank": [columns["rank_original"][row] for row in rows],
        # Where an arm was asked for other options than the fact's, its log-probs would stand beside wrong answers.
        "options": [
            [_hundredths(value) for value in columns["option_logprobs"][row][:MOST_OPTIONS]]
            if asked[row] is not None
            and asked[row] == options.get(fact)
            and len(columns["option_logprobs"][row] or ()) == len(asked[row])
            else 0
            for fact, row in answers
        ]
        if any(asked[row] for row in rows)
        else None,
    }


def _hundredths(value: float | None) -> int | None:
    return round(100 * value) if value is not None and math.isfinite(value) else None
