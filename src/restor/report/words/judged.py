"""What the stored verdicts and tests come to, in sentences. Nothing here decides anything: it tells."""

from __future__ import annotations

from collections.abc import Sequence

from restor.report.plain import counted, ended, listed, one_line
from restor.report.words.paired_tests import against_controls, p_text
from restor.report.words.restored import of_kind, percent, restoration, variant
from restor.report.words.verdict_words import VERDICT_MEANINGS
from restor.results import Arm, Results, Value, VerdictKind
from restor.types import Budget, Kind

_DID: dict[VerdictKind, str] = {
    "restored": "brought the model's knowledge back",
    "partly restored": "brought part of it back",
    "inconclusive": "stayed undecided",
    "only forgotten": "only removed most of the false answers",
    "not unlearned": "left most of the false answers in place",
    "damaged": "damaged other knowledge",
    "undefined": "could not be measured",
    "restores": "brought something back without unlearning",
    "restores little": "brought little back without unlearning",
}
"""What a method did. In the order in which a method with several verdicts counts: no order hides a possible success."""
BY_SUCCESS: tuple[VerdictKind, ...] = tuple(_DID)
"""From the best to the worst; what is undecided may be a success."""
_SHOWN: tuple[VerdictKind, ...] = ("restored", "partly restored")
_ALPHA = 0.05
_HAD_COPY = "had a copy of the model from before the false documents"
NO_METHOD = "This study has no unlearning method: its rows show references and controls only."


def judged_headline(results: Results) -> str:
    """How many methods brought knowledge back, and what the others did."""
    groups = _groups(results)
    return groups[0] if groups else _failed(results) or NO_METHOD


def judged_others(results: Results) -> tuple[str, ...]:
    """The same of the methods that were given more, where the headline is not about them."""
    return tuple(_groups(results)[1:])


def _groups(results: Results) -> list[str]:
    methods = of_kind(results, Kind.METHOD)
    oracles = of_kind(results, Kind.ORACLE)
    given = ((_had_copy(methods), "an earlier copy of the model"), (oracles, "the true answers"))
    more = [name for arms, name in given if arms]
    groups = (
        (
            [arm for arm in methods if not _checkpoint(arm)],
            "unlearning {}" + (f" without {' or '.join(more)}" if more else ""),
        ),
        (
            _had_copy(methods),
            "{} that had a copy of the model from before the false documents",
        ),
        (oracles, "{} told the true answers (oracles)"),
    )
    # Where nothing can be said of any group, all groups have the same sentence.
    return list(dict.fromkeys(_counted(arms, who) for arms, who in groups if _verdicts(arms)))


def judged_details(results: Results) -> tuple[str, ...]:
    """The verdicts with names and figures: methods, those that were given more, controls, and the tests."""
    methods = _verdicts(of_kind(results, Kind.METHOD))
    unaided = [arm for arm in methods if not _checkpoint(arm)]
    said = [
        f"{each.glyph} {kind.capitalize()}: {restored_names(arms)}. {each.meaning}"
        for kind, each in VERDICT_MEANINGS.items()
        if (arms := _of(unaided, kind))
    ]
    said += _apart(_had_copy(methods), f"Methods that {_HAD_COPY}")
    said += _apart(_verdicts(of_kind(results, Kind.ORACLE)), "Oracles, which are told the true answers")
    said += _apart(_verdicts(of_kind(results, Kind.CONTROL)), "Controls, in which nothing is unlearned")
    return (*said, *_without(results), *_corrected(results))


def by_verdict(arms: Sequence[Arm]) -> str:
    """`partly restored: A 15 % [9, 22]; not unlearned: B 3 % [0, 7]`, the best first."""
    parts = [f"{kind}: {restored_names(arms_of)}" for kind in VERDICT_MEANINGS if (arms_of := _of(arms, kind))]
    return "; ".join(parts)


def restored_names(arms: Sequence[Arm], most: int = 8) -> str:
    """Arms with the restoration that their verdict rests on, highest first."""
    ordered = sorted(arms, key=lambda arm: -_size(arm))
    return listed([f"{variant(arm)}{_figure(arm)}" for arm in ordered], most)


def _verdicts(arms: Sequence[Arm]) -> list[Arm]:
    return [arm for arm in arms if arm.verdict]


def _of(arms: Sequence[Arm], kind: VerdictKind) -> list[Arm]:
    return [arm for arm in arms if arm.verdict and arm.verdict.kind == kind]


def _checkpoint(arm: Arm) -> bool:
    return Budget.CHECKPOINT in (arm.budget or ())


def _had_copy(arms: Sequence[Arm]) -> list[Arm]:
    return [arm for arm in arms if _checkpoint(arm)]


def _stands_for(arms: Sequence[Arm]) -> dict[VerdictKind, list[Arm]]:
    """One arm per method, the one by which it counts, under its verdict."""
    order = BY_SUCCESS
    chosen: dict[str, Arm] = {}
    for kind in order:
        for arm in sorted(_of(arms, kind), key=lambda arm: -_size(arm)):
            chosen.setdefault(arm.arm, arm)
    return {kind: arms_of for kind in order if (arms_of := _of(list(chosen.values()), kind))}


def _failed(results: Results) -> str:
    """Why nothing can be said of any method; nothing where there is none."""
    arms = [*of_kind(results, Kind.METHOD), *of_kind(results, Kind.ORACLE)]
    reasons = "; ".join(dict.fromkeys(note for arm in arms if (note := restoration(arm).note)))
    return f"What was restored cannot be said here: {ended(one_line(reasons, 300))}" if reasons else ""


def _counted(arms: Sequence[Arm], who: str) -> str:
    groups = _stands_for(arms)
    total = len({arm.arm for arm in arms})
    if set(groups) == {"undefined"}:
        reason = next(arm.verdict.reason for arm in arms if arm.verdict)
        return f"What was restored cannot be said here. {one_line(reason, 300)}"
    uncorrected = _uncorrected(arms)
    tail = f" After correction for the number of comparisons, {uncorrected}." if uncorrected else ""
    if total == 1:
        ((kind, (arm,)),) = groups.items()
        did = _DID[kind].replace("part of it", "part of the model's knowledge")
        size = _figure(arm, brief=True).strip()
        shown = f" ({size})" if kind in _SHOWN and size else ""
        return f"{variant(arm)}, the only {who.format('method')}, {did}{shown}.{tail}"
    said = []
    missing = total - sum(map(len, groups.values()))
    if "restored" not in groups:
        # A method of which nothing is known may have done it: then only "shown" is true.
        open_ = missing or "inconclusive" in groups or "undefined" in groups
        said.append(f"none {'is shown to have ' if open_ else ''}{_DID['restored']}")
    for kind, arms_of in groups.items():
        ordered = sorted(arms_of, key=lambda arm: -_size(arm))
        names = [f"{one_line(arm.label, 40)}{_figure(arm, brief=True)}" for arm in ordered]
        said.append(f"{len(arms_of)} {_DID[kind]}{f' ({listed(names)})' if kind in _SHOWN else ''}")
    said += [f"{missing} got no verdict"] if missing else []
    first, *rest = said
    others = f"; {'; '.join(rest)}" if rest else ""
    return f"Of {total} {who.format('methods')}, {first}{others}.{tail}"


def _uncorrected(arms: Sequence[Arm]) -> str:
    """Whom a verdict calls restored, in part or whole, and the corrected test does not show above every control."""
    doubtful = [
        arm
        for arm in arms
        if arm.verdict
        and arm.verdict.kind in _SHOWN
        and (test := against_controls(arm))
        and test.p_holm is not None
        and (test.p_holm > _ALPHA or (test.difference or 0.0) <= 0)
    ]
    if not doubtful:
        return ""
    verb = "is" if len(doubtful) == 1 else "are"
    return (
        f"{listed([variant(arm) for arm in doubtful], 3)} {verb} not shown to have brought back more than every control"
    )


def _apart(arms: Sequence[Arm], who: str) -> list[str]:
    return [f"{who}: {by_verdict(arms)}."] if arms else []


def _without(results: Results) -> list[str]:
    arms = [arm for kind in (Kind.METHOD, Kind.ORACLE) for arm in of_kind(results, kind) if arm.verdict is None]
    if not arms:
        return []
    notes = [f"{variant(arm)} ({one_line(restoration(arm).note or 'nothing stored says why', 160)})" for arm in arms]
    return [f"Without a verdict: {listed(notes, 4)}."]


def _corrected(results: Results) -> list[str]:
    arms = [arm for kind in (Kind.METHOD, Kind.ORACLE) for arm in of_kind(results, kind)]
    tests = [(arm, test) for arm in arms if (test := against_controls(arm)) and test.p_holm is not None]
    if not tests:
        return []
    above = [
        f"{variant(arm)} (p {p_text(test.p_holm)})"
        for arm, test in tests
        if test.p_holm is not None
        and test.p_holm <= _ALPHA
        and (test.difference or 0.0) > 0
        # with several seeds the interval may say less than the test
        and not (arm.verdict and arm.verdict.above_control is False)
    ]
    luck = " These tests cover the choice of entities; verdicts of several seeds also the luck of a seed."
    return [
        "Paired tests, fact by fact, corrected for all of them (Holm): more true answers than with every control: "
        f"{listed(above, 8) or 'none'} of {counted(len(tests), 'tested arm')}."
        f"{luck if len(results.study.seeds) > 1 else ''}"
    ]


def _size(arm: Arm) -> float:
    value = arm.verdict.restoration if arm.verdict else None
    return float("-inf") if value is None else value


def _figure(arm: Arm, *, brief: bool = False) -> str:
    """The restoration that the verdict rests on."""
    said = arm.verdict
    if said is None or said.restoration is None:
        return ""
    if brief:
        return f" {percent(Value(value=said.restoration, n=0))}"
    return f" {percent(Value(value=said.restoration, ci_low=said.ci_low, ci_high=said.ci_high, n=0))}"
