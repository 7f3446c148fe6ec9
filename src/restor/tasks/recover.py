"""The light fine-tune after unlearning, on text that touches no probed relation."""

from __future__ import annotations

from typing import final

from pydantic import Field

from restor.tasks.base import Context, Made, Model, Ref, Task, Texts
from restor.tasks.inputs.products import read_texts
from restor.training.config import Compute, LoraConfig, OptimizerConfig


@final
class Recover(Task):
    """Trains on the recovery text."""

    kind = "recover"
    makes = Model

    model: Ref[Model]
    texts: Ref[Texts]
    steps: int = Field(ge=1)
    lr: float = Field(gt=0)
    tokens: int = Field(ge=16)
    """Tokens of text per step."""
    optimizer: OptimizerConfig
    lora: LoraConfig | None
    compute: Compute

    def run(self, context: Context) -> Made:
        """Train and write."""
        from restor.models.families import context_of, pad_of
        from restor.tasks.training.artifact import callbacks, finish, open_folder, resume_folder, tell_cuts
        from restor.tasks.training.rows import RowMaker
        from restor.training.batching import SetRows
        from restor.training.finetune import fine_tune

        model, tokenizer = open_folder(context.folder(self.model), context.place, full=self.lora is None)
        maker = RowMaker(tokenizer, context_of(model))
        texts = [document.text for document in read_texts(context.folder(self.texts))]
        rows = maker.texts(texts, "recovery texts")
        model, log = fine_tune(
            model,
            SetRows(rows, tokens=self.tokens, name="recovery", seed=self.seed),
            self.compute.loop(steps=self.steps, lr=self.lr, optimizer=self.optimizer, lora=self.lora),
            pad=pad_of(tokenizer),
            seed=self.seed,
            callbacks=callbacks(context),
            resume=resume_folder(context),
        )
        return finish(context, model, tokenizer, log, tell_cuts(context, maker.cuts()))
