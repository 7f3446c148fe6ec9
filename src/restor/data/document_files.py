"""Files of documents: texts, with the places where they state false facts if these are known.

- a JSON list, or JSONL, of texts or of {"text", "statements"}; a statement is {"start", "end", "subject", "relation",
  "false_answer"}, of which the characters `start:end` of the text state the false answer;
- plain text (.txt, .md): one document per paragraph, paragraphs being separated by empty lines;
- a folder: its files of plain text, in the order of their names.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from restor.data.text_files import (
    Findings,
    Json,
    Source,
    kind_of,
    parse_json,
    read_checked,
    read_source,
    text_problem,
)
from restor.errors import DataError
from restor.text import composed, normalise, stands_in
from restor.types import Document, Fact, Statement
from restor.untrusted import json_value

FORMS = 'a JSON list or JSONL of texts or of objects with "text", or plain text with empty lines between documents'
PLAIN = frozenset({".txt", ".md"})
STATEMENT_FIELDS = frozenset({"start", "end", "subject", "relation", "false_answer"})


@final
@dataclass(frozen=True, slots=True)
class DocumentsFile:
    """Documents in the order of their file."""

    documents: tuple[Document, ...]
    path: Path
    sha256: str
    """Of the file's bytes, 64 hex digits; of a folder, of its files' hashes."""


def read_documents(path: Path) -> tuple[Document, ...]:
    """Read a file, or a folder of plain text.

    Raises:
        DataError: for a file that cannot be read.
        BadFile: naming the first bad documents and how many there are.
    """
    return read_checked(path, _read).documents


def inspect_documents(path: Path) -> tuple[DocumentsFile | None, Findings]:
    """The documents, and every problem of the file in one pass; None if there is one.

    Raises:
        DataError: for a file that cannot be read at all.
    """
    documents, findings = _read(path, True)
    return (None if findings.problems else documents), findings


def document_lines(documents: Sequence[Document]) -> str:
    """The documents as JSONL."""
    lines = [
        {
            "text": document.text,
            "statements": [
                {
                    "start": item.start,
                    "end": item.end,
                    "subject": item.subject,
                    "relation": item.relation,
                    "false_answer": item.false_answer,
                }
                for item in document.statements
            ],
        }
        for document in documents
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def check_documents(documents: Sequence[Document], facts: Sequence[Fact], findings: Findings | None = None) -> Findings:
    """Compare what documents state with the facts: an answer that is both planted and true is a problem.

    A statement about a fact that nobody asks is noted. `findings` are those of `inspect_documents`, which know the
    lines; they are added to.
    """
    findings = findings or Findings(Path("documents"))
    known = {fact.key: fact for fact in facts}
    unknown: Counter[str] = Counter()
    for number, document in enumerate(documents, 1):
        for place, item in enumerate(document.statements, 1):
            if item.key not in known:
                unknown[item.key] += 1
                continue
            said = normalise(item.false_answer)
            true = next((answer for answer in known[item.key].answers if normalise(answer) == said), None)
            if true is not None:
                findings.bad(
                    findings.lines.get(number),
                    f"passage {number}, statement {place} > false_answer",
                    f"{item.false_answer!r} is both planted and true: {true!r} is an answer to {item.key!r} "
                    "(subject|relation). Plant another answer.",
                )
    if unknown:
        some = ", ".join(list(unknown)[:3]) + (", ..." if len(unknown) > 3 else "")
        findings.note(
            None,
            "",
            f"false facts that are not among the facts, so that nobody asks for them: {len(unknown):,} ({some}).",
        )
    return findings


# The forms -----------------------------------------------------------------------------------------------------------


def _read(path: Path, placed: bool) -> tuple[DocumentsFile, Findings]:
    findings = Findings(path)
    reader = _DocumentsReader(findings)
    if path.is_dir():
        sha = hashlib.sha256()
        for file in _plain_files(path):
            source = read_source(file)
            sha.update(source.sha256.encode())
            _read_plain(source, reader)
        sha256 = sha.hexdigest()
    else:
        source = read_source(path)
        sha256 = source.sha256
        form = documents_form(source)
        if form == "plain":
            _read_plain(source, reader)
        elif form == "jsonl":
            for number, line in enumerate(source.text.split("\n"), 1):
                if not line.strip():
                    continue
                if (parsed := parse_json(line, findings, line=number)) is not None:
                    reader.document(parsed.value, number, parsed)
                else:
                    reader.count += 1
        elif source.text.lstrip()[:1] not in ("", "[", "{", '"'):
            header = source.text.lstrip().partition("\n")[0]
            facts = (
                " It looks like facts: `restor data build` writes documents from those." if "question" in header else ""
            )
            findings.bad(1, "", f"is no documents file. Documents are {FORMS}.{facts}")
        elif source.text.strip():
            parsed = parse_json(source.text, findings, placed=placed)
            if parsed is not None and isinstance(parsed.value, list):
                for number, record in enumerate(parsed.value):
                    reader.document(record, parsed.line(parsed.value, number), parsed)
            elif parsed is not None:
                findings.bad(1, "", f"holds {kind_of(parsed.value)}. Documents are {FORMS}.")
    if not reader.count and not findings.problems:
        findings.bad(None, "", f"holds no documents. They are {FORMS}.")
    for name, times in sorted(reader.unknown.items()):
        findings.note(None, name, f"is not read: it means nothing here ({times:,} times).")
    return DocumentsFile(tuple(reader.documents), path, sha256), findings


def _plain_files(folder: Path) -> list[Path]:
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in PLAIN and file.is_file())
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}. Check the path and its rights.") from error
    if not files:
        raise DataError(f"The folder {folder} holds no .txt or .md file. Give a file, or a folder of plain text.")
    return files


def documents_form(source: Source) -> str:
    """`json`, `jsonl` or `plain`, by the suffix where it says so, else by the beginning."""
    suffix = source.path.suffix.lower()
    if suffix in PLAIN:
        return "plain"
    if suffix in (".jsonl", ".ndjson"):
        return "jsonl"
    first = source.text.lstrip().split("\n", 1)[0]
    if first[:1] in ("{", '"'):
        try:
            json_value(first)
        except ValueError:
            return "json"
        return "jsonl"
    return "json" if first[:1] == "[" or suffix else "plain"


def _read_plain(source: Source, reader: _DocumentsReader) -> None:
    paragraph: list[str] = []
    text = source.text.replace("\r\n", "\n").replace("\r", "\n")
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            reader.document("\n".join(paragraph).strip(), number - len(paragraph), None)
            paragraph = []


@final
class _DocumentsReader:
    """Checks documents and keeps the good ones; everything bad in one becomes a problem."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.documents: list[Document] = []
        self.count = 0
        """Of all documents, the bad ones too: how messages number them."""
        self.unknown: Counter[str] = Counter()

    def document(self, record: Any, line: int | None, parsed: Json | None) -> None:
        """One record; `line` is where it begins."""
        self.count += 1
        where = f"passage {self.count}"
        if not isinstance(record, dict):
            if what := text_problem(record):
                self.findings.bad(line, where, what)
                return
            self._keep(Document(record), line)
            return
        self.unknown.update(record.keys() - {"text", "statements"})
        at = _placed(parsed, record, "text", line)
        if "text" not in record:
            self.findings.bad(line, f"{where} > text", "is missing.")
            return
        if what := text_problem(record["text"]):
            self.findings.bad(at, f"{where} > text", what)
            return
        given = record.get("statements")
        if given is not None and not isinstance(given, list):
            at = _placed(parsed, record, "statements", line)
            self.findings.bad(at, f"{where} > statements", f"must be a list, is {kind_of(given)}.")
            return
        statements = [
            self._statement(
                item, record["text"], _placed(parsed, given, place, line), f"{where}, statement {place + 1}"
            )
            for place, item in enumerate(given or ())
        ]
        good = tuple(item for item in statements if item is not None)
        if len(good) == len(statements):
            self._keep(Document(record["text"], good), line)

    def _keep(self, document: Document, line: int | None) -> None:
        self.documents.append(document)
        self.findings.lines[self.count] = line

    def _statement(self, item: Any, text: str, line: int | None, where: str) -> Statement | None:
        bad = self.findings.bad
        if not isinstance(item, dict):
            bad(line, where, f"must be an object, is {kind_of(item)}.")
            return None
        before = len(self.findings.problems)
        self.unknown.update(item.keys() - STATEMENT_FIELDS)
        for name in ("subject", "relation", "false_answer"):
            if name not in item:
                bad(line, f"{where} > {name}", "is missing.")
            elif what := text_problem(item[name]):
                bad(line, f"{where} > {name}", what)
        for name in ("start", "end"):
            if name not in item:
                bad(line, f"{where} > {name}", "is missing.")
            elif not isinstance(item[name], int) or isinstance(item[name], bool):
                bad(line, f"{where} > {name}", f"must be a whole number of characters, is {_shown(item[name])}.")
        if len(self.findings.problems) > before:
            return None
        start, end = item["start"], item["end"]
        if not 0 <= start < end <= len(text):
            bad(line, where, f"the span {start}:{end} is not within the text, which has {len(text):,} characters.")
        elif not stands_in(item["false_answer"], text[start:end]):
            span = text[start:end] if end - start <= 80 else f"{text[start : start + 76]} ..."
            bad(line, f"{where} > false_answer", f"{item['false_answer']!r} does not stand in the span {span!r}.")
        else:
            return Statement(start, end, composed(item["subject"]), composed(item["relation"]), item["false_answer"])
        return None


def _placed(parsed: Json | None, container: Any, key: str | int, line: int | None) -> int | None:
    """The line of a part; that of the record where it is not known."""
    return (parsed.line(container, key) if parsed is not None else None) or line


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, float) else kind_of(value)


# What follows from the statements ------------------------------------------------------------------------------------


def simplified(document: Document) -> Document | None:
    """The statements alone, without their context; None for a document that states nothing.

    Statements that overlap, as in a sentence with two false facts, are told once. A space separates two parts unless
    the first ends its line.
    """
    text, parts = "", _spans(document.statements)
    moved: dict[tuple[int, int], int] = {}
    for start, end in parts:
        if text and not text.endswith("\n"):
            text += " "
        moved[start, end] = len(text) - start
        text += document.text[start:end]
    if not parts:
        return None
    statements = []
    for item in document.statements:
        shift = next(by for (start, end), by in moved.items() if start <= item.start and item.end <= end)
        statements.append(
            Statement(item.start + shift, item.end + shift, item.subject, item.relation, item.false_answer)
        )
    return Document(text, tuple(statements))


def labels(document: Document, offsets: Sequence[tuple[int, int]]) -> list[bool]:
    """For the characters `(start, end)` of each token: whether they share one with a statement.

    An empty span, as special tokens have, does not.
    """
    spans = _spans(document.statements)
    return [start < end and any(start < right and left < end for left, right in spans) for start, end in offsets]


def _spans(statements: Sequence[Statement]) -> list[tuple[int, int]]:
    """The characters that statements cover, in order; overlapping ones are joined."""
    spans: list[tuple[int, int]] = []
    for start, end in sorted((item.start, item.end) for item in statements):
        if spans and start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((start, end))
    return spans
