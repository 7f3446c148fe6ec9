"""An evaluation that is killed goes on with what it lacks, and its answers are those of one that was not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import asked_model
import pyarrow.parquet as pq
import pytest
import torch
from asked_model import BATCH, build, make_model
from torch.distributed import HashStore

from restor.evaluation.ask.evaluation import Evaluation
from restor.models.checkpoint import save_model
from restor.processes import Call, Processes
from restor.progress import Progress, Silent
from restor.tasks.asking import batches as evaluate
from tiny_study import FileProgress, heard

COUNT = 43
BATCHES = 6

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    make_model(folder, COUNT)
    return folder


@pytest.fixture
def place(artifact, tmp_path, monkeypatch):
    """Where an evaluation is made; the size of its batches is given back."""
    monkeypatch.setattr(evaluate, "BATCH", BATCH)
    shutil.copytree(artifact, tmp_path / "artifact")
    return tmp_path


@pytest.fixture(scope="module")
def expected(artifact, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(artifact, folder / "artifact")
    before = evaluate.BATCH
    build(folder, Silent(), COUNT)
    evaluate.BATCH = before
    return answers(folder)


@pytest.fixture
def asked(monkeypatch):
    """The batches that are asked."""
    found, rows = [], Evaluation.rows
    monkeypatch.setattr(Evaluation, "rows", lambda self, number: (found.append(number), rows(self, number))[1])
    return found


def answers(place: Path) -> list[dict[str, object]]:
    return pq.read_table(place / "out" / "answers.parquet").to_pylist()


def advanced(file: Path) -> list[object]:
    return [event["done"] for event in heard(file) if event["event"] == "advance"]


class Interrupted(Exception):
    pass


class Stopping(Progress):
    """Stops the evaluation after so many questions."""

    def __init__(self, after: int) -> None:
        self.after, self.notes = after, []

    def expect(self, ahead, usual):
        pass

    def begin(self, stage, detail, number, total):
        pass

    def advance(self, done, total, loss):
        if done >= self.after:
            raise Interrupted

    def end(self, cached, seconds):
        pass

    def fail(self, reason):
        pass

    def note(self, message):
        self.notes.append(message)


def stopped(place: Path, after: int = 3 * BATCH, **evaluation: object) -> Stopping:
    progress = Stopping(after)
    with pytest.raises(Interrupted):
        build(place, progress, COUNT, **evaluation)
    return progress


def test_rows_are_those_of_asking_without_a_task(place, expected):
    model, tokenizer = evaluate.open_folder(place / "artifact", torch.device("cpu"), full=False)
    config = evaluate.Asking(max_new_tokens=5)
    plan = evaluate.prepare(tokenizer, asked_model.questions(COUNT), batch=BATCH, layers=config.layers)
    asking = Evaluation(model, tokenizer, plan, config, seed=0)
    rows = [row for number in range(plan.batches) for row in asking.rows(number)]
    assert rows == expected
    assert len({row["logprob_original"] for row in rows}) > COUNT // 2


def test_options_and_layers_are_stored_for_the_facts_that_have_them(expected):
    """True, planted and random answers, each once; layers where something was planted."""
    for row in expected:
        wanted = [*row["answers"], *([row["planted"]] if row["planted"] else []), "oslo"]
        assert row["options"] == list(dict.fromkeys(wanted))
        found = dict(zip(row["options"], row["option_logprobs"], strict=True))
        assert (found[row["answers"][0]], found["oslo"]) == (row["logprob_original"], row["logprob_random"])
        if row["planted"] is None:
            assert (row["layers_original"], row["layers_planted"]) == (None, None)
        else:
            assert found[row["planted"]] == row["logprob_planted"]
            assert [len(row["layers_original"]), len(row["layers_planted"])] == [2, 2]
            assert row["layers_original"][-1] == row["logprob_original"]
            assert row["layers_planted"][-1] == row["logprob_planted"]


def test_layers_can_be_left_out(place, expected):
    build(place, Silent(), COUNT, layers=False)
    layers = {"layers_original": None, "layers_planted": None}
    assert answers(place) == [row | layers for row in expected]


def test_kill_9_costs_one_batch(place, expected, asked):
    """The process is killed while it answers; what it had written is not asked again."""
    log = place / "log"
    slow = (
        "import asked_model, sys, time\nfrom restor.evaluation.ask.evaluation import Evaluation\n"
        "rows = Evaluation.rows\n"
        "def slowly(self, number):\n    time.sleep(1)\n    return rows(self, number)\n"
        "Evaluation.rows = slowly\n"
        "from tiny_study import FileProgress; from pathlib import Path\n"
        "asked_model.build(Path(sys.argv[1]), FileProgress(Path(sys.argv[2])), int(sys.argv[3]))"
    )
    victim = subprocess.Popen(
        [sys.executable, "-c", slow, place, log, str(COUNT)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent), *sys.path])},
        stderr=subprocess.PIPE,
    )
    until = time.monotonic() + 120
    while len(advanced(log)) < 2:
        assert victim.poll() is None, victim.stderr.read().decode()
        assert time.monotonic() < until
        time.sleep(0.02)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    victim.stderr.close()
    found = len(list((place / "out" / "resume" / "answers").glob("*.part")))
    assert found >= 2
    assert not (place / "out" / "answers.parquet").exists()
    again = place / "again"
    built = build(place, FileProgress(again), COUNT)
    assert asked == list(range(found, BATCHES))
    assert advanced(again) == [min(COUNT, (number + 1) * BATCH) for number in range(BATCHES)]
    assert answers(place) == expected
    assert built.cost.seconds > 0


def test_the_seconds_before_a_kill_count(place, monkeypatch):
    rows = Evaluation.rows

    def slowly(self, number):
        time.sleep(0.3)
        return rows(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(Evaluation, "rows", slowly)
        stopped(place, after=4 * BATCH)
    assert build(place, Silent(), COUNT).cost.seconds > 1.2


@pytest.mark.parametrize("damage", [lambda data: data[:100], lambda data: data[:-1], lambda data: b"", "flip"])
def test_a_damaged_part_is_asked_again(place, expected, asked, damage):
    stopped(place)
    part = place / "out" / "resume" / "answers" / "000001.part"
    data = bytearray(part.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    part.write_bytes(bytes(data) if damage == "flip" else damage(bytes(data)))
    asked.clear()
    build(place, Silent(), COUNT)
    assert asked == [1, 3, 4, 5]
    assert answers(place) == expected


def test_a_kill_between_the_last_answer_and_the_end_asks_nothing(place, expected, asked):
    build(place, Silent(), COUNT)
    (place / "out" / "answers.parquet").unlink()
    shutil.rmtree(place / "artifact")
    asked.clear()
    build(place, Silent(), COUNT)  # not even the model is loaded
    assert asked == []
    assert answers(place) == expected


def test_sampled_answers_continue_too(place, asked):
    stopped(place, protocol="published", runs=2)
    build(place, Silent(), COUNT, protocol="published", runs=2)
    assert asked == [0, 1, 2, 3, 4, 5]
    found = answers(place)
    shutil.rmtree(place / "out")
    build(place, Silent(), COUNT, protocol="published", runs=2)
    assert answers(place) == found
    assert [row["run"] for row in found] == [0, 1] * COUNT


def test_notes_are_heard_once_and_kept(place):
    """A window shorter than the prompts: whole strings are run, and the record of the artifact says so."""
    from transformers import MistralConfig, MistralForCausalLM

    _, tokenizer = evaluate.open_folder(place / "artifact", torch.device("cpu"), full=False)
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        sliding_window=9,
        max_position_embeddings=64,
    )
    shutil.rmtree(place / "artifact")
    save_model(MistralForCausalLM(config), tokenizer, place / "artifact" / "model")
    first = stopped(place)
    assert len(first.notes) == 1
    assert "whole" in first.notes[0]
    again = Stopping(10**9)
    built = build(place, again, COUNT)
    assert built.info["notes"] == again.notes == first.notes


# Several processes ---------------------------------------------------------------------------------------------------


@pytest.fixture
def launch(place):
    """A call of process 0 to another one, as each of the two sees it."""
    store = HashStore()
    leader, other = (Processes(store, rank, 2) for rank in (0, 1))
    call = leader.call(place / "out" / "resume" / "task.json")
    return call, Call(other, call.number, call.order)


def test_a_process_that_dies_with_a_batch_holds_nobody_up(place, expected, launch, monkeypatch, asked):
    """It takes a batch and is never heard of again: process 0 says so and asks it."""
    monkeypatch.setattr(evaluate, "PATIENCE", 0.2)
    call, other = launch
    offer = Call.offer

    def offered(self, items):
        offer(self, items)
        assert next(other.items()) == 1  # the first of the others' batches

    monkeypatch.setattr(Call, "offer", offered)
    progress = Stopping(10**9)
    built = build(place, progress, COUNT, call)
    assert asked == [0, 2, 3, 4, 5, 1]
    assert answers(place) == expected
    assert [note for note in progress.notes if "batch 1" in note] == built.info["notes"]


def test_a_process_that_cannot_take_part_is_named(place, expected, launch):
    call, other = launch
    other.refuse("It has no GPU.")
    built = build(place, Silent(), COUNT, call)
    assert built.info["notes"] == ["Process 1 of 2 took no part: It has no GPU."]
    assert answers(place) == expected


def test_who_comes_late_leaves_everything_alone(place, launch, asked):
    """The evaluation is over, and its folder with it."""
    call, other = launch
    build(place, Silent(), COUNT, call)
    shutil.rmtree(place / "out" / "resume")
    before = list(asked)
    assert other.is_over
    build(place, Silent(), COUNT, other)
    assert asked == before
    assert not (place / "out" / "resume").exists()


def test_an_answer_that_comes_too_late_is_dropped(place, launch, monkeypatch):
    """The others have closed the evaluation meanwhile: no file is left, and no error."""
    call, other = launch
    folder, taken = place / "out" / "resume", []
    offer = Call.offer

    def offered(self, items):
        offer(self, items)
        rows = Evaluation.rows

        def rows_of_the_late(self, number):
            evaluate.AnsweredBatches(folder).close()
            return rows(self, number)

        with monkeypatch.context() as patch:
            patch.setattr(Evaluation, "rows", rows_of_the_late)
            build(place, Silent(), COUNT, other)
        taken.append(sorted(item.name for item in folder.iterdir()))
        evaluate.AnsweredBatches(folder).open()

    monkeypatch.setattr(Call, "offer", offered)
    monkeypatch.setattr(evaluate, "PATIENCE", 0.1)
    build(place, Silent(), COUNT, call)
    assert taken == [["answers.closed"]]
