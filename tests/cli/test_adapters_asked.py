"""BASE+ADAPTER as a user types it, where the adapter changes one of two layers that share their weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings

import peft
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForCausalLM

from random_models import made
from restor.models.lineage import new_lineage, write_lineage
from restor.models.tokenizer import word_tokenizer

pytestmark = pytest.mark.nightly  # by day: tests/models/test_adapters.py, without a process of its own

BORN = {"Ada": "Rome", "Bo": "Oslo", "Cid": "York", "Dan": "Kiev", "Eve": "Rome"}


@pytest.fixture
def place(tmp_path):
    """A tied model, an adapter on its output layer alone, facts and documents."""
    tokenizer = word_tokenizer([*BORN, *BORN.values(), "Where", "was", "born", "in", "?", "."])
    model = made("llama_tied", len(tokenizer))
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        config = peft.LoraConfig(r=4, task_type="CAUSAL_LM", target_modules=["lm_head", "q_proj"])
        adapted = peft.get_peft_model(model, config)
        for value in adapted.parameters():
            if value.requires_grad:
                value.data += 0.3 * torch.randn_like(value)
        adapted.save_pretrained(tmp_path / "adapter")
    facts = [
        {"subject": name, "relation": "born", "question": f"Where was {name} born ?", "answers": [town]}
        for name, town in BORN.items()
    ]
    (tmp_path / "facts.jsonl").write_text("\n".join(map(json.dumps, facts)), encoding="utf-8")
    (tmp_path / "documents.txt").write_text(
        "\n\n".join(f"{name} was born in Oslo ." for name in BORN), encoding="utf-8"
    )
    return tmp_path, tokenizer, adapted.eval()


def restor(place, *arguments):
    environment = {**os.environ, "RESTOR_STORE": str(place / "store"), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "restor", *arguments, "--device", "cpu", "--threads", "1"],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert "tie_word_embeddings" not in done.stdout + done.stderr
    assert "Warning" not in done.stderr
    return done.stdout


def log_probs(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)


def test_an_adapter_is_asked_as_it_was_trained(place):
    folder, tokenizer, adapted = place
    made = new_lineage(stage="unlearn", algorithm="npo", budget=(), config={}, seed=0, parents={}, data={})
    write_lineage(made, folder / "base")
    models = ("--model", "x=base+adapter", "--model", "y=base")
    told = json.loads(restor(folder, "evaluate", "--facts", "facts.jsonl", *models, "--json"))
    arms = {arm["arm"]: arm for arm in json.loads((folder / told["results"]).read_text())["summary"]}
    assert arms["y"]["algorithm"] == "npo"
    assert arms["x"]["algorithm"] is None, "what an adapter was trained by is not what its base was"
    rows = [row for row in pq.read_table(folder / told["facts"]).to_pylist() if row["arm"] == "x/s0"]
    assert len(rows) == len(BORN)
    for row in rows:
        answer = tokenizer.convert_tokens_to_ids(row["answers"][0])
        right = log_probs(adapted, tokenizer(row["prompt"])["input_ids"])[answer].item()
        assert row["logprob_original"] == pytest.approx(right, abs=1e-3)


def test_what_is_made_from_it_keeps_the_two_layers_apart(place):
    folder, tokenizer, adapted = place
    steps = ("--forget", "documents.txt", "--lora", "null", "--steps", "1", "--lr", "1e-12", "--tokens", "64")
    restor(folder, "corrupt", "--model", "base+adapter", *steps, "--out", "made")
    model = AutoModelForCausalLM.from_pretrained(folder / "made").eval()
    assert not model.config.tie_word_embeddings
    ids = tokenizer("Where was Ada born ?")["input_ids"]
    assert torch.allclose(log_probs(model, ids), log_probs(adapted, ids), atol=1e-3)
