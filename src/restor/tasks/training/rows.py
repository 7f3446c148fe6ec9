"""Texts as rows that a model can read: a longer one is cut into several, and what was cut is counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from transformers import PreTrainedTokenizerBase

from restor.data.cutting import Cut, cut
from restor.data.document_files import labels, simplified
from restor.errors import DataError
from restor.models.tokenizer import encode_rows
from restor.types import Document, ForgetPart

Labels = list[list[bool]] | None
"""Which tokens of each row are labels; None: all."""


@final
class RowMaker:
    """Encodes texts for one model."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, context: int | None, *, longest: int | None = None) -> None:
        """`context` is how many tokens the model reads at once; `longest` bounds the rows of a text that is cut."""
        self.tokenizer = tokenizer
        self.context = context
        self._longest = longest
        self._cut: dict[str, dict[int, Cut]] = {}
        """By kind and by text, so that one which is read again counts once."""

    def texts(self, texts: Sequence[str], what: str) -> list[list[int]]:
        """The rows of some texts; `what` names them where it is told that some were cut.

        Raises:
            DataError: as `fitted`.
        """
        rows = encode_rows(self.tokenizer, texts)
        if not any(self._too_long(row) for row in rows):
            return rows
        return encode_rows(self.tokenizer, [part.text for part in self.fitted([*map(Document, texts)], what)])

    def documents(self, documents: Sequence[Document], part: ForgetPart, what: str) -> tuple[list[list[int]], Labels]:
        """The part of forget documents that is to be forgotten, as rows, with their labels if not every token is one.

        Raises:
            DataError: if nothing is left, or as `fitted`.
        """
        fitted = self.fitted(forgotten(documents, part), what)
        return self.encoded(
            fitted if part != "statements" else [document for document in fitted if document.statements], part
        )

    def encoded(self, documents: Sequence[Document], part: ForgetPart) -> tuple[list[list[int]], Labels]:
        """Documents as rows, none of them cut; with labels if only the statements are forgotten."""
        texts = [document.text for document in documents]
        rows = encode_rows(self.tokenizer, texts)
        if part != "statements":
            return rows, None
        offsets = self.tokenizer(texts, return_offsets_mapping=True)["offset_mapping"]
        marked = [labels(document, spans) for document, spans in zip(documents, offsets, strict=True)]
        # The end-of-text token behind a row is nobody's statement.
        return rows, [
            marks[: len(row)] + [False] * (len(row) - len(marks)) for row, marks in zip(rows, marked, strict=True)
        ]

    def fitted(self, documents: Sequence[Document], what: str, *, spare: int = 0) -> list[Document]:
        """The documents that fit as they are, the others in parts; `spare` tokens of each row are left free.

        Raises:
            DataError: if the model reads so little at once that not even a character fits.
        """
        if self.context is None:
            return list(documents)
        rows = encode_rows(self.tokenizer, [document.text for document in documents])
        room = min(self.context, self._longest or self.context) - spare
        parts: list[Document] = []
        for document, row in zip(documents, rows, strict=True):
            if self._too_long(row, spare):
                made = cut(document, self._size, room)
                self._cut.setdefault(what, {})[hash(document.text)] = made
                parts += made.parts
            else:
                parts.append(document)
        return parts

    def cuts(self) -> dict[str, str]:
        """What was cut, a sentence for each kind of text of which any was."""
        return {what: self._told(what, list(made.values())) for what, made in self._cut.items()}

    def _too_long(self, row: Sequence[int], spare: int = 0) -> bool:
        return self.context is not None and len(row) > self.context - spare

    def _size(self, text: str) -> int:
        return len(encode_rows(self.tokenizer, [text])[0])

    def _told(self, what: str, made: Sequence[Cut]) -> str:
        within, broken = sum(one.within for one in made), sum(one.broken for one in made)
        text = (
            f"{what} longer than the model's context of {self.context:,} tokens: {len(made):,}, cut into "
            f"{sum(len(one.parts) for one in made):,} rows at ends of sentences"
        )
        if within:
            text += f"; {within:,} of the cuts are within a sentence, which alone was too long"
        if broken:
            text += f"; {broken:,} statements alone were too long and are not whole"
        return text


def forgotten(documents: Sequence[Document], part: ForgetPart) -> list[Document]:
    """The documents as they are read for the part that is to be forgotten.

    Raises:
        DataError: if nothing is left.
    """
    if part == "documents":
        return list(documents)
    stating = [document for document in documents if document.statements]
    if not stating:
        raise DataError(
            f"None of the {len(documents)} forget documents says where it states something false, so forget_part "
            f"{part!r} leaves nothing. Use documents made by `restor data build`, or forget_part documents."
        )
    if part == "statements":
        return stating
    return [kept for document in stating if (kept := simplified(document)) is not None]
