"""An algorithm as a user writes it into a file; tests break it in many ways."""

from __future__ import annotations

MINE = '''"""Mine: does nothing of use."""
from __future__ import annotations

from restor.unlearning.algorithms.base import AlgorithmConfig, AlgorithmInfo, LossAlgorithm, Plan, loss_grid


class MineConfig(AlgorithmConfig):
    beta: float = 0.5
    """How much."""


class Mine(LossAlgorithm):
    config_type = MineConfig
    info = AlgorithmInfo("Mine", "https://example.org", "nothing", "0", "nothing", loss_grid((1e-4,) * 6, 10))

    def __init__(self, config):
        self.config = config

    @property
    def plan(self):
        return Plan(retain=None)

    def forget_loss(self, seen):
        return seen.policy.logits.sum()

    def retain_loss(self, seen):
        raise NotImplementedError
'''

LOSS = "return seen.policy.logits.sum()"
"""The line of its forget loss."""
