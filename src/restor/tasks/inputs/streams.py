"""Texts without end: the original stream of a world, which its clean model is trained on. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from restor.datasets.base import Dataset
from restor.domains.base import Domain, biography, question_list

SENTENCES = 6
"""Sentences of a biography."""
LINES = 6
"""Lines of a question list: as many as the default few-shot prompt has."""


def probed_texts(domain: Domain, subjects: Sequence[str]) -> Callable[[Random], str]:
    """Writes texts of the probed family about some entities: half biographies, half question lists."""

    def write(rng: Random) -> str:
        if rng.random() < 0.5:
            return biography(domain, rng.choice(subjects), SENTENCES, rng)
        return question_list(domain, subjects, LINES, rng)

    return write


def original_stream(
    domain: Domain, general: Dataset, general_share: float, subjects: Sequence[str]
) -> Callable[[Random], str]:
    """Writes the original stream, its probed part restricted to some entities.

    Args:
        domain: what the probed part tells of.
        general: the other family.
        general_share: share of the texts that come from the other family.
        subjects: the entities of the probed part.
    """
    probed = probed_texts(domain, subjects)

    def write(rng: Random) -> str:
        return general.text(rng) if rng.random() < general_share else probed(rng)

    return write
