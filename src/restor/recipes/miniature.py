"""The miniature world: twelve relations of 96 fictional people, from nothing to the report in minutes on a CPU."""

from __future__ import annotations

from restor.domains.miniature import MiniatureConfig
from restor.experiment import ArmConfig, ExperimentConfig, UnlearningConfig


def miniature() -> ExperimentConfig:
    """Nine methods and four controls against clean, corrupted and ideal, with unrelated and related retain text."""
    return ExperimentConfig(
        name="miniature",
        domain=MiniatureConfig(),
        unlearning=UnlearningConfig(arms=standard_arms(), selection="miniature"),
    )


def standard_arms() -> dict[str, ArmConfig]:
    """The controls and methods of the default study; learning rates and steps come from the stored selection."""
    return {
        "nothing": ArmConfig(label="Nothing", recover=False),
        "recovery_only": ArmConfig(label="Recovery only"),
        "retain_only": ArmConfig(label="Retain only", algorithm="retain_only"),
        "random_forget": ArmConfig(
            label="Random forget set (NPO)", algorithm="npo", forget="random", options={"normalization": "sequence"}
        ),
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
