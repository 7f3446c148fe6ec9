from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from restor.data.published import (
    BASE_URL,
    COMMIT,
    DOCUMENTS,
    FILES,
    PublishedFile,
    document_names,
    select,
    what_is_wrong,
)
from restor.errors import DataError

SHARED = Path(__file__).parents[3] / "shared" / "data" / "restor"
# `printf 'hello\n' | git hash-object --stdin` and `| sha256sum`
HELLO = PublishedFile(
    "greetings/hello.json",
    "a greeting",
    "ce013625030ba8dba906f756967f9e9ca394464a",
    "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
    6,
)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "f").write_bytes(b"hello\n")
    return tmp_path / "f"


def test_the_right_content_is_right_and_one_wrong_byte_is_not(path):
    assert what_is_wrong(HELLO, path) is None
    path.write_bytes(b"hellO\n")
    found = what_is_wrong(HELLO, path)
    assert found.startswith("expected SHA-256 5891b5b522d5df08")
    assert "got " in found


def test_the_size_is_told_before_digests_as_it_says_more(path):
    path.write_bytes(b"hello")
    assert what_is_wrong(HELLO, path) == "expected 6 bytes, got 5"


def test_without_a_sha256_the_id_of_git_decides(path):
    known = replace(HELLO, sha256=None, size=None)
    assert what_is_wrong(known, path) is None
    path.write_bytes(b"hullo\n")
    assert what_is_wrong(known, path).startswith("expected Git blob ce013625030ba8dba906f756967f9e9ca394464a, got ")


def test_both_digests_must_fit(path):
    assert "Git blob" in what_is_wrong(replace(HELLO, git_blob="0" * 40), path)
    assert "SHA-256" in what_is_wrong(replace(HELLO, sha256="0" * 64), path)


def test_content_larger_than_what_is_read_at_once_is_hashed_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("restor.data.published._CHUNK", 2)
    (tmp_path / "f").write_bytes(b"hello\n")
    assert what_is_wrong(HELLO, tmp_path / "f") is None


def test_an_empty_file_is_not_taken_for_anything(tmp_path):
    (tmp_path / "f").write_bytes(b"")
    assert what_is_wrong(replace(HELLO, size=None), tmp_path / "f") is not None


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.path)
def test_the_digests_are_those_of_the_released_files(file):
    places = [place for place in SHARED.rglob(file.name) if place.is_file()] if SHARED.is_dir() else []
    if not places:
        pytest.skip("no copy of this file beside the repository")
    assert [what_is_wrong(file, place) for place in places] == [None] * len(places)


def test_the_manifest_is_whole_and_pinned():
    assert len(FILES) == 14
    assert BASE_URL.endswith(f"/k1rezaei/restor/{COMMIT}")
    assert len({file.path for file in FILES}) == len({file.git_blob for file in FILES}) == 14
    for file in FILES:
        assert re.fullmatch("[0-9a-f]{40}", file.git_blob)
        assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert (file.sha256 is None) == (file.size is None)
    # Those of which only Git's id is known.
    assert [file.short for file in FILES if file.sha256 is None] == ["k4", "k5", "k1_v4", "k2_v4", "k3_v4", "k4_v4"]
    assert {file.url_path for file in FILES} >= {"LICENSE", "datasets/facts.json", "datasets/SQuAD/squad_v7_dset.json"}


def test_every_forget_set_has_a_short_and_a_long_name():
    names = document_names()
    assert names["restor/k0"] is names["restor/wikidata/v0/mix_a0"]
    assert names["restor/k5"].path == "wikidata/v0/mix_a5.json"
    assert names["restor/squad"].path == "SQuAD/squad_v7_dset.json"
    assert len(names) == 2 * len(DOCUMENTS) == 22


@pytest.mark.parametrize(
    ("only", "paths"),
    [
        (["wikidata/v0/mix_a0.json"], {"wikidata/v0/mix_a0.json"}),
        (["k0", "restor/squad"], {"wikidata/v0/mix_a0.json", "SQuAD/squad_v7_dset.json"}),
        (["mix_a1"], {"wikidata/v0/mix_a1.json"}),
        (["wikidata/v4/"], {f"wikidata/v4/mix_a{k}_v4.json" for k in (1, 2, 3, 4)}),
        (["facts"], {"facts.json", "entities.json"}),
        (["entities.json"], {"entities.json"}),
        ([], set()),
    ],
)
def test_select_by_path_folder_or_name_and_the_licence_comes_along(only, paths):
    assert {file.path for file in select(only)} == paths | {"LICENSE"}


@pytest.mark.parametrize("word", ["k9", "fact", "wiki", "", "/"])
def test_select_names_what_is_known(word):
    with pytest.raises(DataError, match=r"Unknown file of restor .*Known: .*facts.*k0.*squad"):
        select([word])
