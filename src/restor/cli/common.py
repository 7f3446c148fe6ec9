"""What several verbs need. Imports nothing heavy."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from restor.errors import DataError
from restor.text import composed


def default_store() -> Path:
    """The store if none is named: the environment variable RESTOR_STORE, else `restor-store` in this directory."""
    return Path(os.environ.get("RESTOR_STORE") or "restor-store")


def size(amount: int) -> str:
    """Bytes for people: 512 B, 1.5 KB, 3.2 GB; a KB is 1000 bytes."""
    if amount < 1000:
        return f"{amount} B"
    scaled = float(amount)
    for unit in ("KB", "MB", "GB"):
        scaled /= 1000
        if scaled < 999.95:
            return f"{scaled:.1f} {unit}"
    return f"{scaled / 1000:.1f} TB"


def short(key: str) -> str:
    """The part of a stage's key that people need to tell it from others."""
    return key[:8]


def count(number: int, one: str, more: str) -> str:
    """`1 study`, `2 studies`."""
    return f"{number} {one if number == 1 else more}"


def find_study(study: Path | None, store: Path | None) -> Path:
    """The folder, or results.json, that `study` means: a path, an id within the store, or the newest there.

    Raises:
        DataError: if there is none.
    """
    from restor.report.io.load import RESULTS_FILE

    if study is not None and study.exists():
        return study
    store = store or default_store()
    studies = store / "studies"
    if store.exists() and not store.is_dir():
        raise DataError(f"{store} is a file and no store. Name the folder in which `restor run` keeps its stages.")
    if study is not None and (studies / study).is_dir() and not (studies / study / RESULTS_FILE).exists():
        raise DataError(
            f"The study {str(study)!r} has not finished. `restor run` with the same configuration goes on with it."
        )
    places = sorted(studies.glob(f"*/{RESULTS_FILE}"), key=_newness)
    if study is None:
        if not places:
            raise DataError(f"The store {store} has no finished study. Run one with `restor run`, or name a folder.")
        return places[-1].parent
    inside = next((file.parent for file in places if file.parent.name == str(study)), None)
    if inside is None:
        known = ", ".join(file.parent.name for file in reversed(places[-5:])) or "none"
        raise DataError(
            f"There is no study {str(study)!r}: no such path, and the store {store} has no finished study of that id. "
            f"Newest there: {known}."
        )
    return inside


def _newness(file: Path) -> tuple[int, str]:
    """What studies are sorted by; one that is removed meanwhile comes first."""
    try:
        return file.stat().st_mtime_ns, file.parent.name
    except OSError:
        return 0, file.parent.name


def check_folder(path: Path) -> None:
    """Refuse, before anything is made, a file whose folder does not exist."""
    if not path.parent.is_dir():
        raise DataError(f"The folder {path.parent} does not exist. Make it, or choose another place.")


def home_of(place: Path) -> Path:
    """The folder of a study, which is named by it or by its results.json."""
    return place if place.is_dir() else place.parent


def find_studies(studies: Iterable[Path | None], store: Path | None) -> list[Path]:
    """What each of several studies means, see `find_study`.

    Raises:
        DataError: for one that there is not, or that is named twice.
    """
    named: dict[Path, Path | None] = {}
    places = []
    for given in studies:
        places.append(find_study(given, store))
        home = home_of(places[-1]).resolve()
        if home in named:
            raise DataError(f"{given} is the same study as {named[home]}. Name each study once.")
        named[home] = given
    return places


def named_entities(given: Iterable[str], known: Iterable[str]) -> list[str]:
    """The entities that an option names: names, names with commas, or files with a list of them.

    Raises:
        DataError: for a file that cannot be read or is no list of names.
    """
    subjects, names = set(known), []
    for text in given:
        if composed(text) in subjects:  # a name may hold a comma
            names.append(composed(text))
        elif Path(text).is_file():
            names += _listed(Path(text))
        else:
            names += [composed(name.strip()) for name in text.split(",") if name.strip()]
    return list(dict.fromkeys(names))


def _listed(path: Path) -> list[str]:
    """Names from a JSON list, or from a text file with one per line."""
    from restor.data.facts import read_entities
    from restor.data.text_files import read_source

    if path.suffix.lower() != ".txt":
        return list(read_entities(path))
    return [composed(line.strip()) for line in read_source(path).text.splitlines() if line.strip()]
