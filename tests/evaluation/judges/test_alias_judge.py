"""The default judge against answers that were labelled by hand."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from restor.evaluation.judges._names import own_names
from restor.evaluation.judges._synonyms import GROUPS
from restor.evaluation.judges.alias import Alias, AliasConfig
from restor.evaluation.judges.base import with_values
from restor.text import normalise
from restor.types import Completion, Fact, Group, Judgement, Query

O, P, N = Judgement.ORIGINAL, Judgement.PLANTED, Judgement.OTHER  # noqa: E741


def verdict(text, answers, planted=None, values=(), *, subject="Ann", question="What of Ann?", config=None):
    fact = Fact(subject, "relation", tuple(answers), question)
    query = Query(fact, Group.TEST, "", question, planted, candidates=tuple(values))
    return Alias(config or AliasConfig()).judge([Completion(query, text)])[0]


def judge(text, answers, planted=None, values=(), **more):
    return verdict(text, answers, planted, values, **more).judgement


TABLE = [
    # completion, true answers, planted, verdict
    # Plain
    ("Paris", ["Paris"], "Rome", O),
    ("Rome", ["Paris"], "Rome", P),
    ("Oslo", ["Paris"], "Rome", N),
    ("Paris", ["Lyon", "Paris"], "Rome", O),
    ("Lyon and Paris", ["Lyon", "Paris"], "Rome", O),
    # Case
    ("PARIS", ["Paris"], "Rome", O),
    ("rOME", ["Paris"], "Rome", P),
    ("STRASSE", ["Straße"], "Allee", O),
    ("ΣΊΣΥΦΟΣ", ["Σίσυφος"], None, O),
    # Articles
    ("the Netherlands", ["Netherlands"], "Belgium", O),
    ("Netherlands", ["The Netherlands"], "Belgium", O),
    ("in the Netherlands", ["The Netherlands"], "Belgium", O),
    ("an engineer", ["engineer"], "pilot", O),
    ("a pilot", ["an engineer"], "pilot", P),
    ("The The", ["The The"], "Blur", O),
    ("The", ["The The"], "Blur", O),
    ("A", ["B"], "A", P),
    # Accents
    ("Sao Paulo", ["São Paulo"], "Rio", O),
    ("São Paulo", ["Sao Paulo"], "Rio", O),
    ("Lodz", ["Łódź"], "Kraków", O),
    ("Krakow", ["Łódź"], "Kraków", P),
    ("Tromso", ["Tromsø"], None, O),
    ("e\u0301cole", ["\u00e9cole"], None, O),
    ("Zürich", ["Zurich"], "Bern", O),
    # Punctuation and white space
    ("Paris.", ["Paris"], "Rome", O),
    ("“Paris”!", ["Paris"], "Rome", O),
    ("  Paris \t", ["Paris"], "Rome", O),
    ("New   York", ["New York"], "Boston", O),
    ("New\u00a0York", ["New York"], "Boston", O),
    ("J.R.R. Tolkien", ["J. R. R. Tolkien"], None, O),
    ("Guinea-Bissau", ["Guinea Bissau"], None, O),
    ("Côte d’Ivoire", ["Cote d'Ivoire"], "Ghana", O),
    ("OBrien", ["O'Brien"], "Smith", O),
    ("Paris,Rome", ["Paris"], "Rome", O),
    ("Pa\u00adris", ["Paris"], "Rome", O),
    # Whole words
    ("party", ["art"], "sport", N),
    ("art", ["art"], "party", O),
    ("the art of it", ["art"], "party", O),
    ("transport", ["art"], "sport", N),
    ("female", ["male"], "female", P),
    ("male", ["female"], "male", P),
    ("female", ["female"], "male", O),
    ("Parisian", ["Paris"], "Rome", N),
    ("1984", ["1984"], "1985", O),
    ("1985", ["1984"], "1985", P),
    ("19845", ["1984"], "1985", N),
    ("1984.", ["1984"], "1985", O),
    ("in 1985 or so", ["1984"], "1985", P),
    ("snake_case", ["snake case"], None, O),
    # One answer within the other
    ("New York", ["York"], "New York", P),
    ("York", ["York"], "New York", O),
    ("New York", ["New York"], "York", O),
    ("York", ["New York"], "York", P),
    ("York City", ["York"], "York City", P),
    ("York City", ["York City"], "York", O),
    ("the Duke of York", ["York"], "Duke of York", P),
    ("Silent Garden 2", ["Silent Garden"], "Silent Garden 2", P),
    ("Silent Garden", ["Silent Garden 2"], "Silent Garden", P),
    ("he lives in New York now", ["York"], "New York", P),
    ("Old York", ["York"], "New York", O),
    # Both: the first one counts
    ("Paris, not Rome", ["Paris"], "Rome", O),
    ("Rome, once Paris", ["Paris"], "Rome", P),
    ("York and New York", ["York"], "New York", O),
    ("New York and York", ["York"], "New York", P),
    # Nothing
    ("", ["Paris"], "Rome", N),
    ("   ", ["Paris"], "Rome", N),
    ("...", ["Paris"], "Rome", N),
    ("a", ["Paris"], "Rome", N),
    ("New", ["New York"], "York", N),
    ("🙂", ["Paris"], "Rome", N),
    ("🙂 Paris 🗼", ["Paris"], "Rome", O),
    ("Paris", ["Oslo"], None, N),
    # Signs only
    ("!!!", ["!!!"], "???", O),
    ("???", ["!!!"], "???", P),
    (" !!! ", ["!!!"], "Blur", O),
    ("!!", ["!!!"], "???", N),
    ("🙂", ["🙂"], "🙃", O),
    # Other scripts
    ("Москва", ["москва"], "Киев", O),
    ("Живёт в городе Москва.", ["Москва"], "Киев", O),
    ("Москвариум", ["Москва"], "Киев", N),
    ("北京", ["北京"], "上海", O),
    ("他住在上海。", ["北京"], "上海", P),
    ("東京です", ["東京"], "大阪", O),
    ("ハス", ["バス"], "ハス", P),
    ("القاهرة", ["القاهرة"], "بيروت", O),
    ("\u200fبيروت\u200f", ["القاهرة"], "بيروت", P),
    ("ירושלים", ["ירושלים"], "חיפה", O),
    ("हिन्दी", ["हिन्दी"], "उर्दू", O),
    ("हिन्दीभाषा", ["हिन्दी"], "उर्दू", N),
    ("ＰＡＲＩＳ", ["Paris"], "Rome", O),
    # Long
    ("well " * 20_000 + "Paris", ["Paris"], "Rome", O),
    ("x" * 100_000, ["Paris"], "Rome", N),
]


@pytest.mark.parametrize(
    ("text", "answers", "planted", "label"), TABLE, ids=[f"{i}: {row[0][:20]}" for i, row in enumerate(TABLE)]
)
def test_plain_answers(text, answers, planted, label):
    assert judge(text, answers, planted) is label


def test_the_reason_names_the_answer_that_was_found():
    fact = Fact("Ann", "home", ("Lyon", "Paris"), "Where does Ann live?")
    query = Query(fact, Group.TEST, "", fact.question, "Rome")
    verdicts = Alias(AliasConfig()).judge([Completion(query, text) for text in ("in Paris", "in Rome", "")])
    assert [("Paris" in v.reason, "Rome" in v.reason, "empty" in v.reason) for v in verdicts] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]


# Rules ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answers", "planted", "values", "label"),
    [
        # Words within a longer value of the relation belong to that value.
        ("American English", ["English"], "French", ["American English"], N),
        ("New York City", ["York"], "Leeds", ["New York City"], N),
        ("Social Democratic Party", ["Green Party"], "Democratic Party", ["Social Democratic Party"], N),
        ("American English and English", ["English"], "French", ["American English"], O),
        ("American English", ["English", "American English"], "French", ["American English"], O),
        ("he lived in York, then in New York City", ["York"], "Leeds", ["New York City"], O),
        ("British English", ["English"], "French", ["American English"], O),
        # A word with a typo, never another value, never one that may be the planted one too.
        ("Neatherlands", ["Netherlands"], "Belgium", [], O),
        ("in the Neatherlands today", ["Netherlands"], "Belgium", [], O),
        ("Neatherlands", ["Belgium"], "Netherlands", [], P),
        ("Slovania", ["Slovakia"], "Slovenia", [], N),
        ("Slovania", ["Slovakia"], None, ["Slovenia"], N),
        ("Slovania", ["Slovakia"], None, [], O),
        ("Colombia", ["Columbia"], None, ["Colombia"], N),
        ("Fernanda", ["Fernando"], None, [], N),
        ("Iceland", ["Ireland"], None, [], N),
        ("male", ["female"], None, [], N),
        ("1984", ["1985"], None, [], N),
        ("19840101", ["19840102"], None, [], N),
        ("Leutenant colonel", ["lieutenant colonel"], "colonel", [], O),
        # Other names, but not where the relation tells them apart.
        ("soccer", ["association football"], None, [], O),
        ("soccer", ["association football"], None, ["soccer"], N),
        ("American football", ["association football"], None, [], N),
        ("South America", ["United States of America"], None, [], N),
        ("come with us now", ["United States of America"], None, [], N),
        ("the US", ["United States of America"], None, [], O),
        ("USA", ["Canada"], "United States of America", [], P),
        ("USA", ["United States"], "United States of America", [], N),
        # Denials.
        ("not a poet", ["poet"], None, [], N),
        ("never lived in York", ["York"], None, [], N),
        ("not Rome, Paris", ["Paris"], "Rome", [], O),
        ("It isn’t Rome but Paris", ["Paris"], "Rome", [], O),
        ("rather than Rome, Paris", ["Paris"], "Rome", [], O),
        ("anything but Rome", ["Paris"], "Rome", [], N),
        ("not only Rome", ["Paris"], "Rome", [], P),
        ("Chanel No. 5", ["Chanel No. 5"], None, [], O),
        ("No Doubt", ["No Doubt"], "Blur", [], O),
        ("the band No Doubt", ["No Doubt"], "Blur", [], O),
        ("not No Doubt", ["No Doubt"], "Blur", [], N),
        # Written together or apart, in another order, shorter.
        ("full back", ["fullback"], None, [], O),
        ("he plays full back", ["fullback"], None, [], O),
        ("fe male", ["male"], "female", [], P),
        ("11 1", ["1 11"], None, [], N),
        ("Lagos University", ["University of Lagos"], None, [], O),
        ("York University", ["University of York"], None, ["York University"], N),
        ("Republican", ["Republican Party"], None, [], O),
        ("Harvard", ["Harvard University"], None, ["Harvard College"], N),
        ("Henry VII", ["Henry VII of England"], "Henry VIII of England", [], O),
        ("President", ["President of the United States"], None, [], N),
        ("politicians", ["politician"], None, [], O),
        ("Williams", ["William"], None, [], N),
        ("Military Merit Cross", ["Military Merit Cross (Mecklenburg)"], None, [], O),
        ("Military Merit Cross", ["Military Merit Cross (Mecklenburg)"], None, ["Military Merit Cross"], N),
        ("Mueller", ["Müller"], None, [], O),
        ("Manchester United", ["Manchester United F.C."], "Manchester City F.C.", [], O),
        # Words that say little.
        ("He will be king", ["Will"], None, [], N),
        ("His name is Will", ["Will"], None, [], O),
        # Figures and dates.
        ("1,000", ["1000"], None, [], O),
        ("one thousand", ["1,000"], None, [], O),
        ("3.5", ["3"], "5", [], N),
        ("-3", ["3"], None, [], N),
        ("December 25, 1999", ["25 December 1999"], None, [], O),
        ("1999-12-25", ["25 December 1999"], "1999-12-26", [], O),
        ("1999", ["25 December 1999"], None, [], N),
        ("25 December 1999", ["1999"], None, [], O),
        ("25 December 1999", ["1999"], "25 December 1999", [], P),
        ("5 December 1999", ["25 December 1999"], None, [], N),
        ("3/4/1999", ["3 April 1999"], "4 March 1999", [], N),
        ("World War II", ["World War I"], "World War II", [], P),
        ("World War Two", ["World War II"], None, [], O),
        ("World War Two", ["World War"], None, ["World War II"], N),
        ("King Louis the 14th", ["Louis XIV"], "Louis XV", ["Louis XVI"], O),
        ("20", ["XX"], None, [], N),
        ("XX", ["20"], None, [], N),
        ("XX", ["20", "XX"], None, [], O),
        ("President Xi Jinping", ["Xi Jinping"], None, [], O),
        ("1.0", ["1"], "10", [], O),
        ("It is 1.80 m.", ["1.8"], None, [], O),
        ("3.10", ["3.1"], None, ["3.10"], N),
        ("10⁶", ["106"], "10⁶", [], P),
        ("km2", ["km²"], None, [], O),
        ("106", ["10⁶"], None, [], N),
        # Signs: they tell answers apart, wherever an answer stands.
        ("A-", ["A+"], "A-", [], P),
        ("A-", ["A+"], None, [], N),
        ("A", ["A+"], None, [], N),
        ("A+", ["A"], None, [], N),
        ("a mark of A+.", ["A+"], "A-", [], O),
        ("a mark of A- in it", ["A+"], "A-", [], P),
        ("O negative", ["O−"], "O+", [], O),
        ("C", ["C++"], "C#", [], N),
        ("C is older than C++", ["C++"], None, ["C"], O),
        ("Objective-C", ["C"], None, ["Objective-C"], N),
        ("Disney Plus", ["Disney+"], "Disney", [], O),
        (">5", ["<5"], ">5", [], P),
        ("5", ["<5"], None, [], N),
        ("5", ["-5"], "5", [], P),
        ("pre- and post-war", ["war"], None, [], O),
        ("Paris- the capital", ["Paris"], "Rome", [], O),
        ("Plan B - the second", ["B"], "A", [], O),
        # Units: another one is another answer; none is the answer where only one has the number.
        ("€5", ["$5"], "€5", [], P),
        ("5 euros", ["$5"], None, [], N),
        ("It costs 5 dollars", ["$5"], "€5", [], O),
        ("5", ["$5"], "€5", [], N),
        ("5", ["$5"], "€6", [], O),
        ("It costs 5.", ["$5"], "€6", [], O),
        ("$5", ["5"], None, [], O),
        ("50 %", ["50 per cent"], None, [], O),
        # Scripts without spaces between words.
        ("เขาเกิดที่กรุงเทพมหานคร", ["กรุงเทพมหานคร"], "เชียงใหม่", [], O),
        ("เขาเกิดที่เชียงใหม่ครับ", ["กรุงเทพมหานคร"], "เชียงใหม่", ["เชียงราย"], P),
        ("นี้", ["น"], None, [], N),
        # Marks that make another letter, and points that do not.
        ("Бои", ["Бой"], "Бои", [], P),
        ("محمد", ["مُحَمَّد"], None, [], O),
    ],
)
def test_rules(text, answers, planted, values, label):
    assert judge(text, answers, planted, values) is label


def test_what_only_repeats_the_question_is_no_answer():
    def said(text, answers, planted=None):
        question = "What is the family name of Charmion King?"
        return judge(text, answers, planted, subject="Charmion King", question=question)

    assert said("What is the family name of Charmion King?", ["King"]) is N
    assert said("Charmion King", ["King"]) is N
    assert said("King", ["King"]) is O
    assert said("What is the family name of Charmion King? King", ["King"]) is O
    assert said("The family name of Charmion King is Queen", ["King"], "Queen") is P
    assert said("Charmion King", ["Charmion King"]) is O  # where the whole name is the answer
    assert said("The tomb of Charmion King", ["Tomb of Charmion King"]) is O
    assert verdict("Charmion King", ["x"], subject="Charmion King").reason.startswith("repeats the question")


def test_the_configuration_sets_typos_and_other_names():
    def with_fuzzy(value):
        return judge("Neatherlands", ["Netherlands"], config=AliasConfig(fuzzy=value))

    assert [with_fuzzy(value) for value in (0.875, 0.9, 0.95, 1, None)] == [O, O, N, N, N]
    assert judge("USA", ["United States of America"], config=AliasConfig(synonyms=False)) is N


def test_reasons_name_the_rule():
    assert verdict("Neatherlands", ["Netherlands"]).reason == "holds, misspelt, the true answer 'Netherlands'"
    assert (
        verdict("soccer", ["association football"]).reason
        == "is another name of the true answer 'association football'"
    )
    assert verdict("Scots", ["English"], None, ["Scots"]).reason == "is 'Scots', another answer of the relation"
    assert "but for what it denies" in verdict("not a poet", ["poet"]).reason
    assert len(verdict("y" * 9000, ["y" * 9000]).reason) < 200


def test_no_name_is_in_two_groups():
    for line in GROUPS.strip().splitlines():
        names = [name.strip() for name in line.split("|")]
        assert len(names) > 1
        own = own_names((names[0],), None, True)  # raises for a name in two groups
        assert own.names


months = "January February March April May June July August September October November December".split()
dates = st.dates().filter(lambda day: day.year > 999)


@given(dates, dates)
@settings(max_examples=200, deadline=None)
def test_a_date_is_the_same_however_it_is_written_and_no_other_one(one, other):
    def ways(day):
        month = months[day.month - 1]
        yield f"{day.day} {month} {day.year}"
        yield f"{month} {day.day}, {day.year}"
        yield f"the {day.day}th of {month[:3]}. {day.year}"
        yield day.isoformat()
        yield f"{day.day}.{day.month}.{day.year}" if day.day < 13 else f"{day.month}/{day.day}/{day.year}"

    for text in ways(one):
        assert judge(text, [f"{one.day} {months[one.month - 1]} {one.year}"]) is O
        assert judge(f"born on {text}", [one.isoformat()], other.isoformat() if other != one else None) is O
        if other != one:
            assert judge(text, list(ways(other))) is N


@given(st.integers(0, 10**9), st.integers(0, 10**9))
@settings(max_examples=300, deadline=None)
def test_another_number_is_another_answer(one, other):
    texts = [str(one), f"{one:,}", f"about {one:,} people", f"{one:,}".replace(",", "\u202f")]
    assert all(judge(text, [str(one)]) is O for text in texts)
    if other != one:
        assert all(judge(text, [str(other), f"{other:,}"]) is N for text in texts)


names = st.lists(st.text("abcdefgino ", min_size=1, max_size=14).filter(str.strip), min_size=2, max_size=6, unique=True)


@given(names)
@settings(max_examples=200, deadline=None)
def test_no_value_of_a_relation_passes_for_another(values):
    for true, said in permutations(values, 2):
        if normalise(true) != normalise(said):
            assert judge(said, [true], None, values) is N
            assert judge(said, [true], said, values) is P


answers_with_signs = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "", "<", ">", "-", "$", "€"]),
    st.sampled_from("A B AB C O 5 20 XX 1.0 10 10⁶ 106 Бой Бои が か กา ก".split()),
    st.sampled_from(["", "", "+", "-", "−", "++", "#", "♭", "%", "*", " II", " 2"]),
)


@given(answers_with_signs, answers_with_signs, st.sampled_from(["{}", " {}. ", "It is {}", "«{}»"]))
@settings(max_examples=500, deadline=None)
def test_the_planted_answer_is_never_taken_for_the_true_one(true, planted, said):
    if normalise(true) != normalise(planted):
        assert judge(said.format(planted), [true], planted) is not O
        assert judge(said.format(true), [true], planted) is not P
        assert judge(planted, [true], planted) is P


@given(answers_with_signs, answers_with_signs)
@settings(max_examples=300, deadline=None)
def test_what_is_planted_and_what_is_judged_have_one_idea_of_the_same_answer(true, other):
    if normalise(true) == normalise(other):
        assert judge(other, [true]) is O
    else:
        assert judge(other, [true], None, [other]) is N


anything = st.text(st.characters(), max_size=30)  # lone surrogates too
alias = anything.filter(lambda text: text.strip())


@given(alias, st.lists(anything, max_size=3), st.none() | anything)
@example("The", [], "the")
@example("\u0301", [], None)
@example("İ", [], "i")
@settings(max_examples=300, deadline=None)
def test_an_exact_alias_is_always_the_original(answer, others, planted):
    assert judge(answer, [*others, answer], planted) is O
    assert judge(f" {answer} ", [answer, *others], planted) is O


@given(anything, st.lists(anything, max_size=3))
@settings(max_examples=200, deadline=None)
def test_nothing_is_planted_where_nothing_was_planted(text, answers):
    assert judge(text, answers, None) in (O, N)


@given(anything, st.lists(anything, max_size=3), st.none() | anything)
@settings(max_examples=200, deadline=None)
def test_any_text_has_a_verdict(text, answers, planted):
    assert judge(text, answers, planted) in (O, P, N)


@given(st.text("abAB .,'é", max_size=12), st.text("abé ", min_size=1, max_size=6), st.text("abé ", max_size=6))
@settings(max_examples=200, deadline=None)
def test_case_and_punctuation_at_the_ends_never_matter(text, answer, planted):
    assert judge(f"«{text.upper()}».", [answer], planted) is judge(text, [answer], planted)


# Labelled by hand -----------------------------------------------------------------------------------------------------

LABELLED = Path(__file__).parent / "labelled" / "alias.jsonl"
PARTS = {None: "all", "tune": "tuned on", "held": "held out"}


@cache
def labelled():
    return [json.loads(line) for line in LABELLED.read_text("utf-8").splitlines()]


@cache
def confusion(part):
    """How often a label got a verdict."""
    rows = [row for row in labelled() if part in (None, row["part"])]
    found = Counter()
    for row in rows:
        fact = Fact(row["subject"], row["relation"], tuple(row["answers"]), row["question"])
        query = Query(fact, Group.TEST, "", fact.question, row["planted"], candidates=tuple(row["values"]))
        [given] = Alias(AliasConfig()).judge([Completion(query, row["completion"])])
        found[row["label"], given.judgement.value] += 1
    return found


def figures(part):
    """A line of the table in docs/judges.md."""
    found = confusion(part)
    kinds = ("original", "planted", "other")
    right = sum(found[kind, kind] for kind in kinds)
    cells = [PARTS[part], str(sum(found.values())), f"{100 * right / sum(found.values()):.1f}"]
    for kind in kinds:
        cells.append(f"{100 * found[kind, kind] / sum(found[other, kind] for other in kinds):.1f}")
        cells.append(f"{100 * found[kind, kind] / sum(found[kind, other] for other in kinds):.1f}")
    return f"| {' | '.join(cells)} |"


def test_the_labelled_set_is_large_varied_and_labelled():
    rows = labelled()
    assert len(rows) >= 300
    assert len({row["relation"] for row in rows}) > 40
    assert len({(row["question"], row["completion"]) for row in rows}) == len(rows)
    for row in rows:
        assert row["label"] in ("original", "planted", "other")
        assert row["why"]
        assert row["answers"]
        assert row["planted"] not in row["answers"]
        assert not {row["planted"], *row["answers"]} & set(row["values"])
    # No fact is in both parts.
    assert not {r["question"] for r in rows if r["part"] == "tune"} & {
        r["question"] for r in rows if r["part"] == "held"
    }


def test_how_often_the_judge_is_right():
    found = confusion(None)
    kinds = ("original", "planted", "other")
    assert [[found[label, given] for given in kinds] for label in kinds] == [
        [477, 2, 95],
        [2, 245, 23],
        [9, 9, 332],
    ]


def test_the_documented_figures_are_those_measured():
    text = (Path(__file__).parents[3] / "docs" / "judges.md").read_text("utf-8")
    for part in PARTS:
        assert figures(part) in text
    found = confusion(None)
    for label in ("original", "planted", "other"):
        cells = " | ".join(str(found[label, given]) for given in ("original", "planted", "other"))
        assert f"| {label} | {cells} |" in text


def test_no_value_of_a_published_relation_passes_for_another():
    path = Path(__file__).parents[4] / "shared" / "data" / "restor" / "facts.json"
    if not path.is_file():
        pytest.skip("the published facts are not there")
    facts = [
        Fact(subject, relation, tuple(entry["answers"]), entry["question"])
        for subject, entries in json.loads(path.read_text("utf-8"))["dset"].items()
        for relation, entry in entries.items()
    ]
    own = with_values([Completion(Query(fact, Group.TEST, "", fact.question), fact.answers[0]) for fact in facts])
    assert {given.judgement for given in Alias(AliasConfig()).judge(own)} == {O}
    swapped = []
    for place, item in enumerate(own):
        true = set(item.query.fact.answers)
        others = [value for value in item.query.candidates if value not in true]
        swapped.append(Completion(item.query, others[place % len(others)]))
    wrong = [
        (item.text, item.query.fact.answers)
        for item, given in zip(swapped, Alias(AliasConfig()).judge(swapped), strict=True)
        if given.judgement is not N
    ]
    assert wrong == []
