"""The ideal model: the same start, steps and stream as the corrupted one, without the forget documents."""

from __future__ import annotations

from typing import final

from restor.tasks.training.continued import ContinueTraining


@final
class TrainIdeal(ContinueTraining):
    """The matched counterfactual: everything but the forget documents."""

    kind = "ideal"

    @property
    def reads_documents(self) -> bool:
        """It has never seen them."""
        return False
