"""Which settings an arm ends up with, and where a stored selection comes from."""

from __future__ import annotations

import json

import pytest

from restor.errors import ConfigError
from restor.experiment import ArmConfig, CorruptionConfig, ExperimentConfig, UnlearningConfig
from restor.runner.resolve import resolve, settings_of
from restor.selection.choices import read_selection
from restor.selection.trial import Chosen

FALLBACK = Chosen(lr=1e-5, steps=11, options={"beta": 0.1, "gamma": 0.1})
CHOSEN = Chosen(lr=2e-5, steps=22, options={"beta": 0.2, "delta": 0.2})


def study(arm, corruption=None, **shared):
    unlearning = UnlearningConfig(arms={"a": arm}, **shared)
    return ExperimentConfig(unlearning=unlearning, corruption=corruption or CorruptionConfig())


def settings(arm, retain="related", **shared):
    return settings_of(study(arm, **shared), arm, retain, FALLBACK)


@pytest.mark.parametrize(
    ("shared", "own", "chosen", "lr", "steps", "source"),
    [
        ({}, {}, {}, 1e-5, 11, "default"),
        ({}, {}, {"related": CHOSEN}, 2e-5, 22, "selected"),
        ({}, {}, {"unrelated": CHOSEN}, 1e-5, 11, "default"),
        ({}, {"lr": 3e-5}, {"related": CHOSEN}, 3e-5, 22, "given"),
        ({}, {"steps": 33}, {"related": CHOSEN}, 2e-5, 33, "given"),
        ({}, {"steps": 0}, {"related": CHOSEN}, 2e-5, 0, "given"),
        ({"lr": 4e-5}, {"lr": 3e-5, "steps": 33}, {"related": CHOSEN}, 4e-5, 33, "given"),
        ({"steps": 0}, {"steps": 33}, {"related": CHOSEN}, 2e-5, 0, "given"),
        ({"lr": 4e-5, "steps": 44}, {"lr": 3e-5, "steps": 33}, {}, 4e-5, 44, "given"),
        ({}, {}, {"related": Chosen(steps=0)}, 1e-5, 0, "selected"),
        ({}, {}, {"related": Chosen(lr=2e-5)}, 2e-5, 11, "selected"),
    ],
)
def test_an_override_wins_over_the_arm_over_the_chosen_over_the_default(shared, own, chosen, lr, steps, source):
    found = settings(ArmConfig(label="A", algorithm="npo", chosen=chosen, **own), **shared)
    assert (found.lr, found.steps, found.source) == (lr, steps, source)


def test_options_of_the_arm_win_over_chosen_ones_one_by_one():
    arm = ArmConfig(label="A", algorithm="npo", options={"beta": 9.0}, chosen={"related": CHOSEN})
    assert settings(arm).options == {"beta": 9.0, "delta": 0.2}
    assert settings(arm, retain="unrelated").options == {"beta": 9.0, "gamma": 0.1}


def test_an_arm_without_retain_text_has_a_choice_of_its_own():
    arm = ArmConfig(label="A", algorithm="task_vector", chosen={"none": CHOSEN, "related": Chosen(lr=1.0)})
    assert settings(arm, retain=None).lr == 2e-5


def test_the_strength_names_the_learning_rate_unless_it_is_given():
    arm = ArmConfig(label="A")
    for strength in ("medium", "strong"):
        table = {"medium": 1e-3, "strong": 2e-3}
        found = resolve(study(arm, CorruptionConfig(strength=strength, strengths=table)))
        assert found.corruption.lr == table[strength]
    assert resolve(study(arm, CorruptionConfig(lr=5e-3))).corruption.lr == 5e-3
    with pytest.raises(ConfigError, match=r"strengths has no learning rate for 'strong'.*medium"):
        resolve(study(arm, CorruptionConfig(strength="strong", strengths={"medium": 1e-3})))


@pytest.fixture
def selection(tmp_path):
    """A stored selection with one arm."""
    path = tmp_path / "mine.json"
    content = {
        "recipe": "toy",
        "score": "s",
        "seeds": [0],
        "n_entities": 3,
        "versions": {},
        "choices": {
            "medium": {"a": {"related": {"lr": 2e-5, "steps": 22}, "unrelated": {"lr": 6e-5}}},
            "strong": {"a": {"related": {"lr": 7e-5}}},
        },
        "trace": {"medium": [], "strong": []},
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_the_stored_choice_of_the_strength_is_filled_in(selection):
    arm = ArmConfig(label="A", algorithm="npo")
    medium = resolve(study(arm, selection=str(selection))).unlearning.arms["a"].chosen
    assert (medium["related"].lr, medium["related"].steps, medium["unrelated"].lr) == (2e-5, 22, 6e-5)
    strong = resolve(study(arm, CorruptionConfig(strength="strong"), selection=str(selection)))
    assert {key: item.lr for key, item in strong.unlearning.arms["a"].chosen.items()} == {"related": 7e-5}


def test_what_the_configuration_says_wins_over_the_stored_choice(selection):
    arm = ArmConfig(label="A", algorithm="npo", chosen={"related": Chosen(lr=0.5)})
    chosen = resolve(study(arm, selection=str(selection))).unlearning.arms["a"].chosen
    assert (chosen["related"].lr, chosen["unrelated"].lr) == (0.5, 6e-5)


def test_resolving_twice_changes_nothing_and_survives_its_yaml(selection):
    """The stored config.yaml runs again to the same keys."""
    once = resolve(study(ArmConfig(label="A", algorithm="npo"), selection=str(selection)))
    assert resolve(once) == once
    assert resolve(ExperimentConfig.model_validate(once.identity())) == once


def test_a_selection_that_is_not_there_or_not_one_is_told_in_words(tmp_path):
    with pytest.raises(ConfigError, match=r"no selection 'nowhere'.*restor select"):
        read_selection("nowhere")
    for content in ("{", "[]", "{}", '{"recipe": 3}', "\x00"):
        path = tmp_path / "bad.json"
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ConfigError, match="cannot be read"):
            read_selection(str(path))
