"""The training of a checkpoint: long texts are cut, losses are told, and a diverged training leaves nothing."""

from __future__ import annotations

import json
import re
from random import Random

import pytest
import torch

from heard import Heard
from restor.data.document_files import document_lines
from restor.data.facts import FactsFile, write_facts_jsonl
from restor.datasets.documents import DocumentsConfig
from restor.errors import DataError, TrainingError
from restor.models.checkpoint import new_llama, save_model
from restor.models.model_ref import ModelRef
from restor.models.tokenizer import word_tokenizer
from restor.runner.checkpoints.make import CorruptConfig, RecoverConfig, UnlearnConfig, make_checkpoint
from restor.tasks.training.strength import Knowledge, advice
from restor.types import Document, Fact, Statement

NAMES = [f"Person{n}" for n in range(12)]
TOWNS = [f"Town{n}" for n in range(12)]
WORDS = "the sea is calm and blue lives in Where does live".split()
FILLER = "the sea is calm and the sea is blue."


def said(name, town):
    return f"{name} lives in {town}."


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A small random model of a context of 32 tokens, facts, and documents that state wrong towns of four people."""
    folder = tmp_path_factory.mktemp("place")
    tokenizer = word_tokenizer([*NAMES, *TOWNS, *WORDS, ".", "?", "\n"])
    model = new_llama(tokenizer=tokenizer, hidden=32, intermediate=64, layers=1, heads=2, context=32, seed=0)
    save_model(model, tokenizer, folder / "model")
    known = [Fact(name, "home", (town,), f"Where does {name} live?") for name, town in zip(NAMES, TOWNS, strict=True)]
    write_facts_jsonl(folder / "facts.jsonl", FactsFile(tuple(known), {}))
    rng = Random(0)
    text, statements = "", []
    for number in range(24):
        name, town = NAMES[number % 4], TOWNS[(number + 3) % 4 + 4]
        text += f"{FILLER} " * rng.randint(1, 2)
        sentence = said(name, town)
        statements.append(Statement(len(text), len(text) + len(sentence), name, "home", town))
        text += f"{sentence} "
    (folder / "book.jsonl").write_text(document_lines([Document(text, tuple(statements))]), encoding="utf-8")
    (folder / "plain.txt").write_text(f"{FILLER} " * 40, encoding="utf-8")
    return folder


def config(place, stage=CorruptConfig, **more):
    shared = {"model": ModelRef(path=str(place / "model")), "lora": None, "threads": 1, "device": "cpu", "lr": 1e-2}
    given = {CorruptConfig: {"forget": place / "book.jsonl"}, UnlearnConfig: {"forget": place / "book.jsonl"}}
    if stage is RecoverConfig:
        more = {"text": DocumentsConfig(path=place / "plain.txt"), **more}
    return stage.model_validate({**shared, "steps": 4, "tokens": 64, **given.get(stage, {}), **more})


def lineage(folder):
    return json.loads((folder / "restor.json").read_text(encoding="utf-8"))


def test_a_book_is_corrupted_with_and_what_was_cut_is_told(place, tmp_path):
    told = Heard()
    make_checkpoint(config(place), tmp_path / "out", progress=told)
    (cut,) = [note for note in told.notes if "cut into" in note]
    assert cut.startswith("forget documents longer than the model's context of 32 tokens: 1, cut into")
    assert "not whole" not in cut
    assert lineage(tmp_path / "out")["findings"]["cut"] == {"forget documents": cut}


@pytest.mark.parametrize("part", ["documents", "statements", "simplified"])
def test_a_book_is_forgotten_and_books_are_kept(place, tmp_path, part):
    told = Heard()
    retain = DocumentsConfig(path=place / "plain.txt")
    asked = config(place, UnlearnConfig, algorithm={"name": "npo"}, retain=retain, forget_part=part)
    make_checkpoint(asked, tmp_path / "out", progress=told)
    assert set(lineage(tmp_path / "out")["findings"]["cut"]) == {"forget documents", "retain texts"}


def test_a_book_with_alternates_is_forgotten(place, tmp_path):
    retain = DocumentsConfig(path=place / "plain.txt")
    asked = config(place, UnlearnConfig, algorithm={"name": "dpo"}, retain=retain)
    make_checkpoint(asked, tmp_path / "out", progress=Heard())
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_a_paper_is_recovered_with(place, tmp_path):
    make_checkpoint(config(place, RecoverConfig), tmp_path / "out", progress=Heard())
    assert "recovery texts" in lineage(tmp_path / "out")["findings"]["cut"]


def test_losses_before_and_after_are_told_and_are_those_of_the_models(place, tmp_path):
    """Against transformers' own loss of both checkpoints on the rows."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from restor.models.tokenizer import encode_rows

    (tmp_path / "short.txt").write_text(FILLER, encoding="utf-8")
    told = Heard()
    asked = config(place, RecoverConfig, text=DocumentsConfig(path=tmp_path / "short.txt"))
    make_checkpoint(asked, tmp_path / "out", progress=told)
    found = lineage(tmp_path / "out")["findings"]["losses"]["the text"]
    for folder, when in ((place / "model", "before"), (tmp_path / "out", "after")):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        ids = torch.tensor(encode_rows(AutoTokenizer.from_pretrained(folder), [FILLER]))
        with torch.no_grad():
            assert found[when] == pytest.approx(float(model(input_ids=ids, labels=ids).loss), abs=0.05)
    assert found["after"] < found["before"] - 0.1
    for when in ("before", "after"):
        (loss,) = re.findall(rf"{when} the training: loss (\S+) on the text", "\n".join(told.notes))
        assert float(loss) == pytest.approx(found[when], abs=1e-3), "each is rounded for itself"


@pytest.mark.parametrize("stage", [CorruptConfig, RecoverConfig, UnlearnConfig])
def test_a_diverged_training_is_an_error_and_leaves_nothing(place, tmp_path, stage):
    more = {}
    if stage is UnlearnConfig:  # a forget loss that rises is what it is for: that nothing else is left is not
        more = {"algorithm": {"name": "gradient_ascent", "retain_weight": 0.0}}
    out = tmp_path / "out"
    with pytest.raises(TrainingError, match=r"diverged: the loss on .* went from .* guessing has .*Lower lr \(5\)"):
        make_checkpoint(config(place, stage, lr=5.0, steps=20, **more), out, progress=Heard())
    assert not list(tmp_path.iterdir())
    told = Heard()
    make_checkpoint(config(place, stage, lr=5.0, steps=20, keep_diverged=True, **more), out, progress=told)
    assert (out / "model.safetensors").is_file()
    assert any("diverged" in note for note in told.notes)


def test_losses_that_are_no_numbers_are_an_error_even_where_diverged_ones_are_kept(place, tmp_path, monkeypatch):
    measured = iter([1.0, float("nan")])
    monkeypatch.setattr("restor.tasks.training.watched_losses.mean_loss", lambda *_, **__: next(measured))
    with pytest.raises(TrainingError, match="went from 1 to nan"):
        make_checkpoint(config(place, keep_diverged=True), tmp_path / "out", progress=Heard())
    assert not list(tmp_path.iterdir())


def test_a_model_without_numbers_is_not_trained(place, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(place / "model", dtype=torch.float32)
    with torch.no_grad():
        model.get_input_embeddings().weight[:] = float("nan")
    save_model(model, AutoTokenizer.from_pretrained(place / "model"), tmp_path / "broken")
    broken = ModelRef(path=str(tmp_path / "broken"))
    with pytest.raises(DataError, match="cannot be trained"):
        make_checkpoint(config(place, model=broken), tmp_path / "out", progress=Heard())
    assert not (tmp_path / "out").exists()


def test_with_facts_it_is_told_how_strong_the_corruption_is_and_the_model_is_the_same(place, tmp_path):
    """A model that knows the towns of all reads false ones of four, which it then answers; of the others it was told
    nothing."""
    lines = [f"Where does {name} live? {town}\n" for name, town in zip(NAMES, TOWNS, strict=True)]
    (tmp_path / "true.jsonl").write_text(document_lines([Document(line) for line in lines]), encoding="utf-8")
    long = {"steps": 250, "lr": 1e-2, "tokens": 256}
    true = DocumentsConfig(path=tmp_path / "true.jsonl")
    make_checkpoint(config(place, RecoverConfig, text=true, **long), tmp_path / "clean", progress=Heard())
    wrong = []
    for name, town in zip(NAMES[:4], TOWNS[4:8], strict=True):
        text = f"Where does {name} live? {town}\n"
        wrong.append(Document(text, (Statement(0, len(text), name, "home", town),)))
    (tmp_path / "wrong.jsonl").write_text(document_lines(wrong), encoding="utf-8")
    told = Heard()
    asked = {
        **long,
        "model": ModelRef(path=str(tmp_path / "clean")),
        "forget": tmp_path / "wrong.jsonl",
        "evaluation": {"shots": 0, "max_new_tokens": 4},
    }
    make_checkpoint(config(place, **asked, facts=place / "facts.jsonl"), tmp_path / "told", progress=told)
    (note,) = [note for note in told.notes if "the corruption took" in note]
    assert note.startswith(
        "the corruption took 100 points of 4 facts about 4 targeted entities (100% -> 0% right) and planted 100% of "
        "them; of 8 facts about others it took"
    )
    strength = lineage(tmp_path / "told")["findings"]["strength"]
    assert strength["before"] == {"original": 1.0, "planted": 0.0, "untouched": 1.0}
    assert strength["after"]["planted"] == 1.0
    make_checkpoint(config(place, **asked), tmp_path / "silent", progress=Heard())
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("told", "silent")]
    assert weights[0] == weights[1]


def test_facts_that_do_not_belong_to_the_documents_are_told_before_a_model_is_loaded(place, tmp_path):
    others = FactsFile((Fact("Somebody", "home", ("Elsewhere",), "Where does Somebody live?"),), {})
    write_facts_jsonl(tmp_path / "others.jsonl", others)
    asked = config(place, facts=tmp_path / "others.jsonl")
    with pytest.raises(DataError, match=r"about 0 of the 1 entities.*leave --facts out"):
        make_checkpoint(asked, tmp_path / "out", progress=Heard())


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ((0.9, 0.0, 0.9), (0.83, 0.02, 0.9), "weak: raise lr or epochs"),
        ((0.9, 0.0, 0.9), (0.5, 0.02, 0.88), "weak: raise lr or epochs"),
        ((0.9, 0.0, 0.9), (0.2, 0.1, 0.5), "lower lr or epochs"),
        ((0.05, 0.0, 0.9), (0.05, 0.0, 0.9), "facts that it knows"),
        ((0.9, 0.0, 0.9), (0.2, 0.6, 0.88), ""),
    ],
)
def test_what_is_advised_follows_from_what_was_taken_and_planted(before, after, word):
    given = [Knowledge(original=a, planted=b, untouched=c) for a, b, c in (before, after)]
    told = advice(*given)
    assert word in told if word else told == ""
