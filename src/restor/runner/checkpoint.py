"""One checkpoint in, one out: corrupt, unlearn and recover models that were made elsewhere.

The work is a stage in a store of its own beside the output folder, so it survives a kill and continues, and the output
folder appears at once and whole.
"""

from __future__ import annotations

import math
import os
import shutil
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, final

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError, model_validator

from restor.config import MOST_THREADS, Config
from restor.data.documents import read_documents
from restor.data.locate import DataPath, locate_documents, locate_facts
from restor.errors import ConfigError, DataError, StoreError, TrainingError
from restor.evaluation.config import EvaluationConfig
from restor.experiment import DatasetChoice, ForgetPart
from restor.models.lineage import LINEAGE_FILE, Lineage, Parent, new_lineage, parent_of, read_lineage
from restor.models.precision import Precision, machine_folder
from restor.models.reference import ModelRef, pinned
from restor.progress import Progress
from restor.registry import class_in_file, short_name
from restor.runner.compare import LONGEST_ANSWER
from restor.runner.durations import Ahead, kind_of
from restor.runner.enough import too_few
from restor.runner.execute import Maker
from restor.runner.plan import CORRUPTING, READING, UNLEARNING, code_of
from restor.runner.precision import checkpoint_precision
from restor.runner.select import attempt_sources, read_trace
from restor.runner.threads import remembered_threads
from restor.selection.choices import NO_RETAIN, Trial
from restor.selection.split import SelectConfig, split_targets
from restor.selection.validation import SCORE_OF_ONE, Best, Shares, best_of
from restor.store.disk import sha256_file, store_errors, sync
from restor.store.store import Store
from restor.tasks.provenance import check_earlier, suggestion
from restor.tasks.stage import Stage, without_folders
from restor.tasks.strength import Strength
from restor.tasks.world import content, with_seed
from restor.training.config import LoraConfig, OptimizerConfig
from restor.types import Budget, Group
from restor.unlearning.algorithms.base import ALGORITHMS, Algorithm, AlgorithmConfig, LossAlgorithm
from restor.unlearning.unlearn import check_wrapper
from restor.unlearning.wrappers.base import WRAPPERS, WrapperConfig

AlgorithmChoice = Annotated[SerializeAsAny[AlgorithmConfig], BeforeValidator(ALGORITHMS.parse)]
WrapperChoice = Annotated[SerializeAsAny[WrapperConfig], BeforeValidator(WRAPPERS.parse)]


class CheckpointConfig(Config):
    """What the three have in common: a checkpoint and how it is trained. The defaults suit billions of parameters."""

    stage: ClassVar[Literal["corrupt", "unlearn", "recover"]]

    model: ModelRef
    """The checkpoint to begin from."""
    lr: float = Field(5e-5, gt=0)
    """Highest learning rate."""
    epochs: float = Field(1, gt=0)
    """How often the text is read, unless `steps` is given."""
    steps: int | None = Field(None, ge=0)
    """Steps of the training; null: as many as `epochs` needs."""
    tokens: int = Field(4096, ge=16)
    """Tokens of text per step, padding counted."""
    optimizer: OptimizerConfig = OptimizerConfig(betas=(0.9, 0.999), schedule="cosine")
    """The optimiser and its schedule."""
    lora: LoraConfig | None = LoraConfig()
    """The adapter that is trained and merged; null trains all weights."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Compute precision; `auto` takes bfloat16 on a GPU that computes it, and on a CPU where a short measurement finds
    it clearly faster; `restor.json` says what was taken. Weights stay as they are."""
    accumulation: int = Field(1, ge=1)
    """Parts in which a step's batch goes through the model: less memory, the same gradient."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, more time."""
    keep_diverged: bool = False
    """Whether a checkpoint is written though its training diverged."""
    seed: int = 0
    """Of the order of the texts, and of every other draw."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    threads: int | None = Field(None, ge=1, le=MOST_THREADS)
    """CPU threads; null measures once what is fastest."""

    @property
    def settled_precision(self) -> Precision:
        """What auto became."""
        assert self.precision != "auto", "settled before anything is trained"
        return self.precision

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

    forget: DataPath
    """The forget documents: a file, or a released forget set such as `restor/k4`."""
    epochs: float = Field(5, gt=0)
    facts: DataPath | None = None
    """Facts about the targets and others, asked before and after to tell how strong the corruption is."""
    evaluation: EvaluationConfig = EvaluationConfig(max_new_tokens=LONGEST_ANSWER)
    """How they are asked and judged: always greedily."""

    @property
    def files(self) -> Mapping[str, Path]:
        """The documents, and facts where they are given."""
        found = {"forget": locate_documents(self.forget)}
        return found if self.facts is None else {**found, "facts": locate_facts(self.facts)[0]}

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
    """The algorithm with its settings: `restor list algorithms NAME`."""
    wrapper: WrapperChoice | None = None
    """How the steps of the algorithm's loss are taken; null: plainly."""
    forget: DataPath
    """The forget documents: a file, or a released forget set such as `restor/k4`."""
    forget_part: ForgetPart = "documents"
    """What is forgotten of the documents: all of them; `simplified`: only their false statements, without the context;
    `statements`: all is read, and only the statements' tokens are labels."""
    retain: DatasetChoice | None = None
    """Where retain text comes from, for the algorithms that read some."""
    retain_texts: int = Field(1000, ge=1)
    """Most retain texts that are read."""
    facts: DataPath | None = None
    """Facts about the targets, so that retain text which tells of them is found."""
    checkpoint: ModelRef | None = None
    """A checkpoint from before the forget documents, for the algorithms that need one."""
    stop: int | None = Field(None, ge=1)
    """Step after which training ends, while the learning rate's schedule is still that of all steps."""
    select: SelectConfig | None = None
    """How the hyperparameters are chosen, on facts about some of the targets; null takes them as they are given."""

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> UnlearnConfig:
        algorithm = ALGORITHMS.build(self.algorithm)
        if lacking := list(self._lacking(algorithm)):
            raise ValueError("; ".join(lacking))
        if self.stop is not None and not isinstance(algorithm, LossAlgorithm):
            raise ValueError(f"leave stop out: {self.algorithm.name} takes all its steps")
        if getattr(self.algorithm, "checkpoint", 1.0) != 1.0:
            raise ValueError(
                f"{self.algorithm.name}'s own checkpoint is a share of a training that restor did itself: leave it out "
                "and name the earlier model with --checkpoint"
            )
        if self.wrapper is not None:
            try:
                check_wrapper(WRAPPERS.build(self.wrapper), algorithm)
            except ConfigError as error:
                raise ValueError(str(error).removesuffix(".")) from error
        return self

    def _lacking(self, algorithm: Algorithm) -> Iterator[str]:
        """What the algorithm needs and was not given, all of it."""
        name, told = self.algorithm.name, algorithm.plan.budget()
        if self.select is not None and self.facts is None:
            yield "--select chooses by the true answers about some of the targets: give --facts with a file of facts"
        if algorithm.plan.retain == "text" and self.retain is None:
            other = ", or set --algorithm.retain_weight 0" if _does_without_retain(self.algorithm) else ""
            yield f"{name} reads retain text: give --retain with a file or a data set{other}"
        if Budget.TRUTH in told and self.facts is None:
            yield f"{name} is told the true answers: give --facts with them"
        if Budget.CHECKPOINT in told and self.checkpoint is None:
            needed = f"{name} needs --checkpoint, a model from before the forget documents."
            yield f"{needed}{suggestion(self.model, self.forget)}".removesuffix(".")

    @property
    def files(self) -> Mapping[str, Path]:
        """Forget documents, facts where they are given, and the code of an algorithm or wrapper of the user's own."""
        found = {"forget": locate_documents(self.forget)}
        for role, choice in (("algorithm", self.algorithm), ("wrapper", self.wrapper)):
            if choice is not None and (own := class_in_file(choice.name)) is not None:
                found[role] = own[0]
        if self.facts is None:
            return found
        facts, entities = locate_facts(self.facts)
        # Whom the facts list decides who is asked about.
        listed = {} if self.select is None or entities is None else {"entities": entities}
        return {**found, "facts": facts, **listed}

    @property
    def datasets(self) -> Mapping[str, Any]:
        """The retain text."""
        return {} if self.retain is None else {"retain": content(with_seed(self.retain, self.seed))}

    @property
    def parents(self) -> Mapping[str, ModelRef]:
        """The corrupted model, and an earlier checkpoint where one is given."""
        return {"corrupted": self.model} | ({} if self.checkpoint is None else {"checkpoint": self.checkpoint})


def _does_without_retain(config: AlgorithmConfig) -> bool:
    """Whether a retain weight of 0 leaves the retain text unread."""
    if "retain_weight" not in type(config).model_fields:
        return False
    try:
        without = type(config).model_validate({**config.identity(), "retain_weight": 0.0})
    except ValidationError:
        return False
    return ALGORITHMS.build(without).plan.retain != "text"


@final
class RecoverConfig(CheckpointConfig):
    """The light fine-tune that gives fluency back; learning rate and epochs are the published ones (on LIMA)."""

    stage = "recover"

    text: DatasetChoice
    """Where the text comes from."""
    most_texts: int = Field(1000, ge=1)
    """Most texts that are read."""
    lr: float = Field(2e-5, gt=0)
    epochs: float = Field(2, gt=0)

    @property
    def files(self) -> Mapping[str, Path]:
        """None: the data set says itself what it reads."""
        return {}

    @property
    def datasets(self) -> Mapping[str, Any]:
        """The recovery text."""
        return {"text": content(with_seed(self.text, self.seed))}

    @property
    def parents(self) -> Mapping[str, ModelRef]:
        """The unlearned model."""
        return {"unlearned": self.model}


SOURCES: Mapping[str, tuple[str, ...]] = {"corrupt": CORRUPTING, "unlearn": UNLEARNING, "recover": READING}
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
    if isinstance(config, CorruptConfig) and config.facts is not None:
        # What cannot be told is said before any model is loaded.
        Strength(read_documents(config.files["forget"]), config.files["facts"], config.evaluation, config.seed)
    precision = checkpoint_precision(config.precision, config.model, config.device, machine_folder(), progress.note)
    config = config.model_copy(update={"precision": precision})
    lineage = lineage.model_copy(update={"config": {**lineage.config, "precision": precision}})
    search = _Search(config, parents) if isinstance(config, UnlearnConfig) and config.select is not None else None
    if search is not None:
        search.tell_too_few(progress)
    told = None
    if isinstance(config, UnlearnConfig) and config.checkpoint is not None:
        told = check_earlier(parents["corrupted"], parents["checkpoint"], config.files["forget"])
    if told is not None:
        progress.note(told)
    with store_errors(work):
        work.parent.mkdir(parents=True, exist_ok=True)
    store = Store.open(work)
    threads = config.threads or remembered_threads(store.path)
    total = 1 if search is None else len(search.points) + 1
    ahead = None if search is None else search.ahead
    maker = Maker(store, progress, threads=threads, save_every=save_every, total=total, ahead=ahead)
    try:
        if search is not None:
            config, lineage = search.run(maker)
        if told is not None:
            lineage = lineage.model_copy(update={"findings": {**lineage.findings, "checkpoint": told}})
        stage = _stage(config, lineage)
        maker.make_one(stage, out.name, config.device)
    except (ConfigError, DataError):
        if not any(any(work.glob(f"artifacts/*/{left}")) for left in ("resume/**/step-*", "DONE")):
            shutil.rmtree(work, ignore_errors=True)  # nothing that could be continued
        raise
    if failure := maker.failure([stage]):
        if not any(work.glob("artifacts/*/DONE")):  # but for what a selection has tried
            shutil.rmtree(work, ignore_errors=True)
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
        algorithm=short_name(config.algorithm.name) if isinstance(config, UnlearnConfig) else None,
        budget=algorithm.plan.budget() if algorithm is not None else None,
    )


def _identity(lineage: Lineage) -> dict[str, Any]:
    """What decides the result: not when it was made and by which versions, nor where what was read is."""
    kept = lineage.model_dump(mode="json", include={"stage", "seed", "data"})
    config = {key: value for key, value in lineage.config.items() if key not in PLACES}
    parents = {role: parent.fingerprint for role, parent in lineage.parents.items()}
    dtype = lineage.config["model"]["dtype"]
    return {**kept, "config": without_folders(config), "dtype": dtype, "parents": parents}


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


def _stage(config: CheckpointConfig, lineage: Lineage) -> Stage:
    settings = {"identity": _identity(lineage), "lineage": lineage.model_dump(mode="json", exclude={"created"})}
    return Stage(f"{config.stage}_checkpoint", settings, {}, _sources(config), config.seed)


def _sources(config: CheckpointConfig) -> tuple[str, ...]:
    sources = [*SOURCES[config.stage], "restor.tasks.single", "restor.tasks.losses"]
    if isinstance(config, CorruptConfig) and config.facts is not None:
        sources += (*attempt_sources(config.evaluation.judge.name), "restor.selection.split", "restor.tasks.strength")
    if isinstance(config, UnlearnConfig):
        sources += code_of(config.algorithm.name, ALGORITHMS.build(config.algorithm))
        if config.wrapper is not None:
            sources.append(WRAPPERS.source_of(config.wrapper.name))
    return tuple(sources)


# The choice of hyperparameters ---------------------------------------------------------------------------------------

CHOSEN = frozenset({"algorithm", "lr", "steps", "stop"})
"""Fields that a selection sets."""


@final
@dataclass(frozen=True, slots=True)
class GridPoint:
    """One point of an algorithm's grid on a checkpoint."""

    config: UnlearnConfig
    options: Mapping[str, Any]
    """What it sets of the algorithm."""

    def __str__(self) -> str:
        options = "".join(f", {name} {value}" for name, value in self.options.items())
        return f"{self.config.algorithm.name}, lr {self.config.lr:g}{options}"


def grid_points(config: UnlearnConfig) -> list[GridPoint]:
    """The configuration at every point of its algorithm's grid.

    The learning rates of a grid are those of small models. What is taken from them is how far they lie apart: each is
    `config.lr` times its ratio to the middle of the grid, the geometric mean of its lowest and its highest rate. So
    with the steps: the longest training of the grid is that of `config`. What `config` sets itself of the algorithm is
    not searched.
    """
    grid = ALGORITHMS.build(config.algorithm).info.grid
    middle = math.sqrt(min(choice.lr for choice in grid) * max(choice.lr for choice in grid))
    most = max(choice.steps for choice in grid)
    # The grid's own checkpoints are shares of a training that restor did itself.
    fixed = {*config.algorithm.model_fields_set, "name", "checkpoint"}
    points = []
    for choice in grid:
        share = choice.steps / most if most else 1.0
        options = {name: value for name, value in choice.options.items() if name not in fixed}
        changes: dict[str, Any] = {
            "lr": float(f"{config.lr * choice.lr / middle:.4g}"),
            "algorithm": config.algorithm.model_dump(mode="json") | options,
            "stop": None,  # which the search finds
        }
        if config.steps is None:
            changes["epochs"] = config.epochs * share
        else:
            changes["steps"] = round(config.steps * share)
        points.append(GridPoint(UnlearnConfig.model_validate(config.model_dump(mode="json") | changes), options))
    return points


@final
class _Search:
    """Tries the points of an algorithm's grid on one checkpoint."""

    def __init__(self, config: UnlearnConfig, parents: Mapping[str, Parent]) -> None:
        """Find out who is targeted, before any model is loaded.

        Raises:
            DataError: if the documents and facts do not suffice for a choice.
        """
        assert config.select is not None
        self.config = config
        self.points = grid_points(config)
        self._parents = parents
        self._split = split_targets(read_documents(config.files["forget"]), config.files["facts"], config.select)
        self._deciding = self._split.validation(config.select).queries
        self._sources = (*attempt_sources(config.select.evaluation.judge.name), "restor.selection.split")
        self._stages = [self._attempt(point.config) for point in self.points]

    @property
    def ahead(self) -> Ahead:
        """The attempts, and the training at the chosen point, which takes about as long as one of them."""
        return Ahead({stage.key: kind_of(stage) for stage in self._stages} | {"chosen": kind_of(self._stages[0])})

    def tell_too_few(self, progress: Progress) -> None:
        """Tell what the entities that decide, and those left to be tested, cannot show."""
        deciding = [query.fact for query in self._deciding if query.group is Group.VALIDATION]
        left = set(self._split.names(Group.TEST))
        tested = [item.fact for item in self._split.planted.values() if item.fact.subject in left]
        for facts, of in ((deciding, "deciding"), (tested, "test")):
            told = too_few(facts, of, "Take documents and facts about more entities, or another select.validation.")
            if told is not None:
                progress.note(told)

    def run(self, maker: Maker) -> tuple[UnlearnConfig, Lineage]:
        """Try every point; returns the configuration at the best one, and a lineage that tells of the search.

        Raises:
            TrainingError: if every point failed.
        """
        trials: list[Trial] = []
        corrupted: Shares | None = None
        for number, (point, stage) in enumerate(zip(self.points, self._stages, strict=True)):
            maker.make_one(stage, str(point), point.config.device)
            found: dict[str, Any] = {"steps": 0, "ended": "failed", "note": maker.failure([stage]) or ""}
            if stage.key in maker.artifacts:
                artifact = maker.artifacts[stage.key]
                trace = read_trace(artifact.path)
                corrupted = trace.corrupted
                steps = artifact.manifest.info["steps"]
                found = {"steps": steps, "marks": trace.marks, "ended": trace.ended, "note": trace.note}
            lr, options = point.config.lr, dict(point.options)
            name, seed = point.config.algorithm.name, point.config.seed
            trials.append(Trial(arm=name, retain=NO_RETAIN, seed=seed, point=number, lr=lr, options=options, **found))
            maker.progress.note(f"{point}: {_outcome(trials[-1])}")
        best = best_of(trials)
        if best is None or corrupted is None:
            reasons = " ".join(dict.fromkeys(trial.note for trial in trials))
            raise TrainingError(
                f"None of the {len(trials)} points of {self.config.algorithm.name}'s grid could be tried to its first "
                f"look, so there is nothing to choose from. {reasons} The grid lies around lr {self.config.lr:g}."
            )
        own, others = (self._split.names(group) for group in (Group.VALIDATION, Group.TEST))
        maker.progress.note(
            f"chosen: {self.points[best.trial.point]}, step {best.mark.step} of {best.trial.steps}, on facts about "
            f"{len(own)} of {len(own) + len(others)} targeted entities. Evaluate on the others: restor.json names both."
        )
        return self._chosen(best, trials, corrupted)

    def _attempt(self, config: UnlearnConfig) -> Stage:
        made = _stage(config, _lineage(config, self._parents))
        return Stage("attempt_checkpoint", made.config, {}, (*made.sources, *self._sources), config.seed)

    def _chosen(self, best: Best, trials: Sequence[Trial], corrupted: Shares) -> tuple[UnlearnConfig, Lineage]:
        point = self.points[best.trial.point]
        config = point.config.model_copy(update={"steps": best.trial.steps, "stop": best.stop})
        selection = {
            "score": SCORE_OF_ONE,
            "validation": self._split.names(Group.VALIDATION),
            "test": self._split.names(Group.TEST),
            "chosen": {**best.chosen.model_dump(mode="json"), **best.mark.model_dump(mode="json")},
            "corrupted": corrupted.model_dump(mode="json"),
            "trace": [trial.model_dump(mode="json", exclude={"arm", "retain", "seed", "point"}) for trial in trials],
            "asked": self.config.model_dump(mode="json", include=set(CHOSEN)),
        }
        lineage = _lineage(config, self._parents)
        return config, lineage.model_copy(update={"findings": {"selection": selection}})


def _outcome(trial: Trial) -> str:
    best = best_of([trial])
    told = "no score" if best is None else f"score {best.mark.score:.3f} after step {best.mark.step} of {trial.steps}"
    return f"{told}; {trial.note}" if trial.note else told
