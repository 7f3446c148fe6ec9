"""Where facts and documents are: released ones by name, the user's own by path."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from restor.caches import data_cache
from restor.data.published import COMMIT, ENTITIES, FACTS, NAME, PublishedFile, document_names, what_is_wrong
from restor.errors import DataError
from restor.registry import unknown_name


def published_folder() -> Path:
    """Where the released files are kept; each commit has a folder of its own."""
    return data_cache() / f"{NAME}-{COMMIT[:8]}"


# Names and paths -----------------------------------------------------------------------------------------------------


def is_released(given: Path | str) -> bool:
    """Whether released data are meant: `restor`, or one of its forget sets, such as `restor/k0`.

    They are meant whatever folder or file of that name there is; `./restor` is the folder. A Path does not keep the
    dot, see `data_path`.
    """
    name = Path(given).as_posix()
    dotted = isinstance(given, str) and given.startswith(os.curdir)
    return not dotted and (name == NAME or name.removesuffix(".json") in document_names())


def data_path(given: Any) -> Any:
    """The path that a text names; a released name stays as it is, and `./restor` becomes absolute, as it is none."""
    if not isinstance(given, str):
        return given
    path = Path(given)
    return path.absolute() if is_released(path) and not is_released(given) else path.expanduser()


DataPath = Annotated[Path, BeforeValidator(data_path)]
"""A field that holds the path of data, or a released name."""


def locate_facts(given: Path | str) -> tuple[Path, Path | None]:
    """The facts file, and the list of evaluated entities if there is one.

    `given` is `restor` for the released ones, a folder with `facts.json` (also below `datasets/`, as in a clone of the
    repository), or a facts file. The list is `entities.json` beside the facts.

    Raises:
        DataError: if there is no such file, or the released ones were not fetched.
    """
    path = Path(given).expanduser()
    if is_released(given):
        if path != Path(NAME):
            raise DataError(f"{path} names documents. The released facts are {NAME!r}.")
        return _fetched(FACTS), _fetched(ENTITIES)
    if path.is_dir():
        places = [path / FACTS.name, path / "datasets" / FACTS.name]
        facts = next((place for place in places if place.is_file()), None)
        if facts is None:
            raise DataError(
                f"The folder {path} has no {FACTS.name}. Give a folder with one, the path of a facts file (JSON, JSONL "
                f"or CSV), or {NAME!r} for the released facts."
            )
    elif path.exists() and path.suffix.lower() in (".txt", ".md"):
        raise DataError(f"{path} is plain text, and facts are JSON, JSONL or CSV. Is it a file of documents?")
    elif path.exists():
        facts = path
    else:
        raise DataError(
            f"There is no facts file {path}. Give the path of one (JSON, JSONL or CSV), a folder with {FACTS.name}, "
            f"or {NAME!r} for the released facts, which `restor data fetch {NAME}` downloads."
        )
    beside = facts.parent / ENTITIES.name
    return facts, beside if beside.is_file() and beside != facts else None


def locate_documents(given: Path | str) -> Path:
    """The documents file: of a released forget set by name, such as `restor/k0`, else of a path.

    Raises:
        DataError: if there is no such file or name, or the released one was not fetched.
    """
    path, names = Path(given).expanduser(), document_names()
    name = path.as_posix().removesuffix(".json")
    if is_released(given):
        if name == NAME:
            raise DataError(f"{NAME!r} names the released facts. Its documents are {_short(names)}.")
        return _fetched(names[name])
    if path.is_dir():
        raise DataError(f"{path} is a folder. Give a documents file: JSON, JSONL or plain text.")
    if path.exists():
        return path
    if name.partition("/")[0] == NAME:
        raise DataError(unknown_name("forget set", name, names))
    short = f"{NAME}/{name}"
    hint = f" Did you mean {short}?" if short in names else ""
    raise DataError(
        f"There is no documents file {path}.{hint} Give the path of one (JSON, JSONL or plain text), or a released "
        f"forget set: {_short(names)}."
    )


def _short(names: Iterable[str]) -> str:
    """Released forget sets by their short names: the long ones say the same again."""
    return ", ".join(name for name in names if name.count("/") == 1)


def locate_texts(given: Path | str) -> Path:
    """The same, where a folder of plain texts will do as well."""
    path = Path(given).expanduser()
    return path if path.is_dir() and not is_released(given) else locate_documents(given)


def _fetched(file: PublishedFile) -> Path:
    path = published_folder() / file.path
    try:
        wrong = what_is_wrong(file, path)
    except FileNotFoundError:
        raise DataError(
            f"{file.path} of {NAME} was not fetched to {published_folder()}. `restor data fetch {NAME}` downloads all "
            f"files, and `restor data fetch {NAME} --only {file.stem}` this one; --from DIR takes them from a copy. Or "
            "give the path of a file of your own."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check its rights.") from error
    if wrong is not None:
        raise DataError(f"{path} is damaged: {wrong}. `restor data fetch {NAME}` fetches it again.")
    return path
