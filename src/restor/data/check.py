"""Check files of facts, entities or documents: every bad record, and what is odd but usable, in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from restor.data.document_files import FORMS as DOCUMENTS_FORMS
from restor.data.document_files import PLAIN, check_documents, inspect_documents
from restor.data.facts import FORMS as FACTS_FORMS
from restor.data.facts import FactsFile, inspect_entities, inspect_facts, read_entities, read_facts
from restor.data.oddities import About, note_documents, note_facts, note_gaps
from restor.data.text_files import BadFile, Finding, Findings, parse_json, read_source
from restor.errors import DataError
from restor.faults import reading
from restor.untrusted import json_value

SUFFIXES = PLAIN | {".json", ".jsonl", ".ndjson", ".csv", ".tsv"}
NOT_DATA = ("readme", "license", "notice", "changelog")
NAME_WORDS = 8
"""A list of texts of at most so many words, few of which end like a sentence, is a list of entities."""
LEVELS = 3
"""In how many folders, upwards from a file, its facts are looked for: released passages are two below them."""


@final
@dataclass(frozen=True, slots=True)
class Report:
    """What a check found. A folder's report has those of its files as `parts`, and all their problems and notes."""

    path: Path
    kind: str
    """facts, entities, documents, folder, or unknown."""
    counts: Mapping[str, int]
    problems: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    compared: Path | None = None
    """The facts file that documents or an entity list were compared with."""
    parts: tuple[Report, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class _Known:
    """What documents and entity lists are compared with."""

    facts: FactsFile | None
    entities: tuple[str, ...] | None


def check(path: Path, *, facts: Path | None = None) -> Report:
    """Check a file, or all files of a folder together.

    Documents and entity lists are compared with `facts`; without it with the first facts file of the folder, else with
    the nearest `facts.json` in the folder of the path or up to two above it. The entities that are asked about are
    those of the folder's list, else of `entities.json` beside the facts. A file of a folder that is none of these kinds
    is noted; a single one is a problem.

    Raises:
        DataError: if there is nothing to check, or `facts` cannot be read.
    """
    kinds = {file: _recognised(file, path) for file in _files(path)}
    known = _known(path, kinds, facts)
    findings: dict[Path, Findings] = {}
    abouts: dict[Path, dict[str, tuple[About, Findings]]] = {}
    counts: dict[Path, Mapping[str, int]] = {}
    for file, kind in kinds.items():
        with reading(file):
            findings[file], counts[file], about = _check_file(file, kind, known, alone=file == path)
        if about is not None:
            abouts.setdefault(file.parent, {})[file.name] = (about, findings[file])
    for alike in abouts.values():
        note_gaps(alike)
    compared = None if known.facts is None else known.facts.path
    parts = tuple(
        Report(
            file,
            kind or "unknown",
            counts[file],
            tuple(findings[file].problems),
            tuple(findings[file].notes),
            compared if kind in ("entities", "documents") else None,
        )
        for file, kind in kinds.items()
    )
    if not path.is_dir() or path in kinds:
        return parts[0]
    totals = {"files": len(parts)}
    for part in parts:
        totals[part.kind] = totals.get(part.kind, 0) + 1
    problems = tuple(item for part in parts for item in part.problems)
    return Report(path, "folder", totals, problems, tuple(item for part in parts for item in part.notes), parts=parts)


def to_json(report: Report) -> dict[str, Any]:
    """A report as JSON values."""

    def found(items: Sequence[Finding]) -> list[dict[str, Any]]:
        return [{"path": str(item.path), "line": item.line, "where": item.where, "what": item.what} for item in items]

    made: dict[str, Any] = {"path": str(report.path), "kind": report.kind, "counts": dict(report.counts)}
    if report.parts:
        return made | {"files": [to_json(part) for part in report.parts]}
    made["compared"] = None if report.compared is None else str(report.compared)
    return made | {"problems": found(report.problems), "notes": found(report.notes)}


# Which files, and what they are --------------------------------------------------------------------------------------


def _files(path: Path) -> list[Path]:
    """The file, or those of a folder that may hold data; the ones nearest to the top come first."""
    if not path.is_dir():
        return [path]
    try:
        inside = [file.relative_to(path) for file in path.rglob("*") if file.suffix.lower() in SUFFIXES]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check the path and its rights.") from error
    wanted = [
        path / file
        for file in sorted(inside, key=lambda file: (len(file.parts), file))
        if not any(part.startswith(".") for part in file.parts)
        and not file.name.lower().startswith(NOT_DATA)
        and (path / file).is_file()
    ]
    if not wanted:
        raise DataError(f"The folder {path} holds no file to check. Data are files of {', '.join(sorted(SUFFIXES))}.")
    return wanted


def _recognised(file: Path, given: Path) -> str:
    """The kind of a file; empty if it cannot be told, which for a file of a folder need not be wrong."""
    try:
        return recognise(file)
    except BadFile:
        return ""
    except DataError:
        if file == given:
            raise
        return ""


def recognise(path: Path) -> str:
    """`facts`, `entities` or `documents`, by the suffix and what the file holds; empty if it is none of them.

    Raises:
        DataError: if it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix in PLAIN:
        return "documents"
    if suffix in (".csv", ".tsv"):
        return "facts"
    text = read_source(path).text
    try:
        value = json_value(text)
    except ValueError:
        return _kind_of_lines(text)
    if isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            return "entities" if _are_names(value) else "documents"
        kinds = (_kind_of_record(item) for item in value)
        return next((kind for kind in kinds if kind), "" if value else _kind_by_name(path))
    return _kind_of_record(value)


def _kind_of_record(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    if "dset" in value or "subject" in value or "relation" in value:
        return "facts"
    return "documents" if "text" in value else ""


def _kind_of_lines(text: str) -> str:
    """Of JSONL, or of JSON that is broken somewhere."""
    for line in text.splitlines():
        try:
            value = json_value(line)
        except ValueError:
            continue
        if kind := _kind_of_record(value):
            return kind
        if isinstance(value, str) and not text.lstrip().startswith("["):
            return "documents"
    first = {name: text.find(f'"{name}"') for name in ("dset", "subject", "text")}
    kinds = [name for name in sorted(first, key=lambda name: first[name]) if first[name] >= 0]
    if not kinds:
        return "entities" if text.lstrip()[:1] == "[" else ""
    return "documents" if kinds[0] == "text" else "facts"


def _are_names(texts: Sequence[str]) -> bool:
    if any(len(text.split()) > NAME_WORDS or "\n" in text for text in texts):
        return False
    return 2 * sum(text.rstrip().endswith((".", "!", "?")) for text in texts) < len(texts)


def _kind_by_name(path: Path) -> str:
    return "entities" if "entit" in path.stem.lower() else "documents"


def _known(path: Path, kinds: Mapping[Path, str], facts: Path | None) -> _Known:
    if facts is not None:
        facts_file, used = facts, read_facts(facts)
    else:
        above = path.absolute().parents[: LEVELS - path.is_dir()]
        facts_files = [file for file, kind in kinds.items() if kind == "facts"]
        candidates = facts_files or [place for folder in above if (place := folder / "facts.json").is_file()]
        read = [(file, good) for file in candidates[:1] if (good := _or_none(file)) is not None]
        if not read:
            return _Known(None, None)
        facts_file, used = read[0]
    lists = [file for file, kind in kinds.items() if kind == "entities"] or [facts_file.parent / "entities.json"]
    try:
        return _Known(used, read_entities(lists[0], used))
    except DataError:  # a list of this check is reported for itself
        return _Known(used, None)


def _or_none(file: Path) -> FactsFile | None:
    try:
        return read_facts(file)
    except DataError:  # reported where it is checked itself
        return None


# One file ------------------------------------------------------------------------------------------------------------


def _check_file(
    file: Path, kind: str, known: _Known, *, alone: bool
) -> tuple[Findings, Mapping[str, int], About | None]:
    try:
        if kind == "facts":
            facts, findings = inspect_facts(file)
            return findings, {} if facts is None else note_facts(facts, known.entities, findings), None
        if kind == "entities":
            names, findings = inspect_entities(file, known.facts)
            counts = {"entities": len(names)}
            if known.facts is not None:
                wanted = set(names)
                counts["facts"] = sum(fact.subject in wanted for fact in known.facts.facts)
            return findings, counts, None
        if kind == "documents":
            documents, findings = inspect_documents(file)
            if documents is None:
                return findings, {}, None
            if known.facts is not None:
                check_documents(documents.documents, known.facts.facts, findings)
            return findings, *note_documents(documents.documents, known.facts, known.entities, findings)
        return _unknown(file, alone), {}, None
    except BadFile as error:
        return Findings(file, list(error.problems)), {}, None
    except DataError as error:
        return Findings(file, [Finding(file, None, "", str(error))]), {}, None


def _unknown(file: Path, alone: bool) -> Findings:
    findings = Findings(file)
    text = read_source(file).text
    if not text.strip():
        findings.bad(None, "", "is empty.")
        return findings
    parsed = parse_json(text, Findings(file)) or parse_json(text.lstrip().split("\n", 1)[0], Findings(file))
    if parsed is None:
        parse_json(text, findings)
    elif alone:
        findings.bad(
            None,
            "",
            f"is neither facts nor entities nor documents. Facts are {FACTS_FORMS}. Entities are a JSON list of names. "
            f"Documents are {DOCUMENTS_FORMS}.",
        )
    else:
        findings.note(None, "", "is neither facts nor entities nor documents, and was not checked.")
    return findings
