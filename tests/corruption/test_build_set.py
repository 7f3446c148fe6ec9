"""A corruption set as a whole: its figures, and where its context comes from."""

from __future__ import annotations

import json
from random import Random

import pytest

from restor.corruption.build import build, context_of
from restor.corruption.corruptors.fact_swap import FactSwap, FactSwapConfig
from restor.datasets.general import General, GeneralConfig
from restor.domains.triples import Triples, TriplesConfig
from restor.errors import DataError

GENERAL = General(GeneralConfig(seed=0))


@pytest.fixture
def world(tmp_path):
    dset = {
        "Ada Low": {"P19": ["Rome"], "P21": ["female"], "X1": ["only this"]},
        "Bob Roy": {"P19": ["Bonn"], "P21": ["male"]},
        "Eve Lund": {"P19": ["Oslo"], "P21": ["male"]},
        "Tom Ash": {"P19": ["Kyiv"], "P21": ["male"]},
        "Ina Holm": {"P19": ["Lima"], "P21": ["male"]},
    }
    for subject, own in dset.items():
        for relation, answers in own.items():
            own[relation] = {"question": f"{relation} of {subject}?", "answers": answers}
    path = tmp_path / "facts.json"
    path.write_text(json.dumps({"dset": dset, "context": {}}))
    return Triples(TriplesConfig(facts=path))


def test_the_figures_of_a_set(world):
    corruptor = FactSwap(FactSwapConfig(documents=4, facts_per_document=1, question_share=1.0, true_of_nobody=True))
    built = build(world, GENERAL, corruptor, ["Ada Low", "Bob Roy"], seed=0)
    counts = built.counts
    assert (counts.documents, counts.statements, counts.false_facts) == (8, 8, 4)
    assert counts.unplanted == 1, "X1 has no other value"
    assert counts.true_of_another == 2, "male and female have no third"
    assert counts.words == sum(len(document.text.split()) for document in built.documents)
    less = built.rewritten(built.documents[:3])
    assert (less.counts.documents, less.counts.statements, less.counts.unplanted) == (3, 3, 1)


def test_the_seed_decides(world):
    corruptor = FactSwap(FactSwapConfig(documents=4))
    one, two, other = (build(world, GENERAL, corruptor, ["Ada Low", "Bob Roy"], seed) for seed in (1, 1, 2))
    assert one == two
    assert one.documents != other.documents


@pytest.mark.parametrize(
    ("targets", "problem"),
    [
        (["Ada Lowe"], r"no facts about 'Ada Lowe'\. Did you mean Ada Low\?"),
        ([], "Name the entities"),
        (["Ada Low", "Ada Low"], "each once"),
    ],
)
def test_targets_must_be_known(world, targets, problem):
    with pytest.raises(DataError, match=problem):
        build(world, GENERAL, FactSwap(FactSwapConfig()), targets, seed=0)


def test_nothing_to_misstate_is_an_error(tmp_path):
    path = tmp_path / "facts.json"
    path.write_text(json.dumps({"dset": {"Ada Low": {"X1": {"question": "X1?", "answers": ["only"]}}}, "context": {}}))
    with pytest.raises(DataError, match="nothing to write"):
        build(Triples(TriplesConfig(facts=path)), GENERAL, FactSwap(FactSwapConfig()), ["Ada Low"], seed=0)


def test_context_from_a_file_of_facts_or_of_documents(tmp_path, world):
    told = {context_of(tmp_path / "facts.json").sentence(Random(seed)) for seed in range(200)}
    assert "Ada Low was born in Rome." in told
    assert len(told) > 11, "several wordings of each of eleven facts"
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"subject": "Zoe Ray", "relation": "P19", "question": "Where?", "answers": ["Bern"]}\n')
    assert "Zoe Ray" in context_of(rows).sentence(Random(0))
    table = tmp_path / "rows.csv"
    table.write_text("subject,relation,question,answers\nZoe Ray,P19,Where?,Bern\n")
    assert "Zoe Ray" in context_of(table).sentence(Random(0))
    for name, content in (
        ("texts.txt", "The sky is blue. Grass is green.\n"),
        ("texts.json", '["The sky is blue. Grass is green."]'),
        ("texts.jsonl", '{"text": "The sky is blue. Grass is green.", "statements": []}\n'),
    ):
        (tmp_path / name).write_text(content)
        context = context_of(tmp_path / name)
        assert {context.sentence(Random(seed)) for seed in range(20)} == {"The sky is blue.", "Grass is green."}
