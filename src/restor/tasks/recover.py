"""The light fine-tune after unlearning, on text that touches no probed relation."""

from __future__ import annotations

from restor.models.families import context_of, pad_of
from restor.tasks.context import Built, Job, finish, loop_config, open_model, tell_cuts
from restor.tasks.rows import RowMaker
from restor.training.batching import SetRows
from restor.training.finetune import fine_tune


def build(job: Job) -> Built:
    """Train on the recovery text."""
    settings = job.config["recovery"]
    model, tokenizer = open_model(job, "model", full=settings["lora"] is None)
    texts = job.world.recovery_texts(settings["texts"])
    maker = RowMaker(tokenizer, context_of(model))
    rows = maker.texts(texts, "recovery texts")
    model, log = fine_tune(
        model,
        SetRows(rows, tokens=settings["tokens"], name="recovery", seed=job.seed),
        loop_config(
            job, steps=settings["steps"], lr=settings["lr"], optimizer=settings["optimizer"], lora=settings["lora"]
        ),
        pad=pad_of(tokenizer),
        seed=job.seed,
        callbacks=job.callbacks(),
        resume=job.resume_folder(),
    )
    return finish(job, model, tokenizer, log, tell_cuts(job, maker.cuts()))
