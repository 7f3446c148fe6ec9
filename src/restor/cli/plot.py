"""`restor plot`: static figures for papers, from stored results only."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, final

from cyclopts import Parameter

from restor.cli.arguments import Arms, StorePath, UsageError, parse_arms, parse_names
from restor.cli.common import find_studies, home_of
from restor.errors import DataError, RestorError, to_install
from restor.registry import class_in_file
from restor.report.figures.base import PLOTS, Plot, PlotMaterial, Width

Format = Literal["pdf", "png", "svg"]
FORMATS: tuple[Format, ...] = ("pdf", "png", "svg")
PAGE = 9.2
"""Height in inches of what fits a page of common templates."""


def plot(
    *studies: Annotated[
        Path,
        Parameter(help="Folder of the study, its results.json, or its id within the store; the newest when left out."),
    ],
    figure: Annotated[
        str,
        Parameter(
            help="Which figures, such as `restoration,answers`; `all`: those that the results have enough for. Known: "
            f"{', '.join(PLOTS.names())}; path/to/file.py:ClassName is one of your own."
        ),
    ] = "all",
    format: Annotated[Format | None, Parameter(help="Default: that of the file named by --out, else pdf.")] = None,
    out: Annotated[
        Path | None,
        Parameter(
            help="Folder, or file for one figure. Default: `plots` in the study's folder; for several studies `plots` "
            "in this directory."
        ),
    ] = None,
    arms: Arms = None,
    width: Annotated[Width, Parameter(help="A column of 3.3 inches, or a page of 6.8.")] = "double",
    dpi: Annotated[int | None, Parameter(help="Dots per inch of png, 50 to 1200. Default: 300.")] = None,
    store: StorePath = None,
) -> None:
    """Draw static figures of a finished study, each with its caption in a text file beside it.

    References are always among the arms.
    """
    chosen = parse_arms(arms)
    file = _one_file(out)
    format = _format(format, file)
    if dpi is not None and format != "png":
        raise UsageError(f"--dpi is for png; {format} has no dots. Leave it out, or add `--format png`.")
    if dpi is not None and not 50 <= dpi <= 1200:
        raise UsageError(f"--dpi is 50 to 1200; given {dpi}.")
    names = parse_names(figure)
    if not names or (len(names) > 1 and "all" in names):
        raise UsageError(f"--figure takes all, or some of {', '.join(PLOTS.names())}; given {figure!r}.")
    if file is not None and (names == ["all"] or len(names) > 1):
        raise UsageError(f"{file} is one file: name one figure for it, as in `--figure restoration`, or a folder.")
    _need_matplotlib()
    material, home = _material(studies, store, chosen)
    drawn, gaps = _draw(material, _entries(names, material.count), width, format, dpi or 300, every=names == ["all"])
    folder = out or (home or Path()) / "plots"
    _write({file or folder / f"{name}.{format}": made for name, made in drawn.items()})
    for gap in gaps:
        sys.stderr.write(f"{gap}\n")


@final
@dataclass(frozen=True, slots=True)
class _File:
    """A figure as it is written."""

    data: bytes
    caption: str


def _one_file(out: Path | None) -> Path | None:
    """`out` where it names a file; None for a folder."""
    if out is None or out.is_dir() or not (out.suffix or out.exists()):
        return None
    if out.suffix.lower() not in {f".{one}" for one in FORMATS}:
        raise UsageError(f"--out {out} is no folder and ends in no known format: {', '.join(FORMATS)}.")
    return out


def _format(given: Format | None, file: Path | None) -> Format:
    if file is None:
        return given or "pdf"
    format = next(one for one in FORMATS if file.suffix.lower() == f".{one}")
    if given not in (None, format):
        raise UsageError(f"--format {given} does not fit the file {file}. Leave one of them out.")
    return format


def _need_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise RestorError(
            f"Figures need the package matplotlib, which is not installed: {to_install('plot')}. "
            "`restor report --format html` draws without it."
        ) from error


def _material(studies: Sequence[Path], store: Path | None, arms: Sequence[str]) -> tuple[PlotMaterial, Path | None]:
    """What is drawn, and the folder of the study; no folder where there are several."""
    from restor.report.figures.base import PlotMaterial
    from restor.report.io.load import load_results

    studies_read = [(load_results(place), home_of(place)) for place in find_studies(studies or (None,), store)]
    return PlotMaterial(studies_read, arms), studies_read[0][1] if len(studies_read) == 1 else None


def _entries(names: Sequence[str], studies: int) -> dict[str, type[Plot]]:
    """The figures by the names of their files; of all of them those that show so many studies."""
    every = names == ["all"]
    entries = {name: PLOTS.get(name) for name in (PLOTS.names() if every else names)}
    if studies > 1:
        single = next((name for name, entry in entries.items() if not entry.several), None)
        if single and not every:
            more = ", ".join(name for name in PLOTS.names() if PLOTS.get(name).several)
            raise UsageError(f"The figure {single} shows one study; several fit into {more}. Name one study.")
        entries = {name: entry for name, entry in entries.items() if entry.several}
    return {place[1] if (place := class_in_file(name)) else name: entry for name, entry in entries.items()}


def _draw(
    material: PlotMaterial, entries: Mapping[str, type[Plot]], width: Width, format: Format, dpi: int, *, every: bool
) -> tuple[dict[str, _File], list[str]]:
    """The figures, and in words what is not drawn or too tall. Nothing is written yet.

    Raises:
        DataError: if a figure that was named cannot be drawn, or none of `every` figure can.
    """
    from restor.report.figures._style import styled, to_bytes

    drawn: dict[str, _File] = {}
    gaps: list[str] = []
    with styled():
        for place, (name, entry) in enumerate(entries.items(), 1):
            if len(entries) > 1:
                sys.stderr.write(f"Drawing {name} ({place} of {len(entries)})\n")
            try:
                made = entry().draw(material, width)
            except DataError as error:
                if not every:
                    raise DataError(f"The figure {name} cannot be drawn: {_end(error)}.") from error
                gaps.append(f"Not drawn: {name}, as {_end(error)}.")
                continue
            drawn[name] = _File(to_bytes(made.figure, format, entry.title, dpi), made.caption)
            height = made.figure.get_figheight()
            if height > PAGE:
                gaps.append(f"{name} is {height:.1f} inches high, more than a page: choose some arms with --arms.")
    if not drawn:
        raise DataError("\n".join(["No figure can be drawn.", *gaps]))
    return drawn, gaps


def _write(files: Mapping[Path, _File]) -> None:
    from restor.store.disk import write_atomic

    for path, made in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, made.data)
        write_atomic(path.with_suffix(".txt"), f"{made.caption}\n")
        sys.stdout.write(f"{path}\n")


def _end(error: DataError) -> str:
    return str(error).rstrip(".")
