"""Where a checkpoint comes from, written beside it and read back."""

from __future__ import annotations

import json

import pytest

from restor.errors import DataError
from restor.models.lineage import new_lineage, parent_of, read_lineage, write_lineage
from restor.models.reference import ModelRef, fingerprint
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
