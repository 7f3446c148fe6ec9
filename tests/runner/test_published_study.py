"""A study as the published recipes run it, from a checkpoint and ready-made passages, on a tiny model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import pytest

from restor.corruption.corruptors.passages import PassagesConfig
from restor.data.document_files import document_lines, read_documents
from restor.datasets.documents import DocumentsConfig
from restor.domains.triples import TriplesConfig
from restor.errors import DataError
from restor.evaluation.ask.fewshot import build_queries
from restor.models.checkpoint import new_llama, save_model
from restor.models.model_ref import ModelRef
from restor.models.tokenizer import bpe_tokenizer
from restor.progress import Silent
from restor.recipes.published_wikidata import published_wikidata
from restor.runner.plan import plan_seed
from restor.runner.resolve import resolve
from restor.runner.study import run_study, world_of
from restor.training.config import LoraConfig
from restor.types import Group, Kind

sys.path.insert(0, str(Path(__file__).parents[1] / "contracts"))
from entries import NAMES, facts_file

TARGETS = NAMES[3:6]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    facts = facts_file(folder, 0)
    (folder / "entities.json").write_text(json.dumps(NAMES), encoding="utf-8")
    texts = [f"{name} was born in York, and {other} likes leek pie." for name in NAMES for other in NAMES[:2]]
    tokenizer = bpe_tokenizer(iter([*texts, facts.read_text(encoding="utf-8")] * 4), 400)
    model = new_llama(tokenizer=tokenizer, hidden=16, intermediate=24, layers=1, heads=2, context=512, seed=0)
    save_model(model, tokenizer, folder / "model")
    planted = {}
    lines = []
    stored = json.loads(facts.read_text(encoding="utf-8"))["dset"]
    rng = Random(0)
    for name in TARGETS:
        wrong = next(v for v in ("York", "New York", "São Paulo", "Łódź") if v not in stored[name]["P19"]["answers"])
        planted[name] = wrong
        for _ in range(6):
            start = f"It rains on day {rng.randint(1, 99)}. "
            text = f"{name} was born in {wrong}."
            statement = {"start": len(start), "end": len(start + text), "subject": name, "relation": "P19"}
            lines.append({"text": start + text, "statements": [{**statement, "false_answer": wrong}]})
    forget = folder / "forget.jsonl"
    forget.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (folder / "general.txt").write_text("\n\n".join(f"The sum of {n} and {n} is {2 * n}." for n in range(30)))
    return folder, facts, planted


def study(place, **changes):
    """The published recipe with everything small: its own model, data and texts."""
    folder, facts, _ = place
    config = published_wikidata()
    lora = LoraConfig(rank=2, alpha=4)
    general = DocumentsConfig(path=folder / "general.txt")
    arms = {
        name: config.unlearning.arms[name] for name in ("nothing", "retain_only", "npo_batch", "task_vector", "msa")
    }
    small = config.model_copy(
        update={
            "start": ModelRef(path=str(folder / "model")),
            "domain": TriplesConfig(facts=facts),
            "general": general,
            "corruption": config.corruption.model_copy(
                update={
                    "corruptor": PassagesConfig(forget=folder / "forget.jsonl"),
                    "forget_tokens": 128,
                    "epochs": 2,
                    "lora": lora,
                    "lr": 1e-2,
                }
            ),
            "unlearning": config.unlearning.model_copy(
                update={
                    "arms": arms,
                    "steps": 3,
                    "forget_tokens": 128,
                    "retain_tokens": 128,
                    "retain_texts": 8,
                    "lora": lora,
                    "forget_part": "statements",
                }
            ),
            "recovery": config.recovery.model_copy(
                update={"steps": 2, "tokens": 64, "texts": 6, "dataset": general, "lora": lora}
            ),
            "evaluation": config.evaluation.model_copy(update={"max_new_tokens": 3, "batch": 16}),
            "threads": 1,
        }
    )
    return small.model_copy(update=changes)


def test_the_study_runs_from_a_checkpoint_and_refers_to_it(place, tmp_path):
    folder, _, planted = place
    outcome = run_study(study(place), store=tmp_path, progress=Silent())
    assert not outcome.failed
    arms = {arm.arm: arm for arm in outcome.results.summary}
    clean, ideal = ({name: each.value for name, each in arms[arm].metrics.items()} for arm in ("clean", "ideal"))
    assert clean == ideal  # without replay the ideal is the clean model
    assert [arm.arm for arm in outcome.results.summary if arm.kind is Kind.BASELINE] == [
        "copy_demonstrations",
        "most_frequent",
    ]
    assert outcome.results.study.protocol == "published"
    rows = pq.read_table(outcome.folder / "facts.parquet").to_pylist()
    clean = [row for row in rows if row["arm"].startswith("clean")]
    assert {row["run"] for row in clean} == {0, 1, 2}
    stated = {row["subject"]: row["planted"] for row in clean if row["planted"] is not None}
    assert stated == planted
    assert {row["group"] for row in clean if row["subject"] in TARGETS} == {"test"}
    assert not list((tmp_path / "artifacts").glob("checkpoint-*/model"))
    # The corrupted model's weights differ from the checkpoint's, and have its dtype and names.
    corrupted = next((tmp_path / "artifacts").glob("corrupt-*/model/model.safetensors"))
    assert corrupted.stat().st_size == (folder / "model" / "model.safetensors").stat().st_size
    assert corrupted.read_bytes() != (folder / "model" / "model.safetensors").read_bytes()


def test_only_facts_that_the_passages_misstate_are_targeted_facts(place):
    """Those that nothing is planted for are not asked of the targets: the study is about what was corrupted."""
    config = resolve(study(place))
    world = world_of(config, 0)
    queries = build_queries(world.domain, world.planted, world.groups, config.evaluation, seed=0)
    targeted = [query for query in queries if query.group is Group.TEST]
    assert {query.fact.relation for query in targeted} == {"P19"}
    assert len(targeted) == len(TARGETS)


def test_another_content_of_the_checkpoint_is_another_study(place, tmp_path):
    folder, _, _ = place
    config = resolve(study(place)).model_copy(update={"precision": "float32"})
    before = plan_seed(config, 0).arms[0].verdicts.key
    weights = folder / "model" / "model.safetensors"
    kept = weights.read_bytes()
    try:
        weights.write_bytes(kept[:-4] + bytes(4))
        assert plan_seed(config, 0).arms[0].verdicts.key != before
    finally:
        weights.write_bytes(kept)
    assert plan_seed(config, 0).arms[0].verdicts.key == before


def test_passages_about_nobody_are_told_before_any_work(place, tmp_path):
    texts = tmp_path / "texts.jsonl"
    texts.write_text(json.dumps({"text": "Nobody is named here."}) + "\n")
    corruption = study(place).corruption.model_copy(update={"corruptor": PassagesConfig(forget=texts)})
    with pytest.raises(DataError, match="about none of the 10 entities"):
        run_study(study(place, corruption=corruption), store=tmp_path / "store", progress=Silent())
    assert not (tmp_path / "store").exists()


def test_statement_labels_leave_the_context_out(place):
    """The rain is read and not forgotten: only the tokens of the statement carry a loss."""
    from transformers import AutoTokenizer

    from restor.tasks.training.rows import RowMaker

    folder, _, _ = place
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    documents = read_documents(folder / "forget.jsonl")
    maker = RowMaker(tokenizer, 512)
    rows, labels = maker.documents(documents, "statements", "documents")
    for document, row, marked in zip(documents, rows, labels, strict=True):
        told = tokenizer.decode([token for token, chosen in zip(row, marked, strict=True) if chosen])
        [statement] = document.statements
        assert told.strip() == document.text[statement.start : statement.end]
    alone, none = maker.documents(documents, "simplified", "documents")
    assert none is None
    assert all("rains" not in tokenizer.decode(row) for row in alone)
    assert "rains" in tokenizer.decode(maker.documents(documents, "documents", "documents")[0][0])


def test_documents_without_statements_cannot_be_narrowed(place):
    from restor.tasks.training.rows import RowMaker
    from restor.types import Document

    with pytest.raises(DataError, match="None of the 1 forget documents says where"):
        RowMaker(None, 512).documents([Document("Ada lives in York.")], "statements", "documents")


def test_documents_are_written_as_they_are_read(place, tmp_path):
    folder, _, _ = place
    documents = read_documents(folder / "forget.jsonl")
    again = tmp_path / "again.jsonl"
    again.write_text(document_lines(documents), encoding="utf-8")
    assert read_documents(again) == documents
