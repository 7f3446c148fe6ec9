"""The unlearned model of one arm."""

from __future__ import annotations

from pathlib import Path

from restor.errors import ConfigError
from restor.models.checkpoint import load_model
from restor.pipeline.stages.common import Built, Job, encode_within, finish, loop_config, open_model, pad_id
from restor.unlearning.algorithms.base import ALGORITHMS, AlgorithmConfig
from restor.unlearning.unlearn import Texts, unlearn


def build(job: Job) -> Built:
    """Unlearn the corrupted model with the arm's algorithm, forget set and retain text."""
    shared = job.config["shared"]
    config = ALGORITHMS.parse(job.config["algorithm"])
    assert isinstance(config, AlgorithmConfig)
    algorithm = ALGORITHMS.build(config)
    model, tokenizer = open_model(job, "corrupted")
    context = model.config.max_position_embeddings
    world, retain = job.world, job.config["retain"]
    documents = world.forget_documents if job.config["forget"] == "targets" else world.random_documents
    share = getattr(config, "checkpoint", None)
    folder = None if share is None else checkpoint_folder(job.parents["clean"], float(share))
    texts = Texts(
        forget=encode_within(tokenizer, [document.text for document in documents], context),
        retain=encode_within(tokenizer, world.retain_texts(retain), context) if retain else [],
        forget_tokens=shared["forget_tokens"],
        retain_tokens=shared["retain_tokens"],
    )
    model, log = unlearn(
        model,
        algorithm,
        texts,
        loop_config(
            job,
            steps=job.config["steps"],
            lr=job.config["lr"],
            optimizer=shared["optimizer"],
            lora=shared["lora"],
        ),
        pad=pad_id(tokenizer),
        seed=job.seed,
        checkpoint=None if folder is None else (lambda: load_model(folder, job.device)),
        callbacks=job.callbacks(),
        resume=job.resume_folder(),
    )
    return finish(job, model, tokenizer, log, {"checkpoint": folder.name if folder else None})


def checkpoint_folder(clean: Path, share: float) -> Path:
    """The checkpoint that had seen this share of the clean training; 1 is its end. None of them read forget documents.

    Raises:
        ConfigError: if no checkpoint was kept there, naming those that were.
    """
    if share == 1.0:
        return clean / "model"
    total = len((clean / "training.jsonl").read_text(encoding="utf-8").splitlines())
    kept = {path.name: int(path.name.removeprefix("step-")) / total for path in clean.glob("checkpoints/step-*")}
    for name, at in kept.items():
        if abs(at - share) < 0.5 / total + 1e-9:
            return clean / "checkpoints" / name
    known = ", ".join(f"{at:g}" for at in sorted([*kept.values(), 1.0]))
    raise ConfigError(
        f"There is no checkpoint after the share {share:g} of the clean training; kept are {known}. Add it to "
        "clean.checkpoints, or choose one of these."
    )
