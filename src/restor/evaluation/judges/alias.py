"""The default judge: compares names, offline and deterministic.

An answer is what it names: words of it that are a true answer, or the planted one, in any spelling that
`restor.text.read_words` takes for the same, under another name of `_synonyms.py`, or with a typo in a long word. What
it denies does not count, nor what only repeats its question. Words within a longer value of the relation belong to
that value: `American English` is not `English` where the relation has both. Of several answers the first counts.

docs/judges.md tells the rules one by one, and how often they are right on answers labelled by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, Literal, final

from pydantic import Field
from rapidfuzz.distance import OSA

from restor.evaluation.judges._denials import DENIED, Span, echoes, without_denied
from restor.evaluation.judges._names import Known, Meaning, Own, joined, ordered, own_names
from restor.evaluation.judges.base import Judge, JudgeConfig, ignore
from restor.text import UNITS, Words, normalise, read_words
from restor.types import Completion, Judgement, Query, Verdict

_CLOSELY = 64
"""Words of an answer that are read for typos and for words written apart."""
_JOINED = 6
"""Least letters of an answer that is found written apart within a longer one."""
_WEAK = frozenset("a an and as at be by do he her his i if in is it la man me my no of on or so to un up us we".split())
_WEAK |= frozenset("who will may you she they them what when uk nz eu".split())
"""Words that say nothing within a sentence: a name only where the answer ends with them."""


@final
class AliasConfig(JudgeConfig):
    """How much may differ."""

    name: Literal["alias"] = "alias"
    fuzzy: float | None = Field(0.875, ge=0.5, le=1)
    """Least share of equal letters at which a word is another one with a typo: at 0.875, one letter in eight may be
    wrong, missing, too many or swapped with the next. First and last letter must be right, and figures have no typos.
    Null takes every word as it is written."""
    synonyms: bool = True
    """Whether other names of the same thing count, such as USA; the list is in judges/_synonyms.py."""


@final
class Alias(Judge):
    """Compares names; see the module."""

    config_type: ClassVar[type[JudgeConfig]] = AliasConfig

    def __init__(self, config: AliasConfig) -> None:
        self.config = config

    @property
    def usage(self) -> None:
        """It asks nobody."""
        return

    def judge(self, completions: Sequence[Completion], advance: Callable[[int], None] = ignore) -> list[Verdict]:
        """Judge each completion on its own."""
        verdicts: list[Verdict] = []
        known: dict[tuple[int, int], Known] = {}
        for item in completions:
            query = item.query
            # Many queries share the values of their relation, which the completions keep alive.
            place = (id(query.candidates), id(query.random))
            if place not in known:
                if len(known) >= 256:
                    known.clear()
                known[place] = Known((*query.candidates, *query.random))
            verdicts.append(_AnswerReader(query, known[place], self.config).verdict(item.text))
            if len(verdicts) % 1024 == 0:
                advance(len(verdicts))
        advance(len(verdicts))
        return verdicts


@final
class _AnswerReader:
    """Reads one answer to one query."""

    def __init__(self, query: Query, known: Known, config: AliasConfig) -> None:
        self.query = query
        self.known = known
        self.config = config
        self.own: Own = own_names(query.fact.answers, query.planted, config.synonyms)

    def verdict(self, text: str) -> Verdict:
        """What the answer is."""
        said = read_words(text)
        if not said:
            return self._wordless(text)
        if said in self.own.exact:
            return _is(self.own.exact[said], "is")
        read = without_denied(text, (alias for _, alias, _ in self.own.aliases))
        if read is not None:
            said = read_words(read)
        return (
            self._alone(said)
            or self._named(said)
            or self._apart(said)
            or Verdict(Judgement.OTHER, self._nothing(said, denies=read is not None))
        )

    def _wordless(self, text: str) -> Verdict:
        """Answers without letters and digits, such as the name of the band `!!!`, must match sign by sign."""
        if not text.strip():
            return Verdict(Judgement.OTHER, "empty answer")
        for judgement, alias, _ in self.own.aliases:
            if normalise(text) == normalise(alias):
                return _is((judgement, alias), "is")
        return Verdict(Judgement.OTHER, "holds no words")

    def _alone(self, said: Words) -> Verdict | None:
        """The answer as a whole: another value, or a form that means something only without other words."""
        if (value := self.known.exact.get(said)) is not None:
            return Verdict(Judgement.OTHER, f"is {_shown(value)}, another answer of the relation")
        if (meaning := self.own.names.get(said)) is not None:
            return _is(meaning, "is another name of")
        form = joined(said)
        if (meaning := self.own.joined.get(form)) is not None and self._of_nothing_else(self.known.joined, form):
            return _is(meaning, "is, written otherwise,")
        for form in (said, ordered(said)):
            if (meaning := self.own.whole.get(form)) is not None and self._of_nothing_else(self.known.whole, form):
                return _is(meaning, "is another form of")
        return None

    def _of_nothing_else(self, known: Mapping[Words, Sequence[Words]], form: Words) -> bool:
        """Whether a form of an answer is a form of no other value of the relation."""
        return all(words in self.own.exact for words in known.get(form, ()))

    def _named(self, said: Words) -> Verdict | None:
        """The first true or planted answer that stands in the answer and is not part of something longer."""
        exact = dict(self._spans(said))
        misspelt = self._misspelt(said, [span for span, meaning in exact.items() if meaning is None])
        outer = _outermost([*exact, *misspelt])
        named = [span for span in outer if (exact.get(span) or misspelt.get(span)) is not None]
        for span in self._said(said, named):
            meaning = exact.get(span)
            return _is(meaning, "holds") if meaning is not None else _is(misspelt[span], "holds, misspelt,")
        return None

    def _spans(self, said: Words) -> Iterator[tuple[Span, Meaning | None]]:
        """Where answers of the fact stand, and (None) other values of the relation."""
        answers, known = self.own, self.known
        sizes = sorted({*answers.sizes, *known.sizes}, reverse=True)
        for start, word in enumerate(said):
            if word not in answers.firsts and word not in known.firsts:
                continue
            for size in sizes:
                words = said[start : start + size]
                if len(words) < size:
                    continue
                meaning = answers.exact.get(words)
                if meaning is None and words in known.exact:
                    yield (start, start + size), None
                    continue
                # The name of an answer without its unit is not it where another unit follows: 5 euros, for $5.
                if meaning is None and UNITS.isdisjoint(said[start + size : start + size + 1]):
                    meaning = answers.names.get(words)
                if meaning is not None and (size > 1 or word not in _WEAK or start + 1 == len(said)):
                    yield (start, start + size), meaning

    def _said(self, said: Words, spans: list[Span]) -> list[Span]:
        """Those spans that are more than a repetition of the question."""
        if not spans:
            return []
        repeated = echoes(said, self.query.question, self.query.fact.subject)
        return [
            span for span in spans if not any(a <= span[0] and span[1] <= b and span != (a, b) for a, b in repeated)
        ]

    def _apart(self, said: Words) -> Verdict | None:
        """An answer whose words are put together otherwise: `full back`."""
        longest = max((len(form[0]) for form in self.own.joined), default=0)
        for start in range(min(len(said), _CLOSELY)):
            length = 0
            for end in range(start + 1, len(said) + 1):
                length += len(said[end - 1])
                if length > longest:
                    break
                form = joined(said[start:end]) if length >= _JOINED else ()
                meaning = self.own.joined.get(form)
                if meaning is None or not self._of_nothing_else(self.known.joined, form):
                    continue
                if self._said(said, [(start, end)]):
                    return _is(meaning, "holds, written otherwise,")
        return None

    def _misspelt(self, said: Words, taken: Sequence[Span]) -> dict[Span, Meaning]:
        """Where answers stand with a typo, if that cannot be any other value of the relation, and not in `taken`."""
        if self.config.fuzzy is None or self.config.fuzzy == 1:
            return {}
        meanings: dict[Span, Meaning] = {}
        doubtful: set[Span] = set()
        for judgement, alias, words in self.own.aliases:
            size = len(words)
            for start in range(min(len(said), _CLOSELY) - size + 1 if words else 0):
                span, part = (start, start + size), said[start : start + size]
                if not self._alike(part, words) or any(a < span[1] and start < b for a, b in taken):
                    continue
                first, _ = meanings.setdefault(span, (judgement, alias))
                if first is not judgement or self._near_others(part):
                    doubtful.add(span)
        return {span: meaning for span, meaning in meanings.items() if span not in doubtful}

    def _near_others(self, part: Words) -> bool:
        """Whether words are like another value of the relation too."""
        others = (value for value in self.known.of_size(len(part)) if value not in self.own.exact)
        return any(self._alike(part, value) for value in others)

    def _alike(self, said: Words, meant: Words) -> bool:
        """Whether words differ by typos, and at all."""
        if said == meant:
            return False
        return all(a == b or self._typo(a, b) for a, b in zip(said, meant, strict=True))

    def _typo(self, said: str, meant: str) -> bool:
        assert self.config.fuzzy is not None
        if said[0] != meant[0] or said[-1] != meant[-1] or not (said.isalpha() and meant.isalpha()):
            return False
        # The distance counts a letter that is wrong, missing, too many, or swapped with its neighbour.
        most = int((1 - self.config.fuzzy) * max(len(said), len(meant)) + 1e-9)
        return most > 0 and OSA.distance(said, meant, score_cutoff=most) <= most

    def _nothing(self, said: Words, *, denies: bool) -> str:
        if denies and DENIED in said:
            return "holds neither the true nor the planted answer, but for what it denies"
        values = [words for (a, b), meaning in self._spans(said) if meaning is None and (words := said[a:b])]
        if values:
            return f"holds {_shown(self.known.exact[values[0]])}, another answer of the relation"
        if echoes(said, self.query.question, self.query.fact.subject):
            return "repeats the question and holds neither the true nor the planted answer"
        return "holds neither the true nor the planted answer"


def _outermost(spans: list[Span]) -> list[Span]:
    """The spans that are not within another, first ones first."""
    spans_kept: list[Span] = []
    reached = -1
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if end > reached:
            spans_kept.append((start, end))
            reached = end
    return spans_kept


def _is(meaning: Meaning, how: str) -> Verdict:
    judgement, alias = meaning
    what = "true" if judgement is Judgement.ORIGINAL else "planted"
    return Verdict(judgement, f"{how} the {what} answer {_shown(alias)}")


def _shown(answer: str) -> str:
    text = repr(answer)
    return text if len(text) <= 120 else f"{text[:118]}…'"
