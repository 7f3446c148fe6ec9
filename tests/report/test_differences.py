from __future__ import annotations

import pytest
from hostile import HOSTILE, danger
from synthetic_study import make_study

from representatives import one_for_each
from restor.cli.main import main
from restor.report.across.differences import differences
from restor.report.plain import printable
from restor.results import ArmVerdict


@pytest.fixture(scope="module")
def results():
    return make_study(people=2, untouched=1)[0]


def with_config(results, **config):
    return results.model_copy(update={"study": results.study.model_copy(update={"config": config})})


def with_verdict(results, name, kind):
    summary = [
        arm.model_copy(update={"verdict": ArmVerdict(kind=kind, reason="x")}) if arm.id == name else arm
        for arm in results.summary
    ]
    return results.model_copy(update={"summary": summary})


def test_one_study_differs_from_nothing(results):
    assert differences({"A": results}) == ()


def test_what_the_configurations_differ_in_by_path_and_value(results):
    one = with_config(results, name="a", corruption={"lr": 0.1, "k": 5}, evaluation={"shots": 3}, threads=1)
    other = with_config(results, name="b", corruption={"lr": 0.2, "k": 5}, evaluation={}, threads=2)
    said = differences({"A": one, "B": other})[0]
    assert said == (
        "The configurations differ in corruption.lr (A 0.1, B 0.2); evaluation.shots (A 3, B not set); "
        "evaluation (A not set, B {})."
    )


def test_an_arm_that_is_set_otherwise_is_named_once(results):
    def study(lr, steps):
        return with_config(results, unlearning={"arms": {"npo": {"lr": lr, "steps": steps}}})

    assert differences({"A": study(1, 2), "B": study(3, 4)})[0] == "The configurations differ in unlearning.arms.npo."


def test_verdicts_that_differ_are_told_and_not_called_tested(results):
    one, other = (with_verdict(results, "msa", kind) for kind in ("restored", "damaged"))
    said = differences({"A": one, "B": other})[-1]
    shared = sum(arm.verdict is not None for arm in results.summary)
    assert said == (
        f"Verdicts differ for 1 of {shared} arms that several studies have: MSA (A restored, B damaged). That the arms "
        "themselves differ is not tested."
    )
    assert differences({"A": one, "B": one})[-1].startswith(f"The verdict is the same for {shared} arms")


def test_without_verdicts_nothing_is_said_of_them():
    older = make_study(people=2, untouched=1, sparse=True)[0]
    assert differences({"A": older, "B": older}) == ()


@one_for_each(danger)
@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_is_one_short_line(results, text):
    one = with_config(results, a=text, b={text: 1})
    for said in differences({"A": one, "B": with_verdict(results, "msa", "damaged")}):
        assert len(said) < 3000
        assert printable(said) == said
        assert "\n" not in said


@pytest.mark.parametrize("format", ["terminal", "md", "json"])
def test_the_command_tells_it(results, tmp_path, capsys, format):
    from synthetic_study import write_study

    facts = make_study(people=2, untouched=1)[1]
    folders = [
        str(write_study(tmp_path / kind, with_verdict(results, "msa", kind), facts)) for kind in ("restored", "damaged")
    ]
    assert main(["compare", *folders, "--format", format]) == 0
    assert "MSA (A restored, B damaged)" in " ".join(capsys.readouterr().out.split())
