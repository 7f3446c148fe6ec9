"""Asks a model: its answers and the log-probs of options, what prompts share computed once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import final

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from restor.errors import DataError
from restor.evaluation.ask.engine.encoding import LINE_BREAK
from restor.evaluation.ask.engine.engine import Engine, Limits, silent
from restor.evaluation.ask.engine.items import Item
from restor.evaluation.ask.engine.text_writers import Drawing, TextWriter
from restor.evaluation.ask.prompts import AskingPlan, Prepared, prepare
from restor.evaluation.ask.sampling import Sampling
from restor.evaluation.ask.suppressing import PlantedFilter
from restor.models.families import ends_of
from restor.types import Query

__all__ = ["Answer", "Asker", "AskingPlan", "Sampling", "ask", "prepare"]


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to a query. Log-probs are means over an option's tokens, in nats, by option.

    One that has no token of its own has no score: NaN, which is stored as null.
    """

    query: Query
    text: str
    log_probs: dict[str, float]
    run: int = 0
    """Which of several sampled answers; they share the log-probs."""
    layers: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """The same as read off after each layer, of the options that the plan wants it of."""


def ask(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    plan: AskingPlan,
    *,
    max_new_tokens: int,
    sampling: Sampling | None = None,
    filtered: bool = False,
) -> Iterator[Answer]:
    """Answer every query, batch by batch; see `Asker`."""
    asker = Asker(model, tokenizer, plan, max_new_tokens=max_new_tokens, sampling=sampling, filtered=filtered)
    for number in range(plan.batches):
        yield from asker.answers(number)


@final
class Asker:
    """A model being asked the queries of a plan; log-probs are in float32.

    Args:
        model: in evaluation mode, on its device.
        tokenizer: of the model, and of the plan.
        plan: what to ask.
        max_new_tokens: the longest answer, of each row for itself.
        sampling: how answers are drawn, several to a query one behind the other; None takes the most probable token.
        filtered: whether the model is kept from the planted answer of each query (`suppressing.py`).
        limits: how much goes into a forward, shared by models that are alike.
        note: hears what the user should know of how the model is asked.

    Raises:
        DataError: if one of the longest prompts with its answer does not fit the model's context.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        plan: AskingPlan,
        *,
        max_new_tokens: int,
        sampling: Sampling | None = None,
        filtered: bool = False,
        limits: Limits | None = None,
        note: Callable[[str], None] = silent,
    ) -> None:
        self.plan, self._most, self._sampling = plan, max_new_tokens, sampling
        self._engine = Engine(model, pad=plan.encoder.pad, limits=limits, note=note)
        self._ends = ends_of(model, tokenizer)
        self._planted = PlantedFilter(tokenizer) if filtered else None
        for query, length in plan.longest():
            _check_fits(query, length, length + max_new_tokens, self._engine.context)

    def answers(self, number: int) -> list[Answer]:
        """The answers to one batch of the plan.

        Raises:
            DataError: if a prompt with its answer does not fit the model's context.
            TrainingError: if the logits are not numbers, or a single question does not fit into the memory of the GPU.
        """
        batch = self.plan.batch(number)
        for item in batch:
            _check_fits(item.query, len(item.item.prompt), item.item.longest(self._most), self._engine.context)
        writer = self._writer(batch)
        results = self._engine.ask([self._item(item) for item in batch], writer)
        return [
            Answer(item.query, writer.text(ids).strip(), scores, run, layers)
            for item, result in zip(batch, results, strict=True)
            for score_of in [dict(zip(item.options, result.options, strict=True))]
            for scores in [{text: math.nan if score is None else score.mean for text, score in score_of.items()}]
            for layers in [
                {text: score.layers for text, score in score_of.items() if score is not None and score.layers}
            ]
            for run, ids in enumerate(result.answers)
        ]

    def _item(self, options: Prepared) -> Item:
        suppressed = () if self._planted is None else self._planted.sequences(options)
        runs = 1 if self._sampling is None else self._sampling.runs
        return replace(options.item, answers=runs, suppressed=suppressed)

    def _writer(self, batch: Sequence[Prepared]) -> TextWriter:
        drawing, sampling, planted = None, self._sampling, self._planted
        if sampling is not None:
            drawing = Drawing(
                sampling.temperature, sampling.top_p, lambda number, run: sampling.stream(batch[number].query, run)
            )
        return TextWriter(
            self.plan.encoder,
            ends=self._ends,
            most=self._most,
            stop=(LINE_BREAK,),
            drawing=drawing,
            refused=None if planted is None else lambda number, text: planted.says(batch[number].query, text),
        )


def _check_fits(query: Query, prompt: int, longest: int, context: int | None) -> None:
    if context is not None and longest > context:
        raise DataError(
            f"The prompt about {query.fact.key!r} has {prompt} tokens, {longest} with its answer, which do not fit the "
            f"model's context of {context}. Lower shots or max_new_tokens of the evaluation, or take a model with a "
            "longer context."
        )
