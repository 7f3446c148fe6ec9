"""What nobody foresaw, in words: whose code failed, in which line, and what was being read."""

from __future__ import annotations

import errno
import os

import pytest

from own_algorithm import LOSS, MINE
from restor.errors import ChatError, CodeError, ConfigError
from restor.faults import one_line, own_code, own_code_error, reading, what_was_read
from restor.unlearning.algorithms.base import ALGORITHMS

SEEN = """
import json
from dataclasses import dataclass

from restor.errors import ChatError, ConfigError


@dataclass
class Seen:
    logits: int = 1


class MineConfig("""
CODE = MINE.replace(LOSS, "HERE").replace("\nclass MineConfig(", SEEN, 1)
LINE = 1 + CODE.splitlines().index("        HERE")


@pytest.fixture
def failing(tmp_path, monkeypatch):
    """Runs a line as the loss of the user's own algorithm in attr.py."""
    monkeypatch.chdir(tmp_path)

    def run(line):
        (tmp_path / "attr.py").write_text(CODE.replace("HERE", line))
        algorithm = ALGORITHMS.build(ALGORITHMS.parse("attr.py:Mine"))
        with own_code():
            algorithm.forget_loss(algorithm)

    return run


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("return Seen().logit", "AttributeError: 'Seen' object has no attribute 'logit'. Did you mean logits?"),
        ("return {}['beta']", "KeyError: 'beta'."),
        ("assert seen is None", "AssertionError (assert seen is None)."),
        ("raise ValueError('one\\n  two.')", "ValueError: one two."),
        ("return json.loads('{')", "JSONDecodeError: Expecting property name"),  # the line of theirs, not json's
        ("open('/nowhere/at/all')", "FileNotFoundError: [Errno 2] No such file"),
        ("import sys; sys.exit(3)", "SystemExit: 3."),
        ("return self.forget_loss(seen)", "RecursionError: maximum recursion depth exceeded"),
        ("raise ConfigError('Layer 9 is not there.')", "Layer 9 is not there."),
    ],
)
def test_the_line_of_the_users_own_file_and_what_went_wrong_there(failing, line, told):
    with pytest.raises(CodeError) as raised:
        failing(line)
    assert str(raised.value).startswith(f"attr.py, line {LINE}, in forget_loss: {told}")
    assert raised.value.__cause__ is not None, "the traceback stays"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("raise ChatError('nobody there')", ChatError),
        ("raise MemoryError", MemoryError),
        ("raise KeyboardInterrupt", KeyboardInterrupt),
        (f"raise OSError({errno.ENOSPC}, 'full')", OSError),
    ],
)
def test_what_is_not_the_codes_fault_stays_what_it_is(failing, line, kind):
    with pytest.raises(kind) as raised:
        failing(line)
    assert type(raised.value) is kind


def test_a_file_elsewhere_is_named_in_full(failing, tmp_path, monkeypatch):
    monkeypatch.setattr("restor.faults.Path.cwd", lambda: tmp_path / "elsewhere")
    with pytest.raises(CodeError, match=f"^{tmp_path}/attr.py, line {LINE}"):
        failing("return 1 / 0")


def test_an_error_of_restor_is_nobody_elses():
    with pytest.raises(ConfigError) as raised:
        ALGORITHMS.get("nope")
    assert own_code_error(raised.value) is None
    with pytest.raises(ZeroDivisionError), own_code():
        _ = 1 / 0


def test_code_of_an_installed_package_that_adds_entries_counts_too(tmp_path, monkeypatch):
    (tmp_path / "their_losses").mkdir()
    (tmp_path / "their_losses" / "__init__.py").write_text("def helper():\n    return [][0]\n")
    information = tmp_path / "their_losses-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: their-losses\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[restor.algorithms]\ntheirs = their_losses:Theirs\n")
    monkeypatch.syspath_prepend(tmp_path)
    import their_losses

    with pytest.raises(CodeError, match="line 2, in helper: IndexError: list index out of range"), own_code():
        their_losses.helper()


def test_the_cause_of_an_error_is_looked_at_too(failing):
    with pytest.raises(CodeError) as raised:
        failing("return 1 / 0")
    outer = RuntimeError("while training")
    outer.__cause__ = raised.value.__cause__
    assert "in forget_loss: ZeroDivisionError" in str(own_code_error(outer))


def test_the_innermost_file_is_what_was_read():
    with pytest.raises(ValueError) as raised, reading("study"), reading("study/config.yaml"):
        raise ValueError("x" * 1000)
    assert what_was_read(raised.value) == "study/config.yaml"
    assert what_was_read(ValueError()) is None
    assert len(one_line(raised.value)) < 450
    with pytest.raises(OSError) as raised:
        os.stat("/nowhere")
    assert what_was_read(raised.value) is None


@pytest.mark.parametrize("code", ["-" * 100_000 + "1", f"x = {'[' * 5000}", "'" * 7])
def test_a_file_that_python_cannot_even_read_is_one_message(tmp_path, code):
    (tmp_path / "deep.py").write_text(code)
    with pytest.raises(ConfigError, match=r"deep.py.* is not valid Python"):
        ALGORITHMS.get(f"{tmp_path}/deep.py:Deep")
