"""The clean model: trained from nothing on the domain and the other family until it answers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from random import Random
from typing import TYPE_CHECKING, Literal, final

from pydantic import Field, model_validator

from restor.config import Config
from restor.data.facts import FactsFile, write_facts_jsonl
from restor.datasets.base import DATASETS, Dataset, DatasetChoice
from restor.domains.base import DOMAINS, Domain, DomainChoice
from restor.errors import ConfigError
from restor.tasks.base import Context, Made, Model, Task
from restor.tasks.inputs.streams import original_stream
from restor.training.config import Compute, OptimizerConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TOKENIZER_TEXTS = 20_000
"""Texts that a BPE vocabulary is learnt from."""


@final
class ModelConfig(Config):
    """The shape of a small Llama that is trained from nothing, and its tokenizer."""

    hidden: int = Field(128, ge=8)
    """Width of the hidden states; a multiple of twice the heads."""
    intermediate: int = Field(384, ge=8)
    """Width within an MLP."""
    layers: int = Field(2, ge=1)
    """How many layers."""
    heads: int = Field(4, ge=1)
    """Attention heads of a layer."""
    context: int = Field(512, ge=32)
    """Longest input, tokens."""
    tokenizer: Literal["words", "bpe"] = "words"
    """`words` needs a domain that can list its vocabulary; `bpe` is trained on the domain's text."""
    vocabulary: int = Field(8192, ge=300)
    """Size of a `bpe` vocabulary."""

    @model_validator(mode="after")
    def _heads_divide(self) -> ModelConfig:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of twice the heads ({self.heads})")
        return self


@final
class CleanConfig(Config):
    """Training the clean model from nothing on the domain and the other family."""

    steps: int = Field(1800, ge=1)
    """Steps of the training."""
    lr: float = Field(5e-3, gt=0)
    """Highest learning rate."""
    tokens_per_step: int = Field(768, ge=32)
    """Tokens of text per step."""
    general_share: float = Field(0.3, ge=0, lt=1)
    """Share of the texts that come from the other family."""
    checkpoints: tuple[float, ...] = (0.2, 0.5)
    """Shares of the training after which a checkpoint is kept, with what it has read."""
    optimizer: OptimizerConfig = OptimizerConfig(warmup=0.05)
    """The optimiser and its schedule."""


@final
class TrainClean(Task):
    """Makes the tokenizer and trains the model; `checkpoints/step-N` are kept on the way, with what they have read."""

    kind = "clean"
    makes = Model

    domain: DomainChoice
    general: DatasetChoice
    model: ModelConfig
    clean: CleanConfig
    compute: Compute

    def run(self, context: Context) -> Made:
        """Train, keep and write."""
        from restor.models.checkpoint import new_llama, place
        from restor.models.families import pad_of
        from restor.models.lineage import History, Read, write_history
        from restor.tasks.training.artifact import callbacks, finish, resume_folder, tell_cuts
        from restor.tasks.training.rows import RowMaker
        from restor.training.batching import StreamRows
        from restor.training.callbacks.keep_checkpoints import KeepCheckpoints
        from restor.training.loop import train
        from restor.training.objective import LanguageModelling

        shape, clean = self.model, self.clean
        domain, general = DOMAINS.build(self.domain), DATASETS.build(self.general)
        write = original_stream(domain, general, clean.general_share, domain.subjects)
        tokenizer = self._tokenizer(domain, general, write)
        fresh = new_llama(
            tokenizer=tokenizer,
            hidden=shape.hidden,
            intermediate=shape.intermediate,
            layers=shape.layers,
            heads=shape.heads,
            context=shape.context,
            seed=self.seed,
        )
        model = place(fresh, context.place)
        maker = RowMaker(tokenizer, shape.context)
        stream = StreamRows(
            write,
            lambda texts: maker.texts(texts, "texts of the original stream"),
            tokens=clean.tokens_per_step,
            name="clean",
            seed=self.seed,
        )
        reads = (Read("stream", "the original stream"),)
        # In the resume folder, and copied at the end: of a run that is killed, even then, nothing else survives.
        keep = KeepCheckpoints(
            steps={max(1, round(share * clean.steps)) for share in clean.checkpoints},
            folder=context.resume / "checkpoints",
            tokenizer=tokenizer,
            stage="clean",
            reads=reads,
            before=History(whole=True),
        )
        log = train(
            model,
            LanguageModelling(),
            {"text": stream},
            self.compute.loop(steps=clean.steps, lr=clean.lr, optimizer=clean.optimizer),
            pad=pad_of(tokenizer),
            seed=self.seed,
            callbacks=[*callbacks(context), keep],
            resume=resume_folder(context),
        )
        if keep.folder.exists():
            shutil.copytree(keep.folder, context.directory / "checkpoints")
        write_facts_jsonl(context.directory / "facts.jsonl", FactsFile(tuple(domain.facts), {}))
        parameters = sum(value.numel() for value in model.parameters())
        info = {"parameters": parameters, "vocabulary": len(tokenizer), **tell_cuts(context, maker.cuts())}
        made = finish(context, model, tokenizer, log, info)
        seen = tuple(read.seen("clean", steps=log.steps, tokens=log.tokens) for read in reads)
        write_history(History(seen=seen, whole=True), context.directory / "model")
        return made

    def _tokenizer(self, domain: Domain, general: Dataset, write: Callable[[Random], str]) -> PreTrainedTokenizerBase:
        """The tokenizer that the configuration asks for.

        Raises:
            ConfigError: if the domain cannot list its words and a word tokenizer is asked for.
        """
        from restor.models.tokenizer import bpe_tokenizer, word_tokenizer

        if self.model.tokenizer == "words":
            words, others = domain.vocabulary(), general.vocabulary()
            if words is None or others is None:
                raise ConfigError(
                    "model.tokenizer is 'words', and this domain or general text cannot list its words. Use 'bpe'."
                )
            return word_tokenizer([*words, *others])

        def texts() -> Iterator[str]:
            rng = Random(f"tokenizer/{self.seed}")
            for _ in range(TOKENIZER_TEXTS):
                yield write(rng)

        return bpe_tokenizer(texts(), self.model.vocabulary)
