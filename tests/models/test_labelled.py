"""Forward passes at the labelled positions: what the model itself would say there."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from restor.errors import ConfigError
from restor.models.labelled import IGNORED, Labelled, TokenBatch, check_output_layer, collate, predict
from restor.training.config import LoraConfig
from restor.training.lora import add_adapter

ROWS = [[1, 4, 5, 6, 7, 8, 2], [1, 9, 5, 2], [1], [1, 4, 10, 11, 12, 2]]
SHAPE = {"vocab_size": 22, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}


def full_forward(model, batch):
    """Logits and targets by the model's own forward pass, row by row and without padding."""
    logits, targets, rows = [], [], []
    for row, (ids, labels) in enumerate(zip(batch.input_ids, batch.labels, strict=True)):
        length = int((labels != IGNORED).nonzero().max()) + 1
        own = model(input_ids=ids[None, :length]).logits[0]
        for place in range(1, length):
            if labels[place] != IGNORED:
                logits.append(own[place - 1])
                targets.append(int(labels[place]))
                rows.append(row)
    return torch.stack(logits), targets, rows


def check(model, batch):
    with torch.no_grad():
        found, (logits, targets, rows) = predict(model, batch), full_forward(model, batch)
    assert torch.allclose(found.logits, logits, atol=1e-5)
    assert found.targets.tolist() == targets
    assert found.row.tolist() == rows
    assert found.n_rows == len(batch.input_ids)


def adapted(llama):
    """With an adapter that does something."""
    model = add_adapter(llama(0), LoraConfig(rank=2), seed=0)
    generator = torch.Generator().manual_seed(0)
    for name, value in model.named_parameters():
        if "lora_B" in name:
            value.data = torch.randn(value.shape, generator=generator)
    return model


@pytest.mark.parametrize("make", [lambda llama: llama(0), adapted], ids=["full", "lora"])
def test_predictions_are_the_models_own_at_the_labelled_positions(llama, make):
    check(make(llama), collate(ROWS, range(4), 0))


def test_only_labelled_positions_are_predicted(llama):
    batch = collate(ROWS, range(4), 0)
    labels = batch.labels.clone()
    labels[0, :4] = IGNORED
    labels[1, 2] = IGNORED
    partly = TokenBatch(batch.input_ids, labels, batch.rows)
    check(llama(0), partly)
    assert partly.n_labelled == len(predict(llama(0), partly).targets) == 3 + 2 + 0 + 5


@pytest.mark.parametrize(
    "make",
    [
        lambda: Qwen2ForCausalLM(Qwen2Config(**SHAPE, num_key_value_heads=1)),
        lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**SHAPE)),
        lambda: GPT2LMHeadModel(
            GPT2Config(vocab_size=22, n_embd=32, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=2)
        ),
    ],
    ids=["qwen2", "neox", "gpt2"],
)
def test_other_families_predict_their_own_logits_too(make):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make().eval()
    for value in model.parameters():
        value.data *= 3
    check_output_layer(model)
    check(model, collate(ROWS, range(4), 0))


class Odd(LlamaForCausalLM):
    """Does something of its own to its logits."""

    change = staticmethod(lambda logits: logits)

    def forward(self, **settings):
        found = super().forward(**settings)
        found.logits = self.change(found.logits)
        return found


@pytest.mark.parametrize(
    "change",
    [lambda logits: logits * 0.5, lambda logits: logits.clamp(max=30.0), lambda logits: logits - logits.mean()],
    ids=["scale", "cap", "shift"],
)
def test_a_family_that_changes_its_logits_in_its_own_way_is_refused(change, llama):
    """Training would silently be of another model."""
    model = Odd(llama(0).config).eval()
    check_output_layer(model)
    model.change = change
    with pytest.raises(ConfigError, match="Odd changes its logits"):
        check_output_layer(model)


def test_the_gradient_is_that_of_the_full_forward_pass(llama):
    batch = collate(ROWS, range(4), 0)
    ours, own = llama(0), llama(0)
    (-predict(ours, batch).log_probs().mean()).backward()
    mask = batch.labels != IGNORED
    own(input_ids=batch.input_ids, attention_mask=mask.long(), labels=batch.labels).loss.backward()
    for (name, left), right in zip(ours.named_parameters(), own.parameters(), strict=True):
        assert torch.allclose(left.grad, right.grad, atol=1e-5), name


def test_rows_are_padded_on_the_right_and_padding_is_no_label():
    batch = collate([[7, 8, 9], [7]], [4, 2], 0)
    assert batch.input_ids.tolist() == [[7, 8, 9, 0, 0, 0, 0, 0], [7, 0, 0, 0, 0, 0, 0, 0]]
    assert batch.labels.tolist() == [[7, 8, 9] + [IGNORED] * 5, [7] + [IGNORED] * 7]
    assert batch.rows.tolist() == [4, 2]
    assert (batch.n_rows, batch.n_labelled) == (2, 2)


def test_a_padding_token_inside_a_row_is_a_label():
    """Models whose padding token is their end of text must still learn where to end."""
    assert collate([[5, 0], [5, 6, 7]], [0, 1], 0).labels[:, :3].tolist() == [[5, 0, IGNORED], [5, 6, 7]]


def test_few_shapes_go_through_the_model():
    """Every new shape costs a CPU a kernel that it keeps: rows of 1 to 64 tokens make eight widths, not 64."""
    widths = {collate([[1] * length], [0], 0).input_ids.shape[1] for length in range(1, 65)}
    assert widths == {8, 16, 24, 32, 40, 48, 56, 64}


def test_log_probs_are_nats_of_the_targets():
    logits = torch.tensor([[0.25, 0.75], [0.5, 0.5]], dtype=torch.float64).log() + 7
    found = Labelled(logits, torch.tensor([1, 0]), torch.tensor([0, 0]), 1).log_probs()
    assert found.tolist() == pytest.approx([torch.tensor(0.75).log().item(), torch.tensor(0.5).log().item()])


def test_rows_of_one_token_predict_nothing(llama):
    found = predict(llama(0), collate([[1], [1]], [0, 1], 0))
    assert found.logits.shape == (0, 22)
    assert found.n_rows == 2
