"""Asks a model batch by batch, alone or with the other processes of a launch.

Every batch is written as soon as it is answered, so a kill costs what is being asked at that moment. The other
processes of a crew answer some of the batches, see `restor.tasks.asking.processes`.
"""

from __future__ import annotations

import gc
import hashlib
import io
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from restor.config import Config
from restor.errors import StoreError
from restor.evaluation.ask.engine.engine import Limits
from restor.evaluation.ask.evaluation import Evaluation
from restor.evaluation.ask.prompts import BATCH, prepare, tokenizer_digest
from restor.evaluation.ask.protocol import Asking, Suppress
from restor.models.device import pick_device
from restor.models.families import text_config
from restor.models.quiet import quiet_libraries
from restor.progress import Progress
from restor.results import Cost
from restor.store.disk import write_atomic
from restor.tasks.asking.answer_rows import ANSWERS, ANSWERS_FILE, write_tables
from restor.tasks.asking.processes import Call, Crew, leading
from restor.tasks.base import Context, Made
from restor.tasks.inputs.products import QUESTIONS_FILE, read_questions, write_questions
from restor.tasks.training.artifact import open_folder, peak_memory_mb
from restor.types import Query

if TYPE_CHECKING:
    from restor.tasks.ask import Ask

PATIENCE, PATIENCE_RATIO = 10.0, 3.0
"""How long process 0 waits for a batch that another one has begun: seconds, or so many times its own slowest batch."""

POLL_SECONDS = 0.02

_DIGEST = 64


@final
class Assignment(Config):
    """An evaluation, as the other processes of a launch are told of it."""

    model: str
    """Folder of the model's artifact."""
    full: bool
    """Whether it is asked in float32, unless its dtype was named."""
    evaluation: Asking
    seed: int
    suppress: Suppress | None
    threads: int
    """Of each process: results depend on it in their last bits."""
    cuda: bool
    """Whether models are asked on GPUs."""
    folder: str
    """Where the answered batches and the questions are."""
    shared: tuple[int, ...] = ()
    """The batches to be shared out."""


# Answered batches ----------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Part:
    """One answered batch."""

    rows: pa.Table
    seconds: float
    rank: int
    """Of the process that asked."""
    notes: tuple[str, ...]
    """What the user should know of how it was asked."""


@final
class Parts:
    """The answered batches of an evaluation, one file each, either whole or absent."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._closed = folder / "answers", folder / "answers.closed"

    def open(self) -> None:
        """Begin, or go on after a kill."""
        if self._closed.exists():
            shutil.rmtree(self._folder, ignore_errors=True)
            self._closed.rename(self._folder)
        self._folder.mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        """From now on nobody can write: what another process still answers is not needed."""
        self._folder.rename(self._closed)
        self._folder = self._closed

    @property
    def is_open(self) -> bool:
        """Whether answers are still wanted."""
        return self._folder.is_dir()

    def write(self, number: int, part: Part) -> None:
        """Keep an answered batch.

        Raises:
            StoreError: if the disk refuses.
        """
        told = json.dumps({"seconds": part.seconds, "rank": part.rank, "notes": part.notes})
        buffer = io.BytesIO()
        pq.write_table(part.rows.replace_schema_metadata({"restor": told}), buffer)
        data = buffer.getvalue()
        write_atomic(self._path(number), hashlib.sha256(data).hexdigest().encode() + data)

    def has(self, number: int) -> bool:
        """Whether there is a file of a batch."""
        return self._path(number).exists()

    def read(self, number: int) -> Part | None:
        """An answered batch; None if it is missing or damaged."""
        try:
            content = self._path(number).read_bytes()
        except FileNotFoundError:
            return None
        digest, data = content[:_DIGEST], content[_DIGEST:]
        if digest != hashlib.sha256(data).hexdigest().encode():
            return None
        table = pq.read_table(io.BytesIO(data))
        told = json.loads(table.schema.metadata[b"restor"])
        return Part(table.replace_schema_metadata(None), told["seconds"], told["rank"], tuple(told["notes"]))

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.part"


# Asking --------------------------------------------------------------------------------------------------------------


@final
class _Asking:
    """A process that answers batches of a task."""

    def __init__(
        self,
        assignment: Assignment,
        queries: Sequence[Query],
        device: torch.device,
        memo: MutableMapping[str, Any],
        parts: Parts,
        *,
        rank: int,
        note: Callable[[str], None],
    ) -> None:
        self._parts, self._rank, self._note = parts, rank, note
        self._notes: list[str] = []
        self.slowest = 0.0
        """Seconds of a batch."""
        model, tokenizer = open_folder(Path(assignment.model), device, full=assignment.full, to_ask=True)
        # Models with the same tokenizer are asked the same, so the questions are tokenised once.
        key = f"plan/{assignment.evaluation.layers}/{tokenizer_digest(tokenizer)}"
        if key not in memo:
            memo[key] = prepare(tokenizer, queries, batch=BATCH, layers=assignment.evaluation.layers)
        config = text_config(model)
        shape = (type(model).__name__, config.hidden_size, config.num_hidden_layers, model.num_parameters())
        self._evaluation = Evaluation(
            model,
            tokenizer,
            memo[key],
            assignment.evaluation,
            seed=assignment.seed,
            suppress=assignment.suppress,
            limits=memo.setdefault(f"limits/{shape}/{model.dtype}/{model.device}", Limits()),
            note=self._hear,
        )

    def ask(self, number: int) -> None:
        """Answer one batch."""
        began = time.perf_counter()
        rows = self._evaluation.rows(number)
        seconds = time.perf_counter() - began
        self.slowest = max(self.slowest, seconds)
        notes, self._notes = tuple(self._notes), []
        self._parts.write(number, Part(pa.Table.from_pylist(rows, schema=ANSWERS), seconds, self._rank, notes))

    def _hear(self, note: str) -> None:
        self._notes.append(note)
        self._note(note)


def ask_model(context: Context, settings: Ask) -> Made:
    """Ask what was not answered before a kill, and store."""
    began = time.perf_counter()
    queries = read_questions(context.folder(settings.questions))
    place = context.place
    assignment = Assignment(
        model=str(context.folder(settings.model).absolute()),
        full=settings.full,
        evaluation=settings.asking,
        seed=settings.seed,
        suppress=settings.suppress,
        threads=torch.get_num_threads(),
        cuda=place.type == "cuda",
        folder=str(context.resume.absolute()),
    )
    parts = Parts(context.resume)
    parts.open()
    told = _Told(context.progress, len(queries))
    missing, earlier = [], 0.0
    for number in range(told.batches):
        part = parts.read(number)
        if part is None:
            missing.append(number)
        else:
            earlier += part.seconds
            told.done(number)
    if missing:
        _ask(context, assignment, queries, parts, missing, told)
    parts.close()
    shared: dict[str, int] = {}
    write_tables(context.directory / ANSWERS_FILE, _merged(parts, told, shared))
    info: dict[str, Any] = {"questions": len(queries), "notes": told.notes}
    if len(shared) > 1:
        info["batches_by_process"] = shared
    seconds = time.perf_counter() - began + earlier
    return Made(Cost(seconds=seconds, peak_memory_mb=round(peak_memory_mb(place), 1)), info)


@final
class _Told:
    """What the user hears: how many questions are answered, and each note once."""

    def __init__(self, progress: Progress, questions: int) -> None:
        self.batches = -(-questions // BATCH)
        self.notes: list[str] = []
        self.known = set[int]()
        """The batches that are answered."""
        self._progress, self._questions = progress, questions

    def done(self, number: int) -> None:
        """A batch is answered."""
        self.known.add(number)
        # The last batch may be smaller.
        lacking = self.batches * BATCH - self._questions if self.batches - 1 in self.known else 0
        count = len(self.known) * BATCH - lacking
        self._progress.advance(count, self._questions, None)

    def note(self, message: str) -> None:
        """Tell it, and keep it for the record of the artifact."""
        if message not in self.notes:
            self.notes.append(message)
            self._progress.note(message)


def _ask(
    context: Context,
    assignment: Assignment,
    queries: Sequence[Query],
    parts: Parts,
    missing: Sequence[int],
    told: _Told,
) -> None:
    """Answer all missing batches, with the others of the crew if there is one."""
    crew = leading() if len(missing) > 1 else None
    first, *rest = missing
    call = None if crew is None else _call(crew, assignment, queries, rest)
    try:
        asking = _Asking(assignment, queries, context.place, context.memo, parts, rank=0, note=told.note)
        # The first batch is always asked here: it tells how long a batch takes.
        asking.ask(first)
        told.done(first)
        for number in rest if crew is None or call is None else _others(crew.shared(call, rest), rest, parts, told):
            asking.ask(number)
            told.done(number)
        if call is not None:
            _wait(asking, parts, rest, told)
    finally:
        if crew is not None and call is not None:
            crew.end(call)
            for rank, why in crew.refusals(call):
                told.note(f"Process {rank} of {crew.size} took no part: {why}")


def _call(crew: Crew, assignment: Assignment, queries: Sequence[Query], shared: Sequence[int]) -> Call:
    folder = Path(assignment.folder)
    write_questions(folder, queries)
    write_atomic(folder / "task.json", assignment.model_copy(update={"shared": tuple(shared)}).model_dump_json())
    return crew.call(folder / "task.json")


def _others(own: Iterable[int], shared: Sequence[int], parts: Parts, told: _Told) -> Iterator[int]:
    """The same batches; on the way it is told which ones the others have answered. They are given out in order."""
    begun, order = set[int](), iter(shared)
    for number in own:
        begun.update(takewhile(number.__ne__, order))
        for other in [other for other in begun if parts.has(other)]:
            begun.remove(other)
            told.done(other)
        yield number


def _wait(asking: _Asking, parts: Parts, shared: Sequence[int], told: _Told) -> None:
    """Wait for the batches that others have begun. A process may have died: what takes too long is asked here."""
    patience = max(PATIENCE, PATIENCE_RATIO * asking.slowest)
    left, since = [number for number in shared if number not in told.known], time.monotonic()
    while True:
        for number in [number for number in left if parts.has(number)]:
            left.remove(number)
            told.done(number)
            since = time.monotonic()
        if not left:
            return
        if time.monotonic() - since < patience:
            time.sleep(POLL_SECONDS)
            continue
        told.note(
            f"Another process began to answer batch {left[0]} and was not heard of for {patience:.0f} s, so it is "
            "asked here. The results are the same."
        )
        asking.ask(left[0])


def take_part(crew: Crew, call: Call, path: Path, memo: MutableMapping[str, Any]) -> None:
    """Answer some of the batches of another process; the task is at `path`.

    Raises:
        RestorError: if the model cannot be loaded or asked here.
    """
    try:
        _take_part(crew, call, path, memo)
    finally:
        gc.collect()
        if torch.cuda.is_available():  # the next model needs what this one had
            torch.cuda.empty_cache()


def _take_part(crew: Crew, call: Call, path: Path, memo: MutableMapping[str, Any]) -> None:
    try:
        assignment = Assignment.model_validate_json(path.read_bytes())
        questions = (path.parent / QUESTIONS_FILE).read_bytes()
    except FileNotFoundError:
        if crew.now() == call:
            raise StoreError(
                f"It does not see {path}. All processes need the same file system, and the same path of the store."
            ) from None
        return  # too late, all is answered
    sha = hashlib.sha256(questions).hexdigest()
    if memo.get("questions") != sha:
        memo.clear()
        memo.update(questions=sha, queries=read_questions(path.parent))
    device = pick_device("cuda" if assignment.cuda else "cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.set_num_threads(assignment.threads)
    parts = Parts(Path(assignment.folder))
    try:
        with quiet_libraries():
            asking = _Asking(assignment, memo["queries"], device, memo, parts, rank=crew.rank, note=lambda _: None)
            for number in crew.shared(call, assignment.shared):
                asking.ask(number)
    except StoreError:
        if parts.is_open:
            raise
        # Too late: what was asked is not needed.


def _merged(parts: Parts, told: _Told, shared: dict[str, int]) -> Iterator[pa.Table]:
    """The rows of all batches in their order; counts in `shared` how many each process has answered."""
    for number in range(told.batches):
        part = parts.read(number)
        if part is None:
            raise StoreError(
                f"Batch {number} of the answers was damaged on the disk before it was stored. Check the disk, then run "
                "the same command again: only this batch is asked."
            )
        for note in part.notes:
            told.note(note)
        shared[str(part.rank)] = shared.get(str(part.rank), 0) + 1
        yield part.rows
