"""The unlearned model of one arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from pydantic import Field

from restor.data.facts import FactsFile
from restor.domains.base import DOMAINS, DomainChoice
from restor.errors import ConfigError, DataError, TrainingError
from restor.models.reference import ModelRef
from restor.tasks.base import Context, Made, Model, Planted, Ref, Task, Texts
from restor.tasks.inputs.products import read_planted, read_texts
from restor.training.config import Compute, LoraConfig, OptimizerConfig
from restor.types import Budget, Document, ForgetPart
from restor.unlearning.algorithms.base import ALGORITHMS, Algorithm, AlgorithmChoice
from restor.unlearning.wrappers.base import WRAPPERS, WrapperChoice

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from restor.tasks.training.watching import Begin
    from restor.training.loop import TrainingLog


@final
class Unlearn(Task):
    """Unlearns the corrupted model with the arm's algorithm, forget set and retain text."""

    kind = "unlearn"
    makes = Model

    corrupted: Ref[Model]
    clean: Ref[Model]
    """What an earlier checkpoint is taken from."""
    planted: Ref[Planted]
    """Which facts are misstated, and the documents that state them."""
    forget: Ref[Texts]
    """The forget set: the forget documents of `planted`, or others."""
    retain: Ref[Texts] | None = None
    """Retain text, for an algorithm that reads some."""
    retain_name: str | None = None
    """What it is called where its overlap with the forget documents is told."""
    truth: Ref[Texts] | None = None
    """True texts about the targets, for an algorithm that is told the truth."""
    domain: DomainChoice
    algorithm: AlgorithmChoice
    wrapper: WrapperChoice | None = None
    lr: float = Field(gt=0)
    steps: int = Field(ge=0)
    stop: int | None = None
    """Step after which training ends, while the learning rate's schedule is still that of `steps`."""
    forget_part: ForgetPart
    forget_tokens: int = Field(ge=16)
    retain_tokens: int = Field(ge=16)
    optimizer: OptimizerConfig
    lora: LoraConfig | None
    compute: Compute

    def run(self, context: Context) -> Made:
        """Train and write."""
        from restor.tasks.training.artifact import finish

        model, tokenizer, log, info = self.unlearned(context, None)
        return finish(context, model, tokenizer, log, info)

    def unlearned(
        self, context: Context, begin: Begin | None
    ) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, TrainingLog, dict[str, Any]]:
        """The model, its tokenizer, what it took, and what was found; `begin` looks at the model on the way.

        Raises:
            TrainingError: if the training cannot go on, or this arm cannot be made.
        """
        from restor.models.families import context_of, pad_of
        from restor.tasks.training.artifact import callbacks, open_folder, resume_folder, tell_cuts
        from restor.tasks.training.material import encode_texts
        from restor.tasks.training.rows import RowMaker
        from restor.unlearning.unlearn import unlearn

        algorithm = ALGORITHMS.build(self.algorithm)
        model, tokenizer = open_folder(context.folder(self.corrupted), context.place, full=self.lora is None)
        retain = [] if self.retain is None else _texts(context, self.retain)
        truth = self.truth
        maker = RowMaker(tokenizer, context_of(model))
        texts, info = encode_texts(
            algorithm.plan,
            model,
            maker,
            documents=read_texts(context.folder(self.forget)),
            part=self.forget_part,
            retain=retain,
            truth=lambda: [] if truth is None else _texts(context, truth),
            facts=lambda: [item.fact for item in read_planted(context.folder(self.planted)).values()],
            others=(),
            tokens=(self.forget_tokens, self.retain_tokens),
            seed=self.seed,
            memo=context.memo.setdefault(f"samples/{self.corrupted.key}/{self.forget.key}", {}),
        )
        info |= tell_cuts(context, maker.cuts())
        share, earlier, files = self._checkpoint(context, algorithm)
        loop = self.compute.loop(steps=self.steps, stop=self.stop, lr=self.lr, optimizer=self.optimizer, lora=self.lora)
        watching = begin(model, tokenizer, algorithm, loop.steps) if begin is not None else ()
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
        overlap = self._overlap(context, retain) if retain else None
        return model, tokenizer, log, {"checkpoint": share, "overlap": overlap, **info}

    def _overlap(self, context: Context, retain: Sequence[str]) -> str:
        """What the retain text shares with the forget documents, worked out once per seed; told if it is anything."""
        from restor.data.overlap import overlap

        assert self.retain is not None, "asked for"
        key = f"overlap/{self.retain.key}"
        if key not in context.memo:
            facts = FactsFile(tuple(DOMAINS.build(self.domain).facts), {})
            shared = overlap(self._stating(context), retain, facts)
            context.memo[key] = shared.summary()
            if shared:
                context.progress.note(
                    f"the {self.retain_name} retain text overlaps what is to be forgotten: {shared.summary()}"
                )
        return str(context.memo[key])

    def _stating(self, context: Context) -> tuple[Document, ...]:
        """The documents that state the planted answers, whatever the arm forgets."""
        return read_texts(context.folder(self.planted))

    def _checkpoint(
        self, context: Context, algorithm: Algorithm
    ) -> tuple[float | None, Callable[[], PreTrainedModel] | None, Path | None]:
        """The share of the clean training that an earlier checkpoint had seen, what loads it, and its files.

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
            return None, None, None
        share = float(getattr(self.algorithm, "checkpoint", 1.0))
        cpu = torch.device("cpu")
        clean = context.folder(self.clean)
        texts = [document.text for document in self._stating(context)]
        if not (clean / REF_FILE).is_file():
            folder = checkpoint_folder(clean, share)
            refuse_reader(folder.name, read_history(folder), texts)
            return share, lambda: load_model(folder, cpu), folder
        if share != 1.0:
            raise ConfigError(
                f"The clean model is a checkpoint made elsewhere, of whose training nothing is kept: the share "
                f"{share:g} cannot be had. Set the algorithm's checkpoint to 1."
            )
        ref = ModelRef.model_validate_json((clean / REF_FILE).read_text(encoding="utf-8"))
        if ref.folder is not None:
            refuse_reader(ref.label, read_lineage(ref.folder), texts)
        plain = ref.folder is not None and ref.adapter is None
        return share, lambda: load_checkpoint(ref, device=cpu)[0], ref.folder if plain else None


def _texts(context: Context, ref: Ref[Texts]) -> list[str]:
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
