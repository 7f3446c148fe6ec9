"""Nothing that is printed acts on the terminal, whoever said it, and what programs read stays what it was."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

import restor.cli
from restor.cli.main import main
from restor.cli.output import file_console, put, safe_console, safe_streams
from restor.errors import DataError
from restor.text import UNSAFE

HOSTILE = "a\x1b]0;title\x07\x1b[2J\x9b31m\u202egpj\u2066\x7f\rb\ud800"
SHOWN = r"a\u001b]0;title\u0007\u001b[2J\u009b31m\u202egpj\u2066\u007f\u000db\ud800"


def unsafe(text):
    return UNSAFE.findall(text)


def test_both_streams_and_everybody_who_writes_to_them(capsys):
    with safe_streams():
        sys.stdout.write(f"{HOSTILE}\n")
        print(HOSTILE, file=sys.stderr)  # noqa: T201 (as a library does)
        sys.stdout.writelines([HOSTILE, "\n"])
    out, err = capsys.readouterr()
    assert out == f"{SHOWN}\n{SHOWN}\n"
    assert SHOWN in err
    assert not unsafe(err)


def test_a_progress_bar_of_a_library_still_goes_back_to_the_start_of_its_line(capsys):
    with safe_streams():
        sys.stderr.write("\r 50%")
        sys.stderr.write("100\r%\r\n")
    assert capsys.readouterr().err == "\r 50%100\\u000d%\n"


def test_a_console_keeps_its_own_colours_and_the_columns_of_a_table():
    screen = io.StringIO()
    screen.isatty = lambda: True
    table = Table("name", "state")
    table.add_row(Text(HOSTILE, style="red"), "ok")
    table.add_row("plain", "ok")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", screen)
        for name, value in {"TERM": "xterm-256color", "COLUMNS": "100"}.items():
            patch.setenv(name, value)
        patch.delenv("NO_COLOR", raising=False)
        with safe_streams():
            safe_console().print(table)
            sys.stdout.write(HOSTILE)
            console = safe_console()
            with console.capture() as captured:
                console.print("[green]put[/green]")
            put(captured.get(), coloured=True)
    out = screen.getvalue()
    assert "\x1b[31m" in out, "rich still colours"
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out)
    assert unsafe(plain) == []
    rows = [line for line in plain.splitlines() if line.startswith(("│", "┃"))]
    assert len({len(line) for line in rows}) == 1, plain
    assert r"│ a\u001b]0;title" in rows[1]
    assert "\x1b[32mput\x1b[0m" in out


def test_what_a_file_gets_has_neither_colours_nor_controls(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = file_console(width=80)
    with console.capture() as captured:
        console.print(Text(HOSTILE, style="red"))
    assert captured.get() == SHOWN.replace(r"\u0007", "").replace(r"\u000d", "") + "\n", "rich drops these two"


def test_the_message_of_an_error_and_its_traceback(capsys, toy, runner):
    runner.raises = DataError(HOSTILE)
    for debug in ([], ["--debug"]):
        assert main(["run", "toy", "--quiet", *debug]) == 1
        err = capsys.readouterr().err
        assert SHOWN in err
        assert not unsafe(err)


def test_what_was_typed_is_told_without_its_controls(capsys):
    assert main(["run", HOSTILE]) in (1, 2)
    assert main(["run", f"--{HOSTILE}", "1"]) in (1, 2)
    assert main([HOSTILE]) == 2
    assert not unsafe(capsys.readouterr().err)


def test_data_check(tmp_path, capsys):
    facts = tmp_path / f"facts{HOSTILE[:-1].replace('/', '')}.jsonl"
    record = {"subject": HOSTILE[:-1].replace("\r", ""), "relation": "r", "question": "q", "answers": 1}
    facts.write_text(json.dumps(record, ensure_ascii=False) + "\n", encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["data", "check", str(facts)])
    out = capsys.readouterr().out
    assert r"\u001b]0;title" in out
    assert not unsafe(out)
    with pytest.raises(SystemExit):
        main(["data", "check", str(facts), "--json"])
    out = capsys.readouterr().out
    assert not unsafe(out)
    assert json.loads(out)["path"] == str(facts), "JSON reads the escapes as the characters that they stand for"


def test_status(tmp_path, capsys):
    from restor.store.store import Store

    store = Store.open(tmp_path / "store")
    study = store.path / "studies" / f"study{HOSTILE[:-1].replace('/', '')}"
    study.mkdir(parents=True)
    (study / "results.json").write_text(json.dumps({"study": {"name": HOSTILE}}))
    for more in ([], ["--json"]):
        assert main(["status", "--store", str(store.path), *more]) == 0
        out = capsys.readouterr().out
        assert r"\u001b]0;title" in out
        assert not unsafe(out)


def test_csv_stays_csv(capsys):
    with safe_streams():
        csv.writer(sys.stdout).writerows([["name", "value"], [HOSTILE, "1"]])
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [["name", "value"], [SHOWN, "1"]]


def test_a_terminal_of_another_encoding_gets_what_it_can_show():
    code = (
        "import sys\nfrom restor.cli.output import safe_console, safe_streams\n"
        "with safe_streams():\n    sys.stdout.write('Gödel – 東\\n')\n    safe_console().print('Gödel – 東')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env={"PYTHONIOENCODING": "latin-1", "PYTHONPATH": ":".join(sys.path)},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode("latin-1") == "Gödel \\u2013 \\u6771\n" * 2


def test_every_verb_prints_through_it():
    """Streams are covered whoever writes; a console of rich has its own way to them, so it is made in one place."""
    found = []
    for file in Path(restor.cli.__file__).parent.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if file.name not in ("output.py", "_console.py") and re.search(
            r"\bConsole\(|\.buffer\b|os\.write|__stdout__", text
        ):
            found.append(file.name)
    assert found == []
