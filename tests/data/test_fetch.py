"""Downloads from a local server that does what servers do on bad days."""

from __future__ import annotations

import errno
import hashlib
import http.server
import os
import re
import subprocess
import sys
import threading
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restor.data import fetch as module
from restor.data.fetch import copy_from, fetch
from restor.data.published import PublishedFile
from restor.errors import DataError
from restor.progress import Progress
from restor.web import Failure, check_url, failure, user_agent

BODY = bytes(range(256)) * 40


def released(path="wikidata/a.json", body=BODY, sha256=True, size=True):
    """The manifest entry of some content."""
    blob = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
    digest = hashlib.sha256(body).hexdigest() if sha256 else None
    return PublishedFile(path, "", blob, digest, len(body) if size else None)


class Web:
    """A server on this machine. `plan` is what it does with one request after the other; the last one stays."""

    def __init__(self):
        self.plan = []
        self.asked = []
        self.over = threading.Event()
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                web.asked.append((self.path, dict(self.headers)))
                step = web.plan.pop(0) if len(web.plan) > 1 else web.plan[0]
                with suppress(ConnectionError):
                    step(self)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def ranges(self):
        return [headers.get("Range") for _, headers in self.asked]


def reply(handler, body, *, status=200, send=None, **headers):
    """Announces all of `body` and sends `send` bytes of it."""
    handler.send_response(status)
    for name, value in {"Content-Length": len(body), **headers}.items():
        if value is not None:
            handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.write(body[:send])


def serves(body=BODY, send=None, ranges=True, **headers):
    """Sends the file from where it is asked for, and breaks off after `send` bytes."""

    def step(handler):
        asked = re.match(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        start = int(asked[1]) if asked and ranges else 0
        if start >= len(body) > 0 and asked and ranges:
            return says(416)(handler)
        if start:
            span = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
            return reply(handler, body[start:], status=206, send=send, **span, **headers)
        return reply(handler, body, send=send, **headers)

    return step


def says(status, body=b"", **headers):
    return lambda handler: reply(handler, body, status=status, **headers)


@pytest.fixture
def web(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    web = Web()
    yield web
    web.close()


class Notes(Progress):
    def __init__(self):
        self.notes, self.stages, self.steps = [], [], []

    def expect(self, ahead, usual):
        pass

    def begin(self, stage, detail, number, total):
        self.stages.append([stage, detail, number, total])

    def advance(self, done, total, loss):
        self.steps.append((done, total))

    def end(self, cached, seconds):
        self.stages[-1].append(cached)

    def fail(self, reason):
        raise AssertionError

    def note(self, message):
        self.notes.append(message)


class Waits(list):
    """Stands for `sleep` and keeps how long was asked for."""

    def __call__(self, seconds):
        self.append(seconds)


def get(web, folder, files=None, **options):
    options = {"sleep": Waits(), "timeout": 5.0} | options
    return fetch(files or [released()], web.url, folder, **options)


def kept(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {".lock"}


# What goes well ------------------------------------------------------------------------------------------------------


def test_files_arrive_at_their_paths_and_are_not_downloaded_again(web, tmp_path):
    web.plan = [serves(), serves(b"licence"), says(500)]
    files = [released(), released("LICENSE", b"licence")]
    notes = Notes()
    done = get(web, tmp_path / "new" / "data", files, progress=notes)
    folder = tmp_path / "new" / "data"
    assert (folder / "wikidata/a.json").read_bytes() == BODY
    assert (folder / "LICENSE").read_bytes() == b"licence"
    assert kept(folder) == {"wikidata/a.json", "LICENSE"}
    assert (done.folder, done.present, done.fetched) == (folder, (), ("wikidata/a.json", "LICENSE"))
    assert done.size == len(BODY) + len(b"licence")
    # The data stand below datasets/ of the repository, the licence at its root.
    assert [path for path, _ in web.asked] == ["/datasets/wikidata/a.json", "/LICENSE"]
    assert all(headers["User-Agent"] == user_agent() for _, headers in web.asked)
    assert user_agent().startswith("restor/")
    assert notes.stages == [["fetch", "wikidata/a.json", 1, 2, False], ["fetch", "LICENSE", 2, 2, False]]
    assert notes.steps[-1] == (0, 0)
    assert notes.steps[-2] == (10, 10), "thousands of bytes"

    again = get(web, folder, files)
    assert (again.present, again.fetched, again.size) == (("wikidata/a.json", "LICENSE"), (), 0)
    assert len(web.asked) == 2


def test_a_damaged_file_is_fetched_again_and_the_right_ones_stay(web, tmp_path):
    web.plan = [serves(b"two")]
    (tmp_path / "one").write_bytes(b"one")
    (tmp_path / "two").write_bytes(b"2")
    notes = Notes()
    done = get(web, tmp_path, [released("one", b"one"), released("two", b"two")], progress=notes)
    assert (done.present, done.fetched) == (("one",), ("two",))
    assert (tmp_path / "two").read_bytes() == b"two"
    assert "is damaged: expected 3 bytes, got 1" in notes.notes[0]


def test_an_empty_file_of_unknown_length_is_a_file(web, tmp_path):
    web.plan = [serves(b"", Content_Length=None)]
    get(web, tmp_path, [released("empty", b"")])
    assert (tmp_path / "empty").read_bytes() == b""


# What breaks off -----------------------------------------------------------------------------------------------------


def test_a_download_that_breaks_off_continues_where_it_was(web, tmp_path):
    web.plan = [serves(send=3000), serves(send=5000), serves()]
    waits, notes = Waits(), Notes()
    done = get(web, tmp_path, sleep=waits, progress=notes, delays=(1.0, 2.0))
    assert web.ranges() == [None, "bytes=3000-", "bytes=8000-"]
    assert (tmp_path / "wikidata/a.json").read_bytes() == BODY
    assert done.size == len(BODY), "no byte came twice"
    assert waits == [1.0, 1.0], "what brings something starts the delays anew"
    assert notes.notes[0] == "wikidata/a.json: broke off after 3,000 of 10,240 bytes; trying again in 1 s."


def test_a_server_that_ignores_ranges_sends_it_all_again(web, tmp_path):
    web.plan = [serves(send=3000), serves(ranges=False)]
    done = get(web, tmp_path)
    assert web.ranges() == [None, "bytes=3000-"]
    assert (tmp_path / "wikidata/a.json").read_bytes() == BODY
    assert done.size == 3000 + len(BODY)


def test_a_range_other_than_the_asked_one_is_not_appended(web, tmp_path):
    def elsewhere(handler):
        reply(handler, BODY, status=206, Content_Range=f"bytes 0-{len(BODY) - 1}/{len(BODY)}")

    web.plan = [serves(send=3000), elsewhere]
    get(web, tmp_path)
    assert (tmp_path / "wikidata/a.json").read_bytes() == BODY


def test_a_killed_download_is_continued_by_the_next_one(web, tmp_path):
    web.plan = [serves(send=4000), says(503), says(503)]
    with pytest.raises(DataError, match=r"(?s)HTTP 503.*what has arrived is kept"):
        get(web, tmp_path, delays=(1.0,))
    assert kept(tmp_path) == {"wikidata/a.json.part"}
    web.plan = [serves()]
    get(web, tmp_path)
    assert web.ranges()[-1] == "bytes=4000-"
    assert (tmp_path / "wikidata/a.json").read_bytes() == BODY
    assert kept(tmp_path) == {"wikidata/a.json"}


def test_a_part_that_is_whole_is_only_renamed(web, tmp_path):
    web.plan = [says(500)]
    (tmp_path / "wikidata").mkdir()
    (tmp_path / "wikidata/a.json.part").write_bytes(BODY)
    assert get(web, tmp_path).fetched == ("wikidata/a.json",)
    assert web.asked == []


@pytest.mark.parametrize("left", [b"x" * 100, BODY + b"more", BODY[:100] + b"?" + BODY[101:200]])
def test_a_part_from_another_day_does_not_spoil_the_file(web, tmp_path, left):
    web.plan = [serves()]
    (tmp_path / "wikidata").mkdir()
    (tmp_path / "wikidata/a.json.part").write_bytes(left)
    get(web, tmp_path)
    assert (tmp_path / "wikidata/a.json").read_bytes() == BODY
    assert kept(tmp_path) == {"wikidata/a.json"}
    assert web.ranges()[-1] is None


def test_an_end_without_announced_length_is_noticed_by_the_known_size(web, tmp_path):
    web.plan = [serves(send=100, Content_Length=None), serves()]
    get(web, tmp_path)
    assert web.ranges() == [None, "bytes=100-"]


def test_a_chunked_reply_that_breaks_off_continues(web, tmp_path):
    def chunks(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n%b\r\n" % (1000, BODY[:1000]) + b"ffff\r\n" + BODY[1000:1200])
        handler.close_connection = True

    web.plan = [chunks, serves()]
    get(web, tmp_path, [released(size=False)])
    assert (tmp_path / "wikidata/a.json").read_bytes() == BODY
    assert int(re.search(r"\d+", web.ranges()[1])[0]) >= 1000


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(breaks=st.lists(st.tuples(st.integers(0, len(BODY)), st.booleans()), max_size=4), known=st.booleans())
def test_wherever_it_breaks_off_the_file_is_right_or_absent(web, tmp_path_factory, breaks, known):
    folder = tmp_path_factory.mktemp("data")
    web.plan = [*(serves(send=send, ranges=ranges) for send, ranges in breaks), serves()]
    get(web, folder, [released(sha256=known, size=known)], delays=(0.0,) * 5)
    assert (folder / "wikidata/a.json").read_bytes() == BODY
    assert kept(folder) == {"wikidata/a.json"}


# What goes wrong -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sha256", [True, False])
def test_a_wrong_byte_never_gets_the_files_name(web, tmp_path, sha256):
    wrong = BODY[:-1] + b"!"
    web.plan = [serves(wrong)]
    file = released(sha256=sha256)
    with pytest.raises(DataError) as caught:
        get(web, tmp_path, [file])
    expected, got = (
        (file.sha256, hashlib.sha256(wrong).hexdigest()) if sha256 else (file.git_blob, released(body=wrong).git_blob)
    )
    assert f"expected {'SHA-256' if sha256 else 'Git blob'} {expected}, got {got}" in str(caught.value)
    assert "wikidata/a.json: wrong content from http://127.0.0.1" in str(caught.value)
    assert kept(tmp_path) == set(), "neither the file nor a part to continue from"
    assert len(web.asked) == 1, "the same bytes would come again"


def test_pieces_that_do_not_fit_are_read_once_more_and_then_given_up(web, tmp_path):
    wrong = b"!" + BODY[1:]
    web.plan = [serves(wrong, send=10), serves(wrong), serves(wrong)]
    with pytest.raises(DataError, match="wrong content"):
        get(web, tmp_path)
    assert web.ranges() == [None, "bytes=10-", None]
    assert kept(tmp_path) == set()


def test_a_login_page_in_place_of_the_file_is_called_so(web, tmp_path):
    web.plan = [serves(b"<!DOCTYPE html><title>Please log in")]
    with pytest.raises(DataError, match=r"a web page came instead, perhaps of a proxy.*expected 10,240 bytes, got 35"):
        get(web, tmp_path)


def test_an_endless_reply_is_not_read_on(web, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 1 << 17)

    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        while not web.over.is_set():
            handler.wfile.write(BODY)

    web.plan = [endless]
    for size in (True, False):
        with pytest.raises(DataError, match="wrong content"):
            get(web, tmp_path, [released(size=size)])
        assert kept(tmp_path) == set()


def test_a_missing_file_is_named_the_others_arrive_and_nothing_is_tried_twice(web, tmp_path):
    web.plan = [serves(b"one"), says(404), serves(b"three")]
    files = [released(name, name.encode()) for name in ("one", "two", "three")]
    notes = Notes()
    with pytest.raises(DataError) as caught:
        get(web, tmp_path, files, progress=notes)
    message = str(caught.value)
    assert message.startswith("1 of 3 files could not be fetched:\n  two: http://127.0.0.1")
    assert "/datasets/two: HTTP 404 Not Found" in message
    assert "--from DIR" in message
    assert kept(tmp_path) == {"one", "three"}
    assert len(web.asked) == 3
    assert notes.notes == ["two could not be fetched."]


def test_a_busy_server_is_asked_again_after_the_time_it_names(web, tmp_path):
    web.plan = [says(503), says(429, Retry_After=30), says(500), serves()]
    waits = Waits()
    get(web, tmp_path, sleep=waits, delays=(1.0, 2.0, 4.0))
    assert waits == [1.0, 30.0, 4.0]
    assert (tmp_path / "wikidata/a.json").read_bytes() == BODY


def test_a_server_that_asks_to_wait_for_long_ends_it(web, tmp_path):
    web.plan = [says(429, Retry_After=3600)]
    waits = Waits()
    with pytest.raises(DataError, match=r"HTTP 429 .*tried again in 3600 s.*--from DIR"):
        get(web, tmp_path, sleep=waits)
    assert waits == []


def test_a_server_that_stays_busy_is_given_up(web, tmp_path):
    web.plan = [says(503)]
    waits = Waits()
    with pytest.raises(DataError, match=r"HTTP 503 Service Unavailable"):
        get(web, tmp_path, sleep=waits, delays=(1.0, 2.0))
    assert waits == [1.0, 2.0]
    assert len(web.asked) == 3


def test_no_network_is_said_at_once_and_not_for_every_file(web, tmp_path):
    web.close()
    waits = Waits()
    with pytest.raises(DataError) as caught:
        get(web, tmp_path, [released("one"), released("two")], sleep=waits, delays=(1.0, 2.0))
    message = str(caught.value)
    assert "/datasets/one: the connection was refused" in message
    assert "/two" not in message
    assert "Without network: copy the files" in message
    assert "`restor data fetch restor --from DIR`" in message
    assert waits == [1.0, 2.0]


def test_a_refusal_ends_it_as_it_holds_for_every_file(web, tmp_path):
    web.plan = [says(403)]
    with pytest.raises(DataError, match="HTTP 403 Forbidden"):
        get(web, tmp_path, [released("one"), released("two")])
    assert len(web.asked) == 1


def test_a_server_that_hangs_is_not_waited_for_for_ever(web, tmp_path):
    def hangs(handler):
        reply(handler, BODY, send=500)
        web.over.wait(60)

    web.plan = [hangs, serves()]
    notes = Notes()
    get(web, tmp_path, timeout=0.2, progress=notes)
    assert "no answer in time" in notes.notes[0]
    assert web.ranges() == [None, "bytes=500-"]
    assert (tmp_path / "wikidata/a.json").read_bytes() == BODY


def test_what_is_not_http_is_tried_again(web, tmp_path):
    web.plan = [lambda handler: handler.wfile.write(b"SSH-2.0-server\r\n\r\n"), serves()]
    get(web, tmp_path)
    assert (tmp_path / "wikidata/a.json").read_bytes() == BODY


def test_the_proxy_of_the_environment_is_used(web, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", web.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    web.plan = [serves()]
    fetch([released()], "http://data.example/root/", tmp_path, sleep=Waits())
    assert web.asked[0][0] == "http://data.example/root/datasets/wikidata/a.json"


@pytest.mark.parametrize("url", ["file:///etc", "ftp://a/b", "example.org/x", "http://", "http://a\nb/", "http://[::1"])
def test_only_web_addresses_are_taken(url, tmp_path):
    with pytest.raises(DataError, match="not a web address"):
        fetch([released()], url, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_check_url_leaves_no_slash():
    assert check_url("https://example.org/a/") == "https://example.org/a"


def test_a_certificate_that_is_not_trusted_is_not_tried_again():
    import ssl
    from urllib.error import URLError

    error = ssl.SSLCertVerificationError("self-signed")
    error.verify_message = "self-signed certificate"
    found = failure(URLError(error))
    assert (found.again, found.everywhere) == (False, True)
    assert "self-signed certificate" in found.what
    assert "SSL_CERT_FILE" in found.what


def test_a_date_to_wait_for_counts_from_now(web):
    from urllib.error import HTTPError

    def busy(when):
        return HTTPError("http://a", 503, "Busy", {"Retry-After": when}, None)

    date = "Thu, 01 Jan 1970 00:02:00 GMT"
    assert failure(busy(date), now=100.0) == Failure("HTTP 503 Busy", True, False, 20.0, 503)
    assert failure(busy(date), now=500.0).wait == 0.0
    assert failure(busy("soon"), now=0.0).wait is None


# The disk ------------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_told_from_the_network_and_not_tried_again(web, tmp_path):
    web.plan = [serves(b"x" * 100_000)]
    program = (
        "import sys\nfrom pathlib import Path\nfrom restor.errors import DataError\n"
        "from restor.data.fetch import fetch\nfrom restor.data.published import PublishedFile\n"
        "try: fetch([PublishedFile('big', '', '0' * 40)], sys.argv[1], Path(sys.argv[2]))\n"
        "except DataError as error: sys.exit(str(error))\n"
    )

    def limit():
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    command = [sys.executable, "-c", program, web.url, str(tmp_path)]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.search(r"No room to write .*big\.part: File too large\. Free space or set RESTOR_DATA", done.stderr)
    assert len(web.asked) == 1
    assert kept(tmp_path) == {"big.part"}


@pytest.mark.parametrize(
    ("code", "message"),
    [(errno.ENOSPC, "No room to write .*RESTOR_DATA"), (errno.EROFS, "Not allowed to write .*RESTOR_DATA")],
)
def test_a_disk_that_refuses_the_last_step_leaves_the_part(web, tmp_path, monkeypatch, code, message):
    def refuses(*args):
        raise OSError(code, os.strerror(code))

    web.plan = [serves()]
    monkeypatch.setattr(os, "replace", refuses)
    with pytest.raises(DataError, match=message):
        get(web, tmp_path)
    monkeypatch.undo()
    assert kept(tmp_path) == {"wikidata/a.json.part"}
    assert len(web.asked) == 1


def test_a_file_in_the_place_of_the_folder_is_named(web, tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(DataError, match=r"Cannot use .*data.*Check the path"):
        get(web, tmp_path / "data")


def test_a_complete_folder_is_not_written_to(web, tmp_path):
    (tmp_path / "one").write_bytes(b"one")
    assert get(web, tmp_path, [released("one", b"one")]).present == ("one",)
    assert [path.name for path in tmp_path.iterdir()] == ["one"], "not even a lock: it may be read-only"


def test_a_second_process_waits_and_then_downloads_nothing(web, tmp_path):
    first_is_asked, go_on = threading.Event(), threading.Event()

    def slow(handler):
        first_is_asked.set()
        go_on.wait(60)
        serves()(handler)

    class Waiting(Notes):
        def note(self, message):
            super().note(message)
            go_on.set()

    web.plan = [slow]
    reports, notes = {}, Waiting()
    first = threading.Thread(target=lambda: reports.update(first=get(web, tmp_path)))
    first.start()
    assert first_is_asked.wait(60)
    reports["second"] = get(web, tmp_path, progress=notes)
    first.join()
    assert notes.notes == [f"Another process is fetching to {tmp_path}: waiting for it."]
    assert reports["first"].fetched == reports["second"].present == ("wikidata/a.json",)
    assert len(web.asked) == 1


# A copy --------------------------------------------------------------------------------------------------------------


def test_a_copy_of_any_layout_is_found_by_name_and_content(tmp_path):
    source, folder = tmp_path / "usb", tmp_path / "cache"
    (source / "old").mkdir(parents=True)
    (source / "new" / "squad").mkdir(parents=True)
    (source / "old" / "a.json").write_bytes(b"another file of that name")
    (source / "new" / "squad" / "a.json").write_bytes(BODY)
    done = copy_from([released()], source, folder)
    assert (folder / "wikidata/a.json").read_bytes() == BODY
    assert (done.fetched, done.size) == (("wikidata/a.json",), len(BODY))
    assert kept(folder) == {"wikidata/a.json"}
    assert (source / "new" / "squad" / "a.json").read_bytes() == BODY
    assert copy_from([released()], source, folder).present == ("wikidata/a.json",)


def test_what_the_copy_lacks_is_named_and_the_rest_is_kept(tmp_path):
    source, folder = tmp_path / "usb", tmp_path / "cache"
    source.mkdir()
    (source / "one").write_bytes(b"one")
    (source / "two").write_bytes(b"2")
    files = [released(name, name.encode()) for name in ("one", "two", "three")]
    with pytest.raises(DataError) as caught:
        copy_from(files, source, folder)
    message = str(caught.value)
    assert message.startswith(f"2 of 3 files could not be found below {source}:\n")
    assert f"two: {source / 'two'} is not it: expected 3 bytes, got 1" in message
    assert f"three: there is no three below {source}" in message
    assert "--only" in message
    assert kept(folder) == {"one"}


@pytest.mark.parametrize("name", ["none", "file"])
def test_the_copy_must_be_a_folder(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"--from takes a folder"):
        copy_from([released()], tmp_path / name, tmp_path / "cache")
