"""What a verb that makes a checkpoint is told: the model, the text and how it is trained. Torch-free."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, final

from pydantic import Field, ValidationError, model_validator

from restor.config import MOST_THREADS, Config
from restor.data.locate import DataPath, locate_documents, locate_facts
from restor.datasets.base import DatasetChoice
from restor.errors import ConfigError
from restor.evaluation.ask.protocol import LONGEST_ANSWER
from restor.evaluation.config import EvaluationConfig
from restor.models.model_ref import ModelRef
from restor.models.provenance import suggestion
from restor.registry import class_in_file
from restor.selection.split import SelectConfig
from restor.tasks.base import content
from restor.tasks.inputs.settle import settled
from restor.training.config import Compute, LoraConfig, OptimizerConfig, TrainingConfig
from restor.types import Budget, ForgetPart
from restor.unlearning.algorithms.base import ALGORITHMS, Algorithm, AlgorithmChoice, AlgorithmConfig, LossAlgorithm
from restor.unlearning.fit import check_wrapper
from restor.unlearning.wrappers.base import WRAPPERS, WrapperChoice


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
    def training(self) -> TrainingConfig:
        """How it is trained."""
        assert self.precision != "auto", "settled before anything is planned"
        compute = Compute(
            precision=self.precision,
            accumulation=self.accumulation,
            gradient_checkpointing=self.gradient_checkpointing,
        )
        return TrainingConfig(
            lr=self.lr,
            steps=self.steps,
            epochs=self.epochs,
            optimizer=self.optimizer,
            lora=self.lora,
            longest=self.tokens,  # a context may be larger than memory
            compute=compute,
        )

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
        files = {"forget": locate_documents(self.forget)}
        return files if self.facts is None else {**files, "facts": locate_facts(self.facts)[0]}

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
        name, budget = self.algorithm.name, algorithm.plan.budget()
        if self.select is not None and self.facts is None:
            yield "--select chooses by the true answers about some of the targets: give --facts with a file of facts"
        if algorithm.plan.retain == "text" and self.retain is None:
            other = ", or set --algorithm.retain_weight 0" if _does_without_retain(self.algorithm) else ""
            yield f"{name} reads retain text: give --retain with a file or a data set{other}"
        if Budget.TRUTH in budget and self.facts is None:
            yield f"{name} is told the true answers: give --facts with them"
        if Budget.CHECKPOINT in budget and self.checkpoint is None:
            needed = f"{name} needs --checkpoint, a model from before the forget documents."
            yield f"{needed}{suggestion(self.model, self.forget)}".removesuffix(".")

    @property
    def files(self) -> Mapping[str, Path]:
        """Forget documents, facts where they are given, and the code of an algorithm or wrapper of the user's own."""
        files = {"forget": locate_documents(self.forget)}
        for role, choice in (("algorithm", self.algorithm), ("wrapper", self.wrapper)):
            if choice is not None and (class_place := class_in_file(choice.name)) is not None:
                files[role] = class_place[0]
        if self.facts is None:
            return files
        facts, entities = locate_facts(self.facts)
        # Whom the facts list decides who is asked about.
        listed = {} if self.select is None or entities is None else {"entities": entities}
        return {**files, "facts": facts, **listed}

    @property
    def datasets(self) -> Mapping[str, Any]:
        """The retain text."""
        return {} if self.retain is None else {"retain": content(settled(self.retain, self.seed))}

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
        return {"text": content(settled(self.text, self.seed))}

    @property
    def parents(self) -> Mapping[str, ModelRef]:
        """The unlearned model."""
        return {"unlearned": self.model}


CONFIGS: Mapping[str, type[CheckpointConfig]] = {
    "corrupt": CorruptConfig,
    "unlearn": UnlearnConfig,
    "recover": RecoverConfig,
}
"""Verb -> its settings."""
