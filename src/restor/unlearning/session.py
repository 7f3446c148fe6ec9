"""The one model in memory, the weights that it can be given, and the training runs that are made with it.

Whatever is trained beside the run itself (teachers, vectors) is trained in the same model, one after the other, and
what is needed of it later is kept on disk. A run that was killed finds it there again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor
from transformers import PreTrainedModel

from restor.errors import CodeError, ConfigError, TrainingError
from restor.models.arithmetic import Lazy, StoredWeights, Weights, difference, read_note, store_weights
from restor.models.families import layer_index, mlp_output
from restor.models.files import weight_files
from restor.models.flops import Meter, metered
from restor.models.labelled import TokenBatch, collate, predict
from restor.training.batching import RowSource
from restor.training.callbacks.base import Callback
from restor.training.config import LoopConfig
from restor.training.loop import TrainingLog, train
from restor.training.lora import adapter_vector, add_adapter, merge_adapter, remove_adapter
from restor.training.objective import LanguageModelling, Objective
from restor.training.optim import autocast
from restor.training.reference import AdapterOffReference, CachedReference, KeptHead, Reference
from restor.training.resume import ResumeFolder
from restor.training.rules import StepRule
from restor.unlearning.algorithms.base import Edit, LossAlgorithm, Plan, Session, Start, Teacher, Text
from restor.unlearning.objective import Distillation, Unlearning
from restor.unlearning.texts import Encoded, Marked, Material

FISHER_ROWS = 256
"""Most rows whose gradients are squared one by one."""


@final
class ModelHolder:
    """The one model, what it holds, and what is kept on disk."""

    def __init__(
        self,
        model: PreTrainedModel,
        config: LoopConfig,
        *,
        pad: int,
        seed: int,
        who: str,
        checkpoint: Callable[[], PreTrainedModel] | None,
        checkpoint_files: Path | None,
        callbacks: Sequence[Callback],
        resume: ResumeFolder | None,
        scratch: Path,
    ) -> None:
        """`who` is the algorithm's name in messages; `scratch` is where weights are kept."""
        self.model = model
        self.config = config
        self.pad = pad
        self.seed = seed
        self.who = who
        self.logs: list[TrainingLog] = []
        self.meter = Meter()
        """Counts what is run outside of trainings."""
        self.trained = 0.0
        """Seconds that trainings took here."""
        self._checkpoint = checkpoint
        self._checkpoint_files = checkpoint_files
        self._dtypes = {name: value.dtype for name, value in model.named_parameters()}
        self._told: set[Path] = set()
        self._callbacks = callbacks
        self._resume = resume
        self._scratch = scratch
        self._holds: Start | None = "corrupted"
        """What the model in memory is; None: something else."""
        self._head: KeptHead | None = None
        """The output layer of the model as it is, shared by all that is kept of its predictions."""

    # Weights ---------------------------------------------------------------------------------------------------------

    def weights(self, start: Start) -> Weights:
        """The weights of a start, kept on disk from the first time that they are asked for.

        Raises:
            ConfigError: if there is no checkpoint, or it is of another architecture.
        """
        folder = self._scratch / start
        if not folder.exists():
            if start == "corrupted":
                assert self._holds == "corrupted", "kept before anything else is put into the model"
                store_weights(_parameters(self.model), folder)
            else:
                if self._checkpoint is None:
                    raise ConfigError(
                        f"{self.who} needs a checkpoint from before the forget documents, and none was given."
                    )
                if (stored := self._stored(self._checkpoint_files)) is not None:
                    return stored
                store_weights(_named_as(self.model, self._checkpoint()), folder)
        return StoredWeights(folder)

    def _stored(self, folder: Path | None) -> Weights | None:
        """The weights of a checkpoint folder read where they are, if they are the model's by name and shape."""
        names = () if folder is None else weight_files(folder).names
        if folder is None or not all((folder / name).is_file() for name in names):
            return None
        stored = StoredWeights(folder, names)
        shapes = _shapes(self.model)
        if any(name not in stored or stored.shape(name) != shape for name, shape in shapes.items()):
            return None
        if any(name in stored for name in _all_names(self.model) - shapes.keys()):
            return None  # of weights that the model shares it has another copy, which may differ
        return Lazy(shapes, lambda name: stored[name])

    def put(self, what: Start | Weights) -> PreTrainedModel:
        """The model with other weights, in evaluation mode; those that are left out are the corrupted ones.

        Raises:
            CodeError: if one has another shape.
            TrainingError: if one is not finite.
        """
        if isinstance(what, str) and self._holds == what:
            return self.model.eval()
        base = self.weights("corrupted")
        weights = self.weights(what) if isinstance(what, str) else what
        # Weights that were computed are float32: of small changes, most would be rounded away in bfloat16.
        self._holds, self._head = what if isinstance(what, str) else None, None
        with torch.no_grad():
            for name, value in self.model.named_parameters():
                new = weights[name] if name in weights else base[name]
                if new.shape != value.shape:
                    raise CodeError(
                        f"{self.who} made {name} of shape {tuple(new.shape)}; in the model it is of shape "
                        f"{tuple(value.shape)}. Give every parameter the shape it has."
                    )
                if not bool(torch.isfinite(new).all()):
                    raise TrainingError(
                        f"{self.who} made weights that are not finite ({name}). Nothing was saved. Lower its scale "
                        "or its learning rate."
                    )
                dtype = self._dtypes[name] if isinstance(what, str) else torch.float32
                value.grad = None
                if value.dtype == dtype:
                    value.copy_(new)
                else:
                    value.data = new.to(value.device, dtype)
        return self.model.eval()

    # Training --------------------------------------------------------------------------------------------------------

    def vector(self, start: Start, source: RowSource, name: str, *, lr: float, steps: float, seed: int) -> Weights:
        """What fine-tuning a start on some rows adds to it. Under an adapter it is taken from the adapter."""
        config = self.scaled(lr, steps)
        folder = self._scratch / _label("vector", start, name, config, seed)
        if not folder.exists():
            self.weights("corrupted")
            self.put(start)
            trained = self._with_adapter(config, self.seed + seed)
            if not config.lora:
                self._holds = None
            log = self._train(trained, LanguageModelling(), {"text": source}, config, folder.name, seed=seed)
            if config.lora:
                store_weights(adapter_vector(trained), folder, asdict(log))
                remove_adapter(trained)
            else:
                store_weights(_parameters(self.model), folder, asdict(log))
            self._forget(folder.name)
        self._remember(folder)
        stored = StoredWeights(folder)
        if not self.config.lora:
            return difference(stored, self.weights(start))
        return _expand(stored)

    def minimised(
        self, start: Start | Weights, algorithm: LossAlgorithm, material: Material, name: str, config: LoopConfig
    ) -> Weights:
        """The weights after a loss was minimised from a start, which is its reference."""
        reads: dict[Text, bool] = {"forget": algorithm.plan.forget, "retain": algorithm.plan.retain is not None}
        material.read |= {text for text, wanted in reads.items() if wanted}
        folder = self._scratch / _label("minimised", "", name, config, 0)
        if not folder.exists():
            self.weights("corrupted")
            self.put(start)
            with self.meter.apart():
                log = self.minimise(algorithm, material, config, folder.name, teachers={}, rule=None)
                store_weights(_parameters(self.model), folder, self._note(log))
            self._forget(folder.name)
        self._remember(folder)
        return StoredWeights(folder)

    def distilled(
        self,
        start: Weights,
        teacher: Weights,
        material: Material,
        text: Text,
        name: str,
        config: LoopConfig,
        heat: float,
    ) -> Weights:
        """The weights after a start learnt to predict as a teacher does on a text, at the temperature `heat`."""
        folder = self._scratch / _label("distilled", text, name, config, 0)
        if not folder.exists():
            source = material.source(text)
            self.weights("corrupted")
            self.put(teacher)
            with self.meter.apart():
                objective = Distillation(self.cached(material, text, source, config), heat)
                self.put(start)
                trained = self._with_adapter(config, self.seed)
                log = self._train(trained, objective, {"text": source}, config, folder.name)
                if config.lora:
                    self.model = merge_adapter(trained)
                store_weights(_parameters(self.model), folder, self._note(log))
            self._forget(folder.name)
        self._remember(folder)
        return StoredWeights(folder)

    def minimise(
        self,
        algorithm: LossAlgorithm,
        material: Material,
        config: LoopConfig,
        name: str,
        *,
        teachers: Mapping[str, Mapping[Text, Reference]],
        rule: StepRule | None,
    ) -> TrainingLog:
        """Minimise a loss from the weights that the model has, which are its reference; any adapter is merged."""
        plan = algorithm.plan
        layer = None if plan.layer is None else layer_index(self.model, plan.layer)
        trained = self._with_adapter(config, self.seed)

        texts: dict[str, Text] = {"forget": "forget", "retain": "retain"}
        wanted: dict[Text, bool] = {"forget": plan.forget, "retain": plan.retain is not None}
        sources = {text: material.source(text) for text, read in wanted.items() if read}
        compares: dict[Text, bool] = {"forget": plan.forget_reference, "retain": plan.retain_reference}
        references: dict[Text, Reference] = {}
        for text, source in sources.items():
            if compares[text] and config.lora:
                references[text] = AdapterOffReference(trained, precision=config.precision, layer=layer)
            elif compares[text]:
                references[text] = self.cached(material, text, source, config, layer)
        alternates = material.texts.alternates if plan.alternates is not None else ()
        marked = material.texts.alternate_labels
        other = references.get("forget")
        if alternates and other is not None and not config.lora:
            numbers = _read(sources["forget"], config)
            other = self._cache(alternates, material.tokens("forget"), marked, None, numbers)
        objective = Unlearning(
            algorithm,
            references=references,
            teachers=teachers,
            alternates=alternates,
            alternate_labels=marked,
            alternate_reference=other if alternates else None,
            layer=layer,
            pad=self.pad,
            seed=self.seed,
        )
        rows: dict[str, RowSource] = {term: sources[texts[term]] for term in objective.terms}
        self._holds = None
        with _only(trained, _mlp_names(self.model, plan)):
            log = self._train(trained, objective, rows, config, name, rule=rule)
        if config.lora:
            self.model = merge_adapter(trained)
        return log

    def cached(
        self, material: Material, text: Text, source: RowSource, config: LoopConfig, layer: int | None = None
    ) -> Reference:
        """The predictions of the model as it is now, on the rows of a text that a run will read."""
        numbers = _read(source, config)
        return self._cache(material.rows(text), material.tokens(text), material.labels(text), layer, numbers)

    def _cache(
        self, rows: Encoded, tokens: int, labels: Marked | None, layer: int | None, numbers: Collection[int]
    ) -> Reference:
        self._head = self._head or KeptHead(self.model, self.meter)
        with metered(self.model, self.meter):
            return CachedReference(
                self.model,
                rows,
                tokens=tokens,
                pad=self.pad,
                precision=self.config.precision,
                labels=labels,
                layer=layer,
                numbers=numbers,
                head=self._head,
            )

    def teacher(self, teacher: Teacher, material: Material) -> dict[Text, Reference]:
        """Make a teacher and keep what it predicts; the model holds the corrupted weights again afterwards."""
        self.weights("corrupted")
        config = self.config.model_copy(
            update={
                "stop": None,
                "steps": self.config.steps if teacher.steps is None else teacher.steps,
                "lr": self.config.lr if teacher.lr is None else teacher.lr,
            }
        )
        made: Weights | Start = teacher.start
        if teacher.trained_by is not None:
            made = self.minimised(teacher.start, teacher.trained_by, material, f"teacher-{teacher.name}", config)
        elif teacher.text is not None:
            lr, steps = config.lr / self.config.lr, config.steps / max(1, self.config.steps)
            source = material.source(teacher.text)
            moved = self.vector(teacher.start, source, f"teacher-{teacher.name}", lr=lr, steps=steps, seed=0)
            start = self.weights(teacher.start)
            made = Lazy(start, lambda name: start[name] + moved[name] if name in moved else start[name])
        self.put(made)
        predictions = {text: self.cached(material, text, material.source(text), self.config) for text in teacher.on}
        self.put("corrupted")
        return predictions

    def gradient(self, start: Start, material: Material, text: Text, *, squared: bool) -> Weights:
        """The mean gradient of the cross-entropy over a text's rows, or of its square by row."""
        material.read.add(text)
        folder = self._scratch / f"gradient-{start}-{text}{'-squared' if squared else ''}"
        if not folder.exists():
            self.weights("corrupted")
            self.put(start)
            with self.meter.apart(), metered(self.model, self.meter):
                gradients = self._gradient(material, text, squared)
                store_weights(gradients, folder, {"flops": self.meter.take()})
        if folder not in self._told:
            self._told.add(folder)
            note: Any = read_note(folder)
            self.meter.add(note["flops"])
        return StoredWeights(folder)

    def _gradient(self, material: Material, text: Text, squared: bool) -> dict[str, Tensor]:
        self.model.zero_grad(set_to_none=True)
        gradients = {
            name: torch.zeros_like(value, dtype=torch.float32) for name, value in self.model.named_parameters()
        }
        rows, labels = material.rows(text), material.labels(text)
        numbers = list(range(len(rows)))
        if squared:
            kept = torch.randperm(len(rows), generator=torch.Generator().manual_seed(self.seed))[:FISHER_ROWS]
            numbers = sorted(kept.tolist())
        parts = [[number] for number in numbers] if squared else list(_by_length(rows, numbers, material.tokens(text)))
        count = 0
        for part in parts:
            marked = None if labels is None else [labels[number] for number in part]
            batch = collate([rows[number] for number in part], part, self.pad, marked).to(self.model.device)
            if not batch.n_labelled:
                continue
            with autocast(self.model.device, self.config.precision):
                known = predict(self.model, batch)
                loss = -(known.log_probs().mean() if squared else known.log_probs().sum())
            loss.backward()  # type: ignore[no-untyped-call]
            count += 1 if squared else batch.n_labelled
            for name, value in self.model.named_parameters():
                if value.grad is not None:
                    gradients[name] += value.grad.float().square() if squared else value.grad
                    value.grad = None
        return {name: value.div_(max(1, count)) for name, value in gradients.items()}

    def batches(self, material: Material, text: Text) -> Iterator[TokenBatch]:
        """The rows of a text once."""
        rows, labels = material.rows(text), material.labels(text)
        for part in _by_length(rows, range(len(rows)), material.tokens(text)):
            marked = None if labels is None else [labels[number] for number in part]
            yield collate([rows[number] for number in part], part, self.pad, marked).to(self.model.device)

    # Parts -----------------------------------------------------------------------------------------------------------

    def scaled(self, lr: float, steps: float) -> LoopConfig:
        """The run's configuration with other lengths and rates."""
        count = max(1, round(self.config.steps * steps)) if self.config.steps else 0
        return self.config.model_copy(update={"lr": self.config.lr * lr, "steps": count, "stop": None})

    def _with_adapter(self, config: LoopConfig, seed: int) -> PreTrainedModel:
        return add_adapter(self.model, config.lora, seed=seed) if config.lora else self.model

    def _train(
        self,
        model: PreTrainedModel,
        objective: Objective,
        sources: Mapping[str, RowSource],
        config: LoopConfig,
        name: str,
        *,
        rule: StepRule | None = None,
        seed: int = 0,
    ) -> TrainingLog:
        self._head = None
        resume = self._resume
        if resume is not None and name:
            resume = ResumeFolder(resume.folder / name, resume.every)
        began = time.perf_counter()
        log = train(
            model,
            objective,
            sources,
            config,
            pad=self.pad,
            seed=self.seed + seed,
            rule=rule,
            callbacks=self._callbacks,
            resume=resume,
            part=name,
            meter=self.meter,
        )
        self.trained += time.perf_counter() - began
        return log

    def _forget(self, name: str) -> None:
        """Remove what a training kept for itself while it ran."""
        if self._resume is not None:
            shutil.rmtree(self._resume.folder / name, ignore_errors=True)

    def _remember(self, folder: Path) -> None:
        if folder in self._told:
            return
        self._told.add(folder)
        note: Any = read_note(folder)
        log = TrainingLog(**{**note, "records": tuple(note["records"])})
        self.logs.append(log)

    def _note(self, log: TrainingLog) -> dict[str, object]:
        """What a training took, with the operations beside it that its result was made by too."""
        return asdict(replace(log, flops=log.flops + self.meter.take()))


@final
class UnlearningSession(Session):
    """Does the work with the one model in memory."""

    def __init__(self, holder: ModelHolder, material: Material) -> None:
        self._holder = holder
        self._material = material
        self._count = 0

    @property
    def corrupted(self) -> Weights:
        """theta."""
        return self._holder.weights("corrupted")

    @property
    def checkpoint(self) -> Weights:
        """theta_C."""
        return self._holder.weights("checkpoint")

    @property
    def edits(self) -> Sequence[Edit]:
        """The facts to be written."""
        return self._material.texts.edits

    @property
    def seed(self) -> int:
        """Of the run."""
        return self._holder.seed

    def vector(self, start: Start, text: Text, *, lr: float = 1.0, steps: float = 1.0, seed: int = 0) -> Weights:
        """Fine-tune and take the difference."""
        source = self._material.source(text, seed=seed)
        return self._holder.vector(start, source, f"{start}-{text}", lr=lr, steps=steps, seed=seed)

    def minimised(self, start: Weights, loss: LossAlgorithm, *, lr: float = 1.0, steps: float = 1.0) -> Weights:
        """Minimise a loss."""
        config = self._holder.scaled(lr, steps)
        return self._holder.minimised(start, loss, self._material, self._name("loss"), config)

    def distilled(
        self, start: Weights, teacher: Weights, text: Text, *, lr: float = 1.0, steps: float = 1.0, temperature: float
    ) -> Weights:
        """Learn to predict as a teacher."""
        config = self._holder.scaled(lr, steps)
        self._material.read.add(text)
        return self._holder.distilled(
            start, teacher, self._material, text, self._name("distil"), config, heat=temperature
        )

    def _name(self, what: str) -> str:
        self._count += 1
        return f"{what}-{self._count}"

    def gradient(self, start: Start, text: Text, *, squared: bool = False) -> Weights:
        """Gradients of the cross-entropy."""
        return self._holder.gradient(start, self._material, text, squared=squared)

    def model(self, weights: Weights) -> PreTrainedModel:
        """The model with these weights."""
        self._holder.weights("corrupted")
        return self._holder.put(weights)

    def batches(self, text: Text) -> Iterator[TokenBatch]:
        """The rows of a text once."""
        return self._holder.batches(self._material, text)


def _parameters(model: PreTrainedModel) -> Weights:
    return {name: value.detach() for name, value in model.named_parameters()}


def _all_names(model: PreTrainedModel) -> frozenset[str]:
    """All names of the parameters; those that are shared have several."""
    return frozenset(name for name, _ in model.named_parameters(remove_duplicate=False))


def _named_as(model: PreTrainedModel, earlier: PreTrainedModel) -> Weights:
    """An earlier checkpoint's weights by the names of the model, in which weights that it shared may have parted.

    Raises:
        ConfigError: if it is of another architecture.
    """
    weights = {name: value.detach() for name, value in earlier.named_parameters(remove_duplicate=False)}
    shapes, earlier_shapes = _shapes(model), _shapes(earlier)
    different = [name for name, shape in shapes.items() if name not in weights or tuple(weights[name].shape) != shape]
    if different := [*different, *sorted(earlier_shapes.keys() - shapes.keys())]:
        raise ConfigError(
            "The earlier checkpoint and the model to be unlearned are of different architectures, or share different "
            f"weights ({different[0]}): weight arithmetic needs the same parameters of the same shapes. Give a "
            "checkpoint of the same model."
        )
    return {name: weights[name] if name in earlier_shapes else weights[name].clone() for name in shapes}


def _read(source: RowSource, config: LoopConfig) -> frozenset[int]:
    """The numbers of the rows that a run will read."""
    last = config.steps if config.stop is None else min(config.stop, config.steps)
    return frozenset(number for step in range(last) for number in source.rows(step).numbers)


def _shapes(model: PreTrainedModel) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in model.named_parameters()}


def _label(kind: str, start: str, name: str, config: LoopConfig, seed: int) -> str:
    """A folder's name: what identifies a training run within one arm."""
    exact = json.dumps([start, name, seed, config.identity()], sort_keys=True)
    return f"{kind}-{name}-{hashlib.sha256(exact.encode()).hexdigest()[:12]}"


def _expand(stored: Weights) -> Weights:
    """The change that an adapter makes, from its two factors: scale B A, made when a parameter is asked for."""
    names = [name.removesuffix("/a") for name in stored if name.endswith("/a")]

    def make(name: str) -> Tensor:
        product = stored[f"{name}/b"] @ stored[f"{name}/a"] * stored[f"{name}/scale"]
        return product.T if f"{name}/transposed" in stored else product

    return Lazy(names, make)


def _by_length(rows: Encoded, numbers: Collection[int], tokens: int) -> Iterator[list[int]]:
    """Batches of like lengths, padding counted."""
    part: list[int] = []
    for number in sorted(numbers, key=lambda one: len(rows[one])):
        if part and (len(part) + 1) * len(rows[number]) > tokens:
            yield part
            part = []
        part.append(number)
    if part:
        yield part


def _mlp_names(model: PreTrainedModel, plan: Plan) -> frozenset[str] | None:
    """The parameters that a plan trains; None: all."""
    if plan.mlp_layers is None or plan.layer is None:
        return None
    last = layer_index(model, plan.layer)
    layers = range(max(0, last - plan.mlp_layers + 1), last + 1)
    outputs = {id(value) for layer in layers for value in mlp_output(model, layer).parameters()}
    return frozenset(name for name, value in model.named_parameters() if id(value) in outputs)


@contextlib.contextmanager
def _only(model: PreTrainedModel, names: frozenset[str] | None) -> Iterator[None]:
    """Train some parameters alone, or the adapters on them."""
    if names is None:
        yield
        return
    owners = {name.rsplit(".", 1)[0] for name in names}
    frozen = [
        value
        for name, value in model.named_parameters()
        if value.requires_grad and not any(f"{owner}." in f"{name}." for owner in owners)
    ]
    for value in frozen:
        value.requires_grad_(False)
    try:
        yield
    finally:
        for value in frozen:
            value.requires_grad_(True)
