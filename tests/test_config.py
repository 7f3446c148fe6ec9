"""Configurations as text: YAML in and out, overrides, and every bad input with its message."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from restor.api import build_config, validated
from restor.config import parse_yaml, read_yaml, stable_hash, to_yaml, validation_message, yaml_text
from restor.errors import ConfigError
from restor.experiment import ArmConfig, ExperimentConfig, UnlearningConfig
from restor.overrides import SECTION, apply_overrides, fields, paths
from restor.training.config import OptimizerConfig

CONFIG = ExperimentConfig(
    unlearning=UnlearningConfig(
        arms={
            "nothing": ArmConfig(label="Nothing"),
            "npo_token": ArmConfig(label="NPO, per token", algorithm="npo", options={"beta": 0.1}),
        }
    )
)
DATA = CONFIG.identity()


def override(**changes):
    changed = {path.replace("__", "."): text for path, text in changes.items()}
    return validated(apply_overrides(DATA, changed, ExperimentConfig), "test")


def read(tmp_path, content):
    path = tmp_path / "study.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(path)


# YAML


def test_yaml_runs_again_to_the_same_configuration(tmp_path):
    data = read(tmp_path, to_yaml(CONFIG))
    assert data == DATA
    assert validated(data, "test") == CONFIG
    assert stable_hash(data) == stable_hash(DATA)
    assert list(data) == list(DATA)


def test_scalars_are_those_of_yaml_1_2(tmp_path):
    given = "a: [1e-4, 1E4, .5, 1., -2, 010, ~, null, true, False]\nb: [yes, on, 12:30, 2020-01-01, .inf, '1e-4', 1_0]"
    data = read(tmp_path, given)
    assert data["a"] == [1e-4, 1e4, 0.5, 1.0, -2, 10, None, None, True, False]
    assert [type(item) for item in data["a"][:6]] == [float, float, float, float, int, int]
    assert data["b"] == ["yes", "on", "12:30", "2020-01-01", ".inf", "1e-4", "1_0"]


def test_a_byte_order_mark_is_no_problem(tmp_path):
    assert read(tmp_path, b"\xef\xbb\xbfa: 1") == {"a": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a:\n\tb: 1", "line 2, column 1: a tab indents this line: use spaces"),
        ("a:\n  b: 1\n \tc: 1", "line 3, column 2: a tab"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1: 'a' is given twice, first in line 1"),
        ("x:\n  a: 1\n  a: 3", "line 3, column 3: 'a' is given twice, first in line 2"),
        ("- 1", "must hold fields and values.*holds \\[1\\]"),
        ("", "it is empty"),
        ("# nothing", "it is empty"),
        ("a: [1", "line 1, column 6: expected ',' or ']'"),
        ("a: 1\nfoo\nb: 2", "line 3, column 1: expected `field: value`"),
        ("a: b: c", "line 1, column 5: a field is not expected here"),
        ("a: 1\n---\nb: 2", "expected a single document"),
        ("a: &x 1\nb: *x", "anchors"),
        ("a: *x", "anchors"),
        ("a: !!python/object/apply:os.system [ls]", "tag .* is not supported"),
        ("a: !!binary aGVsbG8=", "tag .* is not supported"),
        ("1: a", "must be a word"),
        ("[a]: 1", "must be a word"),
        ("a: 1e999", "too large"),
        ("a: " + "9" * 5000, "too large"),
        (b"a: 1\nb: \xff", "line 2: not UTF-8"),
        ("a: 1\nb: \x00", "line 2, column 4: the character"),
        ("a: " + "[" * 5000, "nested too deeply"),
    ],
)
def test_bad_yaml_names_the_place(tmp_path, content, message):
    with pytest.raises(ConfigError, match=message) as caught:
        read(tmp_path, content)
    assert "study.yaml" in str(caught.value)


def test_missing_file_and_directory(tmp_path):
    with pytest.raises(ConfigError, match=r"no file .*nope\.yaml"):
        read_yaml(tmp_path / "nope.yaml")
    with pytest.raises(ConfigError, match="is a directory"):
        read_yaml(tmp_path)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(json_values)
def test_every_json_value_survives_yaml(value):
    again = parse_yaml(yaml_text(value), "test")
    assert json.dumps(again) == json.dumps(value)


@settings(max_examples=80, deadline=None)
@given(st.text(st.sampled_from("0123456789.eE+-_:~nulltrueyesofxINFinf #'\"\\\n\t&*!|>%@`[]{},<?"), max_size=12))
def test_every_text_stays_text(text):
    assert parse_yaml(yaml_text(text), "test") == text


# Validation


def problems(**changes):
    with pytest.raises(ConfigError) as caught:
        override(**changes)
    return str(caught.value)


def test_one_line_per_problem_with_path_given_and_expected():
    message = problems(domain__people="3", clean__steps="abc", seeds="3", model__heads="3", precision="half")
    lines = message.splitlines()
    assert lines[0] == "test: 5 problems."
    assert "  domain.people: given 3, expected greater than or equal to 40." in lines
    assert any(line.startswith('  clean.steps: given "abc", expected a valid integer') for line in lines)
    assert any(line.startswith("  seeds: given 3, expected a list") for line in lines)
    assert "  model: hidden (128) must be a multiple of twice the heads (3)." in lines
    assert any("precision" in line and "'bfloat16'" in line for line in lines)
    assert "restor list fields" in lines[-1]


def test_unknown_field_of_a_file_has_its_nearest():
    data = {**DATA, "unlearning": {**DATA["unlearning"], "lrr": 1e-4}}
    with pytest.raises(ConfigError, match=r"unlearning\.lrr: unknown field\. Did you mean unlearning\.lr\?"):
        validated(data, "study.yaml")


def test_unknown_field_of_a_catalogue_entry():
    with pytest.raises(ConfigError, match=r"domain\.peopel: unknown field\. Did you mean domain\.people\?"):
        validated({**DATA, "domain": {"name": "miniature", "peopel": 80}}, "study.yaml")


def test_unknown_catalogue_entry_has_its_nearest():
    with pytest.raises(ConfigError, match=r"study\.yaml: Unknown domain 'miniatur'\. Did you mean 'miniature'"):
        validated({**DATA, "domain": "miniatur"}, "study.yaml")


def test_missing_section():
    with pytest.raises(ConfigError, match="unlearning: missing"):
        validated({}, "study.yaml")


def test_true_is_not_one():
    assert "clean.lr" in problems(clean__lr="true")
    assert "seeds.0" in problems(seeds="[true]")


def test_a_number_as_text_is_a_number():
    assert override(unlearning__lr="'1e-4'").unlearning.lr == 1e-4


def test_validation_message_stands_alone():
    with pytest.raises(ValidationError) as caught:
        ExperimentConfig.model_validate({"seeds": []})
    assert validation_message(caught.value, "here").startswith("here: 2 problems.\n")


# Overrides


def test_override_reads_yaml():
    config = override(
        unlearning__lr="1e-4",
        recovery="null",
        seeds="[0, 1]",
        unlearning__arms__npo_token__options__beta="0.5",
        unlearning__arms__npo_token__options__new="1e-3",
        unlearning__arms__npo_token__recover="false",
        unlearning__arms__npo_token__chosen__related__lr="2e-4",
        corruption__strengths__medium="1e-3",
        device="cuda:0",
    )
    arm = config.unlearning.arms["npo_token"]
    assert config.unlearning.lr == 1e-4
    assert config.recovery is None
    assert config.seeds == (0, 1)
    assert arm.options == {"beta": 0.5, "new": 1e-3}
    assert arm.recover is False
    assert arm.chosen["related"].lr == 2e-4
    assert config.corruption.strengths["medium"] == 1e-3
    assert config.device == "cuda:0"
    assert CONFIG.identity() == DATA, "the given data is left as it was"


def test_a_field_of_a_null_section_makes_the_section():
    lora = override(corruption__lora__rank="8").corruption.lora
    assert lora is not None
    assert (lora.rank, lora.alpha) == (8, 32.0)


def test_a_section_is_set_before_its_fields():
    assert override(corruption__lora__rank="8", corruption__lora="null").corruption.lora.rank == 8


def test_another_entry_of_a_catalogue_drops_the_settings_of_the_former():
    config = override(corruption__corruptor__dose="3", corruption__corruptor__name="entity_substitution")
    assert config.corruption.corruptor.identity() == {
        "name": "entity_substitution",
        "dose": 3,
        "facts_per_document": 6,
        "question_share": 0.5,
    }
    assert "Unknown field 'corruption.corruptor.k'" in problems(
        corruption__corruptor__k="3", corruption__corruptor__name="entity_substitution"
    )


def test_the_same_entry_keeps_its_settings():
    data = apply_overrides(DATA, {"domain.people": "80"}, ExperimentConfig)
    assert apply_overrides(data, {"domain.name": "miniature"}, ExperimentConfig)["domain"]["people"] == 80


def test_a_file_may_leave_out_what_an_override_sets():
    data = {"domain": "miniature", "unlearning": {"arms": {}}}
    changes = {"domain.people": "80", "recovery.steps": "5", "corruption.corruptor.dose": "3", "general.towns": "9"}
    config = validated(apply_overrides(data, changes, ExperimentConfig), "test")
    assert config.domain.identity()["people"] == 80
    assert config.general.identity()["towns"] == 9
    assert config.recovery is not None
    assert (config.recovery.steps, config.recovery.lr) == (5, 2e-4)


def test_a_name_that_looks_like_a_number_stays_text():
    assert override(name="2024").name == "2024"


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("unlearning.lrr", "Did you mean unlearning.lr?"),
        ("lr", "Did you mean clean.lr or"),
        ("sed", "Did you mean seeds?"),
        ("unlearning.arms.npo_tokn.lr", "Did you mean unlearning.arms.npo_token.lr"),
        ("unlearning.lr.deep", "unlearning.lr"),
        ("clean.betas", "clean.optimizer.betas"),
        ("unlearning.arms.npo_token.chosen.elsewhere.lr", "Unknown field"),
        ("", "Unknown field"),
        (".", "Unknown field"),
        ("zzz", "restor list fields"),
    ],
)
def test_unknown_path_has_its_nearest(path, near):
    with pytest.raises(ConfigError, match="Unknown field") as caught:
        apply_overrides(DATA, {path: "1"}, ExperimentConfig)
    assert near in str(caught.value)


def test_bad_value_text_names_the_field():
    with pytest.raises(ConfigError, match=r"The value of clean\.lr, line 1"):
        override(clean__lr="[1")
    with pytest.raises(ConfigError, match="Unknown domain 'x'"):
        override(domain__name="x")
    with pytest.raises(ConfigError, match="A domain needs a name"):
        apply_overrides({**DATA, "domain": 3}, {"domain.people": "80"}, ExperimentConfig)
    with pytest.raises(ConfigError, match="unlearning is 3, not a section"):
        apply_overrides({**DATA, "unlearning": 3}, {"unlearning.lr": "1"}, ExperimentConfig)


def valid_change(field):
    """Another valid value of a leaf, told from its kind."""
    value = field.value
    special = {
        "domain.values": 10,
        "precision": "float32",
        "clean.general_share": 0.25,
        "retain": ["related"],
        "model.hidden": 256,
        "model.heads": 8,
        "model.tokenizer": "bpe",
        "corruption.strength": "strong",
        "clean.checkpoints": [0.5],
        "evaluation.untouched_facts": 7,
        "unlearning.selection": "mine.json",
        "unlearning.forget_part": "simplified",
        "corruption.corruptor.context": "facts",
        "evaluation.protocol": "published",
        "evaluation.asked": "listed",
        "evaluation.top_p": 0.5,
        "evaluation.runs": 1,
        "recovery.dataset": {"name": "general", "towns": 9, "seed": None},
    }
    if field.path in special:
        return special[field.path]
    if field.path.endswith("optimizer.name"):
        return "sophia"
    if field.path.startswith("unlearning.arms."):
        own = {
            "wrapper": "pcgrad",
            "algorithm": "simnpo",
            "optimizer": OptimizerConfig(name="sophia").identity(),
            "chosen": {"none": {"lr": 0.1, "steps": 1, "stop": None, "options": {}}},
        }
        if (known := own.get(field.path.split(".")[-1])) is not None:
            return known
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value + 0.01
        case None:
            return 2
        case "linear":
            return "cosine"
        case "targets":
            return "random"
        case str():
            return f"{value}2"
        case [float(), float()]:
            return [0.5, 0.75]
        case [int(), *_]:
            return [3, 4]
        case _:
            return (
                {"x": 1} if field.path.endswith("options") else {"related": {"lr": 1.0, "steps": None, "options": {}}}
            )


def at(data, path):
    for key in path.split("."):
        data = data[key]
    return data


ONLY_ONE_VALUE = {"domain.name", "general.name", "corruption.corruptor.name", "evaluation.judge.name"}
LEAVES = [
    field
    for field in fields(ExperimentConfig, DATA)
    # A section that is null is set by its fields, which are leaves too. `start` needs its path before all others.
    if field.path not in {*ONLY_ONE_VALUE, "unlearning.arms.nothing.algorithm"}
    and field.path.rpartition(".")[2] != "lora"
    and field.value != SECTION
    and field.path.partition(".")[0] != "start"
]


def test_a_checkpoint_to_start_from_is_set_by_its_fields():
    changes = {"start.dtype": "bfloat16", "start.path": "org/model"}
    start = validated(apply_overrides(DATA, changes, ExperimentConfig), "test").start
    assert (start.path, start.dtype, start.revision) == ("org/model", "bfloat16", None)
    short = validated(apply_overrides(DATA, {"start": "org/model@main"}, ExperimentConfig), "test").start
    assert (short.path, short.revision) == ("org/model", "main")
    with pytest.raises(ConfigError, match=r"start\.path: missing"):
        validated(apply_overrides(DATA, {"start.dtype": "bfloat16"}, ExperimentConfig), "test")


@pytest.mark.parametrize("field", LEAVES, ids=lambda field: field.path)
def test_every_field_is_reachable(field):
    value = valid_change(field)
    changed = validated(apply_overrides(DATA, {field.path: yaml_text(value)}, ExperimentConfig), "test")
    assert at(changed.identity(), field.path) == value != field.value


def test_the_paths_cover_the_whole_dump():
    def walk(value, path):
        yield path
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from walk(inner, f"{path}.{key}" if path else key)

    known = set(paths(ExperimentConfig, DATA))
    assert {path for path in walk(DATA, "") if path} <= known
    assert {"corruption.lora.rank", "unlearning.lora.alpha"} <= known


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_overrides_survive_yaml(data):
    chosen = data.draw(st.lists(st.sampled_from(LEAVES), max_size=4, unique_by=lambda field: field.path))
    changes = {field.path: yaml_text(valid_change(field)) for field in chosen}
    try:
        config = validated(apply_overrides(DATA, changes, ExperimentConfig), "test")
    except ConfigError as error:
        assert "hidden" in str(error)  # noqa: PT017  (the only values that depend on each other)
        return
    again = validated(parse_yaml(to_yaml(config), "test"), "test")
    assert again == config
    assert to_yaml(again) == to_yaml(config)


# From Python


def test_python_values_are_overrides():
    config = build_config(
        CONFIG, overrides={"unlearning.lr": 1e-05, "seeds": (0, 2), "recovery": None, "device": "cpu"}
    )
    assert (config.unlearning.lr, config.seeds, config.recovery, config.device) == (1e-05, (0, 2), None, "cpu")
    with pytest.raises(ConfigError, match="An override must be"):
        build_config(CONFIG, overrides={"seeds": object()})


def test_seeds_of_python():
    assert build_config(CONFIG, seeds=3).seeds == (0, 1, 2)
    assert build_config(CONFIG, seeds=[4, 7]).seeds == (4, 7)
    with pytest.raises(ConfigError, match="at least one seed and at most 1,000, given 0"):
        build_config(CONFIG, seeds=0)
    with pytest.raises(ConfigError, match="seeds has a value twice"):
        build_config(CONFIG, seeds=[1, 1])


def test_paths_of_existing_files_become_absolute_and_names_stay(tmp_path, monkeypatch):
    """So that a stored configuration runs again from any directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "texts.txt").write_text("A text.")
    (tmp_path / "restor").mkdir()  # a folder of the published data's name changes nothing
    changes = {
        "domain": '{"name": "triples", "facts": "restor"}',
        "general": '{"name": "documents", "path": "texts.txt"}',
        "recovery.dataset": '{"name": "documents", "path": "nowhere.txt"}',
        "start": "model",
    }
    config = validated(apply_overrides(DATA, changes, ExperimentConfig), "test")
    assert str(config.domain.facts) == "restor"
    assert config.general.path == tmp_path / "texts.txt"
    assert str(config.recovery.dataset.path) == "nowhere.txt"
    assert config.start.path == str(tmp_path / "model")
    hub = validated(apply_overrides(DATA, {"start": "org/model@main"}, ExperimentConfig), "test")
    assert (hub.start.path, hub.start.revision) == ("org/model", "main")
