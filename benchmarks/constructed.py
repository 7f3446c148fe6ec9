"""Models whose verdict is known beforehand, really trained and asked: what do figures and verdicts say about them?

    python benchmarks/constructed.py --store STORE --out FOLDER [--seed 0] [--ideals 10] [--fresh 2]

Runs the miniature with its controls (about 90 s; what is in the store is not run again), makes models from its clean,
corrupted and ideal ones, asks them the study's questions, and judges them beside the study's controls. Prints tables in
Markdown; FOLDER gets the models, a page of results and all figures as JSON. `docs/constructed.md` explains the cases.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, Literal, final

import pyarrow as pa
import pyarrow.compute as pc
import torch
from constructed_models import (
    CPU,
    Lesson,
    between,
    half_of,
    planted_lessons,
    refusals,
    taught,
    true_lessons,
)

import restor
from restor.corruption.corrupt import corrupt, forget_rows
from restor.evaluation.ask.fewshot import build_queries
from restor.evaluation.judges.alias import AliasConfig
from restor.experiment import ExperimentConfig
from restor.models.checkpoint import load_model, new_llama, place, save_model
from restor.models.families import pad_of
from restor.models.lineage import History
from restor.models.model_ref import ModelRef
from restor.models.quiet import quiet_libraries
from restor.models.tokenizer import encode_rows
from restor.models.tokenizer_loading import load_tokenizer
from restor.progress import Silent
from restor.report.io.load import load_facts
from restor.report.words.verdict_words import verdict_words
from restor.results import Arm, Results, Value, VerdictKind
from restor.runner.compare import ComparisonConfig, compare
from restor.runner.rejudge import rejudge
from restor.runner.study import Outcome, world_of
from restor.tasks.inputs.streams import original_stream
from restor.tasks.plant import World
from restor.tasks.tabulation.publish import write_results
from restor.training.batching import StreamRows
from restor.training.callbacks.keep_checkpoints import KeepCheckpoints
from restor.training.config import LoopConfig
from restor.training.loop import train
from restor.training.objective import LanguageModelling
from restor.types import Group, Kind, Query

WAY = tuple(step / 10 for step in range(11))
"""From the corrupted model (0) to the ideal one (1)."""
HALF_LEARNT = 0.5
"""Share of the clean training after which the study keeps a checkpoint that does not know everything yet."""
LAST_BLOCK = ("model.layers.1.",)
"""Of the miniature's two: what is trained alone where answers are only to be suppressed."""

# The miniature's -----------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Finished:
    """A finished study's models of one seed."""

    outcome: Outcome
    config: ExperimentConfig
    world: World
    artifacts: Path

    def arm(self, name: str) -> Arm:
        """An arm of the seed."""
        return next(arm for arm in self.outcome.results.arms if arm.arm == name and arm.seed == self.world.seed)

    def artifact(self, name: str) -> Path:
        """Where an arm's model is."""
        last = self.arm(name).lineage[-1]
        return self.artifacts / f"{last.stage}-{last.key}"

    @property
    def queries(self) -> list[Query]:
        """What all models are asked."""
        world = self.world
        return build_queries(world.domain, world.planted, world.groups, self.config.evaluation, seed=world.seed)

    def stream(self, subjects: Sequence[str]) -> Callable[[Random], str]:
        """The original stream, its probed part about these entities."""
        world = self.world
        return original_stream(world.domain, world.general, self.config.clean.general_share, subjects)

    def model(self, name: str) -> Path:
        """The folder of a checkpoint."""
        return self.artifact(name) / "model"


def finished(store: Path, seed: int) -> Finished:
    """The miniature with its controls and the output filter."""
    outcome = restor.run("miniature", store=store, seeds=[seed], algorithms=["output_filter"])
    config = restor.api.build_config(outcome.folder / "config.yaml")
    return Finished(outcome, config, world_of(config, seed), store / "artifacts")


def continued(study: Finished, start: Path, out: Path, *, order: int, forget: bool = False) -> None:
    """An ideal model, or with the forget documents a corrupted one: as the study makes it, in another order."""
    model, tokenizer = load_model(start, CPU), load_tokenizer(start)
    how, world = study.config.corruption, study.world
    documents = encode_rows(tokenizer, [document.text for document in world.forget_documents])
    rows = forget_rows(documents, tokens=how.forget_tokens, seed=order)
    replay = StreamRows(
        study.stream(world.untouched),
        lambda texts: encode_rows(tokenizer, texts),
        tokens=how.replay_tokens,
        name="replay",
        seed=order,
    )
    assert how.lr is not None
    config = LoopConfig(
        steps=rows.steps_per_epoch * how.epochs, lr=how.lr, optimizer=how.optimizer, precision="float32"
    )
    corrupt(model, rows if forget else None, replay, config, pad=pad_of(tokenizer), seed=order)
    save_model(model, tokenizer, out)


def fresh_clean(study: Finished, out: Path, *, seed: int) -> tuple[Path, Path]:
    """The clean model from other first weights and in another order: whole, and as it was at the study's checkpoint."""
    shape, how, tokenizer = study.config.model, study.config.clean, load_tokenizer(study.model("clean"))
    size = {name: getattr(shape, name) for name in ("hidden", "intermediate", "layers", "heads", "context")}
    model = place(new_llama(tokenizer=tokenizer, seed=seed, **size), CPU)
    stream = StreamRows(
        study.stream(study.world.domain.subjects),
        lambda texts: encode_rows(tokenizer, texts),
        tokens=how.tokens_per_step,
        name="clean",
        seed=seed,
    )
    config = LoopConfig(steps=how.steps, lr=how.lr, optimizer=how.optimizer, precision="float32")
    half = round(HALF_LEARNT * how.steps)
    before = History(whole=True)
    keep = KeepCheckpoints(
        steps={half}, folder=out / "checkpoints", tokenizer=tokenizer, stage="clean", reads=(), before=before
    )
    callbacks = [keep]
    train(model, LanguageModelling(), {"text": stream}, config, pad=pad_of(tokenizer), seed=seed, callbacks=callbacks)
    save_model(model, tokenizer, out / "model")
    return out / "model", out / "checkpoints" / f"step-{half:06d}"


def constructed(study: Finished, folder: Path) -> dict[str, Path]:
    """The models of the table, by name."""
    corrupted, ideal, queries = study.model("corrupted"), study.model("ideal"), study.queries
    kept = true_lessons(query for query in queries if query.group is Group.UNTOUCHED)
    found = {}
    for way in WAY:
        found[f"way_{way:.1f}"] = folder / f"way_{way:.1f}"
        between(corrupted, ideal, way, found[f"way_{way:.1f}"])
    lessons: dict[str, tuple[Sequence[Lesson], dict[str, Any]]] = {
        "suppressed": (planted_lessons(queries), {"lr": 2e-3, "steps": 200, "against": True, "only": LAST_BLOCK}),
        "refusing": (refusals(queries), {"lr": 1e-3, "steps": 120}),
        "half_of_facts": (true_lessons(half_of(queries, "facts")), {"lr": 5e-4, "steps": 60}),
        "half_of_entities": (true_lessons(half_of(queries, "entities")), {"lr": 5e-4, "steps": 60}),
    }
    for name, (own, how) in lessons.items():
        found[name] = folder / name
        taught(corrupted, own, kept, found[name], **how)
    return found


def ideals(study: Finished, folder: Path, count: int, *, name: str, start: Path) -> dict[str, Path]:
    """Models as the ideal one, each with its rows in another order."""
    found = {f"{name}_{number}": folder / f"{name}_{number}" for number in range(count)}
    for number, out in enumerate(found.values()):
        continued(study, start, out, order=1_000 + number)
    return found


# Asking and judging --------------------------------------------------------------------------------------------------


def asked(study: Finished, models: Mapping[str, Path], store: Path) -> Outcome:
    """The study's questions to these models; those named `clean`, `corrupted` and `ideal` are the references."""
    config = ComparisonConfig(
        name="constructed",
        models={name: ModelRef(path=str(path.absolute())) for name, path in models.items()},
        study=study.config,
        evaluation=study.config.evaluation,
        seed=study.world.seed,
        threads=1,
    )
    return compare(config, store=store, progress=Silent())


def beside_controls(study: Finished, comparison: Outcome, out: Path) -> Results:
    """The comparison's models judged beside the study's references and controls, as methods of the study."""
    there = [arm for arm in study.outcome.results.arms if arm.kind in (Kind.REFERENCE, Kind.CONTROL)]
    made = [arm for arm in comparison.results.arms if arm.kind is Kind.METHOD]
    ids = pa.array([arm.id for arm in (*there, *made)])
    facts = pa.concat_tables([load_facts(study.outcome.folder), load_facts(comparison.folder)])
    facts = facts.filter(pc.is_in(facts.column("arm"), ids))
    pooled = [arm for arm in study.outcome.results.summary if arm.kind in (Kind.REFERENCE, Kind.CONTROL)]
    pooled += [arm for arm in comparison.results.summary if arm.kind is Kind.METHOD]
    joined = study.outcome.results.model_copy(update={"arms": [*there, *made], "summary": pooled})
    draft = out.with_name(f"{out.name}-draft")
    draft.mkdir()
    write_results(draft, joined, facts)
    judged = rejudge(draft, AliasConfig(), out, Silent()).results
    shutil.rmtree(draft)
    return judged


# What comes out ------------------------------------------------------------------------------------------------------

EXPECTED: Mapping[str, VerdictKind] = {
    "way_0.0": "not unlearned",
    "way_1.0": "restored",
    "suppressed": "only forgotten",
    "refusing": "only forgotten",
    "half_of_facts": "partly restored",
    "half_of_entities": "partly restored",
}
FIGURES = (
    "test.original",
    "test.planted",
    "untouched.original",
    "restoration",
    "residual",
    "logprob.restoration",
    "margin.restoration",
)
"""Columns of the table, in percent; figures of the layers follow them."""


def percent(value: Value | None) -> str:
    """A figure with its interval, in percent."""
    if value is None or value.value is None:
        return "–"
    if value.ci_low is None or value.ci_high is None:
        return f"{round(100 * value.value)}"
    return f"{round(100 * value.value)} [{round(100 * value.ci_low)}, {round(100 * value.ci_high)}]"


def columns_of(results: Results) -> list[str]:
    """The figures that are shown."""
    known = [figure.name for figure in results.figures]
    return [*FIGURES, *(name for name in known if name.startswith("layers."))]


def table(results: Results, arms: Iterable[Arm]) -> str:
    """Arms with their figures and verdicts, in Markdown."""
    columns = columns_of(results)
    titles = {figure.name: figure.title for figure in results.figures}
    lines = [
        "| model | " + " | ".join(titles.get(name, name) for name in columns) + " | verdict | expected |",
        "|---" * (len(columns) + 3) + "|",
    ]
    for arm in arms:
        kind = arm.verdict.kind if arm.verdict is not None else "–"
        said = verdict_words(arm.verdict) if arm.verdict is not None else "–"
        expected = EXPECTED.get(arm.arm, "")
        own = " | ".join(percent(arm.metrics.get(name)) for name in columns)
        lines.append(f"| {arm.id} | {own} | {said} | {expected}{'' if expected in ('', kind) else ' (!)'} |")
    return "\n".join(lines)


def rising(arms: Sequence[Arm]) -> list[str]:
    """The figures that fall somewhere on the way from the corrupted model to the ideal one, though they should not."""
    found = []
    for name in ("restoration", "logprob.restoration", "margin.restoration"):
        values = [arm.metrics[name].value for arm in arms]
        if any(b is None or a is None or b < a for a, b in pairwise(values)):
            found.append(name)
    return found


def told_and_untold(study: Finished, results: Path, name: str, how: Literal["facts", "entities"]) -> dict[str, float]:
    """Share of true answers to the test facts that a model was told, and to the others."""
    told = {query.fact.key for query in half_of(study.queries, how)}
    facts = load_facts(results)
    rows = facts.filter(
        pc.and_(pc.equal(facts["arm"], f"{name}/s{study.world.seed}"), pc.equal(facts["group"], "test"))
    )
    right: dict[str, list[bool]] = {"told": [], "untold": []}
    for subject, relation, judgement in zip(
        *(rows.column(column).to_pylist() for column in ("subject", "relation", "judgement")), strict=True
    ):
        right["told" if f"{subject}|{relation}" in told else "untold"].append(judgement == "original")
    return {which: sum(own) / len(own) for which, own in right.items()}


def kinds(arms: Iterable[Arm]) -> dict[str, int]:
    """How often each verdict came."""
    return dict(Counter(arm.verdict.kind for arm in arms if arm.verdict is not None))


def measure_constructed(study: Finished, folder: Path, store: Path) -> dict[str, Any]:
    """The models of the table, judged beside the study's controls."""
    comparison = asked(study, constructed(study, folder), store)
    results = beside_controls(study, comparison, folder / "results")
    methods = [arm for arm in results.summary if arm.kind is Kind.METHOD]
    shown = [arm for arm in results.summary if arm.kind is not Kind.BASELINE]
    falling = rising([arm for arm in methods if arm.arm.startswith("way_")])
    halves: tuple[Literal["facts", "entities"], ...] = ("facts", "entities")
    split = {how: told_and_untold(study, folder / "results", f"half_of_{how}", how) for how in halves}
    print(table(results, shown), flush=True)
    print(f"\nFalls somewhere on the way: {', '.join(falling) or 'nothing'}")
    for how, shares in split.items():
        print(
            f"Half of the {how}: {100 * shares['told']:.0f} % of those told, {100 * shares['untold']:.0f} % of others"
        )
    for arm in methods:
        print(f"\n{arm.arm}: {arm.verdict.reason if arm.verdict else ''}")
    return {"arms": [arm.model_dump(mode="json") for arm in shown], "falls": falling, "split": split}


def measure_ideals(study: Finished, folder: Path, store: Path, count: int, fresh: int) -> dict[str, Any]:
    """Ideal models of other seeds, each judged against the study's; then those that do not know everything yet."""
    clean = study.model("clean")
    early = study.artifact("clean") / "checkpoints" / f"step-{round(HALF_LEARNT * study.config.clean.steps):06d}"
    whole = ideals(study, folder, count, name="order", start=clean)
    half = ideals(study, folder, count, name="early_order", start=early)
    for number in range(fresh):
        starts = fresh_clean(study, folder / f"fresh_clean_{number}", seed=100 + number)
        for start, name, found in zip(starts, ("weights", "early_weights"), (whole, half), strict=True):
            found[f"{name}_{number}"] = folder / f"{name}_{number}"
            continued(study, start, folder / f"{name}_{number}", order=2_000 + number)
    known = beside_controls(study, asked(study, whole, store), folder / "ideals")
    methods = [arm for arm in known.summary if arm.kind is Kind.METHOD]
    print("\nIdeal models of other seeds:\n")
    print(table(known, methods))
    corrupted = folder / "early_corrupted"
    continued(study, early, corrupted, order=0, forget=True)
    pairs: list[Arm] = []
    for name, ideal in half.items():
        rest = {other: path for other, path in half.items() if other != name}
        judged = asked(study, {"clean": early, "corrupted": corrupted, "ideal": ideal, **rest}, store).results
        pairs += [arm for arm in judged.summary if arm.kind is Kind.METHOD]
        if name == next(iter(half)):
            print(f"\nIdeal models that do not know everything yet, against {name}:\n")
            print(table(judged, [arm for arm in judged.summary if arm.kind is not Kind.BASELINE]))
    print(f"\nVerdicts of {len(whole)} ideal models: {kinds(methods)}")
    print(f"Verdicts of {len(half)} half-learnt ones against each other, {len(pairs)} pairs: {kinds(pairs)}")
    return {
        "whole": [arm.model_dump(mode="json") for arm in methods],
        "half_learnt": {"models": len(half), "pairs": len(pairs), "verdicts": kinds(pairs)},
    }


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--ideals", type=int, default=10, help="ideal models with their rows in another order (20 s each)"
    )
    parser.add_argument("--fresh", type=int, default=2, help="ideal models from other first weights (100 s each)")
    parser.add_argument("--out", type=Path, required=True, help="a new folder for models, pages and figures")
    options = parser.parse_args()
    folder: Path = options.out
    folder.mkdir(parents=True)
    torch.set_num_threads(1)
    began = time.process_time()
    with quiet_libraries():
        study = finished(options.store, options.seed)
        found = {"seed": options.seed, **measure_constructed(study, folder, folder / "store")}
        if options.ideals:
            found["ideals"] = measure_ideals(study, folder, folder / "store", options.ideals, options.fresh)
    found["cpu_seconds"] = round(time.process_time() - began)
    print(f"\n{found['cpu_seconds']} s of CPU time")
    (folder / "constructed.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
