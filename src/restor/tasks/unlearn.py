"""The unlearned model of one arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, final

from pydantic import Field

from restor.data.facts import FactsFile
from restor.datasets.base import DATASETS
from restor.datasets.general import GeneralConfig
from restor.domains.base import DOMAINS, DomainChoice
from restor.errors import ConfigError, DataError, TrainingError
from restor.models.model_ref import ModelRef
from restor.tasks.base import Context, Made, Model, Planted, Ref, Task, Texts
from restor.tasks.inputs.about import facts_about_targets
from restor.tasks.inputs.products import read_planted, read_texts
from restor.tasks.training.checks import LossCheck
from restor.training.config import TrainingConfig
from restor.types import Budget, Document, Fact, ForgetPart
from restor.unlearning.algorithms.base import ALGORITHMS, Algorithm, AlgorithmChoice
from restor.unlearning.wrappers.base import WRAPPERS, WrapperChoice

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from restor.tasks.training.rows import RowMaker
    from restor.tasks.training.watched_losses import Losses
    from restor.tasks.training.watching import Begin
    from restor.training.loop import TrainingLog
    from restor.unlearning.texts import EncodedTexts

PLAIN_TEXTS = 40
"""Texts that tell whether a model still predicts anything, where it has none to keep."""


@final
class Unlearn(Task):
    """Unlearns the corrupted model with the arm's algorithm, forget set and retain text."""

    kind = "unlearn"
    makes = Model

    corrupted: Ref[Model]
    clean: Ref[Model] | None = None
    """What an earlier checkpoint is taken from, for an algorithm that needs one."""
    forget: Ref[Texts]
    """The forget set: the forget documents of `planted`, or others."""
    planted: Ref[Planted] | None = None
    """Which facts are misstated, and the documents that state them; None: what the forget set tells of counts."""
    retain: Ref[Texts] | None = None
    """Retain text, for an algorithm that reads some."""
    retain_name: str | None = None
    """What it is called where its overlap with the forget documents is told."""
    truth: Ref[Texts] | None = None
    """True texts about the targets, for an algorithm that is told the truth."""
    domain: DomainChoice | None = None
    """What is true of the targets and of others; None where nobody knows."""
    algorithm: AlgorithmChoice
    wrapper: WrapperChoice | None = None
    forget_part: ForgetPart
    forget_tokens: int = Field(ge=16)
    retain_tokens: int = Field(ge=16)
    training: TrainingConfig
    losses: LossCheck | None = None
    """How the losses on what is forgotten and kept are looked at; None: not at all."""

    def run(self, context: Context) -> Made:
        """Train and write."""
        from restor.tasks.training.artifact import finish

        model, tokenizer = self.load(context)
        model, log, info = self.unlearned(context, model, tokenizer, None)
        return finish(context, model, tokenizer, log, info)

    def load(self, context: Context) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The corrupted model, in float32 if all its weights are trained, and its tokenizer."""
        from restor.tasks.training.artifact import open_folder

        return open_folder(context.folder(self.corrupted), context.place, full=self.training.lora is None)

    def unlearned(
        self,
        context: Context,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        begin: Begin | None,
    ) -> tuple[PreTrainedModel, TrainingLog, dict[str, Any]]:
        """The unlearned model, what it took, and what was found.

        Args:
            context: where it is made.
            model: the corrupted model.
            tokenizer: its tokenizer.
            begin: looks at the model before and on the way, for a trial of a grid's point.

        Raises:
            TrainingError: if the training cannot go on, or this arm cannot be made.
        """
        from restor.corruption.corrupt import forget_rows
        from restor.models.families import pad_of
        from restor.tasks.training.artifact import callbacks, resume_folder
        from restor.unlearning.unlearn import unlearn

        algorithm = ALGORITHMS.build(self.algorithm)
        texts, maker, info = self._texts(context, algorithm, model, tokenizer)
        earlier, files = self._checkpoint(context, algorithm)
        per_epoch = forget_rows(texts.forget, tokens=self.forget_tokens, seed=self.seed).steps_per_epoch
        loop = self.training.loop(per_epoch)
        watching = begin(model, tokenizer, algorithm, loop.steps) if begin is not None else ()
        # Trials are told from their answers.
        losses = None if begin is not None else self._losses(context, model, texts, maker)
        try:
            model, log = unlearn(
                model,
                algorithm,
                texts,
                loop,
                pad=pad_of(tokenizer),
                seed=self.seed,
                wrapper=None if self.wrapper is None else WRAPPERS.build(self.wrapper),
                checkpoint=earlier,
                checkpoint_files=files,
                callbacks=[*callbacks(context), *watching],
                resume=resume_folder(context),
            )
        except (ConfigError, DataError) as error:  # of this arm alone: the others go on
            raise TrainingError(str(error)) from error
        return model, log, info if losses is None else info | {"losses": losses.after(model)}

    def _texts(
        self, context: Context, algorithm: Algorithm, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
    ) -> tuple[EncodedTexts, RowMaker, dict[str, Any]]:
        """What the algorithm reads, what made its rows, and what was found on the way."""
        from restor.models.families import context_of
        from restor.tasks.training.artifact import tell_cuts
        from restor.tasks.training.material import encode_texts
        from restor.tasks.training.rows import RowMaker

        documents = read_texts(context.folder(self.forget))
        retain = [] if self.retain is None else _lines(context, self.retain)
        truth = self.truth
        info: dict[str, Any] = {"forget_documents": len(documents), "retain_texts": len(retain)}
        if retain:
            info["overlap"] = self._overlap(context, retain)
        about, others = self._about(context, documents)
        maker = RowMaker(tokenizer, context_of(model), longest=self.training.longest)
        texts, findings = encode_texts(
            algorithm.plan,
            model,
            maker,
            documents=documents,
            part=self.forget_part,
            retain=retain,
            truth=lambda: [] if truth is None else _lines(context, truth),
            facts=lambda: about,
            others=others,
            tokens=(self.forget_tokens, self.retain_tokens),
            seed=self.seed,
            memo=context.memo.setdefault(f"samples/{self.corrupted.key}/{self.forget.key}", {}),
        )
        # The same object: the samples are counted in it when they are written, in the middle of the training.
        findings |= info | tell_cuts(context, maker.cuts())
        return texts, maker, findings

    def _about(self, context: Context, documents: Sequence[Document]) -> tuple[list[Fact], list[str]]:
        """True facts about the targets, and the names of others, for the prompts of samples.

        In a study these are the facts that are misstated, and samples begin as texts do.
        """
        if self.planted is not None:
            return [item.fact for item in read_planted(context.folder(self.planted)).values()], []
        if self.domain is None:
            return [], []
        domain = DOMAINS.build(self.domain)
        about = facts_about_targets(documents, domain)
        targets = {fact.subject for fact in about}
        return about, [name for name in domain.subjects if name not in targets]

    def _losses(self, context: Context, model: PreTrainedModel, texts: EncodedTexts, maker: RowMaker) -> Losses | None:
        """What is forgotten and kept; where no retain text is read, plain sentences that nothing reads."""
        from restor.tasks.training.watched_losses import Losses, Watched

        if self.losses is None:
            return None
        forget = Watched("the forget documents", "forget", texts.forget, texts.forget_labels)
        if texts.retain:
            kept = Watched("the retain text", "keep", texts.retain)
        else:
            plain = DATASETS.build(GeneralConfig()).sample(Random("plain"), PLAIN_TEXTS)
            kept = Watched("plain sentences", "keep", maker.texts(plain, "plain sentences"))
        return Losses(model, maker.tokenizer, [forget, kept], self.losses, self.training, context.progress)

    def _overlap(self, context: Context, retain: Sequence[str]) -> str:
        """What the retain text shares with the forget documents, worked out once; told if it is anything."""
        from restor.data.overlap import overlap

        assert self.retain is not None, "asked for"
        key = f"overlap/{self.retain.key}"
        if key not in context.memo:
            facts = None if self.domain is None else FactsFile(tuple(DOMAINS.build(self.domain).facts), {})
            shared = overlap(self._stating(context), retain, facts)
            context.memo[key] = shared.summary()
            if shared:
                named, advice = f"{self.retain_name} ", ""
                if self.retain_name is None:
                    named, advice = "", "; `restor data overlap` names them"
                context.progress.note(
                    f"the {named}retain text overlaps what is to be forgotten: {shared.summary()}{advice}"
                )
        return str(context.memo[key])

    def _stating(self, context: Context) -> tuple[Document, ...]:
        """The documents that state the planted answers, whatever the arm forgets."""
        return read_texts(context.folder(self.planted or self.forget))

    def _checkpoint(
        self, context: Context, algorithm: Algorithm
    ) -> tuple[Callable[[], PreTrainedModel] | None, Path | None]:
        """What loads an earlier checkpoint, and its files.

        Raises:
            ConfigError: if there is none, or it has read the forget documents.
        """
        import torch

        from restor.models.checkpoint import load_model
        from restor.models.lineage import read_history, read_lineage
        from restor.models.loading import load_checkpoint
        from restor.models.provenance import refuse_reader
        from restor.tasks.checkpoint import REF_FILE

        if Budget.CHECKPOINT not in algorithm.plan.budget():
            return None, None
        assert self.clean is not None, "planned for such an algorithm"
        share = float(getattr(self.algorithm, "checkpoint", 1.0))
        cpu = torch.device("cpu")
        clean = context.folder(self.clean)
        texts = [document.text for document in self._stating(context)]
        if not (clean / REF_FILE).is_file():
            folder = checkpoint_folder(clean, share)
            refuse_reader(folder.name, read_history(folder), texts)
            return lambda: load_model(folder, cpu), folder
        if share != 1.0:
            raise ConfigError(
                f"The clean model is a checkpoint made elsewhere, of whose training nothing is kept: the share "
                f"{share:g} cannot be had. Set the algorithm's checkpoint to 1."
            )
        ref = ModelRef.model_validate_json((clean / REF_FILE).read_text(encoding="utf-8"))
        if ref.folder is not None:
            refuse_reader(ref.label, read_lineage(ref.folder), texts)
        plain = ref.folder is not None and ref.adapter is None
        return lambda: load_checkpoint(ref, device=cpu)[0], ref.folder if plain else None


def _lines(context: Context, ref: Ref[Texts]) -> list[str]:
    return [document.text for document in read_texts(context.folder(ref))]


def checkpoint_folder(clean: Path, share: float) -> Path:
    """The checkpoint that had seen this share of the clean training; 1 is its end. None of them read forget documents.

    Raises:
        ConfigError: if no checkpoint was kept there, naming those that were.
    """
    if share == 1.0:
        return clean / "model"
    total = len((clean / "training.jsonl").read_text(encoding="utf-8").splitlines())
    kept = {path.name: int(path.name.removeprefix("step-")) / total for path in clean.glob("checkpoints/step-*")}
    for name, at in kept.items():
        if abs(at - share) < 0.5 / total + 1e-9:
            return clean / "checkpoints" / name
    known = ", ".join(f"{at:g}" for at in sorted([*kept.values(), 1.0]))
    raise ConfigError(
        f"There is no checkpoint after the share {share:g} of the clean training; kept are {known}. Add it to "
        "clean.checkpoints, or choose one of these."
    )
