"""Two processes of torchrun give what one gives, to the last bit, and none of them waits for one that has died."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from restor.cli.main import main
from restor.errors import ConfigError
from restor.evaluation import Request, generate, score
from restor.evaluation.ask.requests import EngineSettings
from restor.models.checkpoint import new_llama, save_model
from restor.models.device import pick_device
from restor.models.loading import load_checkpoint
from restor.models.model_ref import parse_model_ref
from restor.models.tokenizer import word_tokenizer
from restor.text import split_words
from restor.types import Fact, Group, Query

FACTS = 1500


def environment(**changes: object) -> dict[str, str]:
    alone = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    return alone | {"OMP_NUM_THREADS": "1"} | {name: str(value) for name, value in changes.items()}


def torchrun(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [*launcher, *map(str, arguments)], cwd=cwd, env=environment(), capture_output=True, text=True, timeout=250
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Facts, and a model that has all words of them."""
    folder = tmp_path_factory.mktemp("shared")
    rows = [
        {
            "subject": f"P{number}",
            "relation": "born",
            "question": f"Where was P{number} born?",
            "answers": [f"city{number % 30}"],
        }
        for number in range(FACTS)
    ]
    (folder / "facts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    words = [word for row in rows for text in (row["question"], row["answers"][0]) for word in split_words(text)]
    tokenizer = word_tokenizer(words)
    model = new_llama(tokenizer=tokenizer, hidden=32, intermediate=48, layers=2, heads=2, context=128, seed=0)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.data *= 5
    save_model(model, tokenizer, folder / "model")
    model.get_input_embeddings().weight.data[-1] = torch.nan
    save_model(model, tokenizer, folder / "damaged")
    return folder


# restor evaluate -----------------------------------------------------------------------------------------------------


def evaluate(store: str) -> list[str]:
    command = ["evaluate", "--model", "mine=model", "--facts", "facts.jsonl", "--threads", "1", "--device", "cpu"]
    return [*command, "--quiet", "--json", "--store", store]


@pytest.mark.nightly
def test_two_processes_answer_as_one(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    before = torch.get_num_threads()
    assert main(evaluate("alone")) == 0
    torch.set_num_threads(before)
    alone = json.loads(capsys.readouterr().out)
    told = torchrun("-m", "restor", *evaluate("together"), cwd=place)
    assert told.returncode == 0, told.stderr
    # One process tells; the others are silent.
    together = json.loads(told.stdout)
    assert together["table"] == alone["table"]
    assert "Traceback" not in told.stderr
    rows = [pq.read_table(Path(found["facts"])).to_pylist() for found in (alone, together)]
    assert rows[0] == rows[1]
    assert len(rows[0]) > FACTS
    (manifest,) = (place / "together" / "artifacts").glob("ask-*/manifest.json")
    info = json.loads(manifest.read_text(encoding="utf-8"))["info"]
    assert set(info["batches_by_process"]) == {"0", "1"}
    assert sum(info["batches_by_process"].values()) == -(-FACTS // 256)
    assert info["notes"] == []


@pytest.mark.nightly
def test_an_error_is_told_once_and_ends_all(place):
    told = torchrun("-m", "restor", "evaluate", "--model", "mine=nowhere/at/all", "--facts", "facts.jsonl", cwd=place)
    assert told.returncode != 0
    assert told.stderr.count("nowhere/at/all") == 1
    assert told.stdout == ""


@pytest.fixture
def pair():
    """Starts two processes without torchrun, which would end the one when the other dies."""
    started: list[subprocess.Popen[str]] = []

    def start(rank: int, *command: object, cwd: Path) -> subprocess.Popen[str]:
        own = environment(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=2, MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
        started.append(
            subprocess.Popen(
                [sys.executable, *map(str, command)],
                cwd=cwd,
                env=own,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.nightly
def test_process_0_goes_on_when_the_other_is_killed(place, pair):
    helper = pair(1, "-m", "restor", *evaluate("killed"), cwd=place)
    leader = pair(0, "-m", "restor", *evaluate("killed"), cwd=place)
    until = time.monotonic() + 100
    while not list((place / "killed").glob("artifacts/ask-*/resume/task.json")):
        assert leader.poll() is None, leader.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    helper.send_signal(signal.SIGKILL)
    out, err = leader.communicate(timeout=200)
    assert leader.returncode == 0, err
    assert len(json.loads(out)["table"]) > 0


LEADER = """
import os, time
from pathlib import Path
from restor.evaluation.config import EvaluationConfig
from restor.processes import Processes
from restor.progress import Silent
from restor.runner.launchers.local import WorkOrder
from restor.tasks.ask import Ask
from restor.tasks.base import Context, Ref
from restor.tasks.inputs.products import write_questions
from test_sharding import asked
processes = Processes.join(os.environ)
folder = Path("called").absolute()
for name in ("model", "questions"):
    (folder / name).mkdir(parents=True)
(folder / "model" / "ref.json").write_text('{"path": "nowhere/at/all/model"}')
write_questions(folder / "questions", asked())
task = Ask(model=Ref(kind="checkpoint", key="model"), questions=Ref(kind="questions", key="questions"),
           asking=EvaluationConfig().asking, seed=0)
inputs = {name: folder / name for name in ("model", "questions")}
context = Context(inputs, folder, folder, "cpu", Silent(), 1.0)
for path in (folder / "unseen.json", folder / "task.json"):
    call = processes.call(path)
    call.offer([0])
    while not call.refusals():
        time.sleep(0.05)
    print(call.refusals(), flush=True)
    (folder / "task.json").write_text(WorkOrder.of(task, context, 1).model_dump_json())
time.sleep(250)
"""


def asked() -> list[Query]:
    """One question."""
    fact = Fact("P0", "born", ("city0",), "Where was P0 born?")
    return [Query(fact, Group.TEST, "", fact.question)]


@pytest.mark.nightly
def test_the_others_say_why_they_cannot_help_and_end_when_process_0_is_killed(place, pair):
    (place / "test_sharding.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")
    leader = pair(0, "-c", LEADER, cwd=place)
    helper = pair(1, "-m", "restor", "run", cwd=place)
    assert "It does not see" in leader.stdout.readline()
    assert "nowhere/at/all/model" in leader.stdout.readline()
    assert helper.poll() is None
    leader.send_signal(signal.SIGKILL)
    out, err = helper.communicate(timeout=60)
    assert helper.returncode == 0, err
    assert out == ""
    assert "Traceback" not in err


@pytest.mark.parametrize(("wanted", "found"), [("auto", "cuda:1"), ("cuda", "cuda:1"), ("cuda:0", "cuda:0")])
def test_each_process_has_a_gpu_of_its_own(monkeypatch, wanted, found):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert str(pick_device(wanted)) == found
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    if wanted != "cuda:0":
        with pytest.raises(ConfigError, match="--nproc-per-node 1"):
            pick_device(wanted)


# restor.evaluation ---------------------------------------------------------------------------------------------------

SCRIPT = """
import json, os
from restor.evaluation import Request, generate, matches, score
from restor.evaluation.ask.requests import EngineSettings
from restor.errors import DataError, TrainingError
from restor.models.device import pick_device
from restor.models.loading import load_checkpoint
from restor.models.model_ref import parse_model_ref
from test_sharding import WINDOW, requests, told

rank = int(os.environ["RANK"])
shared = EngineSettings(shared=True, window=WINDOW)
model, tokenizer = load_checkpoint(parse_model_ref("model"))
found = told(model, tokenizer, shared)
try:
    list(score(model, requests()[rank:], tokenizer=tokenizer, settings=shared))
except DataError as error:
    found["different"] = str(error)
model, tokenizer = load_checkpoint(parse_model_ref("damaged"))
size = len(tokenizer)
damaged = [Request((3 + n % (size - 5), 4), ((5,),)) for n in range(300)] + [Request((size - 1, 4), ((5,),))]
try:
    list(score(model, damaged, settings=shared))
except TrainingError as error:
    found["damaged"] = str(error)
with open(f"rank{rank}.json", "w") as file:
    json.dump(found, file)
"""


WINDOW = 200
"""Of 600 requests: process 0 has the first and the third window, process 1 the second."""


def requests() -> list[Request]:
    return [Request(f"Where was P{number} born?", (" city1", " city2 city3")) for number in range(600)]


def told(model, tokenizer, settings):
    """All results, as JSON values, and how many tokens this process has run for them."""
    tokens = []
    hook = model.base_model.register_forward_pre_hook(
        lambda _module, _args, given: tokens.append(given["input_ids"].numel()), with_kwargs=True
    )
    scored = score(model, requests(), tokenizer=tokenizer, settings=settings)
    prompts = [request.prompt for request in requests()]
    written = generate(
        model, prompts, tokenizer=tokenizer, max_new_tokens=4, temperature=1.0, samples=2, settings=settings
    )
    results = {
        "scored": [[(own.total, own.tokens, own.greedy) for own in found.options] for found in scored],
        "written": [[*found.texts, found.ids] for found in written],
    }
    hook.remove()
    return {**results, "tokens": sum(tokens)}


@pytest.mark.nightly
def test_every_process_gets_all_results_of_the_library(place):
    (place / "script.py").write_text(SCRIPT, encoding="utf-8")
    (place / "test_sharding.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")
    ran = torchrun("script.py", cwd=place)
    assert ran.returncode == 0, ran.stderr
    model, tokenizer = load_checkpoint(parse_model_ref(str(place / "model")))
    alone = json.loads(json.dumps(told(model, tokenizer, EngineSettings(window=WINDOW))))
    every = alone.pop("tokens")
    for rank, share in ((0, 2 / 3), (1, 1 / 3)):
        found = json.loads((place / f"rank{rank}.json").read_text(encoding="utf-8"))
        assert "different requests" in found.pop("different")
        assert "not numbers" in found.pop("damaged")  # met by one of them, told by both
        assert found.pop("tokens") == pytest.approx(share * every, rel=0.1)
        assert found == alone
