"""Any arms of any studies side by side: what `restor compare` shows, from the same functions."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, final

from restor.errors import DataError
from restor.report.across.series import Series, series_across
from restor.report.across.side_by_side import Comparison, Entrant, Together, base_of, compare, entrant, tag
from restor.report.across.written import TextFormat, write_comparison
from restor.report.io.load import FACTS_FILE, RESULTS_FILE, load_facts, load_results
from restor.report.plain import listed, one_line
from restor.view.index import Listed, Look
from restor.view.study_folders import Stamp, stamp

MOST_STUDIES = 30
"""In one comparison."""
_KEPT = 12
"""Studies that stay in memory."""


class Download(NamedTuple):
    """A file that can be downloaded: its name, its type, and the format of `restor compare`."""

    name: str
    media_type: str
    format: TextFormat


DOWNLOADS = {
    "csv": Download("CSV", "text/csv", "csv"),
    "md": Download("Markdown", "text/markdown", "md"),
    "tex": Download("LaTeX", "application/x-tex", "latex"),
    "bib": Download("BibTeX", "application/x-bibtex", "bibtex"),
    "json": Download("JSON", "application/json", "json"),
}
"""By their ending."""


@final
@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison, and what was asked for and is not in it."""

    comparison: Comparison
    studies: tuple[Entrant, ...]
    """With the arms that were asked for."""
    series: tuple[Series, ...]
    """What these arms show against a setting in which they differ."""
    lacking: tuple[str, ...]


@final
class Shelf:
    """Studies that were read for a comparison, kept as long as their files stay the same."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._kept: OrderedDict[str, tuple[Stamp | None, Stamp | None, Entrant]] = OrderedDict()
        self._guard = threading.Lock()

    def take(self, study: Listed) -> Entrant:
        """The study as it enters a comparison, without a tag.

        Raises:
            DataError: if it cannot be read.
        """
        results = stamp(self._store, study.path / RESULTS_FILE)
        facts = stamp(self._store, study.path / FACTS_FILE)
        with self._guard:
            kept = self._kept.get(study.id)
            if kept is None or kept[:2] != (results, facts):
                answers = load_facts(study.path) if facts else None
                kept = (results, facts, entrant("", load_results(study.path), answers))
                self._kept[study.id] = kept
            self._kept.move_to_end(study.id)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return kept[2]


def asked_arms(values: Sequence[str]) -> dict[str, list[str]]:
    """Study -> ids of its arms, all of them where there are none, from `STUDY/ARM` and `STUDY`."""
    arms_of: dict[str, list[str]] = {}
    for value in values:
        study, _, arm = value.partition("/")
        ids = arms_of.setdefault(study, [])
        if arm and arm not in ids:
            ids.append(arm)
    return arms_of


def compared(asked: dict[str, list[str]], look: Look, shelf: Shelf) -> Compared:
    """The arms that were asked for, side by side; without tables if none of them is there.

    Raises:
        DataError: for more studies than can be shown.
    """
    if len(asked) > MOST_STUDIES:
        raise DataError(f"{len(asked)} studies are too many for one comparison. Choose arms of up to {MOST_STUDIES}.")
    chosen: list[Entrant] = []
    lacking: list[str] = []
    for name, ids in asked.items():
        study = look.studies.get(name)
        if study is None:
            lacking.append(f"There is no study {one_line(name, 80)!r} in this store.")
            continue
        try:
            each = replace(shelf.take(study), tag=tag(len(chosen)))
        except DataError as error:
            lacking.append(str(error))
            continue
        arms = [arm for arm in each.results.summary if not ids or arm.id in ids]
        unknown = [one_line(arm, 60) for arm in ids if all(known_arm.id != arm for known_arm in arms)]
        if unknown:
            lacking.append(f"{one_line(name, 80)} has no arm {listed(unknown, 10)}.")
        if arms:
            chosen.append(replace(each, results=each.results.model_copy(update={"summary": arms})))
    return Compared(compare(chosen), tuple(chosen), tuple(series_across(chosen)), tuple(lacking))


def download(comparison: Compared, ending: str) -> str:
    """The comparison as a file of this kind, as `restor compare --format` writes it."""
    return write_comparison(
        comparison.comparison, comparison.studies, comparison.comparison.differences, DOWNLOADS[ending].format
    )


def full(part: Together) -> str:
    """What 100 % restoration means in a table, in words."""
    names = {f"{base_of(each.results) or 'clean'} model" for each in part.entrants}
    return names.pop() if len(names) == 1 else "ideal or clean model"
