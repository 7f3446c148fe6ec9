"""Recorded replies of a SPARQL endpoint, served by this machine."""

from __future__ import annotations

import http.server
import json
import re
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restor.data import wikidata
from restor.data.relations import RELATIONS
from restor.data.wikidata import harvest
from restor.errors import DataError
from restor.types import Demonstration, Fact
from restor.web import read_url

FACTS = Path(__file__).parents[3] / "shared" / "data" / "restor" / "facts.json"
WD, WDT = "http://www.wikidata.org/entity/", "http://www.wikidata.org/prop/direct/"


def uri(value):
    return {"type": "uri", "value": value}


def label(text, language="en"):
    return {"xml:lang": language, "type": "literal", "value": text}


def name(item, text, language="en"):
    """A row of the question for names."""
    return {"item": uri(WD + item), "label": label(text, language)}


def value(item, relation, of, text=None, language="en"):
    """A row of the question for facts."""
    row = {"item": uri(WD + item), "direct": uri(WDT + relation), "value": of if isinstance(of, dict) else uri(WD + of)}
    return row if text is None else row | {"label": label(text, language)}


def results(*rows):
    """The W3C's SPARQL 1.1 Query Results JSON Format."""
    return json.dumps({"head": {"vars": ["item", "label"]}, "results": {"bindings": list(rows)}}).encode()


NAMES = results(name("Q8023", "Nelson Mandela"), name("Q42", "Douglas Adams"))
VALUES = results(
    value("Q42", "P19", "Q350", "Cambridge"),
    value("Q8023", "P106", "Q193391", "diplomat"),
    value("Q8023", "P106", "Q40348", "lawyer"),
    value("Q8023", "P106", "Q82955", "politician"),
    value("Q8023", "P106", "Q36180", "writer"),
    value("Q8023", "P19", "Q1305155", "Mvezo"),
    value("Q8023", "P119", "Q1025984", "Qunu"),
)
"""In no order, as an endpoint gives them."""


class Endpoint:
    """Answers with one recorded reply after the other: bytes, or (status, headers, bytes)."""

    def __init__(self):
        self.replies = []
        self.asked = []
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                endpoint.asked.append((self.path, dict(self.headers)))
                reply = endpoint.replies.pop(0)
                status, headers, body = reply if isinstance(reply, tuple) else (200, {}, reply)
                self.send_response(status)
                for key, text in {"Content-Type": "application/sparql-results+json", **headers}.items():
                    self.send_header(key, text)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with suppress(ConnectionError):
                    self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/sparql"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def queries(self):
        return [parse_qs(urlsplit(path).query)["query"][0] for path, _ in self.asked]


class Clock:
    """A clock that only moves when somebody sleeps."""

    def __init__(self):
        self.now = 1000.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def endpoint(monkeypatch):
    for variable in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


def ask(endpoint, entities=("Q8023", "Q42"), *args, clock=None, **options):
    clock = clock or Clock()
    return harvest(entities, *args, endpoint=endpoint.url, clock=clock, sleep=clock.sleep, timeout=10.0, **options)


def test_the_questions_are_those_of_the_released_facts():
    assert len(RELATIONS) == 41
    if not FACTS.is_file():
        pytest.skip("no copy of the released facts beside the repository")
    people = json.loads(FACTS.read_text(encoding="utf-8"))["dset"]
    for subject, relations in people.items():
        for relation, record in relations.items():
            assert record["question"] == RELATIONS[relation].question.replace("{s}", subject)


def test_facts_in_the_order_asked_for_and_answers_in_the_order_of_items(endpoint):
    endpoint.replies = [NAMES, VALUES]
    found = ask(endpoint)
    assert found.facts == (
        Fact("Nelson Mandela", "P19", ("Mvezo",), "What is the place of birth of Nelson Mandela?"),
        Fact(
            "Nelson Mandela",
            "P106",
            ("writer", "lawyer", "politician", "diplomat"),
            "What is the occupation of Nelson Mandela?",
        ),
        Fact("Nelson Mandela", "P119", ("Qunu",), "Where is Nelson Mandela buried?"),
        Fact("Douglas Adams", "P19", ("Cambridge",), "What is the place of birth of Douglas Adams?"),
    )
    assert (found.unnamed, found.not_items, found.without, found.requests) == (0, 0, (), 2)
    # Of what one person alone has, the demonstration would be the answer itself.
    assert found.demonstrations == {
        "P19": (
            Demonstration("Nelson Mandela", "What is the place of birth of Nelson Mandela?", "Mvezo"),
            Demonstration("Douglas Adams", "What is the place of birth of Douglas Adams?", "Cambridge"),
        )
    }


def test_the_same_whatever_the_order_of_rows(endpoint):
    rows = json.loads(VALUES)["results"]["bindings"]
    endpoint.replies = [NAMES, VALUES, NAMES, results(*reversed(rows))]
    assert ask(endpoint) == ask(endpoint)


def test_the_form_of_the_released_file(endpoint):
    endpoint.replies = [NAMES, VALUES]
    content = json.loads(ask(endpoint).to_json())
    assert content["dset"]["Douglas Adams"] == {
        "P19": {"question": "What is the place of birth of Douglas Adams?", "answers": ["Cambridge"]}
    }
    assert list(content["dset"]) == ["Nelson Mandela", "Douglas Adams"]
    assert content["context"]["P19"][1] == {
        "question": "What is the place of birth of Douglas Adams?",
        "answer": "Cambridge",
        "entity": "Douglas Adams",
    }


def test_one_person_alone_gets_no_demonstrations(endpoint):
    endpoint.replies = [results(name("Q42", "Douglas Adams")), results(value("Q42", "P19", "Q350", "Cambridge"))]
    assert json.loads(ask(endpoint, ["Q42"]).to_json())["context"] == {}


def test_at_most_ten_demonstrations_of_the_first_people(endpoint):
    people = [f"Q{n}" for n in range(1, 13)]
    endpoint.replies = [
        results(*(name(item, f"Person {item}") for item in people)),
        results(*(value(item, "P27", "Q30", "Norway") for item in people)),
    ]
    shown = ask(endpoint, people).demonstrations["P27"]
    assert [d.subject for d in shown] == [f"Person {item}" for item in people[:10]]


def test_what_is_asked(endpoint):
    endpoint.replies = [NAMES, VALUES]
    ask(endpoint, ["Q8023", "q42", "Q8023"], ["P19", "P106"], language="de", contact="me@example.org")
    names, facts = endpoint.queries()
    for query in (names, facts):
        assert "VALUES ?item { wd:Q8023 wd:Q42 }" in query
        assert 'IN ("de", "mul", "en")' in query
        # Without them other endpoints than Wikidata's do not understand the query.
        assert query.count("PREFIX ") == 3
    # Truthy statements: no deprecated ones, and of those with a preferred one only that.
    assert "VALUES ?direct { wdt:P19 wdt:P106 }" in facts
    for _, headers in endpoint.asked:
        assert re.fullmatch(r"restor/\S+ \(me@example\.org\) Python-urllib/\S+", headers["User-Agent"])
        assert headers["Accept"] == "application/sparql-results+json"


def test_the_41_relations_by_default(endpoint):
    endpoint.replies = [NAMES, VALUES]
    ask(endpoint)
    assert set(re.findall(r"wdt:(P\d+)", endpoint.queries()[1])) == set(RELATIONS)


def test_labels_fall_back_from_the_language_to_the_one_for_all_to_english(endpoint):
    endpoint.replies = [
        results(name("Q42", "D. Adams", "en"), name("Q42", "D. N. Adams", "mul"), name("Q42", "Dąglas", "pl")),
        results(
            value("Q42", "P19", "Q350", "Cambridge", "en"),
            value("Q42", "P19", "Q350", "Cambridge (pl)", "pl"),
            value("Q42", "P106", "Q36180", "writer", "en"),
            value("Q42", "P735", "Q463035", "Douglas", "mul"),
            value("Q42", "P735", "Q463035", "Duglas", "en"),
        ),
    ]
    found = ask(endpoint, ["Q42"], language="pl")
    assert [(fact.subject, fact.relation, fact.answers) for fact in found.facts] == [
        ("Dąglas", "P19", ("Cambridge (pl)",)),
        ("Dąglas", "P106", ("writer",)),
        ("Dąglas", "P735", ("Douglas",)),
    ]


def test_values_without_a_name_or_that_are_no_items_are_left_out_and_counted(endpoint):
    unknown = uri("http://www.wikidata.org/.well-known/genid/0a1b")
    endpoint.replies = [
        NAMES,
        results(
            value("Q42", "P106", "Q36180", "writer"),
            value("Q42", "P106", "Q999999"),
            value("Q42", "P40", "Q14623683"),
            value("Q42", "P26", unknown),
            value("Q42", "P20", {"type": "bnode", "value": "t1"}),
            value("Q42", "P800", {"type": "literal", "value": "Q5"}),
            value("Q8023", "P19", "Q1305155", "  "),
            value("Q8023", "P106", "Q40348", "half \ud800 character"),
        ),
    ]
    found = ask(endpoint)
    assert [(fact.relation, fact.answers) for fact in found.facts] == [("P106", ("writer",))]
    assert (found.unnamed, found.not_items) == (4, 3)
    assert found.without == ("Nelson Mandela",)
    json.dumps(json.loads(found.to_json()), ensure_ascii=False).encode()


def test_two_items_of_one_name_are_one_answer(endpoint):
    endpoint.replies = [NAMES, results(value("Q42", "P19", "Q9", "York"), value("Q42", "P19", "Q7", "York"))]
    assert ask(endpoint).facts[0].answers == ("York",)


def test_a_line_break_in_a_name_would_end_the_line_of_a_prompt(endpoint):
    endpoint.replies = [results(name("Q42", "Douglas\n{s} Adams")), results(value("Q42", "P19", "Q350", "Cam\nbridge"))]
    (fact,) = ask(endpoint, ["Q42"]).facts
    assert fact == Fact("Douglas {s} Adams", "P19", ("Cam bridge",), "What is the place of birth of Douglas {s} Adams?")


def test_many_people_are_asked_about_in_batches_one_second_apart(endpoint, monkeypatch):
    monkeypatch.setattr(wikidata, "BATCH", 1)
    first, second = (json.loads(NAMES)["results"]["bindings"][n] for n in (0, 1))
    endpoint.replies = [results(first), results(second), VALUES, results(value("Q42", "P27", "Q145", "UK"))]
    clock = Clock()
    found = ask(endpoint, clock=clock)
    assert found.requests == 4
    assert "VALUES ?item { wd:Q42 }" in endpoint.queries()[1]
    assert clock.slept == [1.0, 1.0, 1.0]
    assert {fact.subject for fact in found.facts} == {"Nelson Mandela", "Douglas Adams"}


def test_time_that_went_by_is_not_waited_for_again(endpoint):
    endpoint.replies = [NAMES, VALUES]
    clock = Clock()
    times = iter(range(0, 1000, 2))
    harvest(["Q42", "Q8023"], endpoint=endpoint.url, clock=lambda: float(next(times)), sleep=clock.sleep)
    assert clock.slept == []


def test_a_busy_endpoint_is_left_alone_for_as_long_as_it_asks(endpoint):
    busy = (429, {"Retry-After": "37"}, b"too many requests")
    endpoint.replies = [busy, (503, {}, b""), NAMES, busy, VALUES]
    clock = Clock()
    assert len(ask(endpoint, clock=clock).facts) == 4
    assert clock.slept == [37.0, 15.0, 1.0, 37.0]


def test_an_endpoint_that_asks_to_wait_for_long_ends_it(endpoint):
    endpoint.replies = [(429, {"Retry-After": "86400"}, b"banned")]
    clock = Clock()
    with pytest.raises(DataError, match=r"HTTP 429 Too Many Requests; it asks to wait 86400 s\. Nothing was written"):
        ask(endpoint, clock=clock)
    assert clock.slept == []


@pytest.mark.parametrize(
    "bad",
    [
        VALUES[:-40],  # the public endpoint's time was up
        b"",
        b"<html>",
        b"[]",
        b'{"results": {"bindings": 3}}',
        b'{"results": {"bindings": [{"item": {"value": 5}, "label": {"value": "x"}}]}}',
        b'{"results": {"bindings": [{"label": {"value": "no item"}}]}}',
        b'{"results": {"bindings": [null]}}',
        b"\xff\xfe",
    ],
)
def test_a_malformed_reply_is_asked_for_again_and_then_told(endpoint, bad):
    endpoint.replies = [bad, NAMES, bad, VALUES]
    assert len(ask(endpoint).facts) == 4
    endpoint.replies = [bad] * 4
    with pytest.raises(DataError, match=r"not complete SPARQL results in JSON: .*Nothing was written"):
        ask(endpoint)
    assert endpoint.replies == [], "four tries"


def test_an_error_of_the_server_is_tried_again_and_one_of_the_query_is_not(endpoint):
    endpoint.replies = [(500, {}, b"java.util.concurrent.TimeoutException"), NAMES, VALUES]
    assert len(ask(endpoint).facts) == 4
    endpoint.replies = [(400, {}, b"")]
    with pytest.raises(DataError, match="HTTP 400 Bad Request"):
        ask(endpoint)


def test_no_network(endpoint):
    endpoint.close()
    clock = Clock()
    with pytest.raises(DataError, match=r"the connection was refused\. Nothing was written\. Check the network"):
        ask(endpoint, clock=clock)
    assert clock.slept == [5.0, 15.0, 60.0]


def test_somebody_unknown_is_named_before_anything_else_is_asked(endpoint):
    endpoint.replies = [results(name("Q42", "Douglas Adams"))]
    with pytest.raises(DataError, match=r"no label for Q8023, Q9 in en, mul: .*wikidata\.org/wiki/Q8023"):
        ask(endpoint, ["Q8023", "Q42", "Q9"])
    assert len(endpoint.asked) == 1


def test_two_people_of_one_name_cannot_be_told_apart_in_a_file(endpoint):
    endpoint.replies = [results(name("Q1", "John Smith"), name("Q2", "John Smith"))]
    with pytest.raises(DataError, match=r"Q1 and Q2 are all called 'John Smith'"):
        ask(endpoint, ["Q1", "Q2"])


def test_nothing_known_is_an_error_and_not_an_empty_file(endpoint):
    endpoint.replies = [NAMES, results()]
    with pytest.raises(DataError, match=r"knows none of P19, P106 about Nelson Mandela, Douglas Adams"):
        ask(endpoint, ["Q8023", "Q42"], ["P19", "P106"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"entities": ["Q8023", "Nelson"]}, r"'Nelson' is not the id of a Wikidata entity, which looks like Q8023"),
        ({"entities": ["Q1 } DROP"]}, "is not the id"),
        ({"entities": []}, "Name at least one entity"),
        ({"properties": ["P19", "19"]}, "'19' is not the id of a Wikidata property"),
        ({"properties": []}, "Name at least one property"),
        ({"properties": ["P569"]}, r"Unknown property 'P569'.*Known: .*P19"),
        ({"language": 'en"'}, "not a language code"),
        ({"contact": "me\r\nHost: x"}, "contact must be"),
        ({"endpoint": "file:///etc/passwd"}, "not a web address"),
        ({"endpoint": "https://me:hunter2@host/sparql"}, "'https://\\*\\*\\*@host/sparql' is not a web address"),
        ({"endpoint": "https://host:99999999/sparql"}, "not a web address"),
    ],
)
def test_bad_input_asks_nobody(options, message):
    with pytest.raises(DataError, match=message):
        harvest(**({"entities": ["Q42"], "endpoint": "http://127.0.0.1:1/"} | options))


@given(st.binary(max_size=200))
def test_any_reply_is_rows_or_malformed(content):
    with suppress(wikidata._Malformed):
        assert isinstance(wikidata._rows(content, ("item",)), list)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["results", "bindings", "item", "value"]), inner)
        ),
    )
)
def test_any_json_is_rows_or_malformed(content):
    with suppress(wikidata._Malformed):
        for row in wikidata._rows(json.dumps(content).encode(), ("item",)):
            assert isinstance(row["item"]["value"], str)


def test_a_redirect_to_another_host_is_not_followed(endpoint):
    endpoint.replies = [(302, {"Location": endpoint.url.replace("127.0.0.1", "localhost")}, b"")]
    with pytest.raises(DataError, match="HTTP 302 redirects to another host, to which nothing was sent"):
        ask(endpoint)
    assert len(endpoint.asked) == 1


def test_a_reply_that_drips_is_given_up():
    listener = socket.create_server(("127.0.0.1", 0))

    def drip():
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while True:
                connection.sendall(b" ")
                time.sleep(0.05)

    threading.Thread(target=drip, daemon=True).start()
    began = time.monotonic()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    with listener, pytest.raises(TimeoutError):
        read_url(url, {}, 1.0, most=10**6, within=0.5)
    assert time.monotonic() - began < 5
