"""Looking at a model in training: it changes nothing, and it can end the run."""

from __future__ import annotations

import pytest
import torch

from restor.evaluation.ask.asker import ask
from restor.evaluation.ask.prompts import prepare
from restor.selection.validation import mark_steps
from restor.training.batching import SetRows
from restor.training.callbacks.base import Callback, EndRun, StepEvent
from restor.training.callbacks.validate import Validate, undisturbed
from restor.training.config import LoopConfig, LoraConfig
from restor.training.loop import train
from restor.training.lora import add_adapter
from restor.training.objective import LanguageModelling
from restor.types import Fact, Group, Query

ROWS = [[1, 4, 5, 6, 7, 8, 2], [1, 9, 5, 2], [1, 4, 10, 11, 12, 2], [1, 13, 6, 2], [1, 9, 2]]
STEPS = 6


def trained(model, lora, callbacks, steps=STEPS, **changes):
    model = add_adapter(model, lora, seed=0) if lora else model
    config = LoopConfig(steps=steps, lr=1e-2, precision="float32", lora=lora, **changes)
    rows = SetRows(ROWS, tokens=14, name="text", seed=0)
    log = train(model, LanguageModelling(), {"text": rows}, config, pad=0, seed=0, callbacks=callbacks)
    return {name: value.detach().clone() for name, value in model.named_parameters()}, log


class Asks:
    """Asks as a selection does, and is careless beside: it draws numbers and leaves the model in training mode."""

    def __init__(self, tokenizer, until=STEPS):
        fact = Fact("ada", "born", ("york",), "where was ada born ?")
        queries = [Query(fact, Group.VALIDATION, "where was bo born ? rome\n", fact.question)]
        self.tokenizer, self.until = tokenizer, until
        self.plan = prepare(tokenizer, queries, batch=8)
        self.seen = {}

    def __call__(self, model, step):
        assert not any(module.training for module in model.modules())
        (answer,) = ask(model, self.tokenizer, self.plan, max_new_tokens=3)
        self.seen[step] = answer.text
        torch.rand(7)
        model.train()
        return step < self.until


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=2, dropout=0.3)], ids=["full", "lora with dropout"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_run_that_is_looked_at_ends_in_the_same_weights(llama, tokenizer, lora, checkpointing):
    changes = {"gradient_checkpointing": checkpointing, "accumulation": 2}
    plain, log = trained(llama(0), lora, [], **changes)
    asks = Asks(tokenizer)
    looked, other = trained(llama(0), lora, [Validate(steps=mark_steps, look=asks)], **changes)
    assert list(asks.seen) == [1, 2, 3, 4, 5, 6]
    assert plain.keys() == looked.keys()
    for name, value in plain.items():
        assert torch.equal(value, looked[name]), name
    assert [record["text"] for record in log.records] == [record["text"] for record in other.records]


def test_without_restoring_the_random_numbers_the_dropout_would_differ(llama, tokenizer):
    """That the test above can fail."""

    class Careless(Callback):
        def after_step(self, event):
            torch.rand(7)

    lora = LoraConfig(rank=2, dropout=0.3)
    plain, careless = trained(llama(0), lora, [])[0], trained(llama(0), lora, [Careless()])[0]
    assert any(not torch.equal(value, careless[name]) for name, value in plain.items())


def test_every_part_gets_its_own_mode_back(llama):
    model = llama(0).train()
    model.model.layers[0].eval()
    before = {name: module.training for name, module in model.named_modules()}

    def careless():
        with undisturbed(model):
            assert not model.training
            model.train()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        careless()
    assert {name: module.training for name, module in model.named_modules()} == before


def test_a_run_that_has_been_seen_enough_of_ends_as_one_with_that_stop(llama, tokenizer):
    asks = Asks(tokenizer, until=3)
    ended, log = trained(llama(0), None, [Validate(steps=mark_steps, look=asks)])
    assert list(asks.seen) == [1, 2, 3]
    assert log.steps == 3
    stopped, _ = trained(llama(0), None, [], stop=3)
    assert all(torch.equal(value, ended[name]) for name, value in stopped.items())


def test_trainings_beside_the_run_and_other_steps_are_not_looked_at(llama):
    seen = []

    def look(model, step):
        seen.append(step)
        return False

    watch = Validate(steps=lambda steps: (steps // 2, steps), look=look)

    def event(step, part=""):
        return StepEvent(step, 8, {}, 1e-3, 1.0, 0, llama(0), part)

    watch.after_step(event(4, part="teacher"))
    watch.after_step(event(3))
    assert seen == []
    with pytest.raises(EndRun):
        watch.after_step(event(4))
    assert seen == [4]
