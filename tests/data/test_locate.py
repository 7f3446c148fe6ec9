from __future__ import annotations

import os
from pathlib import Path

import pytest

from restor.data import locate
from restor.data.locate import locate_documents, locate_facts, published_folder
from restor.data.published import PublishedFile
from restor.errors import DataError

# The Git ids and digests of b"hello\n", of b"" and of b"x", from `git hash-object` and `sha256sum`.
HELLO = "ce013625030ba8dba906f756967f9e9ca394464a"
EMPTY = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
X = "c1b0730e0133447badcfd47fd144e254807b06e1"


@pytest.fixture
def released(tmp_path, monkeypatch):
    """A benchmark of three small files, of which none was fetched; returns where they would be."""
    monkeypatch.setenv("RESTOR_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(locate, "FACTS", PublishedFile("facts.json", "", HELLO))
    monkeypatch.setattr(locate, "ENTITIES", PublishedFile("entities.json", "", EMPTY))
    monkeypatch.setattr(locate, "document_names", lambda: {"restor/k0": PublishedFile("wikidata/k.json", "", X)})
    folder = published_folder()
    folder.mkdir(parents=True)
    return folder


def test_the_name_gives_the_fetched_facts_and_entities(released):
    (released / "facts.json").write_text("hello\n")
    (released / "entities.json").write_text("")
    assert (
        locate_facts("restor") == locate_facts(Path("restor")) == (released / "facts.json", released / "entities.json")
    )


def test_what_was_not_fetched_names_the_command_and_the_alternatives(released):
    with pytest.raises(DataError, match=r"facts\.json .*not fetched.*restor data fetch restor.*--from DIR.*path"):
        locate_facts("restor")
    (released / "facts.json").write_text("hello\n")
    # Without the list, everybody would be evaluated: no partial answer.
    with pytest.raises(DataError, match=r"entities\.json .*not fetched.*--only entities"):
        locate_facts("restor")


def test_a_damaged_file_is_never_given(released):
    (released / "facts.json").write_text("hullo\n")
    (released / "entities.json").write_text("")
    with pytest.raises(DataError, match=r"facts\.json is damaged: expected Git blob ce01.*restor data fetch restor"):
        locate_facts("restor")


@pytest.mark.parametrize("below", [".", "datasets"])
def test_a_folder_in_flat_or_cloned_layout(tmp_path, below):
    here = tmp_path / below
    here.mkdir(exist_ok=True)
    (here / "facts.json").write_text("{}")
    assert locate_facts(tmp_path) == (tmp_path / below / "facts.json", None)
    (here / "entities.json").write_text("[]")
    assert locate_facts(tmp_path) == (tmp_path / below / "facts.json", tmp_path / below / "entities.json")


def test_a_file_of_any_name_with_the_list_beside_it(tmp_path):
    mine = tmp_path / "mine.csv"
    mine.write_text("")
    assert locate_facts(mine) == (mine, None)
    (tmp_path / "entities.json").write_text("[]")
    assert locate_facts(mine) == (mine, tmp_path / "entities.json")


def test_a_folder_without_facts_and_a_missing_path_say_what_is_taken(tmp_path):
    with pytest.raises(DataError, match=r"has no facts\.json\. Give a folder with one, .*'restor'"):
        locate_facts(tmp_path)
    with pytest.raises(DataError, match=r"no facts file .*none\.json.*JSONL or CSV.*restor data fetch restor"):
        locate_facts(tmp_path / "none.json")


def test_documents_by_name_by_path_and_with_the_ending(released, tmp_path):
    (released / "wikidata").mkdir()
    (released / "wikidata" / "k.json").write_text("x")
    assert locate_documents("restor/k0") == locate_documents(Path("restor/k0.json")) == released / "wikidata" / "k.json"
    mine = tmp_path / "mine.txt"
    mine.write_text("a")
    assert locate_documents(mine) == locate_documents(str(mine)) == mine


def test_documents_that_were_not_fetched_or_are_not_known(released, tmp_path):
    with pytest.raises(DataError, match=r"wikidata/k\.json of restor was not fetched.*--only wikidata/k`"):
        locate_documents("restor/k0")
    with pytest.raises(DataError, match=r"'restor' names the released facts\. Its documents are restor/k0\."):
        locate_documents("restor")
    for given in ("restor/k7", "restor/facts.json"):
        with pytest.raises(DataError, match=r"Unknown forget set .*Known: restor/k0"):
            locate_documents(given)
    with pytest.raises(DataError, match=r"no documents file .*none\.txt.*a released forget set: restor/k0"):
        locate_documents(tmp_path / "none.txt")
    with pytest.raises(DataError, match="is a folder"):
        locate_documents(tmp_path)


def test_an_own_file_below_a_folder_of_that_name_is_found(released, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "restor").mkdir()
    (tmp_path / "restor" / "mine.txt").write_text("a")
    assert locate_documents("restor/mine.txt") == Path("restor/mine.txt")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_file_that_cannot_be_read_is_named(released):
    (released / "facts.json").write_text("hello\n")
    (released / "facts.json").chmod(0)
    with pytest.raises(DataError, match=r"facts\.json cannot be read"):
        locate_facts("restor")
