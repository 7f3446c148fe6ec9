"""The store: finished stages on disk, shared by any number of processes.

Layout:
    store.json                    the format version
    artifacts/<stage>-<key>/      a stage's files, manifest.json, and DONE, written last: the manifest's SHA-256
    locks/<stage>-<key>.lock      held by the process that makes the stage; a .json beside it says who
    studies/<id>/                 results; stages.json lists the stages that the study refers to
    records/<id>.json             what the files of the study must be, and which artifacts it needs

Locks are the operating system's, so they end with their process, however it ends. Lock files stay: unlinking one
could give two processes the same lock.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, final

from filelock import FileLock, Timeout
from pydantic import ValidationError

from restor.config import Config
from restor.data.text_files import TEMPORARY_PREFIX, sweep
from restor.errors import StoreError
from restor.results import Cost
from restor.store.disk import FULL, sha256_file, store_error, store_errors, sync, write_atomic
from restor.store.keys import ArtifactId
from restor.store.studies import Studies, leads_out
from restor.untrusted import json_value, read_bytes

STORE_FORMAT = 2
HASHED_AT_USE = 64 * 2**20
"""Files below this many bytes are hashed whenever an artifact is used, larger ones only by `Store.verify`."""
POLL_SECONDS = 0.2

_REMOVED_PREFIX = ".removed-"
_FOLDERS = ("artifacts", "locks", "studies", "records")
_OWN = {"store.json", "threads.json", "precision.json", *_FOLDERS}
"""Everything that a store has."""

Notify = Callable[[str], None]
OnArtifact = Callable[[int, int, str], None]
"""Called before each artifact with how many are checked, how many there are, and its name."""


def _silent(message: str) -> None:
    """Says nothing."""


def _no_progress(done: int, total: int, name: str) -> None:
    """Shows nothing."""


@final
class FileRecord(Config):
    """What a file of an artifact must be."""

    sha256: str
    bytes: int


@final
class Manifest(Config):
    """`manifest.json`: how an artifact was made and what it consists of."""

    format: Literal[2] = 2
    stage: str
    key: str
    seed: int
    task: dict[str, Any]
    """What was to be done, JSON values: `restor.tasks.base.read_task` makes the task of it again."""
    parents: dict[str, str]
    """Role -> key."""
    code: str
    versions: dict[str, str]
    """Python, restor, torch, ... -> version."""
    files: dict[str, FileRecord]
    """By path within the artifact, with `/`."""
    started: str
    """UTC, ISO 8601."""
    finished: str
    """UTC, ISO 8601."""
    seconds: float
    cost: Cost
    info: dict[str, Any]
    """Whatever else the stage has to say."""


@final
@dataclass(frozen=True, slots=True)
class Artifact:
    """A finished, undamaged stage on disk."""

    path: Path
    manifest: Manifest


class State(StrEnum):
    """What is the matter with a stage in the store."""

    DONE = "done"
    DAMAGED = "damaged"
    """It was finished, and its files have changed since. It is made again when it is needed."""
    UNFINISHED = "unfinished"
    """Its process was stopped. The next run goes on with it."""
    RUNNING = "running"


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """A stage in the store, for listings."""

    stage: str
    key: str
    state: State
    path: Path
    bytes: int
    finished: str | None = None
    """UTC, ISO 8601."""
    seconds: float | None = None
    pid: int | None = None
    """The process that is making it, on `host`."""
    host: str | None = None
    damage: str = ""


@final
@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a store."""

    where: str
    what: str


@final
@dataclass(frozen=True, slots=True)
class _Holder:
    """Who makes a stage."""

    pid: int
    host: str


def manifest_of(folder: Path) -> Manifest:
    """The manifest of a finished artifact.

    Raises:
        StoreError: if there is none that can be read.
    """
    with store_errors(folder):
        try:
            return Manifest.model_validate_json((folder / "manifest.json").read_bytes())
        except ValidationError as error:
            raise StoreError(f"{folder / 'manifest.json'} is garbled. `restor verify` finds what else is.") from error


class _Damaged(Exception):
    """An artifact is not what its manifest says."""


@final
class Claim:
    """The sole right to make a stage, while `Store.claim` lasts.

    If `artifact` is set, the stage is finished and there is nothing to do. Otherwise fill `directory` and call
    `finish`. Of an earlier attempt that was stopped, `resume` is all that is left there: keep in it what is needed to
    continue after a kill; it is no part of the artifact.
    """

    def __init__(self, artifact_id: ArtifactId, directory: Path, artifact: Artifact | None) -> None:
        self.artifact_id = artifact_id
        self.directory = directory
        self.artifact = artifact
        self._started = datetime.now(UTC)

    @property
    def resume(self) -> Path:
        """Where a stage keeps what it needs to continue. It may not exist."""
        return self.directory / "resume"

    def finish(
        self,
        *,
        task: Mapping[str, Any],
        versions: Mapping[str, str],
        cost: Cost,
        info: Mapping[str, Any] | None = None,
        started: datetime | None = None,
    ) -> Artifact:
        """Records what is in `directory` and marks it as done, all of it safely on disk.

        Args:
            task: what was to be done, JSON values from which it can be done again.
            versions: Python, restor, torch, ... -> version.
            cost: what the making took.
            info: further facts, JSON values.
            started: when the making began, with its time zone; the time of the claim if not given.

        Raises:
            StoreError: if the disk refuses, or the stage is finished already.
        """
        if self.artifact is not None:
            raise StoreError(f"The stage {self.artifact_id.label} is finished already. Use the artifact of the claim.")
        with store_errors(self.directory):
            if self.resume.exists():
                shutil.rmtree(self.resume)
            files = {}
            for path in sorted(self.directory.rglob("*")):
                if path.is_file() and not path.name.startswith(TEMPORARY_PREFIX):
                    record = FileRecord(sha256=sha256_file(path), bytes=path.stat().st_size)
                    files[path.relative_to(self.directory).as_posix()] = record
                sync(path)
            sync(self.directory.parent)
        began, finished = started or self._started, datetime.now(UTC)
        manifest = Manifest(
            stage=self.artifact_id.kind,
            key=self.artifact_id.key,
            seed=self.artifact_id.seed,
            task=dict(task),
            parents=dict(self.artifact_id.inputs),
            code=self.artifact_id.code,
            versions=dict(versions),
            files=files,
            started=began.astimezone(UTC).isoformat(timespec="seconds"),
            finished=finished.isoformat(timespec="seconds"),
            seconds=(finished - began).total_seconds(),
            cost=cost,
            info=dict(info or {}),
        )
        text = manifest.model_dump_json(indent=1).encode()
        write_atomic(self.directory / "manifest.json", text)
        write_atomic(self.directory / "DONE", hashlib.sha256(text).hexdigest())
        self.artifact = Artifact(self.directory, manifest)
        return self.artifact


@final
class Store:
    """A folder of finished stages. Use `Store.open`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def open(cls, path: Path, *, create: bool = True) -> Store:
        """Opens a store.

        Args:
            path: its folder.
            create: make it if there is none, and be able to write to it. Without, the store must exist, and a
                read-only one will do.

        Raises:
            StoreError: if it is missing, not a store, of another format version, damaged, or not writable.
        """
        path = Path(path)
        with store_errors(path):
            if path.exists() and not path.is_dir():
                raise StoreError(f"The store {path} is a file. Give a folder, which may be new, with --store.")
            if not (path / "store.json").exists():
                cls._found(path, create=create)
        cls._check_format(path)
        if create:
            with store_errors(path):
                for name in _FOLDERS:
                    (path / name).mkdir(exist_ok=True)
                    if not os.access(path / name, os.W_OK | os.X_OK):
                        raise StoreError(
                            f"The store {path} is read-only for this user: cannot write to {path / name}. "
                            "Give write permission, or choose another folder with --store or RESTOR_STORE."
                        )
        return cls(path)

    @staticmethod
    def _found(path: Path, *, create: bool) -> None:
        # Two processes may do this at once: the other's temporary file is no reason to refuse.
        if path.is_dir() and any(not item.name.startswith(TEMPORARY_PREFIX) for item in path.iterdir()):
            raise StoreError(
                f"{path} is not a store: it has other files and no store.json. "
                "Give an empty or new folder with --store, or the folder of an existing store."
            )
        if not create:
            raise StoreError(
                f"There is no store at {path}. Name one with --store or RESTOR_STORE; the first run makes it."
            )
        path.mkdir(parents=True, exist_ok=True)
        write_atomic(path / "store.json", json.dumps({"format": STORE_FORMAT}) + "\n")

    @staticmethod
    def _check_format(path: Path) -> None:
        marker = path / "store.json"
        with store_errors(marker):
            content = read_bytes(marker)
        try:
            version = json_value(content)["format"]
            if type(version) is not int:
                raise TypeError
        except (ValueError, KeyError, TypeError) as error:
            expected = json.dumps({"format": STORE_FORMAT})
            raise StoreError(
                f"{marker} is garbled: it should be {expected}. If this folder is a store that this restor made, write "
                "that into the file and run `restor verify`; otherwise choose another folder with --store."
            ) from error
        if version != STORE_FORMAT:
            raise StoreError(
                f"{marker}: the store has format {version}, this restor reads format {STORE_FORMAT}. Use the restor "
                "that made it, or choose another folder with --store."
            )

    def find(self, artifact_id: ArtifactId, notify: Notify = _silent) -> Artifact | None:
        """The finished, undamaged artifact of a stage, or None: then it must be made.

        Args:
            artifact_id: what the artifact is.
            notify: is told if there is a damaged artifact, and what is wrong with it.

        Raises:
            StoreError: if the disk refuses to be read.
        """
        directory = self._artifacts / artifact_id.label
        with store_errors(directory):
            try:
                manifest = _inspect(directory, hash_below=HASHED_AT_USE)
            except _Damaged as damage:
                notify(f"The artifact {artifact_id.label} is damaged: {damage}. It will be made again.")
                return None
        return None if manifest is None else Artifact(directory, manifest)

    @contextmanager
    def claim(self, artifact_id: ArtifactId, notify: Notify = _silent) -> Iterator[Claim]:
        """The sole right to make a stage; waits while another process makes it.

        If the block raises, or never calls `Claim.finish`, the stage stays unfinished and the right is free again.

        Args:
            artifact_id: what the artifact is.
            notify: is told once what is waited for, and of a damaged artifact.

        Raises:
            StoreError: if the disk is full or read-only, in the block too.
        """
        directory = self._artifacts / artifact_id.label
        with self._locked(artifact_id.label, notify):
            artifact = self.find(artifact_id, notify)
            if artifact is None:
                with store_errors(directory):
                    _prepare(directory)
            try:
                yield Claim(artifact_id, directory, artifact)
            except OSError as error:
                if error.errno in FULL:
                    raise store_error(directory, error) from error
                raise

    def is_claimed(self, artifact_id: ArtifactId) -> bool:
        """Whether a process is making the stage at this moment: a hint of where else to begin, not a promise."""
        return self._holder(artifact_id.label) is not None

    def entries(self) -> list[Entry]:
        """All stages in the store, by name. Files are looked at, not read: `verify` finds what this cannot.

        Raises:
            StoreError: if the disk refuses to be read.
        """
        with store_errors(self._artifacts):
            return [self._entry(directory) for directory in self._directories()]

    @property
    def studies(self) -> Studies:
        """The studies of the store, and what each needs."""
        return Studies(self.path)

    def verify(self, progress: OnArtifact = _no_progress) -> list[Problem]:
        """Reads everything again and names what is damaged, missing, garbled, or none of the store's.

        Raises:
            StoreError: if the disk refuses to be read.
        """
        problems = []
        done = set()
        with store_errors(self._artifacts):
            directories = self._directories()
            for position, directory in enumerate(directories):
                progress(position, len(directories), directory.name)
                where = f"artifact {directory.name}"
                if leads_out(self.path, directory):
                    problems.append(Problem(where, "its folder is a link that leads out of the store"))
                    continue
                try:
                    manifest = _inspect(directory, hash_below=None)
                except _Damaged as damage:
                    problems.append(Problem(where, str(damage)))
                    done.add(directory.name)
                    continue
                if manifest is not None:
                    problems += [Problem(where, what) for what in _strange(self.path, directory, manifest)]
                    done.add(directory.name)
            problems += [Problem("store", f"{name} is not a file of a store") for name in self._foreign()]
        for study in self.studies.entries():
            problems += [Problem(f"study {study.id}", what) for what in self.studies.problems(study)]
            if study.name is not None:  # it has results, so all it refers to was finished once
                labels = [f"{name}-{key}" for name, key in study.stages or ()]
                missing = [label for label in labels if label not in done]
                problems += [Problem(f"study {study.id}", f"its artifact {label} is missing") for label in missing]
        return problems

    def _foreign(self) -> list[str]:
        """What lies in the store's own folders and is none of its kinds."""
        strange = [path for path in sorted(self.path.iterdir()) if path.name not in _OWN]
        if self._artifacts.is_dir():
            ours = set(self._directories())
            strange += [path for path in sorted(self._artifacts.iterdir()) if path not in ours]
        return [
            path.relative_to(self.path).as_posix()
            for path in strange
            if not path.name.startswith((TEMPORARY_PREFIX, _REMOVED_PREFIX))
        ]

    def clean(self, *, dry_run: bool) -> list[Entry]:
        """Removes what no study refers to and nobody is making: artifacts and unfinished leftovers.

        A study refers to the stages in its stages.json and in its record, and to all that these were made from.

        Args:
            dry_run: remove nothing.

        Returns:
            What was removed, or would be.

        Raises:
            StoreError: if a study does not say what it refers to, or its list is not the one that was written, or the
                disk refuses.
        """
        with store_errors(self._artifacts):
            if not dry_run:
                for folder in (self.path, self._artifacts, *(self.path / name for name in _FOLDERS)):
                    sweep(folder)
                for study in self.studies.entries():
                    sweep(study.path)
                self.studies.forget_removed()
                for leftover in self._artifacts.glob(f"{_REMOVED_PREFIX}*"):
                    shutil.rmtree(leftover, ignore_errors=True)
            removed = []
            referred = self._referred()
            for directory in self._directories():
                if directory.name in referred:
                    continue
                if dry_run:
                    entry = self._entry(directory)
                    if entry.state is not State.RUNNING:
                        removed.append(entry)
                    continue
                with suppress(Timeout), self._lock(directory.name).acquire(blocking=False):
                    # Again, now that nobody can claim it: a study may have begun to refer to it meanwhile.
                    if directory.is_dir() and directory.name not in self._referred():
                        removed.append(_entry(directory))
                        _discard(directory)
            return removed

    @property
    def _artifacts(self) -> Path:
        return self.path / "artifacts"

    def _directories(self) -> list[Path]:
        if not self._artifacts.is_dir():
            return []
        items = sorted(self._artifacts.iterdir())
        return [item for item in items if item.is_dir() and "-" in item.name and not item.name.startswith(".")]

    def _lock(self, label: str) -> FileLock:
        return FileLock(self.path / "locks" / f"{label}.lock")

    def _holder_file(self, label: str) -> Path:
        return self.path / "locks" / f"{label}.json"

    @contextmanager
    def _locked(self, label: str, notify: Notify) -> Iterator[None]:
        lock = self._lock(label)
        is_told = False
        with store_errors(self.path / "locks"):
            while True:
                try:
                    lock.acquire(blocking=False)
                    break
                except Timeout:
                    # Without a holder it is only looked at for an instant: nothing to tell.
                    if not is_told and (holder := self._holder(label)) is not None:
                        is_told = True
                        notify(f"Waiting for process {holder.pid} on {holder.host}, which is making {label}.")
                time.sleep(POLL_SECONDS)
        holder_file = self._holder_file(label)
        try:
            since = datetime.now(UTC).isoformat(timespec="seconds")
            me = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
            write_atomic(holder_file, json.dumps(me))
            yield
        finally:
            with suppress(OSError):
                holder_file.unlink()
            lock.release()

    def _holder(self, label: str) -> _Holder | None:
        """Who holds the lock of a stage, to make it."""
        if not (self.path / "locks" / f"{label}.lock").exists():
            return None
        try:
            with self._lock(label).acquire(blocking=False):
                return None
        except Timeout:
            pass
        except OSError:
            return None  # a store of someone else: its locks cannot be tried
        try:
            content = json_value(read_bytes(self._holder_file(label)))
            return _Holder(int(content["pid"]), str(content["host"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _entry(self, directory: Path) -> Entry:
        return _entry(directory, self._holder(directory.name))

    def _referred(self) -> set[str]:
        """Labels of all that the studies refer to."""
        waiting = list(self.studies.needed())
        by_key = {directory.name.rpartition("-")[2]: directory for directory in self._directories()}
        referred: set[str] = set()
        while waiting:
            label = waiting.pop()
            if label in referred:
                continue
            referred.add(label)
            manifest = self._artifacts / label / "manifest.json"
            with suppress(OSError, ValidationError):  # unfinished or damaged: it names no parents
                parents = Manifest.model_validate_json(manifest.read_bytes()).parents
                waiting += [by_key[key].name for key in parents.values() if key in by_key]
        return referred


def _entry(directory: Path, holder: _Holder | None = None) -> Entry:
    stage, _, key = directory.name.rpartition("-")
    manifest, damage = None, ""
    try:
        manifest = _inspect(directory, hash_below=0)
    except _Damaged as error:
        damage = str(error)
    size = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):  # a running stage removes files
                size += os.lstat(os.path.join(parent, name)).st_size
    if manifest is not None:
        return Entry(stage, key, State.DONE, directory, size, manifest.finished, manifest.seconds)
    if holder is not None:
        return Entry(stage, key, State.RUNNING, directory, size, pid=holder.pid, host=holder.host)
    return Entry(stage, key, State.DAMAGED if damage else State.UNFINISHED, directory, size, damage=damage)


def _inspect(directory: Path, *, hash_below: int | None) -> Manifest | None:
    """The manifest of a finished artifact, None if it is not finished.

    Args:
        directory: of the artifact.
        hash_below: files of fewer bytes are hashed; None: all.

    Raises:
        _Damaged: if something in it is not as it was when it was finished.
    """
    try:
        return _read(directory, hash_below=hash_below)
    except _Damaged:
        # It may have been removed, or made again, while it was looked at.
        if not (directory / "DONE").exists():
            return None
        raise


def _read(directory: Path, *, hash_below: int | None) -> Manifest | None:
    try:
        done = (directory / "DONE").read_bytes()
    except FileNotFoundError:
        return None
    try:
        text = (directory / "manifest.json").read_bytes()
    except FileNotFoundError:
        raise _Damaged("file manifest.json was removed") from None
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError:
        raise _Damaged("file manifest.json is garbled") from None
    if done.strip() != hashlib.sha256(text).hexdigest().encode():
        raise _Damaged("file manifest.json was changed, DONE holds another digest")
    if directory.name != f"{manifest.stage}-{manifest.key}":
        raise _Damaged(f"its folder was renamed, it is {manifest.stage}-{manifest.key}")
    for name, record in manifest.files.items():
        path = directory / name
        if not path.is_file():
            raise _Damaged(f"file {name} was removed")
        size = path.stat().st_size
        if size != record.bytes:
            raise _Damaged(f"file {name} was changed, it has {size} bytes instead of {record.bytes}")
        if (hash_below is None or size < hash_below) and sha256_file(path) != record.sha256:
            raise _Damaged(f"file {name} was changed, its SHA-256 is another")
    return manifest


def _strange(store: Path, directory: Path, manifest: Manifest) -> Iterator[str]:
    """What a finished artifact has beside the files of its manifest, and links that lead out of the store."""
    ours = {*manifest.files, "manifest.json", "DONE"}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if leads_out(store, path):
            yield f"{name} is a link that leads out of the store"
        elif not path.is_dir() and name not in ours and not path.name.startswith(TEMPORARY_PREFIX):
            yield f"{name} is not a file of the artifact"


def _prepare(directory: Path) -> None:
    """Leaves `directory` empty but for the `resume` of an unfinished attempt."""
    if (directory / "DONE").exists():
        _discard(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for item in directory.iterdir():
        if item.is_dir() and not item.is_symlink():
            if item.name != "resume":
                shutil.rmtree(item)
        else:
            item.unlink()


def _discard(directory: Path) -> None:
    """Removes an artifact; renamed first, so that nobody sees a part of it. Of a link, nothing but the link."""
    if directory.is_symlink():
        directory.unlink()
        return
    removed = directory.with_name(f"{_REMOVED_PREFIX}{secrets.token_hex(8)}")
    directory.rename(removed)
    shutil.rmtree(removed)
