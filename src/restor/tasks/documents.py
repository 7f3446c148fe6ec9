"""Forget documents of a file, as a forget set. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import final

from restor.data.document_files import read_documents
from restor.results import Cost
from restor.tasks.base import Context, Made, Task, Texts
from restor.tasks.inputs.products import write_texts


@final
class ReadDocuments(Task):
    """Reads a file of documents, with what they state where it says so."""

    kind = "documents"
    makes = Texts
    needs_torch = False

    path: Path

    @property
    def detail(self) -> str:
        """The file."""
        return self.path.name

    def run(self, context: Context) -> Made:
        """Read and write."""
        documents = read_documents(self.path)
        write_texts(context.directory, documents)
        return Made(Cost(), {"documents": len(documents)})
