"""A checkpoint made elsewhere, unlearned."""

from __future__ import annotations

from typing import Any, final

from restor.tasks.base import Context, Made, Model, Task
from restor.tasks.checkpoint_settings import UnlearnConfig


@final
class UnlearnCheckpoint(Task):
    """A checkpoint made elsewhere, unlearned."""

    kind = "unlearn_checkpoint"
    makes = Model
    told_as = "unlearn"

    config: UnlearnConfig
    lineage: dict[str, Any]
    """What is known of the checkpoint before it is made: parents, data, configuration."""

    def run(self, context: Context) -> Made:
        """Train, measure and write."""
        from restor.tasks.checkpoint_training import load, write_checkpoint
        from restor.tasks.checkpoint_unlearning import unlearn_checkpoint

        model, tokenizer = load(context, self.config)
        model, log, info, reads = unlearn_checkpoint(context, self.config, model, tokenizer, None)
        return write_checkpoint(context, self.lineage, model, tokenizer, log, info, reads)
