"""Log-probs of the tokens of options, added up as forwards bring them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restor.evaluation.ask.engine.items import Option, OptionScore
from restor.evaluation.ask.engine.tree import Ints

LOWERED = 20.0
"""Nats by which the logit of a suppressed token is lowered when options are scored."""

LOGITS = 2**25
"""Most logits in memory at once."""


@final
@dataclass(frozen=True, slots=True)
class Uses:
    """Tokens that are scored in a forward, sorted by the rows that predict them."""

    rows: Ints
    """Of the forward's states."""
    tokens: Ints
    options: Ints
    """Running numbers."""
    lowered: dict[int, tuple[int, ...]]
    """By use: the tokens that are suppressed there."""


@final
class Scores:
    """The sums of some options."""

    def __init__(self, options: int) -> None:
        self._totals = np.zeros(options)
        self._greedy = np.ones(options, dtype=np.bool_)

    def result(self, number: int, option: Option) -> OptionScore | None:
        """What was added up for an option; None for one without a token to be scored."""
        if not option.scored:
            return None
        count = len(option.ids) - (option.kept == 0)
        return OptionScore(float(self._totals[number]), count, bool(self._greedy[number]))

    def add(self, logits: Tensor, rows: Ints, uses: Uses) -> NDArray[np.int64] | None:
        """Adds what some rows predict, by their logits (N, V); returns the most probable token of each row.

        None if logits are not numbers, and then nothing is added.
        """
        sums = logits.logsumexp(dim=-1)
        if not bool(torch.isfinite(sums).all()):
            return None
        best: Ints = logits.argmax(dim=-1).cpu().numpy()
        first, end = np.searchsorted(uses.rows, (rows[0], rows[-1] + 1)).tolist()
        places = np.searchsorted(rows, uses.rows[first:end])
        tokens, options = uses.tokens[first:end], uses.options[first:end]
        row, column = (torch.from_numpy(part).to(logits.device) for part in (places, tokens))
        values = (logits[row, column] - sums[row]).double().cpu().numpy()
        same = best[places] == tokens
        for use in sorted(uses.lowered.keys() & range(first, end)) if uses.lowered else ():
            logits_of_row = logits[int(places[use - first])].clone()
            logits_of_row[list(uses.lowered[use])] -= LOWERED
            token = int(tokens[use - first])
            values[use - first] = float(logits_of_row[token] - logits_of_row.logsumexp(dim=-1))
            same[use - first] = int(logits_of_row.argmax()) == token
        np.add.at(self._totals, options, values)
        np.logical_and.at(self._greedy, options, same)
        return best
