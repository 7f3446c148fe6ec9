"""What a training run needs to know, torch-free so that a configuration is read without loading torch."""

from __future__ import annotations

import math
from typing import Literal, final

from pydantic import Field

from restor.config import Config


@final
class LoraConfig(Config):
    """A low-rank adapter on all linear layers, merged into the weights when the stage ends."""

    rank: int = Field(16, ge=1)
    """Rank of the adapter's matrices."""
    alpha: float = Field(32.0, gt=0)
    """The adapter counts alpha / rank times."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the adapter's inputs that are dropped in training."""


@final
class SophiaConfig(Config):
    """What Sophia has beside the options that every optimiser has; the values are those of SOUL's code."""

    gamma: float = Field(0.04, gt=0)
    """The curvature counts this much: the higher, the fewer entries of a step are clipped."""
    samples: int = Field(5120, ge=1)
    """B, by which the squared mean gradient is multiplied to stand for the curvature."""
    every: int = Field(1, ge=1)
    """k: steps between two curvature estimates. Sophia's paper has 10."""
    epsilon: float = Field(1e-15, gt=0)
    """Least value of gamma times the curvature."""


@final
class OptimizerConfig(Config):
    """The optimiser and its schedule; `lr` and the number of steps belong to each run."""

    name: Literal["adamw", "sophia"] = "adamw"
    """`sophia` is second order: steps divided by a curvature estimate and clipped (SOUL, arXiv 2404.18239)."""
    sophia: SophiaConfig = SophiaConfig()
    """Its options, of no effect on AdamW."""
    betas: tuple[float, float] = (0.9, 0.98)
    """Of the moving averages of the gradient and of its square. SOUL has 0.9 and 0.95."""
    weight_decay: float = Field(0.0, ge=0)
    """How fast weights shrink, per unit of the learning rate."""
    clip: float = Field(1.0, gt=0)
    """Largest l2 norm of the gradient."""
    warmup: float = Field(0.1, ge=0, lt=1)
    """Share of the steps over which the learning rate rises from zero."""
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    """How it falls afterwards, to zero unless constant."""


@final
class LoopConfig(Config):
    """One training run of the only training loop."""

    steps: int = Field(ge=0)
    """Steps of the run."""
    stop: int | None = Field(None, ge=0)
    """Step after which the run ends although the learning-rate schedule is that of `steps`: early stopping."""
    lr: float = Field(gt=0)
    """Highest learning rate."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """The optimiser and its schedule."""
    accumulation: int = Field(1, ge=1)
    """Batches per optimiser step; the gradient equals that of one large batch."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Compute precision. Weights stay float32."""
    lora: LoraConfig | None = None
    """An adapter that is trained and merged; null trains all weights."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, more time."""


@final
class Compute(Config):
    """How all training runs of a study compute."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Compute precision. Weights stay float32."""
    accumulation: int = Field(1, ge=1)
    """Parts in which a training batch goes through the model: less memory, the same gradient."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, more time."""

    def loop(
        self,
        *,
        steps: int,
        lr: float,
        optimizer: OptimizerConfig,
        lora: LoraConfig | None = None,
        stop: int | None = None,
    ) -> LoopConfig:
        """The configuration of one training run."""
        return LoopConfig(
            steps=steps,
            stop=stop,
            lr=lr,
            optimizer=optimizer,
            precision=self.precision,
            accumulation=self.accumulation,
            gradient_checkpointing=self.gradient_checkpointing,
            lora=lora,
        )


@final
class TrainingConfig(Config):
    """How a task trains, before it is known how many steps an epoch of its text takes."""

    lr: float = Field(gt=0)
    """Highest learning rate."""
    steps: int | None = Field(None, ge=0)
    """Steps of the training; null: as many as `epochs` takes."""
    epochs: float = Field(1, gt=0)
    """How often the text is read, unless `steps` is given."""
    stop: int | None = Field(None, ge=1)
    """Step after which training ends, while the learning rate's schedule is still that of all steps."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """The optimiser and its schedule."""
    lora: LoraConfig | None = None
    """An adapter that is trained and merged; null trains all weights."""
    longest: int | None = Field(None, ge=16)
    """Most tokens of the rows into which a text is cut that the model cannot read at once; null: what it can read."""
    compute: Compute

    def loop(self, steps_per_epoch: int) -> LoopConfig:
        """The configuration of the training run."""
        steps = self.steps if self.steps is not None else max(1, math.ceil(self.epochs * steps_per_epoch))
        return self.compute.loop(steps=steps, lr=self.lr, optimizer=self.optimizer, lora=self.lora, stop=self.stop)
