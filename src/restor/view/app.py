"""The pages of `restor view`: which address shows what. Every one only reads."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from restor.errors import DataError, RestorError
from restor.report.io.load import FACTS_FILE, load_facts, load_results
from restor.view.comparison import DOWNLOADS, Compared, Shelf, asked_arms, compared, download, full
from restor.view.comparison_plots import against, by_arm
from restor.view.guard import REPORT_POLICY, Guard
from restor.view.index import Index, Listed, Look
from restor.view.listing import ListQuery, listing
from restor.view.pages import compare_address, environment
from restor.view.study_folders import Stamp, stamp

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

REPORT_FILE = "report.html"
_ASSETS = {
    "palette.css": ("restor.report", "page", "text/css"),
    "view.css": ("restor.view", "static", "text/css"),
    "view.js": ("restor.view", "static", "text/javascript"),
    "icon.svg": ("restor.view", "static", "image/svg+xml"),
}
"""What pages load: package, folder and type. The report's palette is shared with it."""
_PAGES_KEPT = 3
"""Reports made in memory that are kept."""


def build_app(store: Path, index: Index | None = None) -> ASGIApp:
    """The application for a store, whose path is without links."""
    view = _View(store, index or Index(store))
    routes = [
        Route("/", view.index),
        Route("/running", view.running),
        Route("/study/{study}", view.study),
        Route("/study/{study}/report", view.report),
        Route("/compare", view.compare),
        Route("/compare/{ending}", view.download),
        Route("/static/{name}", _asset),
    ]
    handlers: dict[Any, Any] = {
        HTTPException: view.refused,
        RestorError: view.unreadable,
        Exception: view.fault,
    }
    return Guard(Starlette(routes=routes, exception_handlers=handlers))


@final
class _View:
    """The pages over one store."""

    def __init__(self, store: Path, index: Index) -> None:
        self._store = store
        self._index = index
        self._shelf = Shelf(store)
        self._templates = environment()
        self._pages: OrderedDict[str, tuple[Stamp | None, Stamp | None, str]] = OrderedDict()
        self._guard = threading.Lock()

    def index(self, request: Request) -> Response:
        """All studies."""
        look = self._index.look()
        return self._page("index.jinja", look, listing=listing(look, ListQuery.of(request.query_params)))

    def running(self, request: Request) -> Response:
        """What runs now: asked for again and again by the pages."""
        only = request.query_params.get("study")
        return self._page("running.jinja", self._index.look(), only=only)

    def study(self, request: Request) -> Response:
        """One study: its arms, where it is, and the way to its report."""
        look = self._index.look(first=request.path_params["study"])
        study_read = _named(look, request)
        return self._page("study.jinja", look, study=study_read, only=study_read.id)

    def report(self, request: Request) -> Response:
        """The report of a study, as it is stored or, if it is missing or older than the results, made in memory."""
        study = _named(self._index.look(), request)
        if study.results is None:
            raise HTTPException(404, f"{study.id} has no results yet, so there is no report.")
        return HTMLResponse(self._report(study), headers={"content-security-policy": REPORT_POLICY})

    def compare(self, request: Request) -> Response:
        """Arms side by side."""
        asked, look, comparison = self._compared(request)
        parts = comparison.comparison.tables
        return self._page(
            "compare.jinja",
            look,
            asked=asked,
            found=comparison,
            tables=[(part, by_arm([row.arm for row in part.table.rows], full(part))) for part in parts],
            curves=against(comparison.series),
            downloads=[(name, compare_address(asked, ending)) for ending, (name, *_) in DOWNLOADS.items()],
        )

    def download(self, request: Request) -> Response:
        """The same as a file."""
        ending = request.path_params["ending"]
        if ending not in DOWNLOADS:
            raise HTTPException(404, f"A comparison can be had as {', '.join(DOWNLOADS)}.")
        _, _, comparison = self._compared(request)
        if not comparison.studies:
            raise HTTPException(404, " ".join(comparison.lacking) or "No arms are named, as in ?arms=STUDY/ARM.")
        headers = {"content-disposition": f'attachment; filename="restor-compare.{ending}"'}
        text = download(comparison, ending).encode("utf-8", "replace")
        return Response(text, media_type=DOWNLOADS[ending].media_type, headers=headers)

    def refused(self, request: Request, error: Exception) -> Response:
        """What there is not."""
        assert isinstance(error, HTTPException)
        return self._message(error.status_code, error.detail)

    def unreadable(self, request: Request, error: Exception) -> Response:
        """What is there and cannot be used."""
        return self._message(422, str(error))

    def fault(self, request: Request, error: Exception) -> Response:
        """Our own mistake; the terminal has the traceback."""
        return self._message(
            500, f"A fault of restor: {type(error).__name__}. The terminal of `restor view` says more."
        )

    def _compared(self, request: Request) -> tuple[dict[str, list[str]], Look, Compared]:
        asked = asked_arms(request.query_params.getlist("arms"))
        look = self._index.look()
        return asked, look, compared(asked, look, self._shelf)

    def _report(self, study: Listed) -> str | bytes:
        page, facts = stamp(self._store, study.path / REPORT_FILE), stamp(self._store, study.path / FACTS_FILE)
        if page and all(page[0] >= made[0] for made in (study.results, facts) if made):
            with suppress(OSError):  # gone in this moment, or not for this user: then it is made here
                return (study.path / REPORT_FILE).read_bytes()
        with self._guard:
            kept = self._pages.get(study.id)
            if kept is None or kept[:2] != (study.results, facts):
                from restor.report.page.render import render_page  # brings numpy, and stored pages do without

                kept = (study.results, facts, render_page(load_results(study.path), load_facts(study.path)))
                self._pages[study.id] = kept
            self._pages.move_to_end(study.id)
            while len(self._pages) > _PAGES_KEPT:
                self._pages.popitem(last=False)
            return kept[2]

    def _page(self, template: str, look: Look, **content: Any) -> Response:
        made = self._templates.get_template(template).render(
            {"look": look, "store": str(self._store), "version": _version(look, content.get("only")), "only": None}
            | content
        )
        return HTMLResponse(made.encode("utf-8", "replace"))

    def _message(self, status: int, text: str) -> Response:
        made = self._templates.get_template("message.jinja").render(status=status, text=text, store=str(self._store))
        return HTMLResponse(made.encode("utf-8", "replace"), status)


def _named(look: Look, request: Request) -> Listed:
    """The study of the address. Only what the index has found is ever opened."""
    study_of = look.studies.get(request.path_params["study"])
    if study_of is None:
        raise HTTPException(404, "There is no such study in this store.")
    if study_of.results is None and study_of.trouble:
        raise DataError(study_of.trouble)
    return study_of


def _version(look: Look, only: str | None) -> str:
    """Changes whenever a row of the list would, or what is told of one study."""
    studies = [study for study in look.studies.values() if only in (None, study.id)]
    content = [(study.id, study.state, study.results, study.trouble, bool(study.summary)) for study in studies]
    return hashlib.sha256(repr(sorted(content)).encode("utf-8", "replace")).hexdigest()[:16]


def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _ASSETS:
        raise HTTPException(404, "There is no such file.")
    package, folder, media_type = _ASSETS[name]
    return Response(files(package).joinpath(folder, name).read_bytes(), media_type=media_type)
