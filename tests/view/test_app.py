"""The pages over HTTP: what they show, what they refuse, and that nothing is ever written."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import re
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient
from stores import add, new_store, small_results

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
from hostile import HOSTILE
from synthetic_study import make_study, write_study

from restor.progress import Silent
from restor.report.across.side_by_side import COMPARED_COLUMNS, compare, compared_rows, entrant
from restor.report.io.load import load_facts, load_results
from restor.report.tables.arm_table import to_markdown
from restor.report.tables.comma import write_rows
from restor.runner.running import running
from restor.view.app import build_app
from restor.view.index import Index


def client(store):
    return TestClient(build_app(store), base_url="http://127.0.0.1:8765", raise_server_exceptions=True)


@pytest.fixture
def store(tmp_path):
    return new_store(tmp_path / "store")


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """A store with answers: two studies of the same facts, and one of others."""
    made = new_store(tmp_path_factory.mktemp("studies") / "store")
    for name, people in (("first", 2), ("second", 2), ("third", 3)):
        results, facts = make_study(people=people, untouched=1)
        study = results.study.model_copy(update={"id": name})
        folder = write_study(made / "studies" / name, results.model_copy(update={"study": study}), facts)
        (folder / "report.html").write_text(f"<!doctype html><title>{name}</title>stored report of {name}")
    return made


def tree(folder):
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


# The list -------------------------------------------------------------------------------------------------------------


def names(page):
    return [part.split('"')[0] for part in page.text.split('<tr data-study="')[1:]]


def test_the_list_is_filtered_by_words_verdict_and_state_and_sorted(store):
    add(store, "alpha", name="Alpha", created="2026-01-01T00:00:00Z", verdict="restored", protocol="published")
    add(store, "beta", name="Beta", created="2026-01-03T00:00:00Z", label="MSA of ours", config={"data": "cities"})
    add(store, "gamma", name="Gamma", created="2026-01-02T00:00:00Z", verdict=None, seeds=[0, 1, 2])
    (store / "studies" / "cut").mkdir()
    (store / "studies" / "cut" / "results.json").write_text("{")
    web = client(store)
    assert set(names(web.get("/"))) == {"alpha", "beta", "gamma", "cut"}
    assert [name for name in names(web.get("/")) if name != "cut"] == ["beta", "gamma", "alpha"]
    for query, wanted in {
        "q=msa": ["beta"],
        "q=CITIES": ["beta"],
        "q=published": ["alpha"],
        "q=npo+alpha": ["alpha"],
        "q=npo+nothing": [],
        "verdict=restored": ["alpha"],
        "verdict=partly+restored": ["beta"],
        "state=unreadable": ["cut"],
        "state=finished&sort=name": ["alpha", "beta", "gamma"],
        "state=finished&sort=name&reverse=1": ["gamma", "beta", "alpha"],
        "state=finished&sort=best": ["alpha", "beta", "gamma"],
        "state=finished&sort=seeds&q=npo": ["gamma", "beta", "alpha"],
        "sort=nonsense&verdict=nonsense&state=finished&page=99999999": ["beta", "gamma", "alpha"],
    }.items():
        assert names(web.get(f"/?{query}")) == wanted, query
    page = web.get("/?q=msa").text
    assert "1 of 4 studies" in page
    assert "MSA of ours 60 % [50, 70]" in " ".join(page.split())
    assert "is cut short" in web.get("/").text or "not valid JSON" in web.get("/").text


def test_the_list_has_pages(store):
    for number in range(60):
        add(store, f"s{number:02}", created=f"2026-01-01T00:00:{number:02}Z")
    web = client(store)
    while "still to be read" in web.get("/").text:
        pass
    assert names(web.get("/")) == [f"s{number:02}" for number in range(59, 9, -1)]
    assert names(web.get("/?page=2")) == [f"s{number:02}" for number in range(9, -1, -1)]
    assert names(web.get("/?page=7")) == names(web.get("/?page=2"))


def test_an_empty_store_says_what_to_do(store):
    assert "restor run" in client(store).get("/").text


def test_names_from_anywhere_are_shown_and_do_nothing(store):
    for number, text in enumerate(HOSTILE):
        add(
            store,
            f"s{number}",
            name=f"N{number} {text}".encode("utf-8", "replace").decode(),
            label=f"<b>{text[:200]}".encode("utf-8", "replace").decode(),
        )
    add(store, '"><img src=x onerror=alert(1)>')
    web = client(store)
    pages = [web.get(f"/?{query}").text for query in ("", "q=<script>alert(1)</script>", "sort=name&page=1")]
    pages += [web.get(f"/study/s{number}").text for number in range(len(HOSTILE))]
    pages += [
        web.get(f"/compare?arms=s{number}&arms=<script>alert(1)</script>/x").text for number in range(len(HOSTILE))
    ]
    pages += [
        web.get("/running?study=<script>alert(1)</script>").text,
        web.get("/study/<script>alert(1)</script>").text,
    ]
    assert max(map(len, pages)) < 200_000, "a text of a hundred thousand characters is cut"
    for page in pages:
        for bad in ("<script>alert", "<img", "<b>[", "\x1b", "\u202e", "\u2067", "\x07"):
            assert bad not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages[1]


def raw(store, path):
    """Status and text for a path exactly as it is given: a client would tidy it up."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1")],
    }
    asyncio.run(build_app(store)(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], body.decode("utf-8", "replace")


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_only_reading_is_allowed(store, method):
    add(store, "one")
    for path in ("/", "/study/one", "/compare", "/static/view.js", "/nowhere"):
        answer = client(store).request(method, path)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD"


def test_head_has_no_body(store):
    answer = client(store).head("/")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8765", 200),
        ("localhost", 200),
        ("LOCALHOST:9000", 200),
        ("[::1]:8765", 200),
        ("127.8.9.1:1", 200),
        ("evil.example", 421),
        ("evil.example:8765", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:8765", 421),
        ("192.168.1.5", 421),
        ("0.0.0.0:8765", 421),
        ("", 421),
        ("[::1", 421),
        ("::1", 421),
        ("127.0.0.1:", 421),
        ("127.0.0.1:80@evil.example", 421),
        ("[::1]evil.example", 421),
        ("127.0.0.1, evil.example", 421),
    ],
)
def test_only_names_of_this_machine_are_answered(store, host, status):
    add(store, "secret")
    answer = client(store).get("/", headers={"host": host})
    assert answer.status_code == status
    assert ("secret" in answer.text) == (status == 200)


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("cross-site", "no-cors", 403),
        ("cross-site", "cors", 403),
        ("same-site", "cors", 403),
        ("cross-site", "navigate", 200),
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
    ],
)
def test_pages_of_other_sites_may_link_but_load_nothing(store, site, mode, status):
    answer = client(store).get("/", headers={"sec-fetch-site": site, "sec-fetch-mode": mode})
    assert answer.status_code == status


def test_a_fault_of_ours_shows_no_insides(store):
    def broken(folder):
        raise ZeroDivisionError("secret insides")

    add(store, "one")
    web = TestClient(build_app(store, Index(store, broken)), base_url="http://localhost", raise_server_exceptions=False)
    answer = web.get("/")
    assert answer.status_code == 500
    assert "ZeroDivisionError" in answer.text
    assert "insides" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_nothing_outside_the_studies_can_be_reached(store, tmp_path):
    add(store, "one")
    (tmp_path / "secret.txt").write_text("top secret")
    (store / "notes.txt").write_text("top secret")
    outside = add(tmp_path / "elsewhere", "two")
    (outside / "report.html").write_text("top secret")
    (store / "studies" / "led-out").symlink_to(outside)
    (store / "studies" / "one" / "report.html").symlink_to(outside / "report.html")
    (store / "studies" / "one" / "facts.parquet").symlink_to(tmp_path / "secret.txt")
    for path in (
        "/study/..",
        "/study/../..",
        "/study/%2e%2e",
        "/study/%2e%2e%2f%2e%2e%2fsecret.txt",
        "/study/..%2fnotes.txt/report",
        "/study/one%2f..%2f..%2fnotes.txt",
        "/study/one/../../notes.txt",
        "/study/one%00",
        "/study/led-out",
        "/study/led-out/report",
        "/study/one/facts.parquet",
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e%2findex.py",
        "/static//etc/passwd",
        "//etc/passwd",
        "/compare/..",
        "/compare/html",
        "/studies/one/results.json",
    ):
        status, text = raw(store, path)
        assert status == 404, path
        assert "top secret" not in text
    web = client(store)
    for path in ("/study/one/report", "/compare?arms=one", "/compare/csv?arms=one", "/compare?arms=../../secret.txt"):
        answer = web.get(path)
        assert "top secret" not in answer.text, path
    assert "leads out of the store" in web.get("/study/one/report").text
    assert "leads out of the store" in web.get("/compare?arms=one").text


def test_every_answer_has_the_headers(store):
    add(store, "one")
    web = client(store)
    answers = [web.get(path) for path in ("/", "/running", "/study/one", "/compare", "/static/view.css", "/nowhere")]
    answers += [web.post("/"), web.get("/", headers={"host": "evil.example"})]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
    page = answers[0].text
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "style=" not in page


def test_every_file_that_a_page_loads_is_served(store):
    add(store, "one")
    web = client(store)
    loaded = re.findall(r'(?:href|src)="(/static/[^"]+)"', web.get("/").text)
    assert {"/static/palette.css", "/static/view.css", "/static/view.js"} <= set(loaded)
    for path in loaded:
        assert web.get(path).status_code == 200
    assert "--paper" in web.get("/static/palette.css").text
    assert web.get("/static/page.css").status_code == 404


def test_nothing_is_written(studies):
    before = tree(studies)
    web = client(studies)
    for path in ("/", "/?q=x", "/running", "/study/first", "/study/first/report", "/compare?arms=first&arms=third/msa"):
        assert web.get(path).status_code == 200
    for ending in ("csv", "md", "tex", "json", "bib"):
        assert web.get(f"/compare/{ending}?arms=first").status_code == 200
    assert tree(studies) == before


# A study --------------------------------------------------------------------------------------------------------------


def test_the_page_of_a_study_has_its_arms_to_tick(store):
    add(store, "one", verdict="restored")
    page = client(store).get("/study/one").text
    for arm in ("clean", "corrupted", "retain_only", "npo"):
        assert f'name="arms" value="one/{arm}"' in page
    assert "● restored" in page
    assert 'title="because of 40 facts"' in page
    assert 'href="/study/one/report"' in page


def test_a_broken_study_says_so_on_its_page(store):
    (store / "studies" / "cut").mkdir()
    (store / "studies" / "cut" / "results.json").write_text("{")
    web = client(store)
    for path in ("/study/cut", "/study/cut/report", "/compare?arms=cut"):
        answer = web.get(path)
        assert "cut/results.json" in answer.text, path
        assert "Traceback" not in answer.text


def test_a_stored_report_is_served_in_a_sandbox_as_it_is(studies):
    answer = client(studies).get("/study/first/report")
    assert answer.text == (studies / "studies" / "first" / "report.html").read_text()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts ")
    assert "allow-same-origin" not in policy
    assert "connect-src" not in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize("how", ["missing", "older"])
def test_a_report_that_is_missing_or_older_is_made_in_memory(tmp_path, how):
    store = new_store(tmp_path / "store")
    folder = write_study(store / "studies" / "one", *make_study(people=2, untouched=1))
    if how == "older":
        (folder / "report.html").write_text("an old page")
        os.utime(folder / "report.html", (1000, 1000))
    before = tree(store)
    answer = client(store).get("/study/one/report")
    assert answer.status_code == 200
    assert "an old page" not in answer.text
    assert "restor report" in answer.text
    assert "sandbox" in answer.headers["content-security-policy"]
    assert tree(store) == before


def test_a_stored_report_that_cannot_be_read_is_made_in_memory(tmp_path, monkeypatch):
    store = new_store(tmp_path / "store")
    folder = write_study(store / "studies" / "one", *make_study(people=2, untouched=1))
    (folder / "report.html").write_text("a stored page")
    reading = Path.read_bytes

    def refuse(path):
        if path.name == "report.html":
            raise PermissionError(13, "Permission denied", str(path))
        return reading(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    answer = client(store).get("/study/one/report")
    assert answer.status_code == 200
    assert "a stored page" not in answer.text
    assert "restor report" in answer.text


def test_a_running_study_is_live_on_every_page(store):
    folder = store / "studies" / "one"
    folder.mkdir()
    (folder / "stages.json").write_text("[]")
    web = client(store)
    assert "no results" in web.get("/").text
    assert 'data-busy="0"' in web.get("/running").text
    with running(folder, Silent(), name="Mine", kind="study", protocol="restor", seeds=[0]):
        first = web.get("/running").text
        for path in ("/", "/study/one", "/running"):
            page = web.get(path).text
            assert "Mine" in page
            assert "alive" in page
            assert f"process {os.getpid()} on" in page
        assert 'data-busy="1"' in first
        assert 'state-running">running' in web.get("/").text
    add(store, "one")
    assert "alive" not in web.get("/").text
    assert web.get("/running").text.split("data-version=")[1][:18] != first.split("data-version=")[1][:18]


# Comparisons ----------------------------------------------------------------------------------------------------------


def entrants(studies, *chosen):
    made = []
    for tag, (name, arms) in zip("ABC", chosen, strict=False):
        folder = studies / "studies" / name
        results = load_results(folder)
        summary = [arm for arm in results.summary if arm.id in arms]
        each = entrant(tag, results, load_facts(folder))
        made.append(entrant(tag, results.model_copy(update={"summary": summary}), load_facts(folder)))
        assert each.terms == made[-1].terms
    return made


def test_arms_of_several_studies_stand_side_by_side(studies):
    web = client(studies)
    query = "arms=first/msa&arms=first/npo_token/related&arms=second/msa"
    page = web.get(f"/compare?{query}").text
    rows = [part.split("<")[0] for part in page.split("<th scope=row")[1:]]
    assert [row.split(">")[-1] for row in rows] == ["A: NPO, per token", "A: MSA", "B: MSA"]
    assert "apart" not in page
    assert 'class="drawing"' in page
    wanted = compare(entrants(studies, ("first", ("msa", "npo_token/related")), ("second", ("msa",))))
    assert (
        web.get(f"/compare/csv?{query}").text.splitlines()
        == write_rows(COMPARED_COLUMNS, compared_rows(wanted)).splitlines()
    )
    assert web.get(f"/compare/md?{query}").text.startswith(to_markdown(wanted.tables[0].table))
    download = web.get(f"/compare/tex?{query}")
    assert "tabular" in download.text
    assert download.headers["content-disposition"] == 'attachment; filename="restor-compare.tex"'
    tables = web.get(f"/compare/json?{query}").json()["tables"]
    assert [(row["tag"], row["id"]) for row in tables[0]["table"]] == [
        ("A", "npo_token/related"),
        ("A", "msa"),
        ("B", "msa"),
    ]


def test_what_was_measured_differently_stands_apart_and_what_is_missing_is_said(studies):
    web = client(studies)
    page = web.get("/compare?arms=first/msa&arms=third/msa&arms=first/nothing_such&arms=fourth/msa").text
    assert "B stands apart from A: B has other facts." in page
    assert "Table 1 of 2" in page
    assert "Table 2 of 2" in page
    assert "first has no arm nothing_such." in page
    assert "There is no study &#39;fourth&#39; in this store." in page
    csv_rows = list(csv.DictReader(io.StringIO(web.get("/compare/csv?arms=first/msa&arms=third/msa").text)))
    assert {(row["table"], row["study"], row["id"]) for row in csv_rows} == {
        ("1", "first", "msa"),
        ("2", "third", "msa"),
    }


def test_a_study_without_an_arm_means_all_of_them(studies):
    page = client(studies).get("/compare?arms=first").text
    assert page.count('<tr class="arm">') == len(load_results(studies / "studies" / "first").summary)


def test_arms_that_differ_in_one_setting_are_drawn_against_it(store):
    for k in (0, 2, 4):
        config = {"domain": {"name": "towns"}, "corruption": {"corruptor": {"k": k}}}
        add(store, f"k{k}", config=config, data_sha256={"0": "same"})
    web = client(store)
    page = web.get("/compare?arms=k0/npo&arms=k2/npo&arms=k4/npo").text
    assert "Restoration against a setting" in page
    assert page.count('class="joined"') == 2
    assert "Restoration against a setting" not in web.get("/compare?arms=k0/npo&arms=k0/retain_only").text


def test_nothing_chosen_and_too_much_chosen(studies):
    web = client(studies)
    assert "Nothing is chosen yet" in web.get("/compare").text
    assert web.get("/compare/csv").status_code == 404
    many = web.get("/compare?" + "&".join(f"arms=s{number}" for number in range(40)))
    assert many.status_code == 422
    assert "40 studies are too many" in many.text


def test_a_changed_study_is_compared_anew(store):
    folder = add(store, "one", at=1000)
    web = client(store)
    assert "60 [50, 70]" in web.get("/compare?arms=one/npo").text
    changed = small_results("one")
    arm = changed.summary[-1]
    value = arm.metrics["restoration"].model_copy(update={"value": 0.3, "ci_low": 0.25, "ci_high": 0.35})
    arms = [*changed.summary[:-1], arm.model_copy(update={"metrics": {**arm.metrics, "restoration": value}})]
    (folder / "results.json").write_text(changed.model_copy(update={"summary": arms}).model_dump_json())
    assert "30 [25, 35]" in web.get("/compare?arms=one/npo").text


def test_an_undefined_restoration_is_a_marked_gap(store):
    folder = add(store, "one")
    results = small_results("one")
    arm = results.summary[-1]
    gap = arm.metrics["restoration"].model_copy(
        update={"value": None, "ci_low": None, "ci_high": None, "note": "why not"}
    )
    none = arm.model_copy(update={"metrics": {**arm.metrics, "restoration": gap}})
    (folder / "results.json").write_text(
        results.model_copy(update={"summary": [*results.summary[:-1], none]}).model_dump_json()
    )
    page = client(store).get("/compare?arms=one").text
    assert "<title>NPO, per token: why not</title>" in page or "A: NPO, per token: why not" in page
    assert "No restoration can be drawn" in client(store).get("/compare?arms=one/npo").text
