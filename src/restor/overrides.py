"""Changes to a configuration by dotted path and text: `unlearning.lr` and `1e-4`, as a command line gives them."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeGuard, TypeVar, Union, final, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from restor.config import did_you_mean, explained, parse_yaml
from restor.errors import ConfigError
from restor.registry import Catalogue

ConfigT = TypeVar("ConfigT", bound=BaseModel)

SECTION = "{...}"
"""Stands for the value of a section, whose fields follow."""


@final
@dataclass(frozen=True, slots=True)
class Field:
    """One value of a configuration that an override can set."""

    path: str
    value: Any
    """JSON value; of a section that may be null and is not, `SECTION`."""
    active: bool = True
    """False for the fields of a section that is null: setting one makes the section, with its defaults."""
    declared: tuple[type[BaseModel], str] | None = None
    """The section and the name under which the code declares it, or the mapping that holds it."""

    @property
    def meaning(self) -> str:
        """What it is, on one line, as the code says."""
        if self.declared is None:
            return ""
        section, name = self.declared
        return " ".join(described(section)[name].doc.split())


@final
@dataclass(frozen=True, slots=True)
class Declared:
    """A field as the code declares it."""

    kind: str
    """Its type, as written."""
    doc: str
    """The docstring below it."""


@cache
def described(config: type[BaseModel]) -> Mapping[str, Declared]:
    """The fields of a configuration; one that is declared again keeps the docstring of its base if it has none."""
    declared = {name: Declared(str(field.annotation), "") for name, field in config.model_fields.items()}
    for owner in reversed(config.__mro__):
        for name, declaration in _declared(owner) if issubclass(owner, BaseModel) and owner is not BaseModel else ():
            if name in declared:
                declared[name] = Declared(declaration.kind, declaration.doc or declared[name].doc)
    return declared


def _declared(owner: type) -> Iterator[tuple[str, Declared]]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    except (OSError, TypeError, SyntaxError):
        return  # the class has no source file
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    for item, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            doc = following.value if isinstance(following, ast.Expr) else None
            text = doc.value if isinstance(doc, ast.Constant) and isinstance(doc.value, str) else ""
            yield item.target.id, Declared(ast.unparse(item.annotation), inspect.cleandoc(text))


def fields(schema: type[BaseModel], data: Mapping[str, Any]) -> Iterator[Field]:
    """All leaves of a configuration and the sections that may be null, in order. `data` may leave out defaults."""
    return _leaves(_FieldType(schema), data, "", True, None)


def paths(schema: type[BaseModel], data: Mapping[str, Any]) -> list[str]:
    """All dotted paths of a configuration, those of its sections too."""
    names: dict[str, None] = {}
    for field in fields(schema, data):
        parts = field.path.split(".")
        for end in range(1, len(parts) + 1):
            names[".".join(parts[:end])] = None
    return list(names)


ADVICE = "`restor list fields` shows all fields."


def apply_overrides(
    data: Mapping[str, Any], overrides: Mapping[str, str], schema: type[BaseModel], *, advice: str = ADVICE
) -> dict[str, Any]:
    """A copy of `data` with the values at dotted paths replaced; each text is read as YAML.

    Sections are set before their fields, and the choice of a catalogue entry before its settings, whatever the order
    given; choosing another entry drops the settings of the former one. Whether the values fit is for validation.

    Raises:
        ConfigError: for an unknown path, with the nearest ones, or a text that is not YAML.
    """
    changed: Any = dict(data)
    ordered = sorted(overrides.items(), key=lambda item: (item[0].count("."), not item[0].endswith(".name")))
    for path, text in ordered:
        try:
            changed = _put(_FieldType(schema), changed, tuple(path.split(".")), _Value(path, text))
        except _UnknownPath:
            raise ConfigError(f"Unknown field {path!r}.{did_you_mean(path, paths(schema, changed))} {advice}") from None
    return dict(changed)


def configured(
    schema: type[ConfigT],
    content: Mapping[str, Any],
    changes: Mapping[str, str],
    *,
    source: str,
    advice: str = ADVICE,
) -> ConfigT:
    """The checked configuration of some content with changes by dotted path; `source` is how errors call it.

    Raises:
        ConfigError: for an unknown path, a text that is not YAML, or with one line per value that does not fit.
    """
    changed = apply_overrides(content, changes, schema, advice=advice)
    with explained(source, paths(schema, changed)):
        return schema.model_validate(changed)


class _UnknownPath(Exception):
    """Caught in `apply_overrides`, which knows all paths."""


@final
@dataclass(frozen=True, slots=True)
class _Value:
    path: str
    text: str

    def parse(self, place: _FieldType) -> Any:
        value = parse_yaml(self.text, f"The value of {self.path}")
        # A name such as 2024 is text where text is wanted.
        return self.text.strip() if place.kind is str and isinstance(value, bool | int | float) else value


@final
class _FieldType:
    """What the type of a field says about what may stand below it."""

    def __init__(self, annotation: Any, metadata: tuple[Any, ...] = ()) -> None:
        kind, self.catalogue, self.optional = annotation, _catalogue(metadata), False
        while True:
            if get_origin(kind) is Annotated:
                kind, *extra = get_args(kind)
                self.catalogue = self.catalogue or _catalogue(tuple(extra))
                continue
            some = [item for item in get_args(kind) if item is not types.NoneType]
            if get_origin(kind) not in (Union, types.UnionType) or len(some) != 1:
                break
            kind, self.optional = some[0], len(get_args(kind)) > 1
        self.kind = kind

    @classmethod
    def of(cls, field: FieldInfo) -> _FieldType:
        return cls(field.annotation, tuple(field.metadata))

    def section(self, value: Any) -> type[BaseModel] | None:
        """The model of the section that stands here, if it is one."""
        if self.catalogue is not None and value is None:
            return None  # an optional choice that is not made
        if self.catalogue is not None:
            name = value.get("name") if isinstance(value, Mapping) else value
            if not isinstance(name, str):
                raise ConfigError(f"A {self.catalogue.what} needs a name: {', '.join(self.catalogue.names())}.")
            return self.catalogue.config_type(name)
        return self.kind if isinstance(self.kind, type) and issubclass(self.kind, BaseModel) else None

    @property
    def item(self) -> _FieldType | None:
        """The place of a mapping's values, if this is a mapping."""
        return _FieldType(get_args(self.kind)[1]) if get_origin(self.kind) is dict else None

    def accepts(self, key: str, value: Mapping[str, Any]) -> bool:
        """Whether a mapping may have this key: words of a list, free options, or what it has already."""
        keys, item = get_args(self.kind)
        if get_origin(keys) is Literal:
            return key in get_args(keys)
        return key in value or item is Any


def _catalogue(metadata: tuple[Any, ...]) -> Catalogue[Any] | None:
    for item in metadata:
        owner = getattr(item.func, "__self__", None) if isinstance(item, BeforeValidator) else None
        if isinstance(owner, Catalogue):
            return owner
    return None


def _is_mapping(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def _default(field: FieldInfo) -> Any:
    default = field.get_default(call_default_factory=True)
    return None if default is PydanticUndefined else to_jsonable_python(default)


def _put(place: _FieldType, value: Any, keys: tuple[str, ...], new: _Value) -> Any:
    """`value` with `new` below it at `keys`."""
    if not keys:
        return new.parse(place)
    key, *rest = keys
    if place.catalogue is not None and keys == ("name",):
        name = new.parse(place)
        same = name == (value.get("name") if _is_mapping(value) else value)
        return value if same else {"name": name}
    section = place.section(value)
    if place.catalogue is not None and isinstance(value, str):
        value = {"name": value}  # the short form of a choice
    if value is not None and not _is_mapping(value):
        here = new.path.removesuffix("." + ".".join(keys))
        raise ConfigError(f"Cannot set {new.path}: {here} is {value!r}, not a section with fields.")
    inside = dict(value or {})
    if section is not None:
        field = section.model_fields.get(key)
        if field is None:
            raise _UnknownPath
        below, current = _FieldType.of(field), inside[key] if key in inside else _default(field)
    elif place.item is not None and place.accepts(key, inside):
        below, current = place.item, inside.get(key)
    elif place.kind is Any:
        below, current = place, inside.get(key)
    else:
        raise _UnknownPath
    inside[key] = _put(below, current, tuple(rest), new)
    return inside


def _leaves(
    place: _FieldType, value: Any, path: str, active: bool, declared: tuple[type[BaseModel], str] | None
) -> Iterator[Field]:
    section = place.section(value)
    if section is not None:
        if place.catalogue is not None and isinstance(value, str):
            value = {"name": value}
        if value is None or place.optional:
            yield Field(path, None if value is None else SECTION, active, declared)
        active, inside = active and value is not None, value if _is_mapping(value) else {}
        for key, field in section.model_fields.items():
            below = inside[key] if key in inside else _default(field)
            yield from _leaves(_FieldType.of(field), below, f"{path}.{key}" if path else key, active, (section, key))
    elif (place.item is not None or place.kind is Any) and _is_mapping(value) and value:
        for key, below in value.items():
            yield from _leaves(place.item or place, below, f"{path}.{key}", active, declared)
    else:
        yield Field(path, value, active, declared)
