"""restor from Python: `restor.run`, and how a configuration is made from a recipe or a file and what is changed."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from restor.config import alike, read_yaml, validation_message
from restor.data.locate import data_path, is_released
from restor.errors import ConfigError
from restor.experiment import MOST_SEEDS, ArmConfig, ExperimentConfig
from restor.models.model_ref import ModelRef
from restor.overrides import apply_overrides, paths
from restor.progress import Progress, Silent
from restor.recipes._mistaken import mistaken
from restor.recipes.base import load_recipe, recipe_names
from restor.registry import absolute_name, class_in_file

if TYPE_CHECKING:
    from restor.runner.study import Outcome


def run(
    recipe_or_config: str | Path | ExperimentConfig = "miniature",
    *,
    store: str | Path | None = None,
    seeds: int | Sequence[int] | None = None,
    algorithms: Sequence[str] | None = None,
    overrides: Mapping[str, object] | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Run a study, or read its results where it has been run, and return them with their folder.

    Args:
        recipe_or_config: A recipe's name, a YAML file, or a configuration.
        store: Folder that keeps all stages. Default: the environment variable RESTOR_STORE, else ./restor-store.
        seeds: The seeds themselves, or how many: 3 is seeds 0, 1 and 2.
        algorithms: Arms or algorithms to keep; references and controls always stay.
        overrides: Values by dotted path, such as `{"unlearning.lr": 1e-4}`.
        progress: Hears of stages and steps.

    Raises:
        RestorError: with a message that says what to do.
    """
    config = build_config(recipe_or_config, seeds=seeds, algorithms=algorithms, overrides=overrides)
    from restor.runner.study import run_study  # brings torch

    place = Path(store) if store is not None else Path(os.environ.get("RESTOR_STORE") or "restor-store")
    return run_study(config, store=place, progress=progress if progress is not None else Silent())


def build_config(
    recipe_or_config: str | Path | ExperimentConfig,
    *,
    seeds: int | Sequence[int] | None = None,
    algorithms: Sequence[str] | None = None,
    facts: str | Path | None = None,
    name: str | None = None,
    overrides: Mapping[str, object] | None = None,
) -> ExperimentConfig:
    """A checked configuration: the recipe or file, the overrides, then what is named here.

    Raises:
        ConfigError: names everything that is wrong.
    """
    data, source = _starting_point(recipe_or_config)
    changes = {path: _text(value) for path, value in (overrides or {}).items()}
    if seeds is not None:
        changes["seeds"] = json.dumps(_seeds(seeds))
    if name is not None:
        changes["name"] = json.dumps(name, ensure_ascii=False)
    described = f"{source}, with the changes given" if changes or facts else source
    # What is said of an arm may be about one that comes with the algorithms.
    of_arms = {path: changes.pop(path) for path in list(changes) if algorithms and path.startswith("unlearning.arms.")}
    data = apply_overrides(data, changes, ExperimentConfig)
    if facts is not None:
        data = _with_facts(data, facts)
    if algorithms is None:
        return validated(data, described)
    config = _with_algorithms(validated(data, described), algorithms)
    return validated(apply_overrides(config.identity(), of_arms, ExperimentConfig), described) if of_arms else config


def validated(data: Mapping[str, Any], source: str) -> ExperimentConfig:
    """The configuration that `data` describes; `source` is how errors call it.

    Raises:
        ConfigError: with one line per problem.
    """
    try:
        config = ExperimentConfig.model_validate(data)
    except ConfigError as error:  # an unknown catalogue entry
        raise ConfigError(f"{source}: {error}") from error
    except ValidationError as error:
        try:
            known = paths(ExperimentConfig, data)
        except ConfigError:
            known = []  # what is wrong is the choice of an entry, whose fields are then not known
        message = with_judge_hint(validation_message(error, source, known))
        raise ConfigError(f"{message}\n`restor list fields` shows all fields with their values.") from error
    # Pydantic takes true for 1, which no one means.
    if wrong := [path for path, given, taken in _pairs(data, config.identity(), "") if _is_flag(given, taken)]:
        raise ConfigError(f"{source}: expected a number, given true or false: {', '.join(wrong)}.")
    return absolute_paths(config)


def with_judge_hint(message: str) -> str:
    """What to type where a judge that needs a model has none."""
    if "judge: name one model" not in message:
        return message
    return f"{message}\nSet --evaluation.judge.chat.model NAME, or --evaluation.judge.local.model PATH_OR_HUB_ID."


ConfigT = TypeVar("ConfigT", bound=BaseModel)


def absolute_paths(config: ConfigT) -> ConfigT:
    """The configuration with the paths of existing files made absolute, so that it runs again from any directory."""
    changes: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, Path) and value.exists() and not is_released(value):
            changes[name] = value.absolute()
        elif isinstance(value, ModelRef):
            changes[name] = absolute_ref(value)
        elif isinstance(value, BaseModel):
            changes[name] = absolute_paths(value)
    return config.model_copy(update=changes)


def absolute_ref(ref: ModelRef) -> ModelRef:
    """The checkpoint with local folders made absolute."""
    given = {"path": ref.path, "adapter": ref.adapter}
    local = {key: str(Path(value).absolute()) for key, value in given.items() if value and Path(value).exists()}
    return ref.model_copy(update=local)


def _is_flag(given: object, taken: object) -> bool:
    return isinstance(given, bool) and not isinstance(taken, bool)


def _pairs(given: Any, taken: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """The leaves of what was given, each with what it became."""
    if isinstance(given, Mapping) and isinstance(taken, Mapping):
        for key in given.keys() & taken.keys():
            yield from _pairs(given[key], taken[key], f"{path}.{key}" if path else key)
    elif isinstance(given, list) and isinstance(taken, list):
        for index, (one, other) in enumerate(zip(given, taken, strict=False)):
            yield from _pairs(one, other, f"{path}.{index}")
    else:
        yield path, given, taken


def _starting_point(given: str | Path | ExperimentConfig) -> tuple[dict[str, Any], str]:
    if isinstance(given, ExperimentConfig):
        return given.identity(), "The configuration"
    text, path = str(given), Path(given).expanduser()
    if text in recipe_names() and not isinstance(given, Path):
        return load_recipe(text).identity(), f"Recipe {text}"
    if path.suffix in (".yaml", ".yml"):
        return read_yaml(path), str(path)
    if (meant := mistaken(text)) is not None:
        raise ConfigError(meant)
    if isinstance(given, Path) or len(path.parts) > 1 or text.startswith(os.curdir):
        return read_yaml(path), str(path)
    return load_recipe(text).identity(), f"Recipe {text}"


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"An override must be text, a number or a list of them: {error}.") from error


def _plain(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"not {value!r}")


def _seeds(seeds: int | Sequence[int]) -> list[int]:
    if not isinstance(seeds, int):
        return list(seeds)
    if not 1 <= seeds <= MOST_SEEDS:
        given = seeds if abs(seeds) < 10**12 else "far more"
        raise ConfigError(
            f"A study has at least one seed and at most {MOST_SEEDS:,}, given {given}. 3 stands for seeds 0, 1 and 2, "
            "and `7,` for seed 7 alone."
        )
    return list(range(seeds))


def _with_facts(data: dict[str, Any], facts: str | Path) -> dict[str, Any]:
    # Absolute, so that the stored configuration runs again from any directory; a released name stays a name.
    place: Path = data_path(facts)
    given = place if is_released(place) else place.expanduser().absolute()
    changes = {"domain.facts": json.dumps(str(given), ensure_ascii=False)}
    if "domain.facts" not in paths(ExperimentConfig, data):
        domain = data.get("domain", "miniature")
        name = domain.get("name") if isinstance(domain, Mapping) else domain
        raise ConfigError(
            f"The domain {name!r} reads no facts file. Take a recipe that does, as in "
            "`restor run official_small --facts PATH`, or another domain with --domain.name."
        )
    return apply_overrides(data, changes, ExperimentConfig)


ALL = "all"
"""Stands for every algorithm and wrapper that there is."""


def _meant_algorithm(name: str, known: Collection[str], labels: Mapping[str, str]) -> str:
    """A sentence about what a name of no algorithm may stand for, or nothing."""
    if Path(name).is_file():
        return " It is a file. An algorithm of your own is a class: `--algorithms path/to/file.py:ClassName`."
    if recipe := alike(name, recipe_names(), cutoff=1.0):
        return f" It is a recipe: `restor run {recipe[0]}`."
    if label := alike(name, labels, cutoff=1.0):
        return f" Did you mean {labels[label[0]]!r}?"
    if f"npo_{name.casefold()}" in known:
        return f" It is a wrapper. Did you mean 'npo_{name.casefold()}', which has it around NPO?"
    near = alike(name, sorted(known), cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def arms_to_add(config: ExperimentConfig) -> dict[str, ArmConfig]:
    """The arms that `algorithms` can add to a study by name."""
    from restor.recipes._arms import further_arms, standard_arms

    arms = config.unlearning.arms
    there = {arm.algorithm for arm in arms.values()}
    # An algorithm's plain arm bears its name; a study that has the algorithm under another name needs no second one.
    further = {**standard_arms(), **further_arms(small=config.start is None)}
    return {name: arm for name, arm in further.items() if name not in arms and name not in there}


def _with_algorithms(config: ExperimentConfig, wanted: Sequence[str]) -> ExperimentConfig:
    """Only the arms named by their own or their algorithm's name, and the controls.

    `all` takes everything that the catalogues have. An algorithm that is no arm of the study becomes one.
    """
    from restor.recipes._arms import own_arm
    from restor.runner.plan import is_control  # brings torch

    configured = config.unlearning.arms
    arms = {**configured, **arms_to_add(config)}
    for name in wanted:
        if (place := class_in_file(name)) is not None:
            file, own_class = place
            arms[own_class if own_class not in arms else f"{file.stem}_{own_class}"] = own_arm(absolute_name(name))
    known = set(arms) | {arm.algorithm for arm in arms.values() if arm.algorithm is not None} | {ALL}
    chosen = {absolute_name(name) for name in wanted}
    if unknown := [name for name in wanted if absolute_name(name) not in known]:
        labels = {arm.label: name for name, arm in arms.items()}
        lines = [f"Unknown algorithm {name!r}.{_meant_algorithm(name, known, labels)}" for name in unknown]
        raise ConfigError("\n".join([*lines, f"Known: {', '.join(sorted(known))}."]))
    kept = {
        name: arm
        for name, arm in arms.items()
        if ALL in chosen
        or (name in configured and is_control(arm))
        or name in chosen
        # By the algorithm's name, its arms of the study; its others only where the study has none.
        or (
            arm.algorithm in chosen
            and (name in configured or all(item.algorithm != arm.algorithm for item in configured.values()))
        )
    }
    unlearning = config.unlearning.model_copy(update={"arms": kept})
    return config.model_copy(update={"unlearning": unlearning})
