"""Which cases of a parametrised test run by default: enough to meet each of its code paths once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pytest

Key = str | Callable[..., object]
"""The name of a parameter, or a function of all parameters that tells cases of different code apart."""


def one_for_each(*keys: Key) -> pytest.MarkDecorator:
    """Of the cases of a parametrised test, the first with each value of each key runs by default, the rest nightly."""
    return pytest.mark.one_for_each.with_args(*keys)


def representatives(cases: Iterable[Mapping[str, object]], keys: Iterable[Key]) -> list[bool]:
    """For each case, whether it is the first with its value of at least one key."""
    keys, met, first = list(keys), set(), []
    for case in cases:
        values = {(place, repr(case[key] if isinstance(key, str) else key(**case))) for place, key in enumerate(keys)}
        first.append(not values <= met)
        met |= values
    return first
