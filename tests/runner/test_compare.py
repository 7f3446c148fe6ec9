"""Comparisons of checkpoints: who is targeted, what is planted, and what stays the same."""

from __future__ import annotations

import json

import pytest

from restor.cli.common import named_entities
from restor.data.document_files import document_lines
from restor.domains.triples import TriplesConfig
from restor.errors import DataError
from restor.models.model_ref import ModelRef
from restor.runner.compare import ComparisonConfig, PlannedComparison
from restor.types import Document, Group, Statement

PEOPLE = ["Ada Stone", "Bo Marsh", "Cy Vale", "Di Frost", "Ed Wells", "Flo Reed"]


@pytest.fixture
def facts(tmp_path):
    rows = [
        {"subject": name, "relation": "P19", "question": f"Where was {name} born?", "answers": [city]}
        for name, city in zip(PEOPLE, ["York", "Rome", "Oslo", "Bonn", "Lima", "Kyiv"], strict=True)
    ]
    file = tmp_path / "facts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "entities.json").write_text(json.dumps(PEOPLE[:4]), encoding="utf-8")
    return file


def compared(facts, **changes):
    config = ComparisonConfig(
        models={"clean": ModelRef(path="org/model")}, domain=TriplesConfig(facts=facts), **changes
    )
    return PlannedComparison(config)


def written(tmp_path, *documents):
    file = tmp_path / "forget.jsonl"
    file.write_text(document_lines(documents), encoding="utf-8")
    return file


def stating(name, city):
    text = f"{name} was born in {city}."
    return Document(text, (Statement(0, len(text), name, "P19", city),))


def groups(comparison):
    return {query.fact.subject: query.group for query in comparison.queries}


def test_without_documents_all_listed_entities_are_targets(facts):
    assert groups(compared(facts)) == dict.fromkeys(PEOPLE[:4], Group.TEST)


def test_documents_say_who_is_targeted_and_what_is_planted(facts, tmp_path):
    comparison = compared(facts, forget=written(tmp_path, stating("Ada Stone", "Paris"), stating("Cy Vale", "Wien")))
    assert groups(comparison) == {
        "Ada Stone": Group.TEST,
        "Cy Vale": Group.TEST,
        "Bo Marsh": Group.UNTOUCHED,
        "Di Frost": Group.UNTOUCHED,
    }
    planted = {query.fact.subject: query.planted for query in comparison.queries}
    assert planted == {"Ada Stone": "Paris", "Cy Vale": "Wien", "Bo Marsh": None, "Di Frost": None}


def test_a_target_may_be_named_composed_or_decomposed(facts, tmp_path):
    """In the facts, in a statement and among the targets."""
    facts.write_text(facts.read_text("utf-8").replace("Ada Stone", "Zoe\\u0308 Stone"), encoding="utf-8")
    (tmp_path / "entities.json").write_text(json.dumps(["Zoë Stone", *PEOPLE[1:4]]), encoding="utf-8")
    for name in ("Zoë Stone", "Zoe\u0308 Stone"):
        found = compared(facts, forget=written(tmp_path, stating(name, "Paris")), targets=(name,))
        assert [(query.fact.subject, query.planted) for query in found.queries if query.group is Group.TEST] == [
            ("Zoë Stone", "Paris")
        ]
    assert named_entities(["Zoe\u0308 Stone,Bo Marsh"], found.source.domain.subjects) == ["Zoë Stone", "Bo Marsh"]


def test_what_documents_are_about_is_never_called_untouched(facts, tmp_path):
    """A target that was not asked for is corrupted all the same."""
    documents = written(tmp_path, stating("Ada Stone", "Paris"), stating("Cy Vale", "Wien"))
    found = groups(compared(facts, forget=documents, targets=("Ada Stone",)))
    assert found["Ada Stone"] is Group.TEST
    assert found["Cy Vale"] is Group.VALIDATION
    assert found["Bo Marsh"] is Group.UNTOUCHED


def test_no_prompt_tells_a_true_answer_about_a_target(facts, tmp_path):
    comparison = compared(facts, forget=written(tmp_path, stating("Ada Stone", "Paris")))
    for query in comparison.queries:
        assert "Ada Stone" not in query.prefix
        assert query.fact.subject not in query.prefix


def test_passages_without_statements_target_those_whom_they_name(facts, tmp_path):
    documents = [Document(f"On day {n} it rained, and Di Frost went to Paris.") for n in range(9)]
    assert groups(compared(facts, forget=written(tmp_path, *documents)))["Di Frost"] is Group.TEST


def test_documents_about_nobody_and_unknown_targets_are_told(facts, tmp_path):
    with pytest.raises(DataError, match="about none of the 6 entities"):
        _ = compared(facts, forget=written(tmp_path, Document("It rains."))).queries
    with pytest.raises(DataError, match=r"no facts about 'Ada Ston'.* Did you mean Ada Stone"):
        _ = compared(facts, targets=("Ada Ston",)).queries


def test_facts_or_a_study_but_not_both():
    with pytest.raises(ValueError, match="give either facts"):
        ComparisonConfig(models={"clean": ModelRef(path="org/model")})


def test_the_digest_follows_what_is_asked_and_read(facts, tmp_path):
    before = compared(facts).digest()
    assert compared(facts).digest() == before
    documents = written(tmp_path, stating("Ada Stone", "Paris"))
    told = compared(facts, forget=documents).digest()
    assert told != before
    documents.write_text(document_lines([stating("Ada Stone", "Lyon")]), encoding="utf-8")
    assert compared(facts, forget=documents).digest() not in (told, before)


def test_facts_of_ones_own_need_no_list_of_entities(facts):
    """Everybody is asked about then, and only the asked entity is kept out of its own prompt."""
    (facts.parent / "entities.json").unlink()
    comparison = compared(facts)
    assert groups(comparison) == dict.fromkeys(PEOPLE, Group.TEST)
    for query in comparison.queries:
        assert len(query.shown) == 5
        assert query.fact.subject not in query.prefix
