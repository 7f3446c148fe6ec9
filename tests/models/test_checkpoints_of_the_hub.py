"""Checkpoints of the hub, of which a local server plays the part: what is fetched, kept, and said when it fails."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "a" * 40
FILES = {
    "config.json": json.dumps({"model_type": "llama"}).encode(),
    "tokenizer.json": b"{}",
    "tokenizer_config.json": b'{"model_max_length": 9}',
    "chat_template.jinja": b"{{ messages }}",
    "additional_chat_templates/tools.jinja": b"{{ tools }}",
    "model.safetensors": b"weights",
    "pytorch_model.bin": b"the same, pickled",
    "consolidated.00.pth": b"the same again",
    "modeling_odd.py": b"code",
    "README.md": b"words",
    "onnx/model.onnx": b"another format",
    "original/model.safetensors": b"another format",
    "original/tokenizer.model": b"another format",
    "original/odd.py": b"code",
}
INDEX = "model.safetensors.index.json"
SHARDS = {
    **{name: FILES[name] for name in ("config.json", "tokenizer.json")},
    INDEX: json.dumps({"metadata": {}, "weight_map": {"a": "model-1.safetensors"}}).encode(),
    "model-1.safetensors": b"weights",
}
REPOSITORIES = {
    "good": FILES,
    "bare": {"config.json": FILES["config.json"], "model.safetensors": b"weights"},
    "shards": SHARDS,
    "stale": {**SHARDS, "model.safetensors": b"new"},
    "named": {**SHARDS, "config.json": b'{"model_type": "llama", "transformers_weights": "model-1.safetensors"}'},
    "pickled": {name: FILES[name] for name in ("config.json", "tokenizer.json", "pytorch_model.bin")},
}


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's interface as a download needs."""

    def log_message(self, *args):
        pass

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        match self.path.split("?")[0].strip("/").split("/"):
            case ["api", "models", "me", "gated", *_]:
                self.reply(403, X_Error_Code="GatedRepo")
            case ["api", "models", "me", "broken", *_]:
                self.reply(503)
            case ["api", "models", "me", name, "revision", "main" | "v1"] if name in REPOSITORIES:
                self.reply(200, json.dumps({"id": "me/good", "sha": COMMIT, "siblings": []}).encode())
            case ["api", "models", "me", "good", "revision", _]:
                self.reply(404, X_Error_Code="RevisionNotFound")
            case ["api", "models", "me", name, "tree", _] if name in REPOSITORIES:
                tree = [
                    {"type": "file", "path": path, "size": len(body), "oid": hashlib.sha1(body).hexdigest()}
                    for path, body in REPOSITORIES[name].items()
                ]
                self.reply(200, json.dumps(tree).encode())
            case ["me", name, "resolve", _, *path] if "/".join(path) in REPOSITORIES.get(name, {}):
                body = REPOSITORIES[name]["/".join(path)]
                if self.command == "GET":
                    self.server.fetched.append("/".join(path))
                self.reply(200, body, ETag=f'"{hashlib.sha1(body).hexdigest()}"', X_Repo_Commit=COMMIT)
            case _:
                self.reply(404, X_Error_Code="RepoNotFound")


@pytest.fixture(scope="module")
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.fetched = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


SCRIPT = """
import json, sys
from restor.errors import RestorError
from restor.models.files import find_folder
from restor.models.model_ref import fingerprint, parse_model_ref

for text in sys.argv[1:]:
    try:
        if text.startswith("find "):
            found = find_folder(text.removeprefix("find "))
            told = [found.commit, sorted(
                path.relative_to(found.folder).as_posix() for path in found.folder.rglob("*") if path.is_file()
            )]
        else:
            told = fingerprint(parse_model_ref(text))
    except RestorError as error:
        told = str(error)
    print(json.dumps(told))
"""


def run(hub, home, *texts, **environment):
    """The library reads its settings when it is imported, so each kind of network is a process."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    here = {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *texts],
        capture_output=True,
        text=True,
        check=True,
        env=clean | here | environment,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def fetched(hub, tmp_path_factory):
    """One look at everything that the server has."""
    home = tmp_path_factory.mktemp("home")
    texts = ("me/good", "find me/good", "me/good@v1", "me/good@nope", "me/gated", "me/missing", "me/broken")
    texts = (*texts, "find me/bare", "find me/pickled", "find me/shards", "find me/stale", "find me/named", "x--y")
    return home, dict(zip(texts, run(hub, home, *texts), strict=True)), list(hub.fetched)


def test_a_hub_id_is_identified_by_its_commit_wherever_it_comes_from(fetched):
    _, told, names = fetched
    assert told["me/good"] == {"model": {"hub": "me/good", "commit": COMMIT}, "adapter": None}
    assert told["me/good@v1"] == told["me/good"]
    assert names[0] == "config.json", "nothing large is fetched to identify it"


def test_only_what_is_needed_is_fetched(fetched):
    _, told, names = fetched
    templates = ["additional_chat_templates/tools.jinja", "chat_template.jinja"]
    needed = [*templates, "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert told["find me/good"] == [COMMIT, sorted(needed)]
    assert {*needed, *SHARDS} == set(names)


@pytest.mark.parametrize(
    ("repository", "weights"),
    [("shards", "model-1.safetensors"), ("stale", "model.safetensors"), ("named", "model-1.safetensors")],
)
def test_the_weights_that_are_fetched_are_those_that_are_loaded(fetched, repository, weights):
    _, told, _ = fetched
    _, names = told[f"find me/{repository}"]
    assert [name for name in names if name.endswith(".safetensors")] == [weights]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("me/good@nope", ["no revision 'nope'", "branch"]),
        ("me/gated", ["gated", "accept", "hf auth login", "HF_TOKEN"]),
        ("me/missing", ["no folder me/missing", "hub has no model", "hf auth login"]),
        ("me/broken", ["me/broken", "cannot be reached"]),
        (
            "find me/pickled",
            ["no model.safetensors on the hub", "can run code", "Convert it once", 'from_pretrained("me/pickled")'],
        ),
        ("x--y", ["no folder x--y", "no hub id"]),
    ],
)
def test_what_the_hub_refuses_is_told(fetched, text, words):
    _, told, _ = fetched
    for word in words:
        assert word in told[text]


def test_a_model_without_a_tokenizer_is_refused_before_its_weights_are_fetched(fetched):
    _, told, names = fetched
    assert "no tokenizer" in told["find me/bare"]
    assert names.count("model.safetensors") == 2, "of me/good and me/stale"


@pytest.mark.parametrize("network", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_without_network_the_cache_is_enough(hub, fetched, network):
    home, told, _ = fetched
    kept, folder, missing = run(hub, home, "me/good", "find me/good", "me/other", **network)
    assert (kept, folder) == (told["me/good"], told["find me/good"])
    assert "cannot be reached or HF_HUB_OFFLINE is set" in missing
    assert Path(home).is_dir()
