from __future__ import annotations

import http.server
import json
import re
import threading
from pathlib import Path

import pytest
from cyclopts import App, CycloptsError

from restor.cli.data.fetch import fetch
from restor.cli.data.list import show
from restor.cli.data.wikidata import wikidata
from restor.datasets.base import DATASETS
from restor.domains.base import DOMAINS
from restor.errors import DataError

SHARED = Path(__file__).parents[3] / "shared" / "data" / "restor"
WD, WDT = "http://www.wikidata.org/entity/", "http://www.wikidata.org/prop/direct/"
needs_copy = pytest.mark.skipif(not SHARED.is_dir(), reason="no copy of the released files beside the repository")


@pytest.fixture
def app(monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("RESTOR_DATA", str(tmp_path / "data"))
    for variable in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    app = App(result_action="return_value")
    for verb, function in (("fetch", fetch), ("list", show), ("wikidata", wikidata)):
        app.command(function, name=verb)
    return lambda *tokens: app(tokens, exit_on_error=False, print_error=False)


@pytest.fixture
def web(tmp_path):
    """Serves what `web.bodies` has, by path; queries get the next of `web.replies`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            body = server.replies.pop(0) if "?" in self.path else server.bodies.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.bodies, server.replies = [], {}, []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


# restor data fetch ---------------------------------------------------------------------------------------------------


@needs_copy
def test_fetch_from_a_copy_and_then_by_name(app, tmp_path, capsys):
    from restor.data.locate import locate_documents, locate_facts

    app("fetch", "restor", "--from", str(SHARED), "--only", "facts,wikidata/v0/mix_a0.json,squad", "--quiet")
    folder = tmp_path / "data" / "restor-15292e58"
    assert capsys.readouterr().out == (
        f"{folder}\n5 files, all checked: 5 copied (4.8 MB), 0 there before. MIT licence, "
        "https://github.com/k1rezaei/restor\n"
    )
    assert locate_facts("restor") == (folder / "facts.json", folder / "entities.json")
    assert locate_documents("restor/k0").read_bytes() == (SHARED / "wikidata" / "mix_a0.json").read_bytes()
    assert locate_documents("restor/squad") == folder / "SQuAD" / "squad_v7_dset.json"
    app("fetch", "--only", "facts", "--url", "http://127.0.0.1:1", "--quiet")
    assert "0 downloaded (0 B), 3 there before" in capsys.readouterr().out


@needs_copy
def test_fetch_from_the_web_with_a_file_that_is_not_there(app, web, tmp_path, capsys):
    web.bodies = {
        "/LICENSE": (SHARED / "LICENSE").read_bytes(),
        "/datasets/entities.json": (SHARED / "entities.json").read_bytes(),
    }
    with pytest.raises(DataError, match=r"1 of 3 files could not be fetched:\n  wikidata/v0/mix_a4\.json: .*404"):
        app("fetch", "restor", "--url", web.url + "/", "--only", "entities,k4")
    assert "[2/3] fetch wikidata/v0/mix_a4.json" not in capsys.readouterr().err
    app("fetch", "restor", "--url", web.url, "--only", "entities")
    printed = capsys.readouterr()
    assert "2 files, all checked: 0 downloaded (0 B), 2 there before" in printed.out
    assert printed.err == ""


def test_fetch_says_what_it_knows(app, tmp_path):
    with pytest.raises(DataError, match=r"Unknown data set to fetch 'resto'. Did you mean 'restor'"):
        app("fetch", "resto")
    with pytest.raises(DataError, match=r"Unknown file of restor 'mix_a9'"):
        app("fetch", "--only", "mix_a9")
    with pytest.raises(DataError, match="exclude each other"):
        app("fetch", "--from", str(tmp_path), "--url", "http://127.0.0.1:1")
    assert not (tmp_path / "data").exists()


# restor data list ----------------------------------------------------------------------------------------------------


def states(app, capsys):
    app("list", "--json")
    content = json.loads(capsys.readouterr().out)
    return content, {row["path"]: (row["state"], row["bytes"]) for row in content["released"][0]["files"]}


def test_list_before_anything_is_fetched(app, tmp_path, capsys):
    content, found = states(app, capsys)
    assert len(found) == 14
    assert found["facts.json"] == ("missing", 1_297_650)
    assert found["wikidata/v0/mix_a5.json"] == ("missing", None)
    assert content["released"][0]["folder"] == str(tmp_path / "data" / "restor-15292e58")
    assert list(content["domains"]) == DOMAINS.names()
    assert list(content["data_sets"]) == DATASETS.names()
    assert all(content["domains"].values())
    assert all(content["data_sets"].values())
    assert not (tmp_path / "data").exists(), "looking makes no folder"


@needs_copy
def test_list_tells_what_is_here_broken_off_or_damaged(app, tmp_path, capsys):
    app("fetch", "--from", str(SHARED), "--only", "facts", "--quiet")
    capsys.readouterr()
    folder = tmp_path / "data" / "restor-15292e58"
    (folder / "entities.json").write_text("[]")
    (folder / "wikidata" / "v0").mkdir(parents=True)
    (folder / "wikidata" / "v0" / "mix_a5.json.part").write_text("[12")
    _, found = states(app, capsys)
    assert found["facts.json"] == ("checked", 1_297_650)
    assert found["entities.json"] == ("damaged", 2)
    assert found["wikidata/v0/mix_a5.json"] == ("broken off", 3)
    app("list")
    printed = capsys.readouterr().out
    for words in (
        "restor/k0",
        "1.3 MB",
        "broken off",
        "MIT",
        "commit 15292e58",
        str(folder),
        "restor data fetch restor",
    ):
        assert words in printed
    assert re.search(r"\n  general +General text that touches no probed relation", printed)


# restor data wikidata ------------------------------------------------------------------------------------------------


def results(*rows):
    return json.dumps({"results": {"bindings": list(rows)}}).encode()


def uri(value):
    return {"type": "uri", "value": value}


def name(item, text):
    return {"item": uri(WD + item), "label": {"xml:lang": "en", "type": "literal", "value": text}}


def value(item, relation, of, text):
    return name(item, text) | {"direct": uri(WDT + relation), "value": uri(WD + of)}


def test_wikidata_writes_a_facts_file_that_the_domain_reads(app, web, tmp_path, capsys, monkeypatch):
    from restor.domains.triples import Triples, TriplesConfig

    monkeypatch.setattr("restor.data.wikidata.INTERVAL", 0.0)
    rows = [value("Q42", "P19", "Q350", "Cambridge"), value("Q8023", "P19", "Q1305155", "Mvezo")]
    unnamed = value("Q42", "P27", "Q145", "x")
    unnamed.pop("label")
    web.replies = [results(name("Q42", "Zoë Ångström"), name("Q8023", "B"), name("Q1", "C")), results(*rows, unnamed)]
    out = tmp_path / "mine.json"
    asked = ("--entity", "Q42,Q8023", "--entity", "Q1", "--properties", "P19,P27", "--endpoint", web.url, "--quiet")
    app("wikidata", *asked, "--out", str(out))
    assert capsys.readouterr().out == (
        f"{out}: 2 facts about 2 people, 2 demonstrations. Wikidata is in the public domain (CC0).\n"
        "Left out: 1 value without a name in the language or English.\n"
        "None of the relations is known of C, who is not in the file.\n"
    )
    domain = Triples(TriplesConfig(facts=out))
    assert domain.subjects == ("Zoë Ångström", "B")
    assert domain.values("P19") == ("Cambridge", "Mvezo")
    assert len(domain.demonstrations("P19")) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]

    asked_before = len(web.asked)
    with pytest.raises(DataError, match=r"mine\.json is there already.*--force"):
        app("wikidata", *asked, "--out", str(out))
    with pytest.raises(DataError, match=r"The folder .*none does not exist"):
        app("wikidata", *asked, "--out", str(tmp_path / "none" / "mine.json"))
    assert len(web.asked) == asked_before, "nobody is asked for what cannot be written"
    web.replies = [results(name("Q42", "A")), results(rows[0])]
    app("wikidata", "--entity", "Q42", "--endpoint", web.url, "--quiet", "--out", str(out), "--force")
    assert list(json.loads(out.read_text())["dset"]) == ["A"]


def test_wikidata_that_fails_leaves_the_old_file(app, web, tmp_path):
    out = tmp_path / "mine.json"
    out.write_text("old")
    web.replies = [results()]
    with pytest.raises(DataError, match="no label for Q42"):
        app("wikidata", "--entity", "Q42", "--endpoint", web.url, "--quiet", "--out", str(out), "--force")
    assert out.read_text() == "old"
    with pytest.raises(CycloptsError, match="--entity"):
        app("wikidata", "--out", str(out))
