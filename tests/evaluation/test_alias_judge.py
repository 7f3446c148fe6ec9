"""The default judge against answers that a person has labelled."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from restor.evaluation.judges.alias import Alias, AliasConfig
from restor.types import Completion, Fact, Group, Judgement, Query

O, P, N = Judgement.ORIGINAL, Judgement.PLANTED, Judgement.OTHER  # noqa: E741


def judge(text, answers, planted):
    fact = Fact("Ann", "relation", tuple(answers), "What of Ann?")
    query = Query(fact, Group.TEST, "", fact.question, planted)
    return Alias(AliasConfig()).judge([Completion(query, text)])[0].judgement


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
    ("text", "answers", "planted", "verdict"), TABLE, ids=[f"{i}: {row[0][:20]}" for i, row in enumerate(TABLE)]
)
def test_labelled_by_hand(text, answers, planted, verdict):
    assert judge(text, answers, planted) is verdict


def test_the_reason_names_the_answer_that_was_found():
    fact = Fact("Ann", "home", ("Lyon", "Paris"), "Where does Ann live?")
    query = Query(fact, Group.TEST, "", fact.question, "Rome")
    verdicts = Alias(AliasConfig()).judge([Completion(query, text) for text in ("in Paris", "in Rome", "")])
    assert [("Paris" in v.reason, "Rome" in v.reason, "empty" in v.reason) for v in verdicts] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]


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
