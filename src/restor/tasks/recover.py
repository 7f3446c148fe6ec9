"""The light fine-tune after unlearning, on text that touches no probed relation."""

from __future__ import annotations

from typing import Any, final

from pydantic import Field

from restor.tasks.base import Context, Made, Model, Ref, Task, Texts
from restor.tasks.inputs.products import read_texts
from restor.tasks.training.checks import LossCheck
from restor.training.config import TrainingConfig


@final
class Recover(Task):
    """Trains on the recovery text."""

    kind = "recover"
    makes = Model

    model: Ref[Model]
    texts: Ref[Texts]
    tokens: int = Field(ge=16)
    """Tokens of text per step."""
    training: TrainingConfig
    losses: LossCheck | None = None
    """How the losses on the text are looked at; None: not at all."""

    def run(self, context: Context) -> Made:
        """Train and write."""
        from restor.models.families import context_of, pad_of
        from restor.tasks.training.artifact import callbacks, finish, open_folder, resume_folder, tell_cuts
        from restor.tasks.training.rows import RowMaker
        from restor.tasks.training.watched_losses import Losses, Watched
        from restor.training.batching import SetRows
        from restor.training.finetune import fine_tune

        settings = self.training
        model, tokenizer = open_folder(context.folder(self.model), context.place, full=settings.lora is None)
        maker = RowMaker(tokenizer, context_of(model), longest=settings.longest)
        texts = [document.text for document in read_texts(context.folder(self.texts))]
        encoded = maker.texts(texts, "recovery texts")
        info: dict[str, Any] = {"recovery_texts": len(texts), **tell_cuts(context, maker.cuts())}
        losses = None
        if self.losses is not None:
            watched = Watched("the text", "learn", encoded)
            losses = Losses(model, tokenizer, [watched], self.losses, settings, context.progress)
        rows = SetRows(encoded, tokens=self.tokens, name="recovery", seed=self.seed)
        model, log = fine_tune(
            model,
            rows,
            settings.loop(rows.steps_per_epoch),
            pad=pad_of(tokenizer),
            seed=self.seed,
            callbacks=callbacks(context),
            resume=resume_folder(context),
        )
        if losses is not None:
            info["losses"] = losses.after(model)
        return finish(context, model, tokenizer, log, info)
