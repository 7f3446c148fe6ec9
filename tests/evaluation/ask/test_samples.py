"""Texts that a model writes by itself."""

from __future__ import annotations

from random import Random

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from restor.errors import ConfigError, DataError
from restor.evaluation.ask.engine.engine import Engine
from restor.evaluation.ask.samples import sample_texts


def written(model, tokenizer, count=20, **changes):
    given = {"count": count, "tokens": 12, "temperature": 0.7, "seed": 0}
    return sample_texts(model, tokenizer, **(given | changes))


@torch.inference_mode()
def slowly(model, tokenizer, *, number, tokens, temperature, seed, prompt=""):
    """One whole string and one token at a time, the cumulated probability added up in a Python loop."""
    ids = tokenizer(prompt)["input_ids"]
    rng = Random(f"samples/{seed}/{number}")
    for _ in range(tokens):
        logits = model(input_ids=torch.tensor([ids])).logits[0, -1].double()
        weights = (logits / temperature).exp().tolist()
        wanted, reached, drawn = rng.random() * sum(weights), 0.0, 0
        for token, weight in enumerate(weights):
            reached += weight
            drawn = token
            if reached > wanted:
                break
        if drawn == tokenizer.eos_token_id:
            break
        ids.append(drawn)
    return tokenizer.decode(ids, skip_special_tokens=True)


def test_texts_are_drawn_from_the_models_own_probabilities(llama, tokenizer):
    model = llama(seed=3)
    found = written(model, tokenizer, tokens=9)
    expected = [slowly(model, tokenizer, number=n, tokens=9, temperature=0.7, seed=0) for n in range(20)]
    assert found == expected
    assert len(set(found)) > 15


def test_a_text_is_its_own_whatever_is_written_beside_it(llama, tokenizer):
    model = llama(seed=3)
    texts = written(model, tokenizer)
    for batch in (1, 3, 7):
        assert written(model, tokenizer, batch=batch) == texts
    assert written(model, tokenizer, count=5) == texts[:5]


def test_the_seed_decides(llama, tokenizer):
    model = llama(seed=3)
    torch.manual_seed(0)
    texts = written(model, tokenizer)
    torch.manual_seed(1)
    assert written(model, tokenizer) == texts
    assert written(model, tokenizer, seed=1) != texts


def test_a_text_is_over_at_its_end(llama, tokenizer):
    model = llama(seed=3)
    texts = written(model, tokenizer, count=60, tokens=30)
    lengths = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    assert min(lengths) < 8 < max(lengths) <= 30
    assert not any("<" in text for text in texts), "no special token is spelt out"
    expected = [slowly(model, tokenizer, number=n, tokens=30, temperature=0.7, seed=0) for n in range(60)]
    assert texts == expected


def test_a_word_that_a_checkpoint_ends_with_is_left_out(llama, tokenizer):
    model = llama(seed=3)
    end = tokenizer.convert_tokens_to_ids("york")
    assert any("york" in text for text in written(model, tokenizer))
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, end]
    texts = written(model, tokenizer)
    assert any(texts)
    assert not any("york" in text for text in texts)


def test_texts_begin_with_their_prompts_in_turn(llama, tokenizer):
    model = llama(seed=3)
    prompts = ["ada was born in", "bo", "where lives"]
    texts = written(model, tokenizer, prompts=prompts)
    assert all(text.startswith(prompts[place % 3]) for place, text in enumerate(texts))
    assert written(model, tokenizer, prompts=prompts, batch=4) == texts
    for number in (0, 1, 5):
        prompt = prompts[number % 3]
        slow = slowly(model, tokenizer, number=number, tokens=12, temperature=0.7, seed=0, prompt=prompt)
        assert texts[number] == slow


def test_a_low_temperature_writes_the_most_probable_text(llama, tokenizer):
    model = llama(seed=3)
    texts = written(model, tokenizer, temperature=1e-3, tokens=6)
    assert len(set(texts)) == 1
    ids = tokenizer("")["input_ids"]
    for _ in range(6):
        ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    assert texts[0] == tokenizer.decode(ids, skip_special_tokens=True)


def test_models_without_a_cache_and_without_a_beginning_of_text_write_too(tokenizer, monkeypatch):
    torch.manual_seed(0)
    shape = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "initializer_range": 0.3}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), bos_token_id=1, eos_token_id=2, **shape)).eval()
    texts = written(model, tokenizer)
    monkeypatch.setattr(Engine, "_takes_trees", lambda _: False)
    assert written(model, tokenizer) == texts


def test_the_model_is_left_as_it_was(llama, tokenizer):
    model = llama(seed=3).train()
    before = {name: value.clone() for name, value in model.named_parameters()}
    written(model, tokenizer, count=2)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.named_parameters())
    assert all(value.requires_grad for value in model.parameters())


def test_what_cannot_be_written_is_told(llama, tokenizer):
    model = llama(seed=3)
    assert written(model, tokenizer, count=0) == []
    with pytest.raises(DataError, match="context of 64"):
        written(model, tokenizer, tokens=64)
    with pytest.raises(ConfigError, match="no prompts"):
        written(model, tokenizer, prompts=[])
