"""Catalogues: a folder with a `base.py` in which one file is one entry, found by its file name.

Nothing registers itself at import: a catalogue lists its folder without importing it, and imports an entry only when
it is asked for by name. Installed packages add entries through an entry point group.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from restor.errors import ConfigError

EntryT = TypeVar("EntryT")


def unknown_name(what: str, given: str, known: Iterable[str]) -> str:
    """The message for an unknown name: the nearest known one, then all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"Unknown {what} {given!r}.{hint} Known: {', '.join(names) if names else '(none)'}."


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
        """All entry names, sorted, without importing any entry."""
        folder = importlib.import_module(self.package)
        own = {module.name for module in pkgutil.iter_modules(folder.__path__) if not module.name.startswith("_")}
        return sorted((own - {"base"}) | {point.name for point in _installed(self.group)})

    def get(self, name: str) -> type[EntryT]:
        """The class of an entry.

        Raises:
            ConfigError: if no entry has that name.
        """
        for point in _installed(self.group):
            if point.name == name:
                return self._checked(name, point.load())
        if name not in self.names():
            raise ConfigError(unknown_name(self.what, name, self.names()))
        module = importlib.import_module(f"{self.package}.{name}")
        found = [
            item
            for item in vars(module).values()
            if inspect.isclass(item) and item.__module__ == module.__name__ and issubclass(item, self.base)
        ]
        if len(found) != 1:
            raise ConfigError(f"{module.__name__} must define one {self.base.__name__}, it defines {len(found)}.")
        return self._checked(name, found[0])

    def _checked(self, name: str, entry: Any) -> type[EntryT]:
        if not (inspect.isclass(entry) and issubclass(entry, self.base)) or inspect.isabstract(entry):
            raise ConfigError(f"The {self.what} {name!r} is not a complete {self.base.__name__}: {entry!r}.")
        return entry

    def config_type(self, name: str) -> type[BaseModel]:
        """The config class of an entry."""
        return self.get(name).config_type  # type: ignore[attr-defined,no-any-return]

    def build(self, config: BaseModel) -> EntryT:
        """An entry from its config, chosen by the config's `name`."""
        return self.get(config.name)(config)  # type: ignore[attr-defined,call-arg]

    def parse(self, given: Any) -> BaseModel:
        """A config from a mapping with a `name`, or the bare name, for the default settings.

        Raises:
            ConfigError: for an unknown name. Wrong fields raise pydantic's ValidationError.
        """
        if isinstance(given, BaseModel):
            return given
        if isinstance(given, str):
            given = {"name": given}
        if not isinstance(given, dict) or not isinstance(given.get("name"), str):
            raise ConfigError(f"A {self.what} needs a name. Given: {given!r}. Known: {', '.join(self.names())}.")
        return self.config_type(given["name"]).model_validate(given)
