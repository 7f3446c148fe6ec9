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
from restor.cli.settings_help import arm_lines, field_lines

if TYPE_CHECKING:
    from pydantic import BaseModel

    from restor.registry import Catalogue
    from restor.types import Budget
    from restor.unlearning.wrappers.base import WrapperInfo

CATALOGUES = {
    "algorithms": "restor.unlearning.algorithms.base",  # brings torch
    "wrappers": "restor.unlearning.wrappers.base",
    "domains": "restor.domains.base",
    "datasets": "restor.datasets.base",
    "corruptors": "restor.corruption.corruptors.base",
    "judges": "restor.evaluation.judges.base",
}
"""Where each catalogue is, under its own name in capitals."""
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
    catalogue: Catalogue[Any] = getattr(importlib.import_module(CATALOGUES[what]), what.upper())
    return catalogue


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
    meant = " or ".join(f"`{command}`" for command in commands)
    return f"Did you mean {meant}?" if meant else ""


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

    kinds = list(elsewhere(name)) if class_in_file(name) is None else []
    return [] if any(command.startswith(f"restor list {what} ") for command in kinds) else kinds


def _recipes() -> Iterator[str]:
    from restor.recipes.base import recipe_names, recipe_summary

    yield from _columns((name, recipe_summary(name)) for name in recipe_names())


def _recipe(name: str) -> Iterator[str]:
    from restor.config import to_yaml
    from restor.recipes.base import load_recipe, recipe_summary

    yield f"# {recipe_summary(name)}"
    yield from to_yaml(load_recipe(name)).splitlines()


def _entries(catalogue: Catalogue[Any]) -> Iterator[str]:
    yield from _columns((name, summary(catalogue.get(name))) for name in catalogue.names())


def _algorithms() -> Iterator[str]:
    from restor.unlearning.algorithms.base import ALGORITHMS
    from restor.unlearning.described import letters, other_budgets

    for name in ALGORITHMS.names():
        others = "; ".join(f"{change}: {letters(budget)}" for change, budget in other_budgets(name))
        line = f"{_told(name)}{f' ({others})' if others else ''}"
        yield from _in_short(ALGORITHMS, name, ("is told", line))
    yield f"\nis told: {_budget_key()}"
    yield "`restor list algorithms NAME` tells all about one; NAME may be path/to/file.py:ClassName."


def _in_short(catalogue: Catalogue[Any], name: str, special: tuple[str, str]) -> Iterator[str]:
    """An algorithm or a wrapper in a few lines; `special` is what only its kind has."""
    info = catalogue.get(name).info
    yield f"{name}: {_title(info)}"
    yield f"  {info.mechanism}"
    rows = (("paper", info.paper or "none"), special, ("cost", info.cost))
    for key, value in (*rows, ("hyperparameters", _options(catalogue.config_type(name)))):
        yield f"  {key:15}  {value}"


def _in_full(info: Any, special: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The head of the page of one of them."""
    yield _title(info)
    rows = (("paper", info.paper or "none"), ("mechanism", info.mechanism), ("equation", info.equation))
    for key, value in (*rows, *special, ("cost", info.cost)):
        yield f"  {key:9}  {value}"
    yield ""


def _title(info: Any) -> str:
    return f"{info.title}{' (control)' if getattr(info, 'control', False) else ''}"


def _algorithm(name: str) -> Iterator[str]:
    from restor.types import Budget
    from restor.unlearning.algorithms.base import ALGORITHMS
    from restor.unlearning.described import by_default, letters, other_budgets, reads

    entry, usual = ALGORITHMS.get(name), by_default(name)
    others = (("", f"{letters(budget)} with {change}") for change, budget in other_budgets(name))
    yield from _in_full(entry.info, (("is told", _told(name)), *others))
    yield f"({_budget_key(usual.plan.budget() if usual else tuple(Budget))})\n"
    yield from _docstrings(entry)
    if usual is not None and (lines := list(reads(usual))):
        yield "Reads, by default"
        yield from (f"  {line}" for line in lines)
        yield ""
    yield from _page_of_settings(ALGORITHMS.config_type(name))
    yield "\nSearch grid of `restor select`; the steps are the most that are tried"
    for point in entry.info.grid:
        options = "".join(f", {key} {value}" for key, value in point.options.items())
        yield f"  lr {point.lr:g}, {point.steps} steps{options}"


def _wrappers() -> Iterator[str]:
    from restor.unlearning.wrappers.base import WRAPPERS

    for name in WRAPPERS.names():
        yield from _in_short(WRAPPERS, name, ("wraps", _wraps(WRAPPERS.get(name).info)))
    yield "\n`restor list wrappers NAME` tells all about one; NAME may be path/to/file.py:ClassName."


def _wrapper(name: str) -> Iterator[str]:
    from restor.unlearning.wrappers.base import WRAPPERS

    entry = WRAPPERS.get(name)
    yield from _in_full(entry.info, (("wraps", _wraps(entry.info)),))
    yield from _page(WRAPPERS, name)


def _told(name: str) -> str:
    from restor.unlearning.described import by_default, letters

    usual = by_default(name)
    return "depends on its settings" if usual is None else letters(usual.plan.budget())


def _budget_key(of: Collection[Budget] | None = None) -> str:
    from restor.report.tables.columns import BUDGET_NAMES

    known = BUDGET_NAMES if of is None else {item: BUDGET_NAMES[item] for item in of}
    return "; ".join(f"{item.value} {text}" for item, text in known.items()) or "it is told nothing"


def _wraps(info: WrapperInfo) -> str:
    terms = [term for term, on in (("forget", info.needs_forget), ("retain", info.needs_retain)) if on]
    return f"losses with a {' and a '.join(terms)} term" if terms else "every loss"


def _options(config: type[BaseModel]) -> str:
    options = (f"{key} {'(must be given)' if value is None else value}" for key, _, value, _ in _settings(config))
    return ", ".join(options) or "none"


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


def summary(entry: type) -> str:
    """The first line of what an entry says of itself."""
    text = importlib.import_module(entry.__module__).__doc__ or entry.__doc__ or ""
    return inspect.cleandoc(text).splitlines()[0] if text else ""


def _columns(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    pairs = list(rows)
    width = max((len(name) for name, _ in pairs), default=0)
    for name, text in pairs:
        yield f"{name:{width}}  {text}".rstrip()
