"""`restor run` and `select`: from the command line to the configuration, and what is printed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

import restor
from restor.cli.arguments import UsageError, fields_as_set, parse_changes, parse_names, parse_seeds
from restor.cli.main import main
from restor.config import read_yaml, to_yaml
from restor.experiment import ExperimentConfig
from restor.recipes.base import load_recipe, recipe_names, recipe_summary
from restor.unlearning.algorithms.base import ALGORITHMS
from restor.unlearning.wrappers.base import WRAPPERS

OPTIONS = {"--seeds", "--json", "--help"}
SECTIONS = {"unlearning", "device", "recovery"}


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (["toy", "--json"], ["toy", "--json"]),
        (["--unlearning.lr", "1e-4", "toy"], ["--set=unlearning.lr=1e-4", "toy"]),
        (["--unlearning.lr=1e-4"], ["--set=unlearning.lr=1e-4"]),
        (["--unlearning.lr", "-1"], ["--set=unlearning.lr=-1"]),
        (["--device", "cpu", "--seeds", "3"], ["--set=device=cpu", "--seeds", "3"]),
        (["--device="], ["--set=device="]),
        (["--seeds=3"], ["--seeds=3"]),
        (["--", "--device"], ["--", "--device"]),
        (["-h"], ["-h"]),
        (["--other", "1"], ["--set=other=1"]),
    ],
)
def test_fields_become_set(tokens, expected):
    assert fields_as_set(tokens, OPTIONS, SECTIONS) == expected


@pytest.mark.parametrize("tokens", [["--device"], ["--device", "--json"], ["--jsn", "1"], ["--jsn"]])
def test_fields_without_value_and_misspelt_options(tokens):
    with pytest.raises(UsageError):
        fields_as_set(tokens, OPTIONS, SECTIONS)


def test_small_parsers():
    assert parse_changes(["a.b=1", "c=d=e", "f="]) == {"a.b": "1", "c": "d=e", "f": ""}
    assert parse_seeds("3") == 3
    assert parse_seeds("0,4") == [0, 4]
    assert parse_seeds("4,") == [4]
    assert parse_seeds(None) is None
    assert parse_names(None) is None
    assert parse_names("all") == ["all"]
    assert parse_names("npo, kl") == ["npo", "kl"]
    for text in ("", ",", "1.5", "a,b", "1,,2"):
        with pytest.raises(UsageError):
            parse_seeds(text)


def test_run_applies_everything(toy, runner, tmp_path, capsys):
    argv = ["run", toy, "--seeds", "2", "--algorithms", "npo_token", "--name", "mine", "--store", str(tmp_path / "s")]
    argv += ["--unlearning.lr", "1e-4", "--recovery", "null", "--corruption.lora.rank=4", "--quiet"]
    assert main(argv) == 0
    config = runner.config
    assert config.seeds == (0, 1)
    assert config.name == "mine"
    assert config.unlearning.lr == 1e-4
    assert config.recovery is None
    assert config.corruption.lora.rank == 4
    assert set(config.unlearning.arms) == {"nothing", "retain_only", "random", "npo_token"}
    assert runner.store == tmp_path / "s"
    captured = capsys.readouterr()
    assert "a library prints" not in captured.out
    assert "ideal" in captured.out
    assert str(tmp_path / "s" / "toy-1" / "report.html") in captured.out.replace("\n", "")


@pytest.mark.parametrize(
    ("given", "methods"),
    [
        ("npo", {"npo_token", "npo_batch"}),
        ("kl", {"kl"}),
        ("kl_divergence,npo_batch", {"kl", "npo_batch"}),
        ("simnpo", {"simnpo"}),
        ("npo_pcgrad", {"npo_pcgrad"}),
        ("nothing", set()),
    ],
)
def test_algorithms_keeps_controls(toy, runner, given, methods):
    assert main(["run", toy, "--quiet", "--algorithms", given]) == 0
    assert set(runner.config.unlearning.arms) == {"nothing", "retain_only", "random"} | methods


def test_all_is_everything_that_the_catalogues_have(toy, runner):
    assert main(["run", toy, "--quiet", "--algorithms", "all"]) == 0
    arms = runner.config.unlearning.arms
    assert {"npo_token", "npo_batch", "kl", "nothing", "retain_only", "random"} < set(arms)
    assert {arm.algorithm for arm in arms.values()} >= set(ALGORITHMS.names())
    assert {arm.wrapper for arm in arms.values()} >= set(WRAPPERS.names())
    assert any(arm.filter for arm in arms.values())


def test_every_unknown_algorithm_is_named(toy, runner, capsys):
    assert main(["run", toy, "--algorithms", "npoo,zzz"]) == 1
    err = capsys.readouterr().err
    assert "'npoo'" in err
    assert "'zzz'" in err
    assert "npo_batch" in err


def test_json_is_one_object_on_stdout(toy, runner, tmp_path, capsys):
    assert main(["run", toy, "--json", "--store", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert set(printed) == {"study", "folder", "protocol", "notes", "report", "results", "facts", "config", "table"}
    assert printed["study"] == "toy-1"
    assert [row["arm"] for row in printed["table"]] == ["clean", "corrupted", "ideal"]
    assert Path(printed["config"]) == tmp_path / "toy-1" / "config.yaml"
    assert "a library prints" in captured.err
    assert "[1/1] clean seed 0: 1.0 s" in captured.err


def test_quiet_shows_no_progress(toy, runner, capsys):
    assert main(["run", toy, "--quiet", "--json"]) == 0
    assert "[1/1]" not in capsys.readouterr().err


def test_dry_run_prints_yaml_that_runs_to_the_same(toy, runner, tmp_path, capsys):
    assert main(["run", toy, "--dry-run", "--unlearning.lr", "1e-4", "--algorithms", "kl"]) == 0
    assert runner.config is None
    path = tmp_path / "again.yaml"
    path.write_text(capsys.readouterr().out)
    assert main(["run", str(path), "--quiet"]) == 0
    assert to_yaml(runner.config) == path.read_text()
    assert runner.config.unlearning.lr == 1e-4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name:\n\tx: 1", "a tab indents this line"),
        ("name: a\nname: b", "given twice"),
        ("- 1", "must hold fields and values"),
        ("name: a", "unlearning: missing"),
        ("unlearning: {arms: {}, lrr: 1e-4}", "Did you mean unlearning.lr?"),
        ("unlearning: {arms: {}}\nclean: {lr: high}", 'clean.lr: given "high"'),
        ("unlearning: {arms: {}}\nmodle: {layers: 3}", "modle: unknown field. Did you mean model?"),
    ],
)
def test_bad_files_are_one_message(content, message, tmp_path, runner, capsys):
    path = tmp_path / "study.yaml"
    path.write_text(content)
    assert main(["run", str(path)]) == 1
    err = capsys.readouterr().err
    assert message in err
    assert str(path) in err
    assert err.count("Error:") == 1


def test_numbers_of_a_file_arrive_as_numbers(tmp_path, runner):
    path = tmp_path / "study.yaml"
    path.write_text("unlearning:\n  arms:\n    a: {label: A, algorithm: npo, options: {beta: 1e-4}}\n  lr: 1e-4\n")
    assert main(["run", str(path), "--quiet"]) == 0
    assert runner.config.unlearning.lr == 1e-4
    assert runner.config.unlearning.arms["a"].options == {"beta": 1e-4}


def test_the_store_of_the_environment(toy, runner, tmp_path, monkeypatch):
    monkeypatch.setenv("RESTOR_STORE", str(tmp_path / "elsewhere"))
    assert main(["run", toy, "--quiet"]) == 0
    assert runner.store == tmp_path / "elsewhere"


def test_select_hands_over(toy, monkeypatch, tmp_path, capsys):
    asked = {}
    module = ModuleType("restor.runner.select")
    module.select = lambda config, **rest: asked.update(config=config, **rest)
    monkeypatch.setitem(sys.modules, "restor.runner.select", module)
    out = tmp_path / "mine.json"
    assert (
        main(["select", toy, "--out", str(out), "--store", str(tmp_path), "--recovery", "null", "--seeds", "5,"]) == 0
    )
    assert asked["out"] == out
    assert asked["store"] == tmp_path
    assert asked["config"].recovery is None
    assert asked["config"].seeds == (5,)
    assert str(out) in capsys.readouterr().out


def test_run_from_python(toy, runner, tmp_path):
    outcome = restor.run(toy, store=tmp_path, seeds=[3], algorithms=["kl"], overrides={"unlearning.lr": 1e-4})
    assert outcome.folder == tmp_path / "toy-1"
    assert runner.config.seeds == (3,)
    assert runner.config.unlearning.lr == 1e-4
    assert "npo_token" not in runner.config.unlearning.arms
    restor.run(runner.config, store=tmp_path)
    assert isinstance(runner.config, ExperimentConfig)


def test_recipes_are_found_without_import(toy):
    assert "toy" in recipe_names()
    assert "base" not in recipe_names()
    assert recipe_summary("toy") == "A toy study for tests."
    assert "restor.recipes.toy" not in sys.modules
    assert load_recipe("toy").name == "toy"


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_a_study_and_survives_yaml(name, tmp_path):
    config = load_recipe(name)
    assert recipe_summary(name)
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(config), encoding="utf-8")
    assert ExperimentConfig.model_validate(read_yaml(path)) == config
