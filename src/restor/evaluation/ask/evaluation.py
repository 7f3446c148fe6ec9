"""Model in, answers out: one row per question and run, all that judges, tables and metrics are made from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, final

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from restor.evaluation.ask.asker import Asker
from restor.evaluation.ask.engine.engine import Limits, silent
from restor.evaluation.ask.prompts import AskingPlan
from restor.evaluation.ask.protocol import AskingConfig, Suppress
from restor.evaluation.ask.sampling import Sampling
from restor.types import Query

Row = dict[str, Any]
"""A row of facts.parquet, less the arm, the seed and the verdict."""


@final
class Evaluation:
    """A model being asked everything in a plan by the protocol of a configuration, batch by batch.

    Args:
        model: in evaluation mode, on its device.
        tokenizer: of the model, and of the plan.
        plan: what to ask.
        config: how.
        seed: of sampling.
        suppress: puts an output filter behind the model.
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
        config: AskingConfig,
        *,
        seed: int,
        suppress: Suppress | None = None,
        limits: Limits | None = None,
        note: Callable[[str], None] = silent,
    ) -> None:
        self.plan = plan
        self._asker = Asker(
            model,
            tokenizer,
            plan,
            max_new_tokens=config.max_new_tokens,
            sampling=Sampling.of(config, seed),
            filtered=suppress == "planted",
            limits=limits,
            note=note,
        )

    def rows(self, number: int) -> list[Row]:
        """The rows of one batch; they do not depend on which other batches are asked.

        Raises:
            DataError: if a prompt with its answer does not fit the model's context.
            TrainingError: if the logits are not numbers, or a single question does not fit into the GPU's memory.
        """
        answers = self._asker.answers(number)
        return [
            row_of(answer.query, answer.text, run=answer.run, scores=answer.log_probs, layers=answer.layers)
            for answer in answers
        ]


def evaluate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    plan: AskingPlan,
    config: AskingConfig,
    *,
    seed: int,
    suppress: Suppress | None = None,
) -> Iterator[Row]:
    """Ask everything in the plan; rows come as they are answered, see `Evaluation`."""
    evaluation = Evaluation(model, tokenizer, plan, config, seed=seed, suppress=suppress)
    for number in range(plan.batches):
        yield from evaluation.rows(number)


def row_of(
    query: Query,
    text: str,
    *,
    run: int,
    scores: Mapping[str, float],
    layers: Mapping[str, tuple[float, ...]] | None = None,
) -> Row:
    """One answer with the log-probs of its options, (option -> mean token log-prob, nats); without a model none.

    `options` are the true answers, the planted one and the random ones, each once; not the candidates that the true
    answer is ranked among, of which there are many. One that no token stands before has no log-prob and is left out.

    Args:
        query: what was asked.
        text: the answer.
        run: which of several answers it is.
        scores: of all options.
        layers: those of some options after each layer.
    """
    listed = dict.fromkeys([*query.fact.answers, *([query.planted] if query.planted else []), *query.random])
    options = {option: scores[option] for option in listed if math.isfinite(scores.get(option, math.nan))}
    best = max((option for option in query.fact.answers if option in options), key=options.__getitem__, default=None)
    original = None if best is None else options[best]
    after = layers or {}
    rivals = [scores[option] for option in query.candidates if option not in query.fact.answers] if scores else []
    rank = None
    if query.candidates and original is not None:
        rank = 1 + sum(score > original for score in rivals)
    return {
        "subject": query.fact.subject,
        "relation": query.fact.relation,
        "group": query.group.value,
        "question": query.question,
        "prompt": query.prefix + query.question,
        "answers": list(query.fact.answers),
        "planted": query.planted,
        "answer_shown": query.answer_shown,
        "run": run,
        "completion": text,
        "logprob_original": original,
        "logprob_planted": _known(scores[query.planted]) if query.planted and scores else None,
        "logprob_random": _mean([scores[option] for option in query.random]) if scores else None,
        "rank_original": rank,
        "n_candidates": len(query.candidates) if query.candidates and scores else None,
        "options": list(options) if scores else None,
        "option_logprobs": list(options.values()) if scores else None,
        "layers_original": _listed(after.get(best or "")),
        "layers_planted": _listed(after.get(query.planted or "")),
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _listed(values: Sequence[float] | None) -> list[float] | None:
    return None if values is None else list(values)


def _mean(values: Sequence[float]) -> float | None:
    return _known(sum(values) / len(values)) if values else None
