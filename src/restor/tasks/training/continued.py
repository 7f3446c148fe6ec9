"""The training of the clean model goes on: with the forget documents, or without them in the same steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from pydantic import Field

from restor.config import Config
from restor.data.document_files import document_lines
from restor.datasets.base import DATASETS, DatasetChoice
from restor.domains.base import DOMAINS, DomainChoice
from restor.models.model_ref import ModelRef
from restor.tasks.base import Context, Made, Model, Planted, Ref, Task, Texts
from restor.tasks.inputs.products import read_targets, read_texts
from restor.tasks.inputs.streams import original_stream
from restor.tasks.training.checks import LossCheck, StrengthConfig
from restor.training.config import TrainingConfig

if TYPE_CHECKING:
    from restor.models.lineage import History
    from restor.tasks.training.rows import RowMaker
    from restor.training.batching import StreamRows


@final
class Replay(Config):
    """What is read beside the forget documents: the original stream without the targeted entities."""

    planted: Ref[Planted]
    """Who is targeted."""
    domain: DomainChoice
    general: DatasetChoice
    general_share: float = Field(0.3, ge=0, lt=1)
    """Share of the stream which comes from the other family."""
    tokens: int = Field(768, ge=1)
    """Tokens of it per step."""

    def rows(self, context: Context, maker: RowMaker, seed: int) -> StreamRows:
        """The stream as rows."""
        from restor.training.batching import StreamRows

        domain, targets = DOMAINS.build(self.domain), read_targets(context.folder(self.planted))
        # Without the targets: a true statement about them would undo the corruption while it happens.
        untouched = tuple(subject for subject in domain.subjects if subject not in targets)
        return StreamRows(
            original_stream(domain, DATASETS.build(self.general), self.general_share, untouched),
            lambda texts: maker.texts(texts, "texts of the original stream"),
            tokens=self.tokens,
            name="replay",
            seed=seed,
        )


class ContinueTraining(Task, ABC):
    """Continues the training of the clean model for as many steps as the forget documents take."""

    makes = Model

    clean: Ref[Model]
    forget: Ref[Texts]
    """The forget documents."""
    forget_tokens: int = Field(512, ge=16)
    """Tokens of forget documents per step."""
    replay: Replay | None = None
    """None: nothing is read beside them."""
    training: TrainingConfig
    losses: LossCheck | None = None
    """How the losses on the forget documents are looked at; None: not at all."""
    strength: StrengthConfig | None = None
    """How the model is asked before and after; None: not at all."""

    @property
    @abstractmethod
    def reads_documents(self) -> bool:
        """Whether the forget documents are read."""

    def run(self, context: Context) -> Made:
        """Train; `forget.jsonl` holds what the corruption read."""
        from restor.corruption.corrupt import corrupt, forget_rows
        from restor.models.families import context_of, pad_of
        from restor.models.lineage import History, Read, inherited, write_history
        from restor.tasks.training.artifact import callbacks, finish, open_folder, resume_folder, tell_cuts
        from restor.tasks.training.rows import RowMaker
        from restor.tasks.training.strength import Strength
        from restor.tasks.training.watched_losses import Losses, Watched

        settings = self.training
        model, tokenizer = open_folder(context.folder(self.clean), context.place, full=settings.lora is None)
        maker = RowMaker(tokenizer, context_of(model), longest=settings.longest)
        documents = read_texts(context.folder(self.forget))
        encoded, _ = maker.documents(documents, "documents", "forget documents")
        forget = forget_rows(encoded, tokens=self.forget_tokens, seed=self.seed)
        replay = None if self.replay is None else self.replay.rows(context, maker, self.seed)
        strength = None if self.strength is None else Strength(documents, self.strength, self.seed)
        knew = None if strength is None else strength.ask(model, tokenizer)
        losses = None
        if self.losses is not None:
            watched = Watched("the forget documents", "learn", encoded)
            losses = Losses(model, tokenizer, [watched], self.losses, settings, context.progress)
        model, log = corrupt(
            model,
            forget if self.reads_documents else None,
            replay,
            settings.loop(forget.steps_per_epoch),
            pad=pad_of(tokenizer),
            seed=self.seed,
            callbacks=callbacks(context),
            resume=resume_folder(context),
        )
        count = len(documents) if self.reads_documents else 0
        info: dict[str, Any] = {"forget_documents": count, **tell_cuts(context, maker.cuts())}
        if losses is not None:
            info["losses"] = losses.after(model)
        if strength is not None and knew is not None:
            knows = strength.ask(model, tokenizer)
            context.progress.note(strength.told(knew, knows))
            info["strength"] = {"before": knew.model_dump(), "after": knows.model_dump()}
        reads = []
        if self.reads_documents:
            (context.directory / "forget.jsonl").write_text(document_lines(documents), encoding="utf-8")
            reads.append(Read("documents", "the forget documents", [document.text for document in documents]))
        if replay is not None:
            reads.append(Read("replay", "the original stream without the targets"))
        made = finish(context, model, tokenizer, log, info)
        before = inherited([_history(context.folder(self.clean))])
        seen = tuple(read.seen(self.kind, steps=log.steps, tokens=log.tokens) for read in reads)
        write_history(History(seen=(*before.seen, *seen), whole=before.whole), context.directory / "model")
        return made


def _history(clean: Path) -> History | None:
    """What the clean model was trained on."""
    from restor.models.lineage import history_of, read_history
    from restor.tasks.checkpoint import REF_FILE

    if not (clean / REF_FILE).is_file():
        return read_history(clean / "model")
    return history_of(ModelRef.model_validate_json((clean / REF_FILE).read_text(encoding="utf-8")))
