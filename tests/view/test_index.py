"""What is read, how often, and what a broken study does to the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stores import add, new_store, small_results

from restor.errors import DataError
from restor.results import Value
from restor.types import Kind
from restor.view.index import Index, StudyState
from restor.view.summaries import read_summary


@pytest.fixture
def store(tmp_path):
    return new_store(tmp_path / "store")


class Reader:
    """Counts what is read; each takes a millisecond of its own clock."""

    def __init__(self):
        self.read = []
        self.now = 0.0

    def __call__(self, folder):
        self.read.append(folder.name)
        self.now += 0.001
        return read_summary(folder)

    def clock(self):
        return self.now


def test_a_study_is_read_once_until_its_results_change(store):
    for name in ("one", "two"):
        add(store, name, at=1000)
    reader = Reader()
    index = Index(store, reader, reader.clock)
    assert set(index.look().studies) == {"one", "two"}
    index.look()
    assert sorted(reader.read) == ["one", "two"]
    add(store, "two", at=1001, name="other")
    assert index.look().studies["two"].name == "other"
    add(store, "three")
    (store / "studies" / "one" / "results.json").unlink()
    (store / "studies" / "one").rmdir()
    assert set(index.look().studies) == {"two", "three"}
    assert sorted(reader.read) == ["one", "three", "two", "two"]


def test_a_thousand_studies_are_read_a_few_at_a_time_the_newest_first(store):
    text = small_results("any").model_dump_json()
    for number in range(1000):
        folder = store / "studies" / f"s{number:03}"
        folder.mkdir()
        (folder / "results.json").write_text(text)
        (folder / "results.json").touch()
    newest = sorted((f for f in store.glob("studies/*/results.json")), key=lambda f: f.stat().st_mtime_ns)[-1]
    reader = Reader()
    index = Index(store, reader, reader.clock)
    look = index.look(budget=0.1)
    assert len(look.studies) == 1000
    assert 100 <= len(reader.read) <= 101
    assert look.waiting == 1000 - len(reader.read)
    assert reader.read[0] == newest.parent.name
    assert look.studies[reader.read[0]].state is StudyState.FINISHED
    looks = 1
    while look.waiting:
        look, looks = index.look(budget=0.1), looks + 1
    assert 10 <= looks <= 11
    assert len(reader.read) == 1000
    index.look()
    assert len(reader.read) == 1000, "nothing is read twice"


def test_the_study_that_is_asked_for_is_read_first(store):
    for number in range(5):
        add(store, f"s{number}", at=1000 + number)
    look = Index(store).look(budget=0, first="s1")
    assert [study.id for study in look.studies.values() if study.state is StudyState.FINISHED] == ["s1"]
    assert look.studies["s0"].state is StudyState.WAITING


def whole(store):
    return (store / "studies" / "good" / "results.json").read_text()


BROKEN = {
    "cut": (lambda text: text[: len(text) // 2], "is cut short"),
    "empty": (lambda text: "", "is empty"),
    "older": (lambda text: text.replace('"format":2', '"format":1'), "has results format 1"),
    "nan": (lambda text: text.replace('"value":0.6', '"value":NaN'), "contains NaN"),
    "word": (lambda text: text.replace('"value":0.6', '"value":"0.6"'), "Input should be a valid number"),
    "true": (lambda text: text.replace('"value":0.6', '"value":true'), "Input should be a valid number"),
    "no-arms": (lambda text: json.dumps({**json.loads(text), "summary": []}), "has no arms"),
    "list": (lambda text: "[]", "is not a results file"),
    "binary": (lambda text: "\x00\xff" * 40, "is not valid JSON"),
}


def test_broken_studies_say_what_is_wrong_and_hide_nobody(store, tmp_path):
    add(store, "good")
    for name, (spoil, _) in BROKEN.items():
        folder = store / "studies" / name
        folder.mkdir()
        (folder / "results.json").write_text(spoil(whole(store)))
    (store / "studies" / "folder" / "results.json").mkdir(parents=True)
    (store / "studies" / "unfinished").mkdir()
    (store / "studies" / "unfinished" / "stages.json").write_text("[]")
    (store / "studies" / "not-begun").mkdir()
    (store / "studies" / "a-file").write_text("")
    outside = tmp_path / "outside"
    add(outside, "secret")
    (store / "studies" / "led-out").symlink_to(outside / "studies" / "secret")
    (store / "studies" / "dangling").symlink_to(tmp_path / "nowhere")
    linked = store / "studies" / "file-led-out"
    linked.mkdir()
    (linked / "results.json").symlink_to(outside / "studies" / "secret" / "results.json")

    look = Index(store).look(budget=60)
    assert look.studies["good"].state is StudyState.FINISHED
    for name, (_, message) in BROKEN.items():
        assert look.studies[name].state is StudyState.UNREADABLE, name
        assert message in look.studies[name].trouble
    assert "is not a file" in look.studies["folder"].trouble
    assert look.studies["unfinished"].state is StudyState.UNFINISHED
    assert "leads out of the store" in look.studies["file-led-out"].trouble
    assert [text.split(":")[0] for text in look.refused] == ["led-out"]
    assert set(look.studies) == {"good", *BROKEN, "folder", "unfinished", "file-led-out"}
    assert not any("secret" in study.words for study in look.studies.values())


def test_a_folder_that_may_not_be_read_is_listed_and_says_so(store, monkeypatch):
    add(store, "good")
    shut = add(store, "shut")
    listing = Path.iterdir

    def refuse(path):
        if path == shut:
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    studies = Index(store).look(budget=60).studies
    assert studies["good"].state is StudyState.FINISHED
    assert studies["shut"].state is StudyState.UNREADABLE
    assert studies["shut"].trouble == f"{shut} cannot be read: Permission denied."


def test_results_whose_rights_change_are_read_again(store):
    file = add(store, "one", at=1000) / "results.json"
    refusing = [True]

    def read(folder):
        if refusing.pop():
            raise DataError("Permission denied")
        return read_summary(folder)

    index = Index(store, read)
    assert index.look().studies["one"].trouble == "Permission denied"
    refusing.append(False)
    file.chmod(0o600)  # neither its time nor its length is another
    assert index.look().studies["one"].state is StudyState.FINISHED


def test_a_link_within_the_store_is_followed(store):
    add(store, "real")
    (store / "studies" / "alias").symlink_to(store / "studies" / "real")
    assert set(Index(store).look().studies) == {"real", "alias"}


def test_half_characters_are_mended_and_not_refused(store):
    folder = add(store, "half")
    text = (folder / "results.json").read_text()
    (folder / "results.json").write_text(text.replace("NPO, per token", "NPO \\ud800"))
    listed = Index(store).look().studies["half"]
    assert listed.state is StudyState.FINISHED
    assert listed.summary.best.label == "NPO \ufffd"


def test_the_best_method_has_the_best_verdict_and_no_control_or_oracle_counts(store):
    results = small_results("one")
    method = results.summary[-1]
    weak = method.model_copy(
        update={"id": "weak", "label": "weak", "verdict": method.verdict.model_copy(update={"kind": "restored"})}
    )
    control = results.summary[2].model_copy(update={"verdict": weak.verdict})
    surer = {"restoration": Value(value=1.0, ci_low=0.9, ci_high=1.1, n=40, n_entities=10)}
    oracle = weak.model_copy(update={"id": "oracle", "label": "oracle", "kind": Kind.ORACLE, "metrics": surer})
    arms = [results.summary[0], control, method, weak, oracle]
    folder = add(store, "one")
    (folder / "results.json").write_text(results.model_copy(update={"summary": arms}).model_dump_json())
    assert Index(store).look().studies["one"].summary.best.label == "weak"


def test_what_is_undecided_may_be_the_best(store):
    results = small_results("one", verdict="inconclusive", label="open")
    method = results.summary[-1]
    forgot = method.verdict.model_copy(update={"kind": "only forgotten"})
    other = method.model_copy(update={"id": "forgot", "label": "forgot", "verdict": forgot})
    folder = add(store, "one")
    (folder / "results.json").write_text(results.model_copy(update={"summary": [other, method]}).model_dump_json())
    assert Index(store).look().studies["one"].summary.best.label == "open"
