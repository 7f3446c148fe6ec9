"""The chat client against an endpoint that misbehaves."""

from __future__ import annotations

import json
import socket
import sqlite3
import sys
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pydantic import ValidationError

from chat_endpoint import Endpoint, Reply, error, said
from restor.chat import CACHE_FILE, ChatConfig, ChatFailure, ChatRequest, ChatRoute, ChatUsage, KeptReplies, ask_all
from restor.config import stable_hash, validation_message
from restor.errors import ChatError, StoreError
from restor.web import retry_after

KEY = "sk-secret-0123456789"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def requests(count, start=0):
    return [ChatRequest("Repeat.", f"word{number}") for number in range(start, start + count)]


def echo(body, number=0):
    return said(body["messages"][-1]["content"].upper())


def same(request, text):
    """Accepts the reply that belongs to the request, and nothing else."""
    if text != request.user.upper():
        raise ValueError(f"expected {request.user.upper()}, found {text[:20]}")
    return text


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self):
        self.slept = []
        self.time = 1000.0
        self._lock = threading.Lock()

    def sleep(self, seconds):
        with self._lock:
            self.slept.append(seconds)
            self.time += seconds

    def now(self):
        return self.time


def ask(endpoint, what, *, cache=None, clock=None, check=same, answered=False, advance=lambda done: None, **settings):
    clock = clock or Clock()
    url = endpoint if isinstance(endpoint, str) else endpoint.url
    settings = {"model": "m", "base_url": url, "concurrency": 4, "timeout": 5.0} | settings
    return ask_all(
        ChatRoute(ChatConfig(**settings)),
        what,
        check,
        cache=cache,
        advance=advance,
        answered=answered,
        sleep=clock.sleep,
        now=clock.now,
    )


def test_replies_come_in_the_order_of_the_requests_and_are_counted():
    heard = []
    with Endpoint(echo) as endpoint:
        outcome = ask(endpoint, [*requests(20), *requests(3)], advance=heard.append, price_input=2.0, price_output=10.0)
    assert outcome.results == tuple(f"WORD{n}" for n in (*range(20), 0, 1, 2))
    assert len(endpoint.bodies) == 20  # equal requests are one
    assert heard[-1] == 23
    assert heard == sorted(heard)
    # 20 requests of 100 + 10 tokens: 2000 * 2 / 1e6 + 200 * 10 / 1e6
    assert outcome.usage == ChatUsage(20, 0, 0, 2000, 200, pytest.approx(0.006))


def test_what_is_sent():
    schema = {"type": "object"}
    with Endpoint(lambda body, number: said("{}")) as endpoint:
        for structured in ("json_schema", "json_object", "text"):
            ask(
                endpoint,
                [ChatRequest("Do.", "it \ud800", schema)],
                check=lambda request, text: text,
                structured=structured,
                max_tokens=7,
            )
        ask(endpoint, [ChatRequest("Do.", "it")], check=lambda request, text: text, temperature=None)
    first, second, third, bare = endpoint.bodies
    assert first["model"] == "m"
    assert first["temperature"] == 0.0
    assert first["max_tokens"] == 7
    assert first["messages"] == [{"role": "system", "content": "Do."}, {"role": "user", "content": "it ?"}]
    assert first["response_format"]["json_schema"] == {"name": "reply", "strict": True, "schema": schema}
    assert second["response_format"] == {"type": "json_object"}
    assert "response_format" not in third
    assert not {"temperature", "max_tokens", "response_format"} & set(bare)
    assert endpoint.headers[0]["authorization"] == f"Bearer {KEY}"


def test_kept_replies_are_found_again_by_another_version():
    """A changed key would ask, and pay, for everything that users have kept."""
    request = ChatRequest("Do.", "it \ud800", {"type": "object"})
    keys = {
        "json_schema": "27db88c1a1a560fec224d8745e66e37e6c7a7f23",
        "json_object": "e2c46e092fe80bedab35a3b87aae563a3d27d631",
        "text": "cf4a353dc04c93bb4bfea1118c794398a06456c1",
    }
    for structured, key in keys.items():
        config = ChatConfig(model="m", structured=structured, max_tokens=7, base_url="http://h/v1", timeout=3)
        assert stable_hash(ChatRoute(config).identity(request), 40) == key


BAD = {
    "busy": error(429, "slow down"),
    "broken": error(500, "oops"),
    "gateway": Reply(b"<html>bad gateway</html>", 502),
    "not JSON": Reply(b"hello"),
    "JSON of another shape": Reply(b'{"choices": []}'),
    "a list": Reply(b"[1, 2]"),
    "no content": said(None),
    "blank": said("  "),
    "cut at the limit": said("WORD0", finish="length"),
    "withheld": said("WORD0", finish="content_filter"),
    "refused by the check": said("something else"),
    "connection lost": Reply(b"x" * 1000, cut=True),
    "hangs": Reply(hang=True),
}


@pytest.mark.parametrize("what", BAD)
def test_what_may_pass_is_tried_again(what):
    with Endpoint(lambda body, number: BAD[what] if number < 2 else echo(body)) as endpoint:
        outcome = ask(endpoint, requests(1), timeout=0.8 if what == "hangs" else 5.0)
    assert outcome.results == ("WORD0",)
    assert outcome.usage.requests == 3
    assert outcome.usage.retries == 2


def test_rests_double_with_jitter():
    clock = Clock()
    with Endpoint(lambda body, number: said("no") if number < 5 else echo(body)) as endpoint:
        ask(endpoint, requests(1), clock=clock, attempts=6)
    assert len(clock.slept) == 5
    for place, slept in enumerate(clock.slept):
        assert 0.5 * 2**place <= slept <= 2**place
    assert len({slept / 2**place for place, slept in enumerate(clock.slept)}) == 5


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_an_endpoint_that_wants_to_be_left_alone_is_left_alone_by_everyone(form):
    clock = Clock()

    def answer(body, number):
        if number:
            return echo(body)
        later = format_datetime(datetime.now(UTC) + timedelta(seconds=31), usegmt=True)
        return error(429, "busy", retry_after="30" if form == "seconds" else later)

    with Endpoint(answer) as endpoint:
        outcome = ask(endpoint, requests(3), clock=clock, concurrency=1)
    assert outcome.results == ("WORD0", "WORD1", "WORD2")
    assert 29 <= sum(clock.slept) <= 32


def test_the_rate_limit_spaces_requests():
    clock = Clock()
    with Endpoint(echo) as endpoint:
        ask(endpoint, requests(10), clock=clock, concurrency=1, requests_per_minute=30)
    assert clock.slept == pytest.approx([2.0] * 9)


def test_a_request_that_always_fails_is_a_failure_and_the_others_are_answered():
    def answer(body, number):
        return error(500, "no") if body["messages"][-1]["content"] == "word1" else echo(body)

    with Endpoint(answer) as endpoint:
        outcome = ask(endpoint, requests(6), attempts=3)
    assert [item for item in outcome.results if isinstance(item, str)] == ["WORD0", "WORD2", "WORD3", "WORD4", "WORD5"]
    failure = outcome.results[1]
    assert isinstance(failure, ChatFailure)
    assert "HTTP 500" in failure.reason
    assert "3 times" in failure.reason
    assert len(endpoint.bodies) == 5 + 3


def test_a_request_that_the_endpoint_refuses_is_not_repeated():
    def answer(body, number):
        return error(400, "too long") if body["messages"][-1]["content"] == "word0" else echo(body)

    with Endpoint(answer) as endpoint:
        outcome = ask(endpoint, requests(2))
    assert "too long" in outcome.results[0].reason
    assert outcome.results[1] == "WORD1"
    assert len(endpoint.bodies) == 2


def test_settings_that_the_endpoint_does_not_take_end_the_work_with_a_hint():
    with Endpoint(lambda body, number: error(400, "response_format not supported")) as endpoint:
        with pytest.raises(ChatError, match=r"response_format not supported.*structured=json_object"):
            ask(endpoint, requests(20), concurrency=1)
        assert len(endpoint.bodies) == 3
        # Where the endpoint has proved itself, only these requests have failed.
        failed = ask(endpoint, requests(20), concurrency=1, answered=True).results
    assert all(isinstance(item, ChatFailure) for item in failed)


def test_an_endpoint_that_only_fails_ends_the_work():
    with Endpoint(lambda body, number: error(503, "down")) as endpoint:
        with pytest.raises(ChatError, match="3 requests in a row"):
            ask(endpoint, requests(50), attempts=2, concurrency=1)
        assert len(endpoint.bodies) == 6


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, "invalid_api_key", "refuses the key in OPENAI_API_KEY"),
        (403, None, "does not allow this key"),
        (404, "model_not_found", "does not know the model 'm'"),
        (429, "insufficient_quota", "no credit left"),
    ],
)
def test_what_cannot_pass_ends_the_work_at_once_and_no_message_has_the_key(status, code, words, tmp_path):
    def answer(body, number):
        return echo(body) if number < 2 else error(status, f"Bad key {KEY} in Bearer {KEY}", code)

    with Endpoint(answer) as endpoint:
        with pytest.raises(ChatError) as caught:
            ask(endpoint, requests(9), concurrency=1, cache=tmp_path)
        assert len(endpoint.bodies) == 3
    message = str(caught.value)
    assert words in message
    assert "kept" in message
    shown, cause = "", caught.value
    while cause is not None:
        shown += str(cause) + repr(cause.args)
        cause = None if cause.__suppress_context__ else (cause.__cause__ or cause.__context__)
    assert KEY not in shown
    assert KEY.encode() not in (tmp_path / CACHE_FILE).read_bytes()
    with Endpoint(echo) as endpoint:  # what was answered before is kept
        assert ask(endpoint, requests(9), cache=tmp_path).usage.cached == 2


def test_an_endpoint_that_is_not_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(ChatError, match=r"does not answer: no connection.*Tried 2 times") as caught:
            ask(url, requests(5), attempts=2)
    assert url in str(caught.value)


def test_an_endpoint_that_hangs_from_the_start_is_not_there():
    silent = Endpoint(lambda body, number: Reply(hang=True))
    with silent as endpoint, pytest.raises(ChatError, match=r"no answer within 0\.2 seconds"):
        ask(endpoint, requests(2), attempts=2, timeout=0.2)


def test_an_endpoint_that_wants_hours_is_not_waited_for():
    with Endpoint(lambda body, number: error(429, "come tomorrow", retry_after="80000")) as endpoint:
        with pytest.raises(ChatError, match="80000 seconds"):
            ask(endpoint, requests(5), concurrency=1)
        assert len(endpoint.bodies) == 1


def test_an_error_of_the_check_itself_is_not_swallowed():
    def broken(request, text):
        raise ZeroDivisionError

    with Endpoint(echo) as endpoint, pytest.raises(ZeroDivisionError):
        ask(endpoint, requests(3), check=broken)


# The cache -----------------------------------------------------------------------------------------------------------


def test_a_second_run_asks_nothing_and_costs_nothing(tmp_path):
    with Endpoint(echo) as endpoint:
        first = ask(endpoint, requests(5), cache=tmp_path)
        again = ask(endpoint, requests(7), cache=tmp_path, concurrency=1, timeout=9, price_input=1.0)
        other = ask(endpoint, requests(5), cache=tmp_path, model="other")
    assert first.results == again.results[:5]
    assert again.usage == ChatUsage(2, 0, 5, 200, 20, pytest.approx(0.0002))
    assert other.usage.cached == 0
    with Endpoint(echo) as elsewhere:  # the place does not count
        assert ask(elsewhere, requests(7), cache=tmp_path).usage.cached == 7
        assert elsewhere.bodies == []


def test_failures_are_not_kept(tmp_path):
    with Endpoint(lambda body, number: echo(body) if "0" in str(body) and number == 0 else said("no")) as endpoint:
        outcome = ask(endpoint, requests(2), cache=tmp_path, attempts=2, concurrency=1)
    assert isinstance(outcome.results[1], ChatFailure)
    with Endpoint(echo) as endpoint:
        assert ask(endpoint, requests(2), cache=tmp_path).results == ("WORD0", "WORD1")
        assert endpoint.users == ["word1"]


def test_kept_replies_that_a_stricter_check_refuses_are_asked_again(tmp_path):
    with Endpoint(lambda body, number: said("anything")) as endpoint:
        ask(endpoint, requests(2), cache=tmp_path, check=lambda request, text: text)
    with Endpoint(echo) as endpoint:
        assert ask(endpoint, requests(2), cache=tmp_path).results == ("WORD0", "WORD1")
        assert len(endpoint.bodies) == 2


def test_a_reply_is_kept_before_it_is_told(tmp_path):
    seen = []

    def look(done):
        with sqlite3.connect(tmp_path / CACHE_FILE) as base:
            seen.append(base.execute("SELECT count(*) FROM kept").fetchone()[0])
        base.close()

    with Endpoint(echo) as endpoint:
        ask(endpoint, requests(4), cache=tmp_path, advance=look)
    assert seen == [1, 2, 3, 4]


def test_a_damaged_cache_is_told_and_not_overwritten(tmp_path):
    (tmp_path / CACHE_FILE).write_bytes(b"not a database, surely" * 100)
    with Endpoint(echo) as endpoint, pytest.raises(StoreError, match="damaged"):
        ask(endpoint, requests(1), cache=tmp_path)
    assert (tmp_path / CACHE_FILE).read_bytes().startswith(b"not a database")


def test_a_cache_in_a_place_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with Endpoint(echo) as endpoint, pytest.raises(StoreError, match="RESTOR_CACHE"):
        ask(endpoint, requests(1), cache=tmp_path / "file" / "cache")
    assert endpoint.bodies == []


def test_texts_are_kept_all_or_none(tmp_path):
    kept = KeptReplies(tmp_path / "a" / "kept.sqlite")
    kept.put({"a": "1", "b": "half \ud800"})
    other = sqlite3.connect(tmp_path / "a" / "kept.sqlite", isolation_level=None)
    other.execute("CREATE TRIGGER full BEFORE INSERT ON kept WHEN NEW.key = 'd' BEGIN SELECT RAISE(ABORT, 'full'); END")
    with pytest.raises(StoreError):
        kept.put({"a": "2", "c": "3", "d": "4"})
    other.close()
    assert kept.get("c") is None
    assert kept.get("a") == "1"
    assert kept.get("b") == "half ?"
    kept.close()


# Configuration -------------------------------------------------------------------------------------------------------


def test_a_key_in_place_of_its_variable_is_refused_and_not_repeated():
    with pytest.raises(ValidationError) as caught:
        ChatConfig(model="m", key_variable=KEY)
    assert KEY not in str(caught.value)
    assert KEY not in validation_message(caught.value, "chat")


@pytest.mark.parametrize("url", ["http://user:pw@host/v1", "host/v1", "ftp://host", "http://host/v1?key=1", ""])
def test_addresses_hold_no_secrets(url):
    with pytest.raises(ValidationError):
        ChatConfig(model="m", base_url=url)


def test_where_requests_go(monkeypatch):
    assert ChatConfig(model="m").endpoint() == "https://api.openai.com/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://here/v1")
    assert ChatConfig(model="m").endpoint() == "http://here/v1"
    assert ChatConfig(model="m", base_url="http://there/v1/").endpoint() == "http://there/v1"


def test_a_local_endpoint_needs_no_key_and_the_hosted_one_does(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with Endpoint(echo) as endpoint:
        assert ask(endpoint, requests(1)).results == ("WORD0",)
        assert KEY not in json.dumps(endpoint.headers)
    with pytest.raises(ChatError, match="set the environment variable MY_KEY"):
        ask_all(ChatRoute(ChatConfig(model="m", key_variable="MY_KEY")), requests(1), same, cache=None)
    with Endpoint(lambda body, number: error(401, "who?")) as endpoint, pytest.raises(ChatError, match="without a key"):
        ask(endpoint, requests(1))


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ChatError, match=r"pip install -e '\.\[judge\]'"):
        ask("http://127.0.0.1:9/v1", requests(1))


def test_nothing_to_ask_needs_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    assert ask("http://127.0.0.1:9/v1", []).results == ()


@pytest.mark.parametrize("said", ["9" * 400, "inf", "nan", f"Mon, 01 Jan {'9' * 30} 00:00:00 GMT", "\x1b"])
def test_a_time_to_wait_that_is_none(said):
    assert retry_after(said) is None
