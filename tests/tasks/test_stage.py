from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from restor.errors import ConfigError
from restor.tasks.stage import Stage, _file_digest, _installed_code, code_version, without_folders

CODE = '''
"""Module."""
import os

class A:
    """Class."""
    x: int = 1
    """Attribute."""

    def f(self, y):
        """Function."""
        return [y, self.x, "text"]
'''
SAME = '''"""Another text."""
# A comment.
import os


class A:
    x: int = (1)  # one

    def f(
        self,
        y,
    ):
        return [
            y, self.x, 'text',
        ]
'''


def stage(name="corrupt", config=None, parents=None, sources=("restor.errors",), seed=0):
    return Stage(name, config or {"rate": 1e-4}, parents or {}, sources, seed)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `thing` with a module and a nested one; its function gives the version for a code of the latter."""
    folder = tmp_path / "thing"
    (folder / "deep").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text("A = 1\n")
    (folder / "deep" / "__init__.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def version(code, source="thing.deep"):
        (folder / "deep" / "two.py").write_text(code)
        _installed_code.cache_clear()
        _file_digest.cache_clear()
        return code_version((source,))

    yield version
    _installed_code.cache_clear()


def test_comments_docstrings_and_formatting_do_not_change_the_code_version(package):
    assert package(CODE) == package(SAME)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x: int = 1", "x: int = 2"),
        ("x: int = 1", "x: int = True"),
        ("x: int = 1", "x: int = 1.0"),
        ('"text"', '"other"'),
        ('"text"', 'b"text"'),
        ("[y, self.x,", "[self.x, y,"),
        ("[y, self.x,", "[y, self.x +"),
        ("def f(self, y)", "def f(self, y=None)"),
        ("def f(self, y)", "def f(self, *y)"),
        ("def f(self, y)", "async def f(self, y)"),
        ("import os", "import sys"),
        ("class A:", "class A(object):"),
    ],
)
def test_any_code_changes_the_code_version(package, old, new):
    assert old in CODE
    assert package(CODE) != package(CODE.replace(old, new))


def test_code_that_differs_only_in_the_place_of_a_part_has_another_version(package):
    assert package("def f(*y): pass") != package("def f(**y): pass")


def test_a_package_means_everything_below_it_and_a_module_only_itself(package):
    assert package("A = 1", "thing") != package("A = 2", "thing")
    assert package("A = 1", "thing.deep.two") != package("A = 2", "thing.deep.two")
    assert package("A = 1", "thing.one") == package("A = 2", "thing.one")


def test_a_new_file_changes_the_code_version(package, tmp_path):
    before = package("A = 1")
    (tmp_path / "thing" / "deep" / "three.py").write_text("")
    assert package("A = 1") != before


def test_an_unknown_source_and_broken_code_are_named(package):
    for source in ("no_such_package", "thing.no", "thing.deep.two.no"):
        with pytest.raises(ConfigError, match=f"'{source}'"):
            package("A = 1", source)
    with pytest.raises(ConfigError, match=r"two\.py"):
        package("A = = 1")


def test_locating_sources_imports_nothing_and_is_fast():
    program = (
        "import sys, time\nfrom restor.tasks.stage import code_version\nbefore = set(sys.modules)\n"
        "start = time.process_time()\ncode_version(('restor',))\n"
        "assert time.process_time() - start < 2\n"
        "assert not {name for name in set(sys.modules) - before if name.startswith('restor')}\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_key_is_24_hex_digits_and_the_same_in_every_process():
    program = (
        "from restor.tasks.stage import Stage\n"
        "print(Stage('corrupt', {'b': 2, 'a': 1}, {}, ('restor.errors',), 0).key, end='')"
    )
    command = [sys.executable, "-c", program]
    key = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert key == stage(config={"a": 1, "b": 2}).key
    assert len(key) == 24
    assert set(key) <= set("0123456789abcdef")


def test_everything_that_decides_the_result_changes_the_key():
    clean = stage("clean")
    base = stage(parents={"start": clean})
    others = [
        replace(base, name="ideal"),
        replace(base, config={"rate": 2e-4}),
        replace(base, seed=1),
        replace(base, sources=("restor.types",)),
        replace(base, parents={}),
        replace(base, parents={"reference": clean}),
        replace(base, parents={"start": replace(clean, seed=1)}),
    ]
    keys = {item.key for item in others}
    assert len(keys) == len(others)
    assert base.key not in keys


def test_a_changed_grandparent_changes_the_key():
    first, second = (
        stage("unlearn", parents={"start": stage(parents={"start": stage("clean", seed=s)})}) for s in (0, 1)
    )
    assert first.key != second.key


def test_stages_of_one_key_are_equal():
    assert stage() == stage()
    assert len({stage(), stage(), stage(seed=1)}) == 2
    assert stage() != "corrupt"


@pytest.mark.parametrize("name", ["", "a-b", "../x", "A", "a/b"])
def test_a_name_that_cannot_be_a_folder_is_refused(name):
    with pytest.raises(ConfigError, match="Bad stage name"):
        stage(name)


# Files of the user's own ---------------------------------------------------------------------------------------------


def test_a_file_counts_by_its_name_and_code_and_not_by_its_folder(tmp_path):
    def version(folder, name, code):
        path = tmp_path / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
        return code_version(("restor.errors", str(path)))

    first = version("one", "mine.py", CODE)
    assert version("two", "mine.py", SAME) == first
    assert version("two", "mine.py", CODE + "A.x = 2\n") != first, "read again although the path is the same"
    assert version("two", "other.py", CODE) != first
    assert first != code_version(("restor.errors",))


def test_two_files_of_one_name_both_count(tmp_path):
    paths = [tmp_path / folder / "mine.py" for folder in ("one", "two")]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        path.write_text(f"A = {number}\n")
    versions = {code_version((str(paths[0]),)), code_version((str(paths[1]),))}
    both = code_version((str(paths[0]), str(paths[1])))
    assert both not in versions
    assert both == code_version((str(paths[1]), str(paths[0])))


def test_a_file_that_was_edited_since_is_noticed(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("A = 1\n")
    made = stage(sources=("restor.errors", str(path)))
    assert made.code
    assert not made.code_changed
    path.write_text("A = 2\n")
    assert made.code_changed
    assert not stage().code_changed


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.py"):
        code_version((str(tmp_path / "gone.py"),))


def test_the_folder_of_a_class_in_a_file_does_not_change_the_key(tmp_path):
    def named(folder, name="mine.py:Mine"):
        return stage(config={"algorithm": {"name": f"{folder}/{name}", "beta": 1.0}, "path": f"{folder}/{name}"})

    one, two = named("/one"), named("/two")
    assert one.key != two.key, "only the names of entries are classes in files"
    assert without_folders(one.config) == {
        "algorithm": {"name": "mine.py:Mine", "beta": 1.0},
        "path": "/one/mine.py:Mine",
    }
    assert stage(config={"algorithm": {"name": "/one/mine.py:Mine"}}).key == (
        stage(config={"algorithm": {"name": "/two/mine.py:Mine"}}).key
    )
    assert stage(config={"wrappers": [{"name": "/one/mine.py:Mine"}]}).key != (
        stage(config={"wrappers": [{"name": "/one/mine.py:Other"}]}).key
    )
