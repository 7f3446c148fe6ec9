"""WHAT IS READ beside the facts: sources of text for retain sets, recovery and context. One file is one data set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, SerializeAsAny

from restor.config import Config
from restor.registry import Catalogue


class DatasetConfig(Config):
    """The base of every data set's configuration."""

    name: str
    """Which data set: `restor list datasets`."""

    @property
    def label(self) -> str:
        """For people: the last part of the path of what is read, or the name of the data set."""
        path = getattr(self, "path", None)
        return self.name if path is None else Path(path).name


class Dataset(ABC):
    """A source of text."""

    config_type: ClassVar[type[DatasetConfig]]

    @abstractmethod
    def text(self, rng: Random) -> str:
        """One text, as long as a short document."""

    @abstractmethod
    def sample(self, rng: Random, count: int) -> list[str]:
        """So many texts. A finite source gives each of its texts at most once, and fewer where it has no more."""

    @abstractmethod
    def sentence(self, rng: Random) -> str:
        """One sentence that stands alone: unrelated context for a forget document."""

    @abstractmethod
    def vocabulary(self) -> Sequence[str] | None:
        """Every word the data set can ever utter; None where that cannot be listed."""


DATASETS: Catalogue[Dataset] = Catalogue("data set", "restor.datasets", Dataset, "restor.datasets")


DatasetChoice = Annotated[SerializeAsAny[DatasetConfig], BeforeValidator(DATASETS.parse)]
"""A field of a configuration that holds the choice of a data set, by its name and its settings."""
