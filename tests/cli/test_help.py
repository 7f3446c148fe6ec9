"""Every verb explains its options; the verbs of checkpoints their settings too."""

from __future__ import annotations

import re

import pytest

from restor.cli.main import build_app, main
from restor.overrides import fields
from restor.runner.checkpoints.make import CorruptConfig, RecoverConfig, UnlearnConfig

VERBS = (
    "run select evaluate corrupt unlearn recover judge export list report compare plot view status verify clean"
).split()
DATA_VERBS = "list fetch check build overlap wikidata".split()
PATHS = [(verb,) for verb in VERBS] + [("data", verb) for verb in DATA_VERBS]
NAMES = {
    "--facts": "facts that are asked about or known",
    "--forget": "documents that are to be forgotten",
    "--retain": "text that is to be kept",
    "--targets": "targeted entities",
    "--text": "text of the recovery",
}
ALLOWED = {
    "--facts": {
        "run",
        "select",
        "evaluate",
        "export",
        "corrupt",
        "unlearn",
        "data check",
        "data build",
        "data overlap",
    },
    "--forget": {"evaluate", "export", "corrupt", "unlearn", "data overlap"},
    "--retain": {"unlearn", "data overlap"},
    "--targets": {"evaluate", "export", "data build"},
    "--text": {"recover"},
}
OTHER_WORDS = {"--data", "--document", "--documents", "--entities", "--target", "--fact", "--texts", "--forget-set"}


def options(path):
    app = build_app()
    for verb in path:
        app = app[verb]
    return [argument for argument in app.assemble_argument_collection(parse_docstring=True) if argument.name != "*"]


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_option_is_explained(path):
    assert [argument.name for argument in options(path) if not (argument.parameter.help or "").strip()] == []


def test_what_is_the_same_has_the_same_name_in_every_verb():
    names = {" ".join(path): {name for argument in options(path) for name in argument.names} for path in PATHS}
    assert {option: {verb for verb, own in names.items() if option in own} for option in NAMES} == ALLOWED
    assert {verb: own & OTHER_WORDS for verb, own in names.items() if own & OTHER_WORDS} == {}


@pytest.mark.parametrize("config", [CorruptConfig, UnlearnConfig, RecoverConfig], ids=lambda config: config.stage)
def test_the_help_of_a_checkpoint_verb_has_every_setting_with_default_and_meaning(config, capsys):
    assert main([config.stage, "--help"]) == 0
    out = capsys.readouterr().out
    options_of_it = {"model", "device", "forget", "retain", "facts", "checkpoint", "text", "algorithm"}
    settings = [field for field in fields(config, {}) if field.path.partition(".")[0] not in options_of_it]
    assert len(settings) > 20
    for field in settings:
        line = re.search(rf"^  --{re.escape(field.path)} (.+)\n      (.+)$", out, re.MULTILINE)
        assert line is not None, field.path
        assert field.meaning.startswith(line[2].strip()[:40])
    assert f"  --lr {'2.0e-05' if config is RecoverConfig else '5.0e-05'}\n      Highest learning rate.\n" in out
    assert "  --lora {...}\n      The adapter that is trained and merged; null trains all weights.\n" in out
    assert "Examples:" in out
    assert ("--select.NAME VALUE" in " ".join(out.replace("│", " ").split())) is (config is UnlearnConfig)


def test_a_setting_of_one_verb_is_none_of_another(capsys):
    assert main(["corrupt", "--model", "m", "--forget", "f.txt", "--out", "o", "--retain_texts", "5"]) == 1
    assert "Unknown field 'retain_texts'. `restor corrupt --help` names all settings." in capsys.readouterr().err


def test_the_help_of_data_shows_data_commands(capsys):
    assert main(["data", "--help"]) == 0
    out = capsys.readouterr().out
    assert "restor data check facts.csv" in out
    assert "restor run" not in out
