"""Asks a model batch by batch, alone or with the other processes of a launch.

Every batch is written as soon as it is answered, so a kill costs what is being asked at that moment.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, final

import pyarrow as pa
import pyarrow.parquet as pq

from restor.errors import StoreError
from restor.evaluation.ask.engine.engine import Limits
from restor.evaluation.ask.evaluation import Evaluation
from restor.evaluation.ask.prompts import BATCH, prepare, tokenizer_digest
from restor.evaluation.ask.protocol import Asking, Suppress
from restor.models.families import text_config
from restor.processes import Call
from restor.progress import Progress
from restor.results import Cost
from restor.store.disk import write_atomic
from restor.tasks.asking.answer_rows import ANSWERS, ANSWERS_FILE, write_tables
from restor.tasks.base import Context, Made, Questions, Ref
from restor.tasks.training.artifact import open_folder, peak_memory_mb
from restor.types import Query

PATIENCE, PATIENCE_RATIO = 10.0, 3.0
"""How long process 0 waits for a batch that another one has begun: seconds, or so many times its own slowest batch."""

POLL_SECONDS = 0.02

_DIGEST = 64


@final
@dataclass(frozen=True, slots=True)
class Interview:
    """A model and what it is asked."""

    model: Path
    """Folder of its artifact."""
    questions: Ref[Questions]
    queries: Sequence[Query]
    """These questions."""
    asking: Asking
    suppress: Suppress | None
    full: bool
    """Whether it is asked in float32, unless its dtype was named."""
    seed: int


# Answered batches ----------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class AnsweredBatch:
    """One answered batch."""

    rows: pa.Table
    seconds: float
    rank: int
    """Of the process that asked."""
    notes: tuple[str, ...]
    """What the user should know of how it was asked."""


@final
class AnsweredBatches:
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

    def write(self, number: int, part: AnsweredBatch) -> None:
        """Keep an answered batch.

        Raises:
            StoreError: if the disk refuses.
        """
        metadata = json.dumps({"seconds": part.seconds, "rank": part.rank, "notes": part.notes})
        buffer = io.BytesIO()
        pq.write_table(part.rows.replace_schema_metadata({"restor": metadata}), buffer)
        data = buffer.getvalue()
        write_atomic(self._path(number), hashlib.sha256(data).hexdigest().encode() + data)

    def has(self, number: int) -> bool:
        """Whether there is a file of a batch."""
        return self._path(number).exists()

    def read(self, number: int) -> AnsweredBatch | None:
        """An answered batch; None if it is missing or damaged."""
        try:
            content = self._path(number).read_bytes()
        except FileNotFoundError:
            return None
        digest, data = content[:_DIGEST], content[_DIGEST:]
        if digest != hashlib.sha256(data).hexdigest().encode():
            return None
        table = pq.read_table(io.BytesIO(data))
        metadata = json.loads(table.schema.metadata[b"restor"])
        return AnsweredBatch(
            table.replace_schema_metadata(None), metadata["seconds"], metadata["rank"], tuple(metadata["notes"])
        )

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.part"


# Asking --------------------------------------------------------------------------------------------------------------


@final
class _Asking:
    """A process that answers batches of an interview."""

    def __init__(
        self, context: Context, interview: Interview, parts: AnsweredBatches, note: Callable[[str], None]
    ) -> None:
        self._parts, self._note = parts, note
        self._rank = 0 if context.call is None else context.call.rank
        self._notes: list[str] = []
        self.slowest = 0.0
        """Seconds of a batch."""
        asking, memo = interview.asking, context.memo
        model, tokenizer = open_folder(interview.model, context.place, full=interview.full, to_ask=True)
        # Models with the same tokenizer are asked the same, so the questions are tokenised once.
        key = f"plan/{interview.questions.key}/{asking.layers}/{tokenizer_digest(tokenizer)}"
        if key not in memo:
            memo[key] = prepare(tokenizer, interview.queries, batch=BATCH, layers=asking.layers)
        config = text_config(model)
        shape = (type(model).__name__, config.hidden_size, config.num_hidden_layers, model.num_parameters())
        self._evaluation = Evaluation(
            model,
            tokenizer,
            memo[key],
            asking,
            seed=interview.seed,
            suppress=interview.suppress,
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
        self._parts.write(number, AnsweredBatch(pa.Table.from_pylist(rows, schema=ANSWERS), seconds, self._rank, notes))

    def _hear(self, note: str) -> None:
        self._notes.append(note)
        self._note(note)


def ask_model(context: Context, interview: Interview) -> Made:
    """Ask what was not answered before a kill, and store; a process that does not lead only answers some batches."""
    if context.call is not None and context.call.rank:
        return _help(context, interview, context.call)
    began = time.perf_counter()
    parts = AnsweredBatches(context.resume)
    parts.open()
    listener = _Told(context.progress, len(interview.queries))
    missing, earlier = [], 0.0
    for number in range(listener.batches):
        part = parts.read(number)
        if part is None:
            missing.append(number)
        else:
            earlier += part.seconds
            listener.done(number)
    if missing:
        _ask(context, interview, parts, missing, listener)
    parts.close()
    shared: dict[str, int] = {}
    write_tables(context.directory / ANSWERS_FILE, _merged(parts, listener, shared))
    info: dict[str, Any] = {"questions": len(interview.queries), "notes": listener.notes}
    if len(shared) > 1:
        info["batches_by_process"] = shared
    seconds = time.perf_counter() - began + earlier
    return Made(Cost(seconds=seconds, peak_memory_mb=round(peak_memory_mb(context.place), 1)), info)


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
    context: Context, interview: Interview, parts: AnsweredBatches, missing: Sequence[int], listener: _Told
) -> None:
    """Answer all missing batches, with the other processes where there are some."""
    call = context.call
    # The first batch is always asked here: it tells how long a batch takes.
    first, *rest = missing
    if call is not None:
        call.offer(rest)
    try:
        asking = _Asking(context, interview, parts, listener.note)
        asking.ask(first)
        listener.done(first)
        for number in rest if call is None else _others(call.items(), rest, parts, listener):
            asking.ask(number)
            listener.done(number)
        if call is not None:
            _wait(asking, parts, rest, listener)
    finally:
        if call is not None:
            call.end()
            for refusal in call.refusals():
                listener.note(refusal)


def _others(numbers: Iterable[int], shared: Sequence[int], parts: AnsweredBatches, listener: _Told) -> Iterator[int]:
    """The same batches; on the way it is told which ones the others have answered. They are given out in order."""
    begun, order = set[int](), iter(shared)
    for number in numbers:
        begun.update(takewhile(number.__ne__, order))
        for other in [other for other in begun if parts.has(other)]:
            begun.remove(other)
            listener.done(other)
        yield number


def _wait(asking: _Asking, parts: AnsweredBatches, shared: Sequence[int], listener: _Told) -> None:
    """Wait for the batches that others have begun. A process may have died: what takes too long is asked here."""
    patience = max(PATIENCE, PATIENCE_RATIO * asking.slowest)
    left, since = [number for number in shared if number not in listener.known], time.monotonic()
    while True:
        for number in [number for number in left if parts.has(number)]:
            left.remove(number)
            listener.done(number)
            since = time.monotonic()
        if not left:
            return
        if time.monotonic() - since < patience:
            time.sleep(POLL_SECONDS)
            continue
        listener.note(
            f"Another process began to answer batch {left[0]} and was not heard of for {patience:.0f} s, so it is "
            "asked here. The results are the same."
        )
        asking.ask(left[0])


def _help(context: Context, interview: Interview, call: Call) -> Made:
    """Answer some of the batches of process 0, which alone stores what comes of them."""
    if call.is_offered:
        parts = AnsweredBatches(context.resume)
        try:
            asking = _Asking(context, interview, parts, lambda _: None)
            for number in call.items():
                asking.ask(number)
        except StoreError:
            if parts.is_open:
                raise
            # Too late: what was asked is not needed.
    return Made(Cost())


def _merged(parts: AnsweredBatches, listener: _Told, shared: dict[str, int]) -> Iterator[pa.Table]:
    """The rows of all batches in their order; counts in `shared` how many each process has answered."""
    for number in range(listener.batches):
        part = parts.read(number)
        if part is None:
            raise StoreError(
                f"Batch {number} of the answers was damaged on the disk before it was stored. Check the disk, then run "
                "the same command again: only this batch is asked."
            )
        for note in part.notes:
            listener.note(note)
        shared[str(part.rank)] = shared.get(str(part.rank), 0) + 1
        yield part.rows
