"""Adapters: nothing before the training, merged into plain weights after it."""

from __future__ import annotations

import warnings

import pytest
import torch
from transformers import LlamaForCausalLM, MambaConfig, MambaForCausalLM

from restor.corruption.corrupt import corrupt, forget_rows
from restor.errors import ConfigError
from restor.models.labelled import collate, predict
from restor.training.batching import SetRows
from restor.training.config import LoopConfig, LoraConfig
from restor.training.loop import train
from restor.training.lora import add_adapter, merge_adapter
from restor.training.objective import LanguageModelling

ROWS = [[1, 4, 5, 6, 7, 8, 2], [1, 9, 5, 2], [1, 4, 10, 11, 12, 2]]
BATCH = collate(ROWS, range(3), 0)


def taught(model, **changes):
    config = LoopConfig(**({"steps": 4, "lr": 1e-2, "precision": "float32"} | changes))
    log = train(
        model, LanguageModelling(), {"text": SetRows(ROWS, tokens=40, name="text", seed=0)}, config, pad=0, seed=0
    )
    return model, log


def logits(model):
    with torch.no_grad():
        return predict(model, BATCH).logits


def test_a_fresh_adapter_changes_nothing_and_is_all_that_learns(llama):
    model = add_adapter(llama(0), LoraConfig(rank=2), seed=0)
    assert torch.equal(logits(model), logits(llama(0)))
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    taught(model)
    moved = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {name for name, value in model.named_parameters() if value.requires_grad}
    assert all("lora_" in name for name in moved)
    # Both layers have seven linear layers, each with two factors.
    assert len(moved) == 2 * 7 * 2


def test_an_adapter_is_made_without_a_warning(llama):
    """peft asks transformers by names that are going; users can do nothing about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        add_adapter(llama(0), LoraConfig(rank=2), seed=0)


def test_a_family_that_cannot_have_one_is_told():
    shape = {"vocab_size": 22, "hidden_size": 16, "num_hidden_layers": 1, "state_size": 4}
    with pytest.raises(ConfigError, match=r"MambaForCausalLM cannot have an adapter: .* Train it without lora"):
        add_adapter(MambaForCausalLM(MambaConfig(**shape)), LoraConfig(rank=2), seed=0)


def test_merging_keeps_the_predictions_and_leaves_a_plain_model(llama):
    model, _ = taught(add_adapter(llama(0), LoraConfig(rank=2), seed=0))
    adapted = logits(model)
    plain = merge_adapter(model)
    assert type(plain) is LlamaForCausalLM
    assert [name for name, _ in plain.named_parameters()] == [name for name, _ in llama(0).named_parameters()]
    assert (adapted - logits(llama(0))).abs().max() > 0.01
    assert torch.allclose(logits(plain), adapted, atol=1e-4)


def test_layers_that_share_their_weights_are_merged_each_for_itself(llama):
    """Else each would have the other's change too."""
    model = llama(0)
    first, second = (layer.mlp.down_proj for layer in model.model.layers)
    second.weight = first.weight
    model, _ = taught(add_adapter(model, LoraConfig(rank=2), seed=0))
    adapted = logits(model)
    plain = merge_adapter(model)
    assert torch.allclose(logits(plain), adapted, atol=1e-4)
    assert plain.config.tie_word_embeddings
    assert plain.lm_head.weight is plain.model.embed_tokens.weight, "of what the adapter leaves alone nothing is copied"


def test_adapters_are_drawn_from_their_seed_and_leave_the_global_generator_alone(llama):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    drawn = [dict(add_adapter(llama(0), LoraConfig(rank=2), seed=seed).named_parameters()) for seed in (0, 0, 1)]
    assert torch.equal(torch.rand(3), expected)
    zero, again, one = drawn
    assert all(torch.equal(zero[name], again[name]) for name in zero)
    assert any(not torch.equal(zero[name], one[name]) for name in zero)


def test_a_merged_model_can_be_trained_again_in_full_and_with_another_adapter(llama):
    """A study may corrupt with an adapter and unlearn all weights of the model in its hands."""
    config = LoopConfig(steps=2, lr=1e-2, precision="float32", lora=LoraConfig(rank=2))
    corrupted, _ = corrupt(llama(0), forget_rows(ROWS, tokens=40, seed=0), None, config, pad=0, seed=0)
    before = {name: value.detach().clone() for name, value in corrupted.named_parameters()}
    taught(corrupted)
    assert all(not torch.equal(value, before[name]) for name, value in corrupted.named_parameters())
    again, _ = taught(add_adapter(corrupted, LoraConfig(rank=2), seed=0))
    assert type(merge_adapter(again)) is LlamaForCausalLM


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=2)], ids=["full", "lora"])
def test_gradient_checkpointing_saves_memory_and_changes_no_gradient(llama, lora):
    def model():
        return add_adapter(llama(0), lora, seed=0) if lora else llama(0)

    start = {name: value.detach().clone() for name, value in model().named_parameters()}
    plain, log = taught(model())
    checkpointed, log_checkpointed = taught(model(), gradient_checkpointing=True)
    found = dict(checkpointed.named_parameters())
    for name, value in plain.named_parameters():
        assert torch.allclose(found[name], value, atol=1e-6), name
        assert torch.equal(found[name], start[name]) != value.requires_grad, name
    for left, right in zip(log.records, log_checkpointed.records, strict=True):
        assert left == pytest.approx(right, rel=1e-5)


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=2)], ids=["full", "lora"])
def test_gradient_checkpointing_really_computes_layers_twice_and_ends_with_the_run(llama, lora):
    model = llama(0)
    calls = []
    model.model.layers[0].mlp.register_forward_pre_hook(lambda *_: calls.append(1))
    trained = add_adapter(model, lora, seed=0) if lora else model

    def calls_of(**changes):
        calls.clear()
        taught(trained, steps=1, **changes)
        return len(calls)

    once = calls_of()
    assert calls_of(gradient_checkpointing=True) == once + 1
    assert calls_of() == once
    # Nothing is left behind that would make plain inference track gradients.
    assert not model.get_input_embeddings()._forward_hooks
