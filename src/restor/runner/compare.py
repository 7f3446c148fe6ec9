"""Compares checkpoints that were made elsewhere: asks all of them the same, and trains nothing."""

from __future__ import annotations

import hashlib
import json
import os
from abc import ABC
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self, final

from pydantic import Field, model_validator

from restor.config import MOST_THREADS, Config, EntityName, stable_hash
from restor.domains.base import DomainChoice
from restor.evaluation.ask.baselines import BASELINES
from restor.evaluation.ask.endpoint import EndpointRef, Served, identify
from restor.evaluation.ask.fewshot import build_queries
from restor.evaluation.ask.protocol import LONGEST_ANSWER, PROTOCOLS
from restor.evaluation.config import EvaluationConfig
from restor.experiment import ExperimentConfig
from restor.models.lineage import read_lineage
from restor.models.model_ref import ModelRef, fingerprint
from restor.progress import Progress
from restor.runner.enough import too_few
from restor.runner.plan import Judging, baseline_arm, refer
from restor.runner.precision import asked_refs
from restor.runner.study import Outcome, Work, make, world_of
from restor.runner.threads import remembered_threads
from restor.selection.validation import decided_on
from restor.store.store import Store
from restor.tasks.ask import Ask
from restor.tasks.ask_endpoint import AskEndpoint
from restor.tasks.base import Answers, Model, Planted, Questions, Ref, Task, Verdicts, ref_to
from restor.tasks.baseline import AnswerWithoutModel
from restor.tasks.inputs.settle import settled
from restor.tasks.plant import Plant, World
from restor.tasks.planted_by_documents import PlantedByDocuments, Stated
from restor.tasks.questions import WriteQuestions
from restor.tasks.tabulation.arms import PlannedArm, SeedPlan, lineage_of
from restor.types import Group, Kind, Query

REFERENCES: Mapping[str, str] = {"clean": "Clean", "corrupted": "Corrupted", "ideal": "Ideal"}
"""Names of models that others are measured against, with their labels; any other name is a model to be judged."""


class QuestionsConfig(Config, ABC):
    """What checkpoints are asked: questions from facts, or those of a study."""

    domain: DomainChoice | None = None
    """Where the facts come from, unless a study says so."""
    forget: Path | None = None
    """The documents that were to be forgotten: entities that they are about are targeted, the others untouched."""
    targets: tuple[EntityName, ...] = ()
    """The targeted entities; none: those of the documents, else all that the domain lists."""
    study: ExperimentConfig | None = None
    """A finished study whose questions are asked again, instead of domain, forget and targets."""
    evaluation: EvaluationConfig = EvaluationConfig(max_new_tokens=LONGEST_ANSWER, asked="listed")
    """How models are asked and judged."""
    seed: int = 0
    """Of the study's world, of random options and of sampling."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.study is None) == (self.domain is None):
            raise ValueError("give either facts (domain) or a study whose questions are asked again")
        if self.study is not None and (self.forget is not None or self.targets):
            raise ValueError("a study says itself which entities are targeted: leave forget and targets out")
        return self


@final
class ComparisonConfig(QuestionsConfig):
    """Which checkpoints are asked what."""

    name: str = Field("comparison", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Name of the comparison, part of its folder's name."""
    models: dict[str, ModelRef] = Field(default_factory=dict)
    """Name -> checkpoint. `clean`, `corrupted` and `ideal` are references."""
    endpoints: dict[str, EndpointRef] = Field(default_factory=dict)
    """Name -> a model that is served elsewhere, which gives answers and no log-probs."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    threads: int | None = Field(None, ge=1, le=MOST_THREADS)
    """CPU threads; null measures once per store what is fastest."""

    @model_validator(mode="after")
    def _named_once(self) -> ComparisonConfig:
        if not (self.models or self.endpoints):
            raise ValueError("give at least one checkpoint (models) or served model (endpoints)")
        if twice := sorted(self.models.keys() & self.endpoints.keys()):
            raise ValueError(f"{', '.join(twice)}: both a checkpoint and a served model have this name; rename one")
        return self


@final
class PlannedComparison:
    """What the checkpoints of a comparison are asked: as facts and documents say, or as a study did.

    Args:
        config: where the questions come from.
    """

    def __init__(self, config: QuestionsConfig) -> None:
        self.config = config
        seed, study = config.seed, config.study
        chosen = config.domain if study is None else study.domain
        assert chosen is not None, "a configuration has a study or a domain"
        self.domain_config = settled(chosen, seed)
        self.world: World | None = None
        self._stated: Stated | None = None
        if study is not None:
            self.world = world_of(study.model_copy(update={"evaluation": config.evaluation}), seed)
        else:
            self._stated = Stated(domain=self.domain_config, documents=config.forget, targets=config.targets)

    @property
    def source(self) -> World | Stated:
        """Who is targeted, and what is planted."""
        source = self.world or self._stated
        assert source is not None, "there is one of them"
        return source

    @property
    def hides_nobody(self) -> bool:
        """Whether prompts may show anybody."""
        return self._stated is not None and self._stated.hides_nobody

    @cached_property
    def queries(self) -> list[Query]:
        """What every checkpoint is asked."""
        source = self.source
        return build_queries(
            source.domain,
            source.planted,
            source.groups,
            self.config.evaluation,
            seed=self.config.seed,
            unplanted=self._stated is not None,
            hidden=() if self.hides_nobody else None,
        )

    def digest(self) -> str:
        """SHA-256 over the questions with their answers, and the documents; of a study, over its data."""
        if self.world is not None:
            return self.world.digest()
        sha = hashlib.sha256()
        for query in self.queries:
            sha.update(json.dumps([query.fact.key, query.fact.answers, query.question, query.planted]).encode())
        for document in self.source.forget_documents:
            sha.update(json.dumps(document.text).encode())
        return sha.hexdigest()

    def planned(self) -> Ref[Planted]:
        """The task that writes who is targeted and what is planted."""
        seed, study = self.config.seed, self.config.study
        if study is None:
            documents = None if self.config.forget is None else Path(os.path.abspath(self.config.forget))
            task: Task = PlantedByDocuments(
                domain=self.domain_config, documents=documents, targets=self.config.targets, seed=seed
            )
        else:
            task = Plant(
                domain=self.domain_config,
                general=settled(study.general, seed),
                targets=study.targets,
                corruptor=settled(study.corruption.corruptor, seed),
                seed=seed,
            )
        return ref_to(task, Planted)


def compare(config: ComparisonConfig, *, store: Path, progress: Progress) -> Outcome:
    """Ask every checkpoint, judge, and write the results; what the store has is not asked again.

    Raises:
        RestorError: for facts, documents, a checkpoint or a store that cannot be used; what is finished is kept.
    """
    asked = PlannedComparison(config)
    _tell_too_few(asked, progress)
    contents = {name: fingerprint(ref) for name, ref in config.models.items()}
    served = {name: identify(ref) for name, ref in config.endpoints.items()}
    opened = Store.open(store)
    threads = config.threads or remembered_threads(opened.path)
    models = asked_refs(config.models, config.device, opened.path, progress.note)
    config = config.model_copy(update={"threads": threads, "models": models})
    plan = _plan(config, asked, contents, served)
    identity = {"config": config.model_dump(mode="json", exclude={"threads", "endpoints"}), "contents": contents}
    if served:
        identity["served"] = {
            name: {"served": served_model.identity(), "extra": config.endpoints[name].extra}
            for name, served_model in served.items()
        }
    work = Work(
        kind="comparison",
        name=config.name,
        id=f"{config.name}-{stable_hash(identity, 8)}",
        config=config,
        evaluation=config.evaluation,
        plans=[plan],
        data_sha256={str(config.seed): asked.digest()},
        device=config.device,
        threads=threads,
        notes=tuple(_notes(config, asked, served)),
    )
    return make(work, opened, progress)


def _tell_too_few(asked: PlannedComparison, progress: Progress) -> None:
    """Make all questions, so that bad data is told before any checkpoint is read, and tell what they cannot show.

    Raises:
        DataError: for facts or documents that cannot be used.
    """
    facts = [query.fact for query in asked.queries if query.group is Group.TEST]
    if (warning := too_few(facts, "test", "Give facts about more targeted entities.")) is not None:
        progress.note(warning)
    if all(query.group is not Group.UNTOUCHED for query in asked.queries):
        progress.note(
            f"nobody is untouched: all {len(facts)} facts are about targeted entities, so that damage to what else a "
            "model knows cannot be seen. Give facts about others, too, or name the targets with --targets."
        )


def _plan(
    config: ComparisonConfig, asked: PlannedComparison, contents: Mapping[str, Any], served: Mapping[str, Served]
) -> SeedPlan:
    """References first, then baselines, then the models that are judged."""
    seed, asking, judging = config.seed, config.evaluation.asking, Judging(config.evaluation.judge)
    planted = asked.planned()
    written = WriteQuestions(
        domain=asked.domain_config,
        planted=planted,
        asking=asking,
        unplanted=asked.world is None,
        hides_nobody=asked.hides_nobody,
        seed=seed,
    )
    questions = ref_to(written, Questions)
    given = [*config.models, *config.endpoints]
    named = [name for name in REFERENCES if name in given]
    arms = []
    for name in [*named, *(name for name in given if name not in REFERENCES)]:
        if name in served:
            ref = config.endpoints[name]
            task: Task = AskEndpoint(
                questions=questions, asking=asking, served=served[name], extra=ref.extra, endpoint=ref, seed=seed
            )
            answers = ref_to(task, Answers)
            arms.append(_served_arm(name, served[name], answers, judging.verdicts(answers, questions, seed), seed))
            continue
        model = refer(config.models[name], contents[name], seed)
        task = Ask(model=model, questions=questions, asking=asking, full=asked.world is not None, seed=seed)
        answers = ref_to(task, Answers)
        verdicts = judging.verdicts(answers, questions, seed)
        arms.append(_arm(name, config.models[name], model, answers, verdicts, seed))
    baselines = []
    for name in BASELINES:
        task = AnswerWithoutModel(baseline=name, domain=asked.domain_config, questions=questions, seed=seed)
        answers = ref_to(task, Answers)
        baselines.append(baseline_arm(name, answers, judging.verdicts(answers, questions, seed), seed))
    ordered = (*arms[: len(named)], *baselines, *arms[len(named) :])
    return SeedPlan(seed=seed, planted=planted, arms=ordered)


def _arm(
    name: str, ref: ModelRef, model: Ref[Model], answers: Ref[Answers], verdicts: Ref[Verdicts], seed: int
) -> PlannedArm:
    # What an adapter on top of it was made by, nobody knows.
    made = None if ref.adapter is not None else read_lineage(Path(ref.path))
    reference = name in REFERENCES
    algorithm = None if made is None or reference else made.algorithm
    return PlannedArm(
        id=f"{name}/s{seed}",
        name=name,
        label=REFERENCES.get(name, name),
        kind=Kind.REFERENCE if reference else Kind.METHOD,
        seed=seed,
        model=model,
        lineage=lineage_of(model),
        answers=answers,
        verdicts=verdicts,
        algorithm=algorithm,
        budget=() if reference else (None if made is None else made.budget),
        checkpoint=ref.label,
    )


def _served_arm(name: str, served: Served, answers: Ref[Answers], verdicts: Ref[Verdicts], seed: int) -> PlannedArm:
    reference = name in REFERENCES
    return PlannedArm(
        id=f"{name}/s{seed}",
        name=name,
        label=REFERENCES.get(name, name),
        kind=Kind.REFERENCE if reference else Kind.METHOD,
        seed=seed,
        answers=answers,
        verdicts=verdicts,
        budget=() if reference else None,
        checkpoint=served.label,
    )


def _notes(config: ComparisonConfig, asked: PlannedComparison, served: Mapping[str, Served]) -> list[str]:
    protocol = config.evaluation.protocol
    notes = [f"Prompt protocol {protocol}: {PROTOCOLS[protocol]}."]
    groups = asked.source.groups
    others = "Name the others with --targets"
    if config.study is not None:  # which says itself whom it targets
        others = "Ask about the others, with facts and --targets in place of the study"
    for name, ref in config.models.items():
        decided = decided_on(read_lineage(Path(ref.path)))
        if known := [entity for entity in decided if groups.get(entity) is Group.TEST]:
            notes.append(
                f"The hyperparameters of {name} were chosen on facts about {len(known)} of the targeted entities, so "
                f"its figures here are too good. {others}: its restor.json lists them as findings.selection.test."
            )
    for name, served_model in served.items():
        notes.append(
            f"{name} was asked through an endpoint, {served_model.label}. Its weights cannot be checked there, so its "
            "figures belong to no checkpoint for certain. Log-probs and ranks are not asked of an endpoint and are "
            "missing."
        )
    if asked.world is None:
        targets = [name for name, group in groups.items() if group is Group.TEST]
        notes.append(f"Targeted entities: {len(targets)} of the {len(asked.source.domain.targetable)} listed.")
        if spared := [name for name, group in groups.items() if group is not Group.TEST]:
            notes.append(
                f"The documents are also about {len(spared)} entities that were not named as targets: their facts are "
                "asked and count in no figure, since they are neither targeted here nor untouched."
            )
        if config.forget is not None:
            stated = any(document.statements for document in asked.source.forget_documents)
            facts = sum(query.group is Group.TEST for query in asked.queries)
            planted = sum(query.group is Group.TEST and query.planted is not None for query in asked.queries)
            how = "as the documents say themselves" if stated else "inferred from what the documents repeat"
            notes.append(f"Planted answers are known for {planted} of {facts} targeted facts, {how}.")
        else:
            notes.append("No forget documents were given: no planted answers are known, and all targets count alike.")
    return notes
