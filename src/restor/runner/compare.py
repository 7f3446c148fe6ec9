"""Compares checkpoints that were made elsewhere: asks all of them the same, and trains nothing."""

from __future__ import annotations

import hashlib
import json
from abc import ABC
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, final

from pydantic import Field, model_validator

from restor.config import MOST_THREADS, Config, EntityName, did_you_mean, stable_hash
from restor.corruption.corruptors.passages import infer_planted, targets_of
from restor.data.documents import read_documents
from restor.domains.base import DOMAINS, Domain
from restor.errors import DataError
from restor.evaluation.baselines import BASELINES
from restor.evaluation.config import PROTOCOLS, EvaluationConfig
from restor.evaluation.endpoint import EndpointRef, Served, identify
from restor.evaluation.fewshot import build_queries
from restor.experiment import DomainChoice, ExperimentConfig
from restor.models.lineage import read_lineage
from restor.models.reference import ModelRef, fingerprint
from restor.progress import Progress
from restor.runner.enough import too_few
from restor.runner.plan import (
    ASKING,
    COMMON,
    DATA,
    Judging,
    PlannedArm,
    SeedPlan,
    baseline_arm,
    checkpoint_stage,
    elsewhere,
)
from restor.runner.precision import asked_refs
from restor.runner.threads import remembered_threads
from restor.selection.validation import decided_on
from restor.store.disk import sha256_file
from restor.store.store import Store
from restor.tasks.stage import Stage
from restor.tasks.world import Asked, World, content, with_seed
from restor.types import Document, FalseFact, Group, Kind, Query

if TYPE_CHECKING:
    from restor.runner.study import Outcome

REFERENCES: Mapping[str, str] = {"clean": "Clean", "corrupted": "Corrupted", "ideal": "Ideal"}
"""Names of models that others are measured against, with their labels; any other name is a model to be judged."""

LONGEST_ANSWER = 32
"""Most tokens of an answer where real names are asked for: 99.9 % of the published ones are shorter, even as tokens of
a vocabulary of 4,096."""

ASKING_SERVED = (
    *COMMON,
    *DATA,
    "restor.chat",
    "restor.domains",
    "restor.datasets",
    "restor.corruption.corruptors",
    "restor.evaluation.config",
    "restor.evaluation.endpoint",
    "restor.evaluation.evaluate",
    "restor.evaluation.fewshot",
    "restor.evaluation.sampling",
    "restor.tasks.ask_endpoint",
    "restor.tasks.ask",
)


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
class Comparison(Asked):
    """What the checkpoints of a comparison are asked: a pure function of facts, documents and configuration."""

    def __init__(self, config: QuestionsConfig) -> None:
        self.config = config

    @cached_property
    def domain(self) -> Domain:
        """What is true."""
        assert self.config.domain is not None
        return DOMAINS.build(with_seed(self.config.domain, self.config.seed))

    @cached_property
    def forget_documents(self) -> Sequence[Document]:
        """The forget documents, where they were given."""
        return read_documents(self.config.forget) if self.config.forget is not None else ()

    @cached_property
    def groups(self) -> dict[str, Group]:
        """The targeted entities. What documents are about without being asked for is neither test nor untouched.

        Raises:
            DataError: for an unknown target, or documents that are about nobody known.
        """
        known = set(self.domain.subjects)
        if unknown := [name for name in self.config.targets if name not in known]:
            raise DataError(
                f"There are no facts about {', '.join(map(repr, unknown[:5]))}."
                f"{did_you_mean(unknown[0], self.domain.subjects)} Targets must be entities of the facts file."
            )
        named = targets_of(self.forget_documents, self.domain)
        if self.config.forget is not None and not named and not self.config.targets:
            raise DataError(
                f"{self.config.forget} is about none of the {len(known)} entities of the facts. Give the facts that "
                "belong to these documents, or name the targets with --targets."
            )
        targets = self.config.targets or named or tuple(self.domain.targetable)
        return dict.fromkeys(named, Group.VALIDATION) | dict.fromkeys(targets, Group.TEST)

    @cached_property
    def planted(self) -> Mapping[str, FalseFact]:
        """The wrong answers that the documents state, by fact key: as they say themselves, else inferred."""
        if not self.forget_documents:
            return {}
        return infer_planted(self.forget_documents, self.domain, list(self.groups))

    @cached_property
    def queries(self) -> list[Query]:
        """What every checkpoint is asked."""
        config = self.config
        # Where everybody is asked about, and nobody is known to be corrupted, prompts must show some of them.
        unknown = config.forget is None and not config.targets
        everybody = len(self.groups) == len(self.domain.subjects)
        return build_queries(
            self.domain,
            self.planted,
            self.groups,
            config.evaluation,
            seed=config.seed,
            unplanted=True,
            hidden=() if unknown and everybody else None,
        )

    def digest(self) -> str:
        """SHA-256 over the questions with their answers, and the documents."""
        sha = hashlib.sha256()
        for query in self.queries:
            sha.update(json.dumps([query.fact.key, query.fact.answers, query.question, query.planted]).encode())
        for document in self.forget_documents:
            sha.update(json.dumps(document.text).encode())
        return sha.hexdigest()


def asked_by(config: QuestionsConfig) -> Comparison | World:
    """What is asked: by facts and documents, or as a study did."""
    if config.study is None:
        return Comparison(config)
    return World(config.study.model_copy(update={"evaluation": config.evaluation}), config.seed)


def compare(config: ComparisonConfig, *, store: Path, progress: Progress) -> Outcome:
    """Ask every checkpoint, judge, and write the results; what the store has is not asked again.

    Raises:
        RestorError: for facts, documents, a checkpoint or a store that cannot be used; what is finished is kept.
    """
    from restor.runner.study import Work, make

    asked = asked_by(config)
    _tell_too_few(asked, progress)
    contents = {name: fingerprint(ref) for name, ref in config.models.items()}
    served = {name: identify(ref) for name, ref in config.endpoints.items()}
    opened = Store.open(store)
    threads = config.threads or remembered_threads(opened.path)
    models = asked_refs(config.models, config.device, opened.path, progress.note)
    config = config.model_copy(update={"threads": threads, "models": models})
    plan = SeedPlan(config.seed, tuple(_arms(config, contents, served)))
    identity = {"config": config.model_dump(mode="json", exclude={"threads", "endpoints"}), "contents": contents}
    if served:
        identity["served"] = {name: _served(config.endpoints[name], own) for name, own in served.items()}
    work = Work(
        kind="comparison",
        name=config.name,
        id=f"{config.name}-{stable_hash(identity, 8)}",
        config=config,
        evaluation=config.evaluation,
        plans=[plan],
        asked={config.seed: asked},
        device=config.device,
        threads=threads,
        notes=tuple(_notes(config, asked, served)),
    )
    return make(work, opened, progress)


def _tell_too_few(asked: Comparison | World, progress: Progress) -> None:
    """Make all questions, so that bad data is told before any checkpoint is read, and tell what they cannot show.

    Raises:
        DataError: for facts or documents that cannot be used.
    """
    facts = [query.fact for query in asked.queries if query.group is Group.TEST]
    if (told := too_few(facts, "test", "Give facts about more targeted entities.")) is not None:
        progress.note(told)
    if all(query.group is not Group.UNTOUCHED for query in asked.queries):
        progress.note(
            f"nobody is untouched: all {len(facts)} facts are about targeted entities, so that damage to what else a "
            "model knows cannot be seen. Give facts about others, too, or name the targets with --targets."
        )


def _arms(config: ComparisonConfig, contents: Mapping[str, Any], served: Mapping[str, Served]) -> list[PlannedArm]:
    questions, judging = _questions(config), Judging(config.evaluation.judge)
    domain = config.domain if config.study is None else config.study.domain
    assert domain is not None
    own = ("restor.runner.compare", *elsewhere(DOMAINS.source_of(domain.name)))
    sources = (*ASKING, *own)
    given = [*config.models, *config.endpoints]
    named = [name for name in REFERENCES if name in given]
    arms = []
    for name in [*named, *(name for name in given if name not in REFERENCES)]:
        if name in served:
            ref, code = config.endpoints[name], (*ASKING_SERVED, *own)
            settings, how = {**questions, **_served(ref, served[name])}, {"endpoint": ref.identity()}
            answers = Stage("ask_endpoint", settings, {}, code, config.seed, how=how)
            arms.append(_served_arm(name, served[name], judging.stage(answers)))
            continue
        model = checkpoint_stage(config.models[name], contents[name], config.seed)
        answers = Stage("evaluate", {**questions, "device": config.device}, {"model": model}, sources, config.seed)
        arms.append(_arm(name, config.models[name], model, judging.stage(answers)))
    asks = (*sources, "restor.tasks.baseline")
    baselines = [
        baseline_arm(name, judging.stage(Stage("baseline", {**questions, "baseline": name}, {}, asks, config.seed)))
        for name in BASELINES
    ]
    return [*arms[: len(named)], *baselines, *arms[len(named) :]]


def _arm(name: str, ref: ModelRef, model: Stage, evaluation: Stage) -> PlannedArm:
    # What an adapter on top of it was made by, nobody knows.
    made = None if ref.adapter is not None else read_lineage(Path(ref.path))
    reference = name in REFERENCES
    algorithm = None if made is None or reference else made.algorithm
    return PlannedArm(
        id=f"{name}/s{evaluation.seed}",
        name=name,
        label=REFERENCES.get(name, name),
        kind=Kind.REFERENCE if reference else Kind.METHOD,
        seed=evaluation.seed,
        model=model,
        evaluation=evaluation,
        algorithm=algorithm,
        budget=() if reference else (None if made is None else made.budget),
        checkpoint=ref.label,
    )


def _served(ref: EndpointRef, served: Served) -> dict[str, Any]:
    """Identifies a served model, as far as anybody can."""
    return {"served": served.identity(), "extra": ref.extra}


def _served_arm(name: str, served: Served, evaluation: Stage) -> PlannedArm:
    reference = name in REFERENCES
    return PlannedArm(
        id=f"{name}/s{evaluation.seed}",
        name=name,
        label=REFERENCES.get(name, name),
        kind=Kind.REFERENCE if reference else Kind.METHOD,
        seed=evaluation.seed,
        model=None,
        evaluation=evaluation,
        budget=() if reference else None,
        checkpoint=served.label,
    )


def _questions(config: ComparisonConfig) -> dict[str, Any]:
    """Identifies what is asked."""
    evaluation = config.evaluation.model_dump(mode="json", exclude={"judge"})
    if config.study is not None:
        study = config.study
        return {
            "domain": content(with_seed(study.domain, config.seed)),
            "general": content(with_seed(study.general, config.seed)),
            "targets": study.targets.identity(),
            "corruptor": content(study.corruption.corruptor),
            "evaluation": evaluation,
        }
    assert config.domain is not None
    documents = None if config.forget is None else sha256_file(config.forget)
    return {
        "domain": content(with_seed(config.domain, config.seed)),
        "documents": documents,
        "targets": list(config.targets),
        "evaluation": evaluation,
    }


def _notes(config: ComparisonConfig, asked: Asked, served: Mapping[str, Served]) -> list[str]:
    protocol = config.evaluation.protocol
    notes = [f"Prompt protocol {protocol}: {PROTOCOLS[protocol]}."]
    groups = asked.groups if isinstance(asked, Comparison | World) else {}
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
    for name, own in served.items():
        notes.append(
            f"{name} was asked through an endpoint, {own.label}. Its weights cannot be checked there, so its figures "
            "belong to no checkpoint for certain. Log-probs and ranks are not asked of an endpoint and are missing."
        )
    if isinstance(asked, Comparison):
        targets = [name for name, group in asked.groups.items() if group is Group.TEST]
        notes.append(f"Targeted entities: {len(targets)} of the {len(asked.domain.targetable)} listed.")
        if spared := [name for name, group in asked.groups.items() if group is not Group.TEST]:
            notes.append(
                f"The documents are also about {len(spared)} entities that were not named as targets: their facts are "
                "asked and count in no figure, since they are neither targeted here nor untouched."
            )
        if config.forget is not None:
            stated = any(document.statements for document in asked.forget_documents)
            facts = sum(query.group is Group.TEST for query in asked.queries)
            planted = sum(query.group is Group.TEST and query.planted is not None for query in asked.queries)
            how = "as the documents say themselves" if stated else "inferred from what the documents repeat"
            notes.append(f"Planted answers are known for {planted} of {facts} targeted facts, {how}.")
        else:
            notes.append("No forget documents were given: no planted answers are known, and all targets count alike.")
    return notes
