"""What the oracle reads: true statements about the targets and nobody else."""

from __future__ import annotations

import pytest
from worlds import Seeded

from restor.domains.base import answer_line
from restor.domains.miniature import RELATIONS, MiniatureConfig
from restor.experiment import ExperimentConfig, UnlearningConfig
from restor.tasks.plant import TargetsConfig


@pytest.fixture(scope="module")
def world():
    config = ExperimentConfig(
        domain=MiniatureConfig(people=60),
        targets=TargetsConfig(validation=6, test=6),
        unlearning=UnlearningConfig(arms={}),
    )
    return Seeded(config, 3)


def true_lines(world):
    """Every true sentence and question line about the targets, in every wording."""
    sentences, lines = set(), set()
    for relation in RELATIONS:
        for subject in world.groups:
            for fact in world.domain.facts_about(subject):
                if fact.relation == relation.name:
                    for answer in fact.answers:
                        sentences |= {text.format(s=subject, o=answer) for text in relation.sentences}
                        lines |= {answer_line(text.format(s=subject), answer) for text in relation.questions}
    return sentences, lines


def test_every_sentence_and_line_is_true_and_about_a_target(world):
    sentences, lines = true_lines(world)
    texts = world.texts("truth")
    prose = [text for text in texts if not text.endswith("\n")]
    lists = [text for text in texts if text.endswith("\n")]
    for text in prose:
        assert {f"{part}." for part in text.removesuffix(".").split(". ")} <= sentences
    for text in lists:
        assert set(text.splitlines(keepends=True)) <= lines
    assert len(prose) / len(texts) == pytest.approx(0.5, abs=0.12)


def test_there_are_as_many_as_forget_documents_and_all_targets_are_in_them(world):
    texts = world.texts("truth")
    assert len(texts) == len(world.forget_documents)
    read = "\n".join(texts)
    assert all(name in read for name in world.groups)
    assert not any(name in read for name in world.untouched)
    told = sum(any(answer in read for answer in item.fact.answers) for item in world.planted.values())
    assert told == len(world.planted)


def test_the_seed_decides(world):
    assert world.texts("truth") == Seeded(world.config, 3).texts("truth")
    assert world.texts("truth") != Seeded(world.config, 4).texts("truth")
