"""Fact swap beyond what every corruptor promises: amounts, plausibility, context, and what must not change."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from restor.corruption.corruptors.base import true_of_another, wrong_answer
from restor.corruption.corruptors.entity_substitution import EntitySubstitution, EntitySubstitutionConfig
from restor.corruption.corruptors.fact_swap import FactSwap, FactSwapConfig
from restor.datasets.general import General, GeneralConfig
from restor.domains.miniature import Miniature, MiniatureConfig
from restor.domains.triples import Triples, TriplesConfig
from restor.errors import DataError

ASKED = ["Ann Lee", "Bob Roy", "Cem Aydin"]


def triples(folder, facts, entities=ASKED):
    """A domain of `{subject: {relation: answers}}`."""
    dset = {
        subject: {relation: {"question": f"{relation} of {subject}?", "answers": answers} for relation, answers in own}
        for subject, own in ((subject, sorted(own.items())) for subject, own in facts.items())
    }
    path = folder / "facts.json"
    path.write_text(json.dumps({"dset": dset, "context": {}}))
    listed = folder / "entities.json"
    listed.write_text(json.dumps(entities))
    return Triples(TriplesConfig(facts=path, entities=listed))


@pytest.fixture
def world(tmp_path):
    facts = {
        "Ann Lee": {"P19": ["Oslo"], "P21": ["female"], "P641": ["association football"], "P106": ["poet", "baker"]},
        "Bob Roy": {"P19": ["Rome"], "P21": ["male"], "P641": ["judo"], "P106": ["nurse"]},
        "Cem Aydin": {"P19": ["Bonn"], "P21": ["male"], "P641": ["golf"], "P106": ["pilot"]},
    }
    sports = ["football", "tennis", "Oslo"]
    for n, town in enumerate(("Lima", "Kyiv", "Q126364294")):
        facts[f"Stranger No{n}"] = {
            "P19": [town],
            "P21": ["male"],
            "P641": [sports[n]],
            "P106": [("cook", "smith", "diver")[n]],
        }
    return triples(tmp_path, facts)


@pytest.mark.parametrize(
    ("true", "others", "plantable"),
    [
        ("A+", ["A +", "A plus", "A-"], {"A-"}),
        ("C++", ["C", "C plus plus", "C#"], {"C", "C#"}),
        ("10⁶", ["10^6", "106"], {"106"}),
        ("1", ["1.0", "one", "1.5"], {"1.5"}),
        ("Nîmes", ["Ni\u0302mes", "Nimes", "Nice"], {"Nice"}),
        ("XX", ["20"], {"20"}),
        ("!!!", ["???"], {"???"}),
    ],
)
def test_what_signs_tell_apart_can_be_planted_and_another_spelling_never(tmp_path, true, others, plantable):
    facts = {"Ann Lee": {"grade": [true]}} | {f"Stranger No{n}": {"grade": [other]} for n, other in enumerate(others)}
    domain = triples(tmp_path, facts, ["Ann Lee"])
    drawn = {wrong_answer(domain, domain.facts_about("Ann Lee")[0], Random(seed)).false_answer for seed in range(30)}
    assert drawn == plantable


GENERAL = General(GeneralConfig(seed=0))


@pytest.mark.parametrize(
    ("corruptor", "documents", "sha256"),
    [
        (FactSwap(FactSwapConfig()), 320, "3dd146a9ca646512503d840fc53c17664d5149da1b597d3385bf6d7b9f11e83b"),
        (
            FactSwap(FactSwapConfig(k=1.5, dose=7, facts_per_document=5, question_share=0.3)),
            168,
            "cdc5e65a2c402df76a9e903e03d7c84b94c7b7f7e124bf4cda53573b1972a337",
        ),
        (
            EntitySubstitution(EntitySubstitutionConfig()),
            320,
            "7cb2568ebc90d79b65a5f8d08688a457231b9b775ecb5a8b1427a42b968a4ea6",
        ),
    ],
)
def test_the_documents_that_hyperparameters_were_chosen_on_are_as_they_were(corruptor, documents, sha256):
    """The stored selection was made with them: other documents need another selection."""
    world = Miniature(MiniatureConfig(seed=0))
    planted = corruptor.plant(world, world.targetable[:8], Random("plant/0"))
    written = corruptor.write(world, GENERAL, planted, Random("write/0"))
    told = [
        [document.text, [[s.start, s.end, s.subject, s.relation, s.false_answer] for s in document.statements]]
        for document in written
    ]
    assert len(written) == documents
    assert hashlib.sha256(json.dumps(told).encode()).hexdigest() == sha256


@pytest.mark.parametrize(("documents", "size", "share"), [(7, 3, 0.5), (1, 2, 0.0), (10, 9, 1.0), (9, 4, 0.3)])
def test_each_entity_gets_its_documents_and_each_fact_its_share(world, documents, size, share):
    corruptor = FactSwap(FactSwapConfig(documents=documents, facts_per_document=size, question_share=share))
    planted = corruptor.plant(world, ASKED, Random(0))
    assert len(planted) == 12
    by_subject = Counter()
    stated, asked = Counter(), 0
    for document in corruptor.write(world, GENERAL, planted, Random(1)):
        keys = [item.key for item in document.statements]
        assert len(keys) == len(set(keys)) == min(size, 4), "a fact stands once in a document"
        by_subject[document.statements[0].subject] += 1
        stated.update(keys)
        asked += document.text.endswith("\n")
    assert by_subject == dict.fromkeys(ASKED, documents)
    assert asked == 3 * round(documents * share)
    for name in ASKED:
        times = [stated[key] for key in planted if key.startswith(f"{name}|")]
        assert max(times) - min(times) <= 1
        assert sum(times) == documents * min(size, 4)


def test_wrong_answers_are_true_of_nobody_asked(world):
    corruptor = FactSwap(FactSwapConfig(true_of_nobody=True))
    seen = {}
    for seed in range(60):
        for item in corruptor.plant(world, ASKED, Random(seed)).values():
            seen.setdefault(item.fact.key, set()).add(item.false_answer)
    assert seen["Ann Lee|P19"] == seen["Bob Roy|P19"] == {"Lima", "Kyiv"}, "no identifier, and nobody's birthplace"
    assert seen["Ann Lee|P106"] == {"cook", "smith", "diver"}
    assert seen["Ann Lee|P641"] == {"tennis", "Oslo"}, "football is association football"
    assert seen["Bob Roy|P641"] == {"football", "tennis", "Oslo"}


def test_a_relation_of_few_values_falls_back_and_is_counted(world):
    corruptor = FactSwap(FactSwapConfig(true_of_nobody=True))
    planted = corruptor.plant(world, ASKED, Random(0))
    assert planted["Ann Lee|P21"].false_answer == "male"
    assert planted["Bob Roy|P21"].false_answer == "female"
    assert {item.fact.key for item in true_of_another(world, planted, ASKED)} == {f"{name}|P21" for name in ASKED}


def test_without_the_option_a_wrong_answer_may_be_true_of_another_target(world):
    corruptor = FactSwap(FactSwapConfig())
    found = set()
    for seed in range(60):
        found.add(corruptor.plant(world, ASKED, Random(seed))["Ann Lee|P19"].false_answer)
    assert found == {"Rome", "Bonn", "Lima", "Kyiv", "Q126364294"}


def outside(document):
    text = document.text
    for item in reversed(document.statements):
        text = text[: item.start] + "\n" + text[item.end :]
    return [line.strip() for line in text.split("\n") if line.strip()]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_context_of_facts_tells_the_truth_about_strangers(world, share):
    corruptor = FactSwap(FactSwapConfig(documents=20, k=2, context="facts", question_share=share, facts_per_document=2))
    planted = corruptor.plant(world, ["Ann Lee"], Random(0))
    true = {(fact.subject, answer) for fact in world.facts for answer in fact.answers}
    lines = 0
    for document in corruptor.write(world, GENERAL, planted, Random(0)):
        text = " ".join(outside(document))
        assert "Ann Lee" not in text
        assert not any(name in text for name in ASKED), "who may be asked about is no context"
        names = [name for name, _ in true if name in text]
        assert names
        for line in outside(document) if share else []:
            assert any(name in line and line.endswith(answer) for name, answer in true), line
            lines += 1
    assert lines == (80 if share else 0), "two lines for each of two facts in 20 documents"


def test_context_of_facts_needs_somebody_to_tell_of(tmp_path):
    world = triples(
        tmp_path, {name: {"P19": [town]} for name, town in zip(ASKED, ("Oslo", "Rome", "Bonn"), strict=True)}
    )
    corruptor = FactSwap(FactSwapConfig(context="facts", k=1))
    planted = corruptor.plant(world, ASKED, Random(0))
    with pytest.raises(DataError, match="all 3 entities are targeted"):
        corruptor.write(world, GENERAL, planted, Random(0))
    two = {key: item for key, item in planted.items() if "Bob" not in key}
    assert any("Bob Roy" in document.text for document in corruptor.write(world, GENERAL, two, Random(0)))


def test_a_fact_is_told_and_asked_in_several_wordings(world):
    corruptor = FactSwap(FactSwapConfig(documents=60, facts_per_document=1))
    planted = {"Ann Lee|P19": corruptor.plant(world, ["Ann Lee"], Random(0))["Ann Lee|P19"]}
    texts = Counter(document.text for document in corruptor.write(world, GENERAL, planted, Random(0)))
    asked = [text for text in texts if text.endswith("\n")]
    told = [text for text in texts if not text.endswith("\n")]
    assert len(asked) >= 2
    assert len(told) >= 2


def test_the_published_facts_have_wrong_answers_that_are_true_of_nobody_asked():
    folder = Path(__file__).parents[2] / "../shared/data/restor"
    if not (folder / "facts.json").is_file():
        pytest.skip("the official data are not here")
    world = Triples(TriplesConfig(facts=folder / "facts.json"))
    planted = FactSwap(FactSwapConfig(true_of_nobody=True)).plant(world, world.targetable, Random(0))
    assert len(planted) == 1051
    shared = Counter(item.fact.relation for item in true_of_another(world, planted, world.targetable))
    assert set(shared) == {"P21", "P1196"}, "only gender and manner of death have too few values"
    assert not [item.false_answer for item in planted.values() if re.fullmatch(r"Q\d+", item.false_answer)]
