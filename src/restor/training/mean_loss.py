"""How well a model predicts some rows, without training it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from restor.models.labelled import collate, predict
from restor.models.precision import Precision
from restor.training.batching import SetRows
from restor.training.callbacks.validate import undisturbed
from restor.training.optim import autocast

MEASURED = 8_192
"""Tokens that are read for it, at least one row: about what a step of a large model takes."""


def mean_loss(
    model: PreTrainedModel,
    rows: Sequence[Sequence[int]],
    *,
    pad: int,
    tokens: int,
    precision: Precision,
    labels: Sequence[Sequence[bool]] | None = None,
) -> float:
    """The mean cross-entropy of the next token over some of the rows, spread over all, in nats; nothing is changed.

    Args:
        model: on its device.
        rows: of which some are read; there must be one.
        pad: token id that fills rows up.
        tokens: read at a time, padding counted.
        precision: as in a training.
        labels: which tokens count; None: all.
    """
    every = max(1, sum(map(len, rows)) // MEASURED)
    some = SetRows(
        rows[::every], tokens=tokens, name="measured", seed=0, labels=None if labels is None else labels[::every]
    )
    total, count = 0.0, 0
    with undisturbed(model), torch.no_grad():
        for step in range(some.steps_per_epoch):
            part = some.rows(step)
            batch = collate(part.ids, part.numbers, pad, part.labels).to(model.device)
            with autocast(model.device, precision):
                log_probs = predict(model, batch).log_probs()
            total -= float(log_probs.sum())
            count += len(log_probs)
    return total / max(count, 1)
