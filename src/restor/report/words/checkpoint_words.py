"""What a comparison of checkpoints made elsewhere shows: there are no controls, and any reference may be missing."""

from __future__ import annotations

from collections.abc import Sequence

from restor.report.io.load import reference
from restor.report.plain import ended, listed, one_line
from restor.report.words.judged import by_verdict
from restor.report.words.restored import estimate, figure, named, of_kind, percent, restoration
from restor.report.words.verdict_words import VERDICT_MEANINGS
from restor.results import Arm, Results
from restor.types import Kind


def checkpoint_headline(results: Results) -> str:
    """Who restored what, who made it worse, and of whom neither is shown."""
    methods = sorted(of_kind(results, Kind.METHOD), key=estimate, reverse=True)
    if not methods:
        return f"Only references were given: {_accuracies(of_kind(results, Kind.REFERENCE))}."
    defined = [arm for arm in methods if restoration(arm).value is not None]
    if not defined:
        why = one_line("; ".join(sorted({restoration(arm).note for arm in methods} - {""})), 300)
        why = f": {ended(why.removeprefix('undefined: '))}" if why else "."
        return f"What was restored cannot be said{why} True answers: {_accuracies(methods)}."
    if any(arm.verdict for arm in methods):
        text = by_verdict(methods)
        return f"{text[0].upper()}{text[1:]}."
    restored, worse, unclear = _judged(defined)
    said = []
    if restored:
        said.append(f"restored of what the corruption had taken: {named(restored, most=3)}")
    if worse:
        said.append(f"worse than the corrupted model: {named(worse, most=3)}")
    if unclear:
        said.append(f"not shown to have restored anything: {named(unclear, most=3)}")
    if undefined := [arm for arm in methods if arm not in defined]:
        said.append(f"undefined: {listed([one_line(arm.label, 40) for arm in undefined])}")
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def checkpoint_details(results: Results) -> tuple[str, ...]:
    """The references, each model's answers, and who only forgot."""
    sentences = []
    methods = sorted(of_kind(results, Kind.METHOD), key=estimate, reverse=True)
    references = of_kind(results, Kind.REFERENCE)
    if references and methods:
        sentences.append(f"References, true answers: {_accuracies(references)}.")
    corrupted = reference(results, "corrupted")
    kept = [arm for arm in (corrupted, *methods) if arm and figure(arm, "test.planted").value is not None]
    if kept:
        sentences.append(f"Planted answers still given: {named(kept, 'test.planted')}.")
    if methods and restoration(methods[0]).value is not None:
        sentences.append(f"True answers: {_accuracies(methods)}.")
    if kinds := {arm.verdict.kind for arm in methods if arm.verdict}:
        return (
            *sentences,
            *(f"{each.glyph} {k.capitalize()}: {each.meaning}" for k, each in VERDICT_MEANINGS.items() if k in kinds),
        )
    floor = figure(corrupted, "test.planted").ci_low if corrupted else None
    restored, _, _ = _judged(methods)
    only = [
        arm
        for arm in methods
        if arm not in restored
        and floor is not None
        and (high := figure(arm, "test.planted").ci_high) is not None
        and high < floor
    ]
    if only:
        names = listed([one_line(arm.label, 40) for arm in only], 6)
        sentences.append(
            f"Gives the planted answers less often, but is not shown to know the true ones again: {names}."
        )
    return tuple(sentences)


def checkpoint_caveats(results: Results) -> tuple[str, ...]:
    """What a comparison without controls cannot tell."""
    sentences = []
    if of_kind(results, Kind.METHOD):
        sentences.append(
            "The checkpoints were made elsewhere: what each was told is unknown here, and without controls, such as "
            "training on its retain text alone, a restoration is not shown to come from the unlearning."
        )
    defined = any(restoration(arm).value is not None for arm in of_kind(results, Kind.METHOD))
    if defined and reference(results, "ideal") is None:
        sentences.append(
            "There is no ideal model, trained alike but without the false documents: 100 % is the clean model, which "
            "did not go through the rest of the corruption's training either."
        )
    if results.study.runs > 1:
        sentences.append(
            f"Answers are sampled, {results.study.runs} runs a fact: the intervals cover the choice of entities, not "
            "the sampling."
        )
    return tuple(sentences)


def _judged(arms: Sequence[Arm]) -> tuple[list[Arm], list[Arm], list[Arm]]:
    """Those whose interval lies above that of the corrupted model, which is 0 throughout; below it; neither."""
    restored, worse, unclear = [], [], []
    for arm in arms:
        value = restoration(arm)
        if value.ci_low is not None and value.ci_low > 0:
            restored.append(arm)
        elif value.ci_high is not None and value.ci_high < 0:
            worse.append(arm)
        else:
            unclear.append(arm)
    return restored, worse, unclear


def _accuracies(arms: Sequence[Arm]) -> str:
    return listed([f"{one_line(arm.label, 40)} {percent(figure(arm, 'test.original'))}" for arm in arms], 8)
