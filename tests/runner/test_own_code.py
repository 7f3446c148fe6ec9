"""A study with code of the user's own that fails: its arm fails with the reason, told once, and the others go on."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree, rmtree
from statistics import fmean

import pytest

from own_algorithm import LOSS, MINE
from restor.cli.main import main
from restor.config import to_yaml
from restor.experiment import ArmConfig
from restor.report.io.load import load_facts, load_results
from tiny_study import tiny_config

LOSSES = (
    MINE.replace("class Mine(", "class Misspelt(").replace(LOSS, "return seen.policy.logit.mean()")
    + """

class NotANumber(Misspelt):
    def forget_loss(self, seen):
        return seen.policy.logits.mean() * float("nan")


class AVector(Misspelt):
    def forget_loss(self, seen):
        return seen.policy.logits
"""
)
MISSPELT = 1 + LOSSES.splitlines().index("        return seen.policy.logit.mean()")
REASONS = {
    "Misspelt": f"attr.py, line {MISSPELT}, in forget_loss: AttributeError: 'Labelled' object has no attribute "
    "'logit'. Did you mean logits?",
    "NotANumber": "The 'forget' loss is nan at step 1 of",
    "AVector": "AVector.forget_loss must return a scalar tensor",
}

JUDGE = '''"""A judge that gives up."""
from restor.evaluation.judges.base import Judge, JudgeConfig


class Short(Judge):
    config_type = JudgeConfig

    def __init__(self, config):
        self.config = config

    usage = None

    def judge(self, completions, advance=None):
        HERE
'''


@pytest.fixture
def study(finished_study, tmp_path, monkeypatch):
    """The tiny study with one arm of restor's, as a file in the working directory; its models are made already."""
    copytree(finished_study / "store", tmp_path / "store")
    rmtree(tmp_path / "store" / "studies")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RESTOR_DEBUG", raising=False)
    (tmp_path / "attr.py").write_text(LOSSES)
    config = tiny_config()
    arms = {"msa": config.unlearning.arms["msa"], "nothing": ArmConfig(label="Nothing", recover=False)}
    config = config.model_copy(update={"unlearning": config.unlearning.model_copy(update={"arms": arms})})
    (tmp_path / "study.yaml").write_text(to_yaml(config))
    return tmp_path


def run(*more):
    """The exit code of the study."""
    try:
        return main(["run", "study.yaml", "--store", "store", *more])
    except SystemExit as error:
        return error.code


def test_arms_fail_with_their_reason_told_once_and_the_others_go_on(study, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    chosen = ("--algorithms", "msa," + ",".join(f"attr.py:{name}" for name in REASONS))
    assert run(*chosen) == 1
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    for name, reason in REASONS.items():
        assert err.count(reason) == 1, err
        assert out.count(reason) == 1, "a note of the table"
        line = next(line for line in err.splitlines() if reason in line)
        assert f"unlearn {name}/s0 failed: " in line
        # What did not come about is never shown as done.
        assert not [row for row in err.splitlines() if f" {name}/s0: " in row and not row.endswith(": not made")]
    assert "3 arms have failed, and the notes of the table say why: Misspelt/s0, NotANumber/s0, AVector/s0." in err
    [results] = study.glob("store/studies/*/results.json")
    arms = {arm["arm"]: arm for arm in json.loads(results.read_text())["arms"]}
    assert arms["msa"]["metrics"]["test.original"]["value"] is not None
    for name, reason in REASONS.items():
        assert arms[name]["metrics"]["test.original"]["value"] is None
        assert reason in arms[name]["metrics"]["test.original"]["note"]

    assert run(*chosen, "--debug") == 1
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert f'attr.py", line {MISSPELT}, in forget_loss' in err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("return completions[len(completions)]", "own.py, line 14, in judge: IndexError: "),
        ("return []", "Short.judge must give one verdict for each of"),
        ("return None", "Short.judge must return a list of verdicts, it returned None."),
    ],
)
def test_a_judge_of_the_users_own_that_fails_ends_the_study_in_one_message(study, capsys, line, told):
    (study / "own.py").write_text(JUDGE.replace("HERE", line))
    assert run("--evaluation.judge.name", "own.py:Short") == 1
    err = capsys.readouterr().err
    assert f"Error: {told}" in err
    assert err.count("\nError:") == 1
    assert "Traceback" not in err
    assert "--debug shows the traceback" in err
    if "IndexError" in told:
        assert run("--evaluation.judge.name", "own.py:Short", "--debug", "--quiet") == 1
        assert 'own.py", line 14, in judge' in capsys.readouterr().err


def test_figures_of_a_study_are_the_scores_of_the_judge_in_the_documentation(study):
    page = (Path(__file__).parents[2] / "docs" / "judges.md").read_text("utf-8")
    (study / "own.py").write_text(page.split("```python\n")[1].split("```")[0])
    assert run("--quiet") == 0
    [by_names] = study.glob("store/studies/*/")
    assert run("--evaluation.judge.name", "own.py:Mine", "--quiet") == 0
    [graded] = {*study.glob("store/studies/*/")} - {by_names}
    results, facts = load_results(graded), load_facts(graded).to_pylist()
    for arm in results.arms:
        tested = [row for row in facts if row["arm"] == arm.id and row["group"] == "test"]
        assert arm.arm != "corrupted" or not {row["score"] for row in tested} <= {0, 1}
        for metric, column in (("test.original", "score"), ("test.planted", "planted_score")):
            assert arm.metrics[metric].value == pytest.approx(fmean(row[column] for row in tested))

    assert main(["judge", str(by_names), "--judge", "own.py:Mine", "--out", "again", "--quiet"]) == 0
    again = load_results(study / "again")
    assert [arm.metrics for arm in again.arms] == [arm.metrics for arm in results.arms]
    assert [arm.metrics for arm in again.summary] == [arm.metrics for arm in results.summary]
    assert again.summary != load_results(by_names).summary


def test_a_judge_that_fails_for_every_checkpoint_ends_the_comparison_in_its_message(study, capsys):
    assert run("--quiet") == 0
    [clean] = study.glob("store/artifacts/clean-*")
    (study / "own.py").write_text(JUDGE.replace("HERE", "return []"))
    capsys.readouterr()
    given = ["--model", f"a={clean / 'model'}", "--facts", str(clean / "facts.jsonl"), "--store", "store"]
    assert main(["evaluate", *given, "--judge", "own.py:Short"]) == 1
    err = capsys.readouterr().err
    assert "\nError: Short.judge must give one verdict for each of" in err
    assert "fault of restor" not in err
