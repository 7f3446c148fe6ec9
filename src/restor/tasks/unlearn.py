"""The unlearned model of one arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from restor.data.facts import FactsFile
from restor.data.overlap import overlap
from restor.errors import ConfigError, DataError, TrainingError
from restor.models.checkpoint import load_model
from restor.models.families import context_of, pad_of
from restor.models.lineage import read_history, read_lineage
from restor.models.loading import load_checkpoint
from restor.models.reference import ModelRef
from restor.tasks.context import REF_FILE, Built, Job, finish, loop_config, open_model, tell_cuts
from restor.tasks.material import encode_texts
from restor.tasks.provenance import refuse_reader
from restor.tasks.rows import RowMaker
from restor.training.callbacks.base import Callback
from restor.training.loop import TrainingLog
from restor.types import Budget
from restor.unlearning.algorithms.base import ALGORITHMS, Algorithm, AlgorithmConfig
from restor.unlearning.unlearn import unlearn
from restor.unlearning.wrappers.base import WRAPPERS

CPU = torch.device("cpu")

Begin = Callable[[PreTrainedModel, PreTrainedTokenizerBase, Algorithm, int], Sequence[Callback]]
"""Looks at the corrupted model before anything changes it; returns what looks at it in training. It gets the model,
its tokenizer, the algorithm and the number of steps."""


def build(job: Job) -> Built:
    """Unlearn the corrupted model with the arm's algorithm, forget set and retain text."""
    model, tokenizer, log, info = _unlearn(job, None)
    return finish(job, model, tokenizer, log, info)


def unlearned(job: Job, begin: Begin) -> tuple[PreTrainedModel, TrainingLog]:
    """The same for whoever wants to look at the model on the way."""
    model, _, log, _ = _unlearn(job, begin)
    return model, log


def _unlearn(
    job: Job, begin: Begin | None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, TrainingLog, dict[str, Any]]:
    shared = job.config["shared"]
    config = ALGORITHMS.parse(job.config["algorithm"])
    assert isinstance(config, AlgorithmConfig)
    algorithm = ALGORITHMS.build(config)
    plan = algorithm.plan
    wrapper = None if job.config["wrapper"] is None else WRAPPERS.build(WRAPPERS.parse(job.config["wrapper"]))
    full = shared["lora"] is None
    model, tokenizer = open_model(job, "corrupted", full=full)
    world, retain = job.world, job.config["retain"]
    targeted = job.config["forget"] == "targets"
    kept = world.retain_texts(retain) if retain else []
    maker = RowMaker(tokenizer, context_of(model))
    texts, info = encode_texts(
        plan,
        model,
        maker,
        documents=world.forget_documents if targeted else world.random_documents,
        part=shared["forget_part"] if targeted else "documents",
        retain=kept,
        truth=world.truth_texts,
        facts=lambda: [item.fact for item in world.planted.values()],
        others=(),
        tokens=(shared["forget_tokens"], shared["retain_tokens"]),
        seed=job.seed,
        memo=job.memo.setdefault(f"samples/{job.parents['corrupted']}/{job.config['forget']}", {}),
    )
    info |= tell_cuts(job, maker.cuts())
    share, earlier, files = None, None, None
    if Budget.CHECKPOINT in plan.budget():
        share = float(getattr(config, "checkpoint", 1.0))
        earlier, files = _checkpoint(job, share)
    loop = loop_config(
        job, steps=job.config["steps"], lr=job.config["lr"], optimizer=shared["optimizer"], lora=shared["lora"]
    ).model_copy(update={"stop": job.config["stop"]})
    watching = begin(model, tokenizer, algorithm, loop.steps) if begin is not None else ()
    try:
        model, log = unlearn(
            model,
            algorithm,
            texts,
            loop,
            pad=pad_of(tokenizer),
            seed=job.seed,
            wrapper=wrapper,
            checkpoint=earlier,
            checkpoint_files=files,
            callbacks=[*job.callbacks(), *watching],
            resume=job.resume_folder(),
        )
    except (ConfigError, DataError) as error:  # of this arm alone: the others go on
        raise TrainingError(str(error)) from error
    found = {"checkpoint": share, "overlap": _overlap(job, retain, kept) if kept else None, **info}
    return model, tokenizer, log, found


def _overlap(job: Job, retain: str, texts: Sequence[str]) -> str:
    """What the retain text shares with the forget documents, worked out once per seed; told if it is anything."""
    key = f"overlap/{retain}"
    if key not in job.memo:
        found = overlap(job.world.forget_documents, texts, FactsFile(tuple(job.world.domain.facts), {}))
        job.memo[key] = found.summary()
        if found:
            job.progress.note(f"the {retain} retain text overlaps what is to be forgotten: {found.summary()}")
    return str(job.memo[key])


def _checkpoint(job: Job, share: float) -> tuple[Callable[[], PreTrainedModel], Path | None]:
    """Loads the checkpoint that had seen this share of the clean training, on the CPU, and where its files are.

    Raises:
        ConfigError: if there is none, or it has read the forget documents.
    """
    clean = job.parents["clean"]
    texts = [document.text for document in job.world.forget_documents]
    if not (clean / REF_FILE).is_file():
        folder = checkpoint_folder(clean, share)
        refuse_reader(folder.name, read_history(folder), texts)
        return lambda: load_model(folder, CPU), folder
    if share != 1.0:
        raise ConfigError(
            f"The clean model is a checkpoint made elsewhere, of whose training nothing is kept: the share {share:g} "
            "cannot be had. Set the algorithm's checkpoint to 1."
        )
    ref = ModelRef.model_validate_json((clean / REF_FILE).read_text(encoding="utf-8"))
    if ref.folder is not None:
        refuse_reader(ref.label, read_lineage(ref.folder), texts)
    plain = ref.folder is not None and ref.adapter is None
    return lambda: load_checkpoint(ref, device=CPU)[0], ref.folder if plain else None


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
