"""The corrupted model, and the ideal one: the same start, steps and stream, with and without the forget documents."""

from __future__ import annotations

from pathlib import Path

from restor.corruption.corrupt import corrupt, forget_rows
from restor.data.documents import document_lines
from restor.models.families import context_of, pad_of
from restor.models.lineage import History, Read, history_of, inherited, read_history, write_history
from restor.models.reference import ModelRef
from restor.tasks.context import REF_FILE, Built, Job, finish, loop_config, open_model, tell_cuts
from restor.tasks.rows import RowMaker
from restor.training.batching import StreamRows


def build(job: Job) -> Built:
    """Continue the training of the clean model; `forget.jsonl` holds what the corruption read."""
    return _continue(job, with_forget=True)


def build_ideal(job: Job) -> Built:
    """The matched counterfactual: everything but the forget documents."""
    return _continue(job, with_forget=False)


def _continue(job: Job, *, with_forget: bool) -> Built:
    settings = job.config["corruption"]
    model, tokenizer = open_model(job, "clean", full=settings["lora"] is None)
    maker = RowMaker(tokenizer, context_of(model))
    documents = job.world.forget_documents
    encoded, _ = maker.documents(documents, "documents", "forget documents")
    forget = forget_rows(encoded, tokens=settings["forget_tokens"], seed=job.seed)
    steps = forget.steps_per_epoch * settings["epochs"]
    replay = None
    if settings["replay_tokens"]:
        # Without the targets: a true statement about them would undo the corruption while it happens.
        replay = StreamRows(
            job.world.stream(job.world.untouched),
            lambda texts: maker.texts(texts, "texts of the original stream"),
            tokens=settings["replay_tokens"],
            name="replay",
            seed=job.seed,
        )
    model, log = corrupt(
        model,
        forget if with_forget else None,
        replay,
        loop_config(job, steps=steps, lr=settings["lr"], optimizer=settings["optimizer"], lora=settings["lora"]),
        pad=pad_of(tokenizer),
        seed=job.seed,
        callbacks=job.callbacks(),
        resume=job.resume_folder(),
    )
    if with_forget:
        (job.directory / "forget.jsonl").write_text(document_lines(documents), encoding="utf-8")
    info = {
        "forget_documents": len(documents) if with_forget else 0,
        "false_facts": len(job.world.planted),
        **tell_cuts(job, maker.cuts()),
    }
    built = finish(job, model, tokenizer, log, info)
    before = inherited([_history(job.parents["clean"])])
    reads = (
        [Read("documents", "the forget documents", [document.text for document in documents])] if with_forget else []
    )
    reads += [Read("replay", "the original stream without the targets")] if replay is not None else []
    seen = tuple(read.seen("corrupt" if with_forget else "ideal", steps=log.steps, tokens=log.tokens) for read in reads)
    write_history(History(seen=(*before.seen, *seen), whole=before.whole), job.directory / "model")
    return built


def _history(clean: Path) -> History | None:
    """What the clean model was trained on."""
    if not (clean / REF_FILE).is_file():
        return read_history(clean / "model")
    return history_of(ModelRef.model_validate_json((clean / REF_FILE).read_text(encoding="utf-8")))
