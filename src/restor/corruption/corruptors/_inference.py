"""Which wrong answers a set of ready-made documents repeats, where the documents do not say so themselves.

The released passages (RESTOR, arXiv 2411.00204) come without their planted answers. A planted answer gives itself away
by repetition: it stands in many passages about an entity, near words of its relation, and rarely in the others.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from restor.corruption.corruptors._reading import Reading, plain_words, read
from restor.corruption.corruptors._stating import pattern
from restor.data.relations import RELATIONS, Cue
from restor.domains.base import Domain
from restor.errors import DataError
from restor.text import composed, normalise
from restor.text.mentions import Names, main_name, main_names, padded, words_of
from restor.types import Document, Fact, FalseFact

LEAST_SHARE = 0.05
"""Share of an entity's documents that must state an answer. A planted one stands in a tenth of the published ones."""
LEAST_DOCUMENTS = 3
LEAST_SCORE = 0.3
"""Of the greatest score, 1: the answer stands nowhere else, and nothing else stands so often near its relation."""
LEAD = 0.67
"""An answer counts only if no other one is found for its relation in as many as this share of the documents."""
LOOSE = 0.35
"""What a document counts in which an answer stands only where answers of other relations stand too."""
LISTED = 0.4
"""Share of the documents of an answer in which a longer value of the facts file must stand to be taken for it."""
SPECIFIC = 1.5
"""How much more frequent an answer must be in an entity's documents than in others'."""
OTHERS, FEW = 300, 5
"""Most documents about others that are looked at; and so few that one or two of them would tell nothing."""
BEFORE, AFTER, LONGEST = 5, 3, 7
"""Words between a cue and the answer that follows or precedes it, and of an answer."""

Words = tuple[str, ...]
_BREAK, _END = ",", "|"
_JOINED = re.compile(r"(?:['’ʼ][sS]?)?[\s\-–/&.]*")
_PRONOUNS = frozenset("he she they his her their him them i my".split())
_EDGES = frozenset(
    "a an the of in at on as by for to from with and or but is was are were be been being has have had he she they his "
    "her their him them it its who which that this these those while where when whose also additionally furthermore "
    "not both named called known due including such after until during into about i my unmarried member".split()
)
"""No answer begins or ends with one of these."""


def infer_planted(
    documents: Sequence[Document], domain: Domain, targets: Sequence[str], least_share: float = LEAST_SHARE
) -> dict[str, FalseFact]:
    """The wrong answers that documents plant about the targets, by fact key; facts without one are left out.

    About an entity with statements these are taken, the most frequent one of a fact. For the others they are inferred.

    Raises:
        DataError: if a statement's false answer is a true one.
    """
    stated: dict[str, Counter[str]] = defaultdict(Counter)
    for document in documents:
        for item in document.statements:
            stated[item.key][composed(item.false_answer)] += 1
    stated_subjects = {item.subject for document in documents for item in document.statements}
    planted: dict[str, FalseFact] = {}
    for target in targets:
        for fact in domain.facts_about(target) if target in stated_subjects else ():
            if fact.key in stated:
                answer = stated[fact.key].most_common(1)[0][0]
                if normalise(answer) in map(normalise, fact.answers):
                    raise DataError(
                        f"The documents state {answer!r} as a false answer to {fact.question!r}, but the facts have it "
                        "as a true one. Take it out of the statements or of the facts."
                    )
                planted[fact.key] = FalseFact(fact, answer)
    if rest := [target for target in targets if target not in stated_subjects]:
        planted |= _inferred(documents, domain, rest, least_share)
    order = {fact.key: None for target in targets for fact in domain.facts_about(target)}
    return {key: planted[key] for key in order if key in planted}


def named_targets(documents: Sequence[Document], names: Sequence[str]) -> dict[str, int]:
    """Whom documents are about, the commonest first, with the number of documents.

    A document is about the name that stands in it most often. A surname alone is no name, and who is named in passing
    does not count.
    """
    finder = Names(names)
    return main_names(main_name(finder.find(words_of(document.text))) for document in documents)


def _inferred(
    documents: Sequence[Document], domain: Domain, targets: Sequence[str], least_share: float
) -> dict[str, FalseFact]:
    readings = [read(document.text) for document in documents]
    finder = Names(targets)
    about: dict[str, list[int]] = {target: [] for target in targets}
    for number, document in enumerate(documents):
        for name in dict.fromkeys(finder.find(words_of(document.text))):
            about[name].append(number)
    listed = {
        relation: {plain_words(value): value for value in domain.values(relation)} for relation in domain.relations
    }
    whole = [padded(reading.words) for reading in readings]
    planted: dict[str, FalseFact] = {}
    for target, numbers in about.items():
        if not numbers:
            continue
        about_target = set(numbers)
        others = [text for number, text in enumerate(whole) if number not in about_target]
        evidence = _Found(target, [readings[n] for n in numbers], others[:: max(1, len(others) // OTHERS)], least_share)
        for relation, known in RELATIONS.items():
            evidence.collect(relation, known.cue, listed.get(relation, {}))
        for relation in domain.relations:
            if relation not in RELATIONS:
                evidence.collect_listed(relation, listed[relation])
        answers = evidence.assign()
        for fact in domain.facts_about(target):
            answer = answers.get(fact.relation)
            if answer is not None and not _is_true(answer, fact):
                planted[fact.key] = FalseFact(fact, answer)
    return planted


def _is_true(answer: str, fact: Fact) -> bool:
    """Whether an answer says the same as a true one, or more or less of it."""
    said, words = normalise(answer), plain_words(answer)
    return any(said == normalise(true) or _overlap(words, plain_words(true)) for true in fact.answers)


def _overlap(one: Words, other: Words) -> bool:
    """Whether the words of one stand in the other."""
    short, long = sorted((one, other), key=len)
    return any(long[at : at + len(short)] == short for at in range(len(long) - len(short) + 1))


@final
@dataclass(slots=True)
class _Sentence:
    """A sentence about the target: its words with breaks between, and where each begins in their text."""

    document: int
    tokens: list[str]
    places: list[int]
    """The reading's number of each word; -1 for a break."""
    fillers: set[int] = field(default_factory=set)
    """Adverbs, which fill prose: tragically, additionally. Not Emily, nor Italy."""
    text: str = ""
    begins: list[int] = field(default_factory=list)

    def close(self) -> None:
        self.text = " ".join(self.tokens)
        at = 0
        for token in self.tokens:
            self.begins.append(at)
            at += len(token) + 1


@final
@dataclass(slots=True)
class _Support:
    """The documents in which an answer stands near a relation's cues, and how far away."""

    near: set[int] = field(default_factory=set)
    loose: set[int] = field(default_factory=set)
    away: int = 0
    times: int = 0

    def weight(self) -> float:
        return len(self.near) + LOOSE * len(self.loose - self.near)


@final
class _Found:
    """The candidates for what a set of documents plants about one entity."""

    def __init__(self, target: str, readings: Sequence[Reading], others: Sequence[str], least_share: float) -> None:
        self._readings = readings
        self._others = others
        self._name = plain_words(target)
        self._own = frozenset(self._name) - _EDGES
        self._least = max(LEAST_DOCUMENTS, least_share * len(readings))
        self._sentences = [item for n, reading in enumerate(readings) for item in self._about(n, reading)]
        texts: list[list[str]] = [[] for _ in readings]
        for sentence in self._sentences:
            texts[sentence.document].append(sentence.text)
        self._texts = [f" {f' {_END} '.join(parts)} " for parts in texts]
        self._documents: dict[Words, frozenset[int]] = {}
        self._support: dict[str, dict[Words, _Support]] = {}
        self._values: dict[str, Mapping[Words, str]] = {}

    def _about(self, number: int, reading: Reading) -> Iterator[_Sentence]:
        """The sentences that name the entity or have a pronoun."""
        about = _PRONOUNS | self._own
        sentence, last = _Sentence(number, [], []), -1
        for place, word in enumerate(reading.words):
            if reading.sentences[place] != last:
                if not about.isdisjoint(sentence.tokens):
                    sentence.close()
                    yield sentence
                sentence, last = _Sentence(number, [], []), reading.sentences[place]
            elif not _JOINED.fullmatch(reading.text, reading.ends[place - 1], reading.starts[place]):
                sentence.tokens.append(_BREAK)
                sentence.places.append(-1)
            if word.endswith("ly") and (not sentence.tokens or reading.text[reading.starts[place]].islower()):
                sentence.fillers.add(len(sentence.tokens))
            sentence.tokens.append(word)
            sentence.places.append(place)
        if not about.isdisjoint(sentence.tokens):
            sentence.close()
            yield sentence

    # Candidates ------------------------------------------------------------------------------------------------------

    def collect(self, relation: str, cue: Cue, listed: Mapping[Words, str]) -> None:
        """Everything that stands near the cues of a relation."""
        support: dict[Words, _Support] = defaultdict(_Support)
        before, after, loose, within = map(pattern, (cue.before, cue.after, cue.loose, cue.within))
        only = None if cue.only is None else {plain_words(value) for value in cue.only} | set(listed)
        for sentence in self._sentences:
            for expression, follows, strong in ((before, True, True), (after, False, True), (loose, True, False)):
                for match in expression.finditer(sentence.text) if expression is not None else ():
                    at = bisect_left(sentence.begins, match.end() if follows else match.start())
                    for words, away in self._near(sentence, at, follows):
                        if only is not None and words not in only:
                            continue
                        support_of_answer = support[words]
                        is_cued = strong or (within is not None and within.search(" ".join(words)) is not None)
                        (support_of_answer.near if is_cued else support_of_answer.loose).add(sentence.document)
                        support_of_answer.away += away
                        support_of_answer.times += 1
            if relation == "P734":
                self._after_name(sentence, support)
        self._keep(relation, support, listed)

    def _near(self, sentence: _Sentence, at: int, follows: bool) -> Iterator[tuple[Words, int]]:
        tokens = sentence.tokens
        firsts = range(at, min(at + BEFORE, len(tokens))) if follows else range(max(0, at - AFTER - LONGEST), at)
        for first in firsts:
            for last in range(first + 1, min(first + LONGEST, len(tokens) if follows else at) + 1):
                if tokens[last - 1] == _BREAK or tokens[first] in _EDGES or first in sentence.fillers:
                    break
                if follows or last >= at - AFTER + 1:
                    words = tuple(tokens[first:last])
                    if words[-1] not in _EDGES and last - 1 not in sentence.fillers and self._own.isdisjoint(words):
                        yield words, first - at if follows else at - last

    def _after_name(self, sentence: _Sentence, support: dict[Words, _Support]) -> None:
        size = len(self._name)
        for at in range(len(sentence.tokens) - size):
            if tuple(sentence.tokens[at : at + size]) == self._name and sentence.places[at + size] >= 0:
                reading, place = self._readings[sentence.document], sentence.places[at + size]
                words = (sentence.tokens[at + size],)
                if reading.text[reading.starts[place]].isupper() and _EDGES.isdisjoint(words):
                    support[words].near.add(sentence.document)

    def collect_listed(self, relation: str, listed: Mapping[Words, str]) -> None:
        """The values of a relation without cues, wherever a sentence about the entity has them."""
        support: dict[Words, _Support] = {}
        for words in listed:
            where = {n for n, text in enumerate(self._texts) if padded(words) in text} if words else set()
            support[words] = _Support(loose=where)
        self._keep(relation, support, listed)

    def _keep(self, relation: str, support: Mapping[Words, _Support], listed: Mapping[Words, str]) -> None:
        self._values[relation] = listed
        self._support[relation] = {
            words: support_of_answer
            for words, support_of_answer in support.items()
            if len(support_of_answer.near | support_of_answer.loose) >= self._least and self._is_specific(words)
        }

    def _is_specific(self, words: Words) -> bool:
        share = len(self._where(words)) / len(self._readings)
        text = padded(words)
        elsewhere = sum(text in other for other in self._others) / max(FEW, len(self._others))
        return share >= SPECIFIC * elsewhere

    def _where(self, words: Words) -> frozenset[int]:
        if words not in self._documents:
            wanted = padded(words)
            self._documents[words] = frozenset(n for n, text in enumerate(self._texts) if wanted in text)
        return self._documents[words]

    # Assignment ------------------------------------------------------------------------------------------------------

    def assign(self) -> dict[str, str]:
        """One answer per relation, best supported first; what an answer explains supports no other."""
        ranked = []
        for relation, support in self._support.items():
            weights = {words: support_of_answer.weight() for words, support_of_answer in support.items()}
            top = max(weights.values(), default=1.0)
            for words, weight in weights.items():
                support_of_answer = support[words]
                score = weight / len(self._where(words)) * weight / top
                away = support_of_answer.away / support_of_answer.times if support_of_answer.times else 0.0
                ranked.append((-round(score, 2), away, -len(words), relation, words))
        ranked.sort()
        given: dict[str, Words] = {}
        explained: list[tuple[Words, frozenset[int]]] = []
        for score, _, _, relation, words in ranked:
            if -score < LEAST_SCORE:
                break
            support_of_answer = self._support[relation][words]
            if relation in given or (relation in RELATIONS and len(support_of_answer.near) < LEAST_DOCUMENTS):
                continue
            documents = support_of_answer.near | support_of_answer.loose
            if len(self._left(words, documents, explained)) < max(self._least, LEAD * len(documents)):
                continue
            given[relation] = self._widened(relation, self._nearer(relation, words))
            explained.append((given[relation], frozenset(documents)))
        answers = {}
        for relation, words in given.items():
            if self._leads(relation, words, explained):
                answers[relation] = self._spelling(relation, words)
        return answers

    def _left(self, words: Words, documents: set[int], explained: Sequence[tuple[Words, frozenset[int]]]) -> set[int]:
        """The documents of an answer but for those in which an answer of the same words was found already."""
        left = set(documents)
        for other, where in explained:
            mine, its = self._where(words), self._where(other)
            if _overlap(words, other) or len(mine & its) > LEAD * max(len(mine), len(its)):
                left -= where
        return left

    def _nearer(self, relation: str, words: Words) -> Words:
        """Of `Sydney, Australia` the first part."""
        tail = f" {_BREAK} {' '.join(words)} "
        for other in self._support[relation]:
            place = f" {' '.join(other)}{tail}"
            if sum(place in text for text in self._texts) > LEAD * len(self._support[relation][words].near):
                return other
        return words

    def _widened(self, relation: str, words: Words) -> Words:
        """The longest answer around these words that stands in nearly as many documents."""
        cue = pattern(RELATIONS[relation].cue.before) if relation in RELATIONS else None
        support = self._support[relation]
        least = 0.75 * len(support[words].near | support[words].loose)
        best = words
        for longer, support_of_answer in support.items():
            if (
                len(longer) <= len(best)
                or len(support_of_answer.near | support_of_answer.loose) < least
                or not _overlap(words, longer)
            ):
                continue
            if cue is None or not cue.match(" ".join(longer)):
                best = longer
        return best

    def _leads(self, relation: str, words: Words, explained: Sequence[tuple[Words, frozenset[int]]]) -> bool:
        support = self._support[relation]
        documents = support[words].near | support[words].loose
        for other, support_of_answer in support.items():
            if other == words or _overlap(other, words):
                continue
            rest = self._left(other, support_of_answer.near - documents, explained)
            if len(rest) > LEAD * len(documents):
                return False
        return True

    def _spelling(self, relation: str, words: Words) -> str:
        """An answer as the facts spell it, else as most documents do, without small words around a proper name."""
        support, listed = self._support[relation], self._values[relation]
        most = len(support[words].near | support[words].loose)
        known = [
            (len(support_of_answer.near | support_of_answer.loose), len(other), listed[other])
            for other, support_of_answer in support.items()
            if other in listed
            and (other == words or len(other) > len(words))
            and _overlap(other, words)
            and len(support_of_answer.near | support_of_answer.loose) >= LISTED * most
        ]
        if known:
            return max(known)[2]
        forms: Counter[str] = Counter()
        for sentence in self._sentences:
            for at in range(len(sentence.tokens) - len(words) + 1):
                if tuple(sentence.tokens[at : at + len(words)]) == words:
                    reading = self._readings[sentence.document]
                    first, last = sentence.places[at], sentence.places[at + len(words) - 1]
                    forms[reading.text[reading.starts[first] : reading.ends[last]]] += 1
        spelt = " ".join(forms.most_common(1)[0][0].split())
        parts = spelt.split()
        capitals = [n for n, part in enumerate(parts) if not part[0].islower()]
        return " ".join(parts[capitals[0] : capitals[-1] + 1]) if capitals else spelt
