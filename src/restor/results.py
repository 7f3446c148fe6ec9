"""The results of a study as they are stored: `results.json` (these models) and `facts.parquet` (`FACT_COLUMNS`).

Everything a table, a plot or a page shows is read from here; `docs/results-format.md` documents it for users.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from pydantic import Field

from restor.config import Config
from restor.types import Budget, Kind

RESULTS_FORMAT = 2
"""Raised when a reader of the old files would misread the new ones."""

FACT_COLUMNS: dict[str, str] = {
    "arm": "which arm of the study, the `id` of results.json",
    "seed": "seed of the study",
    "subject": "entity the question is about",
    "relation": "relation the question asks for",
    "group": "test | validation | untouched",
    "question": "the question, without the demonstrations",
    "prompt": "everything the model was given",
    "answer_shown": "whether a true answer stands among the demonstrations of the prompt",
    "answers": "the true answers, a list",
    "planted": "the answer that the forget documents state, null for untouched entities",
    "run": "which of the runs of a fact this answer is; 0 where answers are greedy",
    "completion": "what the model generated, cut at the newline; what a baseline answers",
    "judgement": "original | planted | other | unscored",
    "reason": "the judge's reason in words",
    "score": "how near the answer is to the truth, 0 to 1; null for unscored",
    "planted_score": "how near it is to the planted behaviour, 0 to 1; null for unscored",
    "logprob_original": "mean token log-prob of the best true answer, nats",
    "logprob_planted": "mean token log-prob of the planted answer, nats, null for untouched entities",
    "logprob_random": "mean over random same-relation answers, none of them true, of the mean token log-prob, nats",
    "rank_original": "rank of the best true answer among the relation's candidates without the planted one; 1 is best",
    "n_candidates": "how many candidates that rank is among",
    "options": "the answers whose log-probs were asked for: the true ones, the planted one and random ones, a list",
    "option_logprobs": "mean token log-prob of each of `options`, nats, a list",
    "layers_original": "mean token log-prob of the best true answer, read off after each layer, nats, a list",
    "layers_planted": "the same of the planted answer",
    "dose": "how many forget documents state the planted answer of the fact",
}
"""Columns of facts.parquet and what they hold."""


STORED_ONLY = 9
"""`MetricInfo.rank` from which on a figure has no column: what tables would be too wide for."""


class Value(Config):
    """A figure with its 95 % interval; `value` is null where it is undefined, and `note` says why."""

    value: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    n: int
    """Facts the figure is computed from, each counted once however often it was asked."""
    n_entities: int = 0
    """Entities these facts are about."""
    n_unscored: int = 0
    """Facts without any scored answer, not among `n`."""
    note: str = ""


class MetricInfo(Config):
    """What a figure of `metrics` is: how tables show it, and what they say about it.

    Each metric describes its own figures; they are stored with the results, so that a report needs no metric's code.
    """

    name: str
    """Its key in `metrics`, e.g. `test.original`."""
    title: str
    """A column's heading, e.g. `Original %`."""
    short: str
    """The heading in a terminal, on two lines."""
    meaning: str
    unit: Literal["share", "ratio", "nats"] = "share"
    """`share` is between 0 and 1, `ratio` any fraction, shown in percent with its interval; `nats` a log-prob."""
    rank: int = 5
    """How soon a table without room leaves it out: the highest first, 0 never. Figures of `STORED_ONLY` and above are
    in results.json and in no table."""


class Needed(Config):
    """What would decide an inconclusive verdict, each alone, if the figures stay where they are; null if nothing says.

    Entities with as many facts each as now, or facts about each of the entities that there are, or seeds.
    """

    entities: int | None = None
    facts_per_entity: int | None = None
    seeds: int | None = None


VerdictKind: TypeAlias = Literal[
    "restored",
    "partly restored",
    "only forgotten",
    "not unlearned",
    "damaged",
    "inconclusive",
    "undefined",
    "restores",
    "restores little",
]


class ArmVerdict(Config):
    """What an arm's answers say, in a word and a sentence; `docs/concepts.md` has the rules.

    `restores` and `restores little` are said of controls only, in which nothing is unlearned; what comes before
    `damaged` of other arms only.
    """

    kind: VerdictKind
    reason: str
    """For people, with figures."""
    restoration: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    """The 95 % interval that the rules read: Student's t over entities, or over seeds where there are several."""
    margin: float | None = None
    """How far from full restoration still counts as restored."""
    equivalence_p: float | None = None
    """Of two one-sided tests against full restoration, the larger; the verdict takes the lower one at 0.05."""
    above_control: bool | None = None
    """Whether more is restored than by each control, shown; null without controls."""
    needed: Needed | None = None


class PairedTest(Config):
    """An arm against another one on the same targeted test facts: the true answer, fact by fact."""

    other: str
    """Id of the other arm."""
    role: Literal["control", "ideal", "corrupted"]
    difference: float | None
    """Accuracy of the arm less that of the other."""
    ci_low: float | None = None
    ci_high: float | None = None
    p: float | None = None
    """Two-sided."""
    p_holm: float | None = None
    """`p` corrected for all tests of this role in the table."""
    method: str = ""
    """Of the test, e.g. `permutation of entities, exact`."""
    note: str = ""


class Part(Config):
    """Restoration on some of the facts."""

    name: str
    """A relation, an entity, a range of a figure."""
    order: float | None = None
    """Where it stands on an axis: the mean of the figure in it; null for names."""
    restoration: Value


PartKind: TypeAlias = Literal["relation", "entity", "confidence", "dose"]


class Curve(Config):
    """How a figure went while the arm's model was made."""

    name: str
    """E.g. `loss`, `forget loss`, `validation true answers`."""
    stage: str
    """Of the pipeline, e.g. `unlearn`, `recover`, or `selection`."""
    points: list[tuple[float, float]]
    """Step and value; at most 200, evenly spaced."""


class Cost(Config):
    """What making the arm's model took, its evaluation not counted."""

    seconds: float = 0.0
    steps: int = 0
    tokens: int = 0
    peak_memory_mb: float = 0.0
    flops: float | None = None
    """Floating-point operations, estimated from parameters and tokens."""


class Ancestor(Config):
    """One stage in the lineage of an arm's model."""

    stage: str
    key: str


class Arm(Config):
    """One row of the table: one model state, for one seed (`seed`) or pooled over all (`seed` is null)."""

    id: str
    """Unique in the study, e.g. `npo_token/related/s0`; pooled: `npo_token/related`."""
    label: str
    """For people, e.g. `NPO, per token`."""
    arm: str
    """Name of the arm in the configuration or, in a comparison, on the command line, e.g. `npo_token`, `clean`."""
    kind: Kind
    algorithm: str | None = None
    """Entry of the catalogue of algorithms; null for references, baselines and checkpoints made elsewhere."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Hyperparameters, the chosen learning rate and steps among them."""
    hyperparameters: Literal["none", "selected", "default", "given"] = "none"
    """Where learning rate and steps came from: a stored selection on validation people, the middle of the
    algorithm's search grid (default), or the user."""
    retain: str | None = None
    """`unrelated` or `related`; null for arms that read no retain text."""
    recovered: bool = False
    """Whether the recovery fine-tune followed."""
    seed: int | None = None
    seeds: list[int] = Field(default_factory=list)
    budget: list[Budget] | None = Field(default_factory=list)
    """What the algorithm was told: F forget, D retain, R reference, C checkpoint, T truth. Null where that is unknown:
    a checkpoint made elsewhere."""
    model: str | None = None
    """The checkpoint that a comparison was given, as the user named it."""
    metrics: dict[str, Value] = Field(default_factory=dict)
    """By the names of `Results.figures`."""
    verdict: ArmVerdict | None = None
    """Of methods, oracles and controls; null for others and for arms that failed."""
    tests: list[PairedTest] = Field(default_factory=list)
    """Of pooled arms: against each control that reads the same text or none, the ideal and the corrupted model."""
    parts: dict[PartKind, list[Part]] = Field(default_factory=dict)
    """Of pooled arms: restoration by relation, by entity, by the clean model's confidence, by dose."""
    curves: list[Curve] = Field(default_factory=list)
    """Of arms of one seed."""
    cost: Cost = Cost()
    lineage: list[Ancestor] = Field(default_factory=list)


class Study(Config):
    """Where the results come from."""

    name: str
    id: str
    """Folder of the study within its store."""
    kind: Literal["study", "comparison"] = "study"
    """`study`: all models were made in it. `comparison`: of checkpoints made elsewhere."""
    protocol: str = "restor"
    """The named way in which the models were prompted."""
    runs: int = Field(1, ge=1)
    """How often each fact was asked: 1 where answers are greedy."""
    created: str
    """UTC, ISO 8601."""
    seeds: list[int]
    config: dict[str, Any]
    """The resolved configuration; `config.yaml` beside this file runs it again."""
    data_sha256: dict[str, str] = Field(default_factory=dict)
    """Digest of the facts and forget documents per seed."""
    versions: dict[str, str] = Field(default_factory=dict)
    code: str = ""
    notes: list[str] = Field(default_factory=list)
    """What a reader must know, e.g. where hyperparameters were chosen."""


class Results(Config):
    """`results.json`."""

    format: Literal[2] = 2
    study: Study
    figures: list[MetricInfo] = Field(default_factory=list)
    """What each figure of the arms is; in the order of the metrics that compute them."""
    arms: list[Arm]
    """One per arm and seed."""
    summary: list[Arm]
    """One per arm, pooled over seeds; what the table shows."""
