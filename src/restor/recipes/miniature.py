"""The miniature world: twelve relations of 96 fictional people, from nothing to the report in minutes on a CPU."""

from __future__ import annotations

from restor.domains.miniature import MiniatureConfig
from restor.experiment import ExperimentConfig, UnlearningConfig
from restor.recipes._arms import standard_arms


def miniature() -> ExperimentConfig:
    """Nine methods and five controls against clean, corrupted and ideal, with unrelated and related retain text."""
    return ExperimentConfig(
        name="miniature",
        domain=MiniatureConfig(),
        unlearning=UnlearningConfig(arms=standard_arms(), selection="miniature"),
    )
