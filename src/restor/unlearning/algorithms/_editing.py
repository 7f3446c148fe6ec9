"""What MEMIT and AlphaEdit share: target vectors, keys, and how the change is spread over the layers.

A fact is taken to be known at one token of its question. There the output projection W of an MLP maps a key k, its
inner state, to what it adds to the residual stream. Behind the last edited layer L the token's state h is to become
z = h + delta, with which the model gives the answer, and W of every edited layer is changed towards that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Literal, final

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from restor.errors import ConfigError, TrainingError
from restor.models.arithmetic import Weights
from restor.models.families import decoder, decoder_layers, mlp_output, text_config
from restor.models.labelled import IGNORED, TokenBatch, collate, predict
from restor.unlearning.algorithms.base import AlgorithmConfig, Edit, Session
from restor.unlearning.losses import kl_divergence, token_nll

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LEARNT = 0.05
"""Loss of a fact below which its target vector stays as it is."""


class EditingConfig(AlgorithmConfig):
    """What both have. The papers' authors set most of it in their code, by model; these are the values for Llama 3."""

    layers: tuple[int, ...] | None = None
    """Numbers of the edited layers, from 0. None: from an eighth to a quarter of the depth, 4 to 8 of 32. There must be
    a layer above the last one, to read what it wrote."""
    fact_token: Literal["subject_last", "last"] = "subject_last"
    """Where a fact is written: at the subject's last token, or at the last one of the question. A model of few layers
    knows little at the subject, and can only be edited at the last token."""
    contexts: int = Field(5, ge=0)
    """Beginnings of retain texts behind which every question is read too."""
    context_tokens: int = Field(10, gt=0)
    """Most tokens of such a beginning."""
    v_steps: int = Field(25, gt=0)
    """Most gradient steps for a target vector."""
    v_lr: float = Field(0.5, gt=0)
    """Their learning rate (Adam), as a share of the root mean square of h, so that it suits models of any scale. The
    authors' are absolute, between 0.1 and 0.5."""
    clamp: float = Field(0.75, gt=0)
    """Greatest |delta| / |h|."""
    kl_weight: float = Field(0.0625, ge=0)
    """Weight of KL(with delta || without) of what follows the subject, so that it stays what it is."""
    weight_decay: float = Field(0.5, ge=0)
    """Weight of |delta| / |h|^2."""
    batch_tokens: int = Field(4096, gt=0)
    """Most tokens of questions that go through the model at once; it makes no difference to the result."""

    @field_validator("layers")
    @classmethod
    def _some_layer(cls, layers: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if layers is not None and (not layers or min(layers) < 0):
            raise ValueError("give one layer or more, numbered from 0, or null for the usual ones")
        return layers


@final
@dataclass(frozen=True, slots=True)
class Memory:
    """What the change of a layer is computed from, in float64: n facts, d inner dimensions, width h."""

    layer: int
    keys: Tensor
    """K1 K1^T (d, d); K1 (d, n) are the facts' keys."""
    wanted: Tensor
    """R K1^T (h, d); R (h, n) is what this layer is to add."""
    retained: Tensor
    """E[k k^T] (d, d) of the keys of retain text."""


@final
@dataclass(frozen=True, slots=True)
class Site:
    """The output projection of an edited layer's MLP."""

    layer: int
    block: nn.Module
    projection: nn.Module
    name: str
    """Of its weight."""

    def matrix(self) -> Tensor:
        """W (h, d), sharing memory with the parameter; GPT-2 keeps it the other way round."""
        weight = self.projection.weight
        assert isinstance(weight, Tensor)
        return weight if isinstance(self.projection, nn.Linear) else weight.T


@final
@dataclass(frozen=True, slots=True)
class FactReading:
    """A fact in a context: token ids with the answer, where it is written, and where the answer begins."""

    ids: tuple[int, ...]
    place: int
    answer: int


Readings = Sequence[FactReading]
"""A fact alone, and then in each context."""


def solve(wanted: Tensor, matrix: Tensor) -> Tensor:
    """X (h, d) with X matrix = wanted, for a symmetric positive matrix (d, d).

    Directions in which the matrix is zero hold no key at all: `wanted` has nothing there, and neither has X.
    """
    ridge = 1e-9 * matrix.diagonal().mean().clamp(min=1e-100)
    eye = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    solved: Tensor = torch.cholesky_solve(wanted.T, torch.linalg.cholesky(matrix + ridge * eye))
    return solved.T


def write_facts(session: Session, config: EditingConfig, change: Callable[[Memory], Tensor]) -> Weights:
    """The changed projections of the corrupted model; `change` gives a layer's Delta (h, d).

    The layers are changed from the lowest to the last, L. Each takes its share of what is still missing at L when those
    below are changed: r = (z - h) / (L - l + 1), counting edited layers only. All facts are written at once.

    Raises:
        ConfigError: for a family or layers that cannot be edited.
        TrainingError: if the model's states are not numbers.
    """
    model = session.model(session.corrupted)
    sites = edited_sites(model, config.layers)
    parts = list(_parts(_read_facts(session, model, config), config.batch_tokens))
    changes: dict[str, Tensor] = {}
    with _frozen(model):
        # The keys of retain text are those of the corrupted model in all layers. They wait where there is more memory.
        retained = [_second_moment(session, model, site).cpu() for site in sites]
        targets = [target_vectors(model, sites[-1], part, config) for part in parts]
        before = [site.matrix().clone() for site in sites]
        try:
            for number, site in enumerate(sites):
                keys, wanted = _associations(model, site, sites[-1], parts, targets, 1 / (len(sites) - number))
                delta = change(Memory(site.layer, keys, wanted, retained[number].to(keys.device)))
                site.matrix().add_(delta)
                changes[site.name] = (delta if isinstance(site.projection, nn.Linear) else delta.T).float().cpu()
        finally:
            for site, old in zip(sites, before, strict=True):
                site.matrix().copy_(old)
    corrupted = session.corrupted
    return {name: corrupted[name] + delta for name, delta in changes.items()}


def _associations(
    model: PreTrainedModel,
    site: Site,
    last: Site,
    parts: Sequence[Sequence[Readings]],
    targets: Sequence[Tensor],
    share: float,
) -> tuple[Tensor, Tensor]:
    """K1 K1^T (d, d) and R K1^T (h, d): sums over the facts, whose number does not matter to the memory."""
    width, size = site.matrix().shape
    keys = torch.zeros((size, size), dtype=torch.float64, device=model.device)
    wanted = torch.zeros((width, size), dtype=torch.float64, device=model.device)
    for part, target in zip(parts, targets, strict=True):
        keys_here, states = keys_and_states(model, site, last, part)
        keys += keys_here.T @ keys_here
        wanted += share * (target.double() - states).T @ keys_here
    return keys, wanted


# Layers --------------------------------------------------------------------------------------------------------------


def edited_sites(model: PreTrainedModel, layers: Sequence[int] | None) -> list[Site]:
    """The projections of the given layers, or of the usual ones, from the lowest on.

    Raises:
        ConfigError: if the model has no such layers, or what its MLPs write is not simply added.
    """
    blocks, family = decoder_layers(model), type(model).__name__
    depth = len(blocks)
    if depth < 2:
        raise ConfigError(
            f"{family} has {depth} layer, and facts are written into one layer and read by another. Take a model with "
            "two layers or more, or the algorithm fine_tune_truth, which is told as much."
        )
    chosen = list(range(depth // 8, min(depth // 4, depth - 2) + 1)) if layers is None else sorted(set(layers))
    if chosen[-1] > depth - 2:
        raise ConfigError(
            f"Layer {chosen[-1]} cannot be edited: {family} has {depth} layers, numbered from 0, and the last edited "
            f"one needs a layer above it, to read what it wrote. Give layers from 0 to {depth - 2}."
        )
    names = {id(value): name for name, value in model.named_parameters()}
    sites = []
    for layer in chosen:
        projection = mlp_output(model, layer)
        sites.append(Site(layer, blocks[layer], projection, names[id(projection.weight)]))
    if not _adds(model, sites[-1]):
        raise ConfigError(
            f"{family} scales or normalises what its MLPs write before adding it to the state, which the closed form "
            "does not allow for. Edit a model of another family, such as Llama, or take the algorithm "
            "fine_tune_truth, which is told as much."
        )
    return sites


def _adds(model: PreTrainedModel, site: Site) -> bool:
    """Whether what is added to the projection's output is added to the layer's output, as it is."""
    alone = [(FactReading((1, 2), 0, 1),)]
    _, states = keys_and_states(model, site, site, alone)
    scale = torch.linalg.vector_norm(states) / states.numel() ** 0.5
    vector = scale * torch.linspace(-1, 1, states.shape[1], dtype=states.dtype, device=states.device)
    hook = site.projection.register_forward_hook(lambda _module, _given, made: made + vector.to(made))
    try:
        _, moved = keys_and_states(model, site, site, alone)
    finally:
        hook.remove()
    return bool(torch.linalg.vector_norm(moved - states - vector) <= 0.05 * torch.linalg.vector_norm(vector))


@contextmanager
def _frozen(model: PreTrainedModel) -> Iterator[None]:
    """Without gradients for the parameters, which may then be overwritten."""
    trained = [value for value in model.parameters() if value.requires_grad]
    for value in trained:
        value.requires_grad_(False)
    try:
        yield
    finally:
        for value in trained:
            value.requires_grad_(True)


# Facts ---------------------------------------------------------------------------------------------------------------


def _read_facts(session: Session, model: PreTrainedModel, config: EditingConfig) -> list[Readings]:
    """Every fact alone and in the contexts."""
    texts = text_config(model)
    contexts = ((), *_contexts(session, config, {texts.bos_token_id, texts.eos_token_id}))
    return [
        [reading(edit, context, texts.bos_token_id, config.fact_token) for context in contexts]
        for edit in session.edits
    ]


def _contexts(session: Session, config: EditingConfig, special: set[int | None]) -> list[tuple[int, ...]]:
    """Beginnings of random retain texts, of random length."""
    if not config.contexts:
        return []
    most = config.context_tokens
    rows = [
        [token for token in ids[labels != IGNORED][: most + 1].tolist() if token not in special][:most]
        for batch in session.batches("retain")
        for ids, labels in zip(batch.input_ids, batch.labels, strict=True)
    ]
    rng = Random(f"contexts/{session.seed}")
    drawn = [rng.choice(rows) for _ in range(config.contexts)]
    return [tuple(row[: rng.randint(min(1, len(row)), len(row))]) for row in drawn]


def reading(edit: Edit, context: tuple[int, ...], start: int | None, where: str) -> FactReading:
    """A fact with a context before it, behind the token with which every text begins, if there is one."""
    head = 1 if edit.prompt[0] == start and edit.subject_end > 0 else 0
    prompt = edit.prompt[:head] + context + edit.prompt[head:]
    place = edit.subject_end + len(context) if where == "subject_last" else len(prompt) - 1
    return FactReading(prompt + edit.answer, place, len(prompt))


def _parts(facts: Sequence[Readings], tokens: int) -> Iterator[list[Readings]]:
    """Facts of like lengths, as many as go through the model at once."""
    part: list[Readings] = []
    for fact in sorted(facts, key=_longest):
        if part and (len(part) + 1) * len(fact) * _longest(fact) > tokens:
            yield part
            part = []
        part.append(fact)
    if part:
        yield part


def _longest(fact: Readings) -> int:
    return max(len(item.ids) for item in fact)


def _batch(model: PreTrainedModel, rows: Readings, marked: Sequence[Sequence[bool]] | None = None) -> TokenBatch:
    return collate([item.ids for item in rows], range(len(rows)), 0, marked).to(model.device)


def _places(model: PreTrainedModel, rows: Readings) -> tuple[Tensor, Tensor]:
    """Row and column of the tokens where the facts are written."""
    places = torch.tensor([item.place for item in rows], device=model.device)
    return torch.arange(len(rows), device=model.device), places


# States --------------------------------------------------------------------------------------------------------------

Made = Tensor | tuple[Tensor, ...]
"""What a decoder layer makes: its states, in some families with other things behind them."""


class _Seen(Exception):
    """Ends a forward pass that has come far enough."""


def _states_of(made: Made) -> Tensor:
    return made if isinstance(made, Tensor) else made[0]


@torch.no_grad()
def _observe(model: PreTrainedModel, site: Site, last: Site, ids: Tensor) -> tuple[Tensor, Tensor]:
    """The keys (B, T, d) of a layer, and the states (B, T, h) behind the last edited one."""
    seen: dict[str, Tensor] = {}

    def keep_keys(_module: nn.Module, given: tuple[Tensor, ...]) -> None:
        seen["keys"] = given[0]

    def keep_states(_module: nn.Module, _given: object, made: Made) -> None:
        seen["states"] = _states_of(made)
        raise _Seen

    hooks = site.projection.register_forward_pre_hook(keep_keys), last.block.register_forward_hook(keep_states)
    try:
        with suppress(_Seen):
            decoder(model)(input_ids=ids, use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return seen["keys"], seen["states"]


def _second_moment(session: Session, model: PreTrainedModel, site: Site) -> Tensor:
    """E[k k^T] (d, d) over the tokens of the retain text, not centred."""
    size = site.matrix().shape[1]
    total, count = torch.zeros((size, size), dtype=torch.float64, device=model.device), 0
    for batch in session.batches("retain"):
        keys = _observe(model, site, site, batch.input_ids)[0][batch.labels != IGNORED].double()
        total += keys.T @ keys
        count += len(keys)
    _check_numbers(total, site)
    return total / count


def keys_and_states(model: PreTrainedModel, site: Site, last: Site, facts: Sequence[Readings]) -> tuple[Tensor, Tensor]:
    """Where the facts are written, in float64: keys (n, d), means over the contexts, and states (n, h) without one."""
    rows = [item for fact in facts for item in fact]
    keys, states = _observe(model, site, last, _batch(model, rows).input_ids)
    at, each = _places(model, rows), len(rows) // len(facts)
    keys, states = keys[at].double(), states[at].double()
    _check_numbers(keys, site)
    _check_numbers(states, last)
    return keys.reshape(len(facts), each, -1).mean(dim=1), states[::each]


def _check_numbers(values: Tensor, site: Site) -> None:
    if not bool(torch.isfinite(values).all()):
        raise TrainingError(
            f"The states of layer {site.layer} are not numbers when the model reads the facts or the retain text. Its "
            "weights are damaged, or its numbers too large for its dtype."
        )


# Target vectors ------------------------------------------------------------------------------------------------------


def target_vectors(model: PreTrainedModel, last: Site, facts: Sequence[Readings], config: EditingConfig) -> Tensor:
    """z = h + delta (n, h) behind the last edited layer, in float32.

    delta minimises 1/P sum_j -log p(o | x_j, question), x_j being the contexts and no context (arXiv 2210.07229,
    section 4.3), with the two regularisers and the bound of the authors' code. Each fact has a delta of its own, and
    stops for itself.
    """
    start = keys_and_states(model, last, last, facts)[1].float()
    length = torch.linalg.vector_norm(start, dim=1, keepdim=True).clamp(min=1e-6)
    rate = config.v_lr * length / start.shape[1] ** 0.5
    delta, first, second = (torch.zeros_like(start) for _ in range(3))
    task = _Task(model, last, facts, range(len(facts)))
    for step in range(1, config.v_steps + 1):
        with torch.enable_grad():
            deltas = delta[task.numbers].requires_grad_()
            decay = torch.linalg.vector_norm(deltas, dim=1) / length[task.numbers, 0].square()
            losses = task.losses(deltas, config.kl_weight) + config.weight_decay * decay
            (gradient,) = torch.autograd.grad(losses.sum(), deltas)
        unlearnt = losses.detach() >= LEARNT
        left = task.numbers[unlearnt]
        if not len(left):
            break
        # Adam, for each fact as if it were alone.
        first[left] = 0.9 * first[left] + 0.1 * gradient[unlearnt]
        second[left] = 0.999 * second[left] + 0.001 * gradient[unlearnt].square()
        towards = first[left] / (1 - 0.9**step) / ((second[left] / (1 - 0.999**step)).sqrt() + 1e-8)
        moved = delta[left] - rate[left] * towards
        longest = config.clamp * length[left] / torch.linalg.vector_norm(moved, dim=1, keepdim=True).clamp(min=1e-30)
        delta[left] = moved * longest.clamp(max=1)
        if 2 * len(left) <= len(task.numbers):
            task = _Task(model, last, facts, left.tolist())
    return start + delta


@final
class _Task:
    """Some of the facts in one batch, whose deltas are being sought."""

    def __init__(self, model: PreTrainedModel, last: Site, facts: Sequence[Readings], numbers: Sequence[int]) -> None:
        rows = [item for number in numbers for item in facts[number]]
        each = len(rows) // len(numbers)
        # What follows the place is predicted too, for the KL term: without a context, and if it is not the answer.
        kept = [number % each == 0 and item.place + 1 < item.answer for number, item in enumerate(rows)]
        marked = [
            [at >= item.answer or (keep and at == item.place + 1) for at in range(len(item.ids))]
            for item, keep in zip(rows, kept, strict=True)
        ]
        beside = [
            [keep] * keep + [False] * (len(item.ids) - item.answer) for item, keep in zip(rows, kept, strict=True)
        ]
        self.numbers = torch.tensor(list(numbers), device=model.device)
        self._model, self._last, self._each = model, last, each
        self._batch, self._places = _batch(model, rows, marked), _places(model, rows)
        self._beside = torch.tensor([one for pair in beside for one in pair], device=model.device)
        with torch.no_grad():
            self._before = predict(model, self._batch).logits[self._beside]

    def losses(self, delta: Tensor, kl_weight: float) -> Tensor:
        """Of every fact: the answer's negative log-likelihood, a mean over contexts, and the weighted divergence."""

        def add(_module: nn.Module, _given: object, made: Made) -> Made:
            states = _states_of(made)
            each = delta.repeat_interleave(self._each, dim=0).to(states)
            moved = states.index_put(self._places, each, accumulate=True)
            return moved if isinstance(made, Tensor) else (moved, *made[1:])

        hook = self._last.block.register_forward_hook(add)
        try:
            seen = predict(self._model, self._batch)
        finally:
            hook.remove()
        fact = seen.row // self._each
        answers = token_nll(seen).masked_fill(self._beside, 0) / self._each
        divergence = kl_weight * kl_divergence(seen.logits[self._beside], self._before)
        return (
            answers.new_zeros(len(self.numbers))
            .index_add(0, fact, answers)
            .index_add(0, fact[self._beside], divergence)
        )
