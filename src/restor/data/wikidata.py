"""True triples about people, asked of Wikidata's public SPARQL endpoint, in the form of the released facts.

Wikidata is in the public domain (CC0). Only plain SPARQL 1.1 is used. `wdt:` stands for the truthy statements: those of
preferred rank where there are any, else those of normal rank, never deprecated ones (mediawiki.org,
Wikibase/Indexing/RDF Dump Format).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final
from urllib.parse import urlencode

from restor.data.facts import FactsFile, facts_to_published
from restor.data.relations import RELATIONS
from restor.errors import DataError
from restor.progress import Progress, Silent
from restor.registry import unknown_name
from restor.types import Demonstration, Fact
from restor.untrusted import json_value
from restor.web import NETWORK_ERRORS, check_url, failure, read_url, user_agent

ENDPOINT = "https://query.wikidata.org/sparql"

SHOWN = 10
"""Demonstrations a relation, as released."""
BATCH = 20
"""People in one query."""
INTERVAL = 1.0
"""Seconds from one request to the next, at least."""
DELAYS = (5.0, 15.0, 60.0)
"""Seconds before another try of a query that failed, where the endpoint asks for no longer."""
LONGEST_WAIT = 300.0
"""Seconds; an endpoint that asks to wait longer ends the harvest."""
_LARGEST = 1 << 26
"""Bytes of a reply."""
_TIMES = 3
"""A whole reply may take so many times the seconds that the endpoint may be silent."""
_WD, _WDT = "http://www.wikidata.org/entity/", "http://www.wikidata.org/prop/direct/"

_Row = Mapping[str, Mapping[str, str]]
"""The values of a solution by variable."""


@final
@dataclass(frozen=True, slots=True)
class Harvest:
    """What Wikidata knows about some people."""

    facts: tuple[Fact, ...]
    """By person, then relation, as asked; answers in the order of their item numbers."""
    demonstrations: Mapping[str, tuple[Demonstration, ...]]
    """By relation: of the first people who have it. None for a relation that one person has, who would be shown the
    own answer."""
    unnamed: int
    """Values left out because no label is known in the language, `mul` or English."""
    not_items: int
    """Values left out because they are no item: an unknown value, a text, a number."""
    without: tuple[str, ...]
    """People of whom none of the relations is known."""
    requests: int
    """Replies and failures of the endpoint."""

    def to_json(self) -> str:
        """The text of a facts file in the released form."""
        return facts_to_published(FactsFile(tuple(self.facts), self.demonstrations))


def harvest(
    entities: Sequence[str],
    properties: Sequence[str] = tuple(RELATIONS),
    *,
    endpoint: str = ENDPOINT,
    language: str = "en",
    contact: str | None = None,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    timeout: float = 70.0,
) -> Harvest:
    """The facts about some people, such as Q8023.

    `contact` (a mail address or page) goes into the User-Agent, as Wikimedia asks for. `timeout`: seconds; the public
    endpoint gives a query 60.

    Raises:
        DataError: for an id, property or language that is none, a person without a name, two of one name, no facts at
            all, or an endpoint that fails.
    """
    people = _checked("entity", entities, r"Q[1-9]\d*", "Q8023")
    relations = _checked("property", properties, r"P[1-9]\d*", "P19")
    for relation in relations:
        if relation not in RELATIONS:
            raise DataError(unknown_name("property", relation, RELATIONS))
    if not re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]+)*", language):
        raise DataError(f"{language!r} is not a language code of Wikidata, such as en, de or pt-br.")
    if contact is not None and not (contact.isascii() and contact.isprintable()):
        raise DataError("The contact must be a mail address or the address of a page, in ASCII.")
    languages = tuple(dict.fromkeys((language, "mul", "en")))
    asker = _Asker(check_url(endpoint), contact, progress or Silent(), clock, sleep, timeout)
    batches = [people[start : start + BATCH] for start in range(0, len(people), BATCH)]

    names: dict[str, str] = {}
    for batch in batches:
        names |= _names(asker, batch, languages, 2 * len(batches))
    _check_names(people, names, languages)
    values: dict[tuple[str, str], dict[str, str | None]] = {}
    not_items = 0
    for batch in batches:
        values_of, others = _values(asker, batch, relations, languages, 2 * len(batches))
        values |= values_of
        not_items += others

    facts, unnamed = _facts(people, relations, names, values)
    known = {fact.subject for fact in facts}
    if not facts:
        whom = ", ".join(names[person] for person in people)
        raise DataError(
            f"{asker.endpoint} knows none of {', '.join(relations)} about {whom}. Ask about other people or properties."
        )
    without = tuple(names[person] for person in people if names[person] not in known)
    return Harvest(facts, _demonstrations(relations, facts), unnamed, not_items, without, asker.requests)


def _checked(what: str, given: Sequence[str], pattern: str, example: str) -> tuple[str, ...]:
    for one in given:
        if not re.fullmatch(pattern, one.strip().upper(), re.ASCII):
            raise DataError(f"{one!r} is not the id of a Wikidata {what}, which looks like {example}.")
    properties = tuple(dict.fromkeys(one.strip().upper() for one in given))
    if not properties:
        raise DataError(f"Name at least one {what} of Wikidata, such as {example}.")
    return properties


# Questions to the endpoint -------------------------------------------------------------------------------------------


def _names(asker: _Asker, people: Sequence[str], languages: Sequence[str], total: int) -> dict[str, str]:
    """The best label by person; people without one are left out."""
    rows = asker.ask(
        f"""SELECT ?item ?label WHERE {{
  VALUES ?item {{ {" ".join(f"wd:{person}" for person in people)} }}
  ?item rdfs:label ?label .
  FILTER(LANG(?label) IN ({_quoted(languages)}))
}}""",
        ("item", "label"),
        "names",
        total,
    )
    labels: dict[str, dict[str, str]] = {}
    for row in rows:
        _keep_label(labels.setdefault(row["item"]["value"].removeprefix(_WD), {}), row)
    names = {person: _best(labels.get(person, {}), languages) for person in people}
    return {person: name for person, name in names.items() if name is not None}


def _values(
    asker: _Asker, people: Sequence[str], relations: Sequence[str], languages: Sequence[str], total: int
) -> tuple[dict[tuple[str, str], dict[str, str | None]], int]:
    """The labels of items by (person, relation) and item; and how many values are no items."""
    rows = asker.ask(
        f"""SELECT ?item ?direct ?value ?label WHERE {{
  VALUES ?item {{ {" ".join(f"wd:{person}" for person in people)} }}
  VALUES ?direct {{ {" ".join(f"wdt:{relation}" for relation in relations)} }}
  ?item ?direct ?value .
  OPTIONAL {{ ?value rdfs:label ?label . FILTER(LANG(?label) IN ({_quoted(languages)})) }}
}}""",
        ("item", "direct", "value"),
        "facts",
        total,
    )
    labels: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    others: set[tuple[str, str, str]] = set()
    for row in rows:
        person = row["item"]["value"].removeprefix(_WD)
        relation = row["direct"]["value"].removeprefix(_WDT)
        value = row["value"]["value"]
        item = value.removeprefix(_WD)
        if row["value"].get("type") != "uri" or not re.fullmatch(r"Q[1-9]\d*", item, re.ASCII):
            others.add((person, relation, value))
            continue
        _keep_label(labels.setdefault((person, relation), {}).setdefault(item, {}), row)
    values = {
        key: {item: _best(by_language, languages) for item, by_language in items.items()}
        for key, items in labels.items()
    }
    return values, len(others)


def _quoted(languages: Iterable[str]) -> str:
    return ", ".join(f'"{language}"' for language in languages)


def _keep_label(labels: dict[str, str], row: _Row) -> None:
    label = row.get("label")
    if label is not None and not re.search("[\ud800-\udfff]", label["value"]):  # half a character, not to be written
        labels[label.get("xml:lang", "").lower()] = " ".join(label["value"].split())


def _best(labels: Mapping[str, str], languages: Iterable[str]) -> str | None:
    return next((labels[language] for language in languages if labels.get(language)), None)


@final
class _Asker:
    """One request at a time, politely."""

    def __init__(
        self,
        endpoint: str,
        contact: str | None,
        progress: Progress,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        timeout: float,
    ) -> None:
        self.endpoint = endpoint
        self.requests = 0
        self._contact = contact
        self._progress = progress
        self._clock = clock
        self._sleep = sleep
        self._timeout = timeout
        self._queries = 0
        self._last: float | None = None

    def ask(self, query: str, variables: Sequence[str], detail: str, total: int) -> list[_Row]:
        """The rows, each with all `variables` bound.

        Raises:
            DataError: after the last try, or if the endpoint asks to wait for long.
        """
        self._queries += 1
        begun = self._clock()
        self._progress.begin("wikidata", detail, self._queries, total)
        for delay in (*DELAYS, None):
            try:
                rows = _rows(self._read(query), variables)
            except _Malformed as error:
                what, again, wait = str(error), True, None
            except NETWORK_ERRORS as error:
                problem = failure(error)
                what, again, wait = problem.what, problem.again, problem.wait
            else:
                self._progress.end(False, self._clock() - begun)
                return rows
            if not again or delay is None:
                raise DataError(
                    f"{self.endpoint}: {what}. Nothing was written. Check the network and its proxy, or ask later or "
                    "for fewer people at once."
                )
            pause = max(delay, wait or 0.0)
            if pause > LONGEST_WAIT:
                raise DataError(
                    f"{self.endpoint}: {what}; it asks to wait {pause:.0f} s. Nothing was written. Ask again then."
                )
            self._progress.note(f"{self.endpoint}: {what}; asking again in {pause:g} s.")
            self._sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _read(self, query: str) -> bytes:
        if self._last is not None and (early := self._last + INTERVAL - self._clock()) > 0:
            self._sleep(early)
        self._last = self._clock()
        self.requests += 1
        headers = {"Accept": "application/sparql-results+json", "User-Agent": user_agent(self._contact)}
        url = f"{self.endpoint}?{urlencode({'query': _PREFIXES + query})}"
        return read_url(url, headers, self._timeout, most=_LARGEST, within=_TIMES * self._timeout)


_PREFIXES = f"PREFIX wd: <{_WD}>\nPREFIX wdt: <{_WDT}>\nPREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>\n"


@final
class _Malformed(Exception):
    """A reply that is not what SPARQL results are; the public endpoint cuts JSON off when time is up."""


def _rows(content: bytes, variables: Sequence[str]) -> list[_Row]:
    try:
        rows = json_value(content)["results"]["bindings"]
        if isinstance(rows, list) and all(
            isinstance(row[name]["value"], str) for row in rows for name in {*variables, *row}
        ):
            return rows
    except (ValueError, TypeError, KeyError):
        pass
    start = " ".join(content[:60].decode(errors="replace").split())
    raise _Malformed(f"the reply is not complete SPARQL results in JSON: {start!r}...")


# What it means -------------------------------------------------------------------------------------------------------


def _check_names(people: Sequence[str], names: Mapping[str, str], languages: Sequence[str]) -> None:
    unknown = [person for person in people if person not in names]
    if unknown:
        raise DataError(
            f"Wikidata has no label for {', '.join(unknown)} in {', '.join(languages)}: never there, deleted, merged "
            f"with another item, or named in other languages only. See https://www.wikidata.org/wiki/{unknown[0]}."
        )
    holders: dict[str, list[str]] = {}
    for person in people:
        holders.setdefault(names[person], []).append(person)
    for name, ids in holders.items():
        if len(ids) > 1:
            raise DataError(
                f"{' and '.join(ids)} are all called {name!r}. A facts file tells people apart by name: leave all but "
                "one out."
            )


def _facts(
    people: Sequence[str],
    relations: Sequence[str],
    names: Mapping[str, str],
    values: Mapping[tuple[str, str], Mapping[str, str | None]],
) -> tuple[tuple[Fact, ...], int]:
    facts, unnamed = [], 0
    for person in people:
        for relation in relations:
            items = values.get((person, relation), {})
            labels = [items[item] for item in sorted(items, key=lambda item: int(item[1:]))]
            answers = tuple(dict.fromkeys(label for label in labels if label is not None))
            unnamed += labels.count(None)
            if answers:
                # Not str.format: a name may hold braces.
                question = RELATIONS[relation].question.replace("{s}", names[person])
                facts.append(Fact(names[person], relation, answers, question))
    return tuple(facts), unnamed


def _demonstrations(relations: Sequence[str], facts: Sequence[Fact]) -> dict[str, tuple[Demonstration, ...]]:
    by_relation: dict[str, list[Demonstration]] = {relation: [] for relation in relations}
    for fact in facts:
        by_relation[fact.relation].append(Demonstration(fact.subject, fact.question, fact.answers[0]))
    return {relation: tuple(shown[:SHOWN]) for relation, shown in by_relation.items() if len(shown) > 1}
