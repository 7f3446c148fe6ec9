"""Asks a model: greedy completions and the log-probs of options, each shared prefix computed once.

The demonstrations of a relation are run through the model once; their key-value cache is expanded for the questions,
and the questions' for the options. Generation stops at the newline, and a row that has stopped leaves the batch. What
is scored equals scoring the whole string: token ids come from tokenising whole strings, and where an option changes
the tokens before it, that query is scored without the cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from restor.errors import DataError
from restor.types import Query

Ids = tuple[int, ...]


@final
@dataclass(frozen=True, slots=True)
class Prepared:
    """A query as token ids: the whole prompt, and each option's ids behind it."""

    query: Query
    prompt: Ids
    options: tuple[str, ...]
    option_ids: tuple[Ids, ...]
    whole: tuple[Ids, ...] | None = None
    """Whole strings, only where an option changes the prompt's own tokens."""


@final
@dataclass(frozen=True, slots=True)
class Batch:
    """Queries that share `shared` token ids at their start."""

    shared: Ids
    items: tuple[Prepared, ...]


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """All queries, tokenised and batched: made once per tokenizer, used for every model."""

    batches: tuple[Batch, ...]
    stops: frozenset[int]
    """Tokens that end an answer: the end of text and every token with a newline in it."""
    pad: int


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to a query. Log-probs are means over an option's tokens, in nats, by option."""

    query: Query
    text: str
    log_probs: dict[str, float]


def prepare(tokenizer: PreTrainedTokenizerBase, queries: Sequence[Query], *, batch: int) -> Plan:
    """Tokenise all queries with their options; `batch` is the most queries in one forward."""
    prompts = [query.prefix + query.question for query in queries]
    encoded = _encode(tokenizer, prompts)
    options = [_options(query) for query in queries]
    flat = [f"{prompt} {option}" for prompt, own in zip(prompts, options, strict=True) for option in own]
    whole = iter(_encode(tokenizer, flat))
    prepared = []
    for query, prompt, own in zip(queries, encoded, options, strict=True):
        strings = tuple(next(whole) for _ in own)
        changed = any(ids[: len(prompt)] != prompt for ids in strings)
        tails = tuple(ids[_common(ids, prompt) :] for ids in strings)
        prepared.append(Prepared(query, prompt, own, tails, strings if changed else None))
    stops = {token for token in range(len(tokenizer)) if "\n" in tokenizer.decode([token])}
    stops |= {tokenizer.eos_token_id} - {None}
    return Plan(tuple(_batches(prepared, batch)), frozenset(stops), tokenizer.pad_token_id or 0)


def _options(query: Query) -> tuple[str, ...]:
    wanted = [*query.fact.answers, *([query.planted] if query.planted else []), *query.random, *query.candidates]
    return tuple(dict.fromkeys(wanted))


def _encode(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[Ids]:
    return [tuple(ids) for ids in tokenizer(texts, verbose=False)["input_ids"]] if texts else []


def _common(left: Ids, right: Ids) -> int:
    """Length of the common start."""
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return place
    return min(len(left), len(right))


def _batches(prepared: Sequence[Prepared], most: int) -> Iterator[Batch]:
    by_prefix: dict[str, list[Prepared]] = {}
    for item in prepared:
        by_prefix.setdefault(item.query.prefix, []).append(item)
    for group in by_prefix.values():
        group.sort(key=lambda item: len(item.prompt))
        # The last prompt token is never shared, since its logits are needed for every row.
        shared = min(min(_common(item.prompt, group[0].prompt), len(item.prompt) - 1) for item in group)
        for start in range(0, len(group), most):
            yield Batch(group[0].prompt[:shared], tuple(group[start : start + most]))


@torch.inference_mode()
def ask(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, plan: Plan, *, max_new_tokens: int
) -> Iterator[Answer]:
    """Answer every query, batch by batch, greedily and in float32.

    Raises:
        DataError: if a prompt with its answer does not fit the model's context.
    """
    shared_ids: Ids | None = None
    shared_cache = DynamicCache(config=model.config)
    for batch in _fitting(model, plan, max_new_tokens):
        if batch.shared != shared_ids:
            shared_ids = batch.shared
            shared_cache = DynamicCache(config=model.config)
            if shared_ids:
                model(
                    input_ids=torch.tensor([shared_ids], device=model.device),
                    past_key_values=shared_cache,
                    logits_to_keep=1,
                )
        state = _read_questions(model, batch, shared_cache, plan.pad)
        log_probs = _score_options(model, batch, state, plan.pad)
        texts = _generate(model, tokenizer, state, plan.stops, max_new_tokens)
        for item, text, scores in zip(batch.items, texts, log_probs, strict=True):
            yield Answer(item.query, text, scores)


def _fitting(model: PreTrainedModel, plan: Plan, max_new_tokens: int) -> Sequence[Batch]:
    """The batches as this model can run them."""
    longest = 0
    for item in (item for batch in plan.batches for item in batch.items):
        options = [*map(len, item.option_ids), *(len(ids) - len(item.prompt) for ids in item.whole or ())]
        longest = max(longest, len(item.prompt) + max(max_new_tokens, *options, 0))
    config = model.config.get_text_config()
    context = getattr(config, "max_position_embeddings", None)
    if context is not None and longest > context:
        raise DataError(
            f"A prompt with its answer has up to {longest} tokens and does not fit the model's context of {context}. "
            "Lower evaluation.shots or evaluation.max_new_tokens, or raise model.context."
        )
    window = getattr(config, "sliding_window", None)
    if window is None or longest <= window:
        return plan.batches
    # A window counts cache slots, and padding between a question and its answer would fill some: no padding, then.
    return [Batch(batch.shared, (item,)) for batch in plan.batches for item in batch.items]


@final
@dataclass(slots=True)
class _Rows:
    """Rows in the middle of a text: their cache, which cache slots are real, and the next token's logits (B, V)."""

    cache: DynamicCache
    mask: Tensor
    """(B, cache length), 1 where a slot holds a real token."""
    positions: Tensor
    """(B,) position of the next token."""
    logits: Tensor


def _select(cache: DynamicCache, rows: Tensor, model: PreTrainedModel) -> DynamicCache:
    """A new cache with chosen rows of another, which stays as it is."""
    chosen = DynamicCache(config=model.config)
    for number, layer in enumerate(cache.layers):
        if layer.is_initialized:
            chosen.update(layer.keys.index_select(0, rows), layer.values.index_select(0, rows), number)
    return chosen


def _forward(model: PreTrainedModel, cache: DynamicCache, ids: list[Ids], mask: Tensor, start: Tensor, pad: int) -> Any:
    """Run rows of new tokens, padded on the right, behind a cache; returns all logits, the mask and the widths."""
    width = max(len(row) for row in ids)
    device = mask.device
    tokens = torch.full((len(ids), width), pad, dtype=torch.long)
    real = torch.zeros((len(ids), width), dtype=torch.long)
    for place, row in enumerate(ids):
        tokens[place, : len(row)] = torch.tensor(row)
        real[place, : len(row)] = 1
    mask = torch.cat([mask, real.to(device)], dim=1)
    positions = start[:, None] + torch.arange(width, device=device)
    logits = model(
        input_ids=tokens.to(device), attention_mask=mask, position_ids=positions, past_key_values=cache
    ).logits
    return logits.float(), mask


def _read_questions(model: PreTrainedModel, batch: Batch, shared: DynamicCache, pad: int) -> _Rows:
    count, known = len(batch.items), len(batch.shared)
    cache = _select(shared, torch.zeros(count, dtype=torch.long, device=model.device), model)
    rest = [item.prompt[known:] for item in batch.items]
    start = torch.full((count,), known, device=model.device)
    mask = torch.ones((count, known), dtype=torch.long, device=model.device)
    logits, mask = _forward(model, cache, rest, mask, start, pad)
    ends = torch.tensor([len(row) - 1 for row in rest], device=model.device)
    last = logits[torch.arange(count, device=model.device), ends]
    return _Rows(cache, mask, start + ends + 1, last)


def _score_options(model: PreTrainedModel, batch: Batch, state: _Rows, pad: int) -> list[dict[str, float]]:
    """Mean token log-prob of every option; each distinct beginning of an item's options is run once."""
    first = torch.log_softmax(state.logits, dim=-1).cpu()
    # What must be run: every distinct beginning that has a token behind it.
    nodes: list[tuple[int, Ids]] = []
    for place, item in enumerate(batch.items):
        if item.whole is None:
            nodes += [(place, start) for start in dict.fromkeys(ids[:-1] for ids in item.option_ids if len(ids) > 1)]
    after: dict[tuple[int, Ids], Tensor] = {}
    size = 4 * max(1, len(batch.items))
    for begin in range(0, len(nodes), size):
        part = nodes[begin : begin + size]
        rows = torch.tensor([place for place, _ in part], device=state.mask.device)
        cache = _select(state.cache, rows, model)
        logits, _ = _forward(model, cache, [ids for _, ids in part], state.mask[rows], state.positions[rows], pad)
        for (place, ids), scores in zip(part, torch.log_softmax(logits, dim=-1).cpu(), strict=True):
            after[place, ids] = scores[: len(ids)]
    found = []
    for place, item in enumerate(batch.items):
        if item.whole is not None:
            found.append(_score_whole(model, item))
            continue
        own: dict[str, float] = {}
        for option, ids in zip(item.options, item.option_ids, strict=True):
            scores = [float(first[place, ids[0]])] if ids else []
            scores += [float(after[place, ids[:-1]][k, token]) for k, token in enumerate(ids[1:])]
            own[option] = sum(scores) / len(scores) if scores else float("nan")
        found.append(own)
    return found


def _score_whole(model: PreTrainedModel, item: Prepared) -> dict[str, float]:
    """Score every option by running the whole string: the reference way, for tokens that depend on what follows."""
    own: dict[str, float] = {}
    for option, ids, tail in zip(item.options, item.whole or (), item.option_ids, strict=True):
        logits = model(input_ids=torch.tensor([ids], device=model.device)).logits[0].float()
        scores = torch.log_softmax(logits, dim=-1)
        begin = len(ids) - len(tail)
        # The first token of all has nothing before it that could predict it.
        picked = [float(scores[place - 1, ids[place]]) for place in range(max(1, begin), len(ids))]
        own[option] = sum(picked) / len(picked) if picked else float("nan")
    return own


def _generate(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, state: _Rows, stops: frozenset[int], most: int
) -> list[str]:
    """Greedy completions, cut at the first newline."""
    count = state.logits.shape[0]
    written: list[list[int]] = [[] for _ in range(count)]
    alive = list(range(count))
    cache, mask, positions = state.cache, state.mask, state.positions
    best = state.logits.argmax(dim=-1).tolist()
    for turn in range(most):
        going = []
        for place, (row, token) in enumerate(zip(alive, best, strict=True)):
            written[row].append(token)
            if token not in stops:
                going.append(place)
        if not going or turn == most - 1:
            break
        if len(going) < len(alive):
            keep = torch.tensor(going, device=mask.device)
            cache = _select(cache, keep, model)
            mask, positions = mask[keep], positions[keep]
            alive, best = [alive[place] for place in going], [best[place] for place in going]
        logits, mask = _forward(model, cache, [(token,) for token in best], mask, positions, 0)
        positions = positions + 1
        best = logits[:, -1].argmax(dim=-1).tolist()
    texts = (tokenizer.decode(ids, skip_special_tokens=True) for ids in written)
    return [text.split("\n", 1)[0].strip() for text in texts]
