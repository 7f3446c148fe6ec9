"""A judge with a real, tiny model on this machine: what it is asked, and that nothing it writes does any harm."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from chat_endpoint import Endpoint, completed, serving
from random_models import speaker
from restor.chat import ChatRequest
from restor.cli.main import main
from restor.domains.triples import TriplesConfig
from restor.errors import DataError
from restor.evaluation.ask.endpoint import EndpointRef
from restor.evaluation.ask.local_chat import LocalChat, build_judge, local_model
from restor.evaluation.config import EvaluationConfig
from restor.evaluation.judges.base import JUDGES
from restor.evaluation.judges.llm import Llm
from restor.models.checkpoint import new_llama, save_model
from restor.models.model_ref import ModelRef
from restor.models.tokenizer import bpe_tokenizer
from restor.models.tokenizer_loading import load_tokenizer
from restor.progress import Silent
from restor.report.io.load import load_facts
from restor.results import FACT_COLUMNS, Arm, Results, Study
from restor.runner.compare import ComparisonConfig, compare
from restor.runner.plan import Judging
from restor.tasks.base import Ref
from restor.types import Completion, Fact, Group, Judgement, Kind, Query

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
UNTHINKING = TEMPLATE + "{% if enable_thinking is defined and not enable_thinking %}At once:{% endif %}"
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + TEMPLATE


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("RESTOR_CACHE", str(tmp_path / "cache"))


def make(folder, *, context=4096, template=None):
    lines = ['Reply with JSON only: {"verdicts": [{"id": "0", "verdict": "A"}]}\n'] * 4
    tokenizer = bpe_tokenizer(iter(lines), 300)
    tokenizer.chat_template = template
    model = new_llama(tokenizer=tokenizer, hidden=32, intermediate=48, layers=2, heads=2, context=context, seed=1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(5)
    save_model(model, tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("judge") / "tiny")


def whole(folder, prompt, most, *, special):
    """The greedy continuation of a prompt, one whole string at a time."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ids = list(tokenizer(prompt, add_special_tokens=special)["input_ids"])
    start = len(ids)
    with torch.inference_mode():
        while len(ids) < start + most:
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
            if ids[-1] == tokenizer.eos_token_id:
                break
    return tokenizer.decode(ids[start:], skip_special_tokens=True), start, len(ids) - start


REQUESTS = [ChatRequest("Be brief.", text) for text in ("Is it A?", "Is it B, or\nneither of them?", "Is it A?")]


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        (None, "Be brief.\n\n{}\n"),
        (TEMPLATE, "<bos><|system|>Be brief.\n<|user|>{}\n<|assistant|>"),
        (UNTHINKING, "<bos><|system|>Be brief.\n<|user|>{}\n<|assistant|>At once:"),
        (NO_SYSTEM, "<bos><|user|>Be brief.\n\n{}\n<|assistant|>"),
    ],
    ids=["plain", "template", "could think", "no system role"],
)
def test_requests_are_put_as_the_model_knows_them_and_answered_greedily(tmp_path, template, prompt):
    folder = make(tmp_path / "model", template=template)
    written = list(LocalChat(ModelRef(path=str(folder), device="cpu"))(REQUESTS, 12))
    assert len(written) == 3
    for request, own in zip(REQUESTS, written, strict=True):
        text, before, behind = whole(folder, prompt.format(request.user), 12, special=template is None)
        assert own.text.strip() == text.strip()
        assert (own.prompt_tokens, own.completion_tokens) == (before, behind)
        assert (own.problem is not None) == (behind == 12)
    assert "raise local.max_tokens" in next(own.problem for own in written if own.problem)


def test_a_reply_is_whole_that_ends_with_the_last_token_it_may_have(tiny, monkeypatch):
    tokenizer = load_tokenizer(tiny)
    reply = [*tokenizer("OK", add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    request = ChatRequest("Be brief.", "Is it A?")
    prompt = tokenizer(f"{request.system}\n\n{request.user}\n")["input_ids"]
    net = speaker(len(tokenizer), reply, behind=len(prompt))
    monkeypatch.setattr(LocalChat, "_load", lambda self: (net, tokenizer))
    write = LocalChat(ModelRef(path=str(tiny), device="cpu"))
    whole_one, cut = (next(write([request], most)) for most in (len(reply), len(reply) - 1))
    assert (whole_one.text, whole_one.problem) == ("OK", None)
    assert "raise local.max_tokens" in cut.problem


def test_a_request_that_does_not_fit_is_a_problem_of_its_own(tmp_path):
    folder = make(tmp_path / "model", context=64)
    long = ChatRequest("Be brief.", "x" * 400)
    write = LocalChat(ModelRef(path=str(folder), device="cpu"))
    requests = [long, REQUESTS[0], long, long, REQUESTS[1], long]
    written = list(write(requests, 4))
    fits = ["do not fit the model's context of 64" not in (own.problem or "") for own in written]
    assert fits == [False, True, False, False, True, False]
    assert [own.text for own in written if own.text] == [own.text for own in write(REQUESTS[:2], 4)]
    assert next(write([long], 4)).problem
    assert list(write([], 4)) == []


def config_of(folder, **more):
    return JUDGES.parse({"name": "llm", "local": {"model": {"path": str(folder), "device": "cpu"}, **more}})


def test_a_random_model_leaves_everything_unscored_and_says_why(tiny):
    facts = [Fact(f"Ann {n}", "home", ("Paris",), f"Where does Ann {n} live?") for n in range(6)]
    asked = [Completion(Query(fact, Group.TEST, "", fact.question, "Rome"), "Paris") for fact in facts]
    judge = build_judge(config_of(tiny, max_tokens=8))
    verdicts = judge.judge([*asked, Completion(asked[0].query, " ")])
    assert [item.judgement for item in verdicts] == [Judgement.UNSCORED] * 6 + [Judgement.OTHER]
    assert all("no verdict of tiny: its reply" in item.reason for item in verdicts[:6])
    assert judge.usage.requests == 1 + 2 + 4 + 4  # six; threes; ones and twos; ones
    assert judge.usage.prompt_tokens > 0


def test_nothing_is_loaded_before_there_is_something_to_ask(tiny, monkeypatch):
    monkeypatch.setattr(LocalChat, "_load", lambda self: pytest.fail("loaded"))
    query = Query(Fact("Ann", "home", ("Paris",), "Where?"), Group.TEST, "", "Where?")
    [verdict] = build_judge(config_of(tiny)).judge([Completion(query, "  ")])
    assert verdict.judgement is Judgement.OTHER


def test_verdicts_belong_to_the_weights(tmp_path):
    answers, questions = Ref(kind="ask", key="a"), Ref(kind="questions", key="q")

    def key():
        return Judging(config_of(folder)).verdicts(answers, questions, 0).key

    folder = make(tmp_path / "model")
    before = key()
    assert key() == before
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert key() != before
    assert local_model(JUDGES.parse("alias")) is None
    assert isinstance(build_judge(config_of(folder)), Llm)


def test_a_comparison_is_judged_by_a_model_on_this_machine(tiny, tmp_path):
    people = [f"Ann {n}" for n in range(7)]
    rows = [{"subject": name, "relation": "r", "question": f"Where is {name}?", "answers": ["Rome"]} for name in people]
    (tmp_path / "facts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with Endpoint(lambda body, number: completed(" Rome"), serving("m")) as endpoint:
        config = ComparisonConfig(
            endpoints={"clean": EndpointRef(model="m", base_url=endpoint.url)},
            domain=TriplesConfig(facts=tmp_path / "facts.jsonl"),
            evaluation=EvaluationConfig(asked="listed", judge=config_of(tiny, max_tokens=8)),
            threads=1,
            device="cpu",
        )
        outcome = compare(config, store=tmp_path / "store", progress=Silent())
    facts = load_facts(outcome.folder)
    assert set(facts.column("judgement").to_pylist()) == {"unscored"}
    assert all("no verdict of tiny: its reply" in reason for reason in facts.column("reason").to_pylist())
    manifest = json.loads(
        next((tmp_path / "store").glob("artifacts/judge_here-*/manifest.json")).read_text(encoding="utf-8")
    )
    assert manifest["task"]["content"]["model"]["files"]["model.safetensors"]
    assert manifest["info"]["unscored"] == 7
    assert manifest["info"]["usage"]["requests"] > 7


def test_stored_answers_are_judged_by_a_model_on_this_machine(tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tiny.parent)
    columns = {"arm": "clean/s0", "seed": 0, "relation": "home", "group": "test", "prompt": "Where?", "planted": "Rome"}
    columns |= {"question": "Where?", "answers": ["Paris"], "answer_shown": False, "run": 0, "judgement": "other"}
    rows = [{**columns, "subject": f"Ann {n}", "completion": "Paris", "reason": ""} for n in range(3)]
    arm = Arm(id="clean/s0", label="Clean", arm="clean", kind=Kind.REFERENCE, seed=0, seeds=[0])
    study = Study(name="toy", id="toy-1", created="2025-01-01T00:00:00Z", seeds=[0], config={})
    folder = tmp_path / "toy-1"
    folder.mkdir()
    results = Results(study=study, arms=[arm], summary=[arm.model_copy(update={"id": "clean", "seed": None})])
    (folder / "results.json").write_text(results.model_dump_json(), encoding="utf-8")
    table = pa.Table.from_pylist([dict.fromkeys(FACT_COLUMNS) | row for row in rows])
    pq.write_table(table, folder / "facts.parquet")
    # A relative path is stored as an absolute one, so that what is stored says which model it was.
    given = ("--local", "tiny", "--set", "local.max_tokens=8", "--set", "local.model.device=cpu", "--quiet", "--json")
    assert main(["judge", str(folder), *given]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["unscored"] == 3
    assert shown["usage"]["requests"] > 0
    new = tmp_path / "toy-1-judged-by-llm"
    assert all("no verdict of tiny" in reason for reason in load_facts(new).column("reason").to_pylist())
    stored = json.loads((new / "results.json").read_text(encoding="utf-8"))["study"]["config"]
    assert stored == {} or str(tiny) in json.dumps(stored)
    assert main(["judge", str(folder), "--local", "nowhere", "--out", str(tmp_path / "x")]) == 1
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{% for", "cannot be used: .*end of"),
        ("{{ 'a' + 1 }}", "cannot be used: "),
        ("{{ nobody.there.is }}", "cannot be used: 'nobody' is undefined"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "more than 1 s or 2 GB"),
        pytest.param(
            "{% set x = 'a' * 1000000000 %}{% for a in range(99) %}{{ x }}{% endfor %}",
            "cannot be used: ",
            marks=pytest.mark.nightly,  # seconds until the memory is used up
        ),
        ("{{ 'a' * 9000000 }}", "characters of a short chat"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "cannot be used: "),
    ],
)
def test_a_chat_template_that_cannot_be_used_is_told_in_one_message(tmp_path, monkeypatch, template, words):
    if "range(99999)" in template:
        monkeypatch.setattr("restor.models.apart.SECONDS", 1)
    folder = make(tmp_path / "judge", template="{{ messages }}")
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(DataError, match=words) as told:
        list(LocalChat(ModelRef(path=str(folder)))(REQUESTS, 4))
    assert "chat_template.jinja" in str(told.value)
    assert len(str(told.value)) < 700


def test_requests_beyond_one_rendering_keep_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr("restor.evaluation.ask.local_chat.RENDERED", 2)
    folder = make(tmp_path / "judge", template=TEMPLATE)
    parts = list(LocalChat(ModelRef(path=str(folder)))(REQUESTS, 4))
    monkeypatch.setattr("restor.evaluation.ask.local_chat.RENDERED", 1000)
    assert parts == list(LocalChat(ModelRef(path=str(folder)))(REQUESTS, 4))
