"""`restor list`: what can be chosen, told by the code itself."""

from __future__ import annotations

import importlib
import inspect
import sys
import textwrap
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from restor.cli.arguments import UsageError
from restor.cli.settings import arm_lines, field_lines

if TYPE_CHECKING:
    from pydantic import BaseModel

    from restor.registry import Catalogue
    from restor.types import Budget
    from restor.unlearning.wrappers.base import WrapperInfo

CATALOGUES = ("algorithms", "wrappers", "domains", "datasets", "corruptors", "judges")
KINDS = ("recipes", "arms", "fields", *CATALOGUES)


def show(
    what: Annotated[str | None, Parameter(help=f"{', '.join(KINDS)}. Without it: the names of everything.")] = None,
    name: Annotated[
        str | None,
        Parameter(
            help="One of them, to read all about it; path/to/file.py:ClassName for one of your own; for arms and "
            "fields: a recipe or YAML file."
        ),
    ] = None,
    /,
) -> None:
    """List what a study can be made of, with one line about each.

    Raises:
        UsageError: for what is no kind, with what is meant where that can be told.
    """
    if what is not None and what not in KINDS:
        raise UsageError(_no_kind(what))
    if what in CATALOGUES and name is not None and (other := _in_other_kinds(name, what)):
        raise UsageError(f"{name!r} is none of the {what}. {_did_you_mean(other)}")
    match what:
        case None:
            lines: Iterable[str] = _everything()
        case "fields":
            lines = field_lines(name or "miniature")
        case "arms":
            lines = arm_lines(name or "miniature")
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
    for what in CATALOGUES:
        yield f"{what:11} {', '.join(_catalogue(what).names())}"
    yield "arms        the methods and controls of a recipe, each a name for `--algorithms`"
    yield "fields      all values of a configuration, each an option of `restor run`"


def _no_kind(given: str) -> str:
    """What to say of a word that is no kind of things: often it is the name of one."""
    from restor.config import alike

    if near := alike(given, KINDS, cutoff=0.75):
        return f"{given!r} is no kind of things. Did you mean `restor list {near[0]}`?"
    meant = _did_you_mean(elsewhere(given)) or f"`restor list` takes {', '.join(KINDS)}."
    return f"{given!r} is no kind of things. {meant}"


def _did_you_mean(commands: Iterable[str]) -> str:
    """The question, or nothing where there is nothing to ask."""
    found = " or ".join(f"`{command}`" for command in commands)
    return f"Did you mean {found}?" if found else ""


def elsewhere(name: str) -> Iterator[str]:
    """The commands that show the entries of this name, of whichever kind, however it is spelt."""
    from restor.config import alike
    from restor.recipes.base import recipe_names
    from restor.registry import class_in_file

    if class_in_file(name) is not None:
        yield f"restor list algorithms {name}"
    for kind in ("recipes", *CATALOGUES):
        names = recipe_names() if kind == "recipes" else _catalogue(kind).names()
        yield from (f"restor list {kind} {entry}" for entry in alike(name, names, cutoff=1.0))


def _in_other_kinds(name: str, what: str) -> list[str]:
    """Where else there is an entry of this name; empty where its own kind has it, or may have it in a file."""
    from restor.registry import class_in_file

    found = list(elsewhere(name)) if class_in_file(name) is None else []
    return [] if any(command.startswith(f"restor list {what} ") for command in found) else found


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
