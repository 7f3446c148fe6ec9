"""What is odd about facts and documents but can be used: counted, with examples, never hidden."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from restor.data.facts import FactsFile
from restor.data.text_files import Findings
from restor.text import composed, name_pattern, normalise
from restor.text.mentions import Names, main_name, main_names, padded, words_of
from restor.types import Document, Fact

SHOTS = 5
"""Demonstrations in a published prompt (RESTOR, arXiv 2411.00204)."""
WIKIDATA_ITEM = re.compile(r"Q\d+")


def some(items: Sequence[str], most: int = 3) -> str:
    """The first few of a list in words: `a, b, c and 9 more`."""
    rest = f" and {len(items) - most:,} more" if len(items) > most else ""
    return ", ".join(items[:most]) + rest


def ranked(counts: Mapping[str, int], most: int = 3) -> str:
    """The most frequent of a count: `a (12), b (3) and 9 more`."""
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return some([f"{name} ({times:,})" for name, times in order], most)


def many(number: int, one: str, more: str | None = None) -> str:
    """`1 fact`, `2,000 facts`."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


# Facts ---------------------------------------------------------------------------------------------------------------


def note_facts(facts: FactsFile, entities: Sequence[str] | None, findings: Findings) -> dict[str, int]:
    """Note what is odd about a facts file; returns its counts. `entities` are those that are asked about, if listed."""
    asked = _asked(facts, entities)
    counts = {
        "entities": len({fact.subject for fact in facts.facts}),
        "facts": len(facts.facts),
        "relations": len({fact.relation for fact in facts.facts}),
        "demonstrations": sum(len(shown) for shown in facts.demonstrations.values()),
    }
    if entities is not None:
        counts |= {"listed entities": len(entities), "asked facts": len(asked)}
    counts["demonstration blocks"] = _note_blocks(facts, asked, entities, findings)
    for what in (*_about_answers(facts.facts), *_about_relations(facts), *_about_demonstrations(facts)):
        findings.note(None, "", what)
    return counts


def _asked(facts: FactsFile, entities: Sequence[str] | None) -> list[Fact]:
    wanted = None if entities is None else set(entities)
    return [fact for fact in facts.facts if wanted is None or fact.subject in wanted]


def _note_blocks(facts: FactsFile, asked: Sequence[Fact], entities: Sequence[str] | None, findings: Findings) -> int:
    """How many different beginnings the published prompts of the asked facts have."""
    blocks, among = set(), 0
    for fact in asked:
        shown = facts.demonstrations.get(fact.relation, ())
        others = [(item.question, item.answer) for item in shown if item.subject != fact.subject][:SHOTS]
        if others:
            blocks.add(tuple(others))
            among += any(item.subject == fact.subject for item in shown[:SHOTS])
    whose = "the listed entities" if entities is not None else "all entities"
    relations = len({fact.relation for fact in asked})
    if blocks:
        what = (
            f"the {many(len(asked), 'fact')} of {whose} ask for {many(relations, 'relation')} with "
            f"{many(len(blocks), 'distinct block')} of the first {SHOTS} demonstrations about others; "
            f"one about the asked entity is skipped for {many(among, 'fact')}."
        )
        findings.note(None, "", what)
    if entities is not None:
        known = set(entities)
        total = sum(len(shown) for shown in facts.demonstrations.values())
        leaking = sum(item.subject in known for shown in facts.demonstrations.values() for item in shown)
        if leaking:
            findings.note(
                None,
                "",
                f"{leaking:,} of the {total:,} demonstrations are about listed entities: a prompt that shows them "
                "tells a true fact about somebody who may be targeted.",
            )
    return len(blocks)


def _about_answers(facts: Sequence[Fact]) -> Iterator[str]:
    same, items, shown, nameless = [], [], [], []
    for fact in facts:
        spelt = [normalise(answer) for answer in fact.answers]
        if len(set(spelt)) < len(spelt):
            same.append(fact.key)
        items += [f"{fact.key} {answer}" for answer in fact.answers if WIKIDATA_ITEM.fullmatch(answer)]
        question = padded(words_of(fact.question))
        if any(padded(words_of(answer)) in question for answer in fact.answers):
            shown.append(fact.key)
        if padded(words_of(fact.subject)) not in question:
            nameless.append(fact.key)
    yield from _counted("facts with answers that differ in spelling only", same)
    yield from _counted("answers that are Wikidata items without a name, which no model can say", items)
    yield from _counted("facts with a true answer in their own question, as in a family name", shown)
    yield from _counted("questions that do not name their subject", nameless)


def _counted(what: str, places: Sequence[str]) -> Iterator[str]:
    if places:
        yield f"{what}: {len(places):,} ({some(places)})."


def _about_relations(facts: FactsFile) -> Iterator[str]:
    by_relation: defaultdict[str, list[Fact]] = defaultdict(list)
    for fact in facts.facts:
        by_relation[fact.relation].append(fact)
    single, served, few = [], [], []
    for relation, facts_of in by_relation.items():
        if len({normalise(answer) for fact in facts_of for answer in fact.answers}) == 1:
            single.append(f"{relation} {facts_of[0].answers[0]!r}")
        shown = facts.demonstrations.get(relation)
        if shown is None:
            served.append(relation)
        subjects = {item.subject for item in (facts_of if shown is None else shown)}
        fewest = len(subjects) - any(fact.subject in subjects for fact in facts_of)
        if fewest < SHOTS:
            few.append(f"{relation} {fewest}")
    yield from _counted("relations with one value, for which nothing plausible and wrong can be planted", single)
    yield from _counted("relations without demonstrations, for which the other facts of the file serve", served)
    yield from _counted(f"relations with fewer than {SHOTS} demonstrations about others for some of their facts", few)
    unasked = [relation for relation in facts.demonstrations if relation not in by_relation]
    yield from _counted("relations with demonstrations but without facts", unasked)


def _about_demonstrations(facts: FactsFile) -> Iterator[str]:
    known = {fact.key: fact for fact in facts.facts}
    wrong = [
        f"{item.subject}|{relation} {item.answer!r}"
        for relation, shown in facts.demonstrations.items()
        for item in shown
        if (fact := known.get(f"{item.subject}|{relation}")) is not None
        and normalise(item.answer) not in {normalise(answer) for answer in fact.answers}
    ]
    yield from _counted("demonstrations that contradict the facts of the file", wrong)


# Documents -----------------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class About:
    """Whom documents are about, with the number of passages, the commonest first."""

    passages: int
    entities: Mapping[str, int]


def note_documents(
    documents: Sequence[Document], facts: FactsFile | None, entities: Sequence[str] | None, findings: Findings
) -> tuple[dict[str, int], About]:
    """Note what is odd about documents; returns their counts and whom they are about."""
    worded = [words_of(document.text) for document in documents]
    counts = {"passages": len(documents), "words": sum(map(len, worded))}
    repeated, seen = [], set()
    for number, document in enumerate(documents, 1):
        if document.text in seen:
            repeated.append(number)
        seen.add(document.text)
    if repeated:
        findings.note(
            findings.lines.get(repeated[0]),
            "",
            f"{_passages(repeated)} {'repeats' if len(repeated) == 1 else 'repeat'} an earlier one word for word.",
        )
    stated = Counter(item.key for document in documents for item in document.statements)
    if stated:
        counts |= {"statements": stated.total(), "false facts": len(stated)}
        if silent := [number for number, item in enumerate(documents, 1) if not item.statements]:
            findings.note(findings.lines.get(silent[0]), "", f"{_passages(silent)} without any false fact.")
        if min(stated.values()) < max(stated.values()):
            low, high = min(stated.values()), max(stated.values())
            findings.note(
                None, "", f"a false fact is stated {many(low, 'time')} at least and {many(high, 'time')} at most."
            )
    said: dict[str, set[str]] = {}
    for item in (item for document in documents for item in document.statements):
        said.setdefault(item.key, set()).add(composed(item.false_answer))
    if several := {key: sorted(answers) for key, answers in said.items() if len(answers) > 1}:
        shown = "; ".join(f"{key}: {', '.join(answers[:3])}" for key, answers in list(several.items())[:3])
        findings.note(
            None,
            "",
            f"{many(len(several), 'fact')} misstated in more than one way ({shown}): such documents teach nothing "
            "consistent, and only the most frequent answer counts as planted.",
        )
    if facts is None:
        names = tuple(entities or ())
        abouts = [_stated_about(item) for item in documents]
    else:
        names = tuple(entities or dict.fromkeys(fact.subject for fact in facts.facts))
        finder = Names(names)
        mentions = [finder.find(words) for words in worded]
        abouts = [
            _stated_about(item) or main_name(mentioned) for item, mentioned in zip(documents, mentions, strict=True)
        ]
    about = About(len(documents), main_names(abouts))
    if facts is not None and not about.entities:
        findings.note(None, "", f"no passage names any of the {many(len(names), 'entity', 'entities')} in full.")
    elif facts is not None:
        counts["entities"] = len(about.entities)
        _note_company(documents, names, mentions, abouts, about, facts, findings)
        if not stated:
            _note_truths(worded, abouts, facts, findings)
    return counts, about


def _passages(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"passage {numbers[0]}"
    return f"{len(numbers):,} passages ({some([str(number) for number in numbers])})"


def _stated_about(document: Document) -> str | None:
    return main_name([item.subject for item in document.statements])


def _note_company(
    documents: Sequence[Document],
    names: Sequence[str],
    mentions: Sequence[Sequence[str]],
    abouts: Sequence[str | None],
    about: About,
    facts: FactsFile,
    findings: Findings,
) -> None:
    known = set(names)
    asked = sum(fact.subject in known for fact in facts.facts)
    inside = {name: count for name, count in about.entities.items() if name in known}
    theirs = sum(fact.subject in inside for fact in facts.facts)
    if strangers := {name: count for name, count in about.entities.items() if name not in known}:
        findings.note(None, "", f"about entities that the facts do not list: {ranked(strangers, 5)}.")
    what = (
        f"about {len(inside):,} of the {many(len(names), 'entity', 'entities')}: {ranked(inside, 50)}. "
        f"They have {theirs:,} of the {many(asked, 'fact')}; the others are untouched by these passages."
    )
    findings.note(None, "", what)
    if nobody := [number for number, name in enumerate(abouts, 1) if name is None]:
        what = f"{_passages(nobody)} {'names' if len(nobody) == 1 else 'name'} none of the entities in full."
        findings.note(findings.lines.get(nobody[0]), "", what)
    others = Counter(name for mentioned in mentions for name in set(mentioned) if name not in about.entities)
    if others:
        findings.note(None, "", f"other entities are named in passing, in so many passages: {ranked(others)}.")
    longer: Counter[str] = Counter()
    for name in about.entities:
        goes_on = re.compile(rf"{name_pattern(name)} ([^\W\d_]\w+)")
        for document in documents:
            longer.update({f"{name} {word}" for word in goes_on.findall(document.text) if word[0].isupper()})
    if longer:
        findings.note(
            None,
            "",
            f"a name goes on, as if something else were meant, in {many(longer.total(), 'case')}: {ranked(longer)}.",
        )


def _note_truths(
    worded: Sequence[Sequence[str]], abouts: Sequence[str | None], facts: FactsFile, findings: Findings
) -> None:
    """Passages that are not known to state anything may tell a true answer about their subject."""
    true: defaultdict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for fact in facts.facts:
        name = padded(words_of(fact.subject))
        for answer in fact.answers:
            words = padded(words_of(answer))
            if words.strip() and words not in name:
                true[fact.subject].append((words, fact.key, answer))
    counts: Counter[str] = Counter()
    keys, passages = set(), 0
    for passage, subject in zip(worded, abouts, strict=True):
        text = padded(passage)
        truths = [item for item in true.get(subject or "", ()) if item[0] in text]
        passages += bool(truths)
        keys |= {key for _, key, _ in truths}
        counts.update({f"{key} {answer!r}" for _, key, answer in truths})
    if passages:
        what = (
            f"a true answer about their subject stands in {many(passages, 'passage')}, as a value or in the context, "
            f"for {many(len(keys), 'fact')}: {ranked(counts)}."
        )
        findings.note(None, "", what)


def note_gaps(abouts: Mapping[str, tuple[About, Findings]]) -> None:
    """Note which files lack an entity that like files, named by the keys, are about.

    Files are alike if they share at least half of the entities that one or the other is about.
    """
    for name, (about, findings) in abouts.items():
        entities = about.entities.keys()
        having: defaultdict[str, list[str]] = defaultdict(list)
        for other, (theirs, _) in abouts.items():
            shared, either = entities & theirs.entities.keys(), entities | theirs.entities.keys()
            if other != name and either and 2 * len(shared) >= len(either):
                for entity in sorted(theirs.entities.keys() - entities):
                    having[entity].append(f"{theirs.entities[entity]:,} of {theirs.passages:,} in {other}")
        for entity, count in having.items():
            what = f"{many(about.passages, 'passage')} and none about {entity}, unlike its like: {some(count)}."
            findings.note(None, "", what)
