"""What figures share: colours and markers that are told apart in grey and by the colour-blind, type sizes, files."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import matplotlib as mpl
from matplotlib.figure import Figure

from restor.types import Judgement

Format: TypeAlias = Literal["pdf", "png", "svg"]

INK, SOFT, LINE, GROUND = "#1d1c1a", "#5d5a54", "#d8d4ca", "#f0ede6"
SIZE, SMALL = 8.0, 7.0
"""Type sizes in points; nothing is smaller than the second."""

JUDGED = {
    Judgement.ORIGINAL: ("#1f6fb8", "", "true answer"),
    Judgement.PLANTED: ("#cf5a0c", "/////", "planted answer"),
    Judgement.OTHER: ("#cdc8bd", "", "another answer"),
    Judgement.UNSCORED: ("#ffffff", "......", "no verdict"),
}
"""Colour, hatch and name of a judgement."""

RETAIN = {
    "unrelated": ("#00795f", "o", True, "unrelated retain text"),
    "related": ("#8a3f9e", "D", False, "related retain text"),
    None: ("#45423c", "s", True, "no retain text"),
}
"""Colour, marker, whether it is filled, and name of a kind of retain text."""

LINES = ("#1f6fb8", "#cf5a0c", "#00795f", "#8a3f9e", "#45423c", "#b8860b")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
MARKERS = "osD^vPX<>*"

_SETTINGS: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same on every machine
    "font.size": SIZE,
    "text.color": INK,
    "text.parse_math": False,  # a label may hold dollars
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.labelsize": SIZE,
    "axes.titlesize": SIZE,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "hatch.linewidth": 0.7,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,  # fonts are embedded as outlines that journals take
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "restor",  # ids do not change from run to run
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
}


@contextmanager
def styled() -> Iterator[None]:
    """Within it matplotlib has the settings of these figures, whatever the user's own are; afterwards it has those."""
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)  # type: ignore[arg-type]  # matplotlib types its settings name by name
        # A name in a script that the font lacks is drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches; it belongs to no window."""
    return Figure(figsize=(width, height), layout="constrained")


def to_bytes(figure: Figure, format: Format, title: str, dpi: int) -> bytes:
    """A file; the same figure gives the same bytes. To be called within `styled`."""
    dates = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
    file = io.BytesIO()
    figure.savefig(file, format=format, dpi=dpi, metadata={"Title": title, **dates[format]})
    return file.getvalue()
