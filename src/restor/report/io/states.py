"""What every arm makes of every fact, as arrays: what the page and the lists of moved facts are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from restor.errors import DataError
from restor.report.io.load import summary_ids
from restor.report.plain import listed
from restor.results import Results
from restor.types import Group, Judgement

if TYPE_CHECKING:
    import numpy as np
    import pyarrow
    from numpy.typing import NDArray

    Codes = NDArray[np.int64]
    Flags = NDArray[np.bool_]

STATES = (Judgement.OTHER, Judgement.PLANTED, Judgement.ORIGINAL)
"""What an arm makes of a fact: the judgement of most of its scored runs. Of equally frequent ones the first counts, so
that a doubt is never taken as knowledge."""
UNSCORED, NOT_ASKED = -1, -2


@final
class States:
    """A arms of the summary and F facts (seed, subject, relation), both in the order in which they are stored.

    Raises:
        DataError: if the facts name an arm that the results do not have.
    """

    def __init__(self, results: Results, facts: pyarrow.Table) -> None:
        import numpy as np

        pooled = summary_ids(results)
        self.facts = facts
        arm, names = encoded(facts, "arm")
        if unknown := sorted({name for name in names if name not in pooled}, key=str):
            raise DataError(
                f"The facts name the arm {unknown[0]!r}, which the results do not have: {listed([*pooled], 8)}. "
                "Use results.json and facts.parquet of one study."
            )
        self.arms = {arm.id: place for place, arm in enumerate(results.summary)}
        self.owner: Codes = np.array([self.arms[pooled[name]] for name in names], dtype=np.int64)[arm]
        """Per row: its arm."""
        self.named = {name: encoded(facts, name) for name in ("seed", "subject", "relation")}
        self.first, self.fact = _numbered([codes for codes, _ in self.named.values()])
        """Per fact its first row, and per row its fact."""
        groups, values = encoded(facts, "group")
        of_row = np.array([list(Group).index(Group(value)) for value in values], dtype=np.int64)[groups]
        self.group: Codes = of_row[self.first]
        """Per fact: its group, as a place in `Group`."""
        judgements, values = encoded(facts, "judgement")
        kinds = [STATES.index(value) if value in STATES else UNSCORED for value in map(Judgement, values)]
        judged: Codes = np.array(kinds, dtype=np.int64)[judgements]
        counts = np.zeros((len(STATES), len(self.arms), len(self.first)), dtype=np.int32)
        scored = judged != UNSCORED
        np.add.at(counts, (judged[scored], self.owner[scored], self.fact[scored]), 1)
        self.state: Codes = np.full(counts.shape[1:], NOT_ASKED, dtype=np.int64)
        """(A, F): a place in `STATES`, UNSCORED or NOT_ASKED."""
        self.state[self.owner, self.fact] = UNSCORED
        self.state = np.where(counts.any(axis=0), counts.argmax(axis=0), self.state)
        # Rows are written from the last to the first, and the last one written stays.
        shows = np.flatnonzero(judged == self.state[self.owner, self.fact])[::-1]
        self.row: Codes = np.full(self.state.shape, -1, dtype=np.int64)
        """(A, F): the first row that shows the state, -1 where there is none."""
        self.row[self.owner[shows], self.fact[shows]] = shows


def encoded(table: pyarrow.Table, name: str) -> tuple[Codes, list[Any]]:
    """A number for each value of a column, in order of first appearance, and the values."""
    import numpy as np
    import pyarrow.compute as pc

    column = pc.dictionary_encode(table[name], null_encoding="encode").combine_chunks()
    indices = column.indices.to_numpy(zero_copy_only=False)
    return np.asarray(indices, dtype=np.int64), column.dictionary.to_pylist()


def _numbered(parts: list[Codes]) -> tuple[Codes, Codes]:
    """Equal rows of some codes get one number, in order of first appearance: first row of each number, number per row.

    Works column by column, so that no product of sizes overflows.
    """
    import numpy as np

    number = np.zeros(len(parts[0]), dtype=np.int64)
    for codes in parts:
        _, number = np.unique(number * (codes.max(initial=0) + 1) + codes, return_inverse=True)
    _, first = np.unique(number, return_index=True)
    order = np.argsort(first, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return first[order], place[number]
