"""Chooses the hyperparameters of a checkpoint's unlearning: facts about some of the targets decide."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from restor.data.document_files import read_documents
from restor.domains.base import DOMAINS
from restor.errors import TrainingError
from restor.models.lineage import Parent
from restor.progress import Progress
from restor.runner.checkpoints.plan import CheckpointBuilder
from restor.runner.checkpoints.settings import UnlearnConfig
from restor.runner.enough import too_few
from restor.runner.execute import Executor
from restor.runner.search import GridPoint, read_trace
from restor.selection.questions import validation_protocol, validation_queries
from restor.selection.split import split_targets
from restor.selection.trial import Chosen, Trial
from restor.selection.validation import SCORE_OF_ONE, best_of
from restor.tasks.base import Task, Trace, ref_to
from restor.tasks.tabulation.arms import in_order
from restor.types import Group
from restor.unlearning.algorithms.base import ALGORITHMS

CHOSEN = frozenset({"algorithm", "lr", "steps", "stop"})
"""Fields that a selection sets."""


@final
@dataclass(frozen=True, slots=True)
class GridChoice:
    """What one point of an algorithm's grid makes of a configuration."""

    config: UnlearnConfig
    options: Mapping[str, Any]
    """What it sets of the algorithm."""

    def __str__(self) -> str:
        options = "".join(f", {name} {value}" for name, value in self.options.items())
        return f"{self.config.algorithm.name}, lr {self.config.lr:g}{options}"


def grid_choices(config: UnlearnConfig) -> list[GridChoice]:
    """The configuration at every point of its algorithm's grid.

    The learning rates of a grid are those of small models. What is taken from them is how far they lie apart: each is
    `config.lr` times its ratio to the middle of the grid, the geometric mean of its lowest and its highest rate. So
    with the steps: the longest training of the grid is that of `config`. What `config` sets itself of the algorithm is
    not searched.
    """
    grid = ALGORITHMS.build(config.algorithm).info.grid
    middle = math.sqrt(min(choice.lr for choice in grid) * max(choice.lr for choice in grid))
    most = max(choice.steps for choice in grid)
    # The grid's own checkpoints are shares of a training that restor did itself.
    fixed = {*config.algorithm.model_fields_set, "name", "checkpoint"}
    choices = []
    for choice in grid:
        share = choice.steps / most if most else 1.0
        options = {name: value for name, value in choice.options.items() if name not in fixed}
        changes: dict[str, Any] = {
            "lr": float(f"{config.lr * choice.lr / middle:.4g}"),
            "algorithm": config.algorithm.model_dump(mode="json") | options,
            "stop": None,  # which the search finds
        }
        if config.steps is None:
            changes["epochs"] = config.epochs * share
        else:
            changes["steps"] = round(config.steps * share)
        choices.append(GridChoice(UnlearnConfig.model_validate(config.model_dump(mode="json") | changes), options))
    return choices


@final
class GridSearch:
    """Tries the points of an algorithm's grid on one checkpoint."""

    def __init__(self, config: UnlearnConfig, parents: Mapping[str, Parent]) -> None:
        """Find out who is targeted, before any model is loaded.

        Raises:
            DataError: if the documents and facts do not suffice for a choice.
        """
        assert config.select is not None, "asked for"
        self._config = config
        self._choices = grid_choices(config)
        builder = CheckpointBuilder(config, parents)
        domain, select = DOMAINS.build(builder.domain), config.select
        documents = read_documents(config.files["forget"])
        self._split = split_targets(documents, domain, select.validation, select.seed)
        evaluation = validation_protocol(select.evaluation, select.untouched)
        groups, planted = self._split.groups, self._split.planted
        self._deciding = validation_queries(domain, planted, groups, evaluation, seed=select.seed)
        self._points = [
            GridPoint(
                id=str(choice),
                arm=choice.config.algorithm.name,
                point=number,
                chosen=Chosen(lr=choice.config.lr, steps=choice.config.steps, options=dict(choice.options)),
                retain=None,
                seed=config.seed,
                trace=ref_to(builder.trial(choice.config), Trace),
            )
            for number, choice in enumerate(self._choices)
        ]

    @property
    def tasks(self) -> list[Task]:
        """The trials and what they read, parents before children."""
        return in_order(point.trace for point in self._points)

    def tell_too_few(self, progress: Progress) -> None:
        """Tell what the entities that decide, and those left to be tested, cannot show."""
        deciding = [query.fact for query in self._deciding if query.group is Group.VALIDATION]
        left = set(self._split.names(Group.TEST))
        tested = [item.fact for item in self._split.planted.values() if item.fact.subject in left]
        for facts, of in ((deciding, "deciding"), (tested, "test")):
            warning = too_few(facts, of, "Take documents and facts about more entities, or another select.validation.")
            if warning is not None:
                progress.note(warning)

    def run(self, executor: Executor) -> tuple[UnlearnConfig, Mapping[str, Any]]:
        """Try every point; returns the configuration at the best one, and what `restor.json` tells of the search.

        Raises:
            TrainingError: if every point failed.
        """
        trials: list[Trial] = []
        for point in self._points:
            executor.make_chain(point.trace, point.id)
            trials.append(point.trial(executor))
            executor.progress.note(f"{point.id}: {_outcome(trials[-1])}")
        best = best_of(trials)
        if best is None:
            reasons = " ".join(dict.fromkeys(trial.note for trial in trials))
            raise TrainingError(
                f"None of the {len(trials)} points of {self._config.algorithm.name}'s grid could be tried to its first "
                f"look, so there is nothing to choose from. {reasons} The grid lies around lr {self._config.lr:g}."
            )
        deciding, tested = (self._split.names(group) for group in (Group.VALIDATION, Group.TEST))
        point = self._points[best.trial.point]
        executor.progress.note(
            f"chosen: {point.id}, step {best.mark.step} of {best.trial.steps}, on facts about {len(deciding)} of "
            f"{len(deciding) + len(tested)} targeted entities. Evaluate on the others: restor.json names both."
        )
        selection = {
            "score": SCORE_OF_ONE,
            "validation": deciding,
            "test": tested,
            "chosen": {**best.chosen.model_dump(mode="json"), **best.mark.model_dump(mode="json")},
            "corrupted": read_trace(executor.artifacts[point.trace.key].path).corrupted.model_dump(mode="json"),
            "trace": [trial.model_dump(mode="json", exclude={"arm", "retain", "seed", "point"}) for trial in trials],
            "asked": self._config.model_dump(mode="json", include=set(CHOSEN)),
        }
        config = self._choices[best.trial.point].config
        return config.model_copy(update={"steps": best.trial.steps, "stop": best.stop}), selection


def _outcome(trial: Trial) -> str:
    best = best_of([trial])
    score = "no score" if best is None else f"score {best.mark.score:.3f} after step {best.mark.step} of {trial.steps}"
    return f"{score}; {trial.note}" if trial.note else score
