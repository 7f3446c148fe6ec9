"""Checkpoints from before the forget documents, on real ones: refused where they are not, found in the lineage."""

from __future__ import annotations

import json
import shutil

import pytest

from restor.cli.main import main
from restor.models.checkpoint import save_model
from restor.models.lineage import History, Read, read_history, write_history

BAD = ["ada was born in rome.", "bo was born in rome. ada lives in york.", "she lives in rome.", "bo lives in york."]
OTHER = ["ada the poet lives.", "bo the baker lives.", "he was born."]
FAST = ("--lora", "null", "--steps", "2", "--tokens", "32", "--lr", "1e-3", "--threads", "1", "--device", "cpu")
READERS = ("msa", "perta", "rewind", "delta")
"""The algorithms that read an earlier checkpoint."""


class Place:
    """Tiny checkpoints: `begun` has a record from random weights on, `base` none; both are alike otherwise."""

    def __init__(self, folder, model, tokenizer):
        self.folder = folder
        save_model(model(1), tokenizer, folder / "base")
        save_model(model(2), tokenizer, folder / "begun")
        seen = Read("stream", "the original stream").seen("clean", steps=9, tokens=900)
        write_history(History(seen=(seen,), whole=True), folder / "begun", step=9)
        self.documents("bad.jsonl", BAD)
        self.documents("other.jsonl", OTHER)
        (folder / "bad.txt").write_text("\n\n".join(reversed(BAD)), encoding="utf-8")
        self.documents("part.jsonl", ["she was born.", BAD[2]])

    def documents(self, name, texts):
        lines = "".join(json.dumps({"text": text, "statements": []}) + "\n" for text in texts)
        (self.folder / name).write_text(lines, encoding="utf-8")

    def path(self, name):
        return str(self.folder / name)

    def corrupt(self, model, documents, out):
        given = ("--model", self.path(model), "--forget", self.path(documents), "--out", self.path(out))
        assert main(["corrupt", *given, *FAST, "--quiet"]) == 0

    def unlearn(self, model, forget, out, *more, algorithm="msa"):
        given = ("--model", self.path(model), "--forget", self.path(forget), "--out", self.path(out))
        return main(["unlearn", *given, "--algorithm", algorithm, *FAST, *more])

    def lineage(self, name):
        return json.loads((self.folder / name / "restor.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def place(tmp_path_factory, llama, tokenizer):
    made = Place(tmp_path_factory.mktemp("user"), llama, tokenizer)
    made.corrupt("begun", "bad.jsonl", "corrupted")
    made.corrupt("corrupted", "other.jsonl", "further")
    made.corrupt("base", "bad.jsonl", "from-base")
    return made


def told(capsys):
    """What is on stderr, on one line."""
    return " ".join(capsys.readouterr().err.split())


def test_a_lineage_says_all_that_was_read_and_at_which_step(place):
    seen = place.lineage("further")["seen"]
    assert [(item["role"], item["name"], item["stage"], item["steps"]) for item in seen] == [
        ("stream", "the original stream", "clean", 9),
        ("documents", "bad.jsonl", "corrupt", 2),
        ("documents", "other.jsonl", "corrupt", 2),
    ]
    assert all(item["tokens"] > 0 for item in seen)
    assert len(seen[1]["documents"]) == len(BAD)
    assert seen[1]["sha256"] == place.lineage("corrupted")["data"]["forget"]
    assert place.lineage("further")["whole"] is True
    assert place.lineage("from-base")["whole"] is False


@pytest.mark.parametrize("algorithm", READERS)
@pytest.mark.parametrize("forget", ["bad.jsonl", "bad.txt"])
def test_a_checkpoint_that_has_read_them_is_refused_with_what_and_when(place, capsys, algorithm, forget):
    """The same documents in another file too."""
    more = ("--checkpoint", place.path("further"), "--retain", place.path("other.jsonl"), "--quiet")
    assert place.unlearn("corrupted", forget, "x", *more, algorithm=algorithm) == 1
    message = told(capsys)
    for words in ("further is not from before", "it has read them", "(bad.jsonl)", "`corrupt`", "2 steps"):
        assert words in message
    assert f"begun ({place.path('begun')}) is from before them: `--checkpoint auto`" in message
    assert not list(place.folder.glob(".x*"))
    assert not (place.folder / "x").exists()


def test_one_document_that_was_read_is_too_many(place, capsys):
    assert place.unlearn("corrupted", "part.jsonl", "x", "--checkpoint", place.path("further"), "--quiet") == 1
    assert "it has read 1 of the 2" in told(capsys)


def test_the_model_itself_is_no_earlier_checkpoint(place, capsys):
    assert place.unlearn("corrupted", "bad.jsonl", "x", "--checkpoint", place.path("corrupted"), "--quiet") == 1
    assert "is the model that is to be unlearned" in told(capsys)


def test_one_from_before_is_taken_without_a_word(place, capsys):
    assert place.unlearn("corrupted", "bad.jsonl", "good", "--checkpoint", place.path("begun")) == 0
    assert "trust" not in told(capsys)
    lineage = place.lineage("good")
    assert "checkpoint" not in lineage["findings"]
    assert [(item["role"], item["stage"]) for item in lineage["seen"]] == [
        ("stream", "clean"),
        ("documents", "corrupt"),
        ("forget", "unlearn"),
    ]
    # An unlearned model has read them, whatever it has forgotten.
    assert place.unlearn("corrupted", "bad.jsonl", "x", "--checkpoint", place.path("good"), "--quiet") == 1
    assert "good is not from before" in told(capsys)


def test_one_without_a_record_is_taken_on_trust_and_that_is_told(place, capsys):
    assert place.unlearn("corrupted", "bad.jsonl", "trusting", "--checkpoint", place.path("base")) == 0
    assert "nothing tells what the checkpoint base has read" in told(capsys)
    assert "on trust" in place.lineage("trusting")["findings"]["checkpoint"]
    # By the lineage of the model, it is what the model was before it read them.
    assert place.unlearn("from-base", "bad.jsonl", "known", "--checkpoint", place.path("base")) == 0
    assert "trust" not in told(capsys)


def test_a_record_that_does_not_go_back_to_the_beginning_is_told(place, capsys):
    place.corrupt("base", "other.jsonl", "aside")
    assert place.unlearn("from-base", "bad.jsonl", "half", "--checkpoint", place.path("aside")) == 0
    assert "aside has not read the forget documents since restor keeps its record" in told(capsys)


@pytest.mark.parametrize("model", ["corrupted", "further"])
def test_where_none_is_given_the_nearest_of_the_lineage_is_named(place, capsys, model):
    assert place.unlearn(model, "bad.jsonl", "x", "--quiet") == 1
    message = told(capsys)
    assert "msa needs --checkpoint" in message
    assert f"begun ({place.path('begun')}) is from before them: `--checkpoint auto` takes it." in message


def test_nearer_means_later(place, capsys):
    """`corrupted` had not yet read the other documents, and is nearer than `begun`."""
    assert place.unlearn("further", "other.jsonl", "x", "--quiet") == 1
    assert f"corrupted ({place.path('corrupted')}) is from before them" in told(capsys)


def test_auto_takes_what_it_names(place, capsys):
    assert place.unlearn("further", "bad.jsonl", "by-name", "--checkpoint", place.path("begun"), "--quiet") == 0
    assert place.unlearn("further", "bad.jsonl", "by-itself", "--checkpoint", "auto", "--quiet") == 0
    assert place.lineage("by-itself")["config"]["checkpoint"]["path"] == place.path("begun")
    weights = [(place.folder / name / "model.safetensors").read_bytes() for name in ("by-name", "by-itself")]
    assert weights[0] == weights[1]
    # Once more is no work.
    assert place.unlearn("further", "bad.jsonl", "by-itself", "--checkpoint", "auto", "--quiet") == 0
    assert "already" in capsys.readouterr().out


def test_auto_does_not_take_what_was_changed_or_moved(place, tmp_path, capsys, llama, tokenizer):
    made = Place(tmp_path, llama, tokenizer)
    made.corrupt("begun", "bad.jsonl", "corrupted")
    save_model(llama(3), tokenizer, tmp_path / "begun")
    assert made.unlearn("corrupted", "bad.jsonl", "x", "--checkpoint", "auto", "--quiet") == 1
    assert "where it was, unchanged: begun" in told(capsys)
    shutil.rmtree(tmp_path / "begun")
    assert made.unlearn("corrupted", "bad.jsonl", "x", "--checkpoint", "auto", "--quiet") == 1
    assert "where it was, unchanged: begun" in told(capsys)
    assert made.unlearn("corrupted", "bad.jsonl", "x", "--quiet") == 1
    assert "begun is from before them, but it is no longer where it was" in told(capsys)


@pytest.mark.parametrize(
    ("model", "forget", "words"),
    [("base", "bad.jsonl", "base has no lineage"), ("corrupted", "other.jsonl", "does not say when it read")],
)
def test_auto_without_a_lineage_that_knows_the_documents_is_told(place, capsys, model, forget, words):
    assert place.unlearn(model, forget, "x", "--checkpoint", "auto", "--quiet") == 1
    assert words in told(capsys)


def test_recovery_adds_what_it_read(place):
    given = ("--model", place.path("corrupted"), "--text", place.path("other.jsonl"), "--out", place.path("recovered"))
    assert main(["recover", *given, *FAST, "--quiet"]) == 0
    history = read_history(place.folder / "recovered")
    assert [(item.role, item.name) for item in history.seen][-1] == ("text", "other.jsonl")
    assert len(history.seen[-1].documents) == len(OTHER)
    assert history.whole
