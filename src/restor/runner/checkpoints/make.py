"""One checkpoint in, one out: corrupt, unlearn and recover models that were made elsewhere.

The work is a task in a store of its own beside the output folder, so it survives a kill and continues, and the output
folder appears at once and whole.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from restor.data.document_files import read_documents
from restor.datasets.base import DatasetConfig
from restor.errors import ConfigError, DataError, StoreError, TrainingError
from restor.models.lineage import (
    LINEAGE_FILE,
    SEEN_FILE,
    Lineage,
    Parent,
    Read,
    new_lineage,
    parent_of,
    read_lineage,
    write_lineage,
)
from restor.models.model_ref import pinned
from restor.models.precision import machine_folder
from restor.models.provenance import check_earlier
from restor.progress import Progress
from restor.registry import short_name
from restor.runner.checkpoints.plan import CheckpointBuilder
from restor.runner.checkpoints.search import GridSearch
from restor.runner.checkpoints.settings import CheckpointConfig, CorruptConfig, RecoverConfig, UnlearnConfig
from restor.runner.durations import ahead_of
from restor.runner.execute import Executor
from restor.runner.precision import checkpoint_precision
from restor.runner.threads import remembered_threads
from restor.store.disk import sha256_file, store_errors, sync
from restor.store.store import Artifact, Store
from restor.tasks.base import Model, Ref, Task, content, ref_to
from restor.tasks.inputs.products import read_texts
from restor.tasks.tabulation.arms import in_order
from restor.tasks.training.checks import StrengthConfig
from restor.tasks.training.strength import Strength
from restor.types import Budget
from restor.unlearning.algorithms.base import ALGORITHMS

PLACES = frozenset({"model", "checkpoint", "forget", "facts", "retain", "text", "device"})
"""Fields that say where something is; what it holds is known by its digest."""
SAVE_EVERY = 120.0
"""Seconds between a training run's own checkpoints: those of a large model take long to write."""


def make_checkpoint(config: CheckpointConfig, out: Path, *, progress: Progress, save_every: float = SAVE_EVERY) -> bool:
    """Make the checkpoint that `config` describes and put it at `out`; returns whether it was there already.

    Raises:
        StoreError: if `out` holds something else, or the disk refuses.
        RestorError: for a checkpoint, data or a setting that cannot be used. A run that was stopped goes on where it
            was when it is started again.
    """
    parents = {role: parent_of(ref) for role, ref in config.parents.items()}
    config = _pinned(config, parents)
    lineage = _lineage(config, parents)
    work = out.absolute().parent / f".{out.name}.restor-work"
    if out.exists():
        if _made_alike(out, lineage):
            shutil.rmtree(work, ignore_errors=True)  # left by a kill at the very end
            return True
        raise StoreError(
            f"{out} exists and is not what this command makes. Choose another --out, or move it away first: nothing "
            "is overwritten."
        )
    precision = checkpoint_precision(config.precision, config.model, config.device, machine_folder(), progress.note)
    config = config.model_copy(update={"precision": precision})
    lineage = lineage.model_copy(update={"config": {**lineage.config, "precision": precision}})
    findings: dict[str, Any] = {}
    search = None
    match config:
        case CorruptConfig() if config.facts is not None:
            # What cannot be told is said before any model is loaded.
            strength = StrengthConfig(domain=CheckpointBuilder(config, parents).domain, evaluation=config.evaluation)
            Strength(read_documents(config.files["forget"]), strength, config.seed)
        case UnlearnConfig():
            if config.select is not None:
                search = GridSearch(config, parents)
                search.tell_too_few(progress)
            if config.checkpoint is not None:
                caveat = check_earlier(parents["corrupted"], parents["checkpoint"], config.files["forget"])
                if caveat is not None:
                    progress.note(caveat)
                    findings["checkpoint"] = caveat
    with store_errors(work):
        work.parent.mkdir(parents=True, exist_ok=True)
    store = Store.open(work)
    tasks = [*([] if search is None else search.tasks), *in_order([_planned(config, parents)])]
    executor = Executor(
        store,
        progress,
        device=config.device,
        threads=config.threads or remembered_threads(store.path),
        save_every=save_every,
        total=len({task.key for task in tasks}),
        ahead=ahead_of(store, tasks),
    )
    try:
        if search is not None:
            config, findings["selection"] = search.run(executor)
            lineage = _lineage(config, parents)
        ref = _planned(config, parents)
        artifact = executor.make_chain(ref, out.name)
    except (ConfigError, DataError):
        _clear(work)
        raise
    if artifact is None:
        _clear(work)
        raise TrainingError(executor.failure([ref.task]) or "The checkpoint could not be made.")
    with store_errors(out):
        _put(artifact, out, lineage.model_copy(update={"findings": findings}), _reads(config, ref.task, executor))
        shutil.rmtree(work)
    return False


def _planned(config: CheckpointConfig, parents: Mapping[str, Parent]) -> Ref[Model]:
    return ref_to(CheckpointBuilder(config, parents).task(), Model)


def _clear(work: Path) -> None:
    """Remove what is left of a run that failed, unless it could be continued or a selection has tried something."""
    if not any(any(work.glob(f"artifacts/{left}")) for left in ("*/resume/**/step-*", "trial-*/DONE")):
        shutil.rmtree(work, ignore_errors=True)


def _put(artifact: Artifact, out: Path, lineage: Lineage, reads: Sequence[Read]) -> None:
    """Move the checkpoint to its place, with the log of its training and its lineage. Raises OSError."""
    cost, info = artifact.manifest.cost, artifact.manifest.info
    seen = (*lineage.seen, *(read.seen(lineage.stage, steps=cost.steps, tokens=cost.tokens) for read in reads))
    changes = {
        "findings": {**lineage.findings, **info},
        "seen": seen,
        "created": datetime.now(UTC).replace(microsecond=0),
    }
    model = artifact.path / "model"
    shutil.copyfile(artifact.path / "training.jsonl", model / "training.jsonl")
    write_lineage(lineage.model_copy(update=changes), model)
    (model / SEEN_FILE).unlink(missing_ok=True)  # the lineage says more
    os.replace(model, out)
    sync(out.parent)


def _reads(config: CheckpointConfig, task: Task, executor: Executor) -> list[Read]:
    """The texts that the checkpoint was trained on."""

    def texts(role: str) -> list[str]:
        folder = executor.artifacts[task.inputs[role].key].path
        return [document.text for document in read_texts(folder)]

    def of_file(role: str, file: str, texts: Sequence[str]) -> Read:
        return Read(role, config.files[file].name, texts, sha256_file(config.files[file]))

    def of_dataset(role: str, source: DatasetConfig, texts: Sequence[str]) -> Read:
        return Read(role, source.label, texts)

    match config:
        case CorruptConfig():
            return [of_file("documents", "forget", texts("forget"))]
        case RecoverConfig():
            return [of_dataset("text", config.text, texts("texts"))]
        case UnlearnConfig():
            budget = ALGORITHMS.build(config.algorithm).plan.budget()
            reads = [of_file("forget", "forget", texts("forget"))] if Budget.FORGET in budget else []
            if "retain" in task.inputs and config.retain is not None:
                reads.append(of_dataset("retain", config.retain, texts("retain")))
            if Budget.TRUTH in budget and config.facts is not None:
                reads.append(of_file("truth", "facts", ()))
            return reads
    raise AssertionError(f"no such verb: {config}")


def _pinned(config: CheckpointConfig, parents: Mapping[str, Parent]) -> CheckpointConfig:
    """The configuration with hub ids at their commits: what is loaded is then what was identified."""
    refs = {role: pinned(ref, parents[role].fingerprint) for role, ref in config.parents.items()}
    # The model is the parent that is no earlier checkpoint.
    changes = {"checkpoint" if role == "checkpoint" else "model": ref for role, ref in refs.items()}
    return config.model_copy(update=changes)


def _lineage(config: CheckpointConfig, parents: Mapping[str, Parent]) -> Lineage:
    files = {role: sha256_file(path) for role, path in config.files.items()}
    algorithm = ALGORITHMS.build(config.algorithm) if isinstance(config, UnlearnConfig) else None
    return new_lineage(
        stage=config.stage,
        config=config.model_dump(mode="json", exclude={"threads"}) | {"datasets": dict(config.datasets)},
        seed=config.seed,
        parents=dict(parents),
        data=files,
        algorithm=short_name(config.algorithm.name) if isinstance(config, UnlearnConfig) else None,
        budget=algorithm.plan.budget() if algorithm is not None else None,
    )


def _identity(lineage: Lineage) -> dict[str, Any]:
    """What decides the result: not when it was made and by which versions, nor where what was read is."""
    kept = lineage.model_dump(mode="json", include={"stage", "seed", "data"})
    config = {key: value for key, value in lineage.config.items() if key not in PLACES}
    parents = {role: parent.fingerprint for role, parent in lineage.parents.items()}
    dtype = lineage.config["model"]["dtype"]
    return {**kept, "config": content(config), "dtype": dtype, "parents": parents}


def _made_alike(out: Path, lineage: Lineage) -> bool:
    if not (out / LINEAGE_FILE).is_file():
        return False
    there = read_lineage(out)
    if there is None:
        return False
    # What a selection chose is not what was asked for, nor is the precision that was found to be faster.
    asked = there.findings.get("selection", {}).get("asked", {})
    if lineage.config["precision"] == "auto":
        asked = {**asked, "precision": "auto"}
    return _identity(there.model_copy(update={"config": {**there.config, **asked}})) == _identity(lineage)
