"""A number that nothing can count with is refused where it is given: in every option, field and file."""

from __future__ import annotations

import pytest

import restor
from representatives import one_for_each
from restor.chat import ChatConfig
from restor.cli.main import main
from restor.config import Config, parse_yaml
from restor.errors import ConfigError

HUGE = "1" + "0" * 399
BEYOND_PYTHON = "9" * 5000


@one_for_each("argv", "number")
@pytest.mark.parametrize("number", [HUGE, f"-{HUGE}", BEYOND_PYTHON, str(2**63)])
@pytest.mark.parametrize(
    "argv",
    [
        ["run", "toy", "--clean.steps=N"],
        ["run", "toy", "--threads=N"],
        ["run", "toy", "--domain.people=N"],
        ["run", "toy", "--corruption.corruptor.dose=N"],
        ["run", "toy", "--seeds=N,"],
        ["run", "toy", "--seeds=0,N"],
        ["run", "toy", "--seeds=N"],
        ["run", "toy", '--clean.steps="N"'],  # text that pydantic takes for a number
        ["select", "toy", "--seeds=N"],
        ["evaluate", "--model=a=b", "--facts=c", "--seed=N"],
        ["data", "build", "fact_swap", "--facts=f", "--out=o", "--seed=N"],
        ["data", "build", "fact_swap", "--facts=f", "--out=o", "--dose=N"],
        ["judge", "results", "--judge=llm", "--model=m", "--concurrency=N"],
        ["plot", "--dpi=N"],
        ["view", "--port=N"],
    ],
    ids=" ".join,
)
def test_whole_numbers_of_the_command_line(argv, number, capsys, toy, runner, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([part.replace("N", number) for part in argv]) in (1, 2)
    err = capsys.readouterr().err
    assert err.startswith("Error: ")
    assert "fault of restor" not in err
    assert "Traceback" not in err
    assert runner.config is None


def test_a_setting_of_a_verb_that_makes_a_checkpoint(capsys, tmp_path):
    options = ["--model=m", "--forget=d", f"--out={tmp_path / 'o'}"]
    assert main(["corrupt", *options, f"--seed={HUGE}"]) == 1
    assert "The value of seed, line 1, column 1: the number 1000" in capsys.readouterr().err


@one_for_each("argv", "number")
@pytest.mark.parametrize(
    "argv",
    [
        ["data", "build", "fact_swap", "--facts=f", "--out=o", "--k=N"],
        ["judge", "r", "--requests-per-minute=N"],
    ],
)
@pytest.mark.parametrize("number", ["1e999", "inf", "nan", HUGE])
def test_other_numbers(argv, number, capsys):
    assert main([part.replace("N", number) for part in argv]) == 2
    assert "it must be a finite number" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["run", "toy", "--seeds=N"], ["view", "--port=N"], ["run", "toy", "--N"]])
def test_a_number_of_5000_digits_is_not_said_again(argv, capsys, toy):
    assert main([part.replace("N", BEYOND_PYTHON) for part in argv]) == 2
    assert len(capsys.readouterr().err) < 500


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["run", "toy", "--seeds=0,-1"], 2),
        (["run", "toy", "--domain.seed=-1"], 1),
        (["evaluate", "--model=a=b", "--facts=c", "--seed=-1"], 2),
        (["data", "build", "fact_swap", "--facts=f", "--out=o", "--seed=-1"], 2),
        (["corrupt", "--model=m", "--forget=d", "--out=o", "--seed=-1"], 1),
        (["unlearn", "--model=m", "--algorithm=npo", "--forget=d", "--retain=r", "--out=o", "--select.seed=-1"], 1),
    ],
)
def test_a_seed_is_not_negative(argv, code, capsys, toy, runner, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(argv) == code
    assert "a seed is a whole number from 0 up" in capsys.readouterr().err
    assert runner.config is None


@pytest.mark.parametrize("threads", ["1025", "99999999"])
def test_more_threads_than_a_process_survives(threads, capsys, toy, runner):
    assert main(["run", "toy", f"--threads={threads}"]) == 1
    assert f"threads: given {threads}, expected less than or equal to 1024" in capsys.readouterr().err
    assert runner.config is None


@pytest.mark.parametrize("seeds", ["99999999", "1001", "-3"])
def test_so_many_seeds_that_nobody_can_mean_them(seeds, capsys, toy, runner):
    assert main(["run", "toy", f"--seeds={seeds}"]) == 1
    err = capsys.readouterr().err
    assert f"at least one seed and at most 1,000, given {seeds}. 3 stands for seeds 0, 1 and 2, and `7,` for" in err
    assert runner.config is None


def test_the_same_from_python():
    with pytest.raises(ConfigError, match="at most 1,000"):
        restor.run(seeds=10**9)
    with pytest.raises(ConfigError, match="too large"):
        restor.run(overrides={"clean.steps": 10**400})
    with pytest.raises(ConfigError, match="seeds"):
        restor.run(seeds=list(range(1001)))
    with pytest.raises(ValueError, match="max_tokens: the number is too large"):
        ChatConfig(model="m", max_tokens=2**63)
    assert ChatConfig(model="m", max_tokens=2**63 - 1).max_tokens == 2**63 - 1


def test_in_a_list_and_in_a_file():
    class Listed(Config):
        numbers: tuple[int, ...]

    with pytest.raises(ValueError, match="numbers: the number is too large"):
        Listed(numbers=(1, -(2**63) - 1))
    assert Listed(numbers=(-(2**63),)).numbers == (-(2**63),)
    with pytest.raises(ConfigError, match=r"f.yaml, line 2, column 10: the number 10000.* is too large"):
        parse_yaml(f"a: 1\nnumbers: {HUGE}", "f.yaml")
