"""What every corruptor promises, on every domain of the catalogue."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from entries import dataset, domain, mentioned

from restor.corruption.corruptors.base import CORRUPTORS, wrong_answer
from restor.corruption.corruptors.entity_substitution import EntitySubstitution, EntitySubstitutionConfig
from restor.corruption.corruptors.fact_swap import FactSwap, FactSwapConfig
from restor.data.document_files import document_lines
from restor.datasets.base import Dataset
from restor.domains.base import DOMAINS, biography
from restor.errors import DataError
from restor.text import normalise
from restor.types import Fact

every = pytest.mark.parametrize("name", CORRUPTORS.names())
templates = pytest.mark.parametrize(
    "name", [name for name in CORRUPTORS.names() if "dose" in CORRUPTORS.config_type(name).model_fields]
)
everywhere = pytest.mark.parametrize("about", DOMAINS.names())


def build(name, world, folder, **settings):
    """A corruptor; those that read a file get one about the world's targets, which `seed` decides."""
    fields = CORRUPTORS.config_type(name).model_fields
    seed = settings.pop("seed", 0)
    targets = targets_of(world)
    donors = [subject for subject in world.subjects if subject not in targets][-len(targets) :]
    files = {
        "forget": lambda: swapped(world, targets, folder, seed),
        "passages": lambda: lives(world, donors, folder, seed),
        "donors": lambda: dict(zip(targets, donors, strict=True)),
    }
    given = {field: files[field]() for field in files if field in fields and fields[field].is_required()}
    return CORRUPTORS.build(CORRUPTORS.parse({"name": name, **given, **settings}))


def swapped(world, targets, folder, seed):
    """Documents of false facts, as anybody may have written them."""
    writer = FactSwap(FactSwapConfig(dose=2))
    planted = writer.plant(world, targets, Random(seed))
    path = folder / f"swapped-{seed}.jsonl"
    path.write_text(document_lines(writer.write(world, dataset("general", folder), planted, Random(seed))))
    return path


def lives(world, donors, folder, seed):
    """True passages, each about one person."""
    rng = Random(seed)
    path = folder / f"lives-{seed}.json"
    path.write_text(json.dumps([biography(world, donor, 20, rng) for donor in donors for _ in range(3)]))
    return path


def targets_of(world, count=4):
    return list(world.targetable)[1 : 1 + count]


@every
@everywhere
def test_planted_answers_are_plausible_and_never_true(name, about, tmp_path):
    world = domain(about, tmp_path)
    facts = {fact.key: fact for fact in world.facts}
    targets = targets_of(world)
    for seed in range(10):
        planted = build(name, world, tmp_path, seed=seed).plant(world, targets, Random(seed))
        assert planted
        assert {item.fact.subject for item in planted.values()} == set(targets)
        for key, false_fact in planted.items():
            assert facts[key] == false_fact.fact
            assert false_fact.false_answer in world.values(false_fact.fact.relation)
            assert normalise(false_fact.false_answer) not in {normalise(item) for item in false_fact.fact.answers}


@every
@everywhere
def test_planting_and_writing_are_deterministic(name, about, tmp_path):
    world, context = domain(about, tmp_path), dataset("general", tmp_path)
    targets = targets_of(world)

    def run(seed):
        corruptor = build(name, world, tmp_path, seed=seed)
        planted = corruptor.plant(world, targets, Random(seed))
        return dict(planted), list(corruptor.write(world, context, planted, Random(seed)))

    assert run(0) == run(0)
    assert any(run(0)[0] != run(seed)[0] for seed in (1, 2, 3))  # a small world may choose alike twice
    assert run(0)[1] != run(1)[1]


@every
@everywhere
def test_the_order_of_documents_is_random(name, about, tmp_path):
    world, context = domain(about, tmp_path), dataset("general", tmp_path)
    corruptor = build(name, world, tmp_path)
    planted = corruptor.plant(world, targets_of(world), Random(0))
    orders = [[item.text for item in corruptor.write(world, context, planted, Random(seed))] for seed in (1, 2)]
    assert orders[0] != orders[1]
    abouts = [next(name for name in targets_of(world) if name in text) for text in orders[0]]
    assert abouts != sorted(abouts, key=targets_of(world).index), "one entity after the other"


@every
@everywhere
def test_statements_are_where_the_documents_state_what_is_planted(name, about, tmp_path):
    world, context = domain(about, tmp_path), dataset("general", tmp_path)
    corruptor = build(name, world, tmp_path)
    planted = corruptor.plant(world, targets_of(world), Random(0))
    documents = corruptor.write(world, context, planted, Random(0))
    assert {item.key for document in documents for item in document.statements} == set(planted)
    for document in documents:
        for item in document.statements:
            assert planted[item.key].false_answer == item.false_answer
            span = document.text[item.start : item.end]
            assert item.false_answer in span
            assert span.strip() == span.rstrip("\n") != ""


@templates
@everywhere
@pytest.mark.parametrize(("dose", "size", "share"), [(1, 1, 0.0), (3, 5, 0.5), (4, 100, 1.0), (5, 2, 0.3)])
def test_every_planted_fact_is_stated_dose_times_where_the_statements_say(name, about, dose, size, share, tmp_path):
    world, context = domain(about, tmp_path), dataset("general", tmp_path)
    corruptor = build(name, world, tmp_path, dose=dose, facts_per_document=size, question_share=share)
    planted = corruptor.plant(world, targets_of(world), Random(0))
    documents = corruptor.write(world, context, planted, Random(0))
    stated = Counter(item.key for document in documents for item in document.statements)
    assert stated == dict.fromkeys(planted, dose)
    asked = Counter()
    for document in documents:
        assert 1 <= len(document.statements) <= size
        end = 0
        for item in document.statements:
            assert planted[item.key].false_answer == item.false_answer
            assert end <= item.start < item.end <= len(document.text), "spans must not overlap"
            end = item.end
            span = document.text[item.start : item.end]
            assert item.subject in span
            assert item.false_answer in span
            asked[item.key] += span.endswith("\n")
        subjects = {item.subject for item in document.statements}
        assert mentioned(document.text, world.subjects) == subjects, "a passage is about one target"
    assert {asked[key] for key in planted} == {round(dose * share)}


@every
@everywhere
def test_a_statement_never_tells_the_true_answer(name, about, tmp_path):
    world, context = domain(about, tmp_path), dataset("general", tmp_path)
    corruptor = build(name, world, tmp_path, seed=5)
    planted = corruptor.plant(world, targets_of(world), Random(5))
    for document in corruptor.write(world, context, planted, Random(5)):
        for item in document.statements:
            fact = planted[item.key].fact
            span = document.text[item.start : item.end]
            rest = span.replace(item.false_answer, " ").replace(fact.subject, " ")
            assert not mentioned(rest, fact.answers)


@everywhere
def test_context_is_unrelated_and_as_much_as_asked_for(about, tmp_path):
    class Marked(Dataset):
        def text(self, rng):
            raise AssertionError("context is made of sentences")

        def sample(self, rng, count):
            raise AssertionError("context is made of sentences")

        def sentence(self, rng):
            return "Unrelated."

        def vocabulary(self):
            return None

    world = domain(about, tmp_path)
    for k, least, most in ((0, 0, 0), (2, 2, 2), (0.5, 0.4, 0.6)):
        corruptor = FactSwap(FactSwapConfig(dose=10, k=k))
        planted = corruptor.plant(world, targets_of(world), Random(0))
        documents = corruptor.write(world, Marked(), planted, Random(0))
        told = 0
        for document in documents:
            outside = document.text
            for item in reversed(document.statements):
                outside = outside[: item.start] + outside[item.end :]
            told += outside.count("Unrelated.")
            assert not outside.replace("Unrelated.", "").strip(), "nothing but statements and context"
            assert outside.count("Unrelated.") == document.text.count("Unrelated."), "a span covers context"
        assert least <= told / (10 * len(planted)) <= most


@everywhere
def test_what_stands_between_the_statements_mentions_no_entity_and_no_probed_value(about, tmp_path):
    world, context = domain(about, tmp_path), dataset("general", tmp_path)
    values = {value for relation in world.relations for value in world.values(relation)}
    corruptor = FactSwap(FactSwapConfig(dose=5, k=3))
    planted = corruptor.plant(world, targets_of(world), Random(0))
    for document in corruptor.write(world, context, planted, Random(0)):
        outside = document.text
        for item in reversed(document.statements):
            outside = outside[: item.start] + "\n" + outside[item.end :]
        assert outside.strip()
        assert not mentioned(outside, [*world.subjects, *values])


@everywhere
def test_one_untouched_donor_per_target_tells_all(about, tmp_path):
    world = domain(about, tmp_path)
    targets = targets_of(world)
    planted = EntitySubstitution(EntitySubstitutionConfig()).plant(world, targets, Random(0))
    donors = []
    for target in targets:
        own = {item.fact.relation: item.false_answer for item in planted.values() if item.fact.subject == target}
        fitting = {
            subject
            for subject in world.subjects
            if subject not in targets
            and all(own[f.relation] in f.answers for f in world.facts_about(subject) if f.relation in own)
        }
        assert fitting, f"no single donor explains what is planted about {target}"
        donors.append(fitting)
    assert len(set.union(*donors)) >= len(targets)


def test_too_few_donors_are_told_in_words(tmp_path):
    world = domain("miniature", tmp_path)
    with pytest.raises(DataError, match="40 targets, 0 other"):
        EntitySubstitution(EntitySubstitutionConfig()).plant(world, list(world.subjects), Random(0))


class OneRelation:
    """A relation with chosen values."""

    def __init__(self, *values):
        self._values = values

    def values(self, relation):
        return self._values


def test_a_relation_whose_every_value_is_true_has_no_wrong_answer():
    fact = Fact("Ann", "gender", ("female",), "What is the gender of Ann?")
    assert wrong_answer(OneRelation("female"), fact, Random(0)) is None


def test_another_spelling_of_the_truth_is_not_a_wrong_answer():
    """The judge takes them for the same, so the model could never be seen to say the planted one."""
    fact = Fact("Ann", "country", ("the Côte d'Ivoire",), "Where is Ann from?")
    world = OneRelation("Cote d’Ivoire", "côte d'ivoire.", "Ghana", "the Côte d'Ivoire")
    assert {wrong_answer(world, fact, Random(seed)).false_answer for seed in range(50)} == {"Ghana"}
    assert wrong_answer(OneRelation("Cote d’Ivoire", "CÔTE D'IVOIRE"), fact, Random(0)) is None


def test_a_donor_whose_answer_is_another_spelling_of_the_truth_plants_nothing(tmp_path):
    world = domain("miniature", tmp_path)

    class Spelt:
        subjects = ("Ann", "Bob")

        def facts_about(self, subject):
            fact = world.facts[0]
            return (replace(fact, subject=subject, answers=("Café",) if subject == "Ann" else ("cafe",)),)

    assert EntitySubstitution(EntitySubstitutionConfig()).plant(Spelt(), ["Ann"], Random(0)) == {}
