"""Small models for tests, on one thread: many test processes share the machine, and torch is slower on two."""

from __future__ import annotations

import logging
import os
from collections import defaultdict

import pytest
from filelock import FileLock
from hypothesis import settings

from representatives import representatives

# Set before anything imports torch; tests that do without torch are not made to load it.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"


def pytest_addoption(parser):
    parser.addoption(
        "--versions",
        choices=("pinned", "newest"),
        help="pinned: the installed versions must be those of constraints.txt (make test); "
        "newest: what a library deprecates is an error (make test-newest)",
    )


def pytest_configure(config):
    # Other processes of the machine decide how long an example takes.
    settings.register_profile("restor", deadline=None)
    settings.load_profile("restor")
    if config.getoption("--versions") == "newest":
        for line in (
            "error::DeprecationWarning",
            "error::PendingDeprecationWarning",
            "error::FutureWarning",
            # What these libraries deprecate of each other's; what they call through us is a FutureWarning.
            "ignore::DeprecationWarning:torch.*",
            "ignore::DeprecationWarning:transformers.*",
        ):
            config.addinivalue_line("filterwarnings", line)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of a test marked `one_for_each(*keys)`, the cases that meet no new code path are nightly."""
    cases = defaultdict(list)
    for item in items:
        if item.get_closest_marker("one_for_each"):
            cases[item.path, item.originalname].append(item)
    for same_test in cases.values():
        keys = same_test[0].get_closest_marker("one_for_each").args
        first = representatives((item.callspec.params for item in same_test), keys)
        for item, is_first in zip(same_test, first, strict=True):
            if not is_first:
                item.add_marker("nightly")


class Deprecations(logging.Handler):
    """Keeps what a library logs about deprecated use: transformers warns so, and not by Python's warnings."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record):
        if "deprecat" in record.getMessage().lower():
            self.messages.append(record.getMessage())


@pytest.fixture(autouse=True)
def no_deprecations(request):
    """With the newest versions, a test fails that makes a library log a deprecation."""
    if request.config.getoption("--versions") != "newest":
        yield
        return
    deprecations = Deprecations()
    loggers = [logging.getLogger(name) for name in ("transformers", "peft", "huggingface_hub", "datasets")]
    for logger in loggers:
        logger.addHandler(deprecations)
    yield
    for logger in loggers:
        logger.removeHandler(deprecations)
    assert deprecations.messages == []


WORDS = "ada bo was born in york rome . ? where lives she he and the poet baker of".split()


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """What restor remembers beside its stores is not the user's."""
    os.environ["RESTOR_DATA"] = str(tmp_path_factory.mktemp("restor-data"))


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory):
    """The folder of a finished tiny study, made once for all processes of a test run: copy it to change anything."""
    from tiny_study import finish_study

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished-study"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            finish_study(folder.with_suffix(".part"))
            folder.with_suffix(".part").rename(folder)
    return folder


@pytest.fixture(scope="session")
def tokenizer():
    """One token for each of a few words."""
    from restor.models.tokenizer import word_tokenizer

    return word_tokenizer(WORDS)


@pytest.fixture(scope="session")
def llama(tokenizer):
    """Makes Llamas of two layers; the same seed gives the same weights, other seeds other ones."""
    from restor.models.checkpoint import new_llama

    def make(seed=0, **changes):
        shape = {"hidden": 32, "intermediate": 48, "layers": 2, "heads": 2, "context": 64}
        model = new_llama(tokenizer=tokenizer, **(shape | changes), seed=seed)
        # Initial weights are so small that every prediction is the same, whatever a test changes.
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.data *= 5
        return model

    return make
