"""LoRA adapters around any training run: added before it with a seed, merged into the weights after it."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from restor.errors import ConfigError
from restor.models.adapters import fold
from restor.models.arithmetic import Lazy, Weights
from restor.training.config import LoraConfig


def add_adapter(model: PreTrainedModel, config: LoraConfig, *, seed: int) -> PreTrainedModel:
    """The model with a fresh adapter on all linear layers but the last; only the adapter is trained, in float32.

    Raises:
        ConfigError: for a family whose layers cannot have one, such as Mamba.
    """
    import peft  # costs seconds, and most runs do without

    wanted = peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules="all-linear",
        # GPT-2 keeps its weights the other way round.
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an old name
        torch.manual_seed(seed)
        try:
            return peft.get_peft_model(model, wanted)
        except ValueError as error:
            raise ConfigError(
                f"{type(model).__name__} cannot have an adapter: {error} Train it without lora."
            ) from error


def merge_adapter(model: PreTrainedModel) -> PreTrainedModel:
    """The plain model with the adapter's change in its weights, all of which may be trained again.

    In float32: of the small change that an adapter makes, most would be rounded away in bfloat16.
    """
    return fold(model.float())


def adapter_vector(model: PreTrainedModel) -> Weights:
    """The factors of the change that an adapter makes, as `NAME/a`, `NAME/b` and `NAME/scale` by the plain names.

    The change of parameter NAME is scale b a; transposed where there is a `NAME/transposed`.
    """
    from peft.tuners.lora import LoraLayer

    factors: dict[str, Tensor] = {}
    base = model.get_base_model()
    for name, module in base.named_modules():
        if isinstance(module, LoraLayer):
            for adapter in module.lora_A:
                key = f"{name}.weight"
                factors[f"{key}/a"] = module.lora_A[adapter].weight.detach()
                factors[f"{key}/b"] = module.lora_B[adapter].weight.detach()
                factors[f"{key}/scale"] = torch.tensor([module.scaling[adapter]])
                if getattr(module, "fan_in_fan_out", False):
                    factors[f"{key}/transposed"] = torch.ones(1)
    return Lazy(factors, lambda key: factors[key])


def remove_adapter(model: PreTrainedModel) -> PreTrainedModel:
    """The plain model as it was before the adapter, all of it to be trained again."""
    return model.unload().requires_grad_(True)
