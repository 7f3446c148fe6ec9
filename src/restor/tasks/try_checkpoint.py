"""One point of a grid on a checkpoint made elsewhere: trained once and looked at on the way. It leaves no model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from restor.data.documents import read_documents
from restor.errors import ConfigError, DataError, TrainingError
from restor.tasks.base import Context, Made, Task, Trace
from restor.tasks.checkpoint_settings import UnlearnConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from restor.training.loop import TrainingLog


@final
class TryCheckpoint(Task):
    """One point of a grid on a checkpoint made elsewhere: trained once and looked at on the way. It leaves no model."""

    kind = "try_checkpoint"
    makes = Trace
    told_as = "trial"

    config: UnlearnConfig
    lineage: dict[str, Any]
    """What is known of the checkpoint before it is made: parents, data, configuration."""

    def run(self, context: Context) -> Made:
        """Train, look and write.

        Raises:
            TrainingError: if this point cannot be tried, so that the others go on.
        """
        from restor.selection.split import split_targets
        from restor.tasks.checkpoint_training import load
        from restor.tasks.checkpoint_unlearning import unlearn_checkpoint
        from restor.tasks.training.watching import Watch, watched

        config = self.config
        assert config.select is not None, "asked for"
        if "validation" not in context.memo:
            split = split_targets(read_documents(config.files["forget"]), config.files["facts"], config.select)
            context.memo["validation"] = split.validation(config.select)
        watch = Watch(context, context.memo["validation"], of="corrupted")

        def run() -> tuple[PreTrainedModel, TrainingLog]:
            model, tokenizer = load(context, config)
            try:
                model, log, *_ = unlearn_checkpoint(context, config, model, tokenizer, watch.begin)
            except (ConfigError, DataError) as error:  # of this point alone: the others go on
                raise TrainingError(str(error)) from error
            return model, log

        return watched(context, watch, run)
