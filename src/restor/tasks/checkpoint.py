"""A checkpoint made elsewhere: `ref.json` says where it is; its weights are not copied."""

from __future__ import annotations

from typing import Any, final

from restor.models.model_ref import ModelRef
from restor.results import Cost
from restor.tasks.base import Context, Made, Model, Task

REF_FILE = "ref.json"
"""Stands in place of a model's weights where they are in a checkpoint made elsewhere."""


@final
class ReferToCheckpoint(Task):
    """Writes down which checkpoint it is."""

    kind = "checkpoint"
    makes = Model
    needs_torch = False

    model: ModelRef
    content: dict[str, Any]
    """Digests of its files."""

    @property
    def detail(self) -> str:
        """Which it is."""
        return self.model.label

    def run(self, context: Context) -> Made:
        """Write."""
        (context.directory / REF_FILE).write_text(self.model.model_dump_json(indent=1), encoding="utf-8")
        return Made(Cost(), {"model": self.model.label, "content": self.content})
