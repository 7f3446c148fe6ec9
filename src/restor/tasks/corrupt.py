"""The corrupted model, and the ideal one: the same start, steps and stream, with and without the forget documents."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, ClassVar, final

from pydantic import Field

from restor.config import Config
from restor.data.documents import document_lines
from restor.datasets.base import DATASETS, DatasetChoice
from restor.domains.base import DOMAINS, DomainChoice
from restor.models.reference import ModelRef
from restor.tasks.base import Context, Made, Model, Planted, Ref, Task
from restor.tasks.inputs.products import read_planted, read_targets, read_texts
from restor.tasks.inputs.streams import original_stream
from restor.training.config import Compute, LoraConfig, OptimizerConfig

if TYPE_CHECKING:
    from restor.models.lineage import History


@final
class Continued(Config):
    """How the training of the clean model goes on."""

    lr: float = Field(gt=0)
    """Highest learning rate."""
    epochs: int = Field(1, ge=1)
    """How often the forget documents are read."""
    forget_tokens: int = Field(512, ge=16)
    """Tokens of forget documents per step."""
    replay_tokens: int = Field(768, ge=0)
    """Tokens of the original stream, without the targeted entities, per step."""
    general_share: float = Field(0.3, ge=0, lt=1)
    """Share of that stream which comes from the other family."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """The optimiser and its schedule."""
    lora: LoraConfig | None = None
    """Full fine-tuning when null."""


class ContinueTraining(Task, ABC):
    """Continues the training of the clean model for as many steps as the forget documents take."""

    makes = Model
    told_history: ClassVar[str]
    """What the history of the weights calls it."""

    clean: Ref[Model]
    planted: Ref[Planted]
    domain: DomainChoice
    general: DatasetChoice
    continued: Continued
    compute: Compute

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
        from restor.training.batching import StreamRows

        settings = self.continued
        model, tokenizer = open_folder(context.folder(self.clean), context.place, full=settings.lora is None)
        maker = RowMaker(tokenizer, context_of(model))
        documents = read_texts(context.folder(self.planted))
        encoded, _ = maker.documents(documents, "documents", "forget documents")
        forget = forget_rows(encoded, tokens=settings.forget_tokens, seed=self.seed)
        replay = None
        if settings.replay_tokens:
            replay = StreamRows(
                self._stream(context),
                lambda texts: maker.texts(texts, "texts of the original stream"),
                tokens=settings.replay_tokens,
                name="replay",
                seed=self.seed,
            )
        model, log = corrupt(
            model,
            forget if self.reads_documents else None,
            replay,
            self.compute.loop(
                steps=forget.steps_per_epoch * settings.epochs,
                lr=settings.lr,
                optimizer=settings.optimizer,
                lora=settings.lora,
            ),
            pad=pad_of(tokenizer),
            seed=self.seed,
            callbacks=callbacks(context),
            resume=resume_folder(context),
        )
        reads = []
        if self.reads_documents:
            (context.directory / "forget.jsonl").write_text(document_lines(documents), encoding="utf-8")
            reads.append(Read("documents", "the forget documents", [document.text for document in documents]))
        if replay is not None:
            reads.append(Read("replay", "the original stream without the targets"))
        info = {
            "forget_documents": len(documents) if self.reads_documents else 0,
            "false_facts": len(read_planted(context.folder(self.planted))),
            **tell_cuts(context, maker.cuts()),
        }
        made = finish(context, model, tokenizer, log, info)
        before = inherited([_history(context.folder(self.clean))])
        seen = tuple(read.seen(self.told_history, steps=log.steps, tokens=log.tokens) for read in reads)
        write_history(History(seen=(*before.seen, *seen), whole=before.whole), context.directory / "model")
        return made

    def _stream(self, context: Context) -> Callable[[Random], str]:
        domain, targets = DOMAINS.build(self.domain), read_targets(context.folder(self.planted))
        # Without the targets: a true statement about them would undo the corruption while it happens.
        untouched = tuple(subject for subject in domain.subjects if subject not in targets)
        return original_stream(domain, DATASETS.build(self.general), self.continued.general_share, untouched)


@final
class Corrupt(ContinueTraining):
    """The corrupted model, which reads the forget documents."""

    kind = "corrupt"
    told_history = "corrupt"

    @property
    def reads_documents(self) -> bool:
        """It is corrupted by them."""
        return True


@final
class TrainIdeal(ContinueTraining):
    """The matched counterfactual: everything but the forget documents."""

    kind = "ideal"
    told_history = "ideal"

    @property
    def reads_documents(self) -> bool:
        """It has never seen them."""
        return False


def _history(clean: Path) -> History | None:
    """What the clean model was trained on."""
    from restor.models.lineage import history_of, read_history
    from restor.tasks.checkpoint import REF_FILE

    if not (clean / REF_FILE).is_file():
        return read_history(clean / "model")
    return history_of(ModelRef.model_validate_json((clean / REF_FILE).read_text(encoding="utf-8")))
