"""Static figures: stored results in, a matplotlib figure with its caption out. One file is one figure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias, final

from restor.errors import DataError
from restor.registry import Catalogue
from restor.report.across.side_by_side import Entrant, entrant, tag
from restor.report.io.load import FACTS_FILE, load_facts
from restor.report.io.states import States
from restor.report.plain import listed, one_line
from restor.report.tables.arm_table import KIND_TITLES
from restor.results import Arm, Results
from restor.types import Kind

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Width: TypeAlias = Literal["single", "double"]

INCHES: dict[Width, float] = {"single": 3.3, "double": 6.8}
"""The widths of a column and of a page of common templates."""


@final
class LackingError(DataError):
    """What a figure needs is not in the results: the message says what."""


@final
class PlotMaterial:
    """One study, or several, and which of their arms are drawn."""

    def __init__(self, studies: Sequence[tuple[Results, Path]], arms: Collection[str] = ()) -> None:
        """Studies with their folders; `arms` are names, ids or algorithms, all arms where there are none.

        References always stay: the others are measured against them.

        Raises:
            DataError: if no study has one of `arms`.
        """
        self._studies = studies
        self._arms = frozenset(arms)
        known = [arm for results, _ in studies for arm in results.summary]
        for name in arms:
            if not any(_fits(arm, {name}) for arm in known):
                names = list(dict.fromkeys(one_line(arm.arm, 40) for arm in known))
                raise DataError(f"No study here has the arm {one_line(name)!r}. Known: {listed(names, 30)}.")

    @property
    def results(self) -> Results:
        """Of the study, the first one of several."""
        return self._studies[0][0]

    @property
    def count(self) -> int:
        """How many studies there are."""
        return len(self._studies)

    def arms(self, *kinds: Kind) -> list[Arm]:
        """The pooled arms of these kinds that are drawn, section by section as in the table."""
        arms = [arm for arm in self.results.summary if arm.kind in kinds and self._drawn(arm)]
        return sorted(arms, key=lambda arm: list(KIND_TITLES).index(arm.kind))

    def seeds_of(self, arm: Arm) -> list[Arm]:
        """The arms of one seed that a pooled arm is made of."""
        return [one for one in self.results.arms if (one.arm, one.retain) == (arm.arm, arm.retain)]

    @cached_property
    def states(self) -> States:
        """What every arm makes of every fact.

        Raises:
            DataError: if facts.parquet is missing, damaged, or of another study.
        """
        results, home = self._studies[0]
        return States(results, load_facts(home))

    def entrants(self) -> list[Entrant]:
        """The studies as they enter a comparison, with the arms that are drawn."""
        entrants = []
        for place, (results, home) in enumerate(self._studies):
            facts = load_facts(home) if self.count > 1 and (home / FACTS_FILE).is_file() else None
            kept = results.model_copy(update={"summary": [arm for arm in results.summary if self._drawn(arm)]})
            entrants.append(entrant(tag(place) if self.count > 1 else "", kept, facts))
        return entrants

    def _drawn(self, arm: Arm) -> bool:
        return not self._arms or arm.kind is Kind.REFERENCE or _fits(arm, self._arms)


@final
@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure, and in words what it shows."""

    figure: Figure
    caption: str


class Plot(ABC):
    """One figure.

    An entry is imported only to be drawn, so it may import matplotlib at its top. `restor.report.figures._style` has
    the colours and sizes that figures share; no entry sets any of matplotlib's global settings.
    """

    title: ClassVar[str]
    """What it shows, in a few words: the beginning of its caption."""
    several: ClassVar[bool] = False
    """Whether it can show more than one study."""

    @abstractmethod
    def draw(self, material: PlotMaterial, width: Width) -> Drawn:
        """The figure, as wide as a column or a page.

        Raises:
            LackingError: if the results do not have what it needs.
        """


PLOTS: Catalogue[Plot] = Catalogue("figure", "restor.report.figures", Plot, "restor.figures")


def _fits(arm: Arm, names: Collection[str]) -> bool:
    return arm.arm in names or arm.id in names or (arm.algorithm is not None and arm.algorithm in names)
