"""One checkpoint in, one out: corrupt, unlearn and recover models that were made elsewhere.

The work is a stage in a store of its own beside the output folder, so it survives a kill and continues, and the output
folder appears at once and whole.
"""

from __future__ import annotations

import os
import shutil
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, final

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from restor.config import Config
from restor.data.locate import locate_documents, locate_facts
from restor.errors import ConfigError, DataError, StoreError, TrainingError
from restor.experiment import DatasetChoice, ForgetPart
from restor.models.lineage import LINEAGE_FILE, Lineage, Parent, new_lineage, parent_of, read_lineage
from restor.models.reference import ModelRef, pinned
from restor.pipeline.files import sha256_file, store_errors, sync
from restor.pipeline.maker import Maker
from restor.pipeline.plan import CORRUPTING, READING, UNLEARNING, told_to
from restor.pipeline.stage import Stage
from restor.pipeline.store import Store
from restor.pipeline.threads import remembered_threads
from restor.pipeline.world import content, with_seed
from restor.progress import Progress
from restor.training.config import LoraConfig, OptimizerConfig
from restor.types import Budget
from restor.unlearning.algorithms.base import ALGORITHMS, AlgorithmConfig

AlgorithmChoice = Annotated[SerializeAsAny[AlgorithmConfig], BeforeValidator(ALGORITHMS.parse)]


class CheckpointConfig(Config):
    """What the three have in common: a checkpoint and how it is trained. The defaults suit billions of parameters."""

    stage: ClassVar[Literal["corrupt", "unlearn", "recover"]]

    model: ModelRef
    """The checkpoint to begin from."""
    lr: float = Field(5e-5, gt=0)
    epochs: float = Field(1, gt=0)
    """How often the text is read, unless `steps` is given."""
    steps: int | None = Field(None, ge=0)
    tokens: int = Field(4096, ge=16)
    """Tokens of text per step, padding counted."""
    optimizer: OptimizerConfig = OptimizerConfig(betas=(0.9, 0.999), schedule="cosine")
    lora: LoraConfig | None = LoraConfig()
    """The adapter that is trained and merged; null trains all weights."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    accumulation: int = Field(1, ge=1)
    gradient_checkpointing: bool = False
    seed: int = 0
    device: str = "auto"
    threads: int | None = Field(None, ge=1)

    @property
    @abstractmethod
    def files(self) -> Mapping[str, Path]:
        """The files that are read, by role."""

    @property
    @abstractmethod
    def datasets(self) -> Mapping[str, Any]:
        """The data sets that are read, by role."""

    @property
    @abstractmethod
    def parents(self) -> Mapping[str, ModelRef]:
        """The checkpoints that are read, by role."""


@final
class CorruptConfig(CheckpointConfig):
    """Continued pretraining on documents that state wrong facts; learning rate and epochs are the published ones."""

    stage = "corrupt"

    documents: Path
    """The forget documents: a file, or a released forget set such as `restor/k4`."""
    epochs: float = Field(5, gt=0)

    @property
    def files(self) -> Mapping[str, Path]:
        """The documents."""
        return {"documents": locate_documents(self.documents)}

    @property
    def datasets(self) -> Mapping[str, Any]:
        """None."""
        return {}

    @property
    def parents(self) -> Mapping[str, ModelRef]:
        """The clean model."""
        return {"clean": self.model}


@final
class UnlearnConfig(CheckpointConfig):
    """An algorithm applied to a corrupted checkpoint. Learning rate and epochs are unpublished: ours are defaults."""

    stage = "unlearn"

    algorithm: AlgorithmChoice
    forget: Path
    """The forget documents: a file, or a released forget set such as `restor/k4`."""
    forget_part: ForgetPart = "documents"
    retain: DatasetChoice | None = None
    """Where retain text comes from, for the algorithms that read some."""
    retain_texts: int = Field(1000, ge=1)
    facts: Path | None = None
    """Facts about the targets, so that retain text which tells of them is found."""
    checkpoint: ModelRef | None = None
    """A checkpoint from before the forget documents, for the algorithms that need one."""

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> UnlearnConfig:
        algorithm = ALGORITHMS.build(self.algorithm)
        if algorithm.plan.retain and self.retain is None:
            raise ValueError(
                f"{self.algorithm.name} reads retain text: give --retain with a file or a data set, or set "
                "--algorithm.retain_weight 0"
            )
        if getattr(self.algorithm, "checkpoint", 1.0) != 1.0:
            raise ValueError(
                f"{self.algorithm.name}'s own checkpoint is a share of a training that restor did itself: leave it out "
                "and name the earlier model with --checkpoint"
            )
        if Budget.CHECKPOINT in algorithm.info.budget and self.checkpoint is None:
            raise ValueError(f"{self.algorithm.name} needs --checkpoint, a model from before the forget documents")
        return self

    @property
    def files(self) -> Mapping[str, Path]:
        """Forget documents, and facts where they are given."""
        found = {"forget": locate_documents(self.forget)}
        return found if self.facts is None else {**found, "facts": locate_facts(self.facts)[0]}

    @property
    def datasets(self) -> Mapping[str, Any]:
        """The retain text."""
        return {} if self.retain is None else {"retain": content(with_seed(self.retain, self.seed))}

    @property
    def parents(self) -> Mapping[str, ModelRef]:
        """The corrupted model, and an earlier checkpoint where one is given."""
        return {"corrupted": self.model} | ({} if self.checkpoint is None else {"checkpoint": self.checkpoint})


@final
class RecoverConfig(CheckpointConfig):
    """The light fine-tune that gives fluency back; learning rate and epochs are the published ones (on LIMA)."""

    stage = "recover"

    data: DatasetChoice
    """Where the text comes from."""
    texts: int = Field(1000, ge=1)
    lr: float = Field(2e-5, gt=0)
    epochs: float = Field(2, gt=0)

    @property
    def files(self) -> Mapping[str, Path]:
        """None: the data set says itself what it reads."""
        return {}

    @property
    def datasets(self) -> Mapping[str, Any]:
        """The recovery text."""
        return {"text": content(with_seed(self.data, self.seed))}

    @property
    def parents(self) -> Mapping[str, ModelRef]:
        """The unlearned model."""
        return {"unlearned": self.model}


SOURCES: Mapping[str, tuple[str, ...]] = {"corrupt": CORRUPTING, "unlearn": UNLEARNING, "recover": READING}
PLACES = frozenset({"model", "checkpoint", "documents", "forget", "facts", "retain", "data", "device"})
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
    stage = _stage(config, lineage)
    work = out.absolute().parent / f".{out.name}.restor-work"
    if out.exists():
        if _made_alike(out, lineage):
            shutil.rmtree(work, ignore_errors=True)  # left by a kill at the very end
            return True
        raise StoreError(
            f"{out} exists and is not what this command makes. Choose another --out, or move it away first: nothing "
            "is overwritten."
        )
    with store_errors(work):
        work.parent.mkdir(parents=True, exist_ok=True)
    store = Store.open(work)
    threads = config.threads or remembered_threads(store.path)
    maker = Maker(store, progress, threads=threads, save_every=save_every, total=1)
    try:
        maker.make_one(stage, out.name, config.device)
    except (ConfigError, DataError):
        if not any(work.glob("artifacts/*/resume/**/step-*")):  # nothing that could be continued
            shutil.rmtree(work, ignore_errors=True)
        raise
    if failure := maker.failure([stage]):
        raise TrainingError(failure)
    with store_errors(out):
        shutil.copyfile(maker.artifacts[stage.key].path / "training.jsonl", work / "training.jsonl")
        model = maker.artifacts[stage.key].path / "model"
        os.replace(work / "training.jsonl", model / "training.jsonl")
        os.replace(model, out)
        sync(out.parent)
        shutil.rmtree(work)
    return False


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
        algorithm=config.algorithm.name if isinstance(config, UnlearnConfig) else None,
        budget=told_to(algorithm) if algorithm is not None else None,
    )


def _identity(lineage: Lineage) -> dict[str, Any]:
    """What decides the result: not when it was made and by which versions, nor where what was read is."""
    kept = lineage.model_dump(mode="json", include={"stage", "seed", "data"})
    config = {key: value for key, value in lineage.config.items() if key not in PLACES}
    parents = {role: parent.fingerprint for role, parent in lineage.parents.items()}
    return {**kept, "config": config, "dtype": lineage.config["model"]["dtype"], "parents": parents}


def _made_alike(out: Path, lineage: Lineage) -> bool:
    if not (out / LINEAGE_FILE).is_file():
        return False
    there = read_lineage(out)
    return there is not None and _identity(there) == _identity(lineage)


def _stage(config: CheckpointConfig, lineage: Lineage) -> Stage:
    sources = [*SOURCES[config.stage], "restor.pipeline.stages.single"]
    if isinstance(config, UnlearnConfig):
        sources.append(ALGORITHMS.get(config.algorithm.name).__module__)
    settings = {"identity": _identity(lineage), "lineage": lineage.model_dump(mode="json", exclude={"created"})}
    return Stage(f"{config.stage}_checkpoint", settings, {}, tuple(sources), config.seed)
