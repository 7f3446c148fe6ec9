"""The published facts on a CPU: a small model trained from nothing on them, corrupted with our own documents."""

from __future__ import annotations

from pathlib import Path

from restor.domains.triples import TriplesConfig
from restor.evaluation.config import EvaluationConfig
from restor.experiment import CorruptionConfig, ExperimentConfig, UnlearningConfig
from restor.recipes._arms import standard_arms
from restor.tasks.clean import CleanConfig, ModelConfig
from restor.tasks.plant import TargetsConfig


def official_small() -> ExperimentConfig:
    """468 real people in a small model with a learnt tokenizer; needs `restor data fetch restor`, or `--facts PATH`.

    The published passages do not transfer to so small a model (see official_small_passages), so the documents are
    written from templates here. Learning rates and steps of unlearning are those selected on the miniature world; those
    of the corruption were chosen so that untouched facts stay.
    """
    return ExperimentConfig(
        name="official_small",
        domain=TriplesConfig(facts=Path("restor")),
        model=ModelConfig(hidden=160, intermediate=448, tokenizer="bpe", vocabulary=4096),
        clean=CleanConfig(steps=6500, lr=4e-3, tokens_per_step=1024),
        targets=TargetsConfig(validation=10, test=10),
        corruption=CorruptionConfig(
            strengths={"medium": 6e-4, "strong": 1.2e-3}, epochs=2, forget_tokens=1024, replay_tokens=3072
        ),
        evaluation=EvaluationConfig(untouched_facts=500),
        unlearning=UnlearningConfig(arms=standard_arms(), selection="miniature"),
    )
