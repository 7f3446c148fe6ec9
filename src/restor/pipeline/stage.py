"""Stages: steps of a study, identified by everything their result depends on."""

from __future__ import annotations

import ast
import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

from restor.config import stable_hash
from restor.errors import ConfigError

_COUNTED = frozenset({".py", ".css", ".js", ".jinja"})
# `ctx` follows from the position, `kind` is the u of u"", and the rest are comments.
_IGNORED_FIELDS = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


@final
@dataclass(frozen=True, eq=False)
class Stage:
    """A step of a study. Two stages of the same key have the same result, and compare equal."""

    name: str
    """clean, corrupt, ideal, unlearn, recover, evaluate, ..."""
    config: Mapping[str, Any]
    """The full configuration, JSON values."""
    parents: Mapping[str, Stage]
    """Role -> the stage whose result this one reads."""
    sources: tuple[str, ...]
    """Modules and packages whose code decides the result."""
    seed: int

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise ConfigError(f"Bad stage name {self.name!r}: use lower-case letters, digits and _, as in 'unlearn'.")

    @functools.cached_property
    def code(self) -> str:
        """The version of the code behind `sources`."""
        return code_version(self.sources)

    @functools.cached_property
    def key(self) -> str:
        """Hash of name, configuration, seed, code and the parents' keys; 24 hex digits."""
        return stable_hash(
            {
                "name": self.name,
                "config": self.config,
                "seed": self.seed,
                "code": self.code,
                "parents": {role: parent.key for role, parent in self.parents.items()},
            }
        )

    @property
    def label(self) -> str:
        """Name and key: the stage's folder in a store."""
        return f"{self.name}-{self.key}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stage) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@functools.cache
def code_version(sources: tuple[str, ...]) -> str:
    """A digest of the code of modules (`restor.config`) and packages (`restor.training`: all files).

    Comments, docstrings and formatting do not change it. Nothing is imported.

    Raises:
        ConfigError: if a source does not exist or does not parse.
    """
    files = {name: path for source in sources for name, path in _files(source).items()}
    return stable_hash({name: _file_digest(path) for name, path in files.items()})


def _files(source: str) -> dict[str, Path]:
    """The files of a module or package, by module path."""
    top, *rest = source.split(".")
    spec = find_spec(top)  # of a top-level name: this locates, it does not import
    if spec is not None:
        folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
        if not folders and not rest and spec.origin is not None:
            return {source: Path(spec.origin)}
        for folder in folders:
            place = folder.joinpath(*rest)
            if rest and place.with_suffix(".py").is_file():
                return {source: place.with_suffix(".py")}
            files = (path for path in place.rglob("*") if path.suffix in _COUNTED)
            if found := {f"{source}/{path.relative_to(place).as_posix()}": path for path in files}:
                return found
    raise ConfigError(
        f"No code found for the stage source {source!r}. Give an importable module or package, as in 'restor.training'."
    )


@functools.cache
def _file_digest(path: Path) -> str:
    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise ConfigError(f"Cannot read the code of {path}: {error}. Repair it or reinstall the package.") from error
    parts: list[str] = []
    _flatten(tree, parts)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _flatten(value: object, parts: list[str]) -> None:
    # Not ast.dump: it is slow, and what it prints changes from one Python to the next.
    if isinstance(value, ast.AST):
        parts.append(type(value).__name__)
        for field in value._fields:
            content = getattr(value, field, None)
            # Fields that are empty are left out, for a newer Python adds some.
            if content is None or content == [] or field in _IGNORED_FIELDS:
                continue
            parts.append(field)
            _flatten(content, parts)
        parts.append(")")
    elif isinstance(value, list):
        for item in value:
            if not _is_bare_string(item):
                _flatten(item, parts)
        parts.append("]")
    else:
        parts.append(repr(value))


def _is_bare_string(node: object) -> bool:
    """A docstring, of an attribute too: a statement without effect."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
