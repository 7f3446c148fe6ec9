"""`restor view` from the command line: which address it takes, what it says, how it ends."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request

import pytest
import uvicorn
from stores import add, new_store

from restor.cli.main import main
from restor.errors import RestorError
from restor.view import patience
from restor.view.app import build_app
from restor.view.server import PORT, address_of, bind


@pytest.fixture
def store(tmp_path):
    made = new_store(tmp_path / "store")
    add(made, "one")
    return made


def test_only_this_machine_is_served():
    for host in ("0.0.0.0", "192.168.1.5", "::", "example.org", ""):
        with pytest.raises(RestorError, match=r"no loopback address.*ssh -L"):
            bind(host, 0)
    for host, start in (("127.0.0.1", "http://127.0.0.1:"), ("localhost", "http://127.0.0.1:")):
        with bind(host, 0) as bound:
            assert address_of(bound).startswith(start)


def test_a_taken_port_is_said_and_the_default_one_makes_room():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RestorError, match=rf"Port {port} is in use.*--port"):
            bind("127.0.0.1", port)
    with bind("127.0.0.1", None) as first, bind("127.0.0.1", None) as second:
        ports = [bound.getsockname()[1] for bound in (first, second)]
        assert PORT <= ports[0] < ports[1] < PORT + 20
    for port in (-1, 65536):
        with pytest.raises(RestorError, match="is no port"):
            bind("127.0.0.1", port)


def test_it_serves_and_ends_cleanly_with_ctrl_c(store):
    command = [sys.executable, "-m", "restor", "view", str(store), "--port", "0"]
    hidden = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=hidden)
    try:
        said = child.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/", said)
        assert address, said
        with urllib.request.urlopen(address[0], timeout=20) as answer:
            assert 'data-study="one"' in answer.read().decode()
            assert "server" not in answer.headers
    finally:
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=20)
    assert child.returncode == 0
    assert errors == ""


@pytest.mark.parametrize("half", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"GET / HTTP/1.1\r\nX: " + b"y" * 100])
def test_a_request_that_never_ends_is_dropped_and_others_are_answered(store, monkeypatch, half):
    monkeypatch.setattr(patience, "LONGEST_REQUEST", 0.5)
    whole = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    config = uvicorn.Config(build_app(store), http=patience.ImpatientProtocol, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    with bind("127.0.0.1", 0) as bound:
        place = bound.getsockname()[:2]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            with (
                socket.create_connection(place, timeout=20) as other,
                socket.create_connection(place, timeout=20) as mine,
            ):
                mine.sendall(half)
                other.sendall(whole)
                assert other.recv(15) == b"HTTP/1.1 200 OK"
                assert mine.recv(1) == b""
        finally:
            server.should_exit = True
            thread.join(20)


def test_what_is_missing_is_said(store, tmp_path, monkeypatch, capsys):
    assert main(["view", str(tmp_path / "nowhere"), "--no-open"]) == 1
    assert "There is no store at" in capsys.readouterr().err
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "a.txt").touch()
    assert main(["view", str(tmp_path / "thesis"), "--no-open"]) == 1
    assert "is not a store" in capsys.readouterr().err
    found = importlib.util.find_spec
    monkeypatch.setattr("restor.cli.view.find_spec", lambda name: None if name == "uvicorn" else found(name))
    assert main(["view", str(store), "--no-open"]) == 1
    assert capsys.readouterr().err == (
        "Error: `restor view` needs uvicorn, which is not installed: run `pip install -e '.[view]'` in the clone of "
        "restor.\n"
    )
