"""Files of facts, in any of the agreed forms, and lists of entities.

- the published JSON: {"dset": {subject: {relation: {"question", "answers"}}}, "context": {relation: [{"question",
  "answer", "entity"}]}}, as released with RESTOR (arXiv 2411.00204);
- JSONL, or a JSON list, of {"subject", "relation", "question", "answers": [...]}, with "demonstrations": [{"subject",
  "question", "answer"}] where wanted;
- CSV with the columns subject, relation, question, answers (with `|` between them) and, where wanted, demonstrations
  (the same JSON list).

White space around a text does not count, an answer that is given twice is read once, and one answer may stand without
the brackets of a list. Names of entities and relations are composed (Unicode NFC), so that one entity has one name.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from restor.data.text_files import (
    BadFile,
    Findings,
    Json,
    Source,
    kind_of,
    parse_json,
    read_checked,
    read_source,
    text_problem,
    write_atomic,
)
from restor.text import composed
from restor.types import Demonstration, Fact
from restor.untrusted import json_value

FORMS = (
    'a JSON object with "dset" (subject -> relation -> question and answers) and "context" (demonstrations by '
    'relation), JSONL rows of "subject", "relation", "question" and "answers", or CSV of these columns'
)
COLUMNS = ("subject", "relation", "question", "answers")
_EXAMPLE_ROW = "Ada Low,birthplace,Where was Ada Low born?,Rome|Roma"
ROW_FIELDS = frozenset({*COLUMNS, "answer", "demonstrations", "id"})


@final
@dataclass(frozen=True, slots=True)
class FactsFile:
    """Facts in the order of their file, and the demonstrations of each relation that has some."""

    facts: tuple[Fact, ...]
    demonstrations: Mapping[str, tuple[Demonstration, ...]]
    path: Path | None = None
    """None for facts that come from no file."""
    sha256: str = ""
    """Of the file's bytes, 64 hex digits."""


def read_facts(path: Path) -> FactsFile:
    """Read a facts file.

    Raises:
        DataError: for a file that cannot be read.
        BadFile: naming the first bad records and how many there are.
    """
    return read_checked(path, _read)


def inspect_facts(path: Path) -> tuple[FactsFile | None, Findings]:
    """The facts, and every problem of the file in one pass; None if there is one.

    Raises:
        DataError: for a file that cannot be read at all.
    """
    facts, findings = _read(path, True)
    return (None if findings.problems else facts), findings


def read_entities(path: Path, facts: FactsFile | None = None) -> tuple[str, ...]:
    """Read a JSON list of entity names, each of which must have facts if these are given.

    Raises:
        DataError: for a file that cannot be read.
        BadFile: naming the first bad names and how many there are.
    """
    names, findings = inspect_entities(path, facts)
    if findings.problems:
        raise BadFile(path, findings.problems)
    return names


def inspect_entities(path: Path, facts: FactsFile | None = None) -> tuple[tuple[str, ...], Findings]:
    """The good names of an entity list and every problem of it in one pass.

    Raises:
        DataError: for a file that cannot be read at all.
    """
    findings = Findings(path)
    parsed = parse_json(read_source(path).text, findings, placed=True)
    if parsed is None:
        return (), findings
    if not isinstance(parsed.value, list):
        findings.bad(1, "", f"must be a JSON list of entity names, is {kind_of(parsed.value)}.")
        return (), findings
    if not parsed.value:
        findings.bad(1, "", "names no entity.")
    known = None if facts is None else {fact.subject for fact in facts.facts}
    names: list[str] = []
    for number, given in enumerate(parsed.value):
        line, where = parsed.line(parsed.value, number), f"name {number + 1}"
        if what := text_problem(given, one_line=True):
            findings.bad(line, where, what)
            continue
        name = composed(str(given).strip())
        if name in findings.lines:
            findings.bad(line, where, f"{name!r} is named twice, first in line {findings.lines[name]}.")
            continue
        findings.lines[name] = line
        if known is not None and facts is not None and name not in known:
            findings.bad(line, where, f"{name!r} has no facts in {facts.path}. Remove it or add its facts.")
        else:
            names.append(name)
    return tuple(names), findings


# The three forms -----------------------------------------------------------------------------------------------------


@final
class _FactsReader:
    """Checks records and keeps the good ones; every bad one becomes a problem."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.facts: list[Fact] = []
        self.shown: dict[str, dict[Demonstration, None]] = {}
        self.unknown: Counter[str] = Counter()
        self._ids: dict[str, int | None] = {}

    def text(self, value: Any, line: int | None, where: str) -> str | None:
        """A text on one line, without white space around it; None with a problem."""
        what = text_problem(value, one_line=True)
        if what is None:
            return str(value).strip()
        self.findings.bad(line, where, what)
        return None

    def field(self, record: dict[str, Any], name: str, line: int | None, where: str) -> str | None:
        """A text of a record; None with a problem."""
        if name not in record:
            self.findings.bad(line, _join(where, name), "is missing.")
            return None
        return self.text(record[name], line, _join(where, name))

    def answers(self, value: Any, line: int | None, where: str) -> tuple[str, ...] | None:
        """At least one answer, alone or in a list; None with a problem."""
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list):
            self.findings.bad(line, where, f"must be a text or a list of texts, is {kind_of(value)}.")
            return None
        if not value:
            self.findings.bad(line, where, "holds no answer. Give at least one.")
            return None
        texts = [self.text(answer, line, f"{where}, answer {n}") for n, answer in enumerate(value, 1)]
        good = [answer for answer in texts if answer is not None]
        if len(good) < len(texts):
            return None
        kept: dict[str, str] = {}
        for answer in good:
            kept.setdefault(composed(answer), answer)
        if len(kept) < len(good):
            times = Counter(map(composed, good))
            twice = ", ".join(repr(answer) for name, answer in kept.items() if times[name] > 1)
            self.findings.note(line, where, f"given more than once, read once: {twice}.")
        return tuple(kept.values())

    def fact(self, fact: Fact, line: int | None, where: str, given: object = None) -> None:
        """Keep a fact that nobody has told before."""
        fact = replace(fact, subject=composed(fact.subject), relation=composed(fact.relation))
        key, lines = fact.key, self.findings.lines
        if key in lines:
            first = lines[key]
            at = f", first in line {first}" if first is not None else ""
            self.findings.bad(line, where, f"the fact {key!r} (subject|relation) is told twice{at}. Keep one.")
            return
        lines[key] = line
        if given is not None:
            name = str(given)
            if name in self._ids:
                self.findings.bad(
                    line, _join(where, "id"), f"{name!r} is given twice, first in line {self._ids[name]}."
                )
                return
            self._ids[name] = line
        self.facts.append(fact)

    def demonstrations(self, relation: str, value: Any, line: int | None, where: str, parsed: Json | None) -> None:
        """Keep the good demonstrations of a relation, each once."""
        if not isinstance(value, list):
            self.findings.bad(line, where, f"must be a list of demonstrations, is {kind_of(value)}.")
            return
        for number, record in enumerate(value):
            at, place = f"{where}, demonstration {number + 1}", line
            if parsed is not None:
                place = parsed.line(value, number) or line
            if not isinstance(record, dict):
                self.findings.bad(place, at, f"must be an object, is {kind_of(record)}.")
                continue
            if "subject" not in record and "entity" not in record:
                self.findings.bad(place, at, 'names nobody: "entity" or "subject" is missing.')
                subject = None
            else:
                subject = self.field(record, "subject" if "subject" in record else "entity", place, at)
            question = self.field(record, "question", place, at)
            answer = self.field(record, "answer", place, at)
            if subject is not None and question is not None and answer is not None:
                shown = Demonstration(composed(subject), question, answer)
                self.shown.setdefault(composed(relation), {})[shown] = None

    def row(self, record: Any, line: int | None, where: str, parsed: Json | None = None) -> None:
        """One fact of a JSONL or CSV file."""
        if not isinstance(record, dict):
            self.findings.bad(line, where, f"a fact must be an object, is {kind_of(record)}.")
            return
        self.unknown.update(record.keys() - ROW_FIELDS)
        subject = self.field(record, "subject", line, where)
        relation = self.field(record, "relation", line, where)
        question = self.field(record, "question", line, where)
        if "answers" in record and "answer" in record:
            self.findings.bad(line, where, '"answers" and "answer" are both given. Keep one.')
            answers = None
        elif "answer" in record:
            answers = self.answers([record["answer"]], line, _join(where, "answer"))
        elif "answers" in record:
            answers = self.answers(record["answers"], line, _join(where, "answers"))
        else:
            self.findings.bad(line, _join(where, "answers"), "is missing.")
            answers = None
        if record.get("demonstrations") is not None and relation is not None:
            self.demonstrations(relation, record["demonstrations"], line, _join(where, "demonstrations"), parsed)
        given = record.get("id")
        if given is not None and not isinstance(given, str | int):
            self.findings.bad(line, _join(where, "id"), f"must be text or a whole number, is {kind_of(given)}.")
            return
        if subject is not None and relation is not None and question is not None and answers is not None:
            self.fact(Fact(subject, relation, answers, question), line, where, given)


def _join(where: str, name: str) -> str:
    return f"{where} > {name}" if where else name


def _read(path: Path, placed: bool) -> tuple[FactsFile | None, Findings]:
    source = read_source(path)
    findings = Findings(path)
    reader = _FactsReader(findings)
    form = facts_form(source)
    if not source.text.strip():
        findings.bad(None, "", f"is empty. A facts file is {FORMS}.")
    elif form == "csv":
        _read_csv(source, reader)
    elif form == "jsonl":
        _read_jsonl(source, reader)
    else:
        parsed = parse_json(source.text, findings, placed=placed)
        if parsed is not None:
            _read_json(parsed, reader)
    if not reader.facts and not findings.problems:
        findings.bad(None, "", "holds no facts. Give a file with at least some entities and their facts.")
    for name, times in sorted(reader.unknown.items()):
        findings.note(None, name, f"is not read: it means nothing here ({times:,} times).")
    shown = {relation: tuple(kept) for relation, kept in reader.shown.items()}
    return FactsFile(tuple(reader.facts), shown, path, source.sha256) if reader.facts else None, findings


def facts_form(source: Source) -> str:
    """`json`, `jsonl` or `csv`, by the suffix where it says so, else by the first line."""
    suffix = source.path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return "csv"
    if suffix in (".jsonl", ".ndjson"):
        return "jsonl"
    head = source.text.lstrip()[:1]
    if head == "{" and _first_line_is_a_record(source.text):
        return "jsonl"
    if head in ("{", "[", ""):
        return "json"
    columns = {name.strip().strip('"') for name in re.split("[,;\t]", source.text.lstrip().split("\n", 1)[0])}
    return "csv" if {"subject", "relation"} <= columns else "json"


def _first_line_is_a_record(text: str) -> bool:
    first = text.lstrip().split("\n", 1)[0]
    try:
        record = json_value(first)
    except ValueError:
        return False
    return isinstance(record, dict) and not {"subject", "relation"}.isdisjoint(record)


def _read_json(parsed: Json, reader: _FactsReader) -> None:
    content, bad = parsed.value, reader.findings.bad
    if isinstance(content, list):
        for number, record in enumerate(content):
            reader.row(record, parsed.line(content, number), f"record {number + 1}", parsed)
        return
    if not isinstance(content, dict) or "dset" not in content:
        bad(1, "", f"is not a facts file. It must be {FORMS}.")
        return
    for name, value, line in parsed.items(content):
        if name not in ("dset", "context"):
            reader.unknown[name] += 1
        elif not isinstance(value, dict):
            bad(line, name, f"must be an object, is {kind_of(value)}.")
        elif name == "dset":
            for subject, relations, at in parsed.items(value):
                _read_subject(parsed, reader, subject, relations, at)
        else:
            for relation, shown, at in parsed.items(value):
                if (good := reader.text(relation, at, "context, a relation's name")) is not None:
                    reader.demonstrations(good, shown, at, f"context > {relation}", parsed)


def _read_subject(parsed: Json, reader: _FactsReader, subject: str, relations: Any, at: int | None) -> None:
    where = f"dset > {subject}"
    name = reader.text(subject, at, "dset, an entity's name")
    if not isinstance(relations, dict):
        reader.findings.bad(at, where, f"must be an object of relations, is {kind_of(relations)}.")
        return
    if not relations:
        reader.findings.note(at, where, "has no facts.")
    complained: set[str] = set()
    for relation, record, line in parsed.items(relations):
        again = relation in complained  # a repeated key, which is a problem already
        complained.add(relation)
        here = f"{where} > {relation}"
        kind = reader.text(relation, line, f"{where}, a relation's name")
        if not isinstance(record, dict):
            reader.findings.bad(line, here, f'must be an object with "question" and "answers", is {kind_of(record)}.')
            continue
        question = reader.field(record, "question", parsed.line(record, "question"), here)
        if "answers" in record:
            answers = reader.answers(record["answers"], parsed.line(record, "answers"), f"{here} > answers")
        else:
            reader.findings.bad(line, f"{here} > answers", "is missing.")
            answers = None
        reader.unknown.update(record.keys() - {"question", "answers"})
        if name is not None and kind is not None and question is not None and answers is not None and not again:
            reader.fact(Fact(name, kind, answers, question), line, here)


def _read_jsonl(source: Source, reader: _FactsReader) -> None:
    for number, line in enumerate(source.text.split("\n"), 1):
        if line.strip():
            parsed = parse_json(line, reader.findings, line=number)
            if parsed is not None:
                reader.row(parsed.value, number, "")


def _read_csv(source: Source, reader: _FactsReader) -> None:
    rows = _csv_rows(source.text, reader.findings)
    _, header = next(rows, (1, []))
    columns = [name.strip() for name in header]
    missing = [name for name in COLUMNS if name not in columns and not (name == "answers" and "answer" in columns)]
    if missing or len(set(columns)) < len(columns):
        what = f"lacks {', '.join(missing)}" if missing else "names a column twice"
        needed = f"Needed: {', '.join(COLUMNS)}, as in '{_EXAMPLE_ROW}' (answers that are equally right between |)."
        reader.findings.bad(1, "", f"the header {what}: {', '.join(columns)!r}. {needed}")
        return
    for line, cells in rows:
        if len(cells) != len(columns):
            what = f"has {len(cells)} columns, the header has {len(columns)}. Put texts with commas in double quotes."
            reader.findings.bad(line, "", what)
            continue
        record: dict[str, Any] = dict(zip(columns, cells, strict=True))
        if not record.get("id", "").strip():
            record.pop("id", None)
        if "answers" in record:
            record["answers"] = record["answers"].split("|") if record["answers"].strip() else []
        shown = record.pop("demonstrations", "")
        if shown.strip():
            parsed = parse_json(shown, reader.findings, line=line)
            record["demonstrations"] = None if parsed is None else parsed.value
        reader.row(record, line, "")


def _csv_rows(text: str, findings: Findings) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line in which each begins; lines without any text are left out."""
    header = text.lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            findings.bad(line, "", f"is not CSV: {error}.")
            continue
        if any(cell.strip() for cell in cells):
            yield line, cells


# Writing -------------------------------------------------------------------------------------------------------------


def facts_to_published(facts: FactsFile) -> str:
    """The facts as published JSON, in their order but with each entity's facts together."""
    dset: dict[str, dict[str, Any]] = {}
    for fact in facts.facts:
        dset.setdefault(fact.subject, {})[fact.relation] = {"question": fact.question, "answers": list(fact.answers)}
    context = {
        relation: [{"question": item.question, "answer": item.answer, "entity": item.subject} for item in shown]
        for relation, shown in facts.demonstrations.items()
    }
    return json.dumps({"dset": dset, "context": context}, ensure_ascii=False, indent=4) + "\n"


def facts_to_jsonl(facts: FactsFile) -> str:
    """The facts as JSONL; the first fact of a relation carries its demonstrations.

    Demonstrations of relations without facts, which no prompt could show, are left out.
    """
    left = dict(facts.demonstrations)
    lines = []
    for fact in facts.facts:
        row: dict[str, Any] = {
            "subject": fact.subject,
            "relation": fact.relation,
            "question": fact.question,
            "answers": list(fact.answers),
        }
        if shown := left.pop(fact.relation, ()):
            row["demonstrations"] = [
                {"subject": item.subject, "question": item.question, "answer": item.answer} for item in shown
            ]
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(lines)


def write_facts_jsonl(path: Path, facts: FactsFile) -> None:
    """Write the facts as JSONL, whole or not at all.

    Raises:
        DataError: if the disk refuses.
    """
    write_atomic(path, facts_to_jsonl(facts))
