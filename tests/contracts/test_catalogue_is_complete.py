"""No algorithm or wrapper without a paper, a budget, a grid, and a test that knows what its loss or weights must be."""

from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from restor.unlearning.algorithms.base import ALGORITHMS, GRID_SIZE, AlgorithmInfo, Choice
from restor.unlearning.described import by_default
from restor.unlearning.wrappers.base import WRAPPERS

TESTS = Path(__file__).parents[1] / "unlearning"


@cache
def modules_with_tests() -> frozenset[str]:
    """Modules from which a test in tests/unlearning imports something: a loss by hand, or a class it runs."""
    found = set()
    for file in TESTS.glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
    return frozenset(found)


def problems(info, module, budget=("not a matter of budgets",)):
    """What an entry lacks."""
    for field in ("title", "mechanism", "equation", "cost"):
        if not getattr(info, field).strip():
            yield f"its {field} is empty"
        elif "\n" in getattr(info, field):
            yield f"its {field} has more than one line"
    if not info.paper.startswith("https://"):
        yield "its paper is no https link"
    if isinstance(info, AlgorithmInfo):
        if not budget and not info.control:
            yield "it is told nothing and is no control"
        points = {(point.lr, point.steps, repr(sorted(point.options.items()))) for point in info.grid}
        if len(points) != GRID_SIZE or len(info.grid) != GRID_SIZE:
            yield f"its grid has {len(points)} different points of {len(info.grid)}, not {GRID_SIZE}"
    if module not in modules_with_tests():
        yield f"no test in tests/unlearning imports {module}"


@pytest.mark.parametrize("name", ALGORITHMS.names())
def test_an_algorithm_is_complete(name):
    entry, usual = ALGORITHMS.get(name), by_default(name)
    assert usual is not None, "every setting has a default"
    assert list(problems(entry.info, entry.__module__, usual.plan.budget())) == []


@pytest.mark.parametrize("name", WRAPPERS.names())
def test_a_wrapper_is_complete(name):
    entry = WRAPPERS.get(name)
    assert list(problems(entry.info, entry.__module__)) == []
    assert "holds" in entry.info.cost, "gradients beside the one of the step"


def test_titles_tell_the_entries_apart():
    for catalogue in (ALGORITHMS, WRAPPERS):
        titles = [catalogue.get(name).info.title for name in catalogue.names()]
        assert len(set(titles)) == len(titles)


def test_an_entry_that_lacks_something_would_be_told_so():
    info = ALGORITHMS.get("npo").info
    module = "restor.unlearning.algorithms.npo"
    assert list(problems(info, module)) == []
    point = Choice(1e-4, 10, {"beta": 0.1})
    for changes, said in (
        ({"paper": "arxiv.org/abs/2404.05868"}, "its paper is no https link"),
        ({"paper": ""}, "its paper is no https link"),
        ({"equation": " "}, "its equation is empty"),
        ({"cost": "one\ntwo"}, "its cost has more than one line"),
        ({"grid": (point,) * GRID_SIZE}, "its grid has 1 different points of 6, not 6"),
        ({"grid": info.grid[:-1]}, "its grid has 5 different points of 5, not 6"),
    ):
        assert list(problems(dataclasses.replace(info, **changes), module)) == [said]
    assert list(problems(info, module, ())) == ["it is told nothing and is no control"]
    assert list(problems(dataclasses.replace(info, control=True), module, ())) == []
    assert list(problems(info, "restor.unlearning.algorithms.new")) == [
        "no test in tests/unlearning imports restor.unlearning.algorithms.new"
    ]


def test_entries_are_known_without_loading_transformers():
    """It takes seconds, and a study that is all in the store needs it for nothing."""
    program = (
        "import sys\n"
        "from restor.unlearning.algorithms.base import ALGORITHMS\n"
        "from restor.unlearning.wrappers.base import WRAPPERS\n"
        "for catalogue in (ALGORITHMS, WRAPPERS):\n"
        "    for name in catalogue.names():\n"
        "        catalogue.get(name)\n"
        "sys.exit('transformers' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
