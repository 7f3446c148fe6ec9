"""The clean model: trained from nothing on the domain and the other family until it answers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from random import Random

from transformers import PreTrainedTokenizerBase

from restor.data.facts import FactsFile, write_facts_jsonl
from restor.errors import ConfigError
from restor.models.checkpoint import new_llama, place
from restor.models.families import pad_of
from restor.models.lineage import History, Read, write_history
from restor.models.tokenizer import bpe_tokenizer, word_tokenizer
from restor.tasks.context import Built, Job, finish, loop_config, tell_cuts
from restor.tasks.rows import RowMaker
from restor.training.batching import StreamRows
from restor.training.callbacks.keep_checkpoints import KeepCheckpoints
from restor.training.loop import train
from restor.training.objective import LanguageModelling

TOKENIZER_TEXTS = 20_000
"""Texts that a BPE vocabulary is learnt from."""


def build(job: Job) -> Built:
    """Make the tokenizer and train the model; `checkpoints/step-N` are kept on the way, with what they have read."""
    shape, clean = job.config["model"], job.config["clean"]
    tokenizer = make_tokenizer(job)
    fresh = new_llama(
        tokenizer=tokenizer,
        hidden=shape["hidden"],
        intermediate=shape["intermediate"],
        layers=shape["layers"],
        heads=shape["heads"],
        context=shape["context"],
        seed=job.seed,
    )
    model = place(fresh, job.device)
    maker = RowMaker(tokenizer, shape["context"])
    stream = StreamRows(
        job.world.stream(job.world.domain.subjects),
        lambda texts: maker.texts(texts, "texts of the original stream"),
        tokens=clean["tokens_per_step"],
        name="clean",
        seed=job.seed,
    )
    reads = (Read("stream", "the original stream"),)
    # In the resume folder, and copied at the end: of a run that is killed, even then, nothing else survives.
    keep = KeepCheckpoints(
        steps={max(1, round(share * clean["steps"])) for share in clean["checkpoints"]},
        folder=job.resume / "checkpoints",
        tokenizer=tokenizer,
        stage="clean",
        reads=reads,
        before=History(whole=True),
    )
    log = train(
        model,
        LanguageModelling(),
        {"text": stream},
        loop_config(job, steps=clean["steps"], lr=clean["lr"], optimizer=clean["optimizer"]),
        pad=pad_of(tokenizer),
        seed=job.seed,
        callbacks=[*job.callbacks(), keep],
        resume=job.resume_folder(),
    )
    if keep.folder.exists():
        shutil.copytree(keep.folder, job.directory / "checkpoints")
    write_facts_jsonl(job.directory / "facts.jsonl", FactsFile(tuple(job.world.domain.facts), {}))
    parameters = sum(value.numel() for value in model.parameters())
    info = {"parameters": parameters, "vocabulary": len(tokenizer), **tell_cuts(job, maker.cuts())}
    built = finish(job, model, tokenizer, log, info)
    seen = tuple(read.seen("clean", steps=log.steps, tokens=log.tokens) for read in reads)
    write_history(History(seen=seen, whole=True), job.directory / "model")
    return built


def make_tokenizer(job: Job) -> PreTrainedTokenizerBase:
    """The tokenizer that the configuration asks for.

    Raises:
        ConfigError: if the domain cannot list its words and a word tokenizer is asked for.
    """
    shape = job.config["model"]
    if shape["tokenizer"] == "words":
        own, other = job.world.domain.vocabulary(), job.world.general.vocabulary()
        if own is None or other is None:
            raise ConfigError(
                "model.tokenizer is 'words', and this domain or general text cannot list its words. Use 'bpe'."
            )
        return word_tokenizer([*own, *other])

    def texts() -> Iterator[str]:
        rng = Random(f"tokenizer/{job.seed}")
        write = job.world.stream(job.world.domain.subjects)
        for _ in range(TOKENIZER_TEXTS):
            yield write(rng)

    return bpe_tokenizer(texts(), shape["vocabulary"])
