"""A checkpoint made elsewhere, fine-tuned lightly on ordinary text."""

from __future__ import annotations

from typing import Any, final

from restor.tasks.base import Context, Made, Model, Task
from restor.tasks.checkpoint_settings import RecoverConfig


@final
class RecoverCheckpoint(Task):
    """A checkpoint made elsewhere, fine-tuned lightly on ordinary text."""

    kind = "recover_checkpoint"
    makes = Model
    told_as = "recover"

    config: RecoverConfig
    lineage: dict[str, Any]
    """What is known of the checkpoint before it is made: parents, data, configuration."""

    def run(self, context: Context) -> Made:
        """Train, measure and write."""
        from restor.models.families import pad_of
        from restor.tasks.checkpoint_training import (
            load,
            loop_of,
            read_of_dataset,
            row_maker,
            texts_of,
            write_checkpoint,
        )
        from restor.tasks.training.artifact import callbacks, resume_folder, tell_cuts
        from restor.tasks.training.losses import Losses, Watched
        from restor.training.batching import SetRows
        from restor.training.finetune import fine_tune

        config = self.config
        model, tokenizer = load(context, config)
        texts = texts_of(config.text, config.most_texts, config.seed)
        maker = row_maker(config, model, tokenizer)
        encoded = maker.texts(texts, "recovery texts")
        info: dict[str, Any] = {"recovery_texts": len(texts), **tell_cuts(context, maker.cuts())}
        losses = Losses(model, tokenizer, [Watched("the text", "learn", encoded)], config, context.progress)
        rows = SetRows(encoded, tokens=config.tokens, name="recovery", seed=config.seed)
        model, log = fine_tune(
            model,
            rows,
            loop_of(config, rows.steps_per_epoch),
            pad=pad_of(tokenizer),
            seed=config.seed,
            callbacks=callbacks(context),
            resume=resume_folder(context),
        )
        info["losses"] = losses.after(model)
        reads = [read_of_dataset("text", config.text, texts)]
        return write_checkpoint(context, self.lineage, model, tokenizer, log, info, reads)
