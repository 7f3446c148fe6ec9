"""`restor export lm-eval` as a user types it."""

from __future__ import annotations

import json

import pytest

from restor.cli.main import main
from restor.config import to_yaml
from restor.domains.miniature import MiniatureConfig
from restor.evaluation.ask.fewshot import build_queries
from restor.evaluation.harness.exported import read_export, read_rows
from restor.experiment import ArmConfig, ExperimentConfig, UnlearningConfig
from restor.runner.study import world_of
from restor.tasks.plant import TargetsConfig

CITIES = ["York", "Rome", "Oslo", "Bonn", "Lima", "Kyiv", "Bern"]
PEOPLE = ["Ada Stone", "Bo Marsh", "Cy Vale", "Di Frost", "Ed Wells", "Flo Reed", "Gus Hale"]


@pytest.fixture
def facts(tmp_path):
    rows = [
        {"subject": name, "relation": "P19", "question": f"Where was {name} born?", "answers": [city]}
        for name, city in zip(PEOPLE, CITIES, strict=True)
    ]
    file = tmp_path / "facts.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return file


def test_what_was_written_is_told_with_the_command_that_runs_it(facts, tmp_path, capsys):
    out = tmp_path / "my tasks"
    arguments = ["--facts", str(facts), "--targets", "Ada Stone,Bo Marsh", "--evaluation.shots", "2", "--name", "mine"]
    assert main(["export", "lm-eval", str(out), *arguments]) == 0
    told = capsys.readouterr().out
    assert "restor_mine_targeted_choice  2 questions  acc, acc_norm" in told
    assert "restor_mine_untouched_generation  5 questions  exact_match" in told
    assert f"--tasks restor_mine --include_path '{out}'" in told
    assert {row["prompt"].count("\n") for task in read_export(out).tasks for row in read_rows(out, task)} == {2}


def test_one_json_object(facts, tmp_path, capsys):
    assert main(["export", "lm-eval", str(tmp_path / "out"), "--facts", str(facts), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["folder"] == str(tmp_path / "out")
    assert [task["questions"] for task in told["tasks"]] == [7, 7]


def test_the_questions_of_a_study(tmp_path):
    """One of its seeds; those about entities that only choose hyperparameters are left out."""
    config = ExperimentConfig(
        name="small",
        seeds=(0, 3),
        domain=MiniatureConfig(people=40, values=8),
        targets=TargetsConfig(validation=3, test=3),
        unlearning=UnlearningConfig(arms={"nothing": ArmConfig(label="Nothing")}),
    )
    study = tmp_path / "small-1"
    study.mkdir()
    (study / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
    assert main(["export", "lm-eval", str(tmp_path / "out"), "--study", str(study), "--seed", "3"]) == 0
    content = read_export(tmp_path / "out")
    world = world_of(config, 3)
    asked = build_queries(world.domain, world.planted, world.groups, config.evaluation, seed=3)
    queries = [query for query in asked if query.group == "test"]
    rows = list(read_rows(tmp_path / "out", content.tasks[0]))
    assert [row["prompt"] for row in rows] == [query.prefix + query.question for query in queries]
    assert [row["planted"] for row in rows] == [query.planted for query in queries]
    assert content.data == world.digest()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["lm-eval", "out"], 2, ["--facts", "--study"]),
        (["lm_eval", "out", "--facts", "facts.jsonl"], 2, ["lm-eval"]),
        (["lm-eval", "out", "--facts", "nowhere.jsonl"], 1, ["nowhere.jsonl"]),
        (["lm-eval", "out", "--facts", "facts.jsonl", "--name", "a b"], 1, ["name", "a b"]),
        (["lm-eval", "out", "--facts", "facts.jsonl", "--evaluation.shotz", "1"], 1, ["evaluation.shots"]),
        (["lm-eval", "out", "--facts", "facts.jsonl", "--model", "m"], 1, ["'model'"]),
        (["lm-eval", "facts.jsonl", "--facts", "facts.jsonl"], 1, ["exists already"]),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(facts, monkeypatch, capsys, arguments, code, words):
    monkeypatch.chdir(facts.parent)
    before = facts.read_bytes()
    assert main(["export", *arguments]) == code
    told = capsys.readouterr().err
    for word in words:
        assert word in told
    assert list(facts.parent.iterdir()) == [facts]
    assert facts.read_bytes() == before
