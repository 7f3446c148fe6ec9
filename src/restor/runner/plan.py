"""A study as a graph of tasks: which models are made from which, and which are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

from pydantic import BaseModel, ValidationError

from restor.config import validation_message
from restor.errors import ConfigError
from restor.evaluation.ask.baselines import BASELINES
from restor.evaluation.ask.local_chat import local_model
from restor.evaluation.judges.base import JudgeConfig
from restor.experiment import ArmConfig, ExperimentConfig
from restor.models.model_ref import ModelRef, fingerprint, pinned
from restor.registry import Catalogue, short_name
from restor.runner.resolve import Settings, settings_of
from restor.selection.trial import Chosen
from restor.tasks.ask import Ask
from restor.tasks.base import Answers, Model, Planted, Questions, Ref, Task, Texts, Verdicts, ref_to
from restor.tasks.baseline import AnswerWithoutModel
from restor.tasks.checkpoint import ReferToCheckpoint
from restor.tasks.clean import TrainClean
from restor.tasks.corrupt import Corrupt
from restor.tasks.ideal import TrainIdeal
from restor.tasks.inputs.settle import from_anywhere, settled
from restor.tasks.judge import JudgeAnswers
from restor.tasks.judge_here import JudgeHere
from restor.tasks.plant import Plant
from restor.tasks.questions import WriteQuestions
from restor.tasks.recover import Recover
from restor.tasks.tabulation.arms import PlannedArm, SeedPlan, lineage_of
from restor.tasks.texts import Role, WriteTexts
from restor.tasks.training.continued import Replay
from restor.tasks.unlearn import Unlearn
from restor.training.config import Compute, TrainingConfig
from restor.types import Budget, Kind, RetainText
from restor.unlearning.algorithms.base import ALGORITHMS, Algorithm, AlgorithmConfig
from restor.unlearning.fit import check_wrapper
from restor.unlearning.wrappers.base import WRAPPERS, WrapperConfig


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
    return ALGORITHMS.build(algorithm_config(arm, algorithm, options))


def algorithm_config(arm: str, algorithm: str, options: Mapping[str, Any]) -> AlgorithmConfig:
    """The configuration of an algorithm.

    Raises:
        ConfigError: for an unknown algorithm or option, naming the arm.
    """
    parsed = _parsed(ALGORITHMS, arm, "algorithm", "options", algorithm, options)
    assert isinstance(parsed, AlgorithmConfig)
    return parsed


def wrapper_config(arm: str, wrapper: str, options: Mapping[str, Any]) -> WrapperConfig:
    """The configuration of a wrapper.

    Raises:
        ConfigError: for an unknown wrapper or option, naming the arm.
    """
    parsed = _parsed(WRAPPERS, arm, "wrapper", "wrapper_options", wrapper, options)
    assert isinstance(parsed, WrapperConfig)
    return parsed


def _parsed(
    catalogue: Catalogue[Any], arm: str, field: str, beside: str, name: str, options: Mapping[str, Any]
) -> BaseModel:
    """The configuration of an entry that a field of an arm names; its options stand in the field `beside`."""
    at = ("unlearning", "arms", arm)
    try:
        config_type = catalogue.config_type(name)
        return catalogue.parse({**options, "name": name})
    except ConfigError as error:
        raise ConfigError(f"{'.'.join(at)}.{field}: {error}") from error
    except ValidationError as error:
        known = [".".join((*at, beside, key)) for key in config_type.model_fields if key != "name"]
        message = validation_message(error, f"Arm {arm!r}", known, (*at, beside))
        raise ConfigError(f"{message}\n`restor list {field}s {name}` shows its options.") from error


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


def refer(ref: ModelRef, contents: Mapping[str, Any], seed: int) -> Ref[Model]:
    """A checkpoint made elsewhere: it is referred to, never copied. `contents` identify its files."""
    return ref_to(
        ReferToCheckpoint(model=from_anywhere(pinned(ref, contents)), content=dict(contents), seed=seed), Model
    )


@final
class Judging:
    """Makes the tasks that judge answers. A checkpoint that is asked for verdicts is hashed once."""

    def __init__(self, judge: JudgeConfig) -> None:
        self._judge = judge
        ref = local_model(judge)
        self._content = None if ref is None else fingerprint(ref)

    def verdicts(self, answers: Ref[Answers], questions: Ref[Questions], seed: int) -> Ref[Verdicts]:
        """The verdicts on answers to these questions."""
        if self._content is None:
            task: Task = JudgeAnswers(answers=answers, questions=questions, judge=self._judge, seed=seed)
        else:
            task = JudgeHere(answers=answers, questions=questions, judge=self._judge, content=self._content, seed=seed)
        return ref_to(task, Verdicts)


def baseline_arm(name: str, answers: Ref[Answers], verdicts: Ref[Verdicts], seed: int) -> PlannedArm:
    """The arm of a baseline."""
    return PlannedArm(
        id=f"{name}/s{seed}",
        name=name,
        label=BASELINES[name][0],
        kind=Kind.BASELINE,
        seed=seed,
        answers=answers,
        verdicts=verdicts,
    )


def plan_seed(config: ExperimentConfig, seed: int) -> SeedPlan:
    """The tasks and arms of one seed of a resolved configuration."""
    builder = StudyBuilder(config, seed)
    arms = [*builder.references(), *builder.baselines()]
    for name, arm in config.unlearning.arms.items():
        arms += builder.arm(name, arm)
    return SeedPlan(seed=seed, planted=builder.planted, arms=tuple(arms))


@final
class StudyBuilder:
    """Makes the tasks of one seed."""

    def __init__(self, config: ExperimentConfig, seed: int) -> None:
        self.config = config
        self.seed = seed
        self.judging = Judging(config.evaluation.judge)
        self.domain, self.general = settled(config.domain, seed), settled(config.general, seed)
        assert config.precision != "auto", "settled before anything is planned"
        self.compute = Compute(
            precision=config.precision,
            accumulation=config.accumulation,
            gradient_checkpointing=config.gradient_checkpointing,
        )
        plant = Plant(
            domain=self.domain,
            general=self.general,
            targets=config.targets,
            corruptor=settled(config.corruption.corruptor, seed),
            seed=seed,
        )
        self.planted = ref_to(plant, Planted)
        self.questions = ref_to(
            WriteQuestions(domain=self.domain, planted=self.planted, asking=config.evaluation.asking, seed=seed),
            Questions,
        )
        self._texts: dict[Role, Ref[Texts]] = {}
        self.clean = self._clean()
        self.corrupted = ref_to(self._continued(Corrupt), Model)
        # Without replay there is nothing that a model without forget documents would read.
        replayed = config.corruption.replay_tokens > 0
        self.ideal = ref_to(self._continued(TrainIdeal), Model) if replayed else self.clean

    def _clean(self) -> Ref[Model]:
        config = self.config
        if config.start is not None:
            return refer(config.start, fingerprint(config.start), self.seed)
        task = TrainClean(
            domain=self.domain,
            general=self.general,
            model=config.model,
            clean=config.clean,
            compute=self.compute,
            seed=self.seed,
        )
        return ref_to(task, Model)

    def _continued(self, kind: type[Corrupt] | type[TrainIdeal]) -> Corrupt | TrainIdeal:
        corruption = self.config.corruption
        assert corruption.lr is not None, "resolved"
        replay = None
        if corruption.replay_tokens:
            replay = Replay(
                planted=self.planted,
                domain=self.domain,
                general=self.general,
                general_share=self.config.clean.general_share,
                tokens=corruption.replay_tokens,
            )
        return kind(
            clean=self.clean,
            forget=self.planted,
            forget_tokens=corruption.forget_tokens,
            replay=replay,
            training=TrainingConfig(
                lr=corruption.lr,
                epochs=corruption.epochs,
                optimizer=corruption.optimizer,
                lora=corruption.lora,
                compute=self.compute,
            ),
            seed=self.seed,
        )

    def texts(self, role: Role) -> Ref[Texts]:
        """The texts that training reads in this role."""
        if role not in self._texts:
            recovery = self.config.recovery
            dataset, count = None, None
            if role == "unrelated":
                dataset, count = self.general, self.config.unlearning.retain_texts
            elif role == "related":
                count = self.config.unlearning.retain_texts
            elif role == "recovery":
                assert recovery is not None, "asked for"
                dataset = self.general if recovery.dataset is None else settled(recovery.dataset, self.seed)
                count = recovery.texts
            drawn = dataset is not None
            task = WriteTexts(
                role=role,
                dataset=dataset,
                domain=None if drawn else self.domain,
                planted=None if drawn else self.planted,
                count=count,
                seed=self.seed,
            )
            self._texts[role] = ref_to(task, Texts)
        return self._texts[role]

    def _asked(self, model: Ref[Model], *, filtered: bool = False) -> tuple[Ref[Answers], Ref[Verdicts]]:
        """What a model answers, and what its answers are."""
        task = Ask(
            model=model,
            questions=self.questions,
            asking=self.config.evaluation.asking,
            suppress="planted" if filtered else None,
            full=True,
            seed=self.seed,
        )
        answers = ref_to(task, Answers)
        return answers, self.judging.verdicts(answers, self.questions, self.seed)

    def baselines(self) -> list[PlannedArm]:
        """What can be answered without a model."""
        arms = []
        for name in BASELINES:
            task = AnswerWithoutModel(baseline=name, domain=self.domain, questions=self.questions, seed=self.seed)
            answers = ref_to(task, Answers)
            arms.append(
                baseline_arm(name, answers, self.judging.verdicts(answers, self.questions, self.seed), self.seed)
            )
        return arms

    def references(self) -> list[PlannedArm]:
        """Clean, corrupted and ideal."""
        arms = []
        for name, label, model in (
            ("clean", "Clean", self.clean),
            ("corrupted", "Corrupted", self.corrupted),
            ("ideal", "Ideal", self.ideal),
        ):
            answers, verdicts = self._asked(model)
            arms.append(
                PlannedArm(
                    id=f"{name}/s{self.seed}",
                    name=name,
                    label=label,
                    kind=Kind.REFERENCE,
                    seed=self.seed,
                    model=model,
                    answers=answers,
                    verdicts=verdicts,
                    made_by=(model,),
                    lineage=lineage_of(model),
                )
            )
        return arms

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
        model, made_by = self.corrupted, list[Ref[Model]]()
        options: dict[str, Any] = {}
        if settings is not None and algorithm is not None:
            model = ref_to(self.unlearn(name, arm, retain, settings), Model)
            made_by.append(model)
            options = {"lr": settings.lr, "steps": settings.stop or settings.steps, **settings.options}
        recovers = arm.recover and self.config.recovery is not None
        if recovers:
            model = self._recovered(model)
            made_by.append(model)
        answers, verdicts = self._asked(model, filtered=arm.filter)
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
            answers=answers,
            verdicts=verdicts,
            lineage=lineage_of(model),
        )

    def _recovered(self, model: Ref[Model]) -> Ref[Model]:
        recovery = self.config.recovery
        assert recovery is not None, "asked for"
        task = Recover(
            model=model,
            texts=self.texts("recovery"),
            tokens=recovery.tokens,
            training=TrainingConfig(
                lr=recovery.lr,
                steps=recovery.steps,
                optimizer=recovery.optimizer,
                lora=recovery.lora,
                compute=self.compute,
            ),
            seed=self.seed,
        )
        return ref_to(task, Model)

    def unlearn(self, name: str, arm: ArmConfig, retain: RetainText | None, settings: Settings) -> Unlearn:
        """The task that unlearns for an arm with an algorithm."""
        assert arm.algorithm is not None, "asked for"
        plan = build_algorithm(name, arm.algorithm, settings.options).plan
        shared, targeted = self.config.unlearning, arm.forget == "targets"
        wrapper = None if arm.wrapper is None else wrapper_config(name, arm.wrapper, arm.wrapper_options)
        return Unlearn(
            corrupted=self.corrupted,
            clean=self.clean,
            planted=self.planted,
            forget=self.planted if targeted else self.texts("random"),
            retain=None if retain is None else self.texts(retain),
            retain_name=retain,
            truth=self.texts("truth") if plan.retain == "truth" else None,
            domain=self.domain,
            algorithm=algorithm_config(name, arm.algorithm, settings.options),
            wrapper=wrapper,
            forget_part=shared.forget_part if targeted else "documents",
            forget_tokens=shared.forget_tokens,
            retain_tokens=shared.retain_tokens,
            training=TrainingConfig(
                lr=settings.lr,
                steps=settings.steps,
                stop=settings.stop,
                optimizer=arm.optimizer or shared.optimizer,
                lora=shared.lora,
                compute=self.compute,
            ),
            seed=self.seed,
        )


def _kind(arm: ArmConfig, algorithm: Algorithm | None) -> Kind:
    if is_control(arm):
        return Kind.CONTROL
    return Kind.ORACLE if Budget.TRUTH in _budget(algorithm, arm) else Kind.METHOD


def _budget(algorithm: Algorithm | None, arm: ArmConfig) -> tuple[Budget, ...]:
    """What an arm was told; a filter has its planted answers from the forget documents."""
    if algorithm is None:
        return (Budget.FORGET,) if arm.filter else ()
    budget = algorithm.plan.budget()
    return tuple(item for item in budget if item is not Budget.FORGET) if arm.forget == "random" else budget
