"""Endpoints that want more of us than an answer: memory, time, our requests elsewhere, our secrets on the screen."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time

import pytest

import restor.chat.transport
from chat_endpoint import Endpoint, Reply, error, said, serving
from restor.chat import ChatConfig, ChatFailure, ChatRequest, ChatRoute, ask_all, served_models
from restor.errors import ChatError, ConfigError
from restor.evaluation.ask.endpoint import EndpointRef, parse_endpoint

HIDDEN = "hunter2"
VARIABLES = [name for word in ("http", "https", "all", "no") for name in (f"{word}_proxy", f"{word.upper()}_PROXY")]


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in (*VARIABLES, "OPENAI_BASE_URL", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "key")


def ask(url, count=1, **settings):
    settings = {"model": "m", "base_url": url, "attempts": 1, "concurrency": 1, "timeout": 5.0} | settings
    requests = [ChatRequest("Say.", f"word {number}") for number in range(count)]
    return ask_all(
        ChatRoute(ChatConfig(**settings)), requests, lambda request, text: text, cache=None, sleep=lambda _: None
    )


def reason(url, **settings):
    [result] = ask(url, **settings).results
    assert isinstance(result, ChatFailure), result
    return result.reason.removesuffix(" (tried once)")


class Raw:
    """A server that says bytes of its own: `talk(number)` yields them for each connection, `None` waits for a request.

    It counts what it could send.
    """

    def __init__(self, talk):
        self.talk = talk
        self.sent = 0
        self.requests = []

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.listener.close()

    def _accept(self):
        number = 0
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()
            number += 1

    def _serve(self, connection, number):
        with connection:
            try:
                for part in self.talk(number):
                    if part is None:
                        self.requests.append(self._hear(connection))
                    else:
                        connection.sendall(part)
                        self.sent += len(part)
            except OSError:
                return

    def _hear(self, connection):
        heard = b""
        while b"\r\n\r\n" not in heard:
            heard += connection.recv(65536)
        head, _, body = heard.partition(b"\r\n\r\n")
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b": 0")
        while len(body) < int(length.partition(b":")[2]):
            body += connection.recv(65536)
        return head.decode()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


# Size ----------------------------------------------------------------------------------------------------------------


def test_a_reply_without_end_is_given_up():
    def talk(number):
        yield None
        yield CHUNKED
        part = b"%x\r\n%s\r\n" % (2**20, b" " * 2**20)
        for _ in range(1500):
            yield part

    with Raw(talk) as server:
        assert reason(server.url) == "its reply is longer than 4 MB"
        assert server.sent < 20 * 2**20


def test_an_announced_length_is_believed_before_anything_is_read():
    def talk(number):
        yield None
        yield HEAD + b"Content-Length: 1500000000\r\n\r\n"
        yield b" "
        time.sleep(30)

    with Raw(talk) as server:
        assert reason(server.url) == "its reply is longer than 4 MB"


def test_the_list_of_models_and_the_text_of_an_error_have_the_limit_too(monkeypatch):
    monkeypatch.setattr(restor.chat.transport, "LARGEST", 2**20)
    with Endpoint(lambda body, number: Reply(b" " * 2**21, 400), models=serving("m" * 2**21)) as endpoint:
        assert reason(endpoint.url) == "its reply is longer than 1 MB"
        with pytest.raises(ChatError, match="its reply is longer than 1 MB"):
            served_models(EndpointRef(model="m", base_url=endpoint.url))


def test_a_compressed_reply_is_not_asked_for_and_not_unpacked():
    body = gzip.compress(said(" " * 10**7 + "yes").body)
    with Endpoint(lambda asked, number: Reply(body, 200, {"Content-Encoding": "gzip"})) as endpoint:
        assert reason(endpoint.url) == "its reply is compressed (gzip), which was not asked for"
        assert endpoint.headers[0]["accept-encoding"] == "identity"


# Time ----------------------------------------------------------------------------------------------------------------


def drips(start):
    def talk(number):
        yield None
        yield start
        while True:
            time.sleep(0.02)
            yield b" " if start.endswith(b"\r\n\r\n") else b"a"

    return talk


@pytest.mark.parametrize("start", [HEAD + b"Content-Length: 100000\r\n\r\n", HEAD + b"X-Name: "], ids=["body", "head"])
def test_a_reply_that_drips_ends(start):
    with Raw(drips(start)) as server:
        began = time.monotonic()
        with pytest.raises(
            ChatError, match=r"no answer within 0\.1 seconds, or none that ended within 10 times as many"
        ):
            ask(server.url, timeout=0.1)
        assert time.monotonic() - began < 10


def test_a_reply_that_drips_on_a_connection_that_had_answered_before():
    whole = said("yes").body

    def talk(number):
        yield None
        yield HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(whole), whole)
        yield from drips(HEAD + b"X-Name: ")(number)

    with Raw(talk) as server:
        first, second = ask(server.url, 2, timeout=0.1).results
    assert first == "yes"
    assert "none that ended" in second.reason
    assert len(server.requests) == 2, "on one connection"


def test_all_tries_of_a_request_have_one_deadline():
    with Raw(drips(HEAD + b"Content-Length: 100000\r\n\r\n")) as server:
        began = time.monotonic()
        with pytest.raises(ChatError, match=r"none that ended within 10 times as many\. Tried once"):
            ask(server.url, timeout=0.1, attempts=50)
        assert time.monotonic() - began < 10
    assert len(server.requests) == 1


def test_replies_that_drip_and_break_off_have_one_deadline_together():
    def talk(number):
        yield None
        yield HEAD + b"Content-Length: 100000\r\n\r\n"
        for _ in range(20):
            time.sleep(0.02)
            yield b" "

    with Raw(talk) as server, pytest.raises(ChatError, match=r"does not answer: .* Tried (once|\d times)"):
        ask(server.url, timeout=0.1, attempts=50)


def test_a_list_of_models_that_drips_ends():
    with (
        Raw(drips(HEAD + b"Content-Length: 100000\r\n\r\n")) as server,
        # On a busy machine a byte may be late, so that the limit of a single wait is met before that of all.
        pytest.raises(ChatError, match=r"does not answer: no connection \((the time is up|timed out)\)"),
    ):
        served_models(EndpointRef(model="m", base_url=server.url, timeout=0.1))


def test_redirects_have_one_deadline_together():
    def answer(body, number):
        time.sleep(0.15)
        return Reply(b"", 307, {"Location": f"/v1/elsewhere/{number}"})

    with Endpoint(answer) as endpoint:
        with pytest.raises(ChatError, match="none that ended within 10 times as many"):
            ask(endpoint.url, timeout=0.2, attempts=50)
        assert len(endpoint.paths) < 16, "in 2 seconds, and not the 20 redirects that the client would follow"


def test_a_slow_reply_is_waited_for_and_threads_keep_their_connections():
    def answer(body, number):
        time.sleep(0.05)
        return said("yes")

    with Endpoint(answer) as endpoint:
        outcome = ask(endpoint.url, 40, concurrency=8, timeout=2.0)
    assert outcome.results == ("yes",) * 40


# Elsewhere -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_redirect_to_another_host_is_refused_and_nothing_is_sent_there(status):
    with Endpoint(lambda body, number: said("stolen")) as other:
        target = other.url.replace("127.0.0.1", "localhost") + "/chat/completions"
        with Endpoint(lambda body, number: Reply(b"", status, {"Location": target})) as endpoint:
            with pytest.raises(ChatError, match="redirects to http://localhost, to which nothing was sent") as raised:
                ask(endpoint.url)
            assert endpoint.url in str(raised.value)
        assert other.bodies == []


def test_a_redirect_within_the_host_is_followed():
    def answer(body, number):
        return said("yes") if number else Reply(b"", 307, {"Location": "/v1/elsewhere"})

    with Endpoint(answer) as endpoint:
        assert ask(endpoint.url).results == ("yes",)
        assert endpoint.paths == ["/v1/chat/completions", "/v1/elsewhere"]


# Secrets and other values of the environment -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        f"http://user:{HIDDEN}@127.0.0.1:9/v1",
        f"http://127.0.0.1:9/v1?key={HIDDEN}",
        f"http://127.0.0.1:9/v1#{HIDDEN}",
        f"{HIDDEN}",
        f"http://[::1/{HIDDEN}",
        f"http://{'a' * 64}.invalid/{HIDDEN}",
        f"http://a..invalid/{HIDDEN}",
        f"http://127.0.0.1:{HIDDEN}/v1",
        f"http://127.0.0.1:99999999/{HIDDEN}",
        f"http://127.0.0.1:9/\x1b{HIDDEN}",
    ],
)
def test_an_address_of_the_environment_that_cannot_be_used_is_told_without_its_value(value, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", value)
    config = EndpointRef(model="m")
    assert HIDDEN not in str(config.identity())
    for use in (lambda: ask(None), lambda: served_models(config), config.endpoint):
        with pytest.raises(ChatError, match="The environment variable OPENAI_BASE_URL cannot be used") as raised:
            use()
        assert HIDDEN not in str(raised.value)


def test_an_address_of_the_environment_that_can_be_used(monkeypatch):
    with Endpoint(lambda body, number: said("yes")) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", f" {endpoint.url}/ ")
        assert ask(None).results == ("yes",)
        assert EndpointRef(model="m").endpoint() == endpoint.url


@pytest.mark.parametrize(
    "place", [f"http://me:{HIDDEN}@host/v1", f"http://host/v1?key={HIDDEN}", f"//me:{HIDDEN}@host"]
)
def test_a_secret_that_was_typed_is_not_shown_again(place):
    with pytest.raises(ConfigError) as raised:
        parse_endpoint(f"endpoint:{place}#model")
    assert HIDDEN not in str(raised.value)
    assert "#model" in str(raised.value)


@pytest.mark.parametrize("key", ["sk-schlüssel", "sk-one\nsk-two", "sk-\x00", "“sk-quoted”"])
def test_a_key_that_no_header_can_hold(key, monkeypatch):
    if "\x00" not in key:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    else:
        monkeypatch.setattr("restor.chat.client.os.environ", {"OPENAI_API_KEY": key})
    with pytest.raises(
        ChatError, match=rf"The key in OPENAI_API_KEY .* of {len(key)} is not a printable ASCII"
    ) as raised:
        ask("http://127.0.0.1:9/v1")
    assert key not in str(raised.value)


@pytest.mark.parametrize("proxy", [f"socks5://user:{HIDDEN}@127.0.0.1:1080", "gopher://127.0.0.1:1", "http://[::1"])
def test_a_proxy_that_cannot_be_used(proxy, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(ChatError, match="The environment names a proxy that cannot be used") as raised:
        ask("http://endpoint.example/v1")
    assert HIDDEN not in str(raised.value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Endpoint(lambda body, number: said("yes")) as endpoint:
        assert ask(endpoint.url).results == ("yes",), "it is not asked through that proxy"


def test_a_proxy_that_can_be_used_is_used(monkeypatch):
    whole = said("yes").body

    def talk(number):
        yield None
        yield HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(whole), whole)

    with Raw(talk) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removeprefix("http://").removesuffix("/v1"))
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        assert ask("http://endpoint.example/v1").results == ("yes",)
    assert proxy.requests[0].startswith("POST http://endpoint.example/v1/chat/completions HTTP/1.1")


def test_certificates_that_are_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(ChatError, match=r"The certificates of the environment \(SSL_CERT_FILE"):
        ask("https://127.0.0.1:9/v1")


def test_an_error_of_the_endpoint_is_told_without_controls():
    hostile = "\x1b]0;title\x07 \u202e no \x9b31m"
    for status in (400, 403, 404, 500):
        with Endpoint(lambda body, number, status=status: error(status, hostile)) as endpoint:
            try:
                told = reason(endpoint.url)
            except ChatError as raised:
                told = str(raised)
        assert r"\u001b]0;title\u0007 \u202e no \u009b31m" in told
        assert told.isprintable()


def test_extra_fields_that_no_request_can_hold():
    with pytest.raises(ValueError, match="half a character"):
        EndpointRef(model="m", base_url="http://127.0.0.1:9/v1", extra={"a": [{"\ud800": 1}]})
    assert json.dumps(EndpointRef(model="m", extra={"a": ["é"]}).identity())
