"""What a training run needs to know, torch-free so that a configuration is read without loading torch."""

from __future__ import annotations

from typing import Literal, final

from pydantic import Field

from restor.config import Config


@final
class LoraConfig(Config):
    """A low-rank adapter on all linear layers, merged into the weights when the stage ends."""

    rank: int = Field(16, ge=1)
    alpha: float = Field(32.0, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)


@final
class OptimizerConfig(Config):
    """AdamW and its schedule; `lr` and the number of steps belong to each run."""

    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = Field(0.0, ge=0)
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
    lr: float = Field(gt=0)
    optimizer: OptimizerConfig = OptimizerConfig()
    accumulation: int = Field(1, ge=1)
    """Batches per optimiser step; the gradient equals that of one large batch."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Compute precision; `auto` takes bfloat16 where the hardware computes it. Weights stay float32."""
    lora: LoraConfig | None = None
    gradient_checkpointing: bool = False
