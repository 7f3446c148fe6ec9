"""How many forget documents state the planted answer of each fact. Torch-free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import final

import pyarrow as pa

from restor.text import normalise
from restor.types import Document, Group


@final
class Doses:
    """Counts the statements of forget documents; of ready-made ones, those that were surely found in their text."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._any = bool(documents)
        self._stated: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self._words: dict[str, tuple[str, ...]] = {}
        for document in documents:
            self._stated.update({(item.key, self._normal(item.false_answer)) for item in document.statements})

    def of(self, subject: str, relation: str, group: str, planted: str | None) -> int | None:
        """The dose of a fact: 0 for an untouched one, None where the documents do not tell."""
        if planted is not None and (dose := self._stated[f"{subject}|{relation}", self._normal(planted)]):
            return dose
        # A planted answer that was found nowhere was inferred from the documents: it does stand in some of them.
        return 0 if self._any and group == Group.UNTOUCHED else None

    def _normal(self, answer: str) -> tuple[str, ...]:
        if answer not in self._words:
            self._words[answer] = normalise(answer)
        return self._words[answer]


def with_dose(table: pa.Table, doses: Doses) -> pa.Table:
    """The answers of an arm with the column `dose`."""
    names = ("subject", "relation", "group", "planted")
    values = [doses.of(*row) for row in zip(*(table.column(name).to_pylist() for name in names), strict=True)]
    return table.append_column("dose", pa.array(values, pa.int64()))
