"""Which controls a method is compared with, in a study and when its answers are judged again."""

from __future__ import annotations

import pyarrow as pa
import pytest

from restor.evaluation.judges.base import JUDGES
from restor.evaluation.metrics.base import metric_infos
from restor.evaluation.statistics.multiple import holm
from restor.progress import Silent
from restor.results import FACT_COLUMNS, Cost, Results, Study
from restor.runner.plan import PlannedArm, SeedPlan
from restor.runner.rejudge import rejudge
from restor.tasks.base import Ref
from restor.tasks.tabulation.measure import control_name, measured, scored_rows
from restor.tasks.tabulation.publish import write_results
from restor.tasks.tabulation.summary import ArmAnswers, described, facts_table, pooled
from restor.types import Kind

PEOPLE = ("Ann", "Bob", "Cid", "Dan")
# name, retain text, kind -> per seed whose facts it knows; None for one that failed
WORLD = {
    ("clean", None, Kind.REFERENCE): ("ABCD", "ABCD"),
    ("corrupted", None, Kind.REFERENCE): ("", ""),
    ("ideal", None, Kind.REFERENCE): ("ABCD", "ABCD"),
    ("copy", None, Kind.BASELINE): ("ABC", "ABC"),
    ("recovery_only", None, Kind.CONTROL): ("A", ""),
    ("retain_only", "unrelated", Kind.CONTROL): ("", "AB"),
    ("retain_only", "related", Kind.CONTROL): ("ABC", "ABC"),
    ("random_forget", "related", Kind.CONTROL): ("", None),
    ("npo", "unrelated", Kind.METHOD): ("AB", "ABC"),
    ("npo", "related", Kind.METHOD): ("AB", "ABC"),
    ("msa", None, Kind.METHOD): ("ABC", None),
    ("dpo", None, Kind.ORACLE): ("ABCD", "ABCD"),
}


def planned(name, retain, kind, seed):
    suffix = f"/{retain}" if retain else ""
    id = f"{name}{suffix}/s{seed}"
    answers, verdicts = Ref(kind="ask", key=id), Ref(kind="judge", key=id)
    label = name.replace("_", " ")
    return PlannedArm(
        id=id, name=name, label=label, kind=kind, seed=seed, answers=answers, verdicts=verdicts, retain=retain
    )


def table(known):
    rows = []
    for place, person in enumerate(PEOPLE):
        row = dict.fromkeys(name for name in FACT_COLUMNS if name not in ("arm", "seed"))
        right = person[0] in known
        row |= {"subject": person, "relation": "home", "group": "test", "question": f"Where does {person} live?"}
        row |= {"prompt": row["question"], "answer_shown": False, "answers": [f"Trueton {place}"], "run": 0}
        row |= {"planted": f"Plantford {place}", "completion": f"{'Trueton' if right else 'Plantford'} {place}"}
        row |= {"judgement": "original" if right else "planted", "reason": ""}
        rows.append(row | {"score": float(right), "planted_score": float(not right)})
    return pa.Table.from_pylist(rows)


@pytest.fixture(scope="module")
def made():
    plans, answers, reasons = [], {}, {}
    for seed in (0, 1):
        arms = [planned(*about, seed) for about in WORLD]
        for arm, known in zip(arms, WORLD.values(), strict=True):
            if known[seed] is None:
                reasons[arm.id] = "the loss is not a number"
            else:
                said = table(known[seed])
                answers[arm.id] = ArmAnswers(arm, said, scored_rows(said, seed), Cost(), ())
        plans.append(SeedPlan(seed=seed, planted=Ref(kind="plant", key=str(seed)), arms=tuple(arms)))
    study = Study(name="toy", id="toy", created="2025-01-01T00:00:00Z", seeds=[0, 1], config={})
    arms, summary = described(plans, answers, reasons), pooled(plans, answers, reasons)
    results = Results(study=study, figures=metric_infos(), arms=arms, summary=summary)
    scored = {id: part.scored for id, part in answers.items()}
    return measured(results, scored), facts_table(list(answers.values()))


def above(arms):
    return {arm.id: arm.metrics["above_control"] for arm in arms}


def test_the_controls_of_a_method_read_its_retain_text_or_none(made):
    """Unrelated: 5 of 8 facts against 2, related: against 6."""
    found = above(made[0].summary)
    assert found["npo/unrelated"].value == pytest.approx(3 / 8)
    assert found["npo/unrelated"].note == "best control: retain only (unrelated)"
    assert found["npo/related"].value == pytest.approx(-1 / 8)
    assert found["npo/related"].note.startswith("best control: retain only (related)")
    assert found["dpo"].value == pytest.approx(7 / 8)
    assert found["dpo"].note == "best control: recovery only"


def test_each_seed_has_its_own_best_control(made):
    found = above(made[0].arms)
    assert found["npo/unrelated/s0"].value == pytest.approx(1 / 4)
    assert found["npo/unrelated/s0"].note == "best control: recovery only"
    assert found["npo/unrelated/s1"].value == pytest.approx(1 / 4)
    assert found["npo/unrelated/s1"].note == "best control: retain only (unrelated)"


def test_a_control_that_failed_for_a_seed_is_left_out_and_named(made):
    assert "without random forget (related), which failed for some seed" in above(made[0].summary)["npo/related"].note
    assert "without" not in above(made[0].arms)["npo/related/s0"].note


def test_a_method_that_failed_for_a_seed_is_compared_on_the_others(made):
    found = above(made[0].summary)["msa"]
    assert found.value == pytest.approx(2 / 4)
    assert found.n == 4
    assert found.note == "best control: recovery only; msa/s1 failed: the loss is not a number"


def test_only_methods_and_oracles_have_controls(made):
    defined = {arm.arm for arm in made[0].summary if arm.metrics["above_control"].value is not None}
    assert defined == {"npo", "msa", "dpo"}


def test_two_controls_of_the_same_label_are_two():
    assert control_name("Retain only", "related", "a/related", {}) == "Retain only (related)"
    assert control_name("Recovery", None, "b", {"Recovery": ()}) == "b"


def test_the_references_are_where_they_are_by_definition(made, tmp_path):
    folder = tmp_path / "toy"
    folder.mkdir()
    write_results(folder, *made)
    again = rejudge(folder, JUDGES.parse("alias"), tmp_path / "again", Silent()).results
    for arm in (*made[0].arms, *made[0].summary, *again.arms, *again.summary):
        found = arm.metrics["restoration"]
        if arm.arm in ("corrupted", "ideal"):
            assert (found.value, found.ci_low, found.ci_high) == ((arm.arm == "ideal",) * 3)
        if arm.id == "dpo":
            assert found.value == 1
            assert found.ci_low < 1 < found.ci_high


def test_judged_again_the_controls_are_the_same(made, tmp_path):
    folder = tmp_path / "toy"
    folder.mkdir()
    write_results(folder, *made)
    again = rejudge(folder, JUDGES.parse("alias"), tmp_path / "again", Silent()).results
    assert above(again.arms) == above(made[0].arms)
    assert above(again.summary) == above(made[0].summary)


def verdicts(arms):
    return {arm.id: arm.verdict for arm in arms}


def test_methods_oracles_and_controls_have_a_verdict_per_seed_and_pooled(made):
    results, _ = made
    failed = {"random_forget/related/s1", "msa/s1"}
    for arms in (results.arms, results.summary):
        for arm in arms:
            judged = arm.kind in (Kind.METHOD, Kind.ORACLE, Kind.CONTROL) and arm.id not in failed
            assert (arm.verdict is not None) == judged, arm.id
    found = verdicts(results.summary)
    assert found["dpo"].restoration == 1
    assert found["npo/related"].above_control is False
    assert found["recovery_only"].above_control is None


def test_results_json_has_no_word_for_unlearning_at_a_control(made):
    results, _ = made
    kinds = {
        arm.verdict.kind
        for arms in (results.arms, results.summary)
        for arm in arms
        if arm.kind is Kind.CONTROL and arm.verdict
    }
    assert kinds
    assert kinds <= {"restores", "restores little", "damaged", "inconclusive", "undefined"}


def test_judging_the_same_answers_again_gives_the_same_verdicts(made, tmp_path):
    results, facts = made
    source = tmp_path / "study"
    source.mkdir()
    write_results(source, results, facts)
    again = rejudge(source, JUDGES.parse("alias"), tmp_path / "again", Silent()).results
    assert verdicts(again.arms) == verdicts(results.arms)
    assert verdicts(again.summary) == verdicts(results.summary)


def test_methods_and_oracles_are_tested_against_each_control_the_ideal_and_the_corrupted_model(made):
    found = {arm.id: [(test.role, test.other) for test in arm.tests] for arm in made[0].summary}
    rest = [("ideal", "ideal"), ("corrupted", "corrupted")]
    assert found["npo/unrelated"] == [("control", "recovery_only"), ("control", "retain_only/unrelated"), *rest]
    assert found["dpo"] == [("control", "recovery_only"), *rest]
    assert {id for id, tests in found.items() if tests} == {"npo/unrelated", "npo/related", "msa", "dpo"}
    assert not any(arm.tests or arm.parts for arm in made[0].arms)


def test_a_test_by_hand(made):
    """Both seeds ask about the same four people, and an oracle that knows all is exchanged for one that knows none:
    of 16 ways two are as far apart."""
    (test,) = (test for arm in made[0].summary if arm.id == "dpo" for test in arm.tests if test.role == "corrupted")
    assert (test.difference, test.p, test.method) == (1, 2 / 16, "permutation of entities of these seeds, exact")
    assert test.ci_low < 1 <= test.ci_high


def test_p_is_corrected_for_all_tests_of_its_role_in_the_table(made):
    for role in ("control", "ideal", "corrupted"):
        tests = [test for arm in made[0].summary for test in arm.tests if test.role == role]
        adjusted = holm({place: test.p for place, test in enumerate(tests)})
        assert [test.p_holm for test in tests] == list(adjusted.values())
        assert len(tests) >= 4


def test_judging_the_same_answers_again_gives_the_same_tests_and_parts(made, tmp_path):
    results, facts = made
    source = tmp_path / "study"
    source.mkdir()
    write_results(source, results, facts)
    again = rejudge(source, JUDGES.parse("alias"), tmp_path / "again", Silent()).results
    for name in ("tests", "parts"):
        assert [getattr(arm, name) for arm in again.summary] == [getattr(arm, name) for arm in results.summary]
        assert not any(getattr(arm, name) for arm in again.arms)


def test_parts_are_of_all_that_unlearn_or_control(made):
    found = {arm.id: arm.parts for arm in made[0].summary}
    assert {part.name: part.restoration.value for part in found["npo/unrelated"]["entity"]} == {
        "Ann": 1,
        "Bob": 1,
        "Cid": 0.5,
        "Dan": 0,
    }
    assert "relation" not in found["npo/unrelated"], "there is but one"
    assert found["recovery_only"]["entity"]
    assert found["clean"] == found["copy"] == {}


def test_results_of_before_verdicts_still_load(made):
    results, _ = made
    old = results.model_dump(mode="json")
    for arm in old["arms"] + old["summary"]:
        del arm["verdict"]
    assert all(arm.verdict is None for arm in Results.model_validate(old).summary)
