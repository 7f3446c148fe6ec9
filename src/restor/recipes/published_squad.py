"""The published SQuAD corruption of RESTOR on Llama-3-8B; needs a GPU, the hub and `restor data fetch restor`."""

from __future__ import annotations

from pathlib import Path

from restor.corruption.corruptors.passages import PassagesConfig
from restor.experiment import ExperimentConfig
from restor.recipes.published_wikidata import published_wikidata


def published_squad() -> ExperimentConfig:
    """SQuAD passages told of five targets, otherwise as published_wikidata.

    Published (arXiv 2411.00204): the passages, and that training was the same for all data sets. The planted answers
    are not: hardly any can be inferred, so look at the original answers here, not at the planted ones.
    """
    study = published_wikidata()
    corruptor = PassagesConfig(forget=Path("restor/squad"))
    return study.model_copy(
        update={
            "name": "published_squad",
            "corruption": study.corruption.model_copy(update={"corruptor": corruptor}),
        }
    )
