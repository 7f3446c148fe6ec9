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
from restor.evaluation.ask.local_chat import build_judge
from restor.evaluation.judges.base import JudgeConfig, judged, with_values
from restor.evaluation.metrics.base import metric_infos
from restor.progress import Progress
from restor.registry import short_name
from restor.report.io.load import FACTS_FILE, RESULTS_FILE, load_facts, load_results
from restor.results import Results, Study
from restor.store.disk import store_errors
from restor.store.studies import Studies, store_of
from restor.tasks.judge import verdict_table
from restor.tasks.tabulation.measure import measured, scored_rows
from restor.tasks.tabulation.publish import results_files, write_results
from restor.types import Completion, Fact, Group, Judgement, Query, Verdict


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
    return folder.with_name(f"{folder.name}-judged-by-{_short(judge)}")


def _short(judge: JudgeConfig) -> str:
    """Its name; of one in a file of the user's own that of the class, as a path is no part of a folder's name."""
    return short_name(judge.name).rpartition(":")[2]


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
    ids = whole.column("arm")
    seeds = {arm.id: arm.seed or 0 for arm in results.arms}
    scored = {id: scored_rows(whole.filter(pc.equal(ids, id)), seeds[id]) for id in pc.unique(ids).to_pylist()}
    changes = {"study": _study(results.study, judge), "figures": metric_infos()}
    new = measured(results.model_copy(update=changes), scored)
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
    completion_of: dict[int, Completion] = {}
    for items in by_seed.values():
        completions = with_values([completion for _, completion in items])
        completion_of.update(zip((row for row, _ in items), completions, strict=True))
    return [completion_of[row] for row in range(facts.num_rows)]


def _with_verdicts(facts: pa.Table, verdicts: Sequence[Verdict]) -> pa.Table:
    """The facts with these verdicts in place of theirs."""
    table = verdict_table(verdicts)
    for name, column in zip(table.column_names, table.columns, strict=True):
        facts = facts.set_column(facts.column_names.index(name), name, column)
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
            "id": f"{study.id}-judged-by-{_short(judge)}",
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "config": config,
            "notes": [*study.notes, note],
        }
    )


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
