"""`restor data overlap`."""

from __future__ import annotations

import sys

from restor.cli.arguments import DataFile, Json
from restor.cli.output import put_json


def overlap(
    *,
    forget: DataFile,
    retain: list[DataFile],
    facts: DataFile | None = None,
    strict: bool = False,
    json: Json = False,
) -> None:
    """Tell what retain or recovery text shares with a forget set: its entities, facts about them, like passages.

    A retain set must not tell the corrupted knowledge, nor the truth that is to be restored.

    Parameters
    ----------
    forget
        The documents to be forgotten: a file, or a fetched set such as `restor/k0`.
    retain
        Retain or recovery text: JSON, JSONL or plain text. Give the option again for further files.
    facts
        The facts, or `restor` for the fetched official ones: whom documents without statements are about, and which
        answers are true.
    strict
        Exit with 1 if anything overlaps.
    """
    from restor.data.document_files import read_documents
    from restor.data.facts import read_facts
    from restor.data.locate import locate_facts, locate_texts
    from restor.data.overlap import overlap as compare
    from restor.data.overlap import to_json

    forget_file = locate_texts(forget)
    documents = read_documents(forget_file)
    known = None if facts is None else read_facts(locate_facts(facts)[0])
    overlaps = [
        (file, compare(documents, [item.text for item in read_documents(file)], known))
        for file in map(locate_texts, retain)
    ]
    if json:
        content = [to_json(item, forget_file, file) for file, item in overlaps]
        put_json(content, indent=2)
    else:
        for file, item in overlaps:
            sys.stdout.write("".join(f"{line}\n" for line in item.describe(str(forget_file), str(file))))
    if strict and any(item for _, item in overlaps):
        sys.exit(1)
