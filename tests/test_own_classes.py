"""A class in a file of the user's own is an entry of a catalogue, and what is wrong with it is said in words."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint

import pytest
from pydantic import ValidationError

import restor.registry as registry
from own_algorithm import MINE
from restor.config import parse_yaml, to_yaml
from restor.corruption.corruptors.base import CORRUPTORS
from restor.datasets.base import DATASETS
from restor.domains.base import DOMAINS
from restor.errors import ConfigError
from restor.evaluation.judges.base import JUDGES
from restor.evaluation.metrics.base import METRICS_CATALOGUE
from restor.registry import absolute_name, class_in_file, short_name
from restor.report.figures.base import PLOTS
from restor.store.keys import code_version
from restor.unlearning.algorithms.base import ALGORITHMS
from restor.unlearning.wrappers.base import WRAPPERS


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Writes a file of that code into the working directory, and returns its path."""
    monkeypatch.chdir(tmp_path)

    def write(code=MINE, name="mine.py"):
        path = tmp_path / name
        path.write_text(code)
        return path

    return write


def refusal(name, catalogue=ALGORITHMS):
    with pytest.raises(ConfigError) as raised:
        catalogue.get(name)
    return str(raised.value)


# Names ---------------------------------------------------------------------------------------------------------------


def test_a_name_is_a_path_and_a_class(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert class_in_file("npo") is None
    assert class_in_file("./a/b.py:Mine") == (tmp_path / "a" / "b.py", "Mine")
    assert class_in_file("a/../b.py:Mine") == (tmp_path / "b.py", "Mine")
    assert class_in_file("/x/y.py:Mine")[0].as_posix() == "/x/y.py"
    assert class_in_file("b.py") == (tmp_path / "b.py", "")
    assert absolute_name("./b.py:Mine") == f"{tmp_path}/b.py:Mine"
    assert absolute_name(absolute_name("b.py:Mine")) == absolute_name("b.py:Mine")
    assert short_name(f"{tmp_path}/b.py:Mine") == "b.py:Mine"
    assert absolute_name("npo") == short_name("npo") == "npo"


@pytest.mark.parametrize("name", ["mine.py:Mine", "./mine.py:Mine", "../{folder}/mine.py:Mine", "{path}:Mine"])
def test_every_way_to_name_it_finds_the_same_class(mine, name):
    path = mine()
    name = name.format(folder=path.parent.name, path=path)
    config = ALGORITHMS.parse({"name": name, "beta": 2})
    assert config.name == f"{path}:Mine"
    assert config.beta == 2.0
    built = ALGORITHMS.build(config)
    assert type(built) is ALGORITHMS.get("mine.py:Mine")
    assert built.config is config
    assert ALGORITHMS.parse(name) == ALGORITHMS.parse({"name": name})


def test_a_stored_configuration_finds_the_class_from_any_directory(mine, tmp_path, monkeypatch):
    mine()
    config = ALGORITHMS.parse({"name": "mine.py:Mine", "beta": 2})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for stored in (parse_yaml(to_yaml(config), "test"), config.identity()):
        again = ALGORITHMS.parse(stored)
        assert again == config
        assert type(ALGORITHMS.build(again)).__name__ == "Mine"


def test_settings_are_checked_as_those_of_every_entry(mine):
    mine()
    with pytest.raises(ValidationError, match="gamma"):
        ALGORITHMS.parse({"name": "mine.py:Mine", "gamma": 1})
    with pytest.raises(ValidationError, match="beta"):
        ALGORITHMS.parse({"name": "mine.py:Mine", "beta": "much"})


# Loading -------------------------------------------------------------------------------------------------------------


def test_a_file_is_run_once_for_each_content(mine, tmp_path):
    counter = (
        f"from pathlib import Path\nwith Path({str(tmp_path / 'runs')!r}).open('a') as file:\n    file.write('x')\n"
    )
    path = mine(MINE + counter)
    first = ALGORITHMS.get("mine.py:Mine")
    assert ALGORITHMS.get(f"{path}:Mine") is first
    assert (tmp_path / "runs").read_text() == "x"
    before = code_version((), [path])
    path.write_text(path.read_text().replace("beta: float = 0.5", "beta: float = 0.7"))
    assert ALGORITHMS.parse("mine.py:Mine").beta == 0.7
    assert (tmp_path / "runs").read_text() == "xx"
    assert code_version((), [path]) != before


def test_nothing_is_written_beside_the_file(mine, tmp_path):
    mine()
    ALGORITHMS.get("mine.py:Mine")
    assert [item.name for item in tmp_path.iterdir()] == ["mine.py"]


def test_listing_names_runs_no_file(mine, tmp_path):
    mine("raise SystemExit('was run')\n")
    assert "mine" not in ALGORITHMS.names()


# Mistakes ------------------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there(mine, tmp_path):
    mine(name="my_loss.py")
    text = refusal("./my_los.py:Mine")
    assert f"there is no file {tmp_path}/my_los.py" in text
    assert "Did you mean my_loss.py?" in text
    assert f"starts at the working directory, {tmp_path}" in refusal("other/zzz.py:Mine")


def test_a_folder_instead_of_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.py").mkdir()
    assert "cannot read" in refusal("folder.py:Mine")


def test_a_syntax_error_with_its_line(mine, tmp_path):
    mine(MINE.replace("beta: float = 0.5", "beta: float = = 0.5"))
    line = 1 + MINE[: MINE.index("beta: float")].count("\n")
    assert f"{tmp_path}/mine.py, line {line} is not valid Python: invalid syntax" in refusal("mine.py:Mine")
    mine("a = 'ä".encode("latin-1").decode("latin-1"))
    assert "mine.py, line 1 is not valid Python" in refusal("mine.py:Mine")


def test_an_error_while_it_is_imported_with_its_line_and_again_after_it(mine, tmp_path):
    broken = MINE + "\n\ndef table():\n    return {}['missing']\n\n\ntable()\n"
    mine(broken)
    line = 1 + broken[: broken.index("return {}")].count("\n")
    for _ in range(2):
        assert f"{tmp_path}/mine.py, line {line}: importing the file fails with KeyError: 'missing'" in refusal(
            "mine.py:Mine"
        )
    assert not [name for name in sys.modules if name.startswith("restor_own") and "KeyError" in str(sys.modules[name])]
    mine()
    assert ALGORITHMS.get("mine.py:Mine").__name__ == "Mine"


def test_a_script_that_ends_python_does_not_end_restor(mine):
    mine("import sys\nsys.exit(3)\n")
    assert "mine.py, line 2: importing the file fails with SystemExit: 3" in refusal("mine.py:Mine")


def test_a_module_that_is_not_installed_and_one_that_lies_beside_it(mine):
    mine("import no_such_module_at_all\n")
    text = refusal("mine.py:Mine")
    assert "line 1: importing the file fails with ModuleNotFoundError" in text
    assert "neighbour" not in text
    mine("A = 1\n", "helpers_of_mine.py")
    mine("from helpers_of_mine import A\n")
    assert "read alone, without its neighbour 'helpers_of_mine': put what it needs into the file" in refusal(
        "mine.py:Mine"
    )


def test_a_class_that_is_not_there_lists_those_that_are(mine, tmp_path):
    mine(MINE + "\n\nclass Other(Mine):\n    pass\n")
    text = refusal("mine.py:Mien")
    assert f"{tmp_path}/mine.py has no class Mien. Did you mean Mine? It defines Mine, Other." in text
    assert "name the class too, as in mine.py:Mine. It defines Mine, Other." in refusal("mine.py")
    assert "It defines Mine, Other." in refusal("mine.py:")
    mine("A = 1\n")
    assert "It defines no class at all." in refusal("mine.py:Mine")


def test_an_imported_class_is_to_be_named_where_it_is_defined(mine):
    mine("from restor.unlearning.algorithms.base import LossAlgorithm as Mine\n")
    assert "does not define a class Mine itself: name the file that does." in refusal("mine.py:Mine")


def test_a_class_of_another_kind_says_what_to_derive_it_from(mine):
    mine("class Mine:\n    pass\n")
    text = refusal("mine.py:Mine")
    assert "is not a complete Algorithm: derive Mine from LossAlgorithm or WeightAlgorithm of restor.unlearning" in text
    assert "derive Mine from Wrapper of restor.unlearning.wrappers.base." in refusal("mine.py:Mine", WRAPPERS)


def test_an_incomplete_class_says_which_methods_are_missing(mine):
    mine(MINE.replace("def retain_loss", "def retain_los").replace("def plan", "def plans"))
    assert "Mine does not define plan, retain_loss." in refusal("mine.py:Mine")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("config_type = MineConfig", "pass", "Mine lacks the class attribute `config_type`, a class derived from"),
        ("config_type = MineConfig", "config_type = MineConfig(name='a')", "`config_type` of Mine must be a class"),
        ("config_type = MineConfig", "config_type = dict", "`config_type` of Mine must be a class derived from"),
        ("info = AlgorithmInfo(", "about = AlgorithmInfo(", "lacks the class attribute `info`, a value of type Algo"),
        ("info = AlgorithmInfo(", "info = str(AlgorithmInfo)\n    other = tuple, (", "must be a value of type Algo"),
        ("def __init__(self, config):", "def __init__(self):\n        config = 1", "must take its configuration and"),
    ],
)
def test_what_a_class_lacks_is_named(mine, old, new, said):
    assert old in MINE
    mine(MINE.replace(old, new, 1))
    assert said in refusal("mine.py:Mine")


def test_a_class_without_a_constructor_is_told_of_before_it_is_built(mine):
    start, end = MINE.index("    def __init__"), MINE.index("    @property")
    mine(MINE[:start] + MINE[end:])
    assert "must take its configuration and nothing else: `def __init__(self, config)" in refusal("mine.py:Mine")


def test_a_config_that_fixes_its_name_is_told_to_leave_it_out(mine):
    fixed = 'name: Literal["mine"] = "mine"\n    beta: float'
    mine(MINE.replace("beta: float", fixed).replace("from restor.u", "from typing import Literal\nfrom restor.u", 1))
    assert "MineConfig allows no other than its own. Leave the field `name` out" in refusal("mine.py:Mine")
    mine(MINE.replace("beta: float", 'name: str = "mine"\n    beta: float'))
    assert ALGORITHMS.parse("mine.py:Mine").name.endswith("/mine.py:Mine")


def test_a_misspelt_name_has_its_neighbour_and_the_way_to_name_a_file():
    text = refusal("fact_swop", CORRUPTORS)
    assert "Did you mean 'fact_swap'?" in text
    assert ".py:ClassName" not in text
    assert "A algorithm" not in refusal("./my_loss:Mine")
    assert "path/to/file.py:ClassName" in refusal("./my_loss:Mine")


# Entry points --------------------------------------------------------------------------------------------------------


@pytest.fixture
def installed(monkeypatch):
    """Pretends that a package offers an algorithm `theirs` at a place."""

    def offer(place):
        point = EntryPoint("theirs", place, ALGORITHMS.group)
        monkeypatch.setattr(registry, "_installed", lambda group: (point,) if group == ALGORITHMS.group else ())

    return offer


def test_an_installed_entry_is_checked_in_the_same_way(installed):
    installed("restor.errors:ConfigError")
    assert "'theirs' is not a complete Algorithm: derive ConfigError from LossAlgorithm" in refusal("theirs")
    assert "theirs" in ALGORITHMS.names()
    installed("no_such_package.at_all:Mine")
    text = refusal("theirs")
    assert "importing no_such_package.at_all:Mine fails with ModuleNotFoundError" in text


@pytest.mark.parametrize(
    "catalogue",
    [ALGORITHMS, WRAPPERS, DOMAINS, DATASETS, CORRUPTORS, JUDGES, METRICS_CATALOGUE, PLOTS],
    ids=lambda c: c.what,
)
def test_every_entry_of_every_catalogue_passes_the_check(catalogue):
    for name in catalogue.names():
        assert issubclass(catalogue.get(name), catalogue.base)
        assert code_version([catalogue.get(name).__module__])
