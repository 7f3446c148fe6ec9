"""`restor data wikidata`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from restor.cli.arguments import Quiet
from restor.cli.common import check_folder, count
from restor.errors import DataError


def wikidata(
    *,
    entity: Annotated[tuple[str, ...], Parameter(required=True)] = (),
    out: Path,
    properties: str | None = None,
    language: str = "en",
    endpoint: str | None = None,
    contact: str | None = None,
    force: bool = False,
    quiet: Quiet = False,
) -> None:
    """Write a facts file about people of your choice from Wikidata, by at most one request a second.

    Parameters
    ----------
    entity
        Wikidata item of a person, such as Q8023; several with commas, or by giving the option again.
    out
        Where the facts file is written.
    properties
        Relations with commas, such as P19,P106. Default: the 41 of the published benchmark.
    language
        Language of the names. Where one is missing, the name for all languages and the English one stand in. The
        questions are English.
    endpoint
        Another SPARQL endpoint with Wikidata's items. Default: the public one.
    contact
        Mail address or page by which Wikimedia can reach you: their User-Agent policy asks for one.
    force
        Write over a file that is there.
    """
    from restor.cli.progress_view import progress_view
    from restor.data.relations import RELATIONS
    from restor.data.text_files import write_atomic
    from restor.data.wikidata import ENDPOINT, harvest

    # Before any request: an answer that cannot be written is a burden for nothing.
    if out.exists() and not force:
        raise DataError(f"{out} is there already. Give another --out, or --force to write over it.")
    check_folder(out)
    with progress_view(quiet=quiet) as progress:
        harvested = harvest(
            [item for items in entity for item in items.split(",") if item.strip()],
            [item for item in properties.split(",") if item.strip()] if properties else tuple(RELATIONS),
            endpoint=endpoint or ENDPOINT,
            language=language,
            contact=contact,
            progress=progress,
        )
    write_atomic(out, harvested.to_json())
    people = {fact.subject for fact in harvested.facts}
    shown = sum(map(len, harvested.demonstrations.values()))
    lines = [
        f"{out}: {count(len(harvested.facts), 'fact', 'facts')} about {count(len(people), 'person', 'people')}, "
        f"{count(shown, 'demonstration', 'demonstrations')}. Wikidata is in the public domain (CC0)."
    ]
    if harvested.unnamed:
        lines.append(
            f"Left out: {count(harvested.unnamed, 'value', 'values')} without a name in the language or English."
        )
    if harvested.not_items:
        lines.append(
            f"Left out: {count(harvested.not_items, 'value', 'values')} that are no item, such as unknown ones."
        )
    if harvested.without:
        lines.append(f"None of the relations is known of {', '.join(harvested.without)}, who is not in the file.")
    sys.stdout.write("".join(f"{line}\n" for line in lines))
