"""Which facts stand or fall together: those about one entity, and those of one seed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]


@final
@dataclass(frozen=True)
class Clusters:
    """The entity and the seed of every fact, as numbers in order of first appearance.

    A *cell* is one entity in one seed: the smallest unit that is drawn. Where each seed is a world of its own, an
    entity has one cell (*nested*: entities within seeds). Where all seeds ask about the same entities, it has one per
    seed (*crossed*).
    """

    cell: Places
    """Per fact: its cell."""
    entity: Places
    """Per cell: its entity."""
    seed: Places
    """Per cell: its seed."""

    @classmethod
    def of(cls, entities: Sequence[Hashable], seeds: Sequence[Hashable] | None = None) -> Clusters:
        """From the labels of each fact; an entity that occurs in two seeds is the same one in both."""
        if seeds is None:
            seeds = [0] * len(entities)
        if len(seeds) != len(entities):
            raise ValueError(f"{len(entities)} facts have entities, {len(seeds)} have seeds: give each fact both")
        entity_places: dict[Hashable, int] = {}
        seed_places: dict[Hashable, int] = {}
        cells: dict[tuple[int, int], int] = {}
        labels = [
            cells.setdefault(
                (entity_places.setdefault(entity, len(entity_places)), seed_places.setdefault(seed, len(seed_places))),
                len(cells),
            )
            for entity, seed in zip(entities, seeds, strict=True)
        ]
        pairs = np.array(list(cells), dtype=np.intp).reshape(-1, 2)
        return cls(cell=np.array(labels, dtype=np.intp), entity=pairs[:, 0], seed=pairs[:, 1])

    @property
    def n_facts(self) -> int:
        """How many facts."""
        return len(self.cell)

    @property
    def n_cells(self) -> int:
        """How many cells."""
        return len(self.entity)

    @cached_property
    def n_entities(self) -> int:
        """How many entities."""
        return int(self.entity.max()) + 1 if self.n_cells else 0

    @cached_property
    def n_seeds(self) -> int:
        """How many seeds."""
        return int(self.seed.max()) + 1 if self.n_cells else 0

    @property
    def crossed(self) -> bool:
        """Whether an entity occurs in several seeds."""
        return self.n_cells > self.n_entities

    def keep(self, kept: NDArray[np.bool_]) -> Clusters:
        """Those of some of the facts. Entities and seeds without any are gone."""
        if kept.all():
            return self
        cell = self.cell[kept]
        return Clusters.of(self.entity[cell].tolist(), self.seed[cell].tolist())

    def totals(self, values: Floats) -> Floats:
        """Sums over the facts of each cell: values (F,) or (K, F) in, (C, K + 1) out; the last column counts facts."""
        rows = np.atleast_2d(np.asarray(values, dtype=np.float64))
        if rows.shape[1] != self.n_facts:
            raise ValueError(f"{rows.shape[1]} values for {self.n_facts} facts: give one per fact")
        sums = [np.bincount(self.cell, weights=row, minlength=self.n_cells) for row in rows]
        return np.stack([*sums, np.bincount(self.cell, minlength=self.n_cells).astype(np.float64)], axis=1)
