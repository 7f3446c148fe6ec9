"""The published Wikidata corruption of RESTOR on Llama-3-8B; needs a GPU, the hub and `restor data fetch restor`."""

from __future__ import annotations

from pathlib import Path

from restor.corruption.corruptors.passages import PassagesConfig
from restor.datasets.hub import HubConfig
from restor.domains.triples import TriplesConfig
from restor.evaluation.config import EvaluationConfig
from restor.experiment import ArmConfig, CorruptionConfig, ExperimentConfig, RecoveryConfig, UnlearningConfig
from restor.models.model_ref import ModelRef
from restor.recipes._arms import standard_arms
from restor.tasks.plant import TargetsConfig
from restor.training.config import LoraConfig, OptimizerConfig

RANK, ALPHA = 8, 16
"""Unpublished; the defaults of LLaMA-Factory, with which the study trained."""
CUTOFF, BATCH, ACCUMULATION = 1024, 2, 2
"""Published batch and accumulation. The length of a row is unpublished: LLaMA-Factory's default, to which it packs."""
LIMA_ROWS, LIMA_BATCH, LIMA_EPOCHS = 1_030, 16, 2
"""LIMA's training rows; published batch (2 x 8) and epochs."""


def published_wikidata() -> ExperimentConfig:
    """Corruption with k = 4 and recovery as published (arXiv 2411.00204), unlearning by all our algorithms.

    Published (the study's repository): model, data, LoRA on all linear layers, lr 5e-5, 5 epochs, cosine with 10 %
    warm-up, batch 2 x 2 for the corruption; LIMA, lr 2e-5, 2 epochs, 2 x 8 for the recovery; prompts, sampling and
    three runs. Another k: `--corruption.corruptor.forget restor/k0`.

    Our choice: rank and row length (defaults of the tool that was used), bfloat16 in place of fp16 (its range needs no
    loss scaling) and merged weights in float32 (so that small changes are not rounded away), all passages where the
    study held 10 % out, sampling at temperature 0.6 and top-p 0.9 (what the model ships, which the study's scripts
    took), and everything about unlearning, of which neither learning rate nor epochs are published: the corruption's
    learning rate and adapter, and about one epoch, so that an algorithm may move the weights about as far as the
    corruption did.
    """
    lora = LoraConfig(rank=RANK, alpha=ALPHA)
    optimizer = OptimizerConfig(betas=(0.9, 0.999), schedule="cosine", warmup=0.1)
    step = CUTOFF * BATCH * ACCUMULATION
    return ExperimentConfig(
        name="published_wikidata",
        start=ModelRef(path="meta-llama/Meta-Llama-3-8B"),
        domain=TriplesConfig(facts=Path("restor")),
        general=HubConfig(path="c4", texts=2_000),
        targets=TargetsConfig(validation=0),
        corruption=CorruptionConfig(
            corruptor=PassagesConfig(forget=Path("restor/k4")),
            lr=5e-5,
            epochs=5,
            forget_tokens=step,
            replay_tokens=0,
            optimizer=optimizer,
            lora=lora,
        ),
        retain=("unrelated",),
        unlearning=UnlearningConfig(
            arms=published_arms(),
            lr=5e-5,
            steps=200,
            forget_tokens=step,
            retain_tokens=step,
            optimizer=optimizer,
            lora=lora,
        ),
        recovery=RecoveryConfig(
            steps=LIMA_EPOCHS * LIMA_ROWS // LIMA_BATCH,
            lr=2e-5,
            tokens=LIMA_BATCH * 512,
            texts=LIMA_ROWS,
            dataset=HubConfig(path="lima", min_chars=1, max_chars=None, texts=LIMA_ROWS),
            optimizer=optimizer,
            lora=lora,
        ),
        evaluation=EvaluationConfig(protocol="published", asked="listed", max_new_tokens=32),
    )


def published_arms() -> dict[str, ArmConfig]:
    """GA, KL, NPO as published (the batch mean inside the logarithm) and task vector, then what came later."""
    arms = standard_arms()
    first = (
        "nothing",
        "recovery_only",
        "retain_only",
        "random_forget",
        "output_filter",
        "gradient_ascent",
        "kl_divergence",
    )
    published = (*first, "npo_batch", "task_vector")
    return {name: arms[name] for name in (*published, *(name for name in arms if name not in published))}
