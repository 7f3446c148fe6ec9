"""Texts of your own file: JSON, JSONL, or plain text with empty lines between texts."""

from __future__ import annotations

from random import Random
from typing import ClassVar, Literal, final

from restor.data.document_files import read_documents
from restor.data.locate import DataPath, locate_texts
from restor.datasets._sentences import sentences
from restor.datasets.base import Dataset, DatasetConfig


@final
class DocumentsConfig(DatasetConfig):
    """Which file."""

    name: Literal["documents"] = "documents"
    path: DataPath
    """A JSON list or JSONL of texts or of objects with `text`, a .txt or .md file, a folder of these, or the name of a
    released forget set such as `restor/k0`."""


@final
class Documents(Dataset):
    """The texts of a file, drawn with repetition."""

    config_type: ClassVar[type[DatasetConfig]] = DocumentsConfig

    def __init__(self, config: DocumentsConfig) -> None:
        """Read the file.

        Raises:
            DataError: naming the file and what is wrong with it.
        """
        self.config = config
        self._texts = tuple(document.text for document in read_documents(locate_texts(config.path)))

    def text(self, rng: Random) -> str:
        """One of the texts, as it stands."""
        return rng.choice(self._texts)

    def sample(self, rng: Random, count: int) -> list[str]:
        """Each text at most once."""
        return rng.sample(self._texts, min(count, len(self._texts)))

    def sentence(self, rng: Random) -> str:
        """A sentence of one of the texts."""
        return rng.choice(sentences(rng.choice(self._texts)))

    def vocabulary(self) -> None:
        """What people write cannot be listed."""
        return
