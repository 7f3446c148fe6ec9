"""The arms of studies: those of the default ones, and everything else that the catalogues have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restor.experiment import ArmConfig
from restor.training.config import OptimizerConfig

WRAPPED: Mapping[str, Any] = {"normalization": "token", "beta": 1.0}
"""The NPO that wrappers are shown around."""


SMALL: Mapping[str, Mapping[str, Any]] = {
    "memit": {"fact_token": "last", "contexts": 0},
    "alphaedit": {"fact_token": "last", "contexts": 0, "unit": "relative"},
    "tar": {"steps": 4, "every": 2, "lrs": [1e-3]},
}
"""Settings of entries whose defaults are for models of billions of parameters: what fits one of two layers."""


def standard_arms() -> dict[str, ArmConfig]:
    """The controls and methods of the default study; learning rates and steps come from the stored selection."""
    return {
        "nothing": ArmConfig(label="Nothing", recover=False),
        "recovery_only": ArmConfig(label="Recovery only"),
        "retain_only": ArmConfig(label="Retain only", algorithm="retain_only"),
        "random_forget": ArmConfig(
            label="Random forget set (NPO)", algorithm="npo", forget="random", options={"normalization": "sequence"}
        ),
        "output_filter": ArmConfig(label="Output filter", filter=True, recover=False),
        "gradient_ascent": ArmConfig(label="GradDiff", algorithm="gradient_ascent"),
        "kl_divergence": ArmConfig(label="KL", algorithm="kl_divergence"),
        "npo_sequence": ArmConfig(
            label="NPO, per sequence", algorithm="npo", options={"normalization": "sequence", "beta": 0.1}
        ),
        "npo_token": ArmConfig(
            label="NPO, per token", algorithm="npo", options={"normalization": "token", "beta": 1.0}
        ),
        "npo_batch": ArmConfig(
            label="NPO, batch mean", algorithm="npo", options={"normalization": "batch", "beta": 0.1}
        ),
        "simnpo": ArmConfig(label="SimNPO", algorithm="simnpo"),
        "undial": ArmConfig(label="UNDIAL", algorithm="undial"),
        "task_vector": ArmConfig(label="Task vector", algorithm="task_vector"),
        "msa": ArmConfig(label="MSA", algorithm="msa"),
    }


def further_arms(*, small: bool) -> dict[str, ArmConfig]:
    """Every algorithm of the catalogue that is no standard arm, and every wrapper around NPO.

    With `small`, entries whose defaults are for large models get settings that fit a model of few layers.
    """
    from restor.unlearning.algorithms.base import ALGORITHMS  # brings torch
    from restor.unlearning.wrappers.base import WRAPPERS

    settings = SMALL if small else {}
    shown = {arm.algorithm for arm in standard_arms().values()}
    arms = {
        "gradient_ascent_alone": ArmConfig(
            label="Gradient ascent", algorithm="gradient_ascent", options={"retain_weight": 0.0}
        ),
        **{
            name: own_arm(name).model_copy(update={"options": dict(settings.get(name, {}))})
            for name in ALGORITHMS.names()
            if name not in shown
        },
        "rmu_adaptive": ArmConfig(label="Adaptive RMU", algorithm="rmu", options={"variant": "adaptive"}),
        "dpo_truth": ArmConfig(label="DPO, true answers", algorithm="dpo", options={"prefer": "truth"}),
    }
    for name in WRAPPERS.names():
        title = WRAPPERS.get(name).info.title
        arms[f"npo_{name}"] = ArmConfig(
            label=f"NPO + {title}",
            algorithm="npo",
            options=dict(WRAPPED),
            wrapper=name,
            wrapper_options=dict(settings.get(name, {})),
        )
    sophia = OptimizerConfig(name="sophia")
    arms["npo_sophia"] = ArmConfig(label="NPO + SOUL", algorithm="npo", optimizer=sophia, options=dict(WRAPPED))
    return arms


def own_arm(algorithm: str) -> ArmConfig:
    """The arm of an algorithm with its default settings.

    Raises:
        ConfigError: for an unknown algorithm.
    """
    from restor.unlearning.algorithms.base import ALGORITHMS  # brings torch

    return ArmConfig(label=ALGORITHMS.get(algorithm).info.title, algorithm=algorithm)
