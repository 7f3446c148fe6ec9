"""A question as a row of an exported task. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from restor.types import Group, Query

GROUPS: dict[Group, str] = {Group.TEST: "targeted", Group.UNTOUCHED: "untouched"}
"""The groups that are exported, as the tasks call them. Validation facts count in no figure of a table."""

Row = dict[str, Any]
"""A line of an exported JSONL file."""


def probe(query: Query, data: str) -> Row:
    """One question with its demonstrations and options; `data` is the hash of what it was made from.

    `roles` are places in `options`. An option that is drawn twice is asked once and has both roles.
    """
    planted = () if query.planted is None else (query.planted,)
    # Sorted, so that options of equal probability are not decided for the true answer.
    options = sorted({*query.fact.answers, *planted, *query.random, *query.candidates})
    place = {option: number for number, option in enumerate(options)}

    def places(texts: Iterable[str]) -> list[int]:
        return sorted({place[text] for text in texts})

    return {
        "key": query.fact.key,
        "group": GROUPS[query.group],
        "subject": query.fact.subject,
        "relation": query.fact.relation,
        "question": query.question,
        "prompt": query.prefix + query.question,
        "answers": list(query.fact.answers),
        "planted": query.planted,
        "options": options,
        "roles": {
            "original": places(query.fact.answers),
            "planted": places(planted),
            "random": places(query.random),
            "candidates": places(query.candidates),
        },
        "answer_shown": query.answer_shown,
        "data": data,
    }
