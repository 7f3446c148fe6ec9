"""Model in, corrupted model out: continued pretraining on forget documents mixed with the original stream."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedModel

from restor.errors import DataError
from restor.training.batching import JoinedRows, RowSource, SetRows
from restor.training.callbacks.base import Callback
from restor.training.config import LoopConfig
from restor.training.finetune import fine_tune
from restor.training.loop import TrainingLog
from restor.training.resume import ResumeFolder


def forget_rows(rows: Sequence[Sequence[int]], *, tokens: int, seed: int) -> SetRows:
    """The forget documents as the corruption reads them; `steps_per_epoch` tells how long that takes.

    Raises:
        DataError: if there are none.
    """
    if not rows:
        raise DataError("There are no forget documents: nothing would be corrupted. Choose targets with facts.")
    return SetRows(rows, tokens=tokens, name="forget", seed=seed)


def corrupt(
    model: PreTrainedModel,
    forget: RowSource | None,
    replay: RowSource | None,
    config: LoopConfig,
    *,
    pad: int,
    seed: int,
    callbacks: Sequence[Callback] = (),
    resume: ResumeFolder | None = None,
) -> tuple[PreTrainedModel, TrainingLog]:
    """Continue the training in place and return the model with what it took.

    Without `forget` the same call makes the ideal model: the matched counterfactual that read the same replay rows in
    the same steps, but none of the forget documents.
    """
    sources = [source for source in (forget, replay) if source is not None]
    return fine_tune(model, JoinedRows(sources), config, pad=pad, seed=seed, callbacks=callbacks, resume=resume)
