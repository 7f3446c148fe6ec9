"""LAT: forgets while an adversary pushes the hidden states towards what is to be forgotten."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn

from restor.models.families import decoder, decoder_layers, layer_index, text_config
from restor.models.labelled import IGNORED, TokenBatch
from restor.training.rules import Memory, Step
from restor.unlearning.wrappers.base import Wrapper, WrapperConfig, WrapperInfo

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@final
class LATConfig(WrapperConfig):
    """The values of the authors' code for unlearning hazardous knowledge (WMDP)."""

    name: Literal["lat"] = "lat"
    layer: int | float = Field(0.25, ge=0)
    """The decoder layer whose output is disturbed: its number from 0, or its place as a share of the depth. The
    authors' is number 7 of 32."""
    epsilon: float = Field(2.0, gt=0)
    """Largest l2 norm of the disturbance at one position."""
    steps: int = Field(16, ge=1)
    """Steps of the adversary."""
    lr: float = Field(0.05, gt=0)
    """The adversary's learning rate, of Adam."""


def project(disturbance: Tensor, epsilon: float) -> Tensor:
    """Each row of (N, d) shortened to a norm of at most epsilon."""
    norms: Tensor = torch.linalg.vector_norm(disturbance, dim=-1, keepdim=True)
    return disturbance / (norms / epsilon).clamp(min=1.0)


@final
class LAT(Wrapper):
    """min_theta L_f(theta, delta*) + L_ret(theta), delta* = argmin_{|delta_t| <= epsilon} CE_f(theta, delta).

    Targeted latent adversarial training, Sheshadri et al. 2024 (arXiv 2407.15549). The disturbances delta are added to
    the residual stream behind a layer, one for every position that predicts a label of the forget rows. They begin at
    zero, and the adversary makes the forget rows more likely by projected gradient descent. The forget term is then
    taken with them; the forget loss that is reported is that one. Predictions of the reference and of alternate rows
    are left alone. The authors' code for RMU also lets the adversary lower the likelihood of the retain text.
    """

    config_type: ClassVar[type[WrapperConfig]] = LATConfig
    info: ClassVar[WrapperInfo] = WrapperInfo(
        title="LAT",
        paper="https://arxiv.org/abs/2407.15549",
        mechanism="takes the forget term under hidden states that an adversary has made recall the forget documents",
        equation="g = grad L_f(theta, delta*) + g_r, delta* = argmin_{|delta_t| <= epsilon} CE_f(theta, delta)",
        cost="steps further passes on the forget rows, without gradients of the weights; holds one gradient and three "
        "vectors of the model's width per labelled position",
    )

    def __init__(self, config: LATConfig) -> None:
        self.config = config

    def gradient(self, step: Step, memory: Memory) -> dict[str, float]:
        """The adversary first; then every term, the forget term with what it has found."""
        around = self._adversary(step)
        return {term: step.backward(term, around=around if term == "forget" else None) for term in step.terms}

    def _adversary(self, step: Step) -> Callable[[TokenBatch], contextlib.AbstractContextManager[None]]:
        layer = layer_index(step.model, self.config.layer)
        width = text_config(step.model).hidden_size
        noises: dict[tuple[int, ...], Tensor] = {}
        for part in step.parts("forget"):
            noises[_key(part)] = torch.zeros(part.n_labelled, width, device=part.input_ids.device, requires_grad=True)

        def around(part: TokenBatch) -> contextlib.AbstractContextManager[None]:
            return disturbed(step.model, layer, part, noises[_key(part)])

        adversary = torch.optim.Adam(list(noises.values()), lr=self.config.lr)
        with _frozen(step.parameters):
            for _ in range(self.config.steps):
                adversary.zero_grad()
                step.backward_nll("forget", around=around)
                adversary.step()
                with torch.no_grad():
                    for value in noises.values():
                        value.copy_(project(value, self.config.epsilon))
        for value in noises.values():
            value.requires_grad_(False)
        return around


def _key(part: TokenBatch) -> tuple[int, ...]:
    return tuple(part.rows.tolist())


@contextlib.contextmanager
def _frozen(parameters: Mapping[str, Tensor]) -> Iterator[None]:
    """No gradients of the weights, which the adversary does not need."""
    for value in parameters.values():
        value.requires_grad_(False)
    try:
        yield
    finally:
        for value in parameters.values():
            value.requires_grad_(True)


@contextlib.contextmanager
def disturbed(model: PreTrainedModel, layer: int, part: TokenBatch, disturbance: Tensor) -> Iterator[None]:
    """Adds to the layer's output at the positions that predict a label, (N, d), in passes of this part alone.

    Passes without gradient, which are those of the reference, and of other rows are as they would be without it.
    """
    places = nn.functional.pad(part.labels[:, 1:] != IGNORED, (0, 1))
    now: bool | None = None
    inputs: list[Tensor] = []

    def begin(_decoder: nn.Module, _args: tuple[Any, ...], options: dict[str, Any]) -> None:
        nonlocal now
        ids = options["input_ids"]
        now = torch.is_grad_enabled() and ids.shape == part.input_ids.shape and torch.equal(ids, part.input_ids)

    def end(_decoder: nn.Module, _args: tuple[Any, ...], _made: Any) -> None:
        nonlocal now
        now = None

    def add(_layer: nn.Module, args: tuple[Any, ...], options: dict[str, Any], made: Any) -> Any:
        states: Tensor = args[0] if args else options["hidden_states"]
        # Outside of the decoder, a layer runs where its checkpointed forward pass is repeated: as it ran before.
        wanted = any(states.data_ptr() == item.data_ptr() for item in inputs) if now is None else now
        if not wanted:
            return made
        if now:
            inputs.append(states)
        output: Tensor = made if isinstance(made, Tensor) else made[0]
        change = torch.zeros_like(output).masked_scatter(places[..., None].to(output.device), disturbance.to(output))
        return output + change if isinstance(made, Tensor) else (output + change, *made[1:])

    hooks = [
        decoder(model).register_forward_pre_hook(begin, with_kwargs=True),
        decoder(model).register_forward_hook(end),
        decoder_layers(model)[layer].register_forward_hook(add, with_kwargs=True),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
