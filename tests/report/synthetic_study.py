"""A synthetic study, deterministic and made without any model: the page and the tables are tested on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from restor.evaluation.metrics.base import METRICS_CATALOGUE, Answers, Scored, all_figures
from restor.results import FACT_COLUMNS, Ancestor, Arm, Cost, Results, Study, Value
from restor.types import Budget, Group, Judgement, Kind

F, D, R, C = Budget.FORGET, Budget.RETAIN, Budget.REFERENCE, Budget.CHECKPOINT
RELATIONS = ("occupation", "birthplace", "language", "spouse")
NAMES = ("Troa", "Brilio", "Kaien", "Stelys", "Vaira", "Jolan", "Ploio", "Sken", "Dreara", "Mailio", "Gruys", "Zenan")
FAMILY = ("Stomann", "Kravelli", "Luwood", "Bretton")

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
HOSTILE = (
    "</script><script>window.__pwned=1</script>",
    "<img src=x onerror=window.__pwned=2>",
    "\u202egnp.exe\u202c and \u2067right to left",
    "\x1b[31mred\x1b[0m\x07 bell",
    "line\u2028separator\u2029paragraph",
    "<!--<script>",
    "{{ 7 * 7 }}{% raw %}",
    "'\"><svg/onload=window.__pwned=3>",
    "&lt;b&gt; &amp; ]]>",
    "Ω " + "long " * 20_000,
)


def make_study(
    *,
    people: int = 8,
    untouched: int = 8,
    seeds: Sequence[int] = (0,),
    hostile: bool = False,
    extra_arms: int = 0,
) -> tuple[Results, pa.Table]:
    """Results and facts that fit each other; `people` are targeted."""
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
                    if hostile and number < len(HOSTILE):
                        said = HOSTILE[number]
                    counts[judgement if targeted else "kept"] += 1
                    row = _row(fact, arm_id, seed, 0, judgement, said, kind, rng)
                    for column, values in rows.items():
                        values.append(row.get(column))
                per_seed.append(_arm(arm_id, name, label, kind, budget, retain, [seed], seed, counts, people, hostile))
    summary = [_pooled([arm for arm in per_seed if arm.id.startswith(f"{stem}/s")], stem) for stem in _stems(per_seed)]
    study = Study(
        name="miniature" if not hostile else "</title><script>window.__pwned=4</script>",
        id="miniature-20250101",
        created="2025-01-01T12:00:00Z",
        seeds=list(seeds),
        config={"name": "miniature", "seeds": list(seeds), "corruption": {"strength": "medium", "lr": None}},
        data_sha256={f"facts/{seed}": f"{seed:064x}" for seed in seeds},
        versions={"restor": "0.1.0", "torch": "2.11.0"},
        code="3f2c1ab",
        notes=["Hyperparameters were chosen on validation people of seed 100."],
    )
    return Results(study=study, figures=all_figures(), arms=per_seed, summary=summary), pa.table(rows)


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
    scored: dict[str, list[Scored]] = {}
    for name, original, wrong, _ in spec:
        kind = _kind_of(name)
        for number, fact in enumerate(facts):
            for run in range(1 if kind is Kind.BASELINE else runs):
                draw = rng.random() if fact["group"] == "test" else 0.0
                judgement = "original" if draw < original else "planted" if draw < original + wrong else "other"
                judgement = "other" if judgement == "planted" and not planted else judgement
                said = {"original": fact["answers"][0], "planted": fact["planted"], "other": f"Nowhere{run}"}[judgement]
                said = HOSTILE[number] if hostile and number < len(HOSTILE) else said
                row = _row(fact, f"{name}/s0", 0, run, judgement, said, kind, rng)
                scored.setdefault(name, []).append(_scored(row))
                for column, values in rows.items():
                    values.append(row.get(column))
    arms = []
    for name, _, _, label in spec:
        parts = [scored.get(part, []) for part in ("corrupted", "ideal", "clean")]
        metrics: dict[str, Value] = {}
        for entry in METRICS_CATALOGUE.names():
            metrics |= METRICS_CATALOGUE.get(entry)().compute(Answers(scored[name], *parts))
        kind = _kind_of(name)
        arm = Arm(
            id=f"{name}/s0",
            label=f"{label} <b>bold</b>\x1b[31m" if hostile else label,
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
        name="restor" if not hostile else "</title><script>window.__pwned=4</script>",
        id="comparison-20250101",
        kind="comparison",
        protocol="published" if runs > 1 else "restor",
        runs=runs,
        created="2025-01-01T12:00:00Z",
        seeds=[0],
        config={"data": "restor", "models": {name: f"models/{name}" for name in names}},
    )
    summary = [arm.model_copy(update={"id": arm.arm, "seed": None}) for arm in arms]
    return Results(study=study, figures=all_figures(), arms=arms, summary=summary), pa.table(rows)


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
    return dict(
        fact,
        arm=arm,
        seed=seed,
        run=run,
        completion=said,
        judgement=judgement,
        reason=f"{'is' if judgement != 'other' else 'matches no'} answer {str(said)[:20]!r}",
        logprob_original=base - rng.random() if model else None,
        logprob_planted=wrong if model else None,
        logprob_random=-7 - rng.random() if model else None,
        rank_original=(1 if judgement == "original" else rng.randint(1, 12)) if model else None,
        n_candidates=20 if model else None,
    )


def _scored(row: Mapping[str, object]) -> Scored:
    return Scored(
        entity=f"{row['subject']}/s{row['seed']}",
        relation=row["relation"],
        run=row["run"],
        group=Group(row["group"]),
        answer_shown=row["answer_shown"],
        planted=row["planted"] is not None,
        judgement=Judgement(row["judgement"]),
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
        if hostile and number < len(HOSTILE):
            subject = HOSTILE[number][:200]
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
    hostile: bool,
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
        label=f"{label} <b>bold</b>\x1b[31m" if hostile else label,
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
        cost=Cost(seconds=2.345, steps=60, tokens=61_440, peak_memory_mb=311.0) if model else Cost(),
        lineage=[Ancestor(stage="clean", key="ab12"), Ancestor(stage="corrupt", key="cd34")] if model else [],
    )


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
        update={"id": stem, "seed": None, "seeds": [s for arm in arms for s in arm.seeds], "metrics": metrics}
    )
