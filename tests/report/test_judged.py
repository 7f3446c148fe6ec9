"""The answer of a study with verdicts: it tells what is stored and never more."""

from __future__ import annotations

import pytest
from hostile import HOSTILE, danger
from synthetic_study import make_comparison, make_study

from representatives import one_for_each
from restor.report.plain import printable
from restor.report.words.answer import answer, answer_text
from restor.report.words.verdict_words import VERDICT_MEANINGS
from restor.results import ArmVerdict, PairedTest, Value
from restor.types import Budget, Kind


@pytest.fixture(scope="module")
def results():
    return make_study(people=4, untouched=2)[0]


def verdict(kind, restoration=None, half=0.05):
    ends = {} if restoration is None else {"ci_low": restoration - half, "ci_high": restoration + half}
    return ArmVerdict(kind=kind, reason=f"Because it is {kind}.", restoration=restoration, **ends)


def study_of(results, *rows):
    """References and the given arms: (name, kind of arm, verdict, more fields)."""
    base = next(arm for arm in results.summary if arm.id == "msa")
    arms = [arm for arm in results.summary if arm.kind is Kind.REFERENCE]
    for name, kind, said, more in rows:
        update = {"id": f"{name}/{more.get('retain')}", "arm": name, "label": name, "kind": kind, "verdict": said}
        arms.append(base.model_copy(update={"budget": [Budget.FORGET], "tests": [], **update, **more}))
    return results.model_copy(update={"summary": arms})


def method(name, said, **more):
    return (name, Kind.METHOD, said, more)


def test_a_study_whose_methods_all_failed_says_why(results):
    why = Value(value=None, n=0, note="npo/s0 failed: The loss is not a number.")
    found = answer(study_of(results, method("A", None, metrics={"restoration": why})))
    assert found.headline == f"What was restored cannot be said here: {why.note}"
    assert any(detail.startswith("Without a verdict: A (npo/s0 failed") for detail in found.details)
    assert "older" not in " ".join(found.caveats)


def test_the_headline_counts_every_method_once_and_leaves_none_out(results):
    found = answer(
        study_of(
            results,
            method("A", verdict("restored", 0.97)),
            method("B", verdict("partly restored", 0.4)),
            method("C", verdict("partly restored", 0.2)),
            method("D", verdict("only forgotten", 0.0)),
            method("E", verdict("not unlearned", 0.0)),
            method("F", verdict("damaged", 0.0)),
        )
    )
    assert found.headline == (
        "Of 6 unlearning methods, 1 brought the model's knowledge back (A 97 %); 2 brought part of it back (B 40 % and "
        "C 20 %); 1 only removed most of the false answers; 1 left most of the false answers in place; 1 damaged "
        "other knowledge."
    )
    assert "false facts" in found.meaning


def test_none_is_said_plainly_and_carefully_where_a_method_is_undecided(results):
    plain = study_of(results, method("A", verdict("not unlearned", 0)), method("B", verdict("not unlearned", 0)))
    assert answer(plain).headline.startswith("Of 2 unlearning methods, none brought the model's knowledge back; 2 left")
    open_ = study_of(results, method("A", verdict("inconclusive", 0.5)), method("B", verdict("not unlearned", 0)))
    assert answer(open_).headline == (
        "Of 2 unlearning methods, none is shown to have brought the model's knowledge back; 1 stayed undecided; 1 left "
        "most of the false answers in place."
    )


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        (("not unlearned", "partly restored"), "1 brought part of it back"),
        (("only forgotten", "inconclusive"), "1 stayed undecided"),
        (("damaged", "not unlearned"), "2 left most"),
    ],
)
def test_a_method_with_two_retain_texts_counts_by_its_best_outcome_and_that_is_said(results, kinds, said):
    variants = [
        method("A", verdict(kind, 0.1), retain=text) for kind, text in zip(kinds, ("unrelated", "related"), strict=True)
    ]
    found = answer(study_of(results, *variants, method("B", verdict("not unlearned", 0))))
    assert found.headline.startswith("Of 2 unlearning methods")
    assert said in found.headline
    assert "counts once, by its best outcome" in found.basis
    told = " ".join(found.details)
    assert "A (unrelated) 10 % [5, 15]" in told
    assert "A (related) 10 % [5, 15]" in told


def test_who_was_told_more_is_told_apart(results):
    rows = (
        method("A", verdict("not unlearned", 0)),
        method("B", verdict("not unlearned", 0)),
        method("M", verdict("restored", 0.98), budget=[Budget.FORGET, Budget.CHECKPOINT]),
        ("O", Kind.ORACLE, verdict("restored", 1.0), {"budget": [Budget.TRUTH]}),
        ("K", Kind.CONTROL, verdict("partly restored", 0.3), {"budget": []}),
    )
    found = answer(study_of(results, *rows))
    assert found.headline.startswith(
        "Of 2 unlearning methods without an earlier copy of the model or the true answers, none brought"
    )
    assert found.meaning.startswith(
        "M, the only method that had a copy of the model from before the false documents, brought the model's "
        "knowledge back (98 %). O, the only method told the true answers (oracles), brought"
    )
    told = "\n".join(found.details)
    assert "Methods that had a copy of the model from before the false documents: restored: M 98 % [93, 103]." in told
    assert "Oracles, which are told the true answers: restored: O 100 % [95, 105]." in told
    assert "Controls, in which nothing is unlearned: partly restored: K 30 % [25, 35]." in told
    only = answer(study_of(results, rows[2], rows[4]))
    assert only.headline.startswith("M, the only method that had a copy")
    assert answer(study_of(results, rows[4])).headline.startswith("This study has no unlearning method")


def paired(p, difference, other="K/None"):
    return [PairedTest(other=other, role="control", difference=difference, p=p / 5, p_holm=p)]


def test_a_corrected_test_that_does_not_show_it_is_said_beside_the_verdict(results):
    rows = (
        method("A", verdict("partly restored", 0.4), tests=paired(0.001, 0.3)),
        method("B", verdict("partly restored", 0.1), tests=paired(0.2, 0.05)),
        ("K", Kind.CONTROL, verdict("not unlearned", 0), {}),
    )
    found = answer(study_of(results, *rows))
    assert found.headline.endswith(
        "After correction for the number of comparisons, B is not shown to have brought back more than every control."
    )
    assert any("than with every control: A (p 0.001) of 2 tested arms." in detail for detail in found.details)
    assert "After correction" not in answer(study_of(results, rows[0], rows[2])).headline
    assert any("Only the p of paired tests are corrected" in caveat for caveat in found.caveats)


def test_the_control_that_is_hardest_to_be_above_decides(results):
    tests = [*paired(0.001, 0.3), *paired(0.001, -0.2, "L/None")]
    rows = (
        method("A", verdict("partly restored", 0.4), tests=tests),
        ("K", Kind.CONTROL, verdict("not unlearned", 0), {}),
        ("L", Kind.CONTROL, verdict("not unlearned", 0), {}),
    )
    assert "A is not shown to have brought back more" in answer(study_of(results, *rows)).headline


def test_undefined_has_its_reason_in_the_headline(results):
    found = answer(study_of(results, method("A", verdict("undefined")), method("B", verdict("undefined"))))
    assert found.headline == "What was restored cannot be said here. Because it is undefined."


def test_an_arm_without_a_verdict_is_a_marked_gap(results):
    found = answer(study_of(results, method("A", verdict("not unlearned", 0)), method("B", None, metrics={})))
    assert "Without a verdict: B (not measured in this study)." in found.details
    assert found.headline == (
        "Of 2 unlearning methods, none is shown to have brought the model's knowledge back; 1 left most of the false "
        "answers in place; 1 got no verdict."
    )


def test_every_stored_verdict_is_told_with_its_meaning(results):
    found = answer(results)
    kinds = {arm.verdict.kind for arm in results.summary if arm.kind is Kind.METHOD and "C" not in (arm.budget or ())}
    for kind in kinds:
        each = VERDICT_MEANINGS[kind]
        assert any(
            detail.startswith(f"{each.glyph} {kind.capitalize()}: ") and each.meaning in detail
            for detail in found.details
        )
    assert found.meaning in answer_text(results)


def compared(*kinds):
    """A comparison of checkpoints, one for each verdict."""
    names = [f"m{place}" for place in range(len(kinds))]
    results = make_comparison(("clean", "corrupted", *names), planted=True)[0]
    said = dict(zip(names, kinds, strict=True))
    summary = [
        arm.model_copy(update={"verdict": verdict(said[arm.arm], 0.5)}) if arm.arm in said else arm
        for arm in results.summary
    ]
    return results.model_copy(update={"summary": summary})


def test_checkpoints_are_told_by_their_verdicts_and_credit_is_given_to_nobody():
    found = answer(compared("not unlearned", "partly restored"))
    assert found.headline == "Partly restored: m1 50 % [45, 55]; not unlearned: m0 50 % [45, 55]."
    assert "unlearning" not in found.headline.split(";")[0]
    assert any(detail.startswith("✗ Not unlearned: ") for detail in found.details)
    assert any("is not shown to come from the unlearning" in caveat for caveat in found.caveats)


@one_for_each(danger)
@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_cannot_act(results, text):
    said = ArmVerdict(kind="undefined", reason=text)
    rows = [
        (text, Kind.METHOD, said, {"label": text}),
        (text, Kind.METHOD, verdict("restored", 0.9), {"label": text, "retain": text}),
        (text, Kind.ORACLE, said, {"label": text}),
        (text, Kind.METHOD, None, {"label": text, "retain": "x", "metrics": {}}),
    ]
    study = results.study.model_copy(update={"notes": [text], "protocol": text})
    for shown in (rows, rows[:1]):
        lines = answer_text(study_of(results, *shown).model_copy(update={"study": study})).split("\n")
        assert all(printable(line) == line and len(line) < 3000 for line in lines)


def test_what_no_group_can_say_is_said_once(results):
    copy = {"budget": [Budget.FORGET, Budget.CHECKPOINT]}
    found = answer(study_of(results, method("A", verdict("undefined")), method("B", verdict("undefined"), **copy)))
    assert "cannot be said" in found.headline
    assert "cannot be said" not in found.meaning
