"""`restor list` tells what the code itself says."""

from __future__ import annotations

import pytest

from restor.cli.main import main


def listed(capsys, *argv):
    assert main(["list", *argv]) == 0
    return capsys.readouterr().out


def test_without_anything_it_names_everything(capsys, toy):
    lines = listed(capsys).splitlines()
    assert [line.split()[0] for line in lines] == [
        "recipes",
        "algorithms",
        "domains",
        "datasets",
        "corruptors",
        "judges",
        "fields",
    ]
    assert "toy" in lines[0]
    assert "npo" in lines[1]


def test_recipes(capsys, toy):
    assert "A toy study for tests." in listed(capsys, "recipes")
    assert "npo_token:" in listed(capsys, "recipes", "toy")


@pytest.mark.parametrize(
    ("what", "name"), [("domains", "miniature"), ("datasets", "general"), ("corruptors", "fact_swap")]
)
def test_catalogues_have_one_line_each(what, name, capsys):
    lines = listed(capsys, what).splitlines()
    line = next(line for line in lines if line.startswith(f"{name} "))
    assert len(line) > len(name) + 20


def test_a_page_has_docstring_and_settings(capsys):
    page = listed(capsys, "corruptors", "fact_swap")
    assert "Fact swap" in page
    assert "dose: int = 20\n      How many documents state each wrong fact." in page
    assert "name:" not in page


def test_algorithms_tell_paper_budget_and_hyperparameters(capsys):
    text = listed(capsys, "algorithms")
    assert "npo: " in text
    for word in ("paper", "is told", "hyperparameters", "F forget, D retain, R reference"):
        assert word in text
    page = listed(capsys, "algorithms", "npo")
    assert "Paper: " in page
    assert "Settings" in page


def test_fields_are_overrides(capsys, toy):
    lines = listed(capsys, "fields", "toy").splitlines()
    assert "unlearning.arms.npo_token.options.beta 0.1" in lines
    assert "seeds [0]" in lines
    assert "corruption.lora null" in lines
    assert "corruption.lora.rank (16)" in lines
