"""What was probably meant by a word or file that is no study."""

from __future__ import annotations

import ast
from pathlib import Path

from restor.config import alike
from restor.data.check import SUFFIXES, recognise
from restor.domains.base import DOMAINS
from restor.errors import DataError
from restor.recipes.base import recipe_names
from restor.registry import class_in_file

OWN = "restor run miniature --algorithms"


def mistaken(given: str) -> str | None:
    """What it is instead, and what to type; None where nothing better is known."""
    path = Path(given).expanduser()
    suffix = path.suffix.lower()
    if class_in_file(given) is not None:
        return f"{given} is Python and no study. An algorithm of your own joins one: `{OWN} {_with_class(given)}`."
    if path.is_dir():
        return _folder(given, path)
    if path.name in ("results.json", "facts.parquet") and (path.parent / "config.yaml").is_file():
        return f"{given} holds the results of a study. To run it again: `restor run {path.parent / 'config.yaml'}`."
    if suffix in SUFFIXES:
        return (
            _data(given, path)
            if path.exists()
            else f"There is no file {given}, and a study is a recipe or a YAML file."
        )
    return None if alike(given, recipe_names(), cutoff=0.75) else _entry(given)


def _with_class(given: str) -> str:
    """The file with the class that it defines last, read and not run."""
    if not given.endswith(".py"):
        return given
    try:
        body = ast.parse(Path(given).expanduser().read_bytes()).body
    except (OSError, SyntaxError, ValueError, RecursionError):
        body = []
    classes = [item.name for item in body if isinstance(item, ast.ClassDef) and item.bases]
    return f"{given}:{classes[-1] if classes else 'ClassName'}"


def _folder(given: str, path: Path) -> str | None:
    if (path / "config.yaml").is_file():
        return f"{given} is the folder of a study. To run it again: `restor run {path / 'config.yaml'}`."
    if (path / "facts.json").is_file() or (path / "datasets" / "facts.json").is_file():
        return _with_facts(given)
    return None


def _data(given: str, path: Path) -> str:
    try:
        kind = recognise(path)
    except DataError:
        kind = ""
    if kind == "facts":
        return _with_facts(given)
    if kind == "documents":
        return (
            f"{given} holds documents and is no study. What they state goes into a checkpoint with "
            f"`restor corrupt --model CLEAN --forget {given} --out corrupted`."
        )
    return f"{given} is no study, which is a recipe or a YAML file. `restor data check {given}` tells what it holds."


def _with_facts(given: str) -> str:
    return f"{given} holds facts and is no study. To run one with them: `restor run official_small --facts {given}`."


def _entry(given: str) -> str | None:
    """A name of another catalogue."""
    if domain := alike(given, DOMAINS.names(), cutoff=1.0):
        return f"{given!r} is a domain and no study: `restor run --domain.name {domain[0]}`."
    from restor.recipes._arms import further_arms, standard_arms
    from restor.unlearning.algorithms.base import ALGORITHMS  # brings torch
    from restor.unlearning.wrappers.base import WRAPPERS

    if arm := alike(given, [*standard_arms(), *further_arms(small=True), *ALGORITHMS.names()], cutoff=1.0):
        return f"{given!r} is an algorithm and no study: `{OWN} {arm[0]}`."
    if wrapper := alike(given, WRAPPERS.names(), cutoff=1.0):
        return f"{given!r} is a wrapper and no study: `{OWN} npo_{wrapper[0]}` has it around NPO."
    return None
