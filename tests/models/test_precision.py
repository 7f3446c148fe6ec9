"""bfloat16 or float32: measured once for a processor and a size, and taken only where it is clearly faster."""

from __future__ import annotations

import pytest
import torch

import restor.models.precision as module
from restor.errors import ConfigError
from restor.evaluation.ask.engine.engine import Engine
from restor.evaluation.ask.engine.items import Item, Option
from restor.models.lineage import new_lineage
from restor.models.loading import load_checkpoint
from restor.models.model_ref import ModelRef
from restor.models.precision import FILE, GAIN, Shape, choose, passes, precision_to_ask, processor_name, shape_of
from saving import save_checkpoint

MINI = Shape(hidden=128, intermediate=384, vocabulary=646, layers=2)
LLAMA = {"hidden_size": 64, "intermediate_size": 128, "vocab_size": 500, "num_hidden_layers": 2}


class Stopwatch:
    """Stands for the measurement; counts how often it was asked."""

    def __init__(self, float32, bfloat16):
        self.seconds, self.asked = {"float32": float32, "bfloat16": bfloat16}, []

    def __call__(self, shape, use):
        self.asked.append((shape, use))
        return self.seconds


def never(shape, use):
    raise AssertionError("it is measured again")


@pytest.mark.parametrize(
    ("float32", "bfloat16", "expected"),
    [
        (1.0, 1.6, "float32"),
        (1.0, 1.0, "float32"),
        (1.1, 1.0, "float32"),
        (GAIN, 1.0, "bfloat16"),
        (3.0, 1, "bfloat16"),
    ],
)
def test_bfloat16_is_taken_only_where_it_is_clearly_faster(tmp_path, float32, bfloat16, expected):
    choice, new = choose(tmp_path, MINI, "train", Stopwatch(float32, bfloat16))
    assert new
    assert choice.precision == expected
    assert f"training in {expected}" in choice.told
    assert f"{bfloat16 / float32:.2f} times as long" in choice.told


def test_a_choice_is_remembered_whatever_would_be_measured_later(tmp_path):
    first, _ = choose(tmp_path, MINI, "train", Stopwatch(2.0, 1.0))
    assert choose(tmp_path, MINI, "train", never) == (first, False)
    # The vocabulary of another world of the same kind.
    assert choose(tmp_path, Shape(128, 384, 690, 2), "train", never) == (first, False)


def test_another_use_size_or_processor_is_measured_for_itself(tmp_path, monkeypatch):
    choose(tmp_path, MINI, "train", Stopwatch(2.0, 1.0))
    for shape, use in ((MINI, "ask"), (Shape(512, 1536, 646, 2), "train")):
        choice, new = choose(tmp_path, shape, use, Stopwatch(1.0, 2.0))
        assert (choice.precision, new) == ("float32", True)
    assert choose(tmp_path, MINI, "train", never)[0].precision == "bfloat16", "the first is still known"
    monkeypatch.setattr(module, "processor_name", lambda: "another")
    assert choose(tmp_path, MINI, "train", Stopwatch(1.0, 2.0))[0].precision == "float32"


def test_what_cannot_be_remembered_is_measured_all_the_same(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (None, tmp_path / "file"):
        assert choose(folder, MINI, "train", Stopwatch(2.0, 1.0))[0].precision == "bfloat16"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "[" * 200 + "]" * 200, '{"choices": [{"processor": "x"}]}', '{"choices": [], "more": 1}']
)
def test_a_garbled_memory_is_named(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigError, match=rf"{FILE} is garbled. Remove it"):
        choose(tmp_path, MINI, "train", never)


def test_what_is_measured_is_of_the_models_own_size_and_never_large():
    assert MINI.measured == Shape(128, 384, 1024, 2, 512)
    for large in (Shape(4096, 14336, 128_256, 32), Shape(10**9, 10**9, 10**9, 10**7, 10**9)):
        measured = large.measured
        assert (measured.hidden, measured.layers) == (1024, 1)
        assert 6 * measured.parameters * measured.tokens < 1e10
    assert Shape(16, 32, 30, 1, tokens=70).measured == Shape(64, 64, 64, 1, 64)


def test_the_measurement_runs_and_leaves_nothing_behind():
    before, state = torch.get_num_threads(), torch.get_rng_state()
    for use in ("train", "ask"):
        seconds = passes(Shape(64, 64, 64, 1, 64), use)
        assert seconds.keys() == {"float32", "bfloat16"}
        assert all(0 < value < 60 for value in seconds.values())
    assert torch.get_num_threads() == before
    assert torch.equal(torch.get_rng_state(), state)
    assert processor_name()


@pytest.mark.parametrize(("tick", "least", "most"), [(0.01, 6, 12), (1.0, 4, 4)])
def test_short_passes_are_measured_more_often(monkeypatch, tick, least, most):
    """A single one of milliseconds may be a quarter too fast or too slow."""
    began, now = [], [0.0]

    def clock():
        now[0] += tick
        return now[0]

    monkeypatch.setattr(module.time, "process_time", clock)
    monkeypatch.setattr(torch, "inference_mode", lambda: began.append(1) or torch.no_grad())
    passes(Shape(64, 64, 64, 1, 64), "ask")
    assert least <= len(began) / 2 <= most


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (LLAMA, Shape(64, 128, 500, 2)),
        ({"n_embd": 64, "n_inner": None, "n_layer": 3, "vocab_size": 99}, Shape(64, 256, 99, 3)),
        ({"text_config": LLAMA, "hidden_size": 7}, Shape(64, 128, 500, 2)),
        ({"hidden_size": "x", "vocab_size": -1, "num_hidden_layers": 1e9}, Shape(1024, 4096, 32768, 16)),
    ],
)
def test_the_shape_that_a_config_tells(config, expected):
    assert shape_of(config) == expected


# Asking --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def machine(monkeypatch):
    """A processor with or without the instruction, memory of some bytes, and a measurement."""

    def make(*, multiplies=True, memory=1 << 40, seconds=(2.0, 1.0)):
        watch = Stopwatch(*seconds)
        monkeypatch.setattr("restor.models.hardware.multiplies_bfloat16", lambda device: multiplies)
        monkeypatch.setattr(module, "_memory", lambda: memory)
        monkeypatch.setattr(module, "passes", watch)
        return watch

    return make


def test_without_the_instruction_nothing_is_measured(machine, tmp_path):
    watch = machine(multiplies=False)
    assert precision_to_ask(LLAMA, tmp_path) == ("float32", "")
    assert watch.asked == []


def test_what_would_hardly_fit_in_float32_stays_as_it_is_stored(machine, tmp_path):
    watch = machine(memory=1 << 20, seconds=(1.0, 2.0))
    assert precision_to_ask({**LLAMA, "vocab_size": 10_000}, tmp_path) == ("bfloat16", "")
    assert watch.asked == []


def test_a_choice_for_asking_is_told_once(machine, tmp_path):
    machine(seconds=(1.0, 1.4))
    precision, told = precision_to_ask(LLAMA, tmp_path)
    assert precision == "float32"
    assert told.startswith("asking in float32")
    assert precision_to_ask(LLAMA, tmp_path) == ("float32", "")


@pytest.mark.parametrize(
    ("stored", "wanted", "to_ask", "seconds", "dtype"),
    [
        (torch.bfloat16, "auto", True, (2.0, 1.0), torch.bfloat16),
        (torch.bfloat16, "auto", True, (1.0, 1.4), torch.float32),
        (torch.bfloat16, "auto", False, (2.0, 1.0), torch.float32),
        (torch.bfloat16, "float32", True, (2.0, 1.0), torch.float32),
        (torch.float32, "auto", True, (2.0, 1.0), torch.float32),
        (torch.float32, "bfloat16", True, (1.0, 1.4), torch.bfloat16),
    ],
)
def test_a_checkpoint_is_asked_in_bfloat16_where_it_is_stored_in_it_and_that_is_faster(
    llama, tokenizer, tmp_path, monkeypatch, machine, stored, wanted, to_ask, seconds, dtype
):
    machine(seconds=seconds)
    monkeypatch.setenv("RESTOR_DATA", str(tmp_path / "data"))
    folder = tmp_path / "model"
    lineage = new_lineage(stage="clean", config={}, seed=0, parents={}, data={})
    save_checkpoint(llama().to(stored), tokenizer, folder, lineage)
    model, _ = load_checkpoint(ModelRef(path=str(folder), dtype=wanted), torch.device("cpu"), to_ask=to_ask)
    assert model.dtype == dtype
    item = Item("one", (1, 5, 6), (Option(3, (7, 8)),))
    assert Engine(model, pad=0).ask([item])[0].options[0].tokens == 2
