"""The list of studies as a page shows it: filtered, sorted, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final
from urllib.parse import urlencode

from restor.report.words.verdict_words import VERDICT_MEANINGS
from restor.types import Kind
from restor.view.index import Listed, Look, StudyState
from restor.view.summaries import rank

ROWS = 50
"""Of a page."""

COLUMNS: dict[str, tuple[str, Callable[[Listed], Any]]] = {
    "name": ("Study", lambda study: study.name.casefold()),
    "state": ("State", lambda study: list(StudyState).index(study.state)),
    "protocol": ("Protocol", lambda study: study.summary.protocol if study.summary else ""),
    "domain": ("Facts", lambda study: study.summary.domain if study.summary else ""),
    "seeds": ("Seeds", lambda study: len(study.summary.seeds) if study.summary else 0),
    "arms": ("Arms", lambda study: len(study.summary.arms) if study.summary else 0),
    "best": ("Best method", lambda study: rank(study.summary.best if study.summary else None)),
    "created": ("Created (UTC)", lambda study: study.created),
}
"""Name of a column -> its heading, and what it sorts by."""

_HIGH_FIRST = ("seeds", "arms", "created")


@final
@dataclass(frozen=True, slots=True)
class ListQuery:
    """What is asked of the list."""

    text: str = ""
    """All its words must occur."""
    verdict: str = ""
    """Of some method of the study."""
    state: str = ""
    sort: str = "created"
    reverse: bool = False
    """Against the usual order of the column."""
    page: int = 1

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> ListQuery:
        """From the parameters of an address; what is not understood counts as not given."""
        page = asked.get("page", "")
        sort, verdict, state = (asked.get(name, "") for name in ("sort", "verdict", "state"))
        return cls(
            text=asked.get("q", "")[:200],
            verdict=verdict if verdict in VERDICT_MEANINGS else "",
            state=state if state in set(StudyState) else "",
            sort=sort if sort in COLUMNS else "created",
            reverse=asked.get("reverse") == "1",
            page=int(page) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
        )

    def address(self, **changes: Any) -> str:
        """The address of this list with something changed; of its first page, unless a page is named."""
        new = replace(self, **{"page": 1, **changes})
        parameters = {
            "q": new.text,
            "verdict": new.verdict,
            "state": new.state,
            "sort": new.sort if new.sort != "created" else "",
            "reverse": "1" if new.reverse else "",
            "page": str(new.page) if new.page > 1 else "",
        }
        return "/?" + urlencode({name: value for name, value in parameters.items() if value}, errors="replace")

    def sorted_by(self, column: str) -> str:
        """The address of the list sorted by a column; the other way round if it is already."""
        return self.address(sort=column, reverse=column == self.sort and not self.reverse)

    def direction(self, column: str) -> str:
        """`ascending` or `descending` for the column that it is sorted by, else nothing."""
        if column != self.sort:
            return ""
        return "descending" if (column in _HIGH_FIRST) != self.reverse else "ascending"


@final
@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the list."""

    query: ListQuery
    rows: tuple[Listed, ...]
    found: int
    """Studies that fit."""
    total: int
    pages: int


def listing(look: Look, query: ListQuery) -> Listing:
    """The studies that fit, the page that is asked for; the last one where there are fewer."""
    words = query.text.casefold().split()
    studies_shown = [
        study
        for study in look.studies.values()
        if all(word in study.words for word in words)
        and (not query.state or study.state == query.state)
        and (not query.verdict or _has(study, query.verdict))
    ]
    # The latest first among equals.
    studies_shown.sort(key=lambda study: (study.created, study.id), reverse=True)
    studies_shown.sort(key=COLUMNS[query.sort][1], reverse=(query.sort in _HIGH_FIRST) != query.reverse)
    pages = max(1, -(-len(studies_shown) // ROWS))
    page = min(max(query.page, 1), pages)
    shown = tuple(studies_shown[(page - 1) * ROWS : page * ROWS])
    return Listing(replace(query, page=page), shown, len(studies_shown), len(look.studies), pages)


def _has(study: Listed, verdict: str) -> bool:
    arms = study.summary.arms if study.summary else ()
    return any(arm.verdict == verdict and arm.kind is Kind.METHOD for arm in arms)
