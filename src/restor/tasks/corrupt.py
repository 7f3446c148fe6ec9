"""The corrupted model: it goes on from the clean one, with the forget documents."""

from __future__ import annotations

from typing import final

from restor.tasks.training.continued import ContinueTraining


@final
class Corrupt(ContinueTraining):
    """Reads the forget documents."""

    kind = "corrupt"

    @property
    def reads_documents(self) -> bool:
        """It is corrupted by them."""
        return True
