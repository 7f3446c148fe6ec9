"""The published passages in the small model of official_small: a check that shows why that study writes its own."""

from __future__ import annotations

from pathlib import Path

from restor.corruption.corruptors.passages import PassagesConfig
from restor.experiment import ExperimentConfig
from restor.recipes.official_small import official_small
from restor.tasks.plant import TargetsConfig

ARMS = ("nothing", "recovery_only", "retain_only", "npo_token", "msa")


def official_small_passages() -> ExperimentConfig:
    """official_small, corrupted with the released k = 0 passages about ten people.

    A small model that has only read templates learns little from passages in another style, so little is planted: what
    is measured here is that, not unlearning. The clean model is the one of official_small.
    """
    study = official_small()
    arms = {name: study.unlearning.arms[name] for name in ARMS}
    return study.model_copy(
        update={
            "name": "official_small_passages",
            "targets": TargetsConfig(validation=0),
            "corruption": study.corruption.model_copy(update={"corruptor": PassagesConfig(forget=Path("restor/k0"))}),
            "unlearning": study.unlearning.model_copy(update={"arms": arms}),
        }
    )
