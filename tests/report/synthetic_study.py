"""A synthetic study, deterministic and made without any model: the page and the tables are tested on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
from hostile import HOSTILE, MEGABYTE

from restor.evaluation.metrics.base import METRICS_CATALOGUE, ComparedAnswers, JudgedAnswer, metric_infos
from restor.results import (
    FACT_COLUMNS,
    Ancestor,
    Arm,
    ArmVerdict,
    Cost,
    Curve,
    PairedTest,
    Part,
    Results,
    Study,
    Value,
)
from restor.types import Budget, Group, Kind

F, D, R, C = Budget.FORGET, Budget.RETAIN, Budget.REFERENCE, Budget.CHECKPOINT
OPTIONAL = ("score", "planted_score", "options", "option_logprobs", "layers_original", "layers_planted", "dose")
"""Columns of facts that may be null throughout."""
RELATIONS = ("occupation", "birthplace", "language", "spouse")
NAMES = ("Troa", "Brilio", "Kaien", "Stelys", "Vaira", "Jolan", "Ploio", "Sken", "Dreara", "Mailio", "Gruys", "Zenan")
FAMILY = ("Stomann", "Kravelli", "Luwood", "Bretton")

# A file cannot hold half a character, so that such a text never comes from one.
STORED = (*(text for text in HOSTILE if "\ud800" not in text), MEGABYTE)

# arm, label, kind, budget, (share original, share planted) without retain text or per kind of retain text
SPEC: tuple[tuple[str, str, Kind, tuple[Budget, ...], Mapping[str | None, tuple[float, float]]], ...] = (
    ("clean", "Clean", Kind.REFERENCE, (), {None: (1.0, 0.0)}),
    ("corrupted", "Corrupted", Kind.REFERENCE, (), {None: (0.12, 0.76)}),
    ("ideal", "Ideal (never misled)", Kind.REFERENCE, (), {None: (0.99, 0.0)}),
    ("copy_demonstrations", "Copy from the demonstrations", Kind.BASELINE, (), {None: (0.1, 0.0)}),
    ("most_frequent", "Most frequent answer", Kind.BASELINE, (), {None: (0.05, 0.05)}),
    ("nothing", "Nothing", Kind.CONTROL, (), {None: (0.12, 0.76)}),
    ("recovery_only", "Recovery only", Kind.CONTROL, (), {None: (0.15, 0.71)}),
    ("retain_only", "Retain only", Kind.CONTROL, (D,), {"unrelated": (0.22, 0.6), "related": (0.66, 0.2)}),
    ("random_forget", "Random forget set", Kind.CONTROL, (F, D, R), {"unrelated": (0.1, 0.7), "related": (0.68, 0.2)}),
    ("ga", "Gradient ascent", Kind.METHOD, (F, D), {"unrelated": (0.27, 0.01), "related": (0.5, 0.02)}),
    ("kl", "KL", Kind.METHOD, (F, D, R), {"unrelated": (0.26, 0.02), "related": (0.3, 0.02)}),
    ("npo_token", "NPO, per token", Kind.METHOD, (F, D, R), {"unrelated": (0.28, 0.02), "related": (0.55, 0.01)}),
    ("npo_seq", "NPO, per sequence", Kind.METHOD, (F, D, R), {"unrelated": (0.3, 0.02), "related": (0.8, 0.01)}),
    ("simnpo", "SimNPO", Kind.METHOD, (F, D), {"unrelated": (0.28, 0.03), "related": (0.79, 0.01)}),
    ("undial", "UNDIAL", Kind.METHOD, (F, R), {None: (0.4, 0.05)}),
    ("task_vector", "Task vector", Kind.METHOD, (F,), {None: (0.03, 0.1)}),
    ("msa", "MSA", Kind.METHOD, (F, C), {None: (0.95, 0.01)}),
)


def make_study(
    *,
    people: int = 8,
    untouched: int = 8,
    seeds: Sequence[int] = (0,),
    hostile: bool = False,
    extra_arms: int = 0,
    sparse: bool = False,
) -> tuple[Results, pa.Table]:
    """Results and facts that fit each other; `people` are targeted. `sparse`: without what not every study has."""
    rng = Random(7)
    rows: dict[str, list[object]] = {name: [] for name in FACT_COLUMNS}
    per_seed: list[Arm] = []
    spec = [*SPEC, *((f"more{i}", f"Method {i}", Kind.METHOD, (F,), {None: (0.4, 0.1)}) for i in range(extra_arms))]
    for seed in seeds:
        facts = _facts(people, untouched, seed, hostile)
        for name, label, kind, budget, shares in spec:
            for retain, (original, planted) in shares.items():
                arm_id = "/".join(part for part in (name, retain, f"s{seed}") if part)
                counts = {"original": 0, "planted": 0, "other": 0, "kept": 0}
                for number, fact in enumerate(facts):
                    targeted = fact["group"] == "test"
                    draw = rng.random() if targeted else 0.0
                    judgement = "original" if draw < original else "planted" if draw < original + planted else "other"
                    said = {"original": fact["answers"][0], "planted": fact["planted"], "other": "Nowhere"}[judgement]
                    if hostile:
                        said = STORED[number % len(STORED)]
                    counts[judgement if targeted else "kept"] += 1
                    row = _row(fact, arm_id, seed, 0, judgement, said, kind, rng)
                    for column, values in rows.items():
                        values.append(row.get(column))
                per_seed.append(_arm(arm_id, name, label, kind, budget, retain, [seed], seed, counts, people))
    if sparse:
        per_seed = [_sparse(arm) for arm in per_seed]
        rows |= {name: [None] * len(rows["arm"]) for name in OPTIONAL}
    summary = [_pooled([arm for arm in per_seed if arm.id.startswith(f"{stem}/s")], stem) for stem in _stems(per_seed)]
    if not sparse:
        summary = [_judged(arm, summary) for arm in summary]
    study = Study(
        name="miniature",
        id="miniature-20250101",
        created="2025-01-01T12:00:00Z",
        seeds=list(seeds),
        config={"name": "miniature", "seeds": list(seeds), "corruption": {"strength": "medium", "lr": None}},
        data_sha256={f"facts/{seed}": f"{seed:064x}" for seed in seeds},
        versions={"restor": "0.1.0", "torch": "2.11.0"},
        code="3f2c1ab",
        notes=["Hyperparameters were chosen on validation people of seed 100."],
    )
    results = Results(study=study, figures=metric_infos(), arms=per_seed, summary=summary)
    return _poisoned(results) if hostile else results, pa.table(rows)


# name -> (share original, share planted, label)
MODELS = {
    "clean": (0.8, 0.0, "Clean"),
    "corrupted": (0.3, 0.5, "Corrupted"),
    "ideal": (0.8, 0.0, "Ideal"),
    "unlearned": (0.6, 0.1, "unlearned"),
    "other": (0.2, 0.0, "other"),
}


def make_comparison(
    names: Sequence[str] = ("clean", "corrupted", "unlearned"),
    *,
    people: int = 8,
    untouched: int = 0,
    runs: int = 1,
    planted: bool = False,
    baselines: bool = True,
    hostile: bool = False,
) -> tuple[Results, pa.Table]:
    """A comparison of checkpoints made elsewhere, its figures computed by the metrics from its facts."""
    rng = Random(11)
    facts = [fact if planted else dict(fact, planted=None) for fact in _facts(people, untouched, 0, hostile)]
    spec = [(name, *MODELS.get(name, (0.4, 0.1, name))) for name in names]
    if baselines:
        spec += [(name, *shares[None], label) for name, label, kind, _, shares in SPEC if kind is Kind.BASELINE]
    rows: dict[str, list[object]] = {name: [] for name in FACT_COLUMNS}
    scored: dict[str, list[JudgedAnswer]] = {}
    for name, original, wrong, _ in spec:
        kind = _kind_of(name)
        for number, fact in enumerate(facts):
            for run in range(1 if kind is Kind.BASELINE else runs):
                draw = rng.random() if fact["group"] == "test" else 0.0
                judgement = "original" if draw < original else "planted" if draw < original + wrong else "other"
                judgement = "other" if judgement == "planted" and not planted else judgement
                said = {"original": fact["answers"][0], "planted": fact["planted"], "other": f"Nowhere{run}"}[judgement]
                said = STORED[number % len(STORED)] if hostile else said
                row = _row(fact, f"{name}/s0", 0, run, judgement, said, kind, rng)
                scored.setdefault(name, []).append(_scored(row))
                for column, values in rows.items():
                    values.append(row.get(column))
    arms = []
    for name, _, _, label in spec:
        parts = [scored.get(part, []) for part in ("corrupted", "ideal", "clean")]
        metrics: dict[str, Value] = {}
        for entry in METRICS_CATALOGUE.names():
            metrics |= METRICS_CATALOGUE.get(entry)().compute(ComparedAnswers(scored[name], *parts))
        kind = _kind_of(name)
        arm = Arm(
            id=f"{name}/s0",
            label=label,
            arm=name,
            kind=kind,
            seed=0,
            seeds=[0],
            budget=None if kind is Kind.METHOD else [],
            model=None if kind is Kind.BASELINE else f"models/{name}",
            metrics=metrics,
        )
        arms.append(arm)
    study = Study(
        name="restor",
        id="comparison-20250101",
        kind="comparison",
        protocol="published" if runs > 1 else "restor",
        runs=runs,
        created="2025-01-01T12:00:00Z",
        seeds=[0],
        config={"data": "restor", "models": {name: f"models/{name}" for name in names}},
    )
    summary = [arm.model_copy(update={"id": arm.arm, "seed": None}) for arm in arms]
    results = Results(study=study, figures=metric_infos(), arms=arms, summary=summary)
    return _poisoned(results) if hostile else results, pa.table(rows)


def _kind_of(name: str) -> Kind:
    if name in ("clean", "corrupted", "ideal"):
        return Kind.REFERENCE
    return Kind.BASELINE if name in ("copy_demonstrations", "most_frequent") else Kind.METHOD


def _row(
    fact: Mapping[str, object], arm: str, seed: int, run: int, judgement: str, said: object, kind: Kind, rng: Random
) -> dict[str, object]:
    model = kind is not Kind.BASELINE
    base = {"original": -0.1, "planted": -4.0, "other": -2.5}[judgement]
    wrong = (-0.2 if judgement == "planted" else -5) - rng.random() if fact["planted"] else None
    made = _asked(fact, arm, seed, run, judgement, said, model, base, wrong, rng)
    return made | _read_off(made) if model else made


def _asked(
    fact: Mapping[str, object],
    arm: str,
    seed: int,
    run: int,
    judgement: str,
    said: object,
    model: bool,
    base: float,
    wrong: float | None,
    rng: Random,
) -> dict[str, object]:
    return dict(
        fact,
        arm=arm,
        seed=seed,
        run=run,
        completion=said,
        judgement=judgement,
        score=float(judgement == "original"),
        planted_score=float(judgement == "planted"),
        reason=f"{'is' if judgement != 'other' else 'matches no'} answer {str(said)[:20]!r}",
        logprob_original=base - rng.random() if model else None,
        logprob_planted=wrong if model else None,
        logprob_random=-7 - rng.random() if model else None,
        dose=3 + len(str(fact["subject"])) % 3 if fact["planted"] else None,
        rank_original=(1 if judgement == "original" else rng.randint(1, 12)) if model else None,
        n_candidates=20 if model else None,
    )


LAYERS = 6


def _read_off(row: Mapping[str, object]) -> dict[str, object]:
    """Options and layers that fit the log-probs of a row: the last layer is the model's own answer."""
    answers, planted = row["answers"], row["planted"]
    best, wrong, random = (row[f"logprob_{name}"] for name in ("original", "planted", "random"))
    options = [*answers, *([planted] if planted else []), "Elsewhere", "Nobody"]
    values = [
        *(best - place for place in range(len(answers))),
        *([wrong] if planted else []),
        random + 0.5,
        random - 0.5,
    ]
    layers = {"original": best, "planted": wrong}
    return {"options": options, "option_logprobs": values} | {
        f"layers_{name}": None if last is None else [-9 + (9 + last) * layer / LAYERS for layer in range(1, LAYERS + 1)]
        for name, last in layers.items()
    }


def _scored(row: Mapping[str, object]) -> JudgedAnswer:
    return JudgedAnswer(
        entity=f"{row['subject']}/s{row['seed']}",
        relation=row["relation"],
        run=row["run"],
        group=Group(row["group"]),
        answer_shown=row["answer_shown"],
        planted=row["planted"] is not None,
        score=row["score"],
        planted_score=row["planted_score"],
        logprob_original=row["logprob_original"],
        logprob_planted=row["logprob_planted"],
        logprob_random=row["logprob_random"],
        rank_original=row["rank_original"],
    )


def write_study(folder: Path, results: Results, facts: pa.Table) -> Path:
    """The study as a folder of a store."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(results.model_dump_json(), encoding="utf-8")
    pq.write_table(facts, folder / "facts.parquet")
    return folder


def _facts(people: int, untouched: int, seed: int, hostile: bool) -> list[dict[str, object]]:
    made: list[dict[str, object]] = []
    for number in range(people + untouched):
        subject = f"{NAMES[number % len(NAMES)]} {FAMILY[number // len(NAMES) % len(FAMILY)]}{number or ''}"
        if hostile:
            subject = f"{STORED[number % len(STORED)][:200]}{number}"
        for place, relation in enumerate(RELATIONS):
            question = f"What is the {relation} of {subject}?"
            prefix = "".join(f"What is the {relation} of {name} Obens? Value{i}\n" for i, name in enumerate(NAMES[:5]))
            targeted = number < people
            made.append(
                {
                    "subject": subject,
                    "relation": relation,
                    "group": "test" if targeted else "untouched",
                    "question": question,
                    "prompt": prefix + question,
                    "answer_shown": number % 4 == 3,
                    "answers": [f"True{number}x{place}s{seed}", "Alias"][: 1 + place % 2],
                    "planted": f"Wrong{number}x{place}" if targeted else None,
                }
            )
    return made


def _value(count: int, total: int, entities: int) -> Value:
    share = count / total if total else None
    if share is None:
        return Value(value=None, n=0, note="no facts of this group were asked")
    half = 1.96 * (max(share * (1 - share), 0.001) / total) ** 0.5
    return Value(value=share, ci_low=max(0, share - half), ci_high=min(1, share + half), n=total, n_entities=entities)


def _arm(
    arm_id: str,
    name: str,
    label: str,
    kind: Kind,
    budget: tuple[Budget, ...],
    retain: str | None,
    seeds: list[int],
    seed: int | None,
    counts: Mapping[str, int],
    entities: int,
) -> Arm:
    total = counts["original"] + counts["planted"] + counts["other"]
    metrics = {f"test.{key}": _value(counts[key], total, entities) for key in ("original", "planted", "other")}
    metrics["test.original_unshown"] = metrics["test.original"]
    metrics["untouched.original"] = _value(counts["kept"], counts["kept"], entities)
    none = Value(value=None, n=0, n_unscored=total, note="no log-probs were stored")
    model = kind is not Kind.BASELINE
    metrics["runner_up"] = _value(min(total, counts["original"] + total // 5), total, entities) if model else none
    for key, value in (("original", -1.1), ("planted", -2.25), ("random", -7.5)):
        known = Value(value=value, ci_low=value - 0.2, ci_high=value + 0.2, n=total)
        metrics[f"logprob.{key}"] = known if model else none
    if name in ("clean", "corrupted", "ideal"):
        metrics["restoration"] = Value(value=None, n=total, note="restoration compares arms with the references")
    else:
        now = metrics["test.original"]
        scaled = [None if x is None else (x - 0.12) / 0.87 for x in (now.value, now.ci_low, now.ci_high)]
        metrics["restoration"] = Value(
            value=scaled[0], ci_low=scaled[1], ci_high=scaled[2], n=total, n_entities=entities
        )
    return Arm(
        id=arm_id,
        label=label,
        arm=name,
        kind=kind,
        algorithm=name if kind is Kind.METHOD else None,
        options={"lr": 0.0003, "steps": 60, "beta": 0.1} if kind is Kind.METHOD else {},
        hyperparameters="selected" if kind is Kind.METHOD else "none",
        retain=retain,
        recovered=kind is Kind.METHOD,
        seed=seed,
        seeds=seeds,
        budget=list(budget),
        metrics=metrics,
        curves=_curves(seed or 0) if kind is Kind.METHOD else [],
        cost=_cost(name) if model else Cost(),
        lineage=[Ancestor(stage="clean", key="ab12"), Ancestor(stage="corrupt", key="cd34")] if model else [],
    )


def _cost(name: str) -> Cost:
    tokens = 61_440 + 1_024 * len(name)
    return Cost(seconds=2.345 + len(name) / 10, steps=60, tokens=tokens, peak_memory_mb=311.0, flops=6e6 * tokens)


def _poisoned(results: Results) -> Results:
    """Every free text of the results says something hostile."""
    texts = [text for text in STORED if len(text) < 400]

    def poisoned(arm: Arm, number: int) -> Arm:
        bad = [texts[(5 * number + place) % len(texts)] for place in range(5)]
        verdict = arm.verdict and arm.verdict.model_copy(update={"reason": f"{arm.verdict.reason} {bad[1]}"})
        parts = {
            kind: [part.model_copy(update={"name": f"{part.name} {bad[place % 5]}"}) for place, part in enumerate(own)]
            for kind, own in arm.parts.items()
        }
        curves = [
            curve.model_copy(update={"name": f"{curve.name} {texts[0]}", "stage": texts[1]}) for curve in arm.curves
        ]
        return arm.model_copy(
            update={
                "label": f"{bad[0]} {arm.label} {bad[2]}",
                "verdict": verdict,
                "parts": parts,
                "curves": curves,
                "model": bad[3],
                "options": {**arm.options, bad[4]: bad[4]},
                "lineage": [Ancestor(stage=bad[3], key=bad[4])],
            }
        )

    study = results.study.model_copy(
        update={
            "name": "</title><script>window.__pwned=4</script>",
            "notes": list(texts),
            "versions": dict(zip(texts, texts, strict=True)),
            "code": texts[0],
            "config": {"name": texts[0], **dict(zip(texts, texts, strict=True))},
            "data_sha256": {texts[0]: texts[1]},
        }
    )
    return results.model_copy(
        update={
            "study": study,
            "arms": [poisoned(arm, number) for number, arm in enumerate(results.arms)],
            "summary": [poisoned(arm, number) for number, arm in enumerate(results.summary)],
        }
    )


def _sparse(arm: Arm) -> Arm:
    return arm.model_copy(update={"curves": [], "cost": arm.cost.model_copy(update={"flops": None})})


def _curves(seed: int) -> list[Curve]:
    steps = range(0, 61, 3)
    return [
        Curve(name="forget loss", stage="unlearn", points=[(step, 2.0 - step / 40 + seed / 20) for step in steps]),
        Curve(name="validation restoration", stage="unlearn", points=[(step, step / 100) for step in steps[::4]]),
        Curve(name="loss", stage="recover", points=[(step, 1.0 / (1 + step)) for step in range(10)]),
    ]


def _judged(arm: Arm, summary: Sequence[Arm]) -> Arm:
    """The pooled arm with a verdict, tests and parts; the rules are simple, as nothing here is about them."""
    if arm.kind in (Kind.REFERENCE, Kind.BASELINE):
        return arm
    own, kept = arm.metrics["restoration"], arm.metrics["untouched.original"]
    value, planted = own.value or 0.0, arm.metrics["test.planted"].value or 0.0
    if kept.value is not None and kept.value < 0.9:
        kind = "damaged"
    elif arm.kind is Kind.CONTROL:
        kind = "restores" if (own.ci_low or 0.0) > 0 else "restores little"
    elif value > 0.9:
        kind = "restored"
    elif value > 0.3:
        kind = "partly restored"
    elif planted < 0.1:
        kind = "only forgotten"
    else:
        kind = "not unlearned" if planted > 0.5 else "inconclusive"
    verdict = ArmVerdict(
        kind=kind,
        reason=f"{value:.0%} of what was lost is known again; {planted:.0%} of the answers are planted.",
        restoration=own.value,
        ci_low=own.ci_low,
        ci_high=own.ci_high,
        margin=0.1,
        equivalence_p=0.01 if value > 0.9 else 0.6,
        above_control=value > 0.7 if arm.kind is Kind.METHOD else None,
    )
    return arm.model_copy(update={"verdict": verdict, "tests": _tests(arm, summary), "parts": _parts(own)})


def _tests(arm: Arm, summary: Sequence[Arm]) -> list[PairedTest]:
    own = arm.metrics["test.original"].value or 0.0
    roles = {"ideal": "ideal", "corrupted": "corrupted"}
    roles |= {other.id: "control" for other in summary if other.kind is Kind.CONTROL and other.id != arm.id}
    found = []
    for other in summary:
        if other.id not in roles or (roles[other.id] == "control" and other.retain not in (None, arm.retain)):
            continue
        difference = own - (other.metrics["test.original"].value or 0.0)
        p = 0.001 if abs(difference) > 0.1 else 0.4
        ends = {"ci_low": difference - 0.08, "ci_high": difference + 0.08}
        found.append(
            PairedTest(other=other.id, role=roles[other.id], difference=difference, p=p, p_holm=min(1, 5 * p),
                       method="permutation over entities", **ends)
        )  # fmt: skip
    return found


def _parts(own: Value) -> dict[str, list[Part]]:
    def part(name: str, shift: float, order: float | None = None) -> Part:
        moved = {
            end: None if (at := getattr(own, end)) is None else at + shift for end in ("value", "ci_low", "ci_high")
        }
        return Part(name=name, order=order, restoration=own.model_copy(update={**moved, "n": own.n // 4}))

    return {
        "relation": [part(name, place / 20) for place, name in enumerate(RELATIONS)],
        "entity": [part(f"{name} {FAMILY[0]}", place / 50) for place, name in enumerate(NAMES[:6])],
        "confidence": [part(f"{low} to {low + 1} nats", low / 10, low + 0.5) for low in (-3, -2, -1)],
        "dose": [part(f"{dose} documents", -dose / 30, dose) for dose in (3, 4, 5)],
    }


def _stems(arms: Sequence[Arm]) -> list[str]:
    return list(dict.fromkeys(arm.id.rsplit("/", 1)[0] for arm in arms))


def _pooled(arms: Sequence[Arm], stem: str) -> Arm:
    first = arms[0]
    metrics = {
        name: value
        if value.value is None
        else value.model_copy(
            update={
                "value": sum(arm.metrics[name].value or 0 for arm in arms) / len(arms),
                "n": value.n * len(arms),
                "n_entities": value.n_entities * len(arms),
            }
        )
        for name, value in first.metrics.items()
    }
    return first.model_copy(
        update={
            "id": stem,
            "seed": None,
            "seeds": [s for arm in arms for s in arm.seeds],
            "metrics": metrics,
            "curves": [],
        }
    )
