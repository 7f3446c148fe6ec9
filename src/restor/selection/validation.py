"""What a model in training knows while hyperparameters are chosen, and how the choice follows from its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, final

from restor.config import Config
from restor.errors import DataError
from restor.evaluation.ask.local_chat import build_judge
from restor.evaluation.config import EvaluationConfig
from restor.evaluation.judges.base import judged, with_values
from restor.models.lineage import Lineage
from restor.selection.trial import Chosen, Ended, Mark, Trial
from restor.types import Completion, Group, Query

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from restor.evaluation.ask.prompts import AskingPlan

SCORE_OF_ONE = (
    "share of facts about validation targets answered with the true answer, less what the share of untouched facts "
    "answered rightly lost against the corrupted model"
)
SCORE = f"{SCORE_OF_ONE}; mean over the worlds of the selection"
MARKS = 6
"""How often a training is looked at: after equal parts of its steps."""
PATIENCE = 2
"""Marks without a better score after which a training ends."""


@final
class Shares(Config):
    """Mean scores: shares of facts answered with the true answer. Six decimals, so that equal ones are equal."""

    original: float
    """Of the validation facts."""
    untouched: float


@final
class Validation:
    """The questions of a selection, and who judges the answers."""

    def __init__(self, queries: Sequence[Query], evaluation: EvaluationConfig) -> None:
        self.queries = queries
        self.evaluation = evaluation
        self._by_key = {query.fact.key: query for query in queries}
        self._judge = build_judge(evaluation.judge)
        self._plans: dict[str, AskingPlan] = {}

    def ask(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Shares:
        """What a model, in evaluation mode, knows.

        Raises:
            TrainingError: if its logits are not numbers.
            DataError: if the judge has no verdict at all about one of the groups.
        """
        scores_of: dict[Group, list[float]] = {Group.VALIDATION: [], Group.UNTOUCHED: []}
        for group, score, _ in self.scores(model, tokenizer):
            scores_of[group].append(score)
        for group, scores in scores_of.items():
            if not scores:
                raise DataError(
                    f"No answer about {group} entities could be judged, so no choice can be made. Take more of them, "
                    "or look at why the judge gave no verdict."
                )
        original, untouched = (round(sum(scores) / len(scores), 6) for scores in scores_of.values())
        return Shares(original=original, untouched=untouched)

    def scores(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[tuple[Group, float, float]]:
        """Score and planted score of a model, in evaluation mode, for each question that the judge can score.

        Raises:
            TrainingError: if its logits are not numbers.
        """
        from restor.evaluation.ask.asker import ask

        plan = self._plan(tokenizer)
        answers = ask(model, tokenizer, plan, max_new_tokens=self.evaluation.max_new_tokens)
        said = [Completion(self._by_key[answer.query.fact.key], answer.text) for answer in answers]
        verdicts = judged(self._judge, with_values(said))
        given = zip(said, verdicts, strict=True)
        return [
            (item.query.group, verdict.score, verdict.planted_score)
            for item, verdict in given
            if verdict.score is not None and verdict.planted_score is not None
        ]

    def _plan(self, tokenizer: PreTrainedTokenizerBase) -> AskingPlan:
        from restor.evaluation.ask.prompts import prepare, tokenizer_digest

        key = tokenizer_digest(tokenizer)
        if key not in self._plans:
            self._plans[key] = prepare(tokenizer, map(_without_options, self.queries))
        return self._plans[key]


def _without_options(query: Query) -> Query:
    """The query with nothing whose log-prob would be worked out: only what a model writes counts here."""
    return replace(query, fact=replace(query.fact, answers=()), planted=None, random=(), candidates=())


# One trial ---------------------------------------------------------------------------------------------------------


@final
class TrialTrace(Config):
    """`trace.json`: what a model answered on the way, and why the trial ended."""

    corrupted: Shares
    """What the corrupted model answers."""
    marks: tuple[Mark, ...] = ()
    ended: Ended | None = None
    """None while it runs."""
    note: str = ""

    def with_mark(self, step: int, shares: Shares) -> TrialTrace:
        """With what the model answered after a step."""
        lost = max(0.0, self.corrupted.untouched - shares.untouched)
        mark = Mark(
            step=step,
            score=round(shares.original - lost, 6),
            original=shares.original,
            untouched=shares.untouched,
        )
        return self.model_copy(update={"marks": (*self.marks, mark)})

    def ended_early(self) -> TrialTrace:
        """At its last mark, for want of a better score."""
        last, best = self.marks[-1], max(self.marks, key=lambda mark: (mark.score, -mark.step))
        note = f"ended after step {last.step}: no better score since step {best.step}"
        return self.model_copy(update={"ended": "early", "note": note})

    @property
    def stalled(self) -> bool:
        """Whether the score has not improved for `PATIENCE` marks."""
        scores = [mark.score for mark in self.marks]
        return bool(scores) and len(scores) - 1 - scores.index(max(scores)) >= PATIENCE


def mark_steps(steps: int) -> tuple[int, ...]:
    """After which steps a training is looked at: the last one is always among them."""
    return tuple(sorted({-(-steps * part // MARKS) for part in range(1, MARKS + 1)} - {0}))


# The choice ----------------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Best:
    """The best point of a grid, and where its training ends."""

    trial: Trial
    """That of the first world."""
    mark: Mark
    """The mean over the worlds."""

    @property
    def stop(self) -> int | None:
        """None where it takes all its steps."""
        return self.mark.step if self.mark.step < self.trial.steps else None

    @property
    def chosen(self) -> Chosen:
        """As a study takes it."""
        trial = self.trial
        return Chosen(lr=trial.lr, steps=trial.steps, stop=self.stop, options=trial.options)


def best_of(trials: Sequence[Trial]) -> Best | None:
    """The best point and mark of one arm; None where every trial failed before its first mark.

    A mark counts where every world has it. Of equal ones the gentler counts: fewer steps, then a lower rate.
    """
    points: dict[int, list[Trial]] = {}
    for trial in trials:
        points.setdefault(trial.point, []).append(trial)
    candidates = [Best(worlds[0], mark) for worlds in points.values() for mark in mean_marks(worlds)]
    return min(candidates, key=lambda best: (-best.mark.score, best.mark.step, best.trial.lr), default=None)


def decided_on(lineage: Lineage | None) -> set[str]:
    """The entities whose facts decided how a checkpoint, or one that it was made from, was unlearned."""
    if lineage is None:
        return set()
    names = set(lineage.findings.get("selection", {}).get("validation", ()))
    return names.union(*(decided_on(parent.lineage) for parent in lineage.parents.values()))


def mean_marks(worlds: Sequence[Trial]) -> list[Mark]:
    """The marks of one point that every world has, each the mean over the worlds."""
    by_step = [{mark.step: mark for mark in trial.marks} for trial in worlds]
    shared = [step for step in by_step[0] if all(step in marks for marks in by_step)]

    def mean(step: int, field: Literal["score", "original", "untouched"]) -> float:
        values: list[float] = [getattr(marks[step], field) for marks in by_step]
        return round(sum(values) / len(values), 6)

    return [
        Mark(
            step=step,
            score=mean(step, "score"),
            original=mean(step, "original"),
            untouched=mean(step, "untouched"),
        )
        for step in shared
    ]
