"""The unlearned model of one arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from transformers import PreTrainedModel

from restor.data.facts import FactsFile
from restor.data.overlap import overlap
from restor.errors import ConfigError
from restor.experiment import ForgetPart
from restor.models.checkpoint import load_model
from restor.models.families import context_of, pad_of
from restor.pipeline.stages.common import (
    REF_FILE,
    Built,
    Job,
    encode_documents,
    encode_within,
    finish,
    loop_config,
    open_model,
)
from restor.unlearning.algorithms.base import ALGORITHMS, AlgorithmConfig
from restor.unlearning.unlearn import Texts, unlearn


def build(job: Job) -> Built:
    """Unlearn the corrupted model with the arm's algorithm, forget set and retain text."""
    shared = job.config["shared"]
    config = ALGORITHMS.parse(job.config["algorithm"])
    assert isinstance(config, AlgorithmConfig)
    algorithm = ALGORITHMS.build(config)
    full = shared["lora"] is None
    model, tokenizer = open_model(job, "corrupted", full=full)
    context = context_of(model)
    world, retain = job.world, job.config["retain"]
    documents = world.forget_documents if job.config["forget"] == "targets" else world.random_documents
    share = getattr(config, "checkpoint", None)
    earlier = None if share is None else _checkpoint(job, float(share), full=full)
    part: ForgetPart = shared["forget_part"] if job.config["forget"] == "targets" else "documents"
    forget, labels = encode_documents(tokenizer, documents, context, part)
    kept = world.retain_texts(retain) if retain else []
    texts = Texts(
        forget=forget,
        forget_labels=labels,
        retain=encode_within(tokenizer, kept, context),
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
        pad=pad_of(tokenizer),
        seed=job.seed,
        checkpoint=earlier,
        callbacks=job.callbacks(),
        resume=job.resume_folder(),
    )
    info = {"checkpoint": share, "overlap": _overlap(job, retain, kept) if kept else None}
    return finish(job, model, tokenizer, log, info)


def _overlap(job: Job, retain: str, texts: Sequence[str]) -> str:
    """What the retain text shares with the forget documents, worked out once per seed; told if it is anything."""
    key = f"overlap/{retain}"
    if key not in job.memo:
        found = overlap(job.world.forget_documents, texts, FactsFile(tuple(job.world.domain.facts), {}))
        job.memo[key] = found.summary()
        if found:
            job.progress.note(f"the {retain} retain text overlaps what is to be forgotten: {found.summary()}")
    return str(job.memo[key])


def _checkpoint(job: Job, share: float, *, full: bool) -> Callable[[], PreTrainedModel]:
    """Loads the checkpoint that had seen this share of the clean training."""
    clean = job.parents["clean"]
    if not (clean / REF_FILE).is_file():
        folder = checkpoint_folder(clean, share)
        return lambda: load_model(folder, job.device, full=full)
    if share != 1.0:
        raise ConfigError(
            f"The clean model is a checkpoint made elsewhere, of whose training nothing is kept: the share {share:g} "
            "cannot be had. Set the algorithm's checkpoint to 1."
        )
    return lambda: open_model(job, "clean", full=full)[0]


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
