"""Recipes: a file with one function of the same name, which returns a whole study as an ExperimentConfig."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path

import restor.recipes
from restor.errors import ConfigError
from restor.experiment import ExperimentConfig
from restor.registry import unknown_name


def recipe_names() -> list[str]:
    """All recipes, sorted; none is imported."""
    names = {module.name for module in pkgutil.iter_modules(restor.recipes.__path__)}
    return sorted(name for name in names - {"base"} if not name.startswith("_"))


def recipe_summary(name: str) -> str:
    """The first line of a recipe's docstring, read without importing it; empty if it has none.

    Raises:
        ConfigError: for an unknown recipe.
    """
    _known(name)
    files = [Path(folder, f"{name}.py") for folder in restor.recipes.__path__]
    tree = ast.parse(next(file for file in files if file.is_file()).read_bytes())
    functions = (item for item in tree.body if isinstance(item, ast.FunctionDef) and item.name == name)
    texts = (ast.get_docstring(tree), *(ast.get_docstring(item) for item in functions))
    return next((text.splitlines()[0] for text in texts if text), "")


def load_recipe(name: str) -> ExperimentConfig:
    """The study that a recipe describes.

    Raises:
        ConfigError: for an unknown recipe.
    """
    _known(name)
    function = getattr(importlib.import_module(f"restor.recipes.{name}"), name, None)
    config = function() if callable(function) else None
    if not isinstance(config, ExperimentConfig):
        raise ConfigError(f"restor/recipes/{name}.py must define a function {name}() that returns an ExperimentConfig.")
    return config


def _known(name: str) -> None:
    if name not in recipe_names():
        message = unknown_name("recipe", name, recipe_names())
        raise ConfigError(f"{message} A configuration of your own is a path that ends in .yaml.")
