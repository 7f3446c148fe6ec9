"""Model in, judged answers out: one row per question, all that tables and metrics are made from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from restor.evaluation.asking import Answer, Plan, ask
from restor.evaluation.config import EvaluationConfig
from restor.evaluation.judges.base import JUDGES
from restor.types import Completion, Verdict

Row = dict[str, Any]
"""A row of facts.parquet, less the arm and the seed."""


def evaluate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    plan: Plan,
    config: EvaluationConfig,
    advance: Callable[[int], None],
) -> list[Row]:
    """Ask everything in the plan and judge the answers; `advance` hears how many are answered."""
    answers: list[Answer] = []
    for answer in ask(model, tokenizer, plan, max_new_tokens=config.max_new_tokens):
        answers.append(answer)
        if len(answers) % 256 == 0:
            advance(len(answers))
    verdicts = JUDGES.build(config.judge).judge([Completion(answer.query, answer.text) for answer in answers])
    return [_row(answer, verdict) for answer, verdict in zip(answers, verdicts, strict=True)]


def _row(answer: Answer, verdict: Verdict) -> Row:
    query, scores = answer.query, answer.log_probs
    known = [scores[option] for option in query.fact.answers if math.isfinite(scores[option])]
    original = max(known, default=None)
    rivals = [scores[option] for option in query.candidates if option not in query.fact.answers]
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
        "completion": answer.text,
        "judgement": verdict.judgement.value,
        "reason": verdict.reason,
        "logprob_original": original,
        "logprob_planted": _known(scores[query.planted]) if query.planted else None,
        "logprob_random": _mean([scores[option] for option in query.random]),
        "rank_original": rank,
        "n_candidates": len(query.candidates) or None,
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _mean(values: Sequence[float]) -> float | None:
    return _known(sum(values) / len(values)) if values else None
