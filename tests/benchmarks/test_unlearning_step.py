"""The benchmark of an unlearning step still runs, reads the same documents on all sides and computes what it prints."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "unlearning_step.py"
SHAPE = {"vocabulary": 32, "hidden": 16, "intermediate": 16, "layers": 1, "heads": 2}

FAKE_RESTOR = """
from .base import BaseTrainer

SEEN = []


class {name}(BaseTrainer):
    def compute_loss(self, model, inputs, return_outputs=False):
        SEEN.append((inputs, vars(self)))
        tokens, mask, labels = inputs["forget"]
        return -model(input_ids=tokens, attention_mask=mask, labels=labels).loss
"""

FAKE_OPEN_UNLEARNING = """
from trainer.unlearn.base import UnlearnTrainer

SEEN = []


class {name}(UnlearnTrainer):
    def compute_loss(self, model, inputs, return_outputs=False):
        SEEN.append((inputs, vars(self)))
        return -model(**inputs["forget"]).loss
"""

FAKE_COLLATORS = """
import torch
from data.utils import IGNORE_INDEX


class DataCollatorForSupervisedDataset:
    def __init__(self, tokenizer):
        self.pad = tokenizer.pad_token_id

    def __call__(self, instances):
        def padded(kind, key, value):
            return torch.nn.utils.rnn.pad_sequence(
                [one[kind][key] for one in instances], batch_first=True, padding_value=value
            )

        return {
            kind: {"input_ids": padded(kind, "input_ids", self.pad), "labels": padded(kind, "labels", IGNORE_INDEX)}
            for kind in ("forget", "retain")
        }
"""


@pytest.fixture
def script(monkeypatch):
    """The script as a module; what it puts in place of other modules is taken back."""
    spec = importlib.util.spec_from_file_location("unlearning_step", PATH)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "unlearning_step", module)  # dataclasses look it up there
    spec.loader.exec_module(module)
    before = dict(sys.modules)
    yield module
    for name in set(sys.modules) - set(before):
        if name.split(".")[0] in ("restor_reference", "trainer", "data"):
            del sys.modules[name]


def job_of(script, who="ours", loss="ga", *, steps=1, checkout=""):
    rows = script.draw_documents(8 * steps, 12, 0.25, 16, SHAPE["vocabulary"], 0)
    return script.Job(who, str(checkout), loss, steps, SHAPE, 16, rows[: 4 * steps], rows[4 * steps :])


@pytest.mark.parametrize("loss", ["ga", "kl", "ga-kl", "npo"])
def test_our_side_takes_a_step_of_every_loss(script, loss):
    step, once = script.ours(job_of(script, loss=loss))
    assert step > 0
    assert once > 0


def test_steps_and_what_comes_before_them_are_told_apart(script, monkeypatch):
    # The clock reads 10 when unlearning begins, 13 and 15 at the two steps, and 17 at the end: four seconds are two
    # steps, in which eight forget and eight retain documents were read.
    clock = iter([10.0, 13.0, 15.0, 17.0])
    monkeypatch.setattr(script, "cpu_seconds", lambda: next(clock))
    assert script.ours(job_of(script, loss="npo", steps=2)) == (2.0, 3.0)


def test_drawn_documents_are_the_same_each_time_and_never_hold_the_padding(script):
    rows = script.draw_documents(400, 43, 0.25, 64, 32, 0)
    assert rows == script.draw_documents(400, 43, 0.25, 64, 32, 0)
    assert 41 < sum(map(len, rows)) / 400 < 45
    assert max(map(len, rows)) == 64
    assert min(map(min, rows)) == script.PAD + 1


def test_our_steps_read_every_document_once(script):
    from restor.training.batching import SetRows

    rows = script.draw_documents(64, 43, 0.25, 256, 32, 0)
    tokens, read = script.tokens_per_step(rows, "forget", 16, 0)
    source = SetRows(rows, tokens=tokens, name="forget", seed=0)
    numbers = [number for step in range(16) for number in source.rows(step).numbers]
    assert sorted(numbers) == list(range(64))
    assert read == 64


def test_documents_of_a_file_are_encoded_and_cut(script, tmp_path):
    path = tmp_path / "documents.json"
    path.write_text(json.dumps(["Ada was born in York.", "Bo lives in Rome " * 50, "Cy is a baker."]))
    rows = script.read_rows(path, 3, 20, 300)
    assert sorted(map(len, rows))[-1] == 20
    assert all(0 < token < 300 for row in rows for token in row)
    with pytest.raises(SystemExit, match=r"has 3 documents and 4 are needed"):
        script.read_rows(path, 4, 20, 300)


def test_restors_batches_are_padded_to_the_longest_allowed(script, tmp_path):
    folder = tmp_path / "unlearning" / "unlearn"
    folder.mkdir(parents=True)
    (folder / "NPO.py").write_text(FAKE_RESTOR.format(name="NPO"))
    job = job_of(script, script.RESTOR, "npo", steps=2, checkout=tmp_path)
    step, _ = script.theirs(job)
    assert step > 0
    seen = sys.modules["restor_reference.NPO"].SEEN
    assert len(seen) == 2
    for number, (inputs, trainer) in enumerate(seen):
        for kind in ("forget", "retain"):
            tokens, mask, labels = inputs[kind]
            assert tokens.shape == (4, 16)
            for place in range(4):
                row = getattr(job, kind)[4 * number + place]
                assert tokens[place].tolist() == row + [0] * (16 - len(row))
                assert mask[place].tolist() == [1] * len(row) + [0] * (16 - len(row))
                assert labels[place].tolist() == row + [-100] * (16 - len(row))
        assert trainer["infer_model"] is not trainer["model"]


def test_open_unlearnings_batches_are_those_of_its_collator(script, tmp_path):
    for name, content in (
        ("trainer/unlearn/grad_diff.py", FAKE_OPEN_UNLEARNING.format(name="GradDiff")),
        ("data/collators.py", FAKE_COLLATORS),
        ("trainer/__init__.py", "raise ImportError('it needs much that is not there')"),
    ):
        path = tmp_path / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    job = job_of(script, script.OPEN_UNLEARNING, "ga-kl", checkout=tmp_path)
    script.theirs(job)
    ((inputs, trainer),) = sys.modules["trainer.unlearn.grad_diff"].SEEN
    longest = max(map(len, job.retain))
    assert inputs["retain"]["input_ids"].shape == (4, longest)
    assert inputs["retain"]["input_ids"][0].tolist() == job.retain[0] + [0] * (longest - len(job.retain[0]))
    assert trainer["retain_loss_type"] == "KL"
    assert trainer["ref_model"] is not trainer["model"]


def test_a_folder_that_is_no_checkout_is_refused(script, tmp_path):
    with pytest.raises(SystemExit, match=r"GA\.py is missing"):
        script.theirs(job_of(script, script.RESTOR, checkout=tmp_path))


def test_ratios_are_taken_within_a_round(script):
    costs = {"ours": [1.0, 2.0, 3.0], script.RESTOR: [4.0, 2.0, 4.0]}
    turns = []

    def run(job):
        turns.append(job.who)
        return script.Cost(step=costs[job.who][(len(turns) - 1) // 2], once=1.6, memory=100.0, process=500.0)

    rounds = script.measured("kl", {script.RESTOR: "here", script.OPEN_UNLEARNING: "there"}, 3, job_of(script), run)
    # The order alternates, and OpenUnlearning has no such loss.
    assert turns == ["ours", "RESTOR", "RESTOR", "ours", "ours", "RESTOR"]
    text = script.report({"kl": rounds}, [script.RESTOR, script.OPEN_UNLEARNING], 16)
    assert "| KL + retain | 2.000 | 4.000 | has none | **0.75** (0.25 to 1.00) |  |" in text
    # 1.6 seconds before the first of 16 steps are 0.1 per step: 1.1 / 4.1, 2.1 / 2.1, 3.1 / 4.1.
    assert "| KL + retain | 2.100 | 4.100 | has none | **0.76** (0.27 to 1.00) |  |" in text
    assert "| KL + retain | 100 | 100 | has none | **1.00** (1.00 to 1.00) |  |" in text


@pytest.mark.nightly
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak where Linux tells it")
def test_the_whole_script_runs_without_the_others(script, capsys):
    shape = [part for name, value in SHAPE.items() for part in (f"--{name}", str(value))]
    script.main(["--losses", "npo", "--steps", "1", "--rounds", "1", "--lengths", "12", "--longest", "16", *shape])
    printed = capsys.readouterr().out
    assert "RESTOR is left out: give a checkout of it with --restor-reference." in printed
    assert "OpenUnlearning is left out: give a checkout of it with --open-unlearning." in printed
    assert "4 forget and 4 retain documents" in printed
    cells = [line.split(" | ") for line in printed.splitlines() if line.startswith("| NPO + retain")]
    assert [len(line) for line in cells] == [2] * 4
    step, with_once, _memory, process = (float(line[1].removesuffix(" |")) for line in cells)
    assert 0 < step < with_once
    assert process > 100


def test_a_job_survives_the_way_to_its_process(script):
    job = job_of(script, steps=2)
    assert script.Job(**json.loads(json.dumps(dataclasses.asdict(job)))) == job
