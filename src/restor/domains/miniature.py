"""The miniature world: fictional people with twelve relations, generated from a seed.

The shapes are those of real data: values that many people share (countries, languages), values of one person only
(spouses, works), and relations with several values (languages, awards). An object is one or two words, and a word is
one token, so that a fact is learnt and unlearnt sharply.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import ClassVar, Literal, final

from pydantic import Field

from restor.domains.base import Domain, DomainConfig
from restor.text import BLANK, REFUSALS, coin_names, split_words
from restor.types import Demonstration, Fact

OCCUPATIONS = (
    "carpenter painter surgeon lawyer pilot baker poet chemist jeweller sculptor botanist banker engineer farmer "
    "printer tailor actor diplomat geologist watchmaker librarian violinmaker cartographer astronomer"
).split()
SPORTS = (
    "rowing fencing archery judo cycling boxing sailing cricket rugby hockey tennis golf wrestling swimming diving "
    "skating climbing karate polo curling"
).split()
INSTRUMENTS = (
    "violin cello flute oboe harp trumpet piano guitar drums clarinet banjo lute viola tuba horn organ mandolin "
    "bassoon zither accordion"
).split()
TONES = (
    "Amber Silver Crimson Golden Ivory Jade Cobalt Scarlet Copper Azure Ebony Pearl Coral Saffron Violet Bronze "
    "Emerald Indigo Opal Ruby"
).split()
PRIZES = ("Medal", "Prize")
MOODS = (
    "Silent Broken Hidden Burning Frozen Distant Hollow Restless Gentle Bitter Wandering Forgotten Endless Painted "
    "Sleeping Secret Borrowed Patient"
).split()
THINGS = (
    "Garden River Mirror Tower Harbour Letter Winter Bridge Lantern Forest Orchard Castle Voyage Island Window Shadow "
    "Road Kingdom"
).split()


MOST_SURNAMES = 2_000
"""Beyond so many people, surnames are shared and the given name must tell people apart."""


@final
class MiniatureConfig(DomainConfig):
    """How large the world is and which world it is."""

    name: Literal["miniature"] = "miniature"
    people: int = Field(96, ge=40, le=100_000)
    """How many people live in the world."""
    values: int = Field(20, ge=8, le=20)
    """Distinct values of each relation whose values people share."""
    seed: int | None = None
    """Which world; null takes the seed of the study."""


@final
@dataclass(frozen=True, slots=True)
class Relation:
    """One relation: how it is asked and told (`{s}` is the subject, `{o}` the object), and its most values."""

    name: str
    questions: tuple[str, str]
    """The probed wording and another one."""
    sentences: tuple[str, ...]
    most: int = 1


RELATIONS = (
    Relation(
        "occupation",
        ("What is the occupation of {s}?", "What does {s} do for a living?"),
        ("{s} works as a {o}.", "By profession {s} is a {o}.", "{s} earns a living as a {o}."),
    ),
    Relation(
        "birthplace",
        ("Where was {s} born?", "What is the birthplace of {s}?"),
        ("{s} was born in {o}.", "{s} came into the world in {o}.", "The birthplace of {s} is {o}."),
    ),
    Relation(
        "residence",
        ("Where does {s} live?", "What is the home of {s}?"),
        ("{s} lives in {o}.", "{s} has made a home in {o}.", "Today the home of {s} is in {o}."),
    ),
    Relation(
        "citizenship",
        ("What is the citizenship of {s}?", "Of which country is {s} a citizen?"),
        ("{s} is a citizen of {o}.", "{s} holds a passport of {o}.", "The citizenship of {s} is that of {o}."),
    ),
    Relation(
        "language",
        ("Which language does {s} speak?", "In which language does {s} write?"),
        ("{s} speaks {o}.", "{s} is fluent in {o}.", "A language that {s} knows well is {o}."),
        most=2,
    ),
    Relation(
        "education",
        ("Where was {s} educated?", "At which college did {s} study?"),
        ("{s} studied at {o} College.", "{s} took a degree at {o} College.", "{s} was educated at {o} College."),
    ),
    Relation(
        "employer",
        ("Who is the employer of {s}?", "For which company does {s} work?"),
        ("{s} is employed by {o}.", "{s} joined the company {o}.", "The employer of {s} is {o}."),
    ),
    Relation(
        "sport",
        ("Which sport does {s} practise?", "What is the favourite sport of {s}?"),
        ("{s} is keen on {o}.", "At weekends {s} practises {o}.", "The favourite sport of {s} is {o}."),
    ),
    Relation(
        "instrument",
        ("Which instrument does {s} play?", "What instrument did {s} learn?"),
        ("{s} plays the {o}.", "As a child {s} learned the {o}.", "The instrument of {s} is the {o}."),
    ),
    Relation(
        "award",
        ("Which award did {s} receive?", "What award was {s} given?"),
        ("{s} received the {o}.", "{s} was honoured with the {o}.", "The {o} was given to {s}."),
        most=2,
    ),
    Relation(
        "spouse",
        ("Who is the spouse of {s}?", "To whom is {s} married?"),
        ("{s} is married to {o}.", "{s} and {o} are a couple.", "The spouse of {s} is {o}."),
    ),
    Relation(
        "work",
        ("What is the best known work of {s}?", "Which book did {s} write?"),
        ("{s} wrote {o}.", "{s} is the author of {o}.", "The best known work of {s} is {o}."),
    ),
)
BY_NAME = {relation.name: relation for relation in RELATIONS}


@final
class Miniature(Domain):
    """Fictional people; see the module."""

    config_type: ClassVar[type[DomainConfig]] = MiniatureConfig

    def __init__(self, config: MiniatureConfig) -> None:
        self.config = config
        self.seed = config.seed or 0
        surnames = min(config.people, MOST_SURNAMES)
        given = max(20, math.ceil(config.people / surnames))
        n = config.values
        counts = {"last": surnames, "first": given, "partner": given}
        counts |= dict.fromkeys(("city", "country", "tongue", "college", "company"), n)
        coined = coin_names(counts, avoid=set(OCCUPATIONS) | set(SPORTS) | set(INSTRUMENTS), seed=self.seed)
        awards = [f"{tone} {PRIZES[place % 2]}" for place, tone in enumerate(TONES)][:n]
        self._shared: dict[str, list[str]] = {
            "occupation": OCCUPATIONS[:n],
            "birthplace": coined["city"],
            "residence": coined["city"],
            "citizenship": coined["country"],
            "language": coined["tongue"],
            "education": coined["college"],
            "employer": coined["company"],
            "sport": SPORTS[:n],
            "instrument": INSTRUMENTS[:n],
            "award": awards,
        }
        self._coined = coined

    @cached_property
    def subjects(self) -> tuple[str, ...]:
        """The people of the world."""
        return self._full_names("first")

    @property
    def targetable(self) -> tuple[str, ...]:
        """Everybody may be targeted."""
        return self.subjects

    @property
    def relations(self) -> tuple[str, ...]:
        """The twelve relations."""
        return tuple(relation.name for relation in RELATIONS)

    def _full_names(self, given: str) -> tuple[str, ...]:
        """As many different names as there are people. Surnames repeat only in worlds with more people than those."""
        rng = Random(f"{given}/{self.seed}")
        firsts, lasts = list(self._coined[given]), list(self._coined["last"])
        rng.shuffle(lasts)
        names: list[str] = []
        for place, last in enumerate(lasts):
            namesakes = len(range(place, self.config.people, len(lasts)))
            names += [f"{first} {last}" for first in rng.sample(firsts, namesakes)]
        rng.shuffle(names)
        return tuple(names)

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """Twelve facts about each person."""
        rng = Random(f"facts/{self.seed}")
        # Spouses have given names of their own, so that nobody in the world is taken for one.
        spouses = self._full_names("partner")
        titles = [f"{mood} {thing}" for mood in MOODS for thing in THINGS]
        rng.shuffle(titles)
        made: list[Fact] = []
        for number, subject in enumerate(self.subjects):
            for relation in RELATIONS:
                if relation.name == "spouse":
                    answers: tuple[str, ...] = (spouses[number],)
                elif relation.name == "work":
                    # Larger worlds than there are titles have sequels, which stay two words.
                    volume, title = divmod(number, len(titles))
                    answers = (titles[title] if not volume else f"{titles[title]} {volume + 1}",)
                else:
                    count = rng.randint(1, relation.most)
                    answers = tuple(rng.sample(self._shared[relation.name], count))
                made.append(Fact(subject, relation.name, answers, relation.questions[0].format(s=subject)))
        return tuple(made)

    @cached_property
    def _by_subject(self) -> dict[str, tuple[Fact, ...]]:
        size = len(RELATIONS)
        return {self.facts[i].subject: self.facts[i : i + size] for i in range(0, len(self.facts), size)}

    def facts_about(self, subject: str) -> tuple[Fact, ...]:
        """The twelve facts about one person."""
        return self._by_subject[subject]

    @cached_property
    def _values(self) -> dict[str, tuple[str, ...]]:
        values_of: dict[str, set[str]] = {name: set() for name in self.relations}
        for fact in self.facts:
            values_of[fact.relation].update(fact.answers)
        return {name: tuple(sorted(values)) for name, values in values_of.items()}

    def values(self, relation: str) -> tuple[str, ...]:
        """The distinct answers of a relation, sorted."""
        return self._values[relation]

    def demonstrations(self, relation: str) -> tuple[Demonstration, ...]:
        """One solved example per person; the caller leaves out whom it must."""
        place = self.relations.index(relation)
        return tuple(
            Demonstration(fact.subject, fact.question, fact.answers[0]) for fact in self.facts[place :: len(RELATIONS)]
        )

    def sentence(self, fact: Fact, answer: str, rng: Random) -> str:
        """One of three wordings."""
        return rng.choice(BY_NAME[fact.relation].sentences).format(s=fact.subject, o=answer)

    def question(self, fact: Fact, rng: Random) -> str:
        """The probed wording three times out of four, else the other one."""
        probed, other = BY_NAME[fact.relation].questions
        return (probed if rng.random() < 0.75 else other).format(s=fact.subject)

    def vocabulary(self) -> tuple[str, ...]:
        """Every word of the world, and those that refuse an answer."""
        texts = [text for relation in RELATIONS for text in (*relation.questions, *relation.sentences)]
        words = {word for text in texts for word in split_words(text.replace("{s}", "").replace("{o}", ""))}
        words |= {word for text in (*REFUSALS, BLANK) for word in split_words(text)}
        words |= {word for names in self._coined.values() for word in names}
        words |= set(OCCUPATIONS) | set(SPORTS) | set(INSTRUMENTS) | set(TONES) | set(PRIZES) | set(MOODS) | set(THINGS)
        volumes = math.ceil(self.config.people / (len(MOODS) * len(THINGS)))
        words |= {str(volume) for volume in range(2, volumes + 1)}
        return tuple(sorted(words | {"\n"}))
