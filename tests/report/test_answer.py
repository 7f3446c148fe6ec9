from __future__ import annotations

import pytest
from synthetic_study import make_comparison, make_study

from restor.report.words.answer import answer, answer_text, brief_text
from restor.report.words.restored import ceiling
from restor.results import Value
from restor.types import Kind


@pytest.fixture(scope="module")
def results():
    return make_study(people=4, untouched=2)[0]


def test_what_limits_the_statements(results):
    caveats = answer(results).caveats
    assert "Hyperparameters were chosen on validation people of seed 100." in caveats
    assert any(text.startswith("One seed:") for text in caveats)
    several = make_study(people=2, untouched=2, seeds=(0, 1))[0]
    assert not any(text.startswith("One seed:") for text in answer(several).caveats)
    assert answer(several).basis.startswith("16 targeted facts about 4 entities, 2 seeds (0, 1)")


def test_damage_needs_intervals_apart(results):
    arms = []
    for arm in results.summary:
        low = {"corrupted": (0.98, 0.97, 0.99), "msa": (0.9, 0.85, 0.96), "undial": (0.9, 0.8, 0.98)}.get(arm.id)
        value = Value(value=low[0], ci_low=low[1], ci_high=low[2], n=9) if low else None
        arms.append(arm.model_copy(update={"metrics": {**arm.metrics, "untouched.original": value}}) if value else arm)
    text = " ".join(answer(results.model_copy(update={"summary": arms})).details)
    assert "Fewer facts about untouched entities right than by the corrupted model: MSA 90 %." in text


def test_ceiling_is_on_the_scale_of_restoration(results):
    arms = []
    for arm in results.summary:
        shares = {"corrupted": (0.1, 0.37), "ideal": (1.0, 1.0)}.get(arm.id)
        if shares:
            metrics = {
                name: Value(value=value, n=9)
                for name, value in zip(("test.original", "runner_up"), shares, strict=True)
            }
            arms.append(arm.model_copy(update={"metrics": metrics}))
    assert ceiling(results.model_copy(update={"summary": arms})) == pytest.approx(0.3)
    assert ceiling(results.model_copy(update={"summary": arms[:1]})) is None


def comparison_of(references, figures):
    """A comparison with the given accuracies of references, and (value, low, high) of restoration for each model."""
    results = make_comparison(("clean", "corrupted", "x"), planted=True, baselines=False)[0]
    arms = [
        next(arm for arm in results.summary if arm.arm == "clean").model_copy(
            update={"id": name, "arm": name, "label": name, "metrics": {"test.original": Value(value=value, n=9)}}
        )
        for name, value in references.items()
    ]
    base = next(arm for arm in results.summary if arm.arm == "x")
    for name, figure in figures.items():
        own = figure if isinstance(figure, Value) else Value(value=figure[0], ci_low=figure[1], ci_high=figure[2], n=9)
        metrics = {"restoration": own, "test.original": Value(value=0.25, ci_low=0.2, ci_high=0.3, n=9)}
        arms.append(base.model_copy(update={"id": name, "arm": name, "label": name, "metrics": metrics}))
    return results.model_copy(update={"summary": arms})


BOTH = {"clean": 0.8, "corrupted": 0.2}


def test_a_comparison_claims_what_lies_beside_the_corrupted_model():
    figures = {"a": (0.5, 0.2, 0.8), "b": (0.9, -0.1, 1.2), "c": (-0.4, -0.6, -0.1), "d": (0.3, 0.01, 0.5)}
    assert answer(comparison_of(BOTH, figures)).headline == (
        "Restored of what the corruption had taken: a 50 % [20, 80]; d 30 % [1, 50]; worse than the corrupted "
        "model: c −40 % [−60, −10]; not shown to have restored anything: b 90 % [−10, 120]."
    )
    missing = answer(comparison_of(BOTH, {"a": (0.9, None, None)})).headline
    assert missing == "Not shown to have restored anything: a 90 %."


def test_a_comparison_without_references_says_what_it_needs_and_what_is_known():
    found = answer(make_comparison(("mine", "yours"))[0])
    assert found.headline.startswith(
        "What was restored cannot be said: restoration needs a corrupted model (--model corrupted=...) and a clean or "
        "an ideal one (--model clean=...). True answers: mine 44 % ["
    )
    assert not any("ideal" in caveat for caveat in found.caveats)


def test_references_alone():
    found = answer(comparison_of(BOTH, {}))
    assert found.headline == "Only references were given: clean 80 % and corrupted 20 %."
    assert not any("made elsewhere" in caveat for caveat in found.caveats)


def test_a_comparison_says_that_it_has_no_controls_and_who_stands_for_the_ideal():
    caveats = " ".join(answer(comparison_of(BOTH, {"a": (0.5, 0.2, 0.8)})).caveats)
    assert "without controls" in caveats
    assert "100 % is the clean model" in caveats
    assert "One seed" not in caveats
    caveats = " ".join(answer(comparison_of({**BOTH, "ideal": 0.8}, {"a": (0.5, 0.2, 0.8)})).caveats)
    assert "100 % is the clean model" not in caveats
    assert "Answers are sampled, 3 runs a fact" in " ".join(answer(make_comparison(runs=3)[0]).caveats)


def with_values(results, figures):
    """Some figures, (value, low, high), of some arms changed."""
    arms = []
    for arm in results.summary:
        own = {
            name: Value(value=value, ci_low=low, ci_high=high, n=9)
            for name, (value, low, high) in figures.get(arm.arm, {}).items()
        }
        arms.append(arm.model_copy(update={"metrics": {**arm.metrics, **own}}))
    return results.model_copy(update={"summary": arms})


def test_forgetting_without_restoring_is_told_apart():
    results = make_comparison(("clean", "corrupted", "a", "b"), planted=True)[0]
    figures = {
        "corrupted": {"test.planted": (0.6, 0.5, 0.7)},
        "a": {"test.planted": (0.1, 0.0, 0.2), "restoration": (0.1, -0.1, 0.3)},
        "b": {"test.planted": (0.1, 0.0, 0.2), "restoration": (0.6, 0.4, 0.8)},
    }
    text = " ".join(answer(with_values(results, figures)).details)
    assert "is not shown to know the true ones again: a." in text
    figures["a"]["test.planted"] = (0.4, 0.3, 0.55)
    assert "know the true ones again" not in " ".join(answer(with_values(results, figures)).details)


def test_who_is_not_shown_to_know_more_than_no_model():
    results = make_comparison(("clean", "corrupted", "a", "b"), planted=True)[0]
    figures = {
        "copy_demonstrations": {"test.original": (0.13, 0.1, 0.2)},
        "most_frequent": {"test.original": (0.05, 0.0, 0.1)},
        "a": {"test.original": (0.3, 0.15, 0.4)},
        "b": {"test.original": (0.3, 0.21, 0.4)},
    }
    text = " ".join(answer(with_values(results, figures)).details)
    assert (
        "True answers without any model: Copy from the demonstrations 13 % [10, 20]; Most frequent answer 5 % "
        "[0, 10]. Not shown to know more: a."
    ) in text


def test_what_the_prompts_show_is_said():
    details = answer(make_comparison()[0]).details
    assert any(text.startswith("The demonstrations show a true answer to 8 of 32 facts.") for text in details)
    plain = make_comparison()[0]
    same = [arm.model_copy(update={"metrics": dict(arm.metrics)}) for arm in plain.summary]
    for arm in same:
        arm.metrics["test.original_unshown"] = arm.metrics["test.original"]
    details = answer(plain.model_copy(update={"summary": same})).details
    assert not any("demonstrations show" in text for text in details)


def test_no_ceiling_is_drawn_where_no_planted_answer_is_known():
    assert any(text.startswith("Runner-up") for text in answer(make_comparison(planted=True)[0]).details)
    assert not any(text.startswith("Runner-up") for text in answer(make_comparison()[0]).details)


def test_the_answer_as_text_holds_all_of_it_and_nothing_that_acts(results):
    found, text = answer(results), answer_text(results)
    for part in (found.headline, found.basis, *found.details, *found.caveats):
        assert part in text
    hostile = answer_text(make_comparison(hostile=True, people=12, planted=True)[0])
    assert "\x1b" not in hostile
    assert "[U+001B]" in hostile


def test_the_brief_answer_counts_what_it_leaves_out(results):
    found, lines = answer(results), brief_text(results).split("\n")
    assert lines[:2] == [found.headline, found.meaning]
    assert f"({len(found.details)} items)" in lines[-1]
    assert f"limits this ({len(found.caveats)})" in lines[-1]


def test_damage_is_never_blamed_on_a_baseline(results):
    arms = [
        arm.model_copy(
            update={
                "metrics": {
                    **arm.metrics,
                    "untouched.original": Value(
                        value=0.9 if arm.arm == "corrupted" else 0.1,
                        ci_low=0.8 if arm.arm == "corrupted" else 0.0,
                        ci_high=1.0 if arm.arm == "corrupted" else 0.2,
                        n=9,
                    ),
                }
            }
        )
        for arm in results.summary
        if arm.kind in (Kind.REFERENCE, Kind.BASELINE)
    ]
    assert any(
        text.startswith("No arm is shown to have lost facts")
        for text in answer(results.model_copy(update={"summary": arms})).details
    )
