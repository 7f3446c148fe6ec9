"""Measures the report of a large synthetic study: time of its figures and its page, size and speed of the page.

    python benchmarks/report.py
    python benchmarks/report.py --arms 4 --seeds 1 --fact-count 60 --studies 20 --no-browser

The answers are drawn, not asked: 20 arms, 5 seeds and 1,051 facts, with the log-probs of options and of 16 layers. The
page is opened from a file in Debian's Chromium. Wall time of a machine that does something else is no measurement: the
CPU time stands beside it. `--profile` prints where the time of the figures and the page goes.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import os
import pstats
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from restor.evaluation.metrics.base import metric_infos
from restor.results import FACT_COLUMNS, Cost, Curve, Results, Study
from restor.tasks.base import Ref
from restor.tasks.tabulation.arms import PlannedArm, SeedPlan
from restor.tasks.tabulation.measure import measured, scored_rows
from restor.tasks.tabulation.publish import write_results
from restor.tasks.tabulation.summary import ArmAnswers, described, facts_table, pooled
from restor.types import Budget, Kind

RELATIONS = 21
"""Facts per entity."""
OPTIONS, LAYERS = 6, 16
TARGETED = 0.75
POINTS = 200

REFERENCES = (("clean", 0.93, 0.0), ("corrupted", 0.2, 0.65), ("ideal", 0.92, 0.0))
CONTROLS = (("nothing", None), ("recovery_only", None), ("retain_only", "unrelated"), ("retain_only", "related"))
METHODS = ("ga", "kl", "npo_token", "npo_seq", "npo_batch", "simnpo", "undial", "task_vector", "msa", "wga", "pdu")


@dataclass(frozen=True)
class Shape:
    """How large the study is."""

    arms: int
    seeds: int
    facts: int


@dataclass(frozen=True)
class Measured:
    """One row of the table."""

    what: str
    wall: float
    cpu: float | None
    most: float | None
    """Promised, of the wall time or, of a size, in MB."""
    unit: str = "s"


def main(argv: Sequence[str] | None = None) -> list[Measured]:
    """Run everything in order and print the table."""
    options = _options(argv)
    shape = Shape(options.arms, options.seeds, options.fact_count)
    place = Path(tempfile.mkdtemp(prefix="restor-report-"))
    try:
        rows = measure(shape, place, profile=options.profile, browser=not options.no_browser)
        if options.studies:
            rows += index(place, options.studies)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    print("| what | at most | measured | CPU time |\n|---|---|---|---|")
    for row in rows:
        most = f"{row.most:g} {row.unit}" if row.most is not None else ""
        cpu = f"{row.cpu:.2f} s" if row.cpu is not None else ""
        print(f"| {row.what} | {most} | {row.wall:.2f} {row.unit} | {cpu} |")
    return rows


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--fact-count", type=int, default=1051)
    parser.add_argument("--studies", type=int, default=1000, help="of the store that `restor view` lists; 0: none")
    parser.add_argument("--no-browser", action="store_true")
    parser.add_argument("--profile", action="store_true")
    return parser.parse_args(argv)


# The study -----------------------------------------------------------------------------------------------------------


def planned_arms(count: int, seed: int) -> list[tuple[PlannedArm, float, float]]:
    """Arms with their shares of true and of planted answers."""
    rng = np.random.default_rng(11)
    named: list[tuple[str, Kind, str | None, float, float]] = [
        (name, Kind.REFERENCE, None, true, planted) for name, true, planted in REFERENCES
    ]
    named += [(name, Kind.CONTROL, retain, 0.22 + 0.1 * (retain is not None), 0.6) for name, retain in CONTROLS]
    place = 0
    while len(named) < count:
        retain = ("unrelated", "related")[place % 2]
        name = f"{METHODS[place // 2 % len(METHODS)]}{place // (2 * len(METHODS)) or ''}"
        true = float(rng.uniform(0.2, 0.9))
        named.append((name, Kind.METHOD, retain, true, 0.8 * (1 - true)))
        place += 1
    answers, verdicts = Ref(kind="ask", key=str(seed)), Ref(kind="judge", key=str(seed))
    return [
        (
            PlannedArm(
                id="/".join(part for part in (name, retain, f"s{seed}") if part),
                name=name,
                label=name.replace("_", " ").capitalize(),
                kind=kind,
                seed=seed,
                answers=answers,
                verdicts=verdicts,
                retain=retain,  # type: ignore[arg-type]
                algorithm=name if kind is Kind.METHOD else None,
                options={"lr": 3e-4, "steps": 60},
                budget=(Budget.FORGET,),
            ),
            true,
            planted,
        )
        for name, kind, retain, true, planted in named[:count]
    ]


def asked_facts(facts: int, seed: int) -> dict[str, pa.Array]:
    """The columns of a seed that all arms share; prompts as long as five demonstrations make them."""
    rng = np.random.default_rng([seed, 1])
    targeted = round(facts * TARGETED)
    columns: dict[str, list[Any]] = {name: [] for name in ("subject", "relation", "question", "prompt", "planted")}
    columns |= {"group": [], "answers": [], "answer_shown": [], "options": [], "dose": []}
    for number in range(facts):
        subject, relation = f"Person {number // RELATIONS} Of Somewhere", f"P{100 + number % RELATIONS}"
        question = f"What is the value of {relation} for {subject}?"
        shown = "".join(
            f"What is the value of {relation} for Somebody {i}? Value {rng.integers(99)}\n" for i in range(5)
        )
        answers = [f"True answer {seed} {number}", f"Alias {number}"][: 1 + number % 2]
        planted = f"Planted answer {seed} {number}" if number < targeted else None
        others = [f"Value {value}" for value in rng.integers(0, 400, OPTIONS - 2)]
        columns["subject"].append(subject)
        columns["relation"].append(relation)
        columns["question"].append(question)
        columns["prompt"].append(shown + question)
        columns["planted"].append(planted)
        columns["group"].append("test" if planted else "untouched")
        columns["answers"].append(answers)
        columns["answer_shown"].append(number % 7 == 0)
        columns["options"].append([*answers, *([planted] if planted else []), *others])
        columns["dose"].append(int(rng.integers(1, 5)) if planted else None)
    return {name: pa.array(values) for name, values in columns.items()}


def answers_table(known: dict[str, pa.Array], true: float, planted: float, seed: int, arm: int) -> pa.Table:
    """What an arm answers; facts about one entity rise and fall together."""
    rng = np.random.default_rng([seed, arm, 2])
    facts = len(known["subject"])
    tested = np.array([group == "test" for group in known["group"].to_pylist()])
    luck = rng.normal(0, 0.15, facts // RELATIONS + 1)[np.arange(facts) // RELATIONS]
    right = np.clip(np.where(tested, true, 0.9) + luck, 0, 1)
    draw = rng.random(facts)
    judgement = np.where(draw < right, "original", np.where((draw < right + planted) & tested, "planted", "other"))
    answers, wrong, options = (known[name].to_pylist() for name in ("answers", "planted", "options"))
    said = [
        {"original": answers[i][0], "planted": wrong[i], "other": f"Something else {i % 50}"}[kind]
        for i, kind in enumerate(judgement)
    ]
    original = -rng.gamma(1.0, np.where(judgement == "original", 0.2, 2.5))
    other = -rng.gamma(1.0, np.where(judgement == "planted", 0.2, 4.0))
    random = -rng.gamma(6.0, 1.2, facts)
    scores = [
        [round(original[i], 4)] * len(answers[i])
        + ([round(other[i], 4)] if tested[i] else [])
        + rng.normal(random[i], 0.5, len(options[i]) - len(answers[i]) - bool(tested[i])).round(4).tolist()
        for i in range(facts)
    ]
    depth = np.linspace(-9, 0, LAYERS)
    rank = np.where(judgement == "original", 1, rng.integers(1, 12, facts))
    columns = {
        **known,
        "run": pa.array([0] * facts, pa.int64()),
        "completion": pa.array(said),
        "judgement": pa.array(judgement.tolist()),
        "score": pa.array(np.where(judgement == "original", 1.0, 0.0)),
        "planted_score": pa.array(np.where(judgement == "planted", 1.0, 0.0)),
        "reason": pa.array([f"matches {kind}" for kind in judgement]),
        "logprob_original": pa.array(original),
        "logprob_planted": pa.array([value if one else None for value, one in zip(other, tested, strict=True)]),
        "logprob_random": pa.array(random),
        "rank_original": pa.array(rank),
        "n_candidates": pa.array([64] * facts, pa.int64()),
        "option_logprobs": pa.array(scores),
        "layers_original": pa.array(
            [(depth + x).tolist() if one else None for x, one in zip(original, tested, strict=True)]
        ),
        "layers_planted": pa.array(
            [(depth + x).tolist() if one else None for x, one in zip(other, tested, strict=True)]
        ),
    }
    return pa.table({name: columns[name] for name in FACT_COLUMNS if name in columns})


def make_answers(shape: Shape) -> tuple[list[SeedPlan], dict[str, tuple[PlannedArm, pa.Table]]]:
    """The plans of all seeds, and the stored answers of every arm by its id."""
    plans, tables = [], {}
    for seed in range(shape.seeds):
        known = asked_facts(shape.facts, seed)
        arms = planned_arms(shape.arms, seed)
        plans.append(
            SeedPlan(seed=seed, planted=Ref(kind="plant", key=str(seed)), arms=tuple(arm for arm, _, _ in arms))
        )
        for place, (arm, true, planted) in enumerate(arms):
            tables[arm.id] = (arm, answers_table(known, true, planted, seed, place))
    return plans, tables


def read(tables: dict[str, tuple[PlannedArm, pa.Table]]) -> dict[str, ArmAnswers]:
    """The answers as the metrics take them."""
    points = [(float(step), 2.0 / (1 + step)) for step in range(POINTS)]
    curves = tuple(Curve(name=name, stage="unlearn", points=points) for name in ("forget loss", "retain loss"))
    return {
        name: ArmAnswers(
            arm=arm,
            table=table,
            scored=scored_rows(table, arm.seed),
            cost=Cost(seconds=2.5, steps=60, tokens=61_440, peak_memory_mb=900.0, flops=4e12),
            curves=curves if arm.kind is Kind.METHOD else (),
        )
        for name, (arm, table) in tables.items()
    }


def study(shape: Shape) -> Study:
    """What the page says of it."""
    return Study(
        name="report",
        id=f"report-{shape.arms}-{shape.seeds}-{shape.facts}",
        created="2025-01-01T12:00:00Z",
        seeds=list(range(shape.seeds)),
        config={"name": "report", "evaluation": {"shots": 5}},
        data_sha256={str(seed): f"{seed:064x}" for seed in range(shape.seeds)},
    )


# Time and size -------------------------------------------------------------------------------------------------------


def tabulated(about: Study, plans: Sequence[SeedPlan], answers: Mapping[str, ArmAnswers]) -> Results:
    """What the task `report` makes of stored answers, before it is written."""
    arms, summary = described(plans, answers, {}), pooled(plans, answers, {})
    results = Results(study=about, figures=metric_infos(), arms=arms, summary=summary)
    return measured(results, {id: part.scored for id, part in answers.items()})


def measure(shape: Shape, place: Path, *, profile: bool = False, browser: bool = True) -> list[Measured]:
    """The report of the whole study, then the pages of one seed and of all."""
    plans, tables = make_answers(shape)
    watch = cProfile.Profile() if profile else None
    gc.collect()
    if watch:
        watch.enable()
    rows = []
    answers, row = timed("answers read", lambda: read(tables))
    rows.append(row)
    results, row = timed("figures of each seed and of all", lambda: tabulated(study(shape), plans, answers))
    rows.append(row)
    folder = place / "studies" / results.study.id
    folder.mkdir(parents=True)
    facts = facts_table(list(answers.values()))
    _, row = timed("results, facts and page written", lambda: write_results(folder, results, facts))
    rows.append(row)
    if watch:
        watch.disable()
        pstats.Stats(watch, stream=sys.stderr).sort_stats("cumulative").print_stats(45)
        pstats.Stats(watch, stream=sys.stderr).sort_stats("tottime").print_stats(25)
    total = Measured("the report in all", sum(r.wall for r in rows), sum(r.cpu or 0 for r in rows), 10.0)
    rows.append(total)
    size = f"{shape.arms} arms x {shape.facts:,} facts"
    found = [(f"page, {size} x {shape.seeds} seeds", folder / "report.html", None)]
    if shape.seeds > 1:
        one = place / "studies" / "one-seed"
        one.mkdir()
        first = {name: value for name, value in answers.items() if value.arm.seed == 0}
        results = tabulated(study(Shape(shape.arms, 1, shape.facts)), plans[:1], first)
        write_results(one, results, facts_table(list(first.values())))
        found.insert(0, (f"page, {size}", one / "report.html", 3.0))
    else:
        found = [(name, file, 3.0) for name, file, _ in found]
    for name, file, most in found:
        rows.append(Measured(f"{name}: size", file.stat().st_size / 1e6, None, most, "MB"))
    if browser:
        for name, file, _ in found:
            rows += in_browser(name, file)
    return rows


def timed(what: str, work: Callable[[], Any], most: float | None = None) -> tuple[Any, Measured]:
    """What it gives, and how long it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    made = work()
    return made, Measured(what, time.perf_counter() - wall, time.process_time() - cpu, most)


# The page in a browser -----------------------------------------------------------------------------------------------

READY = "() => document.querySelectorAll('#list > *').length > 0"

WATCH = """
addEventListener("DOMContentLoaded", () => {
  const note = () => {
    if (!window.__ready && document.querySelector("#list > *")) window.__ready = performance.now();
  };
  new MutationObserver(note).observe(document.documentElement, { childList: true, subtree: true });
  note();
});
"""
"""Notes when the fact browser has its first fact, in milliseconds since the navigation began."""

FILTER = """
([selector, event, value]) => new Promise((done) => {
  const field = document.querySelector(selector);
  const began = performance.now();
  let last = began;
  const watch = new MutationObserver(() => { last = performance.now(); });
  watch.observe(document.body, { childList: true, subtree: true, characterData: true, attributes: true });
  field.value = value;
  field.dispatchEvent(new Event(event, { bubbles: true }));
  const shown = () => requestAnimationFrame(() => setTimeout(() => {
    const now = performance.now();
    if (now - last < 60 && now - began < 2000) shown();
    else { watch.disconnect(); done(last - began); }
  }));
  shown();
})
"""
"""Milliseconds from an event of a filter to the last change of the document that follows it."""

FILTERS = (("#f-text", "input", "1"), ("#f-text", "input", ""), ("#f-judgement", "input", "o"))


def in_browser(name: str, file: Path, times: int = 3) -> list[Measured]:
    """When the fact browser is there, and how long filters take: the best of some loads, as others use the machine."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("Neither chromium nor google-chrome is on PATH. Install one, or add --no-browser.")
    ready, filtered = [], []
    arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=arguments)
        for _ in range(times):
            page = browser.new_page(viewport={"width": 1200, "height": 900})
            page.add_init_script(WATCH)
            page.goto(file.as_uri())
            page.wait_for_function(READY)
            ready.append(page.evaluate("() => window.__ready ?? performance.now()") / 1000)
            filtered.append(max(page.evaluate(FILTER, list(one)) for one in FILTERS))
            page.close()
        browser.close()
    return [
        Measured(f"{name}: interactive", min(ready), None, 1.5),
        Measured(f"{name}: slowest filter", min(filtered), None, 100.0, "ms"),
    ]


# The list of `restor view` -------------------------------------------------------------------------------------------


def index(place: Path, studies: int) -> list[Measured]:
    """How long the list takes to answer: the first time, and once all results are read."""
    from starlette.testclient import TestClient

    from restor.view.app import build_app

    store = place / "store"
    source = next(place.glob("studies/*/results.json"))
    for number in range(studies):
        folder = store / "studies" / f"study-{number:04d}"
        folder.mkdir(parents=True)
        os.link(source, folder / source.name)
    client = TestClient(build_app(store.resolve()), base_url="http://127.0.0.1")
    name = f"`restor view`, {studies:,} studies"
    rows = []

    def look() -> Measured:
        answer, row = timed(f"{name}: the list", lambda: client.get("/"))
        if answer.status_code != 200:
            raise SystemExit(f"The list answers {answer.status_code}: {answer.text[:300]}")
        return row

    first = look()
    rows.append(Measured(f"{name}: the first look", first.wall, first.cpu, 1.0))
    # A look reads some results and leaves the rest to the next one.
    looks = [look() for _ in range(5 + studies // 10)]
    slowest = max(looks, key=lambda row: row.wall)
    rows.append(Measured(f"{name}: the slowest look", slowest.wall, slowest.cpu, 1.0))
    rows.append(Measured(f"{name}: once all are read", looks[-1].wall, looks[-1].cpu, 0.3))
    return rows


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
