"""What retain or recovery text shares with a forget set: targeted entities, facts about them, near-duplicate passages.

A retain set must not tell the corrupted knowledge, nor the truth that a method is to restore.

Near-duplicates are found by their shingles, runs of `GRAM` words (Broder 1997, "On the resemblance and containment of
documents"): two passages are near-duplicates if the shingles that they share are at least `THRESHOLD` of those of the
shorter one. The index is exact but for equal 64-bit hashes. Passages of fewer words count as duplicates if they have
the same words.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from restor.data.facts import FactsFile
from restor.data.oddities import many
from restor.text.mentions import Names, main_name, main_names, padded, words_of
from restor.types import Document

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]

GRAM = 8
"""Words of a shingle."""
THRESHOLD = 0.5
"""Share of the shorter passage's shingles from which two passages are near-duplicates."""
BATCH = 2_000
"""Passages that are hashed at once."""


@final
@dataclass(frozen=True, slots=True)
class Named:
    """A targeted entity that stands in retain text: in which passages, numbered from 1."""

    entity: str
    passages: tuple[int, ...]


@final
@dataclass(frozen=True, slots=True)
class Told:
    """A retain passage that names a target and an answer to a question about it, true or planted."""

    passage: int
    subject: str
    relation: str
    answer: str
    planted: bool


@final
@dataclass(frozen=True, slots=True)
class Duplicate:
    """A retain passage and the forget passage that it is nearest to, numbered from 1, and the share of shingles."""

    passage: int
    forget: int
    share: float


@final
@dataclass(frozen=True, slots=True)
class Overlap:
    """What retain text shares with a forget set."""

    forget: int
    retain: int
    """How many passages there are."""
    targets: tuple[str, ...]
    """Whom the forget set is about; empty where that is not known."""
    named: tuple[Named, ...]
    told: tuple[Told, ...]
    duplicates: tuple[Duplicate, ...]

    def __bool__(self) -> bool:
        """Whether anything overlaps."""
        return bool(self.named or self.told or self.duplicates)

    def summary(self) -> str:
        """The finding in one line."""
        if not self:
            return "nothing overlaps" if self.targets else "no near-duplicates; the targets are not known"
        places = len({number for item in self.named for number in item.passages})
        passages = {item.passage for item in self.told}
        counts = (
            self.named
            and f"{many(len(self.named), 'targeted entity', 'targeted entities')} in {many(places, 'passage')}",
            self.told and f"an answer about one of them in {many(len(passages), 'passage')}",
            self.duplicates and many(len(self.duplicates), "near-duplicate passage"),
        )
        return f"{', '.join(part for part in counts if part)}, of {many(self.retain, 'passage')}"

    def describe(self, forget: str = "the forget set", retain: str = "the retain text", most: int = 5) -> list[str]:
        """The finding in lines of text, with `most` examples of each sort."""
        known = many(len(self.targets), "entity", "entities") if self.targets else "entities that are not known"
        lines = [
            f"Forget: {forget}, {many(self.forget, 'passage')} about {known}. Retain: {retain}, "
            f"{many(self.retain, 'passage')}."
        ]
        if not self.targets:
            lines.append(
                "Only near-duplicates were looked for, since it is not known whom the forget documents are about: they "
                "do not say what they state, and no facts about an entity that they name were given (--facts)."
            )
        if not self:
            looked = (
                "no targeted entity, no fact about one and no near-duplicate" if self.targets else "no near-duplicate"
            )
            return [*lines, f"Nothing overlaps: the retain text has {looked} of a forget passage."]
        if self.named:
            places = len({number for item in self.named for number in item.passages})
            lines.append(
                f"{many(len(self.named), 'targeted entity', 'targeted entities')} in {many(places, 'passage')}:"
            )
            order = sorted(self.named, key=lambda item: (-len(item.passages), item.entity))
            lines += [
                f"  {item.entity}: {many(len(item.passages), 'passage')} ({_some(item.passages)})"
                for item in order[:most]
            ]
            lines += _more(len(order), most)
        if self.told:
            kinds = Counter((item.subject, item.relation) for item in self.told)
            places = len({item.passage for item in self.told})
            lines.append(
                f"{many(len(kinds), 'fact')} about them, the entity and an answer in one passage, in "
                f"{many(places, 'passage')}:"
            )
            lines += [
                f"  passage {item.passage}: {item.subject}, {item.relation}: {item.answer} "
                f"({'planted' if item.planted else 'true'})"
                for item in self.told[:most]
            ]
            lines += _more(len(self.told), most)
        if self.duplicates:
            lines.append(
                f"{many(len(self.duplicates), 'near-duplicate passage')}, which share at least {THRESHOLD:.0%} of the "
                f"runs of {GRAM} words of the shorter one:"
            )
            nearest = sorted(self.duplicates, key=lambda item: (-item.share, item.passage))
            lines += [
                f"  passage {item.passage}: {item.share:.0%} with forget passage {item.forget}"
                for item in nearest[:most]
            ]
            lines += _more(len(nearest), most)
        return lines


def _some(numbers: Sequence[int], most: int = 3) -> str:
    return ", ".join(f"{number}" for number in numbers[:most]) + (", ..." if len(numbers) > most else "")


def _more(number: int, most: int) -> list[str]:
    return [f"  ... and {number - most:,} more"] if number > most else []


def to_json(result: Overlap, forget: Path, retain: Path) -> dict[str, Any]:
    """A finding about two files as JSON values."""
    return {
        "forget": {"path": str(forget), "passages": result.forget},
        "retain": {"path": str(retain), "passages": result.retain},
        "overlaps": bool(result),
        "targets": list(result.targets),
        "named": [asdict(item) for item in result.named],
        "told": [asdict(item) for item in result.told],
        "duplicates": [asdict(item) for item in result.duplicates],
        "duplicate": {"words": GRAM, "share": THRESHOLD},
    }


def overlap(forget: Sequence[Document], retain: Sequence[str], facts: FactsFile | None = None) -> Overlap:
    """Compare retain text with forget documents.

    The targets are the subjects of the statements. Documents without statements are about the entities of `facts` that
    most of them name most often.

    Args:
        forget: the forget documents.
        retain: retain or recovery texts.
        facts: what is true; without it only planted answers are looked for.
    """
    forget_words = [words_of(document.text) for document in forget]
    targets = _targets(forget, forget_words, facts)
    shingles = _Shingles(forget_words)
    finder, answers = Names(targets), _answers(targets, forget, facts)
    named: defaultdict[str, list[int]] = defaultdict(list)
    statements: list[Told] = []
    duplicates: list[Duplicate] = []
    for start in range(0, len(retain), BATCH):
        batch = [words_of(text) for text in retain[start : start + BATCH]]
        for number, words in enumerate(batch, start + 1):
            entities = dict.fromkeys(finder.find(words))
            for entity in entities:
                named[entity].append(number)
            if entities:
                text = padded(words)
                statements += [
                    Told(number, entity, relation, answer, planted)
                    for entity in entities
                    for spelt, relation, answer, planted in answers[entity]
                    if spelt in text
                ]
        duplicates += [
            Duplicate(start + place + 1, nearest + 1, share) for place, nearest, share in shingles.near(batch)
        ]
    return Overlap(
        len(forget),
        len(retain),
        targets,
        tuple(Named(entity, tuple(named[entity])) for entity in targets if entity in named),
        tuple(statements),
        tuple(duplicates),
    )


def _targets(forget: Sequence[Document], words: Sequence[Sequence[str]], facts: FactsFile | None) -> tuple[str, ...]:
    stated = dict.fromkeys(item.subject for document in forget for item in document.statements)
    if stated or facts is None:
        return tuple(stated)
    finder = Names(dict.fromkeys(fact.subject for fact in facts.facts))
    return tuple(main_names(main_name(finder.find(passage)) for passage in words))


def _answers(
    targets: Iterable[str], forget: Sequence[Document], facts: FactsFile | None
) -> dict[str, list[tuple[str, str, str, bool]]]:
    """By entity: padded words, relation, answer and whether it is planted.

    An answer that is part of the entity's own name, such as a family name, tells nothing where the name stands.
    """
    answers: dict[str, dict[tuple[str, str], tuple[str, str, str, bool]]] = {name: {} for name in targets}
    known = [
        (fact.subject, fact.relation, answer, False)
        for fact in (facts.facts if facts is not None else ())
        for answer in fact.answers
    ]
    known += [
        (item.subject, item.relation, item.false_answer, True) for document in forget for item in document.statements
    ]
    for subject, relation, answer, planted in known:
        spelt = padded(words_of(answer))
        if subject in answers and spelt.strip() and spelt not in padded(words_of(subject)):
            answers[subject].setdefault((relation, spelt), (spelt, relation, answer, planted))
    return {name: list(values.values()) for name, values in answers.items()}


# Near-duplicates -----------------------------------------------------------------------------------------------------


@final
class _Shingles:
    """An index of the shingles of forget passages."""

    def __init__(self, passages: Sequence[Sequence[str]]) -> None:
        import numpy as np

        self._ids: dict[str, int] = {}
        for words in passages:
            for word in words:
                self._ids.setdefault(word, len(self._ids) + 1)
        # Random odd numbers by word and by place in the run: the hash of a run is the sum of their products.
        draw = np.random.default_rng(GRAM)
        self._codes = draw.integers(0, 2**63, len(self._ids) + 1, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        self._places = draw.integers(0, 2**63, GRAM, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        self._short = {
            tuple(words): number for number, words in reversed(list(enumerate(passages))) if len(words) < GRAM
        }
        self._short.pop((), None)
        hashes, owners = self._hashes(passages)
        order = np.lexsort((owners, hashes))
        hashes, owners = hashes[order], owners[order]
        new = np.ones(len(hashes), bool)
        new[1:] = (hashes[1:] != hashes[:-1]) | (owners[1:] != owners[:-1])
        self._owners = owners[new]
        self._shingles, first = np.unique(hashes[new], return_index=True)
        self._first = np.append(first, len(self._owners))
        self._sizes = np.bincount(self._owners, minlength=len(passages))
        self._smallest = int(self._sizes[self._sizes > 0].min(initial=len(hashes) + 1))

    def _hashes(self, passages: Sequence[Sequence[str]]) -> tuple[Hashes, Any]:
        """The hashes of all runs whose words are all known, and the number of each one's passage."""
        import numpy as np

        get = self._ids.get
        words = np.fromiter((get(word, 0) for passage in passages for word in passage), np.int64)
        lengths = np.array([len(passage) for passage in passages], np.int64)
        count = len(words) - GRAM + 1
        if count <= 0:
            return np.zeros(0, np.uint64), np.zeros(0, np.int64)
        codes = self._codes[words]
        total = np.zeros(count, np.uint64)
        for place, factor in enumerate(self._places):
            total += codes[place : place + count] * factor
        owners = np.repeat(np.arange(len(passages)), lengths)
        unknown = np.concatenate([[0], np.cumsum(words == 0)])
        whole = (owners[:count] == owners[GRAM - 1 :]) & (unknown[GRAM:] == unknown[:count])
        return total[whole], owners[:count][whole]

    def near(self, passages: Sequence[Sequence[str]]) -> list[tuple[int, int, float]]:
        """Number of each near-duplicate, of its nearest forget passage, and the share of their shingles."""
        import numpy as np

        duplicates = [
            (number, self._short[tuple(words)], 1.0)
            for number, words in enumerate(passages)
            if len(words) < GRAM and tuple(words) in self._short
        ]
        hashes, owners = self._hashes(passages)
        if not len(hashes) or not len(self._shingles):
            return duplicates
        place = np.minimum(np.searchsorted(self._shingles, hashes), len(self._shingles) - 1)
        known = self._shingles[place] == hashes
        place, owners = place[known], owners[known]
        borders = np.flatnonzero(np.diff(owners)) + 1
        for shared, whose in zip(np.split(place, borders), np.split(owners, borders), strict=True):
            if not len(whose):
                continue
            number = int(whose[0])
            grams = len(set(zip(*(passages[number][shift:] for shift in range(GRAM)), strict=False)))
            distinct = np.unique(shared)
            if len(distinct) < THRESHOLD * min(grams, self._smallest):
                continue
            postings = np.concatenate([self._owners[self._first[item] : self._first[item + 1]] for item in distinct])
            times = np.bincount(postings, minlength=len(self._sizes))
            shares = times / np.maximum(np.minimum(self._sizes, grams), 1)
            nearest = int(shares.argmax())
            if shares[nearest] >= THRESHOLD:
                duplicates.append((number, nearest, float(shares[nearest])))
        return sorted(duplicates)
