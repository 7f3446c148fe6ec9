"""Weight vectors: sums and differences of models' parameters, float32."""

from __future__ import annotations

from torch import Tensor

from restor.errors import ConfigError

Weights = dict[str, Tensor]
"""Parameters by name, float32."""


def subtract_vector(weights: Weights, end: Weights, start: Weights, alpha: float) -> Weights:
    """theta - alpha (theta_end - theta_start), parameter by parameter.

    Raises:
        ConfigError: if the three have different parameters.
    """
    if not weights.keys() == end.keys() == start.keys():
        raise ConfigError("The models have different parameters; weight arithmetic needs the same architecture.")
    return {name: value - alpha * (end[name] - start[name]) for name, value in weights.items()}
