"""The base of every configuration, and its text: YAML in and out, and what is wrong with it in words."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn, Self, TypeAlias, final

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

from restor.errors import NEGATIVE_SEED, ConfigError
from restor.text import composed
from restor.untrusted import read_bytes

EntityName: TypeAlias = Annotated[str, AfterValidator(composed)]
"""A name as facts have it, whether its accents are given as letters of their own or not."""


MOST_THREADS = 1024
"""To compute with: far more than any machine is faster with, and so many more end the process without a word."""


class Config(BaseModel):
    """A frozen configuration that refuses unknown fields and never coerces a number silently into a word."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @model_validator(mode="after")
    def _whole_numbers_fit(self) -> Self:
        for name, value in self.__dict__.items():
            for item in value if isinstance(value, tuple | list) else (value,):
                if type(item) is int and too_large(item):
                    raise ValueError(f"{name}: the number is too large")
                # By name, so that no configuration can forget it.
                if type(item) is int and item < 0 and name in ("seed", "seeds"):
                    raise ValueError(f"{name}: {NEGATIVE_SEED}, given {item}")
        return self

    def identity(self) -> dict[str, Any]:
        """The full configuration as plain JSON values."""
        return self.model_dump(mode="json")


def too_large(number: float) -> bool:
    """Whether a number is more than a float or a whole number of 64 bits can hold."""
    return not -(2**63) <= number < 2**63 if isinstance(number, int) else not math.isfinite(number)


def stable_hash(value: Mapping[str, Any] | list[Any], length: int = 24) -> str:
    """A hash of JSON values that does not depend on key order, platform or process."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


# YAML ----------------------------------------------------------------------------------------------------------------


@final
class _Loader(yaml.SafeLoader):
    """The scalars of YAML 1.2 (`1e-4` is a number, `yes` and `010` are no surprise); no anchors, tags or repeats."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  (PyYAML's own name and shape)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            _refuse("anchors (&) and aliases (*) are not supported: write the value out, or put it in quotes", event)
        if (tag := getattr(event, "tag", None)) is not None:
            _refuse(f"the tag {tag!r} is not supported: write a plain value, or put it in quotes", event)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[str, yaml.Node] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                _refuse("the name of a field must be a word; put it in quotes", key)
            if key.value in seen:
                first = seen[key.value].start_mark.line + 1
                _refuse(f"{key.value!r} is given twice, first in line {first}: keep one", key)
            seen[key.value] = key
        return super().construct_mapping(node, deep)

    def construct_text(self, node: yaml.ScalarNode) -> str:
        """A text that can be written to a file."""
        text: str = node.value
        if any("\ud800" <= sign <= "\udfff" for sign in text):
            _refuse("half a character (a lone surrogate such as \\ud800) is not allowed", node)
        return text

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """A finite number; a whole one of at most 64 bits, which is what everything that counts with it can hold."""
        text: str = node.value
        try:
            number = float(text) if node.tag.endswith("float") else int(text)
        except ValueError:  # Python itself limits how many digits an integer may have
            number = math.inf
        if too_large(number):
            _refuse(f"the number {_short(text)} is too large", node)
        return number


class _Dumper(yaml.SafeDumper):
    """Puts in quotes whatever a reader of YAML 1.1 or 1.2 would not take for text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, data: str) -> yaml.Node:
        """In double quotes, if it has line breaks or other signs that other styles would change."""
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=None if data.isprintable() else '"')

    def represent_short_list(self, data: list[Any]) -> yaml.Node:
        """On one line, if it holds nothing but scalars."""
        flat = not any(isinstance(item, list | dict) for item in data)
        return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flat)


_SCALARS: tuple[tuple[str, str, list[str]], ...] = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
)
for _tag, _pattern, _first in _SCALARS:
    for _side in (_Loader, _Dumper):
        _side.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first)
for _tag in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:str", _Loader.construct_text)
_Dumper.add_representer(str, _Dumper.represent_text)
_Dumper.add_representer(list, _Dumper.represent_short_list)


def _refuse(problem: str, at: yaml.Node | yaml.Event) -> NoReturn:
    mark: Any = at.start_mark  # the stubs know several kinds
    raise yaml.constructor.ConstructorError(None, None, problem, mark)


def parse_yaml(text: str, source: str) -> Any:
    """The value that a YAML text describes; `source` is how errors call it.

    Raises:
        ConfigError: names source, line and column.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except RecursionError:
        raise ConfigError(f"{source}: nested too deeply. A configuration has less than ten levels.") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = error.problem or error.context or "not YAML"
        if problem.startswith("but ") and error.context:
            problem = f"{error.context} {problem}"
        if tab := _indented_by_tab(text, line):
            line, column, problem = *tab, "a tab indents this line: use spaces"
        elif "could not find expected ':'" in problem:
            problem = "expected `field: value`"
        elif "mapping values are not allowed" in problem:
            problem = "a field is not expected here: indent it like its neighbours, or put a value with ': ' in quotes"
        raise ConfigError(f"{source}, line {line}, column {column}: {problem}.") from error
    except yaml.reader.ReaderError as error:
        position = int(error.position)
        line = text.count("\n", 0, position) + 1
        column = position - text.rfind("\n", 0, position)
        raise ConfigError(
            f"{source}, line {line}, column {column}: the character {chr(int(error.character))!r} is not allowed. "
            "Remove it."
        ) from error


def _indented_by_tab(text: str, last: int) -> tuple[int, int] | None:
    """Line and column of the last tab that indents a line up to `last`."""
    lines = text.splitlines()[:last]
    for number in range(len(lines), 0, -1):
        line = lines[number - 1]
        indent = line[: len(line) - len(line.lstrip())]
        if line.strip() and "\t" in indent:
            return number, indent.index("\t") + 1
    return None


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file describes.

    Raises:
        ConfigError: for a file that is missing, unreadable, not UTF-8, not YAML, or not a mapping.
    """
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        raise ConfigError(
            f"There is no file {path}. Check the path; `restor list recipes` shows the recipes."
        ) from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a directory. Give a YAML file, such as the config.yaml of a study.") from None
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror or error}. Check the path and its rights.") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8. Save the file in that encoding.") from error
    data = parse_yaml(text, str(path))
    if not isinstance(data, dict):
        what = "it is empty" if data is None else f"it holds {_short(repr(data))}"
        raise ConfigError(
            f"{path} must hold fields and values, such as `seeds: [0]`; {what}. "
            "`restor run RECIPE --dry-run` prints a complete one."
        )
    return data


def to_yaml(config: Config) -> str:
    """The full configuration as YAML, in the order of its fields. `read_yaml` gives the same values again."""
    return yaml_text(config.identity())


def yaml_text(value: Any) -> str:
    """YAML of JSON values; the text of a scalar ends without a marker."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text.removesuffix("\n...\n") + "\n" if text.endswith("\n...\n") else text


# What is wrong, in words ---------------------------------------------------------------------------------------------


def validation_message(error: ValidationError, source: str, known: Iterable[str] = (), at: tuple[str, ...] = ()) -> str:
    """One line per problem.

    `known` are the dotted paths among which an unknown field finds its nearest; `at` is where the model stands.
    """
    paths = list(known)
    lines = [f"  {_problem(path, detail, paths)}" for path, detail in _problems(error, at)]
    return "\n".join([f"{source}: {len(lines)} problem{'s' * (len(lines) > 1)}.", *dict.fromkeys(lines)])


@contextmanager
def explained(source: str, known: Iterable[str] = ()) -> Iterator[None]:
    """What pydantic refuses in the block, in words, see `validation_message`.

    Raises:
        ConfigError: for pydantic's ValidationError.
    """
    try:
        yield
    except ValidationError as error:
        raise ConfigError(validation_message(error, source, known)) from error


def _problems(error: ValidationError, outer: tuple[str, ...]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for detail in error.errors(include_url=False):
        location = outer + tuple(str(part) for part in detail["loc"] if part != "[key]")
        inner = detail.get("ctx", {}).get("error")
        if isinstance(inner, ValidationError):  # the section of a catalogue entry, checked by its own model
            yield from _problems(inner, location)
        else:
            yield ".".join(location), detail


def _problem(path: str, detail: Mapping[str, Any], known: list[str]) -> str:
    where = f"{path}: " if path else ""
    match detail["type"]:
        case "extra_forbidden":
            return f"{where}unknown field.{did_you_mean(path, known)}"
        case "missing":
            return f"{where}missing, it must be given."
        case "value_error" | "assertion_error":
            return f"{where}{str(detail['msg']).split(', ', 1)[-1]}."
    expected = str(detail["msg"]).removeprefix("Input should be ").replace("a valid tuple", "a list such as [0, 1]")
    return f"{where}given {_short(json.dumps(detail['input'], default=str, ensure_ascii=False))}, expected {expected}."


def alike(given: str, known: Iterable[str], *, most: int = 1, cutoff: float = 0.6) -> list[str]:
    """The known names that are spelt most like a given one, the best first. Case, `-` and `_` make no difference."""
    spelt: dict[str, str] = {}
    for name in known:
        spelt.setdefault(_plain(name), name)
    return [spelt[name] for name in difflib.get_close_matches(_plain(given), spelt, n=most, cutoff=cutoff)]


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.casefold())


def nearest(path: str, known: Iterable[str]) -> list[str]:
    """Up to four dotted paths like `path`: the best of the same section, else those spelt like it or ending so."""
    paths = list(dict.fromkeys(known))
    section, _, word = path.rpartition(".")
    last = {item: item.rpartition(".")[2] for item in paths}

    def likeness(item: str) -> float:
        return difflib.SequenceMatcher(None, path, item).ratio()

    siblings = {last[item]: item for item in paths if item.rpartition(".")[0] == section}
    if words := alike(word, siblings):
        return [siblings[words[0]]]
    if spelt := alike(path, paths, most=3, cutoff=0.75):
        return [item for item in spelt if likeness(item) > likeness(spelt[0]) - 0.05]
    ends = alike(word, dict.fromkeys(last.values()), most=3, cutoff=0.75)
    ends = ends[:1] if word in ends else ends  # `lr` has no typo
    return sorted((item for item in paths if last[item] in ends), key=likeness, reverse=True)[:4]


def did_you_mean(path: str, known: Iterable[str]) -> str:
    """` Did you mean unlearning.lr?`, or nothing where nothing is near."""
    near = nearest(path, known)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def _short(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else f"{text[: limit - 4]} ..."
