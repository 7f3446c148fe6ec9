"""How a training step is taken: the optimiser, the schedule of its learning rate, and the compute precision."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable
from typing import final

import torch
from torch import Tensor

from restor.models.precision import Precision
from restor.training.config import OptimizerConfig, SophiaConfig


def make_optimizer(parameters: Iterable[Tensor], config: OptimizerConfig, lr: float) -> torch.optim.Optimizer:
    """The optimiser that a configuration names, over these parameters."""
    if config.name == "sophia":
        return Sophia(parameters, config.sophia, lr=lr, betas=config.betas, weight_decay=config.weight_decay)
    return torch.optim.AdamW(parameters, lr=lr, betas=config.betas, weight_decay=config.weight_decay, fused=True)


def lr_scale(step: int, steps: int, config: OptimizerConfig) -> float:
    """The factor on the learning rate at step `step` (from 0) of `steps`: warm-up, then the schedule to zero."""
    warmup = round(config.warmup * steps)
    if step < warmup:
        return (step + 1) / warmup
    share = (step - warmup) / max(1, steps - warmup)
    if config.schedule == "linear":
        return 1.0 - share
    if config.schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * share))
    return 1.0


def autocast(device: torch.device, precision: Precision) -> contextlib.AbstractContextManager[None]:
    """The compute precision of a forward pass; weights are float32 always."""
    return contextlib.nullcontext() if precision == "float32" else torch.autocast(device.type, torch.bfloat16)


@final
class Sophia(torch.optim.Optimizer):
    """theta <- theta - eta clip(m / max(gamma h, epsilon), 1), m and h moving averages of gradient and curvature.

    Sophia: Liu et al. 2023 (arXiv 2305.14342, algorithm 3), with decoupled weight decay. For unlearning: SOUL, Jia et
    al. 2024 (arXiv 2404.18239). The curvature estimate is that of SOUL's code: the squared gradient of the step's loss
    times the number of samples, an empirical Fisher diagonal. Sophia's own Gauss-Newton-Bartlett estimate squares the
    gradient for labels that the model draws, which takes a backward pass of its own. SOUL's code also updates m twice
    a step; here it is once, as in both papers.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        config: SophiaConfig,
        *,
        lr: float,
        betas: tuple[float, float],
        weight_decay: float,
    ) -> None:
        self.config = config
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take a step with the gradients there are; parameters without one stay what they are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        options = self.config
        for group in self.param_groups:
            lr, (beta1, beta2) = group["lr"], group["betas"]
            for parameter in group["params"]:
                if (gradient := parameter.grad) is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["step"] = torch.zeros(())
                    state["exp_avg"] = torch.zeros_like(parameter)
                    state["curvature"] = torch.zeros_like(parameter)
                average, curvature = state["exp_avg"], state["curvature"]
                average.mul_(beta1).add_(gradient, alpha=1 - beta1)
                if int(state["step"]) % options.every == 0:
                    scale = (1 - beta2) * options.samples
                    curvature.mul_(beta2).addcmul_(gradient, gradient, value=scale)
                state["step"] += 1
                update = average / (options.gamma * curvature).clamp_(min=options.epsilon)
                parameter.mul_(1 - lr * group["weight_decay"]).add_(update.clamp_(-1, 1), alpha=-lr)
        return loss
