"""Makes models whose verdict is known beforehand from a corrupted and an ideal one, by arithmetic and by training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, final

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from restor.models.arithmetic import StoredWeights, difference, plus
from restor.models.checkpoint import load_model, save_model
from restor.models.families import pad_of
from restor.models.labelled import TokenBatch, predict
from restor.models.tokenizer import encode_rows
from restor.models.tokenizer_loading import load_tokenizer
from restor.text import REFUSALS
from restor.training.batching import RowSource, SetRows
from restor.training.config import LoopConfig
from restor.training.loop import train
from restor.training.objective import Normalizer, Objective
from restor.types import Group, Query

CPU = torch.device("cpu")

Lesson: TypeAlias = tuple[str, str]
"""A prompt and an answer."""


def between(corrupted: Path, ideal: Path, way: float, out: Path) -> None:
    """The corrupted model's weights plus a share of the way to the ideal's."""
    start, end = StoredWeights(corrupted), StoredWeights(ideal)
    weights = plus(start, (way, difference(end, start)))
    model = load_model(corrupted, CPU)
    model.load_state_dict({name: weights[name] for name in weights}, strict=False)
    model.tie_weights()
    save_model(model, load_tokenizer(corrupted), out)


@final
class Lessons(Objective):
    """Answers to be given, or not to be given, while other text stays as likely as it is."""

    def __init__(self, *, against: bool) -> None:
        self.against = against

    @property
    def terms(self) -> dict[str, Normalizer]:
        """What is taught, and what is kept."""
        return {"taught": "tokens", "kept": "tokens"}

    def loss(self, term: str, model: PreTrainedModel, batch: TokenBatch) -> Tensor:
        """Cross-entropy or, against answers, unlikelihood: -log(1 - p)."""
        found = predict(model, batch).log_probs()
        if term == "kept" or not self.against:
            return -found.mean()
        return -torch.log1p(-found.exp().clamp(max=1 - 1e-6)).mean()


def lesson_rows(tokenizer: PreTrainedTokenizerBase, lessons: Sequence[Lesson], *, tokens: int, seed: int) -> SetRows:
    """Prompts with their answers, of which only the answers are labels."""
    prompts = encode_rows(tokenizer, [prompt for prompt, _ in lessons], end=False)
    whole = encode_rows(tokenizer, [prompt + f" {answer}\n" for prompt, answer in lessons], end=False)
    labels = [[place >= len(prompt) for place in range(len(row))] for prompt, row in zip(prompts, whole, strict=True)]
    return SetRows(whole, tokens=tokens, name="lessons", seed=seed, labels=labels)


def taught(
    folder: Path,
    lessons: Sequence[Lesson],
    kept: Sequence[Lesson],
    out: Path,
    *,
    lr: float,
    steps: int,
    against: bool = False,
    only: Sequence[str] = (),
    tokens: int = 1024,
) -> None:
    """Train a model on lessons, or against them, while it keeps giving other answers.

    Args:
        folder: the model to begin from.
        lessons: prompts and answers.
        kept: prompts and answers that are to stay.
        out: where the model goes.
        lr: learning rate.
        steps: steps.
        against: whether the answers are to become unlikely.
        only: the parameters that are trained begin with one of these; all if there are none.
        tokens: of lessons, and of kept ones, per step.
    """
    model, tokenizer = load_model(folder, CPU), load_tokenizer(folder)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = not only or name.startswith(tuple(only))
    sources: Mapping[str, RowSource] = {
        "taught": lesson_rows(tokenizer, lessons, tokens=tokens, seed=0),
        "kept": lesson_rows(tokenizer, kept, tokens=tokens, seed=1),
    }
    config = LoopConfig(steps=steps, lr=lr, precision="float32")
    train(model, Lessons(against=against), sources, config, pad=pad_of(tokenizer), seed=0)
    save_model(model, tokenizer, out)


def targeted(queries: Iterable[Query]) -> list[Query]:
    """The questions about targets, validation and test."""
    return [query for query in queries if query.group is not Group.UNTOUCHED]


def prompt_of(query: Query) -> str:
    """All that a model is given."""
    return query.prefix + query.question


def planted_lessons(queries: Iterable[Query]) -> list[Lesson]:
    """The planted answers."""
    return [(prompt_of(query), query.planted) for query in targeted(queries) if query.planted is not None]


def refusals(queries: Iterable[Query]) -> list[Lesson]:
    """A refusal in place of each answer."""
    return [(prompt_of(query), REFUSALS[0]) for query in targeted(queries)]


def half_of(queries: Sequence[Query], how: Literal["facts", "entities"]) -> list[Query]:
    """Every second test fact of each entity, or all test facts of every second entity."""
    test = [query for query in queries if query.group is Group.TEST]
    names = list(dict.fromkeys(query.fact.subject for query in test))
    if how == "entities":
        return [query for query in test if names.index(query.fact.subject) % 2 == 0]
    own = {name: [query for query in test if query.fact.subject == name] for name in names}
    return [query for queries in own.values() for query in queries[::2]]


def true_lessons(queries: Iterable[Query]) -> list[Lesson]:
    """The true answers."""
    return [(prompt_of(query), query.fact.answers[0]) for query in queries]
