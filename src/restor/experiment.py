"""A whole study as one frozen value: what `restor run` takes, stores as YAML and runs again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, final

from pydantic import AfterValidator, Field, model_validator

from restor.config import MOST_THREADS, Config
from restor.corruption.corruptors.base import CorruptorChoice
from restor.corruption.corruptors.fact_swap import FactSwapConfig
from restor.datasets.base import DatasetChoice
from restor.datasets.general import GeneralConfig
from restor.domains.base import DomainChoice
from restor.domains.miniature import MiniatureConfig
from restor.evaluation.config import EvaluationConfig
from restor.models.model_ref import ModelRef
from restor.registry import absolute_name
from restor.selection.trial import Chosen
from restor.tasks.clean import CleanConfig, ModelConfig
from restor.tasks.plant import TargetsConfig
from restor.training.config import LoraConfig, OptimizerConfig
from restor.types import ForgetPart, RetainText, Strength

EntryName = Annotated[str, AfterValidator(absolute_name)]
"""A catalogue entry's name; a class in a file gets the file's absolute path, so that a stored study runs anywhere."""

STRENGTHS: Mapping[Strength, float] = {"medium": 1.2e-3, "strong": 2.2e-3}
"""Learning rate of each named strength of the corruption."""


@final
class CorruptionConfig(Config):
    """Continued pretraining of the clean model on forget documents, mixed with rows of the original stream."""

    strength: Strength = "medium"
    """Names the learning rate, unless `lr` is given."""
    strengths: dict[Strength, float] = Field(default_factory=lambda: dict(STRENGTHS))
    """Learning rate of each named strength."""
    lr: float | None = Field(None, gt=0)
    """Learning rate; null takes that of `strength`."""
    corruptor: CorruptorChoice = FactSwapConfig()
    """Who plants wrong answers and writes the forget documents."""
    epochs: int = Field(1, ge=1)
    """How often the forget documents are read."""
    forget_tokens: int = Field(512, ge=16)
    """Tokens of forget documents per step."""
    replay_tokens: int = Field(768, ge=0)
    """Tokens of the original stream, without the targeted entities, per step."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """The optimiser and its schedule."""
    lora: LoraConfig | None = None
    """Full fine-tuning when null."""


@final
class ArmConfig(Config):
    """One arm of the study: an algorithm with its settings, or a control."""

    label: str
    """What tables and pages call it."""
    algorithm: EntryName | None = None
    """Entry of the catalogue of algorithms, or `path/to/file.py:Class`; null leaves the corrupted model as it is."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Hyperparameters of the algorithm; they win over chosen ones."""
    wrapper: EntryName | None = None
    """Entry of the catalogue of wrappers, or `path/to/file.py:Class`: how the steps of the loss are taken."""
    wrapper_options: dict[str, Any] = Field(default_factory=dict)
    """Settings of the wrapper."""
    optimizer: OptimizerConfig | None = None
    """The arm's own optimiser; null takes that of all arms."""
    filter: bool = False
    """Whether the planted answers are suppressed when the model is asked: a control that changes no weight."""
    forget: Literal["targets", "random"] = "targets"
    """`random` gives the algorithm equally many documents about random untouched entities: a control."""
    lr: float | None = Field(None, gt=0)
    """Learning rate; null takes the chosen one, else the algorithm's own."""
    steps: int | None = Field(None, ge=0)
    """Steps; null takes the chosen ones, else the algorithm's own."""
    recover: bool = True
    """Whether the recovery fine-tune follows, where the study has one."""
    chosen: dict[Literal["none", "unrelated", "related"], Chosen] = Field(default_factory=dict)
    """Per kind of retain text; filled in from the stored selection."""


@final
class UnlearningConfig(Config):
    """The arms and what they share."""

    arms: dict[str, ArmConfig]
    """Name -> arm: the methods and controls of the study, see `restor list arms`."""
    selection: str | None = None
    """Stored choice of hyperparameters, made on validation people: a name shipped with restor or a JSON file."""
    lr: float | None = Field(None, gt=0)
    """Learning rate of every arm, in place of its own."""
    steps: int | None = Field(None, ge=0)
    """Steps of every arm, in place of its own."""
    forget_tokens: int = Field(512, ge=16)
    """Tokens of forget documents per step."""
    retain_tokens: int = Field(512, ge=16)
    """Tokens of retain text per step."""
    forget_part: ForgetPart = "documents"
    """What is forgotten of the forget documents: all of them; only their false statements, the context removed
    (`simplified`); or all is read and only the statements' tokens are labels (`statements`)."""
    retain_texts: int = Field(1000, ge=1)
    """Texts in each retain set."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """The optimiser and its schedule, for arms without their own."""
    lora: LoraConfig | None = None
    """An adapter that is trained and merged; null trains all weights."""


@final
class RecoveryConfig(Config):
    """The light fine-tune after unlearning, on text that touches no probed relation."""

    steps: int = Field(20, ge=1)
    """Steps of the fine-tune."""
    lr: float = Field(2e-4, gt=0)
    """Highest learning rate."""
    tokens: int = Field(512, ge=16)
    """Tokens of text per step."""
    texts: int = Field(400, ge=1)
    """Most texts that are read."""
    dataset: DatasetChoice | None = None
    """Where the text comes from; null takes the other family, `general`."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """The optimiser and its schedule."""
    lora: LoraConfig | None = None
    """An adapter that is trained and merged; null trains all weights."""


MOST_SEEDS = 1000


@final
class ExperimentConfig(Config):
    """A study: seeds x (clean, corruption, ideal, arms x retain texts), all evaluated alike."""

    name: str = Field("miniature", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Name of the study, part of its folder's name."""
    seeds: Annotated[tuple[int, ...], Field(min_length=1, max_length=MOST_SEEDS)] = (0,)
    """Which seeds; everything is made and asked anew for each."""
    domain: DomainChoice = MiniatureConfig()
    """Where the facts that models are asked about come from."""
    general: DatasetChoice = GeneralConfig()
    """The other family: context, unrelated retain text and recovery text come from it."""
    start: ModelRef | None = None
    """The checkpoint that is the clean model; null trains one from nothing, as `model` and `clean` say."""
    model: ModelConfig = ModelConfig()
    """The model that is trained from nothing."""
    clean: CleanConfig = CleanConfig()
    """The training of the clean model."""
    targets: TargetsConfig = TargetsConfig()
    """Who is targeted."""
    corruption: CorruptionConfig = CorruptionConfig()
    """How wrong facts are planted."""
    retain: Annotated[tuple[RetainText, ...], Field(min_length=1)] = ("unrelated", "related")
    """Kinds of retain text: `unrelated` is the other family, `related` the probed one about untouched entities."""
    unlearning: UnlearningConfig
    """The arms, and what they share."""
    recovery: RecoveryConfig | None = RecoveryConfig()
    """The light fine-tune after unlearning; null leaves it out."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How models are asked and judged."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Compute precision of training; weights stay float32. `auto` takes bfloat16 on a GPU that computes it, and on a
    CPU where a short measurement finds it clearly faster for this model. The stored `config.yaml` says what it took."""
    accumulation: int = Field(1, ge=1)
    """Parts in which a training batch goes through the model: less memory, the same gradient."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, more time."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    threads: int | None = Field(None, ge=1, le=MOST_THREADS)
    """CPU threads; null measures once per store what is fastest. It never changes what is computed, only rounding."""

    @model_validator(mode="after")
    def _no_repeats(self) -> ExperimentConfig:
        for name, values in (("seeds", self.seeds), ("retain", self.retain)):
            if len(set(values)) != len(values):
                raise ValueError(f"{name} has a value twice: {list(values)}")
        return self

    def scientific(self) -> Mapping[str, Any]:
        """What identifies the study: everything but the name and the threads."""
        return {key: value for key, value in self.identity().items() if key not in ("name", "threads")}
