"""A checkpoint made elsewhere, trained on documents that state wrong facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from restor.data.documents import read_documents
from restor.tasks.base import Context, Made, Model, Task
from restor.tasks.checkpoint_settings import CorruptConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from restor.tasks.training.strength import Knowledge, Strength
    from restor.types import Document


@final
class CorruptCheckpoint(Task):
    """A checkpoint made elsewhere, trained on documents that state wrong facts."""

    kind = "corrupt_checkpoint"
    makes = Model
    told_as = "corrupt"

    config: CorruptConfig
    lineage: dict[str, Any]
    """What is known of the checkpoint before it is made: parents, data, configuration."""

    def run(self, context: Context) -> Made:
        """Train, measure and write."""
        from restor.corruption.corrupt import corrupt, forget_rows
        from restor.models.families import pad_of
        from restor.tasks.checkpoint_training import load, loop_of, read_of_file, row_maker, write_checkpoint
        from restor.tasks.training.artifact import callbacks, resume_folder, tell_cuts
        from restor.tasks.training.losses import Losses, Watched

        config = self.config
        model, tokenizer = load(context, config)
        documents = read_documents(config.files["forget"])
        maker = row_maker(config, model, tokenizer)
        encoded, _ = maker.documents(documents, "documents", "forget documents")
        info: dict[str, Any] = {"forget_documents": len(documents), **tell_cuts(context, maker.cuts())}
        rows = forget_rows(encoded, tokens=config.tokens, seed=config.seed)
        strength = _strength(documents, config)
        knew = None if strength is None else _asked(strength, model, tokenizer)
        losses = Losses(model, tokenizer, [Watched("the forget documents", "learn", encoded)], config, context.progress)
        model, log = corrupt(
            model,
            rows,
            None,
            loop_of(config, rows.steps_per_epoch),
            pad=pad_of(tokenizer),
            seed=config.seed,
            callbacks=callbacks(context),
            resume=resume_folder(context),
        )
        info["losses"] = losses.after(model)
        if strength is not None and knew is not None:
            knows = _asked(strength, model, tokenizer)
            context.progress.note(strength.told(knew, knows))
            info["strength"] = {"before": knew.model_dump(), "after": knows.model_dump()}
        reads = [read_of_file("documents", config.files["forget"], documents)]
        return write_checkpoint(context, self.lineage, model, tokenizer, log, info, reads)


def _strength(documents: Sequence[Document], config: CorruptConfig) -> Strength | None:
    from restor.tasks.training.strength import Strength

    if config.facts is None:
        return None
    return Strength(documents, config.files["facts"], config.evaluation, config.seed)


def _asked(strength: Strength, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Knowledge:
    from restor.training.callbacks.validate import undisturbed

    with undisturbed(model):
        return strength.ask(model, tokenizer)
