"""What a figure is made of: one weighted sum of totals over another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from restor.evaluation.statistics.clusters import Floats


@final
@dataclass(frozen=True, slots=True)
class Contrast:
    """`above` / `below`, each a weight per model and a last one for the number of facts.

    Means, differences and ratios of paired models are all of this form, so that one draw serves all models, and what a
    fact adds to the figure has one formula.
    """

    above: tuple[float, ...]
    below: tuple[float, ...]

    def __call__(self, totals: Floats) -> Floats:
        """Totals (..., K + 1) in, one figure each out; NaN unless the denominator is positive."""
        above, below = totals @ np.array(self.above), totals @ np.array(self.below)
        positive = below > 0
        result: Floats = np.where(positive, above / np.where(positive, below, 1.0), np.nan)
        return result

    def influence(self, values: Floats) -> Floats:
        """Per fact, from values (K, F): (above - figure x below) / mean of below. Its mean is 0, and its spread is that
        of the figure to first order (the linearised ratio)."""
        rows = np.concatenate([values, np.ones((1, values.shape[1]))])
        above, below = np.array(self.above) @ rows, np.array(self.below) @ rows
        scale = float(below.mean())
        if not scale > 0:
            return np.full(values.shape[1], np.nan)
        influences: Floats = (above - float(above.mean()) / scale * below) / scale
        return influences


MEAN = Contrast((1, 0), (0, 1))
DIFFERENCE = Contrast((1, -1, 0), (0, 0, 1))
"""Of arm and other."""
RATIO = Contrast((1, 0, 0), (0, 1, 0))
"""Of two shares."""
RESTORATION = Contrast((1, -1, 0, 0), (0, -1, 1, 0))
"""Of arm, corrupted and ideal."""
RESTORATION_ABOVE = Contrast((1, -1, 0, 0, 0), (0, 0, -1, 1, 0))
"""Of arm, control, corrupted and ideal."""
