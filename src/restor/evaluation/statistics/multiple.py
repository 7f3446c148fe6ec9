"""Many tests in one table."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)


def holm(p_values: Mapping[KeyT, float | None]) -> dict[KeyT, float | None]:
    """Adjusted p-values by name, in the order given (Holm 1979, A simple sequentially rejective multiple test
    procedure, Scand. J. Stat. 6).

    Of m sorted p-values the k-th becomes min(1, max over j <= k of (m - j + 1) p_j). Rejecting those up to alpha keeps
    the chance of any false rejection below alpha, whatever the tests have in common. An undefined p stays None and does
    not count among the m.
    """
    known = {name: p for name, p in p_values.items() if p is not None and not math.isnan(p)}
    if outside := {name: p for name, p in known.items() if not 0 <= p <= 1}:
        raise ValueError(f"p-values lie between 0 and 1, given {outside}")
    adjusted: dict[KeyT, float] = {}
    largest = 0.0
    for place, name in enumerate(sorted(known, key=lambda name: known[name])):
        largest = max(largest, (len(known) - place) * known[name])
        adjusted[name] = min(1.0, largest)
    return {name: adjusted.get(name) for name in p_values}
