"""The entry point: what it imports, its exit codes, and one message per error."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
from pydantic import BaseModel

from restor.cli.main import build_app, main
from restor.errors import DataError
from restor.faults import reading

HEAVY = ("torch", "transformers", "pandas", "pyarrow", "numpy", "pydantic", "peft")


def python(code, *, timeout=60):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=timeout)


@pytest.mark.parametrize("argv", [["--help"], ["run", "--help"], ["list", "--help"], ["--version"], []])
def test_help_imports_nothing_heavy(argv):
    code = (
        "import sys\nfrom restor.cli.main import main\n"
        f"code = main({argv!r})\n"
        "print(code, [name for name in sys.modules if '.' not in name], file=sys.stderr)"
    )
    done = python(code)
    assert done.stderr.startswith("0 "), done.stderr
    # The names of the fields are known from the configuration, which pydantic checks.
    allowed = {"pydantic"} if argv[:1] == ["run"] else set()
    assert [name for name in HEAVY if f"'{name}'" in done.stderr and name not in allowed] == []


def test_importing_the_package_imports_nothing_heavy():
    done = python("import sys, restor; print(sorted(sys.modules)); restor.run")
    assert done.returncode == 0, done.stderr
    assert "pydantic" not in done.stdout
    assert "yaml" not in done.stdout


def test_the_package_has_a_version_and_says_what_it_has_not():
    import restor

    assert isinstance(restor.__version__, str)
    assert {"run", "load_results"} <= set(dir(restor))
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = restor.nothing_here


def test_help_names_every_verb_and_examples(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for verb in ("run", "select", "list", "report", "status", "verify", "clean"):
        assert f" {verb} " in out
    assert "restor run --seeds 3 --unlearning.lr 1e-4" in out


@pytest.mark.parametrize("verb", ["run", "select", "list", "status", "verify", "clean", "report", "compare"])
def test_every_verb_has_help(verb, capsys):
    assert main([verb, "--help"]) == 0
    assert f"Usage: restor {verb}" in capsys.readouterr().out


def test_of_all_warnings_those_about_a_checkpoint_are_shown_once_in_a_line():
    done = python(
        "import sys, warnings, restor.cli.main as m\nfrom restor.errors import CheckpointWarning\n"
        "def run(tokens, *, debug):\n"
        "    for _ in range(2):\n"
        "        warnings.warn('It has no beginning.', CheckpointWarning)\n"
        "        warnings.warn('Old.', DeprecationWarning)\n"
        "m._run = run\nm.main()"
    )
    assert done.stderr == "Note: It has no beginning.\n"


def test_verbs_are_imported_when_asked_for():
    done = python(
        "import sys, restor.cli.main as m; m.build_app(); print([n for n in sys.modules if n.startswith('restor.cli')])"
    )
    assert "restor.cli.run" not in done.stdout
    assert "restor.cli.list" not in done.stdout
    assert build_app().name == ("restor",)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["rum"], 'Did you mean "run"'),
        (["run", "--jso"], "Unknown option --jso. Did you mean --json?"),
        (["run", "--seed", "3"], "Did you mean --seeds?"),
        (["run", "--unlearning.lr"], "--unlearning.lr needs a value"),
        (["run", "--unlearning.lr", "--json"], "--unlearning.lr needs a value"),
        (["run", "toy", "extra"], "extra"),
        (["run", "toy", "--seeds", "many"], "--seeds takes how many"),
        (["run", "toy", "--seeds"], "--seeds"),
        (["run", "toy", "--unlearning.lr", "1", "--unlearning.lr=2"], "given twice"),
        (["run", "toy", "--set", "unlearning.lr"], "FIELD=VALUE"),
        (["list", "foo"], "recipes"),
        (["run", "toy", "--store"], "--store"),
    ],
)
def test_wrong_usage_is_one_message_and_2(argv, message, capsys, toy, runner):
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("Error:") == 1
    assert "Traceback" not in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["run", "toi"], "Unknown recipe 'toi'. Did you mean 'toy'?"),
        (["run", "nope.yaml"], "There is no file nope.yaml"),
        (["run", "toy", "--algorithms", "npoo,kl"], "Unknown algorithm 'npoo'. Did you mean 'npo'?"),
        (["run", "toy", "--unlearning.lrr", "1e-4"], "Did you mean unlearning.lr?"),
        (["run", "toy", "--lr", "1e-4"], "Did you mean clean.lr or"),
        (["run", "toy", "--clean.steps", "many"], 'clean.steps: given "many"'),
        (["run", "toy", "--facts", "facts.json"], "The domain 'miniature' reads no facts file"),
        (["run", "toy", "--domain.name", "nope"], "Unknown domain 'nope'"),
        (
            ["run", "toy", "--unlearning.arms.kl.algorithm", "kll"],
            "unlearning.arms.kl.algorithm: Unknown algorithm 'kll'",
        ),
        (["run", "toy", "--unlearning.arms.kl.options.gama", "1"], "Did you mean unlearning.arms.kl.options.gamma?"),
        (["run", "toy", "--unlearning.arms.npo_token.options.beta", "much"], 'npo_token.options.beta: given "much"'),
        (["run", "toy", "--seeds", "0"], "at least one seed"),
        (["list", "domains", "miniatur"], "Did you mean 'miniature'?"),
        (["list", "recipes", "toi"], "Did you mean 'toy'?"),
    ],
)
def test_errors_are_one_message_and_1(argv, message, capsys, toy, runner, monkeypatch):
    monkeypatch.delenv("RESTOR_DEBUG", raising=False)
    assert main(argv) == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("Error:") == 1
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert runner.config is None


class Model(BaseModel):
    steps: int


def wrong_model():
    try:
        Model.model_validate({"steps": "x"})
    except ValueError as error:
        return error


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (DataError("The facts are bad."), 1, "Error: The facts are bad."),
        (OSError(errno.ENOSPC, "No space left on device", "x/y"), 1, "x/y: the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "x/y"), 1, "x/y: Permission denied"),
        (MemoryError(), 1, "out of memory"),
        (OutOfMemoryError("CUDA out of memory"), 1, "out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 1, "out of memory"),
        (wrong_model(), 1, "steps"),
        (KeyboardInterrupt(), 130, "What is finished is kept; the same command continues"),
    ],
)
def test_what_a_study_raises_becomes_one_message(raised, code, message, capsys, toy, runner):
    runner.raises = raised
    assert main(["run", "toy", "--quiet"]) == code
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


class PanicException(BaseException):
    """Named like that of libraries in Rust, which is no Exception either."""


@pytest.mark.parametrize(
    "raised", [ZeroDivisionError("a bug"), RecursionError("too deep"), PanicException("called `unwrap()`")]
)
def test_a_fault_of_restor_is_one_message_and_its_traceback_one_option_away(raised, capsys, toy, runner, monkeypatch):
    monkeypatch.delenv("RESTOR_DEBUG", raising=False)
    runner.raises = raised
    assert main(["run", "toy", "--quiet"]) == 1
    err = capsys.readouterr().err
    assert f"Error: this is a fault of restor: {type(raised).__name__}: {raised}. " in err
    assert "--debug" in err
    assert "Traceback" not in err
    assert main(["run", "toy", "--quiet", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_error_that_nobody_expected_names_the_file_that_was_being_read(capsys, toy, runner):
    with pytest.raises(TypeError) as caught, reading("outer.json"), reading("model/tokenizer.json"):
        raise TypeError("argument 'ids': out of range")
    runner.raises = caught.value
    assert main(["run", "toy", "--quiet"]) == 1
    err = capsys.readouterr().err
    assert "Error: model/tokenizer.json cannot be used: reading it ends with TypeError: argument 'ids'" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("way", ["option", "environment"])
def test_debug_shows_the_traceback(way, capsys, monkeypatch, toy):
    if way == "environment":
        monkeypatch.setenv("RESTOR_DEBUG", "1")
    assert main(["run", "toi", *(["--debug"] if way == "option" else [])]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "Unknown recipe 'toi'" in err


def test_a_closed_pipe_is_silent():
    reader, writer = os.pipe()
    os.close(reader)
    code = "import sys; from restor.cli.main import main; sys.exit(main(['list', 'domains']))"
    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_the_api_imports_no_torch():
    done = python("import sys, restor; restor.run, restor.load_results; print('torch' in sys.modules)")
    assert done.stdout == "False\n", done.stderr


# The environment -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("HTTPS_PROXY", "gopher://me:hunter2@host", "it must be an address that begins with https://"),
        ("ALL_PROXY", "http://[::1", "it must be an address that begins with https://"),
        ("https_proxy", "host:hunter2", "it must be an address that begins with https://"),
        ("HF_ENDPOINT", "http://[hunter2", "it must be an address that begins with https://"),
        ("HF_TOKEN", "hf_hunter2é", "a token has printable ASCII characters only"),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "hunter2", "it must be a whole number"),
    ],
)
def test_what_the_environment_says_is_told_when_a_library_fails_on_it(
    name, value, told, capsys, toy, runner, monkeypatch
):
    runner.raises = ValueError(f"somewhere in a library: {value}")
    monkeypatch.setenv(name, value)
    assert main(["run", "toy", "--quiet"]) == 1
    err = capsys.readouterr().err
    assert f"Error: The environment variable {name} cannot be used: {told}" in err
    assert "hunter2" not in err


def test_a_socks_proxy_needs_a_package(capsys, toy, runner, monkeypatch):
    runner.raises = ImportError("Using SOCKS proxy")
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1080")
    monkeypatch.setattr("restor.cli.environment.find_spec", lambda name: None)
    assert main(["run", "toy", "--quiet"]) == 1
    assert (
        "HTTPS_PROXY cannot be used: a SOCKS proxy needs one more package, `pip install socksio`"
        in capsys.readouterr().err
    )
    monkeypatch.setattr("restor.cli.environment.find_spec", lambda name: name)
    assert main(["run", "toy", "--quiet"]) == 1
    assert "a fault of restor: ImportError" in capsys.readouterr().err


def test_half_a_character_in_a_configuration_is_told_with_its_place(capsys, toy, runner, tmp_path):
    (tmp_path / "study.yaml").write_text('seeds: [0]\n"\\ud800": 1\n')
    for argv, place in (
        (["run", str(tmp_path / "study.yaml")], "study.yaml, line 2, column 1: half a character"),
        (["run", "toy", '--unlearning.arms={"\\ud800": {label: x}}'], "The value of unlearning.arms, line 1, column 2"),
        (["run", "toy", '--unlearning.arms.kl.options={"\\ud800": 1}'], "options, line 1, column 2: half a character"),
    ):
        assert main(argv) == 1
        assert place in capsys.readouterr().err
    assert runner.config is None
