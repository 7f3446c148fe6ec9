"""Every value that a configuration holds, with its default and what it means: a line each."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

    from restor.overrides import Field

ARMS = "unlearning.arms"
NULL_SECTION = "(in parentheses: what a section that is null takes once one of its fields is set)"


def field_lines(recipe: str) -> Iterator[str]:
    """The fields of a study, those of its arms once.

    Raises:
        ConfigError: for a recipe or file that cannot be used.
    """
    from restor.api import build_config
    from restor.experiment import ArmConfig, ExperimentConfig
    from restor.overrides import fields

    config = build_config(recipe)
    arm = ArmConfig(label="").identity()
    of_arms = [field for field in fields(ArmConfig, arm) if field.active]
    listed = list(fields(ExperimentConfig, config.identity()))
    first = next((place for place, field in enumerate(listed) if field.path.startswith(f"{ARMS}.")), len(listed))
    others = [field for field in listed if not field.path.startswith(f"{ARMS}.")]
    rows = [
        *_rows(others[:first]),
        (ARMS, f"{len(config.unlearning.arms)} arms", "What is compared: `restor list arms` names them."),
        *_rows(of_arms, f"{ARMS}.NAME."),
        *_rows(others[first:]),
    ]
    yield from _aligned(rows)
    if not all(field.active for field in others):
        yield f"\n{NULL_SECTION}"


def arm_lines(recipe: str) -> Iterator[str]:
    """The arms of a study, then those that `--algorithms` can add.

    Raises:
        ConfigError: for a recipe or file that cannot be used.
    """
    from restor.api import arms_to_add, build_config
    from restor.runner.plan import is_control  # brings torch

    config = build_config(recipe)
    arms = config.unlearning.arms
    yield from _aligned(
        (name, f"control: {arm.label}" if is_control(arm) else arm.label, _made_of(arm.identity()))
        for name, arm in arms.items()
    )
    added = {name: arm for name, arm in arms_to_add(config).items() if name not in arms}
    yield "\n--algorithms adds"
    yield from _aligned((f"  {name}", arm.label, _made_of(arm.identity())) for name, arm in added.items())
    yield "\n`restor run --algorithms NAME,NAME` takes arms by their own or their algorithm's name; controls stay."
    yield f"--{ARMS}.NAME.FIELD VALUE changes one; `restor list fields` has the fields."


def _made_of(arm: Mapping[str, Any]) -> str:
    """Algorithm, wrapper and what else tells an arm from another."""
    said = [str(arm["algorithm"] or "no algorithm")]
    said += [f"{key} {value}" for key, value in arm["options"].items()]
    said += [f"around it {arm['wrapper']}"] if arm["wrapper"] else []
    said += [f"{key} {value}" for key, value in arm["wrapper_options"].items()]
    said += [f"optimizer {arm['optimizer']['name']}"] if arm["optimizer"] else []
    said += ["planted answers suppressed"] if arm["filter"] else []
    said += ["forgets random documents"] if arm["forget"] == "random" else []
    return ", ".join(said)


def settings_text(config: type[BaseModel], options: Collection[str]) -> str:
    """The settings of a verb that are no options of its own, for its help."""
    from restor.overrides import fields

    listed = [field for field in fields(config, {}) if field.path.partition(".")[0] not in options]
    lines = ["Settings, each with its default:"]
    for path, value, meaning in _rows(listed):
        lines.append(f"  --{path} {value}")
        lines += textwrap.wrap(meaning, 74, initial_indent="      ", subsequent_indent="      ")
    if not all(field.active for field in listed):
        lines += ["", *textwrap.wrap(NULL_SECTION, 78)]
    return "\n".join(lines)


def _rows(listed: Iterable[Field], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    from restor.config import yaml_text
    from restor.overrides import SECTION

    for field in listed:
        value = SECTION if field.value == SECTION else yaml_text(field.value).strip()
        yield f"{prefix}{field.path}", value if field.active else f"({value})", field.meaning


def _aligned(rows: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """Three columns; a long entry shifts what follows in its own line only."""
    given = list(rows)
    widths = [min(max((len(row[place]) for row in given), default=0), most) for place, most in ((0, 48), (1, 28))]
    for name, value, text in given:
        yield f"{name:{widths[0]}}  {value:{widths[1]}}  {text}".rstrip()
