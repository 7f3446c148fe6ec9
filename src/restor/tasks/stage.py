"""Stages: steps of a study, identified by everything their result depends on."""

from __future__ import annotations

import ast
import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

from restor.config import stable_hash
from restor.errors import ConfigError
from restor.registry import short_name

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
    """Modules, packages and paths of single files whose code decides the result."""
    seed: int
    how: Mapping[str, Any] = field(default_factory=dict)
    """What making it needs beside that and its result does not depend on, such as where a served model is: no part of
    the key, and not stored."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise ConfigError(f"Bad stage name {self.name!r}: use lower-case letters, digits and _, as in 'unlearn'.")

    @functools.cached_property
    def code(self) -> str:
        """The version of the code behind `sources`."""
        return code_version(self.sources)

    @property
    def code_changed(self) -> bool:
        """Whether a file of the user's own has been edited since `code` was read."""
        return code_version(self.sources) != self.code

    @functools.cached_property
    def key(self) -> str:
        """Hash of name, configuration, seed, code and the parents' keys; 24 hex digits."""
        return stable_hash(
            {
                "name": self.name,
                "config": without_folders(self.config),
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


def without_folders(value: Any) -> Any:
    """JSON values in which the names of classes in files have no folders: a file may move and is still the same."""
    if isinstance(value, Mapping):
        named = {"name": short_name(value["name"])} if isinstance(value.get("name"), str) else {}
        return {key: without_folders(item) for key, item in value.items()} | named
    return [without_folders(item) for item in value] if isinstance(value, list | tuple) else value


def code_version(sources: tuple[str, ...]) -> str:
    """A digest of the code of modules (`restor.config`), packages (`restor.training`: all files) and single files.

    A single file is given by its path, and counts by its name and its code, not by its folder. Comments, docstrings
    and formatting do not change the digest. Nothing is imported.

    Raises:
        ConfigError: if a source does not exist or does not parse.
    """
    own = [Path(source) for source in sources if source.endswith(".py")]
    digests = dict(_installed_code(tuple(source for source in sources if not source.endswith(".py"))))
    for path in own:  # read anew each time: the user may be editing it
        digest = _digest_of(path)
        digests[f"{path.name} {digest}"] = digest  # two files of a stage may have one name
    return stable_hash(digests)


@functools.cache
def _installed_code(sources: tuple[str, ...]) -> Mapping[str, str]:
    files = {name: path for source in sources for name, path in _files(source).items()}
    return {name: _file_digest(path) for name, path in files.items()}


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
    return _digest_of(path)


def _digest_of(path: Path) -> str:
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
