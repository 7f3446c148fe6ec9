"""The precision of a study is decided once, written down, and followed by whoever runs that configuration again."""

from __future__ import annotations

import json

import pytest
import torch

import restor.runner.compare as comparing
import restor.runner.select as selecting
import restor.runner.study as runner
from heard import Heard
from restor.config import to_yaml
from restor.data.document_files import document_lines
from restor.domains.triples import TriplesConfig
from restor.experiment import ExperimentConfig
from restor.models.lineage import new_lineage, read_lineage
from restor.models.model_ref import ModelRef
from restor.progress import Silent
from restor.runner.checkpoints.make import CorruptConfig, make_checkpoint
from restor.runner.compare import ComparisonConfig, compare
from restor.runner.plan import plan_seed
from restor.runner.precision import asked_refs, study_precision
from restor.runner.resolve import resolve
from restor.types import Document
from saving import save_checkpoint
from tiny_study import tiny_config

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


class Stop(Exception):
    """Nothing has to be made to see what would be."""


@pytest.fixture
def machine(monkeypatch):
    """Where bfloat16 takes so many times as long as float32; None: there is no such instruction."""

    def make(times, device=CPU):
        asked = []

        def passes(shape, use):
            asked.append((shape, use))
            return {"float32": 1.0, "bfloat16": times}

        for place in ("restor.runner.precision", "restor.models.hardware"):
            monkeypatch.setattr(f"{place}.multiplies_bfloat16", lambda where: times is not None)
        monkeypatch.setattr("restor.runner.precision.pick_device", lambda wanted: device)
        monkeypatch.setattr("restor.models.precision.passes", passes)
        return asked

    return make


def auto(**changes):
    return tiny_config(precision="auto", **changes)


@pytest.mark.parametrize(("times", "expected"), [(0.5, "bfloat16"), (0.95, "float32"), (1.6, "float32")])
def test_auto_is_measured_on_the_models_own_shape_and_told_once(machine, tmp_path, times, expected):
    asked, heard = machine(times), Heard()
    assert study_precision(auto(), tmp_path, heard.note) == expected
    ((shape, use),) = asked
    assert (shape.intermediate, shape.layers, use) == (64, 1, "train")
    (note,) = heard.notes
    assert note.startswith(f"Training in {expected}: on this processor bfloat16 takes {times:.2f} times as long")
    machine(1 / times)
    assert study_precision(auto(), tmp_path, heard.note) == expected, "what is remembered stays"
    assert len(heard.notes) == 1


def test_without_the_instruction_a_study_is_in_float32_and_nothing_is_measured(machine, tmp_path):
    asked, heard = machine(None), Heard()
    assert study_precision(auto(), tmp_path, heard.note) == "float32"
    assert (asked, heard.notes) == ([], [])


def test_a_gpu_that_multiplies_bfloat16_takes_it_and_nothing_is_measured(machine, tmp_path):
    asked = machine(2.0, CUDA)
    assert study_precision(auto(), tmp_path, Heard().note) == "bfloat16"
    machine(None, CUDA)
    assert study_precision(auto(), tmp_path, Heard().note) == "float32"
    assert asked == []


def test_what_a_configuration_says_is_followed(machine, tmp_path):
    asked = machine(0.5)
    assert study_precision(tiny_config(), tmp_path, Heard().note) == "float32"
    assert study_precision(tiny_config(precision="bfloat16"), tmp_path, Heard().note) == "bfloat16"
    assert asked == []


def work_of(config, store, monkeypatch):
    """What `run_study` would make."""
    found = []

    def make(work, *_, **__):
        found.append(work)
        raise Stop

    monkeypatch.setattr(runner, "make", make)
    with pytest.raises(Stop):
        runner.run_study(config, store=store, progress=Silent())
    return found[0]


def keys(work):
    return [task.key for plan in work.plans for task in plan.tasks()]


def test_the_choice_is_in_the_stored_configuration_and_in_the_keys(machine, tmp_path, monkeypatch):
    machine(0.5)
    chosen = work_of(auto(), tmp_path / "one", monkeypatch)
    assert chosen.config.precision == "bfloat16"
    assert keys(chosen) == keys(work_of(tiny_config(precision="bfloat16"), tmp_path / "two", monkeypatch))
    assert keys(chosen) != keys(work_of(tiny_config(), tmp_path / "two", monkeypatch))
    # On another machine, where something else is faster.
    machine(None)
    text = to_yaml(chosen.config)
    assert "precision: bfloat16" in text
    again = work_of(ExperimentConfig.model_validate(chosen.config.identity()), tmp_path / "three", monkeypatch)
    assert (again.id, keys(again)) == (chosen.id, keys(chosen))


def test_a_selection_trains_in_the_precision_that_its_store_remembers(machine, tmp_path, monkeypatch):
    machine(0.5)
    store, planned = tmp_path / "store", []

    def make_all(executor, tasks, used_by, *, essential):
        planned.extend(tasks)
        raise Stop

    monkeypatch.setattr(selecting.Executor, "make_all", make_all)
    with pytest.raises(Stop):
        selecting.select(auto(), store=store, progress=Silent(), out=tmp_path / "out.json")
    (clean,) = (task for task in planned if task.kind == "clean")
    (corrupt, *_) = (task for task in planned if task.kind == "corrupt")
    trials = [task.unlearning for task in planned if task.kind == "trial"]
    assert {clean.compute.precision, *(task.training.compute.precision for task in (corrupt, *trials))} == {"bfloat16"}
    study = plan_seed(resolve(tiny_config(precision="bfloat16")), 0)
    assert next(task for task in study.tasks() if task.kind == "clean").key == clean.key


# Checkpoints made elsewhere ------------------------------------------------------------------------------------------


@pytest.fixture
def saved(llama, tokenizer, tmp_path):
    def save(dtype):
        folder = tmp_path / f"model-{str(dtype).removeprefix('torch.')}"
        save_checkpoint(
            llama().to(dtype), tokenizer, folder, new_lineage(stage="clean", config={}, seed=0, parents={}, data={})
        )
        return ModelRef(path=str(folder))

    return save


def test_a_checkpoint_that_is_trained_says_in_which_precision(machine, saved, tmp_path, monkeypatch):
    monkeypatch.setenv("RESTOR_DATA", str(tmp_path / "data"))
    asked = machine(0.5)
    documents = tmp_path / "forget.jsonl"
    documents.write_text(document_lines([Document("ada was born in rome .", ())]), encoding="utf-8")
    config = CorruptConfig(
        model=saved(torch.float32), forget=documents, steps=1, tokens=16, lora=None, device="cpu", threads=1
    )
    assert not make_checkpoint(config, tmp_path / "out", progress=Silent())
    made = read_lineage(tmp_path / "out")
    assert made.config["precision"] == "bfloat16"
    assert [use for _, use in asked] == ["train"]
    # The same command again finds its checkpoint, whatever would be chosen by now.
    monkeypatch.setenv("RESTOR_DATA", str(tmp_path / "elsewhere"))
    machine(2.0)
    assert make_checkpoint(config, tmp_path / "out", progress=Silent())


def test_checkpoints_stored_in_bfloat16_are_asked_in_what_is_faster(machine, saved, tmp_path):
    narrow, wide = saved(torch.bfloat16), saved(torch.float32)
    named = narrow.model_copy(update={"dtype": "float32"})
    heard = Heard()
    machine(1.4)
    refs = asked_refs({"narrow": narrow, "wide": wide, "named": named}, "auto", tmp_path / "one", heard.note)
    assert [ref.dtype for ref in refs.values()] == ["float32", "auto", "float32"]
    (note,) = heard.notes
    assert "asking in float32: on this processor bfloat16 takes 1.40 times as long" in note
    machine(0.5)
    assert asked_refs({"narrow": narrow}, "auto", tmp_path / "two", heard.note)["narrow"].dtype == "bfloat16"
    machine(None)
    assert asked_refs({"narrow": narrow}, "auto", tmp_path / "three", heard.note)["narrow"].dtype == "float32"
    machine(0.5, CUDA)
    assert asked_refs({"narrow": narrow}, "auto", tmp_path / "four", heard.note)["narrow"].dtype == "auto"


def test_a_comparison_stores_the_dtype_it_asked_in(machine, saved, tmp_path, monkeypatch):
    facts = tmp_path / "facts.jsonl"
    rows = [
        {"subject": name, "relation": "P19", "question": f"where was {name} born ?", "answers": [city]}
        for name, city in (("ada", "york"), ("bo", "rome"))
    ]
    facts.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = []

    def make(work, *_, **__):
        found.append(work)
        raise Stop

    monkeypatch.setattr(comparing, "make", make)
    config = ComparisonConfig(models={"one": saved(torch.bfloat16)}, domain=TriplesConfig(facts=facts))
    machine(0.5)
    with pytest.raises(Stop):
        compare(config, store=tmp_path / "store", progress=Silent())
    assert found[0].config.models["one"].dtype == "bfloat16"
    stored = next(task for task in found[0].plans[0].tasks() if task.kind == "checkpoint")
    assert stored.model.dtype == "bfloat16"
