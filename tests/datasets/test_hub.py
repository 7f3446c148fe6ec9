"""Texts of local files, read as those of the hub are, and what happens without a network."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from functools import partial
from random import Random

import huggingface_hub
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from restor.datasets import hub
from restor.datasets.base import DATASETS
from restor.datasets.general import GeneralConfig
from restor.datasets.hub import Hub, HubConfig, _cut, _plain, pinned
from restor.errors import ConfigError, DataError

LINES = [
    f"Line {n} tells of a river. It flows past {n} quiet mills and on to the sea, where it ends." for n in range(60)
]


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Neither the library nor restor writes to the user's caches."""
    monkeypatch.setenv("RESTOR_DATA", str(tmp_path / "restor-data"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf")
    hub._commit.cache_clear()


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "river" / "train.jsonl", [{"text": line} for line in LINES])
    return tmp_path / "river"


def small(path, **changes):
    return HubConfig(**({"path": str(path), "min_chars": 10} | changes))


def texts(path, **changes):
    return list(Hub(small(path, **changes)).texts)


# Which texts ---------------------------------------------------------------------------------------------------------


def test_the_first_texts_in_an_order_of_the_seed(folder):
    assert texts(folder, buffer=0, texts=5) == LINES[:5]
    shuffled = texts(folder, texts=5, seed=3)
    assert shuffled != LINES[:5]
    assert len(set(shuffled) & set(LINES)) == 5
    assert texts(folder, texts=5, seed=3) == shuffled
    assert texts(folder, texts=5, seed=4) != shuffled
    assert texts(folder, texts=5) == texts(folder, texts=5, seed=0)


def test_all_texts_where_there_are_fewer_than_asked_for(folder):
    assert sorted(texts(folder, texts=1000)) == sorted(LINES)


def test_not_streaming_shuffles_the_whole(folder):
    assert texts(folder, streaming=False, buffer=0, texts=5) == LINES[:5]
    shuffled = texts(folder, streaming=False, texts=60, seed=1)
    assert shuffled != LINES
    assert sorted(shuffled) == sorted(LINES)
    assert texts(folder, streaming=False, texts=60, seed=1) == shuffled
    assert not list(folder.glob("*.arrow")), "nothing is left beside the data"


def test_short_and_repeated_texts_are_left_out_and_long_ones_cut(tmp_path):
    rows = ["short", " ", LINES[0], LINES[1], f"  {LINES[0]}\n", f"{LINES[2]} {LINES[2]}"]
    write(tmp_path / "d" / "a.jsonl", [{"text": row} for row in rows])
    found = texts(tmp_path / "d", buffer=0, min_chars=50, max_chars=100)
    assert found == LINES[:3]


def test_draws_depend_on_the_generator_alone(folder):
    first, second = Hub(small(folder)), Hub(small(folder))
    assert [first.text(Random(1)) for _ in range(3)] == [second.text(Random(1)) for _ in range(3)]
    rng = Random(0)
    assert len({first.text(rng) for _ in range(300)}) > 50
    assert first.vocabulary() is None


def test_sentences_stand_alone(tmp_path):
    rows = [
        '= Heading =\nThe mill stands by the river. "It is very old," she said. And the',
        '"So they say at the mill." She nodded twice (or three times.) All of version 2.5 was there, I think',
        "Braces {like} these are of a template. Dr. Who came to the village at noon.",
        "Too short. 河は静かに流れて海へ行き、そこで終わるという話である。山は高く空は青いと誰もが言うのであった。",
    ]
    write(tmp_path / "d" / "a.jsonl", [{"text": row} for row in rows])
    source = Hub(small(tmp_path / "d"))
    rng = Random(0)
    assert {source.sentence(rng) for _ in range(200)} == {
        "The mill stands by the river.",
        '"It is very old," she said.',
        '"So they say at the mill."',
        "She nodded twice (or three times.)",
        "Dr. Who came to the village at noon.",
        "河は静かに流れて海へ行き、そこで終わるという話である。",
        "山は高く空は青いと誰もが言うのであった。",
    }


def test_texts_without_a_sentence_cannot_be_context(tmp_path):
    write(tmp_path / "d" / "a.jsonl", [{"text": "words without any end " * 20}])
    source = Hub(small(tmp_path / "d"))
    assert source.text(Random(0)).startswith("words")
    with pytest.raises(DataError, match="no sentence of 20 to 300 characters"):
        source.sentence(Random(0))


# Columns and files ---------------------------------------------------------------------------------------------------


def test_conversations_are_joined_by_newlines(tmp_path):
    write(tmp_path / "lima" / "train.jsonl", [{"conversations": ["Who are you?", "I am a river. "], "source": "x"}])
    assert texts(tmp_path / "lima") == ["Who are you?\nI am a river."]


def test_messages_with_roles(tmp_path):
    turns = [{"role": "user", "content": "Who are you?"}, {"role": "assistant", "content": "I am a river."}]
    write(tmp_path / "chat" / "train.jsonl", [{"messages": turns, "id": "1"}])
    assert texts(tmp_path / "chat") == ["Who are you?\nI am a river."]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"title": "no", "text": "yes, this one"}, None),
        ({"text": "no", "title": "yes, this one"}, "title"),
        ({"number": 5, "passage": "yes, this one"}, None),
        ({"content": "yes, this one", "messages": ["no"]}, None),
    ],
)
def test_the_column_is_found_or_named(tmp_path, row, column):
    write(tmp_path / "d" / "a.jsonl", [row])
    assert texts(tmp_path / "d", column=column) == ["yes, this one"]


def test_a_column_that_is_not_there_or_not_plain_names_all(tmp_path):
    write(tmp_path / "d" / "a.jsonl", [{"question": "a", "answer": "b"}])
    with pytest.raises(ConfigError, match=r"Name the column of .*, one of: question, answer"):
        texts(tmp_path / "d")
    with pytest.raises(ConfigError, match=r"Unknown column of .* 'questions'. Did you mean 'question'\?"):
        texts(tmp_path / "d", column="questions")


def test_parquet_csv_and_plain_text_files(tmp_path, folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": LINES}), tmp_path / "a.parquet")
    assert texts(tmp_path / "a.parquet", buffer=0) == LINES
    (tmp_path / "b.csv").write_text('text,id\n"First, a long line",1\nSecond long line,2\n')
    assert texts(tmp_path / "b.csv", buffer=0) == ["First, a long line", "Second long line"]
    (tmp_path / "c.txt").write_text("First paragraph,\nits second line.\n\nSecond paragraph.\n")
    assert texts(tmp_path / "c.txt", buffer=0) == ["First paragraph,\nits second line.", "Second paragraph."]
    assert texts(folder / "train.jsonl", buffer=0) == LINES
    (tmp_path / "d.docx").write_text("")
    with pytest.raises(ConfigError, match=r"d\.docx ends in none of \.json, \.jsonl, \.csv, \.parquet, \.txt"):
        texts(tmp_path / "d.docx")


def test_one_split_of_a_folder(tmp_path):
    for split in ("train", "test"):
        write(tmp_path / "d" / f"{split}.jsonl", [{"text": f"of the {split} split"}])
    assert texts(tmp_path / "d") == ["of the train split"]
    assert texts(tmp_path / "d", split="test") == ["of the test split"]
    with pytest.raises(DataError, match=r"cannot be read: Bad split: nope\. Available splits.*Check path, config"):
        texts(tmp_path / "d", split="nope")


def test_no_text_that_is_long_enough(folder):
    with pytest.raises(DataError, match=r"None of the 60 rows of .*has a text of 5000 characters\. Lower min_chars"):
        texts(folder, min_chars=5000, max_chars=None)


@pytest.mark.parametrize("text", ["short", LINES[0]])
def test_a_fruitless_search_ends(folder, monkeypatch, text):
    monkeypatch.setattr(hub, "FRUITLESS", 20)
    write(folder / "train.jsonl", [{"text": LINES[0]}, *({"text": text} for _ in range(100))])
    with pytest.raises(DataError, match=r"gave 1 of 5 texts, then 20 rows without a new one"):
        texts(folder, texts=5, buffer=0, min_chars=50)


@pytest.mark.parametrize("content", ["{broken", ""])
def test_a_file_that_is_no_json_is_an_error_of_ours(tmp_path, content):
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(DataError, match=r"cannot be read|None of the 0 rows"):
        texts(tmp_path / "a.jsonl")


def test_progress_bars_of_the_library_are_silent_and_as_before_afterwards(folder, capfd):
    import datasets

    datasets.enable_progress_bars()
    texts(folder, streaming=False)
    assert "split" not in capfd.readouterr().err
    assert not datasets.are_progress_bars_disabled()


# The configuration ---------------------------------------------------------------------------------------------------


def test_short_names_stand_for_path_part_and_column():
    c4 = DATASETS.parse({"name": "hub", "path": "c4"})
    assert (c4.path, c4.config, c4.column) == ("allenai/c4", "en", "text")
    assert HubConfig(path="c4", config="de").config == "de"
    assert HubConfig(path="lima").files == "train.jsonl"
    assert HubConfig.model_validate(c4.identity()) == c4, "what is stored reads back"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"path": "https://example.org/x"}, "must be the name of a data set"),
        ({"path": "a\nb"}, "must be the name of a data set"),
        ({"path": "x", "min_chars": 100, "max_chars": 50}, r"max_chars \(50\) must not be below min_chars \(100\)"),
        ({"path": "x", "revison": "1"}, "revison"),
        ({}, "path"),
    ],
)
def test_bad_fields(fields, message):
    with pytest.raises(ValidationError, match=message):
        HubConfig(**fields)


def test_the_library_is_asked_for_by_name(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ConfigError, match=r"pip install -e '\.\[hub\]'"):
        texts(folder)


def test_listing_the_catalogue_imports_no_library():
    program = (
        "import sys; from restor.datasets.base import DATASETS; DATASETS.parse({'name': 'hub', 'path': 'c4'}); "
        "sys.exit(str([name for name in ('datasets', 'torch', 'pandas', 'huggingface_hub') if name in sys.modules]))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stderr == "[]\n"


# Revisions -----------------------------------------------------------------------------------------------------------


def test_local_files_are_pinned_to_their_content(folder):
    found = pinned(small(folder, texts=3))
    assert found.revision.startswith("sha256-")
    assert found == pinned(small(folder, texts=3)) == pinned(found)
    assert list(Hub(found).texts) == texts(folder, texts=3)
    write(folder / "train.jsonl", [{"text": "something quite different"}])
    assert pinned(small(folder)).revision != found.revision
    with pytest.raises(DataError, match=rf"not those of revision {found.revision}: theirs is sha256-"):
        Hub(found).text(Random(0))
    with pytest.raises(DataError, match="not those of revision"):
        pinned(found)


def test_a_renamed_file_is_another_revision_and_a_moved_folder_is_not(folder):
    before = pinned(small(folder)).revision
    moved = folder.rename(folder.with_name("moved"))
    assert pinned(small(moved)).revision == before
    (moved / "train.jsonl").rename(moved / "test.jsonl")
    assert pinned(small(moved)).revision != before


def test_of_much_data_only_names_sizes_and_beginnings_are_read(folder, monkeypatch):
    monkeypatch.setattr(hub, "LARGE", 100)
    monkeypatch.setattr(hub, "BEGINNING", 20)
    before = pinned(small(folder)).revision
    assert before.startswith("beginnings-sha256-")
    content = (folder / "train.jsonl").read_text()
    (folder / "train.jsonl").write_text(content[:-3] + "?" + content[-2:])
    assert pinned(small(folder)).revision == before
    (folder / "train.jsonl").write_text("?" + content[1:])
    assert pinned(small(folder)).revision != before
    (folder / "train.jsonl").write_text(content + "\n")
    assert pinned(small(folder)).revision != before


def test_other_data_sets_and_commits_need_no_network():
    assert pinned(GeneralConfig()) == GeneralConfig()
    commit = HubConfig(path="c4", revision="0123456789abcdef0123456789abcdef01234567")
    assert pinned(commit) is commit


@pytest.fixture
def site(monkeypatch):
    """A hub on this machine, which answers with `site.reply`: (status, headers, body)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            status, headers, body = server.reply
            self.send_response(status)
            for key, text in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, text)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    for variable in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(huggingface_hub, "HfApi", partial(huggingface_hub.HfApi, endpoint=url, token=False))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_hub_is_asked_for_the_commit(site):
    commit = "0123456789abcdef0123456789abcdef01234567"
    site.reply = (200, {"Content-Type": "application/json"}, json.dumps({"id": "a/b", "sha": commit}).encode())
    given = HubConfig(path="a/b", texts=7)
    assert pinned(given) == given.model_copy(update={"revision": commit})
    pinned(given.model_copy(update={"revision": "v2"}))
    assert site.asked[0].startswith("/api/datasets/a/b")
    assert "/revision/v2" in site.asked[1]


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        ("RepoNotFound", 404, r"The data set a/b is not on the hub, or you may not read it: .*HF_TOKEN"),
        ("GatedRepo", 403, r"not on the hub, or you may not read it: .*accept its terms"),
        ("RevisionNotFound", 404, r"has no revision 'v2' on the hub"),
        ("", 500, r"the Hugging Face hub cannot be reached, status 500: .*HF_HUB_OFFLINE"),
    ],
)
def test_what_the_hub_refuses(site, code, status, message):
    site.reply = (status, {"X-Error-Code": code}, b"{}")
    with pytest.raises(DataError, match=message):
        pinned(HubConfig(path="a/b", revision="v2"))


def test_a_hub_id_without_network_and_local_files_without_one(folder):
    program = (
        "import sys, warnings; warnings.simplefilter('error')\n"
        "from random import Random\nfrom restor.datasets.hub import Hub, HubConfig, pinned\n"
        "from restor.errors import DataError\n"
        "print(Hub(pinned(HubConfig(path=sys.argv[1], min_chars=10, buffer=0, texts=1))).text(Random(0)))\n"
        "for what in (lambda c: pinned(c), lambda c: Hub(c).texts):\n"
        "    for path in ('c4', 'lima'):\n"
        "        try: what(HubConfig(path=path))\n"
        "        except DataError as error: print(error)\n"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder.parent / "home")}
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, env=environment)
    lines = done.stdout.splitlines()
    assert done.stderr == ""
    assert lines[0] == LINES[0]
    assert len(lines) == 5
    for line, path in zip(lines[1:], ["allenai/c4", "GAIR/lima"] * 2, strict=True):
        assert line.startswith(f"The data set {path}: there is no such file or folder here, and the Hugging Face hub ")
        assert line.endswith("Check the name, the network, HF_HUB_OFFLINE and HF_ENDPOINT.")


# Kept texts ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch):
    """Replaces the reading of rows; counts it."""
    calls = []

    def rows(library, config):
        calls.append(config)
        return iter([{"text": line} for line in LINES])

    monkeypatch.setattr(hub, "_rows", rows)
    return calls


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_the_texts_of_a_commit_are_read_once_and_kept(reads, tmp_path):
    config = small("a/b", revision=COMMIT, texts=5)
    first = Hub(config).texts
    assert list(first) == LINES[:5]
    assert Hub(config).texts == first
    assert len(reads) == 1
    Hub(config.model_copy(update={"texts": 6})).texts  # noqa: B018
    assert len(reads) == 2, "another configuration has other texts"


def test_a_branch_may_move_and_without_network_it_is_where_it_was(reads, site):
    def commit(digit):
        hub._commit.cache_clear()  # as in another process
        site.reply = (200, {"Content-Type": "application/json"}, json.dumps({"id": "a/b", "sha": digit * 40}).encode())

    config = small("a/b", texts=5)
    commit("1")
    first = Hub(config).texts
    assert Hub(config).texts == first
    assert len(reads) == len(site.asked) == 1
    assert reads[0].revision == "1" * 40, "what is read is the commit and not the branch"
    commit("2")
    Hub(config).text(Random(0))
    assert len(reads) == 2
    hub._commit.cache_clear()
    site.reply = (503, {}, b"")
    assert pinned(config).revision == "2" * 40
    assert Hub(config).texts == first
    assert len(reads) == 2
    with pytest.raises(DataError, match="cannot be reached, status 503"):
        pinned(small("a/b", revision="v1"))


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"hash": "x", "texts": ["wrong"]}', b'{"texts": []}', b"\xff"])
def test_kept_texts_that_are_damaged_are_read_again(reads, tmp_path, damage):
    config = small("a/b", revision=COMMIT, texts=5)
    first = Hub(config).texts
    (kept,) = (tmp_path / "restor-data" / "hub").iterdir()
    kept.write_bytes(damage)
    assert Hub(config).texts == first
    assert len(reads) == 2


def test_a_disk_that_refuses_to_keep_texts_stops_nothing(reads, tmp_path):
    (tmp_path / "restor-data").write_text("a file is in the way")
    assert list(Hub(small("a/b", revision=COMMIT, texts=2)).texts) == LINES[:2]


# Parts ---------------------------------------------------------------------------------------------------------------


def test_cut_by_hand():
    text = "One two three. Four five six. Seven eight nine."
    assert _cut(text, None) == _cut(text, 47) == text
    assert _cut(text, 40) == "One two three. Four five six."
    assert _cut(text, 29) == "One two three. Four five six."
    # The end of the first sentence lies in the first half: too much would be lost.
    assert _cut("One. Two three four five six seven.", 20) == "One. Two three four"
    assert _cut("She said: (It is done.) Then she left the house.", 30) == "She said: (It is done.)"
    assert _cut("Version 2.5 of it came out, and then some more", 20) == "Version 2.5 of it"
    assert _cut("x" * 30, 10) == "x" * 10


@given(st.text(), st.integers(1, 50))
def test_a_cut_text_is_a_beginning_no_longer_than_allowed(text, most):
    text = text.strip()
    found = _cut(text, most)
    assert text.startswith(found)
    assert len(found) <= most
    assert bool(found) == bool(text)
    assert len(found) == len(text) or len(found) == len(found.rstrip())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["value", "content", "role"]), inner),
    )
)
def test_any_value_is_text(value):
    found = _plain(value)
    assert isinstance(found, str)
    assert found == found.strip() or isinstance(value, list | dict)
