"""What every data set promises, checked for all of the catalogue; and that general text is true."""

from __future__ import annotations

import re
from random import Random

import pytest
from entries import dataset, domain, mentioned

from restor.datasets.base import DATASETS
from restor.domains.base import DOMAINS
from restor.text import split_words

every = pytest.mark.parametrize("name", DATASETS.names())


def texts(source, seed, count):
    rng = Random(seed)
    return [source.text(rng) for _ in range(count)]


@every
def test_deterministic_by_seed(name, tmp_path):
    same = dataset(name, tmp_path, seed=0)
    assert texts(dataset(name, tmp_path, seed=0), 1, 50) == texts(same, 1, 50)
    assert texts(same, 1, 50) != texts(same, 2, 50)
    assert texts(same, 1, 50) != texts(dataset(name, tmp_path, seed=1), 1, 50)


@every
def test_texts_are_not_empty_and_sentences_stand_alone(name, tmp_path):
    source = dataset(name, tmp_path)
    rng = Random(0)
    assert all(text.strip() for text in texts(source, 0, 200))
    for _ in range(200):
        sentence = source.sentence(rng)
        assert sentence == sentence.strip()
        assert sentence
        assert "\n" not in sentence, "would break a question line in two"
        assert not re.search(r"[{}]", sentence)


@every
def test_the_vocabulary_covers_whatever_is_said(name, tmp_path):
    source = dataset(name, tmp_path)
    vocabulary = source.vocabulary()
    if vocabulary is None:
        pytest.skip("cannot be listed")
    rng = Random(3)
    for text in [*texts(source, 3, 500), *(source.sentence(rng) for _ in range(200))]:
        assert set(split_words(text)) <= set(vocabulary)


@every
@pytest.mark.parametrize("about", DOMAINS.names())
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_subject_and_no_probed_value_is_mentioned(name, about, seed, tmp_path):
    source, world = dataset(name, tmp_path, seed), domain(about, tmp_path, seed)
    values = {value for relation in world.relations for value in world.values(relation)}
    rng = Random(seed)
    read = "\n".join([*texts(source, seed, 500), *(source.sentence(rng) for _ in range(500))])
    assert mentioned(read, [*world.subjects, *values]) == set()


def test_general_sums_and_instructions_are_right(tmp_path):
    read = "".join(text + "\n" for text in texts(dataset("general", tmp_path), 0, 400))
    sums = re.findall(r"What is (\d+) plus (\d+)\? (\d+)\n|(\d+) plus (\d+) is (\d+)\.", read)
    assert len(sums) > 100
    for found in sums:
        a, b, total = (int(part) for part in found if part)
        assert a + b == total
    told = re.findall(r"(Repeat|Reverse) the words (.*): (.*)\.", read)
    assert {verb for verb, _, _ in told} == {"Repeat", "Reverse"}
    for verb, given, said in told:
        assert said.split() == (given.split() if verb == "Repeat" else given.split()[::-1])


def test_general_towns_do_not_contradict_themselves(tmp_path):
    read = "\n".join(texts(dataset("general", tmp_path), 0, 2000))
    for prose, asked in (
        (r"The river (?P<o>\w+) flows through the town of (?P<s>\w+)\.", r"flows through the town of (\w+)\? (\w+)"),
        (r"The flag of (?P<s>\w+) is (?P<o>\w+)\.", r"Of which colour is the flag of (\w+)\? (\w+)"),
    ):
        pairs = {(found["s"], found["o"]) for found in re.finditer(prose, read)}
        towns = {town for town, _ in pairs}
        assert len(towns) == len(pairs) == 12
        assert set(re.findall(asked, read)) == pairs
