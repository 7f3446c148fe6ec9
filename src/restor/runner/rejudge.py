"""Stored answers judged again: a results folder and a judge in, a new results folder out. Nobody is asked again."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from restor.chat import ChatUsage
from restor.data.text_files import sweep, temporary_beside
from restor.errors import DataError
from restor.evaluation.judges.base import JudgeConfig, judged, with_values
from restor.evaluation.local_chat import build_judge
from restor.evaluation.metrics.base import Answers, Said, Scored, all_figures
from restor.progress import Progress
from restor.report.load import FACTS_FILE, RESULTS_FILE, load_facts, load_results, summary_ids
from restor.results import Arm, Results, Study
from restor.store.disk import store_errors
from restor.store.studies import Studies, store_of
from restor.tasks.tabulation.measure import (
    REFERENCES,
    Pool,
    Row,
    compared_with,
    control_name,
    measure,
    noted,
    scored_rows,
)
from restor.tasks.tabulation.publish import results_files, write_results
from restor.types import Completion, Fact, Group, Judgement, Kind, Query, Verdict


@final
@dataclass(frozen=True, slots=True)
class Rejudged:
    """New results: their folder (results.json, facts.parquet, report.html), and what the judge took."""

    folder: Path
    results: Results
    unscored: int
    """Answers without a verdict."""
    usage: ChatUsage | None
    """None for a judge that asks nobody."""


def judged_folder(source: Path, judge: JudgeConfig) -> Path:
    """Where results of another judge go by default: beside the folder that they were judged again from."""
    folder = source if source.is_dir() else source.parent
    folder = folder.resolve()
    return folder.with_name(f"{folder.name}-judged-by-{judge.name}")


def rejudge(source: Path, judge: JudgeConfig, out: Path, progress: Progress) -> Rejudged:
    """Judge the stored answers of a results folder, and write the results anew to `out`.

    The judge knows what the stored facts hold: the values of each relation are the answers of all its facts.

    Args:
        source: folder with results.json and facts.parquet.
        judge: who judges.
        out: a folder that is not there yet; it appears when it is complete.
        progress: hears how many answers are judged.

    Raises:
        DataError: for results that cannot be read, or an `out` that exists.
        RestorError: of the judge; verdicts that it has kept are used when it is asked again.
        StoreError: if the disk refuses.
    """
    folder = source if source.is_dir() else source.parent
    results = load_results(folder)
    facts = load_facts(folder)
    if out.exists():
        if (done := _judged_before(out, results, facts, judge)) is not None:
            return Rejudged(out, done, _unscored(load_facts(out)), None)
        raise DataError(
            f"{out} exists, and results are never overwritten. Name another folder with --out, or remove this one."
        )
    with store_errors(out):  # before anybody is paid
        out.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(out.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(out.parent))
    known = {arm.id for arm in results.arms}
    if strange := sorted(set(facts.column("arm").to_pylist()) - known):
        raise DataError(f"{folder / FACTS_FILE} has answers of {strange[0]!r}, which {RESULTS_FILE} does not know.")
    entry = build_judge(judge)
    completions = stored_completions(facts)
    total = len(completions)
    progress.begin("judge", judge.name, 1, 1)
    verdicts = judged(entry, completions, lambda done: progress.advance(done, total, None))
    # The file as it was, with what this version does not know of.
    whole = _with_verdicts(pq.read_table(folder / FACTS_FILE), verdicts)
    pool = Pool(_parts(results, whole))
    new = Results(
        study=_study(results.study, judge),
        figures=all_figures(),
        arms=_arms(results, pool),
        summary=_summary(results, pool),
    )
    _write(out, new, whole)
    return Rejudged(out, new, _unscored(whole), entry.usage)


def _unscored(facts: pa.Table) -> int:
    judgements: list[str] = facts.column("judgement").to_pylist()
    return judgements.count(Judgement.UNSCORED.value)


def _judged_before(out: Path, results: Results, facts: pa.Table, judge: JudgeConfig) -> Results | None:
    """The results in `out`, if they are just what would be made: of these answers, by this judge.

    So a command that was killed in its last moment, or is repeated, ends as the first one would have.
    """
    try:
        done, judged = load_results(out), load_facts(out)
    except DataError:
        return None
    asked = ["arm", "seed", "prompt", "completion"]
    if not judged.select(asked).equals(facts.select(asked)):
        return None
    return done if done.study.config == _study(results.study, judge).config else None


def stored_completions(facts: pa.Table) -> list[Completion]:
    """The answers of facts.parquet, in its order, with what the judge of the study was told about each."""
    names = ("seed", "subject", "relation", "group", "question", "prompt", "answers", "planted", "completion")
    by_seed: dict[int, list[tuple[int, Completion]]] = {}
    queries: dict[tuple[Any, ...], Query] = {}
    for row, (seed, subject, relation, group, question, prompt, answers, planted, text) in enumerate(
        zip(*(facts.column(name).to_pylist() for name in names), strict=True)
    ):
        key = (seed, subject, relation, group, question, tuple(answers), planted)
        if key not in queries:
            fact = Fact(subject, relation, tuple(answers), question)
            queries[key] = Query(fact, Group(group), prompt.removesuffix(question), question, planted)
        by_seed.setdefault(seed, []).append((row, Completion(queries[key], text)))
    found: dict[int, Completion] = {}
    for items in by_seed.values():
        told = with_values([completion for _, completion in items])
        found.update(zip((row for row, _ in items), told, strict=True))
    return [found[row] for row in range(facts.num_rows)]


def _with_verdicts(facts: pa.Table, verdicts: Sequence[Verdict]) -> pa.Table:
    columns = {
        "judgement": [verdict.judgement.value for verdict in verdicts],
        "reason": [verdict.reason for verdict in verdicts],
    }
    for name, values in columns.items():
        facts = facts.set_column(facts.column_names.index(name), name, pa.array(values, pa.string()))
    return facts


def _study(study: Study, judge: JudgeConfig) -> Study:
    config = dict(study.config)
    if isinstance(config.get("evaluation"), dict):
        former = config["evaluation"].get("judge")
        config["evaluation"] = {**config["evaluation"], "judge": judge.identity()}
    else:
        former = None
    name = former.get("name") if isinstance(former, dict) else former
    note = f"The stored answers were judged again by {judge.name}{f', before by {name}' if name else ''}."
    return study.model_copy(
        update={
            "id": f"{study.id}-judged-by-{judge.name}",
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "config": config,
            "notes": [*study.notes, note],
        }
    )


def _parts(results: Results, facts: pa.Table) -> dict[str, tuple[Scored, ...]]:
    """The answers of every arm that has any, by its id."""
    ids = facts.column("arm")
    seeds = {arm.id: arm.seed or 0 for arm in results.arms}
    return {arm: scored_rows(facts.filter(pc.equal(ids, arm)), seeds[arm]) for arm in pc.unique(ids).to_pylist()}


def _arms(results: Results, pool: Pool) -> list[Arm]:
    found = []
    for seed in dict.fromkeys(arm.seed for arm in results.arms):
        made = [arm for arm in results.arms if arm.seed == seed and arm.id in pool]
        found.append(measure({arm.id: _row(results, pool, arm, [arm]) for arm in made}))
    measured = {id: own for table in found for id, own in table.items()}
    # one that failed says why
    return [measured[arm.id].into(arm) if arm.id in measured else arm for arm in results.arms]


def _summary(results: Results, pool: Pool) -> list[Arm]:
    rows = summary_ids(results)
    own = {pooled.id: [arm for arm in results.arms if rows.get(arm.id) == pooled.id] for pooled in results.summary}
    made = {id: [arm for arm in arms if arm.id in pool] for id, arms in own.items()}
    measured = measure(
        {arm.id: _row(results, pool, arm, made[arm.id], pooled=True) for arm in results.summary if made[arm.id]}
    )
    found = []
    for arm in results.summary:
        failed = [one for one in own[arm.id] if one.id not in pool]
        note = "; ".join(f"{one.id} failed: {next((v.note for v in one.metrics.values()), '')}" for one in failed)
        found.append(noted(measured[arm.id].into(arm), note) if arm.id in measured else arm)
    return found


def _row(results: Results, pool: Pool, arm: Arm, made: Sequence[Arm], *, pooled: bool = False) -> Row:
    """An arm of these seeds beside its references and controls."""
    seeds = [one.seed for one in made]
    references = {name: _reference(results, pool, name, seeds) for name in REFERENCES}
    names = summary_ids(results)
    ids = {name: names[own[0]] if pooled else own[0] for name, own in references.items() if own}
    controls: dict[str, Said] = {}
    for control in results.summary:
        if compared_with(arm.kind, arm.retain, control.kind, control.retain):
            by_seed = {one.seed: one.id for one in results.arms if names.get(one.id) == control.id}
            name = control_name(control.label, control.retain, control.id, controls)
            controls[name] = pool.of([by_seed.get(seed, "") for seed in seeds])
            ids[name] = control.id if pooled else by_seed.get(seeds[0], control.id)
    answers = Answers(
        arm=pool.of([one.id for one in made]),
        corrupted=pool.of(references["corrupted"]),
        ideal=pool.of(references["ideal"]),
        clean=pool.of(references["clean"]),
        controls=controls,
        kind=arm.kind,
    )
    return Row(answers, ids, pooled)


def _reference(results: Results, pool: Pool, name: str, seeds: Sequence[int | None]) -> list[str]:
    """The ids of a reference arm, one per seed; none where the study has no such model."""
    return [
        arm.id
        for seed in seeds
        for arm in results.arms
        if arm.kind is Kind.REFERENCE and arm.arm == name and arm.seed == seed and arm.id in pool
    ]


def _write(out: Path, results: Results, facts: pa.Table) -> None:
    """Write the folder beside its place, then move it there."""
    with store_errors(out):
        draft = temporary_beside(out)
        sweep(out.parent)
        draft.mkdir()
        try:
            write_results(draft, results, facts)
            if (store := store_of(out)) is not None:
                Studies(store).enter(out.name, results_files(draft))
            os.rename(draft, out)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
