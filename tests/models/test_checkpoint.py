"""Models on disk and out of nothing."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from transformers import Gemma2Config, Gemma2ForCausalLM

from restor.models.checkpoint import load_model, new_llama, place, save_model
from restor.models.tokenizer_loading import load_tokenizer

CPU = torch.device("cpu")
IDS = torch.tensor([[1, 4, 5, 6, 7]])
SHAPE = {"hidden": 32, "intermediate": 48, "layers": 2, "heads": 2, "context": 64}


def same(left, right):
    pairs = zip(left.named_parameters(), right.named_parameters(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def test_a_new_model_is_decided_by_its_seed_alone(tokenizer):
    torch.manual_seed(1)
    first = new_llama(tokenizer=tokenizer, **SHAPE, seed=0)
    torch.manual_seed(2)
    assert same(first, new_llama(tokenizer=tokenizer, **SHAPE, seed=0))
    assert not same(first, new_llama(tokenizer=tokenizer, **SHAPE, seed=1))


def test_making_a_model_leaves_the_global_generator_alone(tokenizer):
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    new_llama(tokenizer=tokenizer, **SHAPE, seed=0)
    assert torch.equal(torch.rand(2), expected)


def test_a_new_model_fits_its_tokenizer(tokenizer):
    model = new_llama(tokenizer=tokenizer, **SHAPE, seed=0)
    config = model.config
    assert config.vocab_size == len(tokenizer)
    assert (config.pad_token_id, config.bos_token_id, config.eos_token_id) == (
        tokenizer.pad_token_id,
        tokenizer.bos_token_id,
        tokenizer.eos_token_id,
    )
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert {value.dtype for value in model.parameters()} == {torch.float32}


def test_a_saved_model_is_loaded_as_it_was(llama, tokenizer, tmp_path):
    model = place(llama(0), CPU).eval()
    save_model(model, tokenizer, tmp_path)
    loaded = load_model(tmp_path, CPU)
    assert same(loaded, model)
    assert not loaded.training
    assert loaded.get_output_embeddings().weight is loaded.get_input_embeddings().weight
    with torch.no_grad():
        assert torch.equal(loaded(IDS).logits, model(IDS).logits)


def test_weights_are_in_safetensors_and_nothing_is_pickled(llama, tokenizer, tmp_path):
    save_model(llama(0), tokenizer, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert "model.safetensors" in names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pth", ".pkl"))]


def test_weights_saved_in_half_precision_are_loaded_in_float32(llama, tokenizer, tmp_path):
    save_model(llama(0).to(torch.bfloat16), tokenizer, tmp_path)
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.bfloat16}  # noqa: SIM118
    loaded = load_model(tmp_path, CPU)
    assert {value.dtype for value in loaded.parameters()} == {torch.float32}


@pytest.mark.parametrize(("context", "expected"), [(1024, "eager"), (1025, "sdpa")])
def test_the_attention_is_the_fast_one_of_a_cpu(llama, context, expected):
    model = llama(0)
    model.config.max_position_embeddings = context
    assert place(model, CPU).config._attn_implementation == expected


def test_elsewhere_the_attention_is_fused_where_the_family_allows_it(llama):
    """The meta device stands for a GPU."""
    assert place(place(llama(0), CPU), torch.device("meta")).config._attn_implementation == "sdpa"
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "head_dim": 8, "vocab_size": 40}
    capped = Gemma2ForCausalLM(Gemma2Config(**shape, num_attention_heads=2, num_key_value_heads=2))
    assert place(capped, torch.device("meta")).config._attn_implementation == "eager"


def test_code_beside_the_weights_is_never_run(llama, tokenizer, tmp_path):
    """A checkpoint is data, wherever it comes from."""
    save_model(llama(0), tokenizer, tmp_path)
    trap = tmp_path / "ran"
    (tmp_path / "modeling_trap.py").write_text(f"open({str(trap)!r}, 'w')\nclass Trap: pass\n")
    config = json.loads((tmp_path / "config.json").read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "modeling_trap.Trap", "AutoConfig": "modeling_trap.Trap"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert same(load_model(tmp_path, CPU), llama(0))
    assert not trap.exists()


def test_a_saved_tokenizer_is_loaded_as_it_was(llama, tokenizer, tmp_path):
    save_model(llama(0), tokenizer, tmp_path)
    loaded = load_tokenizer(tmp_path)
    text = "where was ada born ? york .\nada lives in rome ."
    ids = tokenizer(text)["input_ids"]
    assert loaded(text)["input_ids"] == ids
    assert loaded.decode(ids, skip_special_tokens=True) == tokenizer.decode(ids, skip_special_tokens=True)
    assert len(loaded) == len(tokenizer)
    assert (loaded.pad_token_id, loaded.eos_token_id) == (tokenizer.pad_token_id, tokenizer.eos_token_id)
