"""Evaluating a model that is served elsewhere: what is sent, what is kept, and that answers equal asking it here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pyarrow.parquet as pq
import pytest

from chat_endpoint import Endpoint, Reply, completed, error, serving
from restor.domains.triples import TriplesConfig
from restor.errors import ChatError, ConfigError
from restor.evaluation.ask.endpoint import EndpointAsker, EndpointRef, Served, identify, parse_endpoint
from restor.evaluation.ask.sampling import Sampling
from restor.types import Fact, Group, Query

KEY = "sk-secret-0123456789"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def queries(count):
    facts = [Fact(f"Ann {n}", "home", ("York",), f"Where does Ann {n} live?") for n in range(count)]
    return [Query(fact, Group.TEST, "Where does Bo live? Rome\n", fact.question) for fact in facts]


def asker(endpoint, *, kept=None, sampling=None, root="org/model", **settings):
    settings = {"model": "m", "base_url": endpoint.url, "timeout": 5.0, "concurrency": 4} | settings
    return EndpointAsker(
        EndpointRef(**settings),
        Served("m", root),
        max_new_tokens=9,
        sampling=sampling,
        kept=kept,
        sleep=lambda seconds: None,
    )


def ask(endpoint, what, *, heard=None, **settings):
    return [item.text for item in asker(endpoint, **settings).ask(what, [].append if heard is None else heard.append)]


def echo(body, number=0):
    """Answers with the name of who is asked about."""
    return completed(" " + body["prompt"].rsplit("does ", 1)[-1].split(" live")[0])


# What is sent --------------------------------------------------------------------------------------------------------


def test_the_whole_prompt_is_continued_greedily_up_to_the_newline():
    heard = []
    with Endpoint(echo) as endpoint:
        assert ask(endpoint, queries(10), heard=heard) == [f"Ann {n}" for n in range(10)]
    assert heard[-1] == 10
    body = next(body for body in endpoint.bodies if "Ann 3" in body["prompt"])
    assert body == {
        "model": "m",
        "prompt": "Where does Bo live? Rome\nWhere does Ann 3 live?",
        "max_tokens": 9,
        "temperature": 0.0,
        "stop": ["\n"],
    }
    assert set(endpoint.paths) == {"/v1/completions"}
    assert endpoint.headers[0]["authorization"] == f"Bearer {KEY}"


def test_sampled_answers_have_a_seed_of_their_own_that_the_order_does_not_change():
    sampling = Sampling(temperature=0.6, top_p=0.9, seed=3, runs=3)
    with Endpoint(echo) as endpoint:
        found = list(asker(endpoint, sampling=sampling, extra={"top_k": -1}).ask(queries(4), lambda done: None))
        assert [(item.query.fact.subject, item.run) for item in found[:4]] == [
            *(("Ann 0", run) for run in range(3)),
            ("Ann 1", 0),
        ]
        seeds = {(body["prompt"], body["seed"]) for body in endpoint.bodies}
        assert len({seed for _, seed in seeds}) == 12
        assert all(0 <= seed < 2**31 for _, seed in seeds)
        assert all((body["temperature"], body["top_p"], body["top_k"]) == (0.6, 0.9, -1) for body in endpoint.bodies)
    with Endpoint(echo) as again:
        ask(again, queries(4)[::-1], sampling=sampling)
        assert {(body["prompt"], body["seed"]) for body in again.bodies} == seeds


@pytest.mark.parametrize(
    ("text", "finish", "answer"),
    [
        (" York", "length", "York"),
        ("", "stop", ""),
        (" York\nWhere", "stop", "York"),
        (" York ", None, "York"),
        (" Y\ud800rk", "stop", "Y?rk"),
    ],
)
def test_an_answer_may_be_cut_or_empty_and_ends_at_the_newline(text, finish, answer):
    with Endpoint(lambda body, number: completed(text, finish=finish)) as endpoint:
        assert ask(endpoint, queries(1)) == [answer]


@pytest.mark.parametrize("bad", [completed("x", finish="abort"), Reply(b'{"choices": [{"text": 3}]}'), Reply(b"no")])
def test_what_is_no_answer_is_asked_again(bad):
    with Endpoint(lambda body, number: bad if number == 0 else echo(body)) as endpoint:
        assert ask(endpoint, queries(1)) == ["Ann 0"]
        assert len(endpoint.bodies) == 2


# What is kept --------------------------------------------------------------------------------------------------------


def test_a_question_without_an_answer_ends_the_work_and_the_rest_is_kept(tmp_path):
    def answer(body, number):
        return error(400, "prompt too long") if "Ann 5" in body["prompt"] else echo(body)

    with Endpoint(answer) as endpoint, pytest.raises(ChatError, match=r"1 of 9 questions.*Ann 5.*prompt too long"):
        ask(endpoint, queries(9), kept=tmp_path)
    with Endpoint(echo) as endpoint:
        assert ask(endpoint, queries(9), kept=tmp_path) == [f"Ann {n}" for n in range(9)]
        assert len(endpoint.bodies) == 1
    with Endpoint(echo) as endpoint:  # other fields of the request are another question
        ask(endpoint, queries(1), kept=tmp_path, extra={"top_k": 1})
        assert len(endpoint.bodies) == 1
    with Endpoint(echo) as endpoint:  # and another model under the same name gives answers of its own
        ask(endpoint, queries(1), kept=tmp_path, root="org/other")
        assert len(endpoint.bodies) == 1


def test_any_number_of_questions_is_asked_a_part_at_a_time(monkeypatch):
    monkeypatch.setattr("restor.evaluation.ask.endpoint.AT_ONCE", 4)
    heard, taken = [], []

    def many():
        for query in queries(11):
            taken.append(query)
            yield query

    with Endpoint(echo) as endpoint:
        answers = asker(endpoint).ask(many(), heard.append)
        assert next(answers).text == "Ann 0"
        assert len(taken) == 4
        assert [item.text for item in answers] == [f"Ann {n}" for n in range(1, 11)]
    assert heard[-1] == 11
    assert heard == sorted(heard)


RUN = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from types import SimpleNamespace
from test_endpoint import ask, queries
ask(SimpleNamespace(url={url!r}), queries(60), kept=Path({kept!r}), concurrency=2)
"""


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
def test_a_killed_run_goes_on_with_what_was_answered(tmp_path):
    stuck = threading.Event()

    def answer(body, number):
        if number < 20:
            return echo(body)
        stuck.set()
        return Reply(hang=True)

    with Endpoint(answer) as endpoint:
        path = [item for item in sys.path if item]
        code = textwrap.dedent(RUN).format(path=path, url=endpoint.url, kept=str(tmp_path))
        process = subprocess.Popen([sys.executable, "-c", code])
        try:
            assert stuck.wait(60)
            while len(endpoint.bodies) < 22:  # both workers hang: what came before is through
                assert process.poll() is None
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    with Endpoint(echo) as endpoint:
        assert ask(endpoint, queries(60), kept=tmp_path) == [f"Ann {n}" for n in range(60)]
        assert len(endpoint.bodies) == 40


# Which model ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (None, Served("m")),
        (Reply(b"nothing"), Served("m")),
        (serving(), Served("m")),
        (serving("other", "m"), Served("m")),
        (serving({"id": "m", "root": "m", "parent": None}), Served("m")),
        (serving({"id": "m", "root": "/models/x", "created": 5}), Served("m", "/models/x")),
        (serving({"id": "m", "root": "/lora", "parent": "base"}, {"id": "base"}), Served("m", "/lora", "base")),
    ],
)
def test_a_served_model_is_what_the_server_says_of_it(models, expected):
    with Endpoint(echo, models) as endpoint:
        assert identify(EndpointRef(model="m", base_url=endpoint.url)) == expected


def test_a_model_that_is_not_served_a_wrong_key_and_nobody_there_are_told():
    with Endpoint(echo, serving("my-model", "base")) as endpoint:
        with pytest.raises(ChatError, match=r"does not serve 'mymodel'. Did you mean 'my-model'\? It serves my-model"):
            identify(EndpointRef(model="mymodel", base_url=endpoint.url))
        url = endpoint.url
    with Endpoint(echo, error(401, f"wrong {KEY}")) as endpoint, pytest.raises(ChatError, match="refuses") as caught:
        identify(EndpointRef(model="m", base_url=endpoint.url))
    assert KEY not in str(caught.value)
    with pytest.raises(ChatError, match="does not answer: no connection"):
        identify(EndpointRef(model="m", base_url=url))


def test_a_served_model_as_text():
    ref = parse_endpoint("endpoint:http://localhost:8000/v1/#org/my-model")
    assert (ref.base_url, ref.model) == ("http://localhost:8000/v1", "org/my-model")
    for text, words in (
        ("endpoint:", "lacks the URL"),
        ("endpoint:http://here/v1", "lacks the model"),
        ("endpoint:here#m", "must be an address"),
        ("endpoint:http://me:pw@here/v1#m", "must be an address"),
    ):
        with pytest.raises(ConfigError, match=rf"{words}.*endpoint:URL#MODEL"):
            parse_endpoint(text)
    with pytest.raises(ValueError, match="seed cannot be set here"):
        EndpointRef(model="m", extra={"seed": 1})


# A whole comparison --------------------------------------------------------------------------------------------------

PEOPLE = ("Ada Stone", "Bo Marsh", "Cy Vale", "Di Frost", "Ed Wells", "Flo Reed", "Gil Moor", "Hal Pike")
PLACES = ("York", "Rome", "Oslo", "Bonn", "Lima", "Kyiv", "Bern", "Cork")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A random model that says different things, as a folder, and the facts it is asked about."""
    import torch

    from restor.models.checkpoint import new_llama, save_model
    from restor.models.tokenizer import bpe_tokenizer

    folder = tmp_path_factory.mktemp("tiny")
    lines = [f"Where was {name} born? {place}\n" for name in PEOPLE for place in PLACES]
    tokenizer = bpe_tokenizer(iter(lines), 340)
    model = new_llama(tokenizer=tokenizer, hidden=32, intermediate=48, layers=2, heads=2, context=256, seed=1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(5)
    save_model(model, tokenizer, folder / "model")
    rows = [
        {"subject": name, "relation": "P19", "question": f"Where was {name} born?", "answers": [place]}
        for name, place in zip(PEOPLE, PLACES, strict=True)
    ]
    (folder / "facts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


class ServedModel:
    """A completions endpoint with a real model behind it, one token and one whole string at a time."""

    def __init__(self, folder):
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.model = AutoModelForCausalLM.from_pretrained(folder)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.lock = threading.Lock()

    def answer(self, body, number=0):
        import torch

        assert body["temperature"] == 0
        with self.lock, torch.inference_mode():
            ids = list(self.tokenizer(body["prompt"])["input_ids"])
            start, text, finish = len(ids), "", "length"
            while len(ids) < start + body["max_tokens"] and finish == "length":
                token = int(self.model(torch.tensor([ids])).logits[0, -1].argmax())
                ids.append(token)
                text = self.tokenizer.decode(ids[start:], skip_special_tokens=True)
                if token == self.tokenizer.eos_token_id or any(stop in text for stop in body["stop"]):
                    finish = "stop"
            return completed(text.split("\n")[0], finish=finish)


def compared(tiny, endpoint, store, **more):
    from restor.models.model_ref import ModelRef
    from restor.progress import Silent
    from restor.runner.compare import ComparisonConfig, compare

    config = ComparisonConfig(
        models={"here": ModelRef(path=str(tiny / "model"), device="cpu")},
        endpoints={"there": EndpointRef(model="tiny", base_url=endpoint.url, **more)},
        domain=TriplesConfig(facts=tiny / "facts.jsonl"),
        threads=1,
    )
    return compare(config, store=store, progress=Silent())


def test_a_served_model_answers_as_it_does_here_and_its_log_probs_are_a_gap_with_a_reason(tiny, tmp_path):
    models = serving({"id": "tiny", "root": "/data/tiny"})
    with Endpoint(ServedModel(tiny / "model").answer, models) as endpoint:
        outcome = compared(tiny, endpoint, tmp_path / "store")
        assert len(endpoint.bodies) == len(PEOPLE)
    facts = pq.read_table(outcome.folder / "facts.parquet").to_pylist()
    here, there = ([row for row in facts if row["arm"] == f"{name}/s0"] for name in ("here", "there"))
    assert len(here) == len(PEOPLE)
    said = {row["subject"]: row["completion"] for row in here}
    assert len(set(said.values())) > 2  # a model that always says the same would prove nothing
    assert {row["subject"]: row["completion"] for row in there} == said
    for name in ("logprob_original", "logprob_random", "rank_original", "n_candidates"):
        assert all(row[name] is not None for row in here)
        assert all(row[name] is None for row in there)
    arm = next(arm for arm in outcome.results.summary if arm.arm == "there")
    assert arm.model == "served as tiny (root /data/tiny)"
    assert arm.lineage == []
    assert arm.metrics["test.original"].value is not None
    assert arm.metrics["logprob.original"].value is None
    assert "no log-probs" in arm.metrics["logprob.original"].note
    note = next(note for note in outcome.results.study.notes if note.startswith("there"))
    assert "cannot be checked" in note
    assert "Log-probs and ranks" in note
    page = (outcome.folder / "report.html").read_text(encoding="utf-8")
    assert "served as tiny" in page
    assert "cannot be checked" in page


def test_answers_belong_to_what_is_served_and_not_to_where(tiny, tmp_path):
    served, store = ServedModel(tiny / "model"), tmp_path / "store"
    with Endpoint(served.answer, serving({"id": "tiny", "root": "a"})) as endpoint:
        first = compared(tiny, endpoint, store)
    with Endpoint(served.answer, serving({"id": "tiny", "root": "a"})) as elsewhere:
        again = compared(tiny, elsewhere, store, concurrency=1, timeout=7)
        assert elsewhere.bodies == []
        assert again.folder == first.folder
        elsewhere.models = serving({"id": "tiny", "root": "b"})
        assert compared(tiny, elsewhere, store).folder != first.folder
        assert len(elsewhere.bodies) == len(PEOPLE)
        asked = compared(tiny, elsewhere, store, extra={"repetition_penalty": 1.0})
        assert len(elsewhere.bodies) == 2 * len(PEOPLE)
    everything = b"".join(path.read_bytes() for path in store.rglob("*") if path.is_file())
    assert KEY.encode() not in everything
    assert asked.folder.exists()


def test_an_endpoint_that_fails_in_between_loses_nothing(tiny, tmp_path):
    served = ServedModel(tiny / "model")

    def answer(body, number):
        return served.answer(body) if number < 5 else error(401, "expired")

    with Endpoint(answer, serving("tiny")) as endpoint:
        with pytest.raises(ChatError, match="refuses the key"):
            compared(tiny, endpoint, tmp_path / "store", concurrency=1)
        endpoint.answer = served.answer
        outcome = compared(tiny, endpoint, tmp_path / "store")
        assert len(endpoint.bodies) == 6 + len(PEOPLE) - 5
    assert outcome.results.summary


def test_the_published_protocol_draws_its_answers_and_no_checkpoint_is_needed(tiny, tmp_path):
    from restor.evaluation.config import EvaluationConfig
    from restor.progress import Silent
    from restor.runner.compare import ComparisonConfig, compare

    def answer(body, number):
        assert (body["temperature"], body["top_p"]) == (0.6, 0.9)
        return completed(f" {body['seed']}")

    with Endpoint(answer, serving("m")) as endpoint:
        config = ComparisonConfig(
            endpoints={"clean": EndpointRef(model="m", base_url=endpoint.url)},
            domain=TriplesConfig(facts=tiny / "facts.jsonl"),
            evaluation=EvaluationConfig(protocol="published", asked="listed"),
            threads=1,
        )
        outcome = compare(config, store=tmp_path, progress=Silent())
        said = {(body["prompt"], str(body["seed"])) for body in endpoint.bodies}
    facts = [row for row in pq.read_table(outcome.folder / "facts.parquet").to_pylist() if row["arm"] == "clean/s0"]
    assert [row["run"] for row in facts] == [0, 1, 2] * len(PEOPLE)
    assert {(row["prompt"], row["completion"]) for row in facts} == said
    assert len(said) == 3 * len(PEOPLE)
    [arm] = [arm for arm in outcome.results.summary if arm.arm == "clean"]
    assert (arm.label, arm.kind.value, arm.model) == ("Clean", "reference", "served as m")


def test_a_name_stands_for_one_model():
    from restor.models.model_ref import ModelRef
    from restor.runner.compare import ComparisonConfig

    domain, ref = TriplesConfig(facts="facts.jsonl"), EndpointRef(model="m")
    with pytest.raises(ValueError, match="clean: both a checkpoint and a served model"):
        ComparisonConfig(models={"clean": ModelRef(path="a/b")}, endpoints={"clean": ref}, domain=domain)
    with pytest.raises(ValueError, match="at least one"):
        ComparisonConfig(domain=domain)


def test_a_served_model_on_the_command_line(tiny):
    from restor.cli.arguments import Loading
    from restor.cli.evaluate import QuestionOptions, build_comparison, parse_models

    config = build_comparison(
        parse_models(("clean=org/model", "there=endpoint:http://localhost:8000/v1#my-model")),
        QuestionOptions(facts=tiny / "facts.jsonl"),
        Loading(device="cpu"),
        changes=("endpoints.there.concurrency=64", "endpoints.there.extra={top_k: -1}"),
    )
    assert list(config.models) == ["clean"]
    ref = config.endpoints["there"]
    assert (ref.base_url, ref.model, ref.concurrency) == ("http://localhost:8000/v1", "my-model", 64)
    assert ref.extra == {"top_k": -1}
