"""The arguments of the verbs that take a study: any field of its configuration is an option. Imports nothing heavy."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, final

from cyclopts import Parameter, Token

from restor.errors import NEGATIVE_SEED, RestorError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from restor.models.model_ref import ModelRef


def _data_path(type_: object, tokens: Sequence[Token]) -> Path:
    from restor.data.locate import data_path

    path: Path = data_path(tokens[0].value)
    return path


DataFile = Annotated[Path, Parameter(converter=_data_path, n_tokens=1)]
"""The path of data or a released name; a plain Path would take `./restor` for the name."""

Recipe = Annotated[str, Parameter(help="A recipe (`restor list recipes`) or a YAML file. Default: miniature.")]
Seeds = Annotated[
    str | None, Parameter(help="How many, or which: `3` is seeds 0, 1 and 2; `0,4` are these two, `4,` is that one.")
]
Algorithms = Annotated[
    str | None,
    Parameter(
        help="Arms or algorithms, such as `npo,msa` or `my.py:Mine`; `all`: everything that there is. References and "
        "the recipe's controls always stay."
    ),
]
Facts = Annotated[
    DataFile | None, Parameter(help="Facts, for a recipe whose domain reads some: `restor`, a file or a folder.")
]
Name = Annotated[str | None, Parameter(help="Name of the study, part of its folder's name.")]
Arms = Annotated[
    str | None, Parameter(help="Only these arms: names, ids or algorithms, such as `npo_token,msa`. Default: all.")
]
Json = Annotated[bool, Parameter(help="Print JSON instead of text.")]
StorePath = Annotated[
    Path | None,
    Parameter(help="Folder of the store. Default: the environment variable RESTOR_STORE, else ./restor-store."),
]
Quiet = Annotated[bool, Parameter(help="Show no progress.")]
Changes = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set",
        help="FIELD=VALUE, a field of the configuration; `--FIELD VALUE` and `--FIELD=VALUE` say the same. "
        "`restor list fields` shows all fields.",
    ),
]


@final
class UsageError(RestorError):
    """A command line that cannot be understood. Exits with 2."""


def fields_as_set(tokens: Iterable[str], options: Collection[str], sections: Collection[str]) -> list[str]:
    """Turns every `--field value` that is no option of the verb into `--set=field=value`.

    `sections` are the first words of all fields, so that a misspelt option is not taken for a field.

    Raises:
        UsageError: for a misspelt option, or a field without a value.
    """
    left = iter(tokens)
    words: list[str] = []
    for token in left:
        name, equals, value = token.partition("=")
        if token == "--":
            return [*words, token, *left]
        if not token.startswith("--") or name in options:
            words.append(token)
            continue
        field = name[2:]
        near = difflib.get_close_matches(name, options, n=1, cutoff=0.75)
        if near and field.partition(".")[0] not in sections:
            raise UsageError(f"Unknown option {name}. Did you mean {near[0]}?")
        if not equals:
            following = next(left, "--")
            if following.startswith("--"):
                raise UsageError(f"{name} needs a value, as in `{name} VALUE`. --help shows what can be given.")
            value = following
        words.append(f"--set={field}={value}")
    return words


def check_numbers(_kind: Any, value: object) -> None:
    """For every option: whole numbers have at most 64 bits, others are finite.

    Raises:
        ValueError: with the reason.
    """
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("the number is too large")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("it must be a finite number")


def check_seed(kind: Any, value: object) -> None:
    """For a seed: as for every number, and not negative.

    Raises:
        ValueError: with the reason.
    """
    check_numbers(kind, value)
    if isinstance(value, int) and value < 0:
        raise ValueError(NEGATIVE_SEED)


def parse_changes(changes: Iterable[str]) -> dict[str, str]:
    """Overrides by dotted path, from `field=value` texts.

    Raises:
        UsageError: without `=`, or for a field that is given twice.
    """
    values_by_path: dict[str, str] = {}
    for change in changes:
        path, equals, value = change.partition("=")
        if not equals:
            raise UsageError(f"--set needs FIELD=VALUE, given {change!r}.")
        if path in values_by_path:
            raise UsageError(f"{path} is given twice, as {values_by_path[path]!r} and {value!r}. Keep one.")
        values_by_path[path] = value
    return values_by_path


def parse_seeds(text: str | None) -> int | list[int] | None:
    """A number of seeds, or the seeds themselves if there is a comma.

    Raises:
        UsageError: for anything but whole numbers, or a seed that is negative.
    """
    if text is None:
        return None
    try:
        if "," not in text:
            return int(text)
        seeds = [int(part) for part in text.removesuffix(",").split(",")]
    except ValueError:
        raise UsageError(
            f"--seeds takes how many, such as 3 for seeds 0, 1 and 2, or which, such as 0,4; given {text!r}."
        ) from None
    if min(seeds) < 0:
        raise UsageError(f"--seeds: {NEGATIVE_SEED}, given {min(seeds)}.")
    return seeds


def parse_names(text: str | None) -> list[str] | None:
    """Names with commas; None where none are given."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def parse_arms(text: str | None) -> list[str]:
    """The names of arms; empty for all of them.

    Raises:
        UsageError: if none is named.
    """
    names = parse_names(text)
    if names == []:
        raise UsageError("--arms is empty. Name arms, as in `--arms npo_token,msa`, or leave it out for all.")
    return names or []


# Options that several verbs have together ----------------------------------------------------------------------------

FLAT = Parameter(name="*")
"""The fields of a class are options of the verb."""
NUMBER = Parameter(validator=check_numbers)
"""For a number of such a class, which the validator of the app does not reach."""


@FLAT
@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How a checkpoint is loaded."""

    dtype: str = "auto"
    """Of the weights: auto, float32, bfloat16 or float16."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    trust_remote_code: bool = False
    """Run code that a checkpoint brings along."""

    def place(self, ref: ModelRef) -> dict[str, Any]:
        """A checkpoint as a configuration holds it."""
        return ref.identity() | {"dtype": self.dtype, "trust_remote_code": self.trust_remote_code}


@FLAT
@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ChatOptions:
    """Where a chat model is, and how it is asked."""

    base_url: str | None = None
    """Endpoint, such as http://localhost:8000/v1. Default: OPENAI_BASE_URL, else the hosted one."""
    key_variable: str | None = None
    """Environment variable that holds the key. Default: OPENAI_API_KEY."""
    concurrency: Annotated[int | None, NUMBER] = None
    """Requests at a time. Default: 8."""
    requests_per_minute: Annotated[float | None, NUMBER] = None
    """Rate limit. Default: none."""


def given_options(options: DataclassInstance) -> dict[str, Any]:
    """The options of such a class that are given, by name."""
    values = {field.name: getattr(options, field.name) for field in fields(options)}
    return {name: value for name, value in values.items() if value not in (None, ())}
