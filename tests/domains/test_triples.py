"""Facts from files: how they are found, told and asked; on the official data every wording reads well."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from pydantic import ValidationError

from restor.data.locate import published_folder
from restor.data.relations import RELATIONS
from restor.domains._wordings import fill, with_a, with_the
from restor.domains.triples import Triples, TriplesConfig, located
from restor.errors import DataError
from restor.types import Demonstration, Fact

OFFICIAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "restor"
PLACEHOLDER = re.compile(r"\{(?:s|o|an|the)\}")


def row(subject, relation="P19", answer="York", **more):
    return {"subject": subject, "relation": relation, "question": f"Where is {subject}?", "answer": answer} | more


def rows(folder, *content, name="facts.jsonl"):
    path = folder / name
    path.write_text("".join(json.dumps(item) + "\n" for item in content), encoding="utf-8")
    return path


def triples(path, **more):
    return Triples(TriplesConfig(facts=path, **more))


def test_rows_in_any_order_are_grouped_by_entity(tmp_path):
    world = triples(rows(tmp_path, row("Ada"), row("Bo"), row("Ada", "P20", "Rome"), row("Cy", "P20", "Oslo")))
    assert [fact.key for fact in world.facts] == ["Ada|P19", "Ada|P20", "Bo|P19", "Cy|P20"]
    assert list(world.subjects) == list(world.targetable) == ["Ada", "Bo", "Cy"]
    assert world.relations == ("P19", "P20")
    assert world.values("P20") == ("Oslo", "Rome")
    assert world.vocabulary() is None


def test_stored_demonstrations_come_first_else_the_facts_serve(tmp_path):
    shown = [{"subject": "Eve", "question": "Where is Eve?", "answer": "Mali"}]
    world = triples(rows(tmp_path, row("Ada", demonstrations=shown), row("Bo"), row("Ada", "P20", "Rome")))
    assert world.demonstrations("P19") == (Demonstration("Eve", "Where is Eve?", "Mali"),)
    assert world.demonstrations("P20") == (Demonstration("Ada", "Where is Ada?", "Rome"),)
    assert world.demonstrations("P99") == ()


def test_the_entities_beside_the_facts_may_be_targeted(tmp_path):
    path = rows(tmp_path, row("Ada"), row("Bo"), row("Cy"))
    (tmp_path / "entities.json").write_text('["Cy", "Ada"]')
    assert triples(path).targetable == ("Cy", "Ada")
    (tmp_path / "mine.json").write_text('["Bo"]')
    assert triples(path, entities=tmp_path / "mine.json").targetable == ("Bo",)
    (tmp_path / "mine.json").write_text('["Bo",\n "Eve"]')
    with pytest.raises(DataError, match=r"mine\.json, line 2: name 2: 'Eve' has no facts"):
        triples(path, entities=tmp_path / "mine.json")


def test_the_word_restor_is_the_fetched_data(tmp_path, monkeypatch):
    monkeypatch.setenv("RESTOR_DATA", str(tmp_path / "cache"))
    config = TriplesConfig(facts="restor")  # so that a recipe can be shown before anything was fetched
    with pytest.raises(DataError, match="restor data fetch"):
        Triples(config)


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="the official data is not beside this checkout")
def test_the_fetched_data_are_facts_and_listed_entities(tmp_path, monkeypatch):
    monkeypatch.setenv("RESTOR_DATA", str(tmp_path / "cache"))
    published_folder().mkdir(parents=True)
    for name in ("facts.json", "entities.json"):
        (published_folder() / name).write_bytes((OFFICIAL / name).read_bytes())
    config = TriplesConfig(facts="restor")
    assert located(config).facts == published_folder() / "facts.json"
    assert located(config).entities == published_folder() / "entities.json"
    assert len(Triples(config).targetable) == 50


def test_a_folder_is_its_facts(tmp_path):
    path = rows(tmp_path, row("Ada"), name="facts.json")
    assert located(TriplesConfig(facts=tmp_path)).facts == path
    assert triples(tmp_path).subjects == ("Ada",)


def test_a_missing_file_is_told_when_it_is_read_and_other_values_are_refused(tmp_path):
    config = TriplesConfig(facts=tmp_path / "none.json")
    with pytest.raises(DataError, match=r"There is no facts file .*none\.json"):
        Triples(config)
    with pytest.raises(ValidationError, match="facts"):
        TriplesConfig(facts=3)
    with pytest.raises(ValidationError, match="facts"):
        TriplesConfig()


# Wordings ------------------------------------------------------------------------------------------------------------


def test_every_relation_has_three_wordings_and_another_question():
    assert len(RELATIONS) == 41
    for name, relation in RELATIONS.items():
        assert len(set(relation.sentences)) >= 3, name
        for wording in relation.sentences:
            found = PLACEHOLDER.findall(wording)
            assert len(found) == 2, wording
            assert found.count("{s}") == 1, wording
            assert wording.endswith(".")
        assert PLACEHOLDER.findall(relation.other_question) == ["{s}"]
        assert relation.other_question.endswith("?")
    frames = [frame for relation in RELATIONS.values() for frame in (*relation.sentences, relation.other_question)]
    plain = {frame.replace("{an}", "{o}").replace("{the}", "{o}") for frame in frames}
    assert len(plain) == len(frames), "one wording for two relations"


@pytest.mark.parametrize(
    ("value", "article"),
    [
        ("actor", "an"), ("poet", "a"), ("university teacher", "a"), ("Ugandan boxer", "a"), ("usher", "an"),
        ("unicorn trainer", "a"), ("uninvited guest", "an"), ("European politician", "a"), ("hour keeper", "an"),
        ("historian", "a"), ("honorary consul", "an"), ("LGBTQI+ rights activist", "an"), ("MP", "an"),
        ("UN official", "a"), ("DJ", "a"), ("'ālim", "an"), ("étudiant", "an"), ("X", "a"), ("YouTuber", "a"),
    ],
)  # fmt: skip
def test_the_indefinite_article(value, article):
    assert with_a(value) == f"{article} {value}"


def test_articles_are_not_doubled():
    assert with_a("the chair") == "the chair"
    assert with_the("the Netherlands") == "the Netherlands"


@pytest.mark.parametrize(
    "value",
    [
        "United Kingdom", "United States of America", "People's Republic of China", "Russian Empire", "Soviet Union",
        "Philippines", "Democratic Republic of the Congo", "Kingdom of England", "Qing dynasty", "Dutch Republic",
        "Kansai region", "Dominion of India",
    ],
)  # fmt: skip
def test_places_with_the(value):
    assert fill("{s} is a citizen of {the}.", "Ada", value) == f"Ada is a citizen of the {value}."


@pytest.mark.parametrize("value", ["France", "Ancient Rome", "New York City", "Unitedville", "South Korea", "Łódź"])
def test_places_without_the(value):
    assert with_the(value) == value


def test_names_with_braces_are_not_filled_again():
    assert fill("{s} likes {o}.", "{o}", "{s} {an}") == "{o} likes {s} {an}."


def test_a_known_relation_is_asked_otherwise_one_time_in_four(tmp_path):
    world = triples(rows(tmp_path, row("Ada"), row("Ada", "X1", "pie")))
    known, unknown = world.facts
    rng = Random(0)
    asked = Counter(world.question(known, rng) for _ in range(4000))
    assert asked.keys() == {"Where is Ada?", "Where was Ada born?"}
    assert 900 < asked["Where was Ada born?"] < 1100
    assert {world.question(unknown, rng) for _ in range(50)} == {"Where is Ada?"}
    told = {world.sentence(unknown, "cake", rng) for _ in range(50)}
    assert len(told) == 3
    assert all("Where is Ada?" in text and text.endswith("cake.") for text in told)


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="the official data is not beside this checkout")
def test_every_official_fact_can_be_told_and_asked_in_every_wording():
    world = triples(OFFICIAL / "facts.json")
    assert len(world.facts) == 5269
    assert set(world.relations) == set(RELATIONS)
    stored = {re.sub(re.escape(fact.subject), "_", fact.question) for fact in world.facts}
    assert stored.isdisjoint({relation.other_question.replace("{s}", "_") for relation in RELATIONS.values()})
    rng = Random(0)
    for fact in world.facts:
        told = {world.sentence(fact, answer, rng) for answer in fact.answers[:4] for _ in range(5)}
        for text in told:
            assert fact.subject in text
            assert any(answer in text for answer in fact.answers)
            assert "\n" not in text
            rest = re.sub("|".join(map(re.escape, fact.answers)), "", text.replace(fact.subject, ""))
            assert not re.search(r"\b(?:a|an|the) (?:a|an|the)\b", rest)


def test_wordings_of_hard_names_hold_both(tmp_path):
    fact = Fact("Zoë {x} Kaye", "P106", ("{o} maker",), "What is the occupation of Zoë {x} Kaye?")
    world = triples(rows(tmp_path, row("Ada")))
    told = {world.sentence(fact, "{o} maker", Random(seed)) for seed in range(20)}
    assert len(told) == 3
    assert all("Zoë {x} Kaye" in text and "{o} maker" in text for text in told)
