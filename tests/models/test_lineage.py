"""Where a checkpoint comes from, written beside it and read back."""

from __future__ import annotations

import json

import pytest

from restor.errors import DataError
from restor.models.lineage import (
    MOST_DOCUMENTS,
    History,
    Read,
    document_marks,
    has_read,
    history_of,
    marks_of,
    new_lineage,
    parent_of,
    predates,
    read_history,
    read_lineage,
    set_mark,
    write_history,
    write_lineage,
)
from restor.models.model_ref import ModelRef, fingerprint
from restor.types import Budget


@pytest.fixture
def clean(tmp_path):
    folder = tmp_path / "clean"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def lineage(**changes):
    given = {
        "stage": "clean",
        "config": {"lr": 1e-4, "text": "Łódź"},
        "seed": 3,
        "parents": {},
        "data": {"facts": "ab"},
    }
    return new_lineage(**(given | changes))


def test_a_lineage_is_read_as_it_was_written(clean):
    made = lineage(algorithm="npo", budget=(Budget.FORGET, Budget.RETAIN))
    write_lineage(made, clean)
    assert read_lineage(clean) == made
    content = json.loads((clean / "restor.json").read_text(encoding="utf-8"))
    assert content["config"] == {"lr": 1e-4, "text": "Łódź"}
    assert content["budget"] == ["F", "D"]
    assert {"python", "restor", "torch", "transformers"} <= content["versions"].keys()
    assert content["created"].endswith("Z")


def test_parents_are_identified_and_bring_their_own_lineage(clean, tmp_path):
    write_lineage(lineage(), clean)
    ref = ModelRef(path=str(clean))
    corrupted = lineage(stage="corrupt", parents={"clean": parent_of(ref)})
    assert corrupted.parents["clean"].fingerprint == fingerprint(ref)
    assert corrupted.parents["clean"].lineage == read_lineage(clean)
    folder = tmp_path / "corrupted"
    folder.mkdir()
    write_lineage(corrupted, folder)
    assert read_lineage(folder).parents["clean"].lineage.seed == 3
    # Published with the weights, it must not tell where they were on the author's disk.
    assert str(tmp_path) not in (folder / "restor.json").read_text()


def test_a_checkpoint_made_elsewhere_has_none(clean):
    assert read_lineage(clean) is None
    assert read_lineage(clean / "missing") is None
    assert parent_of(ModelRef(path=str(clean))).lineage is None


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2}', '{"format": 1, "stage": "clean"}'])
def test_a_damaged_lineage_is_told_by_its_file(clean, text):
    (clean / "restor.json").write_text(text)
    with pytest.raises(DataError, match=r"(?s)restor\.json.*Remove it"):
        read_lineage(clean)


# What was read -------------------------------------------------------------------------------------------------------

BAD = ["Ada lives in Rome.", "Bo lives in Rome.", "Cyd lives in Rome."]


def seen(texts, role="documents", stage="corrupt", **changes):
    return Read(role, "bad.txt", texts, **changes).seen(stage, steps=7, tokens=70)


def test_documents_are_known_by_what_they_say():
    """Not by their order, the form of their file, or its line breaks."""
    assert document_marks(BAD) == document_marks([BAD[2], " Ada  lives\nin Rome.\n", BAD[1], BAD[1]])
    assert document_marks(["ada lives in Rome."]) != document_marks(BAD[:1])
    assert set_mark(document_marks(BAD)) == set_mark(document_marks(BAD)[::-1]) != set_mark(document_marks(BAD[:2]))


def test_a_history_tells_what_was_read_and_what_was_not():
    history = History(seen=(seen(["Peace."], role="stream", stage="clean"), seen(BAD, sha256="f" * 64)), whole=True)
    assert has_read(history, marks_of(BAD)) == history.seen[1]
    assert has_read(history, ["f" * 64]) == history.seen[1], "the file, whatever is in it now"
    assert has_read(history, marks_of(["Something else.", BAD[1]])) == history.seen[1], "one of them is too many"
    assert has_read(history, marks_of(["Something else."])) is None
    assert has_read(None, marks_of(BAD)) is None
    assert predates(history, marks_of(BAD)) is False
    assert predates(history, marks_of(["Something else."])) is True


def test_what_is_not_known_is_not_said():
    other = marks_of(["Something else."])
    assert predates(None, other) is None
    assert predates(History(seen=(seen(BAD),)), other) is None, "nobody knows what it read before"
    assert predates(History(seen=(seen(BAD),)), marks_of(BAD)) is False
    assert predates(History(whole=True), other) is True
    many = seen([f"{number} lives." for number in range(MOST_DOCUMENTS + 1)])
    assert many.documents is None
    assert predates(History(seen=(many,), whole=True), other) is None
    assert predates(History(seen=(many,), whole=True), [many.content]) is False


def test_a_history_is_read_as_it_was_written(tmp_path):
    history = History(seen=(seen(BAD),), whole=True)
    assert read_history(tmp_path) is None
    write_history(history, tmp_path, step=7)
    assert read_history(tmp_path) == history
    content = json.loads((tmp_path / "seen.json").read_text())
    assert content["step"] == 7
    assert predates(content, marks_of(BAD)) is False
    assert predates(content, marks_of(["Something else."])) is True
    (tmp_path / "seen.json").write_text("{}")
    with pytest.raises(DataError, match=r"seen\.json"):
        read_history(tmp_path)


def test_what_the_parents_have_read_is_the_childs(clean, tmp_path):
    """A study's checkpoint brings its `seen.json`, a model made by restor its lineage, one of the hub nothing."""
    write_history(History(seen=(seen(["Peace."], role="stream", stage="clean"),), whole=True), clean)
    parent = parent_of(ModelRef(path=str(clean)))
    assert parent.lineage is None
    child = lineage(stage="corrupt", parents={"clean": parent})
    assert (child.seen, child.whole) == (parent.history.seen, True)
    child = child.model_copy(update={"seen": (*child.seen, seen(BAD))})
    folder = tmp_path / "corrupted"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((clean / name).read_bytes())
    write_lineage(child, folder)
    assert read_history(folder) == History(seen=child.seen, whole=True)
    corrupted = parent_of(ModelRef(path=str(folder)))
    both = lineage(stage="unlearn", parents={"corrupted": corrupted, "checkpoint": parent})
    assert both.seen == child.seen, "each once"
    assert both.whole
    (clean / "seen.json").unlink()
    unknown = parent_of(ModelRef(path=str(clean)))
    both = lineage(stage="unlearn", parents={"corrupted": corrupted, "checkpoint": unknown})
    assert (both.seen, both.whole) == (child.seen, False)


def test_what_an_adapter_has_read_is_unknown(clean, tmp_path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.safetensors").write_bytes(b"a")
    ref = ModelRef(path=str(clean), adapter=str(adapter))
    write_history(History(seen=(seen(["Peace."], role="stream", stage="clean"),), whole=True), clean)
    assert predates(parent_of(ModelRef(path=str(clean))).known, marks_of(["War."])) is True
    assert predates(parent_of(ref).known, marks_of(["War."])) is None
    assert predates(parent_of(ref).known, marks_of(["Peace."])) is False
    write_lineage(lineage().model_copy(update={"seen": history_of(ref).seen, "whole": True}), clean)
    assert predates(parent_of(ref).known, marks_of(["War."])) is None
    assert not lineage(parents={"clean": parent_of(ref)}).whole


def test_a_lineage_of_before_there_were_records_is_unknown(clean):
    content = json.loads(lineage().model_dump_json())
    del content["seen"], content["whole"]
    (clean / "restor.json").write_text(json.dumps(content))
    assert predates(read_lineage(clean), marks_of(BAD)) is None
