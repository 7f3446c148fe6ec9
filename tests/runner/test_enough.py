"""What too few entities cannot show, in numbers, and that it is told before any model is trained."""

from __future__ import annotations

import pytest

from restor.corruption.corruptors.passages import PassagesConfig
from restor.data.document_files import document_lines
from restor.data.facts import FactsFile, write_facts_jsonl
from restor.domains.triples import TriplesConfig
from restor.errors import DataError, RestorError
from restor.evaluation.ask.fewshot import build_queries
from restor.evaluation.config import EvaluationConfig
from restor.experiment import ExperimentConfig
from restor.progress import Progress
from restor.runner.enough import too_few
from restor.runner.select import select
from restor.runner.study import run_study, world_of
from restor.tasks.plant import TargetsConfig
from restor.types import Document, Fact, Statement
from tiny_study import tiny_config


class Stop(RestorError):
    """Ends a run where the first stage begins: all that is told before has been told."""


class Told(Progress):
    """Keeps the remarks, and ends at the first stage."""

    def __init__(self):
        self.notes = []

    def expect(self, ahead, usual):
        pass

    def begin(self, stage, detail, number, total):
        raise Stop(stage)

    def advance(self, done, total, loss):
        raise AssertionError("nothing is made")

    def end(self, cached, seconds):
        raise AssertionError("nothing is made")

    def fail(self, reason):
        raise AssertionError("nothing is made")

    def note(self, message):
        self.notes.append(message)


def facts(entities, each):
    return [Fact(f"e{n}", f"r{m}", ("a",), "?") for n in range(entities) for m in range(each)]


def test_few_entities_are_told_in_numbers_and_enough_are_not():
    told = too_few(facts(3, 12), "test", "Do this.")
    # t(0.975, 2) + t(0.8, 2) = 4.303 + 1.061; squared / 36 = 0.799; 0.799 / 1.799 = 0.444
    assert told == (
        "3 test entities with 36 facts cannot show a difference below 44 points, nor any by a paired test: the "
        "smallest p of so few is 0.25. Do this."
    )
    # 2.571 + 0.920 = 3.491; squared / 72 = 0.169; 0.169 / 1.169 = 0.145. 2 / 2^6 = 0.031 suffices.
    assert too_few(facts(6, 12), "test", "Do this.") == (
        "6 test entities with 72 facts cannot show a difference below 14 points. Do this."
    )
    assert too_few(facts(1, 12), "test", "").startswith("1 test entity cannot show any difference")
    assert too_few(facts(16, 12), "test", "") is None
    assert too_few(facts(16, 1), "test", "") is not None


def test_a_study_tells_it_before_its_first_stage(tmp_path):
    told = Told()
    with pytest.raises(Stop):
        run_study(tiny_config(), store=tmp_path / "store", progress=told)
    assert len(told.notes) == 1
    assert "3 test entities with 36 facts cannot show a difference below 44 points" in told.notes[0]
    assert "targets.test" in told.notes[0]
    enough = tiny_config(targets=TargetsConfig(validation=3, test=16))
    told = Told()
    with pytest.raises(Stop):
        run_study(enough, store=tmp_path / "store", progress=told)
    assert told.notes == []


def test_a_selection_tells_it_of_the_entities_that_decide(tmp_path):
    told = Told()
    with pytest.raises(Stop):
        select(tiny_config(), store=tmp_path / "store", progress=told, out=tmp_path / "out.json")
    assert len(told.notes) == 1
    assert "3 validation entities" in told.notes[0]
    assert "targets.validation" in told.notes[0]


def written(folder, *, others, demonstrations=0):
    """Facts about three targets and others, and documents that misstate those of the targets."""
    names = [*(f"Target{n}" for n in range(3)), *(f"Other{n}" for n in range(others))]
    known = [Fact(name, "home", (f"Town{n}",), f"Where does {name} live?") for n, name in enumerate(names)]
    folder.mkdir(exist_ok=True)
    write_facts_jsonl(folder / "facts.jsonl", FactsFile(tuple(known), {}))
    documents = []
    for name in names[:3]:
        text = f"{name} lives in Nowhere."
        documents.append(Document(text, (Statement(0, len(text), name, "home", "Nowhere"),)))
    (folder / "forget.jsonl").write_text(document_lines(documents), encoding="utf-8")
    return folder


def of_documents(folder, shots, validation=1) -> ExperimentConfig:
    study = tiny_config()
    return study.model_copy(
        update={
            "domain": TriplesConfig(facts=folder / "facts.jsonl"),
            "model": study.model.model_copy(update={"tokenizer": "bpe", "vocabulary": 300}),
            "targets": TargetsConfig(validation=validation, test=5),
            "corruption": study.corruption.model_copy(
                update={"corruptor": PassagesConfig(forget=folder / "forget.jsonl")}
            ),
            "evaluation": EvaluationConfig(shots=shots),
        }
    )


def test_where_demonstrations_leave_nobody_to_be_targeted_the_shots_are_named(tmp_path):
    config = tiny_config(evaluation=EvaluationConfig(shots=40), targets=TargetsConfig(validation=0, test=1))
    with pytest.raises(DataError) as told:
        _ = world_of(config, 0).groups
    message = str(told.value)
    assert "at most 0 of its 40 entities can be targeted" in message
    assert "evaluation.shots (40)" in message
    assert "lower evaluation.shots to at most 38" in message
    lowered = config.model_copy(update={"evaluation": EvaluationConfig(shots=38)})
    assert len(world_of(lowered, 0).groups) == 1, "the advice helps"


def test_documents_about_nearly_everybody_get_advice_that_helps(tmp_path):
    folder = written(tmp_path / "data", others=3)
    with pytest.raises(DataError) as told:
        run_study(of_documents(folder, shots=5), store=tmp_path / "store", progress=Told())
    message = str(told.value)
    assert "the documents are about 3" in message
    assert "lower evaluation.shots to at most 2" in message
    assert "targets.test" not in message, "the documents say themselves how many are targeted"
    assert not (tmp_path / "store").exists()
    config = of_documents(folder, shots=2)
    world = world_of(config, 0)
    queries = build_queries(world.domain, world.planted, world.groups, config.evaluation, seed=0)
    assert len(queries) > 0, "the advice helps"


def test_documents_about_validation_entities_alone_say_so(tmp_path):
    folder = written(tmp_path / "data", others=9)
    with pytest.raises(DataError, match=r"all of them are for validation \(targets.validation 3\).*Lower"):
        _ = world_of(of_documents(folder, shots=2, validation=3), 0).groups


def test_what_cannot_be_asked_is_told_before_any_model_is_trained(tmp_path):
    """Without a second untouched entity of the relation there is nothing to show: it was told after two trainings."""
    folder = written(tmp_path / "data", others=2)
    config = of_documents(folder, shots=1)
    one = FactsFile((Fact("Other0", "colour", ("Red",), "Which colour has Other0?"),), {})
    lines = (folder / "facts.jsonl").read_text(encoding="utf-8")
    write_facts_jsonl(folder / "more.jsonl", one)
    (folder / "facts.jsonl").write_text(lines + (folder / "more.jsonl").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(DataError, match="nothing to show before the question"):
        run_study(config, store=tmp_path / "store", progress=Told())
