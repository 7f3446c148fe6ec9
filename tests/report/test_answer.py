from __future__ import annotations

import pytest
from synthetic_study import make_study

from restor.report.answer import answer, ceiling
from restor.results import Value
from restor.types import Kind


@pytest.fixture(scope="module")
def results():
    return make_study(people=4, untouched=2)[0]


def study_of(results, figures, **more):
    """Nothing but controls and methods without retain text, with the given (value, low, high)."""
    arms = [arm for arm in results.summary if arm.kind is Kind.REFERENCE]
    for name, figure in figures.items():
        kind = Kind.CONTROL if name.startswith("control") else Kind.METHOD
        value = (
            figure if isinstance(figure, Value) else Value(value=figure[0], ci_low=figure[1], ci_high=figure[2], n=9)
        )
        base = next(arm for arm in results.summary if arm.id == "msa")
        arms.append(
            base.model_copy(
                update={"id": name, "arm": name, "label": name, "kind": kind, "metrics": {"restoration": value}}
            )
        )
    return results.model_copy(update={"summary": arms, **more})


def test_more_than_every_control_needs_intervals_apart(results):
    found = answer(study_of(results, {"control": (0.1, 0.0, 0.2), "A": (0.5, 0.21, 0.8), "B": (0.9, 0.2, 1.0)}))
    assert found.headline.startswith("1 of 2 unlearning attempts restored more than every control")
    assert "A 50 % [21, 80]" in found.headline
    assert "B" not in found.headline
    assert "Not told apart from the controls (intervals overlap): B 90 % [20, 100]" in found.details[0]


def test_the_control_with_the_widest_interval_counts(results):
    figures = {"control a": (0.1, 0.0, 0.6), "control b": (0.2, 0.1, 0.3), "A": (0.5, 0.4, 0.8)}
    assert answer(study_of(results, figures)).headline.startswith("None of 1 unlearning attempts is shown")


def test_missing_intervals_claim_nothing(results):
    figures = {"control": (0.1, None, None), "A": (0.9, 0.8, 1.0)}
    found = answer(study_of(results, figures))
    assert found.headline.startswith("None of 1")
    assert "intervals overlap or are missing" in found.details[0]
    found = answer(study_of(results, {"control": (0.1, 0.0, 0.2), "A": (0.9, None, None)}))
    assert found.headline.startswith("None of 1")


def test_less_than_a_control_is_said(results):
    found = answer(study_of(results, {"control": (0.5, 0.4, 0.6), "A": (-0.2, -0.4, -0.1)}))
    assert "Below a control: A −20 % [−40, −10]" in found.details[0]


def test_without_controls_methods_or_figures(results):
    assert answer(study_of(results, {"A": (0.9, 0.8, 1)})).headline.startswith("No control was run")
    assert answer(study_of(results, {"control": (0, 0, 0)})).headline.startswith("This study has no unlearning method")
    undefined = Value(value=None, n=9, note="the corruption did not bite")
    found = answer(study_of(results, {"control": undefined, "A": undefined}))
    assert found.headline == "What was restored cannot be said here: the corruption did not bite."


def test_retain_texts_are_compared_apart():
    details = answer(make_study()[0]).details
    assert details[0].startswith("No retain text. Best control:")
    assert details[1].startswith("Unrelated retain text. Best control: Retain only")
    assert details[2].startswith("Related retain text.")


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
    assert "were damaged, compared with the corrupted model, by MSA 90 %." in text


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
