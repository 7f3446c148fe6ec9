"""The prompts on the official data, against the published rule written out on the raw JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from restor.domains.triples import Triples, TriplesConfig
from restor.evaluation.ask.baselines import copy_demonstrations
from restor.evaluation.ask.fewshot import build_queries
from restor.evaluation.config import EvaluationConfig
from restor.text import normalise
from restor.types import Group

OFFICIAL = Path(__file__).parents[3] / ".." / "shared" / "data" / "restor"

pytestmark = pytest.mark.skipif(
    not (OFFICIAL / "facts.json").is_file(), reason="the official data is not beside this checkout"
)


@pytest.fixture(scope="module")
def raw():
    facts = json.loads((OFFICIAL / "facts.json").read_text(encoding="utf-8"))
    return facts, json.loads((OFFICIAL / "entities.json").read_text(encoding="utf-8"))


def queries_of(protocol, targets=None):
    domain = Triples(TriplesConfig(facts=OFFICIAL / "facts.json"))
    groups = dict.fromkeys(domain.targetable if targets is None else targets, Group.TEST)
    config = EvaluationConfig(protocol=protocol, asked="listed")
    return domain, build_queries(domain, {}, groups, config, seed=0, unplanted=True)


def test_published_prompts_are_five_lines_and_the_question(raw):
    facts, entities = raw
    expected = {}
    for entity in entities:
        for relation, record in facts["dset"][entity].items():
            shown = [item for item in facts["context"][relation] if item["entity"] != entity][:5]
            assert len(shown) == 5
            lines = [f"{item['question']} {item['answer']}" for item in shown]
            expected[f"{entity}|{relation}"] = "\n".join([*lines, record["question"]])
    _, queries = queries_of("published")
    assert {query.fact.key: query.prefix + query.question for query in queries} == expected
    assert len(expected) == len(queries) == 1051
    assert len({query.fact.relation for query in queries}) == 41
    assert len({query.prefix for query in queries}) == 101


def test_the_default_protocol_never_tells_about_a_target_and_still_shows_five(raw):
    facts, entities = raw
    leaking = {
        f"{item['question']} {item['answer']}\n"
        for shown in facts["context"].values()
        for item in shown
        if item["entity"] in entities
    }
    assert len(leaking) == 115
    _, published = queries_of("published")
    assert any(line in leaking for query in published for line in query.prefix.splitlines(keepends=True))
    _, queries = queries_of("restor")
    assert len(queries) == 1051
    for query in queries:
        lines = query.prefix.splitlines(keepends=True)
        assert len(lines) == len(query.shown) == 5
        assert not leaking.intersection(lines)


def test_copying_from_the_published_demonstrations_scores_what_the_peers_measured():
    """13.1 % of the facts: the most common answer among the five demonstrations."""
    domain, queries = queries_of("published")
    said = copy_demonstrations(queries, domain)
    right = [
        normalise(text) in {normalise(answer) for answer in query.fact.answers}
        for query, text in zip(queries, said, strict=True)
    ]
    assert sum(right) / len(right) == pytest.approx(0.131, abs=0.002)


def test_targets_named_alone_leave_the_other_listed_people_untouched(raw):
    facts, entities = raw
    _, queries = queries_of("restor", targets=entities[:10])
    groups = [query.group for query in queries]
    assert len(groups) == 1051
    assert groups.count(Group.TEST) == sum(len(facts["dset"][name]) for name in entities[:10])
    assert groups.count(Group.UNTOUCHED) == 1051 - groups.count(Group.TEST)
