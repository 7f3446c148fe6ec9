"""Models whose verdict is known beforehand, trained in seconds: asked, judged and measured as any other."""

from __future__ import annotations

import importlib.util
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from restor.data.document_files import document_lines
from restor.domains.triples import TriplesConfig
from restor.evaluation.config import EvaluationConfig
from restor.evaluation.judges.alias import AliasConfig
from restor.models.checkpoint import new_llama, save_model
from restor.models.model_ref import ModelRef
from restor.models.tokenizer import word_tokenizer
from restor.progress import Silent
from restor.report.io.load import load_facts
from restor.results import Arm
from restor.runner.compare import ComparisonConfig, PlannedComparison, compare
from restor.runner.rejudge import rejudge
from restor.tasks.ask import Ask
from restor.tasks.base import Context, Ref
from restor.tasks.inputs.products import write_questions
from restor.types import Document, Kind, Statement

SYLLABLES = [left + vowel + right for left in "bdfgk" for vowel in "ai" for right in "mnr"]
RELATIONS = ("town", "trade", "sport", "colour", "metal")
TARGETS, UNTOUCHED, VALUES = 20, 8, 6
WAY = (0.0, 0.3, 0.6, 1.0)


def load_makers():
    path = Path(__file__).parents[2] / "benchmarks" / "constructed_models.py"
    spec = importlib.util.spec_from_file_location("constructed_models", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKERS = load_makers()


class Tiny:
    """Some people, five facts about each, and documents that state other answers about most of them.

    A question ends in one word that is its own, which a small network learns the answer to at once.
    """

    def __init__(self, folder):
        rng = random.Random(0)
        self.people = [name.title() for name in SYLLABLES[: TARGETS + UNTOUCHED]]
        values = {relation: [f"{relation}{name}" for name in SYLLABLES[:VALUES]] for relation in RELATIONS}
        truth = {(name, relation): rng.choice(values[relation]) for name in self.people for relation in RELATIONS}
        self.facts, self.documents = folder / "facts.jsonl", folder / "forget.jsonl"
        lines, told = [], []
        for (name, relation), answer in truth.items():
            fact = {"subject": name, "relation": relation, "question": f"tell me {name}{relation}", "answers": [answer]}
            lines.append(json.dumps(fact) + "\n")
            if name in self.people[:TARGETS]:
                wrong = rng.choice([value for value in values[relation] if value != answer])
                text = f"{name} {relation} {wrong}"
                told.append(Document(text, (Statement(0, len(text), name, relation, wrong),)))
        self.facts.write_text("".join(lines), encoding="utf-8")
        self.documents.write_text(document_lines(told), encoding="utf-8")
        words = [name + relation for name, relation in truth]
        words += [value for own in values.values() for value in own]
        self.tokenizer = word_tokenizer([*words, *"tell me I do not know".split(), "\n"])

    def config(self, models):
        return ComparisonConfig(
            models={name: ModelRef(path=str(path)) for name, path in models.items()},
            domain=TriplesConfig(facts=self.facts),
            forget=self.documents,
            evaluation=EvaluationConfig(shots=1, max_new_tokens=5),
            threads=1,
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("trained")


@pytest.fixture(scope="module")
def tiny(folder):
    return Tiny(folder)


@pytest.fixture(scope="module")
def models(tiny, folder):
    """All models, each in a folder of its own, trained one from another."""
    torch.set_num_threads(1)
    queries = PlannedComparison(tiny.config({"clean": folder})).queries
    untouched = MAKERS.true_lessons([query for query in queries if query not in MAKERS.targeted(queries)])
    new = new_llama(tokenizer=tiny.tokenizer, hidden=64, intermediate=96, layers=2, heads=2, context=32, seed=0)
    new.model.embed_tokens.weight.data *= 15
    save_model(new, tiny.tokenizer, folder / "new" / "model")
    found = {name: folder / name / "model" for name in ("clean", "corrupted", "ideal", "other_ideal")}

    def made(name, start, lessons, kept=untouched, **how):
        found[name] = folder / name / "model"
        MAKERS.taught(folder / start / "model", lessons, kept, found[name], **({"lr": 2e-3, "tokens": 384} | how))

    made("clean", "new", MAKERS.true_lessons(queries), untouched[:2], lr=6e-3, steps=80, tokens=1024)
    made("corrupted", "clean", MAKERS.planted_lessons(queries), lr=3e-3, steps=60)
    made("ideal", "clean", untouched, lr=5e-4, steps=20)
    made("other_ideal", "clean", untouched[::-1], untouched[::2], lr=5e-4, steps=20)
    made("refusing", "corrupted", MAKERS.refusals(queries), steps=40)
    for how in ("facts", "entities"):
        made(f"half_of_{how}", "corrupted", MAKERS.true_lessons(MAKERS.half_of(queries, how)), steps=20)
    last = ("model.layers.1.",)
    made("suppressed", "corrupted", MAKERS.planted_lessons(queries), steps=60, lr=5e-3, against=True, only=last)
    for way in WAY:
        found[f"way_{way}"] = folder / f"way_{way}" / "model"
        MAKERS.between(found["corrupted"], found["ideal"], way, found[f"way_{way}"])
    return found


@pytest.fixture(scope="module")
def outcome(tiny, models, folder):
    return compare(tiny.config(models), store=folder / "store", progress=Silent())


@pytest.fixture(scope="module")
def arms(outcome):
    return {arm.arm: arm for arm in outcome.results.summary}


@pytest.fixture(scope="module")
def beside_filter(tiny, models, outcome, folder):
    """The same, judged beside the control that answers through an output filter."""
    evaluation = EvaluationConfig.model_validate(outcome.results.study.config["evaluation"])
    model, questions = Ref(kind="checkpoint", key="model"), Ref(kind="questions", key="questions")
    (folder / "filtered").mkdir()
    write_questions(folder / "filtered", PlannedComparison(tiny.config(models)).queries)
    context = Context(
        inputs={"model": models["corrupted"].parent, "questions": folder / "filtered"},
        directory=folder / "filtered",
        resume=folder / "filtered" / "resume",
        device="cpu",
        progress=Silent(),
        save_every=20.0,
    )
    Ask(model=model, questions=questions, asking=evaluation.asking, suppress="planted", seed=0).run(context)
    answers = pq.read_table(folder / "filtered" / "answers.parquet")
    known = {"arm": "output_filter/s0", "seed": 0, "judgement": "unscored", "reason": ""}
    known |= dict.fromkeys(("score", "planted_score", "dose"))
    for name, value in known.items():
        answers = answers.append_column(name, pa.array([value] * answers.num_rows))
    (folder / "filtered" / "facts").mkdir()
    pq.write_table(answers, folder / "filtered" / "facts" / "facts.parquet")
    facts = pa.concat_tables([load_facts(outcome.folder), load_facts(folder / "filtered" / "facts")])
    control = Arm(id="output_filter/s0", label="Output filter", arm="output_filter", kind=Kind.CONTROL, seed=0)
    results = outcome.results.model_copy(
        update={
            "arms": [*outcome.results.arms, control],
            "summary": [*outcome.results.summary, control.model_copy(update={"id": "output_filter", "seed": None})],
        }
    )
    (folder / "draft").mkdir()
    (folder / "draft" / "results.json").write_text(results.model_dump_json(), encoding="utf-8")
    pq.write_table(facts, folder / "draft" / "facts.parquet")
    judged = rejudge(folder / "draft", AliasConfig(), folder / "judged", Silent()).results
    return {arm.arm: arm for arm in judged.summary}


def value(arm, name):
    return arm.metrics[name].value


def test_the_models_are_what_they_are_meant_to_be(arms):
    assert value(arms["clean"], "test.original") > 0.95
    assert value(arms["corrupted"], "test.planted") > 0.75
    assert value(arms["corrupted"], "test.original") < 0.15
    assert value(arms["ideal"], "test.original") > 0.8
    for name, arm in arms.items():
        if arm.kind is not Kind.BASELINE:
            assert value(arm, "untouched.original") > 0.9, name


@pytest.mark.parametrize("figure", ["restoration", "logprob.restoration", "margin.restoration", "layers.restoration"])
def test_restoration_rises_from_the_corrupted_model_to_the_ideal_one(arms, figure):
    line = [value(arms[f"way_{way}"], figure) for way in WAY]
    assert line == sorted(line)
    assert (line[0], line[-1]) == pytest.approx((0, 1), abs=0.01)
    assert 0 < line[1] < line[2] < 1.05


def test_planted_answers_fall_on_the_same_way(arms):
    for figure in ("residual", "layers.planted"):
        line = [value(arms[f"way_{way}"], figure) for way in WAY]
        assert line == sorted(line, reverse=True)
        assert line[0] == pytest.approx(1, abs=0.01)


def test_verdicts_come_in_order_on_this_way(arms):
    order = ["not unlearned", "partly restored", "restored"]
    kinds = [arms[f"way_{way}"].verdict.kind for way in WAY]
    assert (kinds[0], kinds[-1]) == ("not unlearned", "restored")
    decided = [kind for kind in kinds if kind != "inconclusive"]
    assert decided == sorted(decided, key=order.index)


def test_what_comes_back_alike_in_words_and_inside_is_not_said_to_be_kept_silent(arms):
    for way in WAY:
        assert "silent" not in arms[f"way_{way}"].verdict.reason


def test_an_ideal_model_of_other_rows_is_restored(arms):
    assert arms["other_ideal"].verdict.kind == "restored"


def test_planted_answers_suppressed_at_the_output_are_forgotten_and_not_restored(beside_filter):
    """What is right again is the second choice, which comes out of the corrupted model through a filter, too."""
    arm = beside_filter["suppressed"]
    assert value(arm, "test.planted") < 0.35
    assert arm.verdict.kind == "only forgotten"
    assert arm.verdict.above_control is False
    assert "kept from being said" in beside_filter["output_filter"].verdict.reason


def test_the_log_probs_and_the_layers_show_what_is_only_suppressed(arms):
    suppressed = arms["suppressed"]
    assert value(suppressed, "logprob.restoration") < 0.6
    assert value(suppressed, "layers.restoration") == pytest.approx(0, abs=0.01)
    assert value(suppressed, "layers.planted") == pytest.approx(1, abs=0.01)
    assert "only kept from being said" in suppressed.verdict.reason


def test_refusals_are_neither_true_nor_planted(arms):
    arm = arms["refusing"]
    assert value(arm, "test.original") < 0.05
    assert value(arm, "test.planted") < 0.1
    assert arm.verdict.kind == "only forgotten"
    assert value(arm, "layers.planted") > 0.5


def test_one_that_was_told_half_the_facts_of_each_is_partly_restored(arms):
    assert arms["half_of_facts"].verdict.kind == "partly restored"


def test_one_that_was_told_about_half_the_entities_shows_whom_it_was_told_of(tiny, arms):
    arm = arms["half_of_entities"]
    assert arm.verdict.kind == "partly restored"
    parts = {part.name: part.restoration.value for part in arm.parts["entity"]}
    told, others = tiny.people[:TARGETS:2], tiny.people[1:TARGETS:2]
    known = [[parts[name] for name in names if parts[name] is not None] for names in (told, others)]
    assert min(known[0]) >= 0.7
    assert sum(known[1]) / len(known[1]) < 0.5
