"""`restor list`: what can be chosen, told by the code itself."""

from __future__ import annotations

import importlib
import inspect
import sys
import textwrap
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from pydantic import BaseModel

    from restor.registry import Catalogue
    from restor.types import Budget
    from restor.unlearning.wrappers.base import WrapperInfo

What = Literal["recipes", "algorithms", "wrappers", "domains", "datasets", "corruptors", "judges", "fields"]


def show(
    what: Annotated[What | None, Parameter(help="Without it: the names of everything.")] = None,
    name: Annotated[
        str | None,
        Parameter(
            help="One of them, to read all about it; path/to/file.py:ClassName for one of your own; for fields: a "
            "recipe or YAML file."
        ),
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
        case "algorithms":
            lines = _algorithms() if name is None else _algorithm(name)
        case "wrappers":
            lines = _wrappers() if name is None else _wrapper(name)
        case _:
            catalogue = _catalogue(what)
            lines = _entries(catalogue) if name is None else _page(catalogue, name)
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _catalogue(what: str) -> Catalogue[Any]:
    match what:
        case "algorithms":
            from restor.unlearning.algorithms.base import ALGORITHMS  # brings torch

            return ALGORITHMS
        case "wrappers":
            from restor.unlearning.wrappers.base import WRAPPERS

            return WRAPPERS
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
    for what in ("algorithms", "wrappers", "domains", "datasets", "corruptors", "judges"):
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
    from restor.unlearning.algorithms.base import ALGORITHMS
    from restor.unlearning.described import letters, other_budgets

    for name in ALGORITHMS.names():
        info = ALGORITHMS.get(name).info
        others = "; ".join(f"{change}: {letters(budget)}" for change, budget in other_budgets(name))
        yield f"{name}: {info.title}{' (control)' if info.control else ''}"
        yield f"  {info.mechanism}"
        yield f"  paper            {info.paper or 'none'}"
        yield f"  is told          {_told(name)}{f' ({others})' if others else ''}"
        yield f"  cost             {info.cost}"
        yield f"  hyperparameters  {_options(ALGORITHMS.config_type(name))}"
    yield f"\nis told: {_budget_key()}"
    yield "`restor list algorithms NAME` tells all about one; NAME may be path/to/file.py:ClassName."


def _algorithm(name: str) -> Iterator[str]:
    from restor.types import Budget
    from restor.unlearning.algorithms.base import ALGORITHMS
    from restor.unlearning.described import by_default, letters, other_budgets, reads

    entry, usual = ALGORITHMS.get(name), by_default(name)
    info = entry.info
    yield f"{info.title}{' (control)' if info.control else ''}"
    yield f"  paper      {info.paper or 'none'}"
    yield f"  mechanism  {info.mechanism}"
    yield f"  equation   {info.equation}"
    yield f"  is told    {_told(name)}"
    yield from (f"             {letters(budget)} with {change}" for change, budget in other_budgets(name))
    yield f"  cost       {info.cost}\n"
    yield f"({_budget_key(usual.plan.budget() if usual else tuple(Budget))})\n"
    yield from _docstrings(entry)
    if usual is not None and (lines := list(reads(usual))):
        yield "Reads, by default"
        yield from (f"  {line}" for line in lines)
        yield ""
    yield from _page_of_settings(ALGORITHMS.config_type(name))
    yield "\nSearch grid of `restor select`; the steps are the most that are tried"
    for point in info.grid:
        options = "".join(f", {key} {value}" for key, value in point.options.items())
        yield f"  lr {point.lr:g}, {point.steps} steps{options}"


def _wrappers() -> Iterator[str]:
    from restor.unlearning.wrappers.base import WRAPPERS

    for name in WRAPPERS.names():
        info = WRAPPERS.get(name).info
        yield f"{name}: {info.title}"
        yield f"  {info.mechanism}"
        yield f"  paper            {info.paper or 'none'}"
        yield f"  wraps            {_wraps(info)}"
        yield f"  cost             {info.cost}"
        yield f"  hyperparameters  {_options(WRAPPERS.config_type(name))}"
    yield "\n`restor list wrappers NAME` tells all about one; NAME may be path/to/file.py:ClassName."


def _wrapper(name: str) -> Iterator[str]:
    from restor.unlearning.wrappers.base import WRAPPERS

    entry = WRAPPERS.get(name)
    info = entry.info
    yield info.title
    yield f"  paper      {info.paper or 'none'}"
    yield f"  mechanism  {info.mechanism}"
    yield f"  equation   {info.equation}"
    yield f"  wraps      {_wraps(info)}"
    yield f"  cost       {info.cost}\n"
    yield from _docstrings(entry)
    yield from _page_of_settings(WRAPPERS.config_type(name))


def _told(name: str) -> str:
    from restor.unlearning.described import by_default, letters

    usual = by_default(name)
    return "depends on its settings" if usual is None else letters(usual.plan.budget())


def _budget_key(of: Collection[Budget] | None = None) -> str:
    from restor.report.columns import BUDGET_NAMES

    known = BUDGET_NAMES if of is None else {item: BUDGET_NAMES[item] for item in of}
    return "; ".join(f"{item.value} {text}" for item, text in known.items()) or "it is told nothing"


def _wraps(info: WrapperInfo) -> str:
    terms = [term for term, on in (("forget", info.needs_forget), ("retain", info.needs_retain)) if on]
    return f"losses with a {' and a '.join(terms)} term" if terms else "every loss"


def _options(config: type[BaseModel]) -> str:
    found = (f"{key} {'(must be given)' if value is None else value}" for key, _, value, _ in _settings(config))
    return ", ".join(found) or "none"


def _page(catalogue: Catalogue[Any], name: str) -> Iterator[str]:
    yield from _docstrings(catalogue.get(name))
    yield from _page_of_settings(catalogue.config_type(name))


def _docstrings(entry: type) -> Iterator[str]:
    for text in (importlib.import_module(entry.__module__).__doc__, entry.__doc__):
        if text:
            yield f"{inspect.cleandoc(text)}\n"


def _page_of_settings(config: type[BaseModel]) -> Iterator[str]:
    settings = list(_settings(config))
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

    from restor.config import yaml_text
    from restor.overrides import described

    declared = described(config)
    for name, field in config.model_fields.items():
        if name == "name":
            continue
        value = None if field.is_required() else yaml_text(to_jsonable_python(field.get_default())).strip()
        yield name, declared[name].kind, value, declared[name].doc


def _summary(entry: type) -> str:
    text = importlib.import_module(entry.__module__).__doc__ or entry.__doc__ or ""
    return inspect.cleandoc(text).splitlines()[0] if text else ""


def _columns(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    pairs = list(rows)
    width = max((len(name) for name, _ in pairs), default=0)
    for name, text in pairs:
        yield f"{name:{width}}  {text}".rstrip()
