"""The light fine-tune after unlearning, on text that touches no probed relation."""

from __future__ import annotations

from restor.pipeline.stages.common import Built, Job, encode_within, finish, loop_config, open_model, pad_id
from restor.training.batching import SetRows
from restor.training.loop import train
from restor.training.objective import LanguageModelling


def build(job: Job) -> Built:
    """Train on the recovery text."""
    settings = job.config["recovery"]
    model, tokenizer = open_model(job, "model")
    texts = job.world.recovery_texts(settings["texts"])
    rows = encode_within(tokenizer, texts, model.config.max_position_embeddings)
    log = train(
        model,
        LanguageModelling(),
        {"text": SetRows(rows, tokens=settings["tokens"], name="recovery", seed=job.seed)},
        loop_config(job, steps=settings["steps"], lr=settings["lr"], optimizer=settings["optimizer"]),
        pad=pad_id(tokenizer),
        seed=job.seed,
        callbacks=job.callbacks(),
        resume=job.resume_folder(),
    )
    return finish(job, model, tokenizer, log, {})
