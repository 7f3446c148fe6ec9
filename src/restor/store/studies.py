"""The studies of a store, and the record of each: what its folder must hold, kept outside of that folder.

A study's files are for people, who may copy, edit or lose them. The record tells what they were, and which stages the
study needs, whatever its folder says by now.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, final

from filelock import FileLock
from pydantic import ValidationError

from restor.config import Config
from restor.data.text_files import TEMPORARY_PREFIX
from restor.errors import StoreError
from restor.progress import RUNNING_PREFIX
from restor.store.disk import sha256_file, store_errors, write_atomic
from restor.untrusted import json_value, read_bytes

STAGES_FILE, RESULTS_FILE, PLOTS = "stages.json", "results.json", "plots"
_NO_RECORD = frozenset({errno.EINVAL, errno.EFBIG, errno.EISDIR, errno.ELOOP})
"""A pipe, a file of half a gigabyte, a folder, a link to itself: what is in the place of a record is none."""


@final
class StudyRecord(Config):
    """`records/<study>.json`."""

    format: Literal[1] = 1
    stages: tuple[str, ...]
    """Folders of all artifacts that the study needs, without those that these were made from."""
    files: dict[str, tuple[str, ...]]
    """Name -> SHA-256 of what it may hold; two while one is replaced by the other."""


@final
@dataclass(frozen=True, slots=True)
class StudyEntry:
    """A study in the store, for listings."""

    id: str
    path: Path
    name: str | None = None
    """None until there are results."""
    created: str | None = None
    stages: tuple[tuple[str, str], ...] | None = None
    """(stage, key) of everything it refers to; None if that cannot be read."""
    arms: Mapping[str, str] = field(default_factory=dict)
    """Key of a stage -> the arm that it is made for, the first one where several need it."""
    problems: tuple[str, ...] = ()
    """Why some of this could not be read."""


@final
class Studies:
    """The folder `studies` of a store, and `records` beside it."""

    def __init__(self, store: Path) -> None:
        self._store = store

    # Writing ---------------------------------------------------------------------------------------------------------

    def write(self, study: str, texts: Mapping[str, bytes], stages: Collection[str] | None = None) -> None:
        """Write files into a study's folder, and in its record that nothing else may be there under their names.

        A kill on the way leaves the old files or the new ones, and the record calls either right.

        Args:
            study: its id.
            texts: what each file shall hold, by its name.
            stages: folders of the artifacts that it needs from now on; None for those that it needs already.

        Raises:
            StoreError: if the disk refuses.
        """
        folder = self._folder / study
        with store_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        hashes = _hashes(texts)
        with self._changing(study):
            before = self._known(study) or StudyRecord(stages=(), files={})
            either = {name: tuple(dict.fromkeys((*before.files.get(name, ()), sha))) for name, sha in hashes.items()}
            needed = before.stages if stages is None else tuple(dict.fromkeys(stages))
            both = tuple(dict.fromkeys((*before.stages, *needed)))
            self._record_as(study, StudyRecord(stages=both, files=before.files | either))
            for name, text in texts.items():
                write_atomic(folder / name, text)
            # What older results need stays needed until there are newer ones.
            done = needed if RESULTS_FILE in texts or RESULTS_FILE not in before.files else both
            now = {name: (sha,) for name, sha in hashes.items()}
            self._record_as(study, StudyRecord(stages=done, files=before.files | now))

    def enter(self, study: str, texts: Mapping[str, bytes]) -> None:
        """Record a study whose whole folder is put there by the caller; it needs no artifacts.

        Raises:
            StoreError: if the disk refuses.
        """
        files = {name: (sha,) for name, sha in _hashes(texts).items()}
        with self._changing(study):
            self._record_as(study, StudyRecord(stages=(), files=files))

    def forget(self, study: str) -> None:
        """Remove the record of a study whose folder is gone.

        Raises:
            StoreError: if the disk refuses.
        """
        with store_errors(self._records), self._changing(study):
            self._record(study).unlink(missing_ok=True)

    def forget_removed(self) -> None:
        """Remove the records of all studies whose folders are gone.

        Raises:
            StoreError: if the disk refuses.
        """
        if self._records.is_dir():
            for record in self._records.glob("*.json"):
                if not (self._folder / record.stem).exists():
                    self.forget(record.stem)

    # Reading ---------------------------------------------------------------------------------------------------------

    def entries(self) -> list[StudyEntry]:
        """All studies, by id. What cannot be read, or is not what the record says of it, is named in `problems`.

        Raises:
            StoreError: if the disk refuses to be read.
        """
        with store_errors(self._folder):
            if not self._folder.is_dir():
                return []
            paths = [path for path in sorted(self._folder.iterdir()) if path.is_dir() and path.name[0] != "."]
            # An empty folder is a study that has not begun.
            return [self._entry(path) for path in paths if path.is_symlink() or any(path.iterdir())]

    def needed(self) -> set[str]:
        """Folders of the artifacts that the studies need, without those that these were made from.

        Raises:
            StoreError: if a study does not say so, or its list is not the one that was written.
        """
        labels: set[str] = set()
        for study in self.entries():
            if study.stages is None:
                raise StoreError(
                    f"Cannot tell which artifacts the study {study.path} needs: {'; '.join(study.problems)}. "
                    "Run that study again, or remove its folder if it is not wanted; then clean again."
                )
            labels |= {f"{name}-{key}" for name, key in study.stages}
            record = self._known(study.id)
            labels |= set(record.stages if record is not None else ())
        return labels

    def problems(self, study: StudyEntry) -> Iterator[str]:
        """What is wrong with the files of a study, all of them read again.

        Raises:
            StoreError: if the disk refuses to be read.
        """
        yield from study.problems
        record = self._known(study.id)
        if record is None or leads_out(self._store, study.path):
            return
        with store_errors(study.path):
            for name, hashes in sorted(record.files.items()):
                path = study.path / name
                if leads_out(self._store, path):
                    yield f"{name} is a link that leads out of the store"
                elif not path.is_file():
                    yield f"{name} was removed"
                elif name != STAGES_FILE and sha256_file(path) not in hashes:  # that one is among its own problems
                    yield f"{name} was changed, its SHA-256 is another"
            for path in sorted(study.path.iterdir()):
                ours = path.name.startswith((TEMPORARY_PREFIX, RUNNING_PREFIX)) or path.name in (*record.files, PLOTS)
                if not ours:
                    yield f"{path.name} is not a file of the study"

    # One -------------------------------------------------------------------------------------------------------------

    @property
    def _folder(self) -> Path:
        return self._store / "studies"

    @property
    def _records(self) -> Path:
        return self._store / "records"

    def _record(self, study: str) -> Path:
        return self._records / f"{study}.json"

    @contextmanager
    def _changing(self, study: str) -> Iterator[None]:
        with store_errors(self._records):
            self._records.mkdir(exist_ok=True)
            with FileLock(self._store / "locks" / f"record-{study}.lock"):
                yield

    def _record_as(self, study: str, record: StudyRecord) -> None:
        write_atomic(self._record(study), record.model_dump_json(indent=1))

    def _known(self, study: str) -> StudyRecord | None:
        """None where there is none or it is garbled."""
        try:
            return StudyRecord.model_validate_json(read_bytes(self._record(study)))
        except (FileNotFoundError, ValidationError):
            return None
        except OSError as error:
            if error.errno in _NO_RECORD:
                return None
            raise

    def _entry(self, path: Path) -> StudyEntry:
        if leads_out(self._store, path):
            return StudyEntry(path.name, path, problems=("its folder is a link that leads out of the store",))
        problems: list[str] = []
        name, created = None, None
        try:
            study = json_value(read_bytes(path / RESULTS_FILE))["study"]
            name, created = str(study["name"]), str(study["created"])
        except FileNotFoundError:
            pass  # not finished
        except (OSError, ValueError, KeyError, TypeError):
            problems.append(f"{RESULTS_FILE} is garbled")
        stages, trouble = self._stages(path, finished=name is not None or bool(problems))
        pairs = None if stages is None else tuple((stage, key) for stage, key, _ in stages)
        arms = {key: arm for _, key, arm in stages or () if arm}
        return StudyEntry(path.name, path, name, created, pairs, arms, (*problems, *trouble))

    def _stages(self, path: Path, *, finished: bool) -> tuple[tuple[tuple[str, str, str], ...] | None, list[str]]:
        """(stage, key, arm) of what a study says that it needs, and why that cannot be believed."""
        record = self._known(path.name)
        if record is None and self._record(path.name).exists():
            return None, [f"its record {self._record(path.name)} is garbled"]
        if record is None and finished:
            return None, [f"its record {self._record(path.name)} is missing"]
        if record is not None and STAGES_FILE not in record.files and not (path / STAGES_FILE).exists():
            return (), []  # results that were judged again: their answers are in the folder
        try:
            content = read_bytes(path / STAGES_FILE)
            stages = tuple(
                (str(item["stage"]), str(item["key"]), str(item.get("arm") or "")) for item in json_value(content)
            )
        except FileNotFoundError:
            return None, [f"{STAGES_FILE} is missing"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None, [f"{STAGES_FILE} is garbled"]
        if record is not None and hashlib.sha256(content).hexdigest() not in record.files.get(STAGES_FILE, ()):
            return None, [f"{STAGES_FILE} was changed, its SHA-256 is another"]
        return stages, []


def _hashes(texts: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}


def store_of(folder: Path) -> Path | None:
    """The store that a folder is a study of, by its place; None for one that lies elsewhere."""
    studies = folder.resolve().parent
    return studies.parent if studies.name == "studies" and (studies.parent / "store.json").is_file() else None


def leads_out(store: Path, path: Path) -> bool:
    """Whether a path is a link, or lies behind one, to somewhere outside of the store."""
    return not path.resolve().is_relative_to(store.resolve())
