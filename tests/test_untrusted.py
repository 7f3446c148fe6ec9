"""Files that somebody else wrote: what every reader makes of nesting, digits, half characters, folders and pipes."""

from __future__ import annotations

import os

import pytest

from restor.config import read_yaml
from restor.data.document_files import read_documents
from restor.data.facts import read_facts
from restor.errors import RestorError
from restor.evaluation.harness.exported import read_export
from restor.models.files import check_config, weight_files
from restor.models.lineage import read_history, read_lineage
from restor.report.io.load import load_results
from restor.runner.threads import remembered_threads
from restor.selection.choices import read_selection
from restor.store.store import Store
from restor.untrusted import json_value
from restor.view.summaries import read_summary


def index_of(folder):
    (folder / "config.json").write_text("{}")
    return weight_files(folder).names


READERS = {
    "config.json": lambda folder: check_config(folder, "model"),
    "model.safetensors.index.json": index_of,
    "restor.json": read_lineage,
    "seen.json": read_history,
    "results.json": load_results,
    "results.json again": read_summary,
    "config.yaml": lambda folder: read_yaml(folder / "config.yaml"),
    "selection.json": lambda folder: read_selection(str(folder / "selection.json")),
    "threads.json": remembered_threads,
    "store.json": lambda folder: Store.open(folder, create=False),
    "facts.json": lambda folder: read_facts(folder / "facts.json"),
    "facts.jsonl": lambda folder: read_facts(folder / "facts.jsonl"),
    "documents.json": lambda folder: read_documents(folder / "documents.json"),
    "export.json": read_export,
}
"""Name of a file -> who reads it."""

DEEP = "[" * 100_000 + "]" * 100_000
TEXTS = {
    "nothing": "",
    "a list": "[]",
    "a number": "5",
    "cut short": '{"format": 1, "model_type": "llama", "dset": {',
    "nested": '{"model_type": "llama", "format": ' + DEEP + "}",
    "nested, and half a character": '{"\\ud800": ' + "[" * 300 + "]" * 300 + "}",
    "400 digits": '{"model_type": "llama", "format": ' + "9" * 400 + "}",
    "5,000 digits": '{"model_type": "llama", "format": ' + "9" * 5000 + "}",
    "not numbers": '{"format": NaN, "threads": Infinity, "seen": -Infinity}',
    "half a character": '{"format": 1, "\\ud800": {"\\udfff": "\\ud800"}}',
    "NUL": '{"format": 1, "dset": {"A\\u0000": {"b": {"question": "?", "answers": ["\\u0000"]}}}}',
    "not UTF-8": b'{"format": "\xff"}',
}


def said(read, folder):
    """The message that a reader ends with, if it does."""
    try:
        read(folder)
    except RestorError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", READERS)
def test_a_reader_ends_with_a_value_or_one_message(tmp_path, name):
    file = tmp_path / name.split(" ")[0]
    for text in TEXTS.values():
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        message = said(READERS[name], tmp_path)
        assert len(message) < 2000
        assert not message or str(file) in message


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
@pytest.mark.parametrize("name", READERS)
def test_a_folder_or_a_pipe_in_place_of_a_file_is_told_and_not_waited_for(tmp_path, name, make):
    make(tmp_path / name.split(" ")[0])
    if name == "model.safetensors.index.json":
        assert index_of(tmp_path) == ("model.safetensors",), "as where there is none"
        return
    with pytest.raises(RestorError):
        READERS[name](tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (DEEP, "nested too deeply"),
        ("[" * 101 + "]" * 101, "nested too deeply"),
        ('{"a": [' * 60 + "]}" * 60, "nested too deeply"),
        ("-" + "9" * 40, "41 digits"),
        ("[1,", "Expecting value"),
    ],
)
def test_json_beyond_the_limits_is_no_value(text, reason):
    with pytest.raises(ValueError, match=reason):
        json_value(text)


def test_json_within_the_limits_is_its_value():
    assert json_value("[" * 100 + "]" * 100)
    assert json_value(b'{"model_max_length": 1000000000000000019884624838656}')["model_max_length"] > 10**30


def test_nul_characters_are_named_once_for_a_file_and_by_record_where_they_are_spelled_out(tmp_path):
    file = tmp_path / "texts.txt"
    file.write_bytes(b"One.\n\nTwo\0 and\0 more\0.\n")
    with pytest.raises(RestorError, match=r"texts\.txt, line 3: holds a NUL character.*another encoding") as told:
        read_documents(file)
    assert str(told.value).count("NUL") == 1
    file = tmp_path / "facts.csv"
    file.write_bytes(b"subject,relation,question,answers\nAnn,born,Where?,Rome\0\n")
    with pytest.raises(RestorError, match=r"facts\.csv, line 2: holds a NUL character"):
        read_facts(file)
    file = tmp_path / "facts.jsonl"
    file.write_text('{"subject": "Ann", "relation": "born", "question": "Where?", "answers": ["Ro\\u0000me"]}\n')
    with pytest.raises(RestorError, match=r"line 1: answers, answer 1: holds a NUL character"):
        read_facts(file)


def test_half_a_character_in_yaml_has_its_place(tmp_path):
    file = tmp_path / "study.yaml"
    for text in ('seeds: [0]\n"\\ud800": 1\n', 'seeds: [0]\nname: "\\ud800"\n'):
        file.write_text(text)
        with pytest.raises(RestorError, match=r"study\.yaml, line 2, column \d+: half a character"):
            read_yaml(file)
