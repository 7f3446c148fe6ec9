"""What is different between studies that stand side by side: their configurations, and the verdicts of their arms."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from restor.report.plain import counted, listed, one_line
from restor.report.words.restored import variant
from restor.results import Arm, Results

_MOST = 12
"""Differences of one sort that are told."""
_ARMS = "unlearning.arms."
_SAME_RESULT = ("name", "threads")
"""Fields that change no figure."""


def differences(studies: Mapping[str, Results]) -> tuple[str, ...]:
    """In words, with the studies' tags; empty for a single study. No difference is tested here."""
    if len(studies) < 2:
        return ()
    return (*_configurations(studies), *_verdicts(studies))


def _configurations(studies: Mapping[str, Results]) -> list[str]:
    flat = {tag: dict(_leaves(results.study.config, "")) for tag, results in studies.items()}
    # A deep difference between arms is told by the arm's name alone.
    paths = dict.fromkeys(path for leaves in flat.values() for path in leaves)
    differences: dict[str, str] = {}
    for path in paths:
        values = {tag: leaves.get(path, "not set") for tag, leaves in flat.items()}
        if path in _SAME_RESULT or len(set(values.values())) == 1:
            continue
        if path.startswith(_ARMS):
            arm = path.removeprefix(_ARMS).split(".")[0]
            differences[_ARMS + arm] = one_line(_ARMS + arm, 60)
        else:
            values_by_tag = ", ".join(f"{tag} {one_line(value, 40)}" for tag, value in values.items())
            differences[path] = f"{one_line(path, 60)} ({values_by_tag})"
    if not differences:
        return []
    return [f"The configurations differ in {_several(list(differences.values()))}."]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _verdicts(studies: Mapping[str, Results]) -> list[str]:
    by_arm: dict[tuple[str, str | None], dict[str, Arm]] = {}
    for tag, results in studies.items():
        for arm in results.summary:
            if arm.verdict:
                by_arm.setdefault((arm.arm, arm.retain), {})[tag] = arm
    shared = [arms for arms in by_arm.values() if len(arms) > 1]
    if not shared:
        return []
    other = [arms for arms in shared if len({_kind(arm) for arm in arms.values()}) > 1]
    if not other:
        return [f"The verdict is the same for {counted(len(shared), 'arm')} that several studies have."]
    lines = [
        f"{variant(next(iter(arms.values())))} ({', '.join(f'{tag} {_kind(arm)}' for tag, arm in arms.items())})"
        for arms in other
    ]
    return [
        f"Verdicts differ for {len(other)} of {counted(len(shared), 'arm')} that several studies have: "
        f"{_several(lines)}. That the arms themselves differ is not tested."
    ]


def _kind(arm: Arm) -> str:
    return arm.verdict.kind if arm.verdict else "none"


def _several(items: Sequence[str]) -> str:
    return listed(list(items), _MOST)
