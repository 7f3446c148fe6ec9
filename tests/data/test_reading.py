"""Reading with line numbers, and writing whole files."""

from __future__ import annotations

import errno
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restor.data.text_files import BadFile, Finding, Findings, parse_json, read_source, write_atomic
from restor.errors import DataError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


def placed(text, path):
    findings = Findings(path)
    return parse_json(text, findings, placed=True), findings.problems


@given(VALUES, st.booleans())
def test_placed_json_is_the_same_value_and_every_part_is_where_it_says(tmp_path_factory, value, ascii_only):
    text = json.dumps(value, indent=1, ensure_ascii=ascii_only)
    parsed, problems = placed(text, tmp_path_factory.getbasetemp())
    assert not problems
    assert parsed.value == value
    lines = text.split("\n")

    def look(container):
        for key in container if isinstance(container, dict) else range(len(container)):
            line = lines[parsed.line(container, key) - 1].strip()
            part = container[key]
            begins = "" if not isinstance(container, dict) else f"{json.dumps(key, ensure_ascii=ascii_only)}: "
            if not isinstance(part, dict | list):
                assert line.rstrip(",") == begins + json.dumps(part, ensure_ascii=ascii_only)
            else:
                assert line.startswith(begins + ("{" if isinstance(part, dict) else "["))
                look(part)

    if isinstance(value, dict | list):
        look(parsed.value)


def test_a_repeated_key_is_a_problem_with_both_lines_and_nothing_is_hidden(tmp_path):
    text = '{\n "a": {"x": 1,\n  "x": [2]},\n "b": 3,\n "a": 4\n}'
    for known in (True, False):
        findings = Findings(tmp_path)
        parsed = parse_json(text, findings, placed=known)
        assert [(item.line, item.where) for item in findings.problems] == [(3, "a > x"), (5, "a")]
        assert "first in line 2" in findings.problems[0].what
        assert [(key, value, line) for key, value, line in parsed.items(parsed.value)] == [
            ("a", {"x": 1}, 2),
            ("b", 3, 4),
            ("a", 4, 5),
        ]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ('{"a": 1,\n "b" 2}', 2, "column 6"),
        ("[1,\n\n2", 3, "column 2"),
        ("[" * 100_000, 1, "nested too deeply"),
        ('{"a": ' + "9" * 400 + "}", 1, "400 digits"),
    ],
)
def test_what_is_not_json_has_a_place(tmp_path, text, line, what):
    parsed, problems = placed(text, tmp_path)
    assert parsed is None
    assert problems[0].line == line
    assert what in problems[0].what


def test_deep_json_that_can_be_read_is_read(tmp_path):
    parsed, problems = placed("[" * 400 + "]" * 400, tmp_path)
    assert not problems
    assert parsed.value == json.loads("[" * 400 + "]" * 400)


def test_a_source_has_no_byte_order_mark_and_the_digest_of_its_bytes(tmp_path):
    (tmp_path / "f").write_bytes(b"\xef\xbb\xbfabc")
    source = read_source(tmp_path / "f")
    assert source.text == "abc"
    # From `printf '\357\273\277abc' | sha256sum`.
    assert source.sha256 == "1c28dc3f1f804a1ad9c9b4b4cf5e2658d16ad4ed08e3020d04a8d2865018947c"


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda path: None, "There is no file .*f"),
        (lambda path: path.mkdir(), "f is a folder"),
        (lambda path: path.write_bytes(b"one\ntwo\xff"), r"f, line 2: byte 7 is not UTF-8"),
        (lambda path: path.write_bytes("text".encode("utf-16")), r"line 1: byte 0 is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, make, match):
    make(tmp_path / "f")
    with pytest.raises(DataError, match=match):
        read_source(tmp_path / "f")


def test_many_problems_show_the_first_and_the_number(tmp_path):
    problems = [Finding(tmp_path, n, f"field {n}", "is empty.") for n in range(1, 8)]
    error = BadFile(tmp_path, problems)
    assert error.problems == tuple(problems)
    lines = str(error).splitlines()
    assert lines[0].endswith("has 7 problems:")
    assert "line 5: field 5: is empty." in lines[5]
    assert "restor data check" in lines[6]
    assert len(lines) == 7


def test_write_atomic_leaves_the_new_file_and_nothing_else(tmp_path):
    write_atomic(tmp_path / "f", "old")
    write_atomic(tmp_path / "f", "é")
    assert (tmp_path / "f").read_bytes() == "é".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize(
    ("code", "failing", "match"),
    [
        (errno.ENOSPC, "fsync", "No room to write .*f.*Free space"),
        (errno.EACCES, "replace", "Not allowed to write .*f.*another place"),
        (errno.EIO, "replace", "Cannot write .*f"),
    ],
)
def test_a_failing_disk_keeps_the_old_file(tmp_path, monkeypatch, code, failing, match):
    write_atomic(tmp_path / "f", "old")

    def fail(*args):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(DataError, match=match):
        write_atomic(tmp_path / "f", "new")
    monkeypatch.undo()
    assert (tmp_path / "f").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="its folder does not exist"):
        write_atomic(tmp_path / "none" / "f", "x")
