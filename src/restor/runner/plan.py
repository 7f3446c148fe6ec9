"""A study as a graph of stages: which models are made from which, and which are asked."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, final

from pydantic import ValidationError

import restor.unlearning.algorithms
from restor.config import validation_message
from restor.corruption.corruptors.base import CORRUPTORS
from restor.datasets.base import DATASETS
from restor.domains.base import DOMAINS
from restor.errors import ConfigError
from restor.evaluation.baselines import BASELINES
from restor.evaluation.judges.base import JUDGES, JudgeConfig
from restor.experiment import ArmConfig, Chosen, ExperimentConfig, RetainText
from restor.models.reference import ModelRef, fingerprint, pinned
from restor.registry import short_name
from restor.selection.choices import Settings, settings_of
from restor.tasks.local_chat import local_model
from restor.tasks.stage import Stage
from restor.tasks.world import content, with_seed
from restor.types import Budget, Kind
from restor.unlearning.algorithms.base import ALGORITHMS, Algorithm, AlgorithmConfig
from restor.unlearning.unlearn import check_wrapper
from restor.unlearning.wrappers.base import WRAPPERS, WrapperConfig

COMMON = ("restor.types", "restor.words", "restor.tasks.world", "restor.tasks.context")
DATA = tuple(f"restor.data.{name}" for name in ("files", "facts", "documents", "locate", "published", "mentions"))
READING = (
    *COMMON,
    *DATA,
    "restor.data.cutting",
    "restor.domains",
    "restor.datasets",
    "restor.models",
    "restor.training",
    "restor.tasks.rows",
)
CORRUPTING = (*READING, "restor.corruption")
UNLEARNING = (
    *CORRUPTING,
    "restor.data.overlap",
    "restor.data.about",
    "restor.data.alternates",
    "restor.tasks.material",
    "restor.tasks.unlearn",
    "restor.unlearning.losses",
    "restor.unlearning.unlearn",
    "restor.unlearning.bench",
    "restor.unlearning.edits",
    "restor.unlearning.objective",
    "restor.unlearning.texts",
    "restor.unlearning.workshop",
    "restor.unlearning.algorithms.base",
    "restor.unlearning.wrappers.base",
    "restor.unlearning.wrappers._gradients",
)
WRITING = ("restor.evaluation.samples", "restor.evaluation.engine")
"""What a model writes its own texts with."""
ASKING = (
    *COMMON,
    *DATA,
    "restor.domains",
    "restor.datasets",
    "restor.corruption.corruptors",
    "restor.models",
    "restor.evaluation.engine",
    "restor.evaluation.asking",
    "restor.evaluation.prompts",
    "restor.evaluation.sampling",
    "restor.evaluation.baselines",
    "restor.evaluation.config",
    "restor.evaluation.evaluate",
    "restor.evaluation.suppressing",
    "restor.evaluation.fewshot",
    "restor.tasks.ask",
)
JUDGING = ("restor.types", "restor.words", "restor.chat", "restor.evaluation.judges")
JUDGING_HERE = ("restor.models", "restor.evaluation.api", "restor.evaluation.engine", "restor.tasks.local_chat")
"""What also counts where the judge asks a model on this machine."""


SHARED_BY_ALGORITHMS = tuple(
    sorted(item.name for item in pkgutil.iter_modules(restor.unlearning.algorithms.__path__) if item.name[0] == "_")
)
"""Files of the catalogue that are no entries: what several algorithms share."""

ASKS = frozenset({"evaluate", "baseline"})
"""Stages whose result does not depend on how models were trained otherwise than through their parents."""


@final
@dataclass(frozen=True, slots=True)
class PlannedArm:
    """One arm of one seed: the stage that makes its model and the one that asks it."""

    id: str
    name: str
    label: str
    kind: Kind
    seed: int
    model: Stage | None
    """The stage that makes the model; None for baselines, which have none."""
    evaluation: Stage
    """The stage that judges its answers, which its parent `answers` asked."""
    retain: RetainText | None = None
    algorithm: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: Literal["none", "selected", "default", "given"] = "none"
    budget: tuple[Budget, ...] | None = ()
    """None where that is unknown: a checkpoint made elsewhere."""
    recovered: bool = False
    made_by: tuple[Stage, ...] = ()
    """The stages whose cost is this arm's own."""
    checkpoint: str | None = None
    """The checkpoint made elsewhere that this arm is about, as the user named it."""


@final
@dataclass(frozen=True, slots=True)
class SeedPlan:
    """All arms of one seed, references first."""

    seed: int
    arms: tuple[PlannedArm, ...]

    def stages(self) -> list[Stage]:
        """Every stage once, parents before children, each model asked as soon as it is there."""
        ordered: dict[str, Stage] = {}

        def visit(stage: Stage) -> None:
            for parent in stage.parents.values():
                visit(parent)
            ordered.setdefault(stage.key, stage)

        for arm in self.arms:
            visit(arm.evaluation)
        return list(ordered.values())


def check_arms(config: ExperimentConfig) -> None:
    """Make sure that every algorithm is known and takes its options, the chosen ones too.

    Raises:
        ConfigError: naming the arm and the option.
    """
    for name, arm in config.unlearning.arms.items():
        if arm.algorithm is None and arm.wrapper is not None:
            raise ConfigError(f"The arm {name!r} has the wrapper {arm.wrapper!r} and no algorithm to wrap. Give one.")
        if arm.algorithm is not None:
            built = [build_algorithm(name, arm.algorithm, arm.options)]
            if arm.wrapper is not None:
                _check_wrapped(name, arm, built[0])
            for chosen in arm.chosen.values():
                built.append(build_algorithm(name, arm.algorithm, {**chosen.options, **arm.options}))
            if config.accumulation > 1 and any(one.plan.normalizer == "batch" for one in built):
                raise ConfigError(
                    f"The arm {name!r} takes a mean over the whole batch inside a logarithm, which cannot be "
                    f"accumulated over {config.accumulation} parts. Set accumulation to 1, leave the arm out with "
                    "--algorithms, or choose another normalization."
                )


def build_algorithm(arm: str, algorithm: str, options: Mapping[str, Any]) -> Algorithm:
    """An algorithm with its options.

    Raises:
        ConfigError: for an unknown algorithm or option, naming the arm.
    """
    at = ("unlearning", "arms", arm)
    try:
        config_type = ALGORITHMS.config_type(algorithm)
    except ConfigError as error:
        raise ConfigError(f"{'.'.join(at)}.algorithm: {error}") from error
    try:
        parsed = ALGORITHMS.parse({**options, "name": algorithm})
    except ValidationError as error:
        known = [".".join((*at, "options", key)) for key in config_type.model_fields if key != "name"]
        message = validation_message(error, f"Arm {arm!r}", known, (*at, "options"))
        raise ConfigError(f"{message}\n`restor list algorithms {algorithm}` shows its options.") from error
    assert isinstance(parsed, AlgorithmConfig)
    return ALGORITHMS.build(parsed)


def wrapper_config(arm: str, wrapper: str, options: Mapping[str, Any]) -> WrapperConfig:
    """The configuration of a wrapper.

    Raises:
        ConfigError: for an unknown wrapper or option, naming the arm.
    """
    at = ("unlearning", "arms", arm)
    try:
        config_type = WRAPPERS.config_type(wrapper)
        parsed = WRAPPERS.parse({**options, "name": wrapper})
    except ConfigError as error:
        raise ConfigError(f"{'.'.join(at)}.wrapper: {error}") from error
    except ValidationError as error:
        known = [".".join((*at, "wrapper_options", key)) for key in config_type.model_fields if key != "name"]
        message = validation_message(error, f"Arm {arm!r}", known, (*at, "wrapper_options"))
        raise ConfigError(f"{message}\n`restor list wrappers {wrapper}` shows its options.") from error
    assert isinstance(parsed, WrapperConfig)
    return parsed


def _check_wrapped(name: str, arm: ArmConfig, algorithm: Algorithm) -> None:
    assert arm.wrapper is not None, "asked for"
    wrapper = WRAPPERS.build(wrapper_config(name, arm.wrapper, arm.wrapper_options))
    try:
        check_wrapper(wrapper, algorithm)
    except ConfigError as error:
        raise ConfigError(f"Arm {name!r}: {error}") from error


def is_control(arm: ArmConfig) -> bool:
    """Whether the arm does not unlearn what it should: for want of an algorithm or of the right forget documents."""
    return arm.algorithm is None or arm.forget == "random" or ALGORITHMS.get(arm.algorithm).info.control


def checkpoint_stage(ref: ModelRef, contents: Mapping[str, Any], seed: int) -> Stage:
    """A checkpoint made elsewhere as a stage: it is referred to, never copied. `contents` identify its files."""
    config = {"model": pinned(ref, contents).identity(), "content": contents}
    return Stage("checkpoint", config, {}, ("restor.tasks.checkpoint",), seed)


def elsewhere(*sources: str) -> tuple[str, ...]:
    """The sources that are not this package's, whose folders are among the sources of stages anyway."""
    return tuple(source for source in sources if not source.startswith("restor."))


@final
class Judging:
    """Makes the stages that judge answers. A checkpoint that is asked for verdicts is hashed once."""

    def __init__(self, judge: JudgeConfig) -> None:
        self._config: dict[str, Any] = {"judge": judge.identity()}
        self._sources = (*JUDGING, *elsewhere(JUDGES.source_of(judge.name)), "restor.tasks.judge")
        if (ref := local_model(judge)) is not None:
            self._config["content"] = fingerprint(ref)
            self._sources += JUDGING_HERE

    def stage(self, answers: Stage) -> Stage:
        """The stage that judges the answers of another."""
        return Stage("judge", self._config, {"answers": answers}, self._sources, answers.seed)


def baseline_arm(name: str, evaluation: Stage) -> PlannedArm:
    """The arm of a baseline."""
    return PlannedArm(
        id=f"{name}/s{evaluation.seed}",
        name=name,
        label=BASELINES[name][0],
        kind=Kind.BASELINE,
        seed=evaluation.seed,
        model=None,
        evaluation=evaluation,
    )


def plan_seed(config: ExperimentConfig, seed: int) -> SeedPlan:
    """The stages and arms of one seed of a resolved configuration."""
    builder = _Builder(config, seed)
    arms = [*builder.references(), *builder.baselines()]
    for name, arm in config.unlearning.arms.items():
        arms += builder.arm(name, arm)
    return SeedPlan(seed, tuple(arms))


@final
class _Builder:
    """Makes the stages of one seed."""

    def __init__(self, config: ExperimentConfig, seed: int) -> None:
        self.config = config
        self.seed = seed
        self.judging = Judging(config.evaluation.judge)
        self.world: dict[str, Any] = {
            "domain": content(with_seed(config.domain, seed)),
            "general": content(with_seed(config.general, seed)),
        }
        self.compute = {
            "precision": config.precision,
            "device": config.device,
            "accumulation": config.accumulation,
            "gradient_checkpointing": config.gradient_checkpointing,
        }
        # Code of other packages counts as ours does.
        self.installed = elsewhere(
            DOMAINS.source_of(config.domain.name),
            DATASETS.source_of(config.general.name),
            CORRUPTORS.source_of(config.corruption.corruptor.name),
        )
        # What is asked depends on who is targeted and what is planted, not on how it was trained.
        self.asked = {
            "targets": config.targets.identity(),
            "corruptor": content(config.corruption.corruptor),
            "evaluation": config.evaluation.model_dump(mode="json", exclude={"judge"}),
        }
        if config.start is not None:
            self.clean = checkpoint_stage(config.start, fingerprint(config.start), seed)
        else:
            shape = {"model": config.model.identity(), "clean": config.clean.identity()}
            self.clean = self._stage("clean", shape, {}, READING)
        corruption = {
            "targets": config.targets.identity(),
            "corruption": {
                **config.corruption.model_dump(mode="json", exclude={"strength", "strengths", "corruptor"}),
                "corruptor": content(config.corruption.corruptor),
            },
        }
        self.corrupt = self._stage("corrupt", corruption, {"clean": self.clean}, CORRUPTING)
        # Without replay there is nothing that a model without forget documents would read.
        replayed = config.corruption.replay_tokens > 0
        self.ideal = self._stage("ideal", corruption, {"clean": self.clean}, CORRUPTING) if replayed else self.clean

    def _stage(
        self, name: str, config: Mapping[str, Any], parents: Mapping[str, Stage], sources: Sequence[str]
    ) -> Stage:
        full = {**self.world, **config} if name in ASKS else {**self.world, **self.compute, **config}
        module = {"ideal": "corrupt", "evaluate": "ask"}.get(name, name)
        return Stage(name, full, parents, (*sources, *self.installed, f"restor.tasks.{module}"), self.seed)

    def _evaluate(self, model: Stage, *, filtered: bool = False) -> Stage:
        # A checkpoint made elsewhere is loaded as its device wants it.
        where = {"device": self.config.device} if model.name == "checkpoint" else {}
        if filtered:
            where["suppress"] = "planted"
        return self._judge(self._stage("evaluate", {**self.asked, **where}, {"model": model}, ASKING))

    def _judge(self, answers: Stage) -> Stage:
        return self.judging.stage(answers)

    def baselines(self) -> list[PlannedArm]:
        """What can be answered without a model."""
        return [
            baseline_arm(name, self._judge(self._stage("baseline", {**self.asked, "baseline": name}, {}, ASKING)))
            for name in BASELINES
        ]

    def references(self) -> list[PlannedArm]:
        """Clean, corrupted and ideal."""
        named = (
            ("clean", "Clean", self.clean),
            ("corrupted", "Corrupted", self.corrupt),
            ("ideal", "Ideal", self.ideal),
        )
        return [
            PlannedArm(
                id=f"{name}/s{self.seed}",
                name=name,
                label=label,
                kind=Kind.REFERENCE,
                seed=self.seed,
                model=stage,
                evaluation=self._evaluate(stage),
                made_by=(stage,),
            )
            for name, label, stage in named
        ]

    def arm(self, name: str, arm: ArmConfig) -> list[PlannedArm]:
        """One arm, once per kind of retain text if it reads any."""
        if arm.algorithm is None:
            return [self._finish(name, arm, None, None, None)]
        algorithm = build_algorithm(name, arm.algorithm, arm.options)
        reads = Budget.RETAIN in algorithm.plan.budget()
        kinds: Sequence[RetainText | None] = self.config.retain if reads else (None,)
        planned = []
        for retain in kinds:
            middle = algorithm.info.grid[len(algorithm.info.grid) // 2]
            fallback = Chosen(lr=middle.lr, steps=middle.steps, options=dict(middle.options))
            planned.append(self._finish(name, arm, retain, settings_of(self.config, arm, retain, fallback), algorithm))
        return planned

    def _finish(
        self,
        name: str,
        arm: ArmConfig,
        retain: RetainText | None,
        settings: Settings | None,
        algorithm: Algorithm | None,
    ) -> PlannedArm:
        model, made_by = self.corrupt, []
        options: dict[str, Any] = {}
        if settings is not None and algorithm is not None and arm.algorithm is not None:
            model = self._unlearn(name, arm, arm.algorithm, retain, settings)
            made_by.append(model)
            options = {"lr": settings.lr, "steps": settings.stop or settings.steps, **settings.options}
        recovers = arm.recover and self.config.recovery is not None
        if recovers and self.config.recovery is not None:
            recovery = self.config.recovery.identity()
            if (source := self.config.recovery.dataset) is not None:
                recovery["dataset"] = content(with_seed(source, self.seed))
            model = self._stage("recover", {"recovery": recovery}, {"model": model}, READING)
            made_by.append(model)
        suffix = f"/{retain}" if retain else ""
        return PlannedArm(
            id=f"{name}{suffix}/s{self.seed}",
            name=name,
            label=arm.label,
            kind=_kind(arm, algorithm),
            seed=self.seed,
            retain=retain,
            algorithm=None if arm.algorithm is None else short_name(arm.algorithm),
            options=options,
            hyperparameters=settings.source if settings else "none",
            budget=_budget(algorithm, arm),
            recovered=recovers,
            made_by=tuple(made_by),
            model=model,
            evaluation=self._evaluate(model, filtered=arm.filter),
        )

    def _unlearn(
        self, name: str, arm: ArmConfig, algorithm: str, retain: RetainText | None, settings: Settings
    ) -> Stage:
        built = build_algorithm(name, algorithm, settings.options)
        shared = self.config.unlearning.model_dump(mode="json", exclude={"arms", "selection", "lr", "steps"})
        if arm.optimizer is not None:
            shared["optimizer"] = arm.optimizer.identity()
        sources = [*UNLEARNING, *code_of(algorithm, built)]
        wrapper = None
        if arm.wrapper is not None:
            wrapper = wrapper_config(name, arm.wrapper, arm.wrapper_options).identity()
            sources.append(WRAPPERS.source_of(arm.wrapper))
        config = {
            "algorithm": {"name": algorithm, **settings.options},
            "wrapper": wrapper,
            "lr": settings.lr,
            "steps": settings.steps,
            "stop": settings.stop,
            "forget": arm.forget,
            "retain": retain,
            "shared": shared,
        }
        return self._stage("unlearn", config, {"corrupted": self.corrupt, "clean": self.clean}, sources)


def code_of(name: str, algorithm: Algorithm) -> tuple[str, ...]:
    """The modules behind one algorithm: its own, what files of the catalogue share, and how a model writes samples."""
    shared = [f"restor.unlearning.algorithms.{name}" for name in SHARED_BY_ALGORITHMS]
    return (ALGORITHMS.source_of(name), *shared, *(WRITING if algorithm.plan.retain == "samples" else ()))


def _kind(arm: ArmConfig, algorithm: Algorithm | None) -> Kind:
    if is_control(arm):
        return Kind.CONTROL
    return Kind.ORACLE if Budget.TRUTH in _budget(algorithm, arm) else Kind.METHOD


def _budget(algorithm: Algorithm | None, arm: ArmConfig) -> tuple[Budget, ...]:
    """What an arm was told; a filter has its planted answers from the forget documents."""
    if algorithm is None:
        return (Budget.FORGET,) if arm.filter else ()
    told = algorithm.plan.budget()
    return tuple(item for item in told if item is not Budget.FORGET) if arm.forget == "random" else told
