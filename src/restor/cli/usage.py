"""What is wrong with a command line, and what was probably meant. Imports nothing heavy until something is wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from cyclopts import App, CycloptsError, MissingArgumentError, UnknownCommandError, UnusedCliTokensError

Verbs = dict[str, tuple[str, ...]]
"""Verb -> what it does, then examples."""

EVERY = "`restor --help` and `restor VERB --help` show what can be given."


def usage_message(error: CycloptsError, verbs: Verbs, data_verbs: Verbs) -> str:
    """The message for a command line that cannot be understood."""
    chain = tuple(error.command_chain or ())
    help_line = f"`restor {' '.join(chain)} --help` shows what can be given." if chain else EVERY
    match error:
        case UnknownCommandError(unused_tokens=[given, *rest]):
            meant = next(_meant(given, rest, verbs, data_verbs, of_data=chain == ("data",)), None)
            if meant is not None:
                return f'Unknown command "{given}". Did you mean `{meant}`?\n{EVERY}'
        case MissingArgumentError(app=App() as app) if (missing := _missing(error, app)) and chain:
            if chain == ("unlearn",):
                from restor.cli.unlearn import also_needed

                missing += also_needed([part for token in error.root_input_tokens or () for part in _parts(token)])
            example = (data_verbs if chain[0] == "data" else verbs)[chain[-1]][1:2]
            shown = f" As in:\n  {example[0]}" if example else ""
            return f"`restor {' '.join(chain)}` needs {_listed(missing)}.{shown}\n{help_line}"
        case UnusedCliTokensError(unused_tokens=[*unused]) if unused:
            return f"Nothing takes {_listed(map(repr, unused))}: options begin with --.\n{help_line}"
    return f"{error}\n{help_line}"


def _parts(token: str) -> list[str]:
    """`--option=value` as option and value; a setting stays whole."""
    return [token] if token.startswith("--set=") or not token.startswith("--") else token.split("=", 1)


def _missing(error: MissingArgumentError, app: App) -> list[str]:
    """All options that are required and not given; none where a given one lacks its value."""
    given = {token.partition("=")[0] for token in error.root_input_tokens or () if token.startswith("--")}
    first = error.argument
    if first is None or not given.isdisjoint(first.names):
        return []
    collection: Sequence[Any] = app.assemble_argument_collection()
    missing = []
    for argument in collection:
        # Words are taken in order: those before the first that is missing are there.
        left = first.index is not None and argument.index is not None and argument.index >= first.index
        if argument.required and (left or (argument.index is None and given.isdisjoint(argument.names))):
            missing.append(argument.name)
    return missing


def _meant(given: str, rest: Sequence[str], verbs: Verbs, data_verbs: Verbs, *, of_data: bool) -> Iterator[str]:
    """Commands that a word which is no verb may stand for, the likeliest first."""
    from restor.config import alike
    from restor.recipes.base import recipe_names

    def near(known: Collection[str], cutoff: float = 0.75) -> Iterator[str]:
        yield from alike(given, known, cutoff=cutoff)

    likelier, others = ("restor data", "restor") if of_data else ("restor", "restor data")
    yield from (f"{likelier} {verb}" for verb in near(data_verbs if of_data else verbs))
    yield from (f"{others} {verb}" for verb in near(verbs if of_data else data_verbs))
    if of_data:
        return
    if given == "help":
        yield f"restor {rest[0]} --help" if rest else "restor --help"
    yield from _with_file(given)
    yield from (f"restor run {name}" for name in near(recipe_names()))
    from restor.cli.list import KINDS, elsewhere

    yield from (f"restor list {kind}" for kind in near(KINDS))
    yield from elsewhere(given)


def _with_file(given: str) -> Iterator[str]:
    """What is done with a file of that name."""
    path = Path(given)
    match path.suffix.lower():
        case ".yaml" | ".yml":
            yield f"restor run {given}"
        case ".py":
            yield f"restor run --algorithms {given}:ClassName"
        case ".json" | ".jsonl" | ".csv" | ".tsv" | ".txt" | ".md":
            yield f"restor data check {given}"
        case _ if (path / "results.json").is_file():
            yield f"restor report {given}"
        case _ if path.is_dir():
            yield f"restor data check {given}"


def _listed(names: Any) -> str:
    """`--model, --forget and --out`."""
    *some, last = names
    return f"{', '.join(some)} and {last}" if some else str(last)
