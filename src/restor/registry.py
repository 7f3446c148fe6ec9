"""Catalogues: a folder with a `base.py` in which one file is one entry, found by its file name.

Nothing registers itself at import: a catalogue lists its folder without importing it, and imports an entry only when
it is asked for by name. Installed packages add entries through an entry point group, and a class in a file of the
user's own is an entry under the name `path/to/file.py:ClassName`: naming it runs the file.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import linecache
import os
import pkgutil
import sys
import traceback
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from restor.config import alike
from restor.errors import ConfigError
from restor.faults import OWN_MODULE

EntryT = TypeVar("EntryT")


def unknown_name(what: str, given: str, known: Iterable[str]) -> str:
    """The message for an unknown name: the nearest known one, then all of them."""
    names = sorted(known)
    near = alike(given, names, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"Unknown {what} {given!r}.{hint} Known: {', '.join(names) if names else '(none)'}."


# Classes in files ----------------------------------------------------------------------------------------------------


def class_in_file(name: str) -> tuple[Path, str] | None:
    """The absolute path and the class that `path/to/file.py:ClassName` names; None for any other name.

    A relative path starts at the working directory. The class is empty where none is named.
    """
    place, _, wanted = name.rpartition(":")
    if name.endswith(".py"):
        place, wanted = name, ""
    if not place.endswith(".py"):
        return None
    return Path(os.path.abspath(Path(place).expanduser())), wanted.strip()


def absolute_name(name: str) -> str:
    """The name of a class in a file with its absolute path, as a stored configuration needs it; others as they are."""
    place = class_in_file(name)
    return name if place is None else f"{place[0]}:{place[1]}"


def short_name(name: str) -> str:
    """The same without the folder, `file.py:ClassName`: for people, and for what must not depend on the folder."""
    place = class_in_file(name)
    return name if place is None else f"{place[0].name}:{place[1]}"


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        files = [item.name for item in path.parent.glob("*.py")] if path.parent.is_dir() else []
        near = alike(path.name, files)
        hint = f"Did you mean {near[0]}?" if near else f"A relative path starts at the working directory, {Path.cwd()}."
        raise ConfigError(f"{what}: there is no file {path}. {hint}") from None
    except OSError as error:
        raise ConfigError(f"{what}: cannot read {path}: {error.strerror}. Name a Python file.") from error


@cache
def _module(path: Path, content: bytes) -> ModuleType:
    """A file as a module, run once for each content."""
    digest = hashlib.sha256(b"\0".join((os.fsencode(path), content))).hexdigest()
    module = ModuleType(f"{OWN_MODULE}{digest[:16]}")
    module.__file__ = str(path)
    try:
        code = compile(content, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last two: nested too deeply
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        problem = error.msg if isinstance(error, SyntaxError) else error
        raise ConfigError(f"{path}{line} is not valid Python: {problem}. Correct it there.") from error
    linecache.checkcache(str(path))
    # Pydantic and dataclasses look a class's module up by its name.
    sys.modules[module.__name__] = module
    try:
        exec(code, module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise ConfigError(_import_problem(path, error)) from error
    return module


def _import_problem(path: Path, error: BaseException) -> str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = f", line {lines[-1]}" if lines else ""
    text = f"{path}{line}: importing the file fails with {type(error).__name__}: {error}."
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if missing and any(path.parent.joinpath(place).exists() for place in (f"{missing}.py", missing)):
        text += f" The file is read alone, without its neighbour {missing!r}: put what it needs into the file itself,"
        return f"{text} or into an installed package."
    return f"{text} Correct it there; `python {path}` shows more."


# Catalogues ----------------------------------------------------------------------------------------------------------


@cache
def _installed(group: str) -> tuple[EntryPoint, ...]:
    """Entry points of installed packages; looking for them reads the metadata of every package."""
    return tuple(entry_points(group=group))


class Catalogue(Generic[EntryT]):
    """The entries of one folder.

    An entry's file defines exactly one final class derived from `base`, which has a class attribute `config_type`
    (its frozen pydantic config) and takes that config as its only constructor argument.
    """

    def __init__(self, what: str, package: str, base: type[EntryT], group: str) -> None:
        self.what = what
        self.package = package
        self.base = base
        self.group = group

    def names(self) -> list[str]:
        """All entry names, sorted, without importing any entry. Classes in files of the user's own are not listed."""
        folder = importlib.import_module(self.package)
        names_here = {
            module.name for module in pkgutil.iter_modules(folder.__path__) if not module.name.startswith("_")
        }
        return sorted((names_here - {"base"}) | {point.name for point in _installed(self.group)})

    def get(self, name: str) -> type[EntryT]:
        """The class of an entry.

        Raises:
            ConfigError: if no entry has that name, or it is not complete.
        """
        if (place := class_in_file(name)) is not None:
            return self._in_file(name, *place)
        for point in _installed(self.group):
            if point.name == name:
                return self._checked(name, _load(self.what, point))
        if name not in self.names():
            hint = " Your own is named path/to/file.py:ClassName." if set(name) & set("/\\:.") else ""
            raise ConfigError(unknown_name(self.what, name, self.names()) + hint)
        module = importlib.import_module(f"{self.package}.{name}")
        classes = [item for item in _classes(module).values() if issubclass(item, self.base)]
        if len(classes) != 1:
            raise ConfigError(f"{module.__name__} must define one {self.base.__name__}, it defines {len(classes)}.")
        return self._checked(name, classes[0])

    def config_type(self, name: str) -> type[BaseModel]:
        """The config class of an entry."""
        return self.get(name).config_type  # type: ignore[attr-defined,no-any-return]

    def build(self, config: BaseModel) -> EntryT:
        """An entry from its config, chosen by the config's `name`."""
        return self.get(config.name)(config)  # type: ignore[attr-defined,call-arg]

    def parse(self, given: Any) -> BaseModel:
        """A config from a mapping with a `name`, or the bare name, for the default settings.

        The config of a class in a file has the file's absolute path in its name.

        Raises:
            ConfigError: for an unknown name. Wrong fields raise pydantic's ValidationError.
        """
        if isinstance(given, BaseModel):
            return given
        if isinstance(given, str):
            given = {"name": given}
        if not isinstance(given, dict) or not isinstance(given.get("name"), str):
            raise ConfigError(f"A {self.what} needs a name. Given: {given!r}. Known: {', '.join(self.names())}.")
        return self.config_type(given["name"]).model_validate({**given, "name": absolute_name(given["name"])})

    def _in_file(self, name: str, path: Path, wanted: str) -> type[EntryT]:
        what = f"The {self.what} {name!r}"
        module = _module(path, _read(path, what))
        classes = _classes(module)
        if wanted not in classes:
            entries = [key for key, item in classes.items() if issubclass(item, self.base)] or list(classes)
            near = alike(wanted, entries, cutoff=0.5)
            there = f"It defines {', '.join(entries)}." if entries else "It defines no class at all."
            if wanted in vars(module):
                problem = f"{path} does not define a class {wanted} itself: name the file that does."
            elif wanted:
                problem = f"{path} has no class {wanted}."
            else:
                problem = f"name the class too, as in {path.name}:{entries[0] if entries else 'ClassName'}."
            raise ConfigError(f"{what}: {problem}{f' Did you mean {near[0]}?' if near else ''} {there}")
        entry = self._checked(name, classes[wanted])
        config = getattr(entry, "config_type", None)
        if config is not None and config.model_fields["name"].annotation is not str:
            raise ConfigError(
                f"{what} takes its name from its file, and its {config.__name__} allows no other than its own. Leave "
                "the field `name` out of it, or make it `name: str`."
            )
        return entry

    def _checked(self, name: str, entry: Any) -> type[EntryT]:
        if problem := next(self._problems(entry), None):
            raise ConfigError(f"The {self.what} {name!r} is not a complete {self.base.__name__}: {problem}")
        checked: type[EntryT] = entry
        return checked

    def _problems(self, entry: Any) -> Iterator[str]:
        """What an entry lacks, in words."""
        if not inspect.isclass(entry):
            yield f"it is no class but {entry!r}."
            return
        if not issubclass(entry, self.base):
            kinds = [kind.__name__ for kind in self.base.__subclasses__() if kind.__module__ == self.base.__module__]
            bases = " or ".join(kinds or [self.base.__name__])
            yield f"derive {entry.__name__} from {bases} of {self.base.__module__}."
            return
        if missing := sorted(getattr(entry, "__abstractmethods__", ())):
            yield f"{entry.__name__} does not define {', '.join(missing)}."
        declared = get_type_hints(self.base)
        for attribute, kind in declared.items():
            if get_origin(kind) is ClassVar:
                yield from _wrong_attribute(entry, attribute, get_args(kind)[0])
        if "config_type" in declared and not _takes_config(entry):
            yield (
                f"{entry.__name__} must take its configuration and nothing else: "
                "`def __init__(self, config): self.config = config`."
            )


def _load(what: str, point: EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as error:
        package = f" of the installed package {point.dist.name}" if point.dist else ""
        problem = f"importing {point.value} fails with {type(error).__name__}: {error}."
        raise ConfigError(f"The {what} {point.name!r}{package} cannot be used: {problem}") from error


def _classes(module: ModuleType) -> dict[str, type]:
    """The classes that a module defines itself."""
    classes = ((name, item) for name, item in vars(module).items() if inspect.isclass(item))
    return {name: item for name, item in classes if item.__module__ == module.__name__}


def _wrong_attribute(entry: type, attribute: str, kind: Any) -> Iterator[str]:
    """What is wrong with a class attribute of which the base says what it must be."""
    inner = get_args(kind)[0] if get_origin(kind) is type else None
    wanted = inner or get_origin(kind) or kind
    what = f"a class derived from {wanted.__name__}" if inner else f"a value of type {wanted.__name__}"
    value = getattr(entry, attribute, None)
    if value is None:
        yield f"{entry.__name__} lacks the class attribute `{attribute}`, {what} ({wanted.__module__})."
    elif not (inspect.isclass(value) and issubclass(value, inner) if inner else isinstance(value, wanted)):
        yield f"`{attribute}` of {entry.__name__} must be {what} ({wanted.__module__}), it is {value!r}."


def _takes_config(entry: type) -> bool:
    try:
        inspect.signature(entry).bind(None)
    except TypeError:
        return False
    return True
