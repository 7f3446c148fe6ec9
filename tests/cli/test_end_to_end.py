"""What a user types: a study from a YAML file, the same again, and the verbs on its store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import in_a_process_of_its_own, restor

from restor.config import to_yaml
from tiny_study import tiny_config


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user")
    (folder / "study.yaml").write_text(to_yaml(tiny_config()), encoding="utf-8")
    return folder


def test_a_study_from_a_file_and_the_same_again(place: Path) -> None:
    first = in_a_process_of_its_own("run", "study.yaml", cwd=place)
    assert first.returncode == 0, first.stderr
    for words in ("Corrupted", "Ideal", "NPO", "report.html", "results.json"):
        assert words in first.stdout
    again = restor("run", "study.yaml", "--json", cwd=place)
    assert again.returncode == 0, again.stderr
    told = json.loads(again.stdout)
    assert {row["arm"] for row in told["table"]} == {
        "clean",
        "corrupted",
        "ideal",
        "copy_demonstrations",
        "most_frequent",
        "nothing",
        "recovery_only",
        "npo",
        "msa",
    }
    for file in ("report", "results", "facts", "config"):
        assert Path(told[file]).is_file()
    assert "finished before" in again.stderr
    status = restor("status", cwd=place)
    assert "clean" in status.stdout
    assert restor("verify", cwd=place).returncode == 0
    assert restor("clean", cwd=place).returncode == 0
    assert restor("run", "study.yaml", "--quiet", cwd=place).returncode == 0


def test_damage_is_found_by_verify(place: Path) -> None:
    victim = next((place / "store" / "artifacts").glob("corrupt-*/model/model.safetensors"))
    good = victim.read_bytes()
    victim.write_bytes(good[:-1])
    try:
        told = restor("verify", cwd=place)
        assert told.returncode == 1
        assert "model.safetensors" in told.stdout + told.stderr
    finally:
        victim.write_bytes(good)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "miniatur"), ["miniature"]),
        (("run", "official_small", "--facts", "nowhere.json"), ["nowhere.json"]),
        (("run", "study.yaml", "--targets.test", "60"), ["60", "40"]),
        (("run", "study.yaml", "--unlearning.lrr", "1"), ["unlearning.lr"]),
        (("run", "nowhere.yaml"), ["nowhere.yaml"]),
    ],
)
def test_bad_input_is_one_message_and_1(place: Path, arguments: tuple[str, ...], words: list[str]) -> None:
    told = restor(*arguments, cwd=place)
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    for word in words:
        assert word in told.stderr
