"""What a key depends on: settings, inputs, seed, and the code with all that it imports."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from own_algorithm import MINE
from restor.domains.miniature import MiniatureConfig
from restor.errors import ConfigError
from restor.store import keys
from restor.store.keys import ArtifactId, closure, code_version
from restor.tasks.base import Ref
from restor.tasks.unlearn import Unlearn
from restor.training.config import Compute, TrainingConfig
from restor.unlearning.algorithms.base import ALGORITHMS

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


CACHES = (keys._installed_code, keys.closure, keys._imports, keys._file_of, keys._data_beside, keys._installed)


def forget_files():
    for cached in CACHES:
        cached.cache_clear()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `thing` whose files a test writes; gives the version of the code of one of its modules."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def version(module="thing.task", **files):
        for name, code in {"__init__": "", **files}.items():
            path = tmp_path / "thing" / (name.replace("__at__", "/") + ("" if "." in name else ".py"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code)
        forget_files()
        return code_version((module,))

    yield version
    forget_files()


def chain(last):
    """A task that imports a helper, which imports another, which imports a third."""
    return {
        "task": "from thing.one import f\n",
        "one": "def f():\n    from thing import two\n    return two\n",
        "two": "import thing.three\n",
        "three": last,
    }


def test_comments_docstrings_and_formatting_do_not_change_the_code_version(package):
    assert package(task=CODE) == package(task=SAME)


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
    assert package(task=CODE) != package(task=CODE.replace(old, new))


def test_code_that_differs_only_in_the_place_of_a_part_has_another_version(package):
    assert package(task="def f(*y): pass") != package(task="def f(**y): pass")


def test_a_line_in_a_helper_three_imports_away_changes_the_version_and_a_docstring_does_not(package):
    before = package(**chain("A = 1\n"))
    assert package(**chain("A = 2\n")) != before
    assert package(**chain('"""What A is."""\nA = 1  # one\n')) == before


def test_what_is_imported_is_in_the_closure_wherever_the_import_stands(package):
    package(**chain("A = 1\n"), other="A = 1\n")
    assert closure(("thing.task",)) == {"thing", "thing.task", "thing.one", "thing.two", "thing.three"}


def test_what_only_a_type_checker_imports_does_not_count(package):
    code = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from thing import types\n"
    code += "else:\n    import thing.other\n"
    before = package(task=code, types="A = 1\n", other="A = 1\n")
    assert package(task=code, types="A = 2\n", other="A = 1\n") == before
    assert package(task=code, types="A = 2\n", other="A = 2\n") != before


def test_packages_count_with_what_importing_them_runs(package):
    """A function of an `__init__.py` is not run by importing it."""
    lazy = "import thing.now\ndef __getattr__(name):\n    import thing.later\n"
    before = package(__init__=lazy, task="", now="A = 1\n", later="A = 1\n")
    assert package(__init__=lazy, task="", now="A = 1\n", later="A = 2\n") == before
    assert package(__init__=lazy, task="", now="A = 2\n", later="A = 2\n") != before


def test_a_template_beside_the_code_counts(package, tmp_path):
    files = {"pages__at____init__": "", "pages__at__task": "", "pages__at__page.jinja": "<p>"}
    before = package("thing.pages.task", **files)
    assert package("thing.pages.task", **(files | {"pages__at__page.jinja": "<b>"})) != before


def test_an_unknown_module_and_broken_code_are_named(package):
    with pytest.raises(ConfigError, match="no_such_package"):
        code_version(("no_such_package.module",))
    with pytest.raises(ConfigError, match=r"task\.py"):
        package(task="A = = 1")


def test_locating_code_imports_nothing():
    program = (
        "import sys\nfrom restor.store.keys import code_version\nbefore = set(sys.modules)\n"
        "code_version(('restor.tasks.unlearn',))\n"
        "assert not {name for name in set(sys.modules) - before if name.startswith('restor')}\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# The code of restor --------------------------------------------------------------------------------------------------


def unlearning(name="npo"):
    """A task whose inputs need not be there."""
    inputs = {role: Ref(kind="made", key=role) for role in ("corrupted", "clean", "planted", "forget")}
    return Unlearn(
        **inputs,
        domain=MiniatureConfig(seed=0),
        algorithm=ALGORITHMS.parse(name),
        forget_part="documents",
        forget_tokens=256,
        retain_tokens=256,
        training=TrainingConfig(lr=1e-3, steps=4, compute=Compute()),
        seed=0,
    )


@pytest.fixture
def key_with_line(monkeypatch):
    """The key of a task when a line stands at the end of one of restor's modules."""
    original = keys._source

    def key(module, line):
        edited = keys._file_of(module)

        def source(path):
            return original(path) + (f"\n{line}\n".encode() if path == edited else b"")

        monkeypatch.setattr(keys, "_source", source)
        monkeypatch.setattr(keys._Kept, "save", lambda kept: None)
        forget_files()
        return unlearning().key

    yield key
    monkeypatch.undo()
    forget_files()


def imports_away(task_module):
    """How many imports each module is away from that of a task."""
    distances, waiting = {task_module: 0}, [task_module]
    for module in waiting:
        for imported in keys._imports(module):
            if imported not in distances:
                distances[imported] = distances[module] + 1
                waiting.append(imported)
    return distances


def test_a_line_in_a_helper_of_restor_three_imports_away_changes_the_key_of_a_task(key_with_line):
    distances = imports_away("restor.tasks.unlearn")
    helper = sorted(module for module, distance in distances.items() if distance == 3)[-1]
    before = unlearning().key
    assert key_with_line(helper, "'A text.'  # and a comment") == before
    assert key_with_line(helper, "NEW = 1") != before


def test_the_entry_of_a_catalogue_counts_only_where_it_is_chosen(key_with_line):
    before = unlearning().key
    assert key_with_line("restor.unlearning.algorithms.npo", "NEW = 1") != before
    assert key_with_line("restor.unlearning.algorithms.rmu", "NEW = 1") == before


def test_every_file_of_the_closure_counts(monkeypatch):
    modules = ("restor.tasks.unlearn",)
    code, before = keys._installed, code_version(modules)
    try:
        for module in closure(modules):
            edited = keys._file_of(module)
            other = replace(code(edited), digest="")
            monkeypatch.setattr(
                keys, "_installed", lambda path, it=edited, new=other: new if path == it else code(path)
            )
            keys._installed_code.cache_clear()
            assert code_version(modules) != before, module
    finally:
        keys._installed_code.cache_clear()


# Keys ----------------------------------------------------------------------------------------------------------------


def made(kind="corrupt", settings=None, inputs=None, seed=0, code="c"):
    return ArtifactId(kind, settings or {"rate": 1e-4}, inputs or {}, seed, code)


def test_the_key_is_24_hex_digits_and_the_same_in_every_process():
    program = (
        "from restor.store.keys import ArtifactId\n"
        "print(ArtifactId('corrupt', {'b': 2, 'a': 1}, {}, 0, 'c').key, end='')"
    )
    key = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert key == made(settings={"a": 1, "b": 2}).key
    assert len(key) == 24
    assert set(key) <= set("0123456789abcdef")


def test_everything_that_decides_the_result_changes_the_key():
    base = made(inputs={"start": "a"})
    others = [
        replace(base, kind="ideal"),
        replace(base, settings={"rate": 2e-4}),
        replace(base, seed=1),
        replace(base, code="d"),
        replace(base, inputs={}),
        replace(base, inputs={"reference": "a"}),
        replace(base, inputs={"start": "b"}),
    ]
    assert len({item.key for item in (base, *others)}) == 1 + len(others)


@pytest.mark.parametrize("kind", ["", "a-b", "../x", "A", "a/b"])
def test_a_kind_that_cannot_be_a_folder_is_refused(kind):
    with pytest.raises(ConfigError, match="Bad kind of work"):
        made(kind)


# Files of the user's own ---------------------------------------------------------------------------------------------


def test_a_file_counts_by_its_name_and_code_and_not_by_its_folder(tmp_path):
    def version(folder, name, code):
        path = tmp_path / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
        return code_version((), [path])

    first = version("one", "mine.py", CODE)
    assert version("two", "mine.py", SAME) == first
    assert version("two", "mine.py", CODE + "A.x = 2\n") != first, "read again although the path is the same"
    assert version("two", "other.py", CODE) != first
    assert first != code_version(())


def test_a_class_in_a_file_counts_in_the_key_of_a_task_by_its_content_and_not_by_its_folder(tmp_path):
    def key(folder, code):
        path = tmp_path / folder / "mine.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
        return unlearning(f"{path}:Mine").key

    first = key("one", MINE)
    assert key("two", MINE + "# A comment.\n") == first
    assert key("two", MINE + "NEW = 1\n") != first
    assert unlearning().key != first


def test_a_task_notices_that_a_file_of_the_users_own_was_edited(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    task = unlearning(f"{path}:Mine")
    assert task.key
    assert (task.own_files, task.code_changed) == ((path,), False)
    path.write_text(MINE + "# A comment.\n")
    assert not task.code_changed
    path.write_text(MINE + "NEW = 1\n")
    assert task.code_changed


def test_two_files_of_one_name_both_count(tmp_path):
    paths = [tmp_path / folder / "mine.py" for folder in ("one", "two")]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        path.write_text(f"A = {number}\n")
    both = code_version((), paths)
    assert both not in {code_version((), [path]) for path in paths}
    assert both == code_version((), paths[::-1])


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.py"):
        code_version((), [tmp_path / "gone.py"])
