"""The versions that users and CI get are those that the tests passed with."""

from __future__ import annotations

import re
import sysconfig
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PINS = {
    canonicalize_name(name): version
    for name, version in re.findall(
        r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
}
REQUIRED = [
    Requirement(text)
    for text in (
        *PROJECT["project"]["dependencies"],
        *(text for extra in PROJECT["project"]["optional-dependencies"].values() for text in extra),
        *PROJECT["build-system"]["requires"],
    )
]
UNPINNED = {"restor", "pip", "setuptools", "wheel"}
"""What is no dependency of restor's, or comes with Python."""


@pytest.mark.parametrize("requirement", REQUIRED, ids=str)
def test_every_dependency_is_pinned_within_its_bounds(requirement):
    assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)])


def test_the_cpu_list_is_the_same_but_for_the_build_of_torch():
    lines = (ROOT / "constraints-cpu.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["-c constraints.txt", f"torch=={PINS['torch']}+cpu"]


def test_what_is_installed_is_what_is_pinned(request):
    """So the list is complete, and it is these versions that the tests pass with."""
    if request.config.getoption("--versions") != "pinned":
        pytest.skip("only `make test` promises the pinned versions")
    # Not all of sys.path: once a test has imported setuptools, the packages that setuptools carries stand there too.
    folders = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    installed = {
        canonicalize_name(found.metadata["Name"]): found.version.split("+")[0] for found in distributions(path=folders)
    }
    assert "torch" in installed
    assert {name: version for name, version in installed.items() if name not in UNPINNED} == {
        name: PINS.get(name, "no pin") for name in installed if name not in UNPINNED
    }


@pytest.mark.parametrize("target", ["run", "test"])
def test_make_installs_the_pinned_versions(target):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipes = dict(re.findall(r"^(\$\(VENV\)/\w+|\w+):[^\n]*\n((?:\t[^\n]*\n)+)", makefile, flags=re.MULTILINE))
    environment = {"run": "$(VENV)/core", "test": "$(VENV)/dev"}[target]
    assert "-c $(CONSTRAINTS)" in recipes[environment]
