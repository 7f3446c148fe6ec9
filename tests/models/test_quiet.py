"""Nothing of other libraries stands between the lines of our own output."""

from __future__ import annotations

import subprocess
import sys

import pytest
from huggingface_hub.utils import are_progress_bars_disabled
from transformers.utils import logging

from restor.evaluation import Request, score
from restor.models.checkpoint import save_model
from restor.models.loading import load_checkpoint
from restor.models.model_ref import ModelRef
from restor.models.quiet import quiet_libraries


@pytest.fixture
def folder(llama, tokenizer, tmp_path):
    (tmp_path / "model").mkdir()
    save_model(llama(), tokenizer, tmp_path / "model")
    return tmp_path / "model"


def test_loading_writes_nothing(folder, capfd):
    load_checkpoint(ModelRef(path=str(folder)))
    assert capfd.readouterr() == ("", "")


def test_saving_writes_nothing(llama, tokenizer, tmp_path, capfd):
    save_model(llama(), tokenizer, tmp_path)
    assert capfd.readouterr() == ("", "")


def test_scoring_from_python_writes_nothing(folder, capfd):
    assert len(list(score(str(folder), [Request("ada was born in", (" york", " rome"))]))) == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("shown", [True, False])
def test_what_was_set_before_is_set_again(shown):
    before = logging.is_progress_bar_enabled()
    (logging.enable_progress_bar if shown else logging.disable_progress_bar)()
    try:
        with quiet_libraries():
            assert not logging.is_progress_bar_enabled()
            assert logging.get_verbosity() == logging.ERROR
        assert logging.is_progress_bar_enabled() == shown
        assert are_progress_bars_disabled() == (not shown)
        assert logging.get_verbosity() != logging.ERROR
    finally:
        (logging.enable_progress_bar if before else logging.disable_progress_bar)()


WARNS = """
import sys, warnings
import restor.cli.main as command_line
command_line._dispatch = lambda tokens: warnings.warn("an old name", FutureWarning) or 0
sys.argv = ["restor", "status", *sys.argv[1:]]
sys.exit(command_line.main())
"""


@pytest.mark.parametrize(("options", "shown"), [([], False), (["--debug"], True)])
def test_a_command_prints_no_warnings_of_libraries(options, shown):
    done = subprocess.run([sys.executable, "-c", WARNS, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ("an old name" in done.stderr) == shown
