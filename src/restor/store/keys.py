"""What an artifact depends on: its kind of work, settings, inputs and code, as one key."""

from __future__ import annotations

import ast
import functools
import hashlib
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

from pydantic import TypeAdapter, ValidationError

from restor.caches import data_cache
from restor.config import stable_hash
from restor.errors import ConfigError, DataError, StoreError
from restor.store.disk import write_atomic

_COUNTED = frozenset({".css", ".js", ".jinja", ".json", ".jsonl"})
"""Files beside the code of a package that decide what it makes."""
# `ctx` follows from the position, `kind` is the u of u"", and the rest are comments.
_IGNORED_FIELDS = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


@final
@dataclass(frozen=True)
class ArtifactId:
    """Everything that an artifact depends on. Two of one key have the same artifact."""

    kind: str
    """Of work: clean, corrupt, unlearn, ..."""
    settings: Mapping[str, Any]
    """JSON values; in place of each file that is read, its SHA-256."""
    inputs: Mapping[str, str]
    """Role -> key of another artifact."""
    seed: int
    code: str
    """A digest of the code that makes it."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.kind):
            raise ConfigError(f"Bad kind of work {self.kind!r}: use lower-case letters, digits and _, as in 'unlearn'.")

    @functools.cached_property
    def key(self) -> str:
        """24 hex digits."""
        return stable_hash(
            {
                "kind": self.kind,
                "settings": self.settings,
                "inputs": self.inputs,
                "seed": self.seed,
                "code": self.code,
            }
        )

    @property
    def label(self) -> str:
        """Name of the artifact's folder in a store."""
        return f"{self.kind}-{self.key}"


# Code ----------------------------------------------------------------------------------------------------------------


def code_version(modules: Collection[str], files: Collection[Path] = ()) -> str:
    """A digest of the code of some modules, of all that they import from their own package, and of single files.

    Imports are followed wherever they stand in a module, but not under `TYPE_CHECKING`. Those in functions of an
    `__init__.py` count for whoever takes from the package a name that is no module. Files that lie beside the modules
    count too, such as templates. A single file counts by its name and its code, not by its folder. Comments, docstrings
    and formatting never change the digest. Nothing is imported.

    Raises:
        ConfigError: if a module or file does not exist or does not parse.
    """
    digests = dict(_installed_code(tuple(sorted(modules))))
    _kept().save()
    for path in files:  # read anew each time: the user may be editing it
        digest = _code(path, _source(path)).digest
        digests[f"{path.name} {digest}"] = digest  # two files may have one name
    return stable_hash(digests)


@functools.cache
def _installed_code(modules: tuple[str, ...]) -> Mapping[str, str]:
    digests: dict[str, str] = {}
    for module in closure(modules):
        path = _file_of(module)
        assert path is not None, "it is in the closure"
        digests[module] = _installed(path).digest
        # Beside the modules of the top-level package lie choices of users, which are no code.
        for data in _data_beside(path.parent) if module.count(".") > 1 else ():
            digests[f"{module.rpartition('.')[0]}/{data.name}"] = _installed(data).digest
    return digests


@functools.cache
def closure(modules: tuple[str, ...]) -> frozenset[str]:
    """Modules, and all that they import directly or through others, each from its own top-level package only.

    Raises:
        ConfigError: if one of the modules does not exist or does not parse.
    """
    waiting, reached = list(modules), set[str]()
    while waiting:
        module = waiting.pop()
        if module in reached:
            continue
        reached.add(module)
        packages = module.split(".")[:-1]
        waiting += [".".join(packages[: count + 1]) for count in range(len(packages))]
        waiting += _imports(module)
    # A folder without __init__.py has no code of its own.
    return frozenset(module for module in reached if _file_of(module) is not None)


@functools.cache
def _imports(module: str) -> tuple[str, ...]:
    path = _file_of(module)
    if path is None:
        return ()
    reached = dict[str, None]()
    for package, target in _installed(path).imports:
        if package.partition(".")[0] != module.partition(".")[0]:
            continue
        if _file_of(target) is not None:
            reached[target] = None
        elif (place := _file_of(package)) is not None:
            reached[package] = None
            # A name that a package gives when it is asked for, as `__getattr__` does: whatever it would import counts.
            lazy = _installed(place).lazy_imports if target != package else ()
            reached |= {name if _file_of(name) is not None else owner: None for owner, name in lazy}
    return tuple(reached)


def _imported(node: ast.AST, *, within_functions: bool) -> Iterator[tuple[str, str]]:
    """What is imported at some node, see `_Code.imports`."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
        yield from ((node.module, f"{node.module}.{alias.name}") for alias in node.names)
    elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        for other in node.orelse:
            yield from _imported(other, within_functions=within_functions)
    elif within_functions or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for child in ast.iter_child_nodes(node):
            yield from _imported(child, within_functions=within_functions)


@functools.cache
def _file_of(module: str) -> Path | None:
    """The file of a module or of a package; None where there is none.

    Raises:
        ConfigError: if its top-level package is not installed.
    """
    top, *rest = module.split(".")
    spec = find_spec(top)  # of a top-level name: this locates, it does not import
    if spec is None:
        raise ConfigError(f"No code found for {module!r}. Give an importable module, as in 'restor.training.loop'.")
    for folder in map(Path, spec.submodule_search_locations or ()):
        place = folder.joinpath(*rest)
        for path in (place.with_suffix(".py") if rest else place / "__init__.py", place / "__init__.py"):
            if path.is_file():
                return path
    if not rest and not spec.submodule_search_locations and spec.origin is not None:
        return Path(spec.origin)
    return None


@functools.cache
def _data_beside(folder: Path) -> tuple[Path, ...]:
    """The counted files of a package, also in folders that hold no code."""
    return tuple(
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in _COUNTED and not any((part / "__init__.py").exists() for part in _between(folder, path))
    )


def _between(folder: Path, path: Path) -> list[Path]:
    return list(path.parents)[: len(path.relative_to(folder).parts) - 1]


@final
@dataclass(frozen=True, slots=True)
class _Code:
    """What counts of a file."""

    digest: str
    imports: tuple[tuple[str, str], ...] = ()
    """The module that is named, and the one that it is if a name in it is a module."""
    lazy_imports: tuple[tuple[str, str], ...] = ()
    """Those in functions of an `__init__.py`, which importing the package does not run."""


@functools.cache
def _installed(path: Path) -> _Code:
    return _kept().code(path)


@functools.cache
def _kept() -> _Kept:
    return _Kept()


@final
class _Kept:
    """What counts of files by their content, kept from one process to the next: to parse all of restor takes a second.

    A file that cannot be read or written costs that second and nothing else.
    """

    def __init__(self) -> None:
        # Another Python or another way to work it out has another file.
        way = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
        self._file: Path | None = None
        self._codes: dict[str, _Code] = {}
        self._is_new = False
        with suppress(DataError, OSError, ValueError, ValidationError):
            self._file = data_cache() / f"code-{sys.version_info[0]}.{sys.version_info[1]}-{way}.json"
            self._codes = _CODES.validate_json(self._file.read_bytes())

    def code(self, path: Path) -> _Code:
        """What counts of a file."""
        content = _source(path)
        key = hashlib.sha256(f"{path.name}\0".encode() + content).hexdigest()
        if key not in self._codes:
            self._codes[key] = _code(path, content)
            self._is_new = True
        return self._codes[key]

    def save(self) -> None:
        """Write what was worked out anew."""
        if self._is_new and self._file is not None:
            self._is_new = False
            with suppress(StoreError, OSError):
                self._file.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(self._file, _CODES.dump_json(self._codes))


_CODES = TypeAdapter(dict[str, _Code])


def _code(path: Path, content: bytes) -> _Code:
    if path.suffix != ".py":
        return _Code(hashlib.sha256(content).hexdigest())
    try:
        tree, parts = ast.parse(content), list[str]()
    except (SyntaxError, ValueError) as error:
        raise _unreadable(path, error) from error
    _flatten(tree, parts)
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    everywhere = dict.fromkeys(_imported(tree, within_functions=True))
    if path.name != "__init__.py":
        return _Code(digest, tuple(everywhere))
    at_once = dict.fromkeys(_imported(tree, within_functions=False))
    return _Code(digest, tuple(at_once), tuple(name for name in everywhere if name not in at_once))


def _source(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ConfigError:
    return ConfigError(f"Cannot read the code of {path}: {error}. Repair it or reinstall the package.")


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
