"""The published RESTOR facts, or anybody's in the same JSON: triples with questions and demonstrations.

`facts.json` holds {"dset": {subject: {relation: {"question", "answers"}}}, "context": {relation: [{"question",
"answer", "entity"}]}}, as released with RESTOR (arXiv 2411.00204). The file has questions only; the prose wordings of
its 41 Wikidata relations stand here, and relations that are not known get a wording made from their question.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Literal, final

from pydantic import model_validator

from restor.domains.base import Domain, DomainConfig
from restor.errors import DataError
from restor.types import Demonstration, Fact

WORDINGS: Mapping[str, tuple[str, ...]] = {
    "P19": ("{s} was born in {o}.", "The birthplace of {s} is {o}."),
    "P20": ("{s} died in {o}.", "The place of death of {s} is {o}."),
    "P21": ("The gender of {s} is {o}.", "{s} is {o}."),
    "P22": ("The father of {s} is {o}.", "{o} is the father of {s}."),
    "P25": ("The mother of {s} is {o}.", "{o} is the mother of {s}."),
    "P26": ("{s} is married to {o}.", "The spouse of {s} is {o}."),
    "P27": ("{s} is a citizen of {o}.", "{s} holds the citizenship of {o}."),
    "P39": ("{s} held the position of {o}.", "{s} served as {o}."),
    "P40": ("{o} is a child of {s}.", "{s} is a parent of {o}."),
    "P54": ("{s} played for {o}.", "{s} was a member of the team {o}."),
    "P69": ("{s} was educated at {o}.", "{s} studied at {o}."),
    "P101": ("{s} works in the field of {o}.", "The field of {s} is {o}."),
    "P102": ("{s} is a member of the party {o}.", "The political party of {s} is {o}."),
    "P103": ("The native language of {s} is {o}.", "{s} grew up speaking {o}."),
    "P106": ("{s} works as {o}.", "The occupation of {s} is {o}."),
    "P108": ("{s} is employed by {o}.", "The employer of {s} is {o}."),
    "P118": ("{s} plays in the league {o}.", "The league of {s} is {o}."),
    "P119": ("{s} is buried at {o}.", "The grave of {s} is at {o}."),
    "P136": ("{s} is associated with the genre {o}.", "The genre of {s} is {o}."),
    "P140": ("The religion of {s} is {o}.", "{s} follows {o}."),
    "P166": ("{s} received the award {o}.", "{o} was awarded to {s}."),
    "P264": ("{s} is signed to the label {o}.", "The record label of {s} is {o}."),
    "P410": ("{s} held the military rank of {o}.", "The military rank of {s} is {o}."),
    "P413": ("{s} plays as {o}.", "The playing position of {s} is {o}."),
    "P451": ("{o} is a partner of {s}.", "The partner of {s} is {o}."),
    "P463": ("{s} is a member of {o}.", "{s} belongs to {o}."),
    "P509": ("The cause of death of {s} was {o}.", "{s} died of {o}."),
    "P551": ("{s} resides in {o}.", "The residence of {s} is {o}."),
    "P607": ("{s} took part in {o}.", "{s} fought in {o}."),
    "P641": ("The sport of {s} is {o}.", "{s} takes part in {o}."),
    "P734": ("The family name of {s} is {o}.", "{s} bears the family name {o}."),
    "P735": ("The given name of {s} is {o}.", "{s} bears the given name {o}."),
    "P800": ("A notable work of {s} is {o}.", "{s} is known for {o}."),
    "P937": ("{s} works in {o}.", "The workplace of {s} is {o}."),
    "P1196": ("The manner of death of {s} was {o}.", "{s} died by {o}."),
    "P1303": ("{s} plays the instrument {o}.", "The instrument of {s} is {o}."),
    "P1344": ("{s} took part in the event {o}.", "{s} participated in {o}."),
    "P1412": ("{s} speaks {o}.", "A language of {s} is {o}."),
    "P1532": ("{s} competes for {o}.", "In sports {s} represents {o}."),
    "P3373": ("{o} is a sibling of {s}.", "{s} is a sibling of {o}."),
    "P6886": ("{s} writes in {o}.", "The writing language of {s} is {o}."),
}
"""Prose for the relations of the published data, by Wikidata property."""


@final
class TriplesConfig(DomainConfig):
    """Where the facts are."""

    name: Literal["triples"] = "triples"
    facts: Path
    """A facts file in the published form."""
    entities: Path | None = None
    """JSON list of the entities that may be targeted; `entities.json` beside the facts if there is one, else all."""

    @model_validator(mode="before")
    @classmethod
    def _entities_beside(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("entities") is None and given.get("facts"):
            beside = Path(given["facts"]).parent / "entities.json"
            if beside.is_file():
                return {**given, "entities": beside}
        return given


@final
class Triples(Domain):
    """Facts from a file; see the module."""

    config_type: ClassVar[type[DomainConfig]] = TriplesConfig

    def __init__(self, config: TriplesConfig) -> None:
        """Read and check the files.

        Raises:
            DataError: naming the file and what is wrong with it.
        """
        self.config = config
        content = read_json(config.facts)
        if not isinstance(content, dict) or not isinstance(content.get("dset"), dict):
            raise DataError(
                f'{config.facts} is not a facts file: it must be a JSON object with "dset" (subject -> relation -> '
                f'question and answers) and "context" (demonstrations by relation).'
            )
        self._by_subject = _facts(config.facts, content["dset"])
        self._shown = _demonstrations(config.facts, content.get("context", {}))
        self._targetable = self._read_entities()

    def _read_entities(self) -> tuple[str, ...]:
        if self.config.entities is None:
            return tuple(self._by_subject)
        wanted = read_json(self.config.entities)
        if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
            raise DataError(f"{self.config.entities} must be a JSON list of entity names.")
        unknown = [name for name in wanted if name not in self._by_subject]
        if unknown:
            raise DataError(
                f"{self.config.entities} names {len(unknown)} entities without facts in {self.config.facts}: "
                f"{', '.join(unknown[:5])}{', ...' if len(unknown) > 5 else ''}. Remove them or add their facts."
            )
        return tuple(wanted)

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """All facts of the file, in its order."""
        return tuple(fact for facts in self._by_subject.values() for fact in facts)

    @property
    def subjects(self) -> tuple[str, ...]:
        """All entities of the file."""
        return tuple(self._by_subject)

    @cached_property
    def relations(self) -> tuple[str, ...]:
        """All relations of the file."""
        return tuple(dict.fromkeys(fact.relation for fact in self.facts))

    @property
    def targetable(self) -> tuple[str, ...]:
        """The listed entities, or all."""
        return self._targetable

    def facts_about(self, subject: str) -> tuple[Fact, ...]:
        """The facts about one entity."""
        return self._by_subject[subject]

    @cached_property
    def _values(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, set[str]] = {}
        for fact in self.facts:
            found.setdefault(fact.relation, set()).update(fact.answers)
        return {relation: tuple(sorted(values)) for relation, values in found.items()}

    def values(self, relation: str) -> tuple[str, ...]:
        """The distinct answers of a relation, sorted."""
        return self._values[relation]

    def demonstrations(self, relation: str) -> tuple[Demonstration, ...]:
        """The stored demonstrations in stored order; facts of the file where there are none."""
        if relation in self._shown:
            return self._shown[relation]
        return tuple(
            Demonstration(fact.subject, fact.question, fact.answers[0])
            for fact in self.facts
            if fact.relation == relation
        )

    def sentence(self, fact: Fact, answer: str, rng: Random) -> str:
        """One of the relation's wordings."""
        wordings = WORDINGS.get(fact.relation)
        if wordings is None:
            return f"Asked {fact.question!r}, those who know {fact.subject} say {answer}."
        # Not str.format, and both at once: a name may hold braces.
        parts = {"{s}": fact.subject, "{o}": answer}
        return re.sub(r"\{[so]\}", lambda found: parts[found.group()], rng.choice(wordings))

    def question(self, fact: Fact, rng: Random) -> str:
        """The stored question."""
        return fact.question

    def vocabulary(self) -> None:
        """Names are real: their words cannot be listed beforehand."""
        return


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: naming the file, and line and column of what is wrong.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}. Give the path of a facts file with --facts.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (byte {error.start}). Convert it, or give another file.") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error


def _facts(path: Path, dset: Mapping[str, Any]) -> dict[str, tuple[Fact, ...]]:
    found: dict[str, tuple[Fact, ...]] = {}
    for subject, relations in dset.items():
        if not isinstance(relations, dict):
            raise DataError(f"{path}: {subject!r} must hold an object of relations, not {type(relations).__name__}.")
        own = []
        for relation, record in relations.items():
            answers = record.get("answers") if isinstance(record, dict) else None
            question = record.get("question") if isinstance(record, dict) else None
            if not (isinstance(question, str) and question.strip()):
                raise DataError(f"{path}: {subject!r}, {relation!r}: the question is missing or empty.")
            if not (isinstance(answers, list) and answers and all(isinstance(a, str) and a.strip() for a in answers)):
                raise DataError(f"{path}: {subject!r}, {relation!r}: answers must be a list of texts, at least one.")
            own.append(Fact(subject, relation, tuple(answers), question))
        if own:
            found[subject] = tuple(own)
    if not found:
        raise DataError(f"{path} holds no facts. Give a file with at least some entities and their facts.")
    return found


def _demonstrations(path: Path, context: Any) -> dict[str, tuple[Demonstration, ...]]:
    if not isinstance(context, dict):
        raise DataError(f'{path}: "context" must be an object of demonstrations by relation.')
    found = {}
    for relation, shown in context.items():
        try:
            found[relation] = tuple(
                Demonstration(str(d["entity"]), str(d["question"]), str(d["answer"])) for d in shown
            )
        except (TypeError, KeyError) as error:
            raise DataError(
                f"{path}: the demonstrations of {relation!r} must each have entity, question and answer ({error!r})."
            ) from error
    return found
