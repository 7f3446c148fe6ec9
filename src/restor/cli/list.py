"""`restor list`: what can be chosen, told by the code itself."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from pydantic import BaseModel

    from restor.registry import Catalogue

What = Literal["recipes", "algorithms", "domains", "datasets", "corruptors", "judges", "fields"]


def show(
    what: Annotated[What | None, Parameter(help="Without it: the names of everything.")] = None,
    name: Annotated[
        str | None, Parameter(help="One of them, to read all about it; for fields: a recipe or YAML file.")
    ] = None,
    /,
) -> None:
    """List what a study can be made of, with one line about each."""
    match what:
        case None:
            lines: Iterable[str] = _everything()
        case "fields":
            lines = _fields(name or "miniature")
        case "recipes":
            lines = _recipes() if name is None else _recipe(name)
        case "algorithms" if name is None:
            lines = _algorithms()
        case _:
            catalogue = _catalogue(what)
            lines = _entries(catalogue) if name is None else _page(catalogue, name)
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _catalogue(what: str) -> Catalogue[Any]:
    match what:
        case "algorithms":
            from restor.unlearning.algorithms.base import ALGORITHMS  # brings torch

            return ALGORITHMS
        case "domains":
            from restor.domains.base import DOMAINS

            return DOMAINS
        case "datasets":
            from restor.datasets.base import DATASETS

            return DATASETS
        case "judges":
            from restor.evaluation.judges.base import JUDGES

            return JUDGES
        case _:
            from restor.corruption.corruptors.base import CORRUPTORS

            return CORRUPTORS


def _everything() -> Iterator[str]:
    from restor.recipes.base import recipe_names

    yield f"recipes     {', '.join(recipe_names())}"
    for what in ("algorithms", "domains", "datasets", "corruptors", "judges"):
        yield f"{what:11} {', '.join(_catalogue(what).names())}"
    yield "fields      all values of a configuration, each an option of `restor run`"


def _recipes() -> Iterator[str]:
    from restor.recipes.base import recipe_names, recipe_summary

    yield from _columns((name, recipe_summary(name)) for name in recipe_names())


def _recipe(name: str) -> Iterator[str]:
    from restor.config import to_yaml
    from restor.recipes.base import load_recipe, recipe_summary

    yield f"# {recipe_summary(name)}"
    yield from to_yaml(load_recipe(name)).splitlines()


def _entries(catalogue: Catalogue[Any]) -> Iterator[str]:
    yield from _columns((name, _summary(catalogue.get(name))) for name in catalogue.names())


def _algorithms() -> Iterator[str]:
    from restor.types import Budget

    catalogue = _catalogue("algorithms")
    for name in catalogue.names():
        entry = catalogue.get(name)
        options = (f"{key} {value}" for key, _, value, _ in _settings(catalogue.config_type(name)))
        yield f"{name}: {entry.info.title}"
        yield f"  paper            {entry.info.paper or 'none'}"
        yield f"  is told          {' '.join(item.value for item in entry.info.budget) or 'nothing'}"
        yield f"  hyperparameters  {', '.join(options) or 'none'}"
    yield f"\n{', '.join(f'{item.value} {item.name.lower()}' for item in Budget)}"


def _page(catalogue: Catalogue[Any], name: str) -> Iterator[str]:
    entry = catalogue.get(name)
    if (info := getattr(entry, "info", None)) is not None:
        told = ", ".join(item.name.lower() for item in info.budget)
        yield f"{info.title}\nPaper: {info.paper or 'none'}\nIs told: {told or 'nothing'}\n"
    for text in (importlib.import_module(entry.__module__).__doc__, entry.__doc__):
        if text:
            yield f"{inspect.cleandoc(text)}\n"
    settings = list(_settings(catalogue.config_type(name)))
    yield "Settings" if settings else "No settings."
    for key, kind, value, doc in settings:
        yield f"  {key}: {kind} = {value}" if value is not None else f"  {key}: {kind}, must be given"
        if doc:
            yield textwrap.indent(doc, "      ")


def _fields(recipe: str) -> Iterator[str]:
    from restor.api import build_config
    from restor.config import yaml_text
    from restor.experiment import ExperimentConfig
    from restor.overrides import fields

    found = list(fields(ExperimentConfig, build_config(recipe).identity()))
    for field in found:
        value = yaml_text(field.value).strip()
        yield f"{field.path} {value}" if field.active else f"{field.path} ({value})"
    if not all(field.active for field in found):
        yield "\n(in parentheses: what a section that is null takes once one of its fields is set)"


def _settings(config: type[BaseModel]) -> Iterator[tuple[str, str, str | None, str]]:
    """Name, type, default and docstring of the fields of an entry's configuration."""
    from pydantic_core import to_jsonable_python

    from restor.config import Config, yaml_text

    source: dict[str, tuple[str, str]] = {}
    for owner in reversed(config.__mro__):
        if issubclass(owner, Config):
            source |= _annotated(owner)
    for name, field in config.model_fields.items():
        if name == "name":
            continue
        kind, doc = source.get(name, (str(field.annotation), ""))
        value = None if field.is_required() else yaml_text(to_jsonable_python(field.get_default())).strip()
        yield name, kind, value, doc


def _annotated(owner: type) -> dict[str, tuple[str, str]]:
    """Field -> its type as written and the docstring below it."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    except (OSError, TypeError, SyntaxError):
        return {}  # the class has no source file
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found: dict[str, tuple[str, str]] = {}
    for item, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            doc = following.value if isinstance(following, ast.Expr) else None
            text = doc.value if isinstance(doc, ast.Constant) and isinstance(doc.value, str) else ""
            found[item.target.id] = (ast.unparse(item.annotation), inspect.cleandoc(text))
    return found


def _summary(entry: type) -> str:
    text = importlib.import_module(entry.__module__).__doc__ or entry.__doc__ or ""
    return inspect.cleandoc(text).splitlines()[0] if text else ""


def _columns(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    pairs = list(rows)
    width = max((len(name) for name, _ in pairs), default=0)
    for name, text in pairs:
        yield f"{name:{width}}  {text}".rstrip()
