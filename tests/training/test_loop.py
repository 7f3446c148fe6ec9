"""The training loop: what it tells, what it refuses, and what it leaves behind."""

from __future__ import annotations

import contextlib
import json
import math

import pytest
import torch
from transformers import AutoModelForCausalLM

import restor.training.callbacks.keep_checkpoints as keep_module
from heard import Heard
from restor.errors import ConfigError, TrainingError
from restor.models.labelled import check_output_layer, collate, predict
from restor.models.lineage import History, Read, marks_of, predates
from restor.models.tokenizer_loading import load_tokenizer
from restor.training.batching import SetRows
from restor.training.callbacks.base import Callback
from restor.training.callbacks.keep_checkpoints import KeepCheckpoints
from restor.training.callbacks.progress import ReportProgress
from restor.training.config import LoopConfig, LoraConfig, OptimizerConfig
from restor.training.loop import train
from restor.training.lora import add_adapter
from restor.training.objective import LanguageModelling, Objective
from restor.training.optim import autocast, lr_scale
from restor.training.rules import StepRule

ROWS = [[1, 4, 5, 6, 7, 8, 2], [1, 9, 5, 2], [1, 4, 10, 11, 12, 2], [1, 13, 6, 2], [1, 9, 2]]
CPU = torch.device("cpu")


def run(model, objective=None, *, tokens=14, callbacks=(), **changes):
    config = LoopConfig(**({"steps": 4, "lr": 3e-3, "precision": "float32"} | changes))
    objective = objective or LanguageModelling()
    sources = {term: SetRows(ROWS, tokens=tokens, name=term, seed=0) for term in objective.terms}
    return train(model, objective, sources, config, pad=0, seed=0, callbacks=callbacks)


def weights(model):
    return {name: value.detach().clone() for name, value in model.named_parameters()}


class Record(Callback):
    def __init__(self):
        self.events = []

    def after_step(self, event):
        self.events.append(event)


# What a run does -----------------------------------------------------------------------------------------------------


def test_a_text_is_learnt(llama):
    log = run(llama(0), steps=60, lr=1e-2, tokens=100)
    losses = [record["text"] for record in log.records]
    assert losses[0] > 2
    assert losses[-1] < 0.5


def test_the_loss_is_the_mean_over_predicted_tokens(llama):
    model = llama(0)
    log_probs = [
        torch.log_softmax(model(torch.tensor([row])).logits[0, place].detach(), dim=-1)[row[place + 1]]
        for row in ROWS
        for place in range(len(row) - 1)
    ]
    log = run(model, steps=1, tokens=1000)
    assert log.records[0]["text"] == pytest.approx(-float(torch.stack(log_probs).mean()), rel=1e-5)


def test_the_log_and_the_events_tell_what_happened(llama):
    heard = Record()
    log = run(llama(0), callbacks=[heard], optimizer=OptimizerConfig(warmup=0.5))
    assert [event.step for event in heard.events] == [1, 2, 3, 4]
    assert {event.steps for event in heard.events} == {4}
    source = SetRows(ROWS, tokens=14, name="text", seed=0)
    read = [sum(map(len, source.rows(step).ids)) for step in range(4)]
    assert [event.tokens for event in heard.events] == [sum(read[: step + 1]) for step in range(4)]
    expected = [3e-3 * lr_scale(step, 4, OptimizerConfig(warmup=0.5)) for step in range(4)]
    assert [event.lr for event in heard.events] == pytest.approx(expected)
    assert [dict(record) for record in log.records] == [
        {"step": event.step, "lr": event.lr, "grad_norm": event.grad_norm, **event.losses} for event in heard.events
    ]
    assert (log.steps, log.tokens) == (4, sum(read))


def cross_entropy(policy):
    return -policy.log_probs().mean()


def test_the_optimiser_takes_the_scheduled_learning_rate(llama):
    """The first step of AdamW moves every weight by the learning rate, whatever its gradient."""
    model = llama(0)
    before = weights(model)

    class FirstStep(Callback):
        def after_step(self, event):
            if event.step == 1:
                moved = max(float((value - before[name]).abs().max()) for name, value in weights(event.model).items())
                assert moved == pytest.approx(3e-3 / 4, rel=1e-3)

    run(model, steps=5, callbacks=[FirstStep()], optimizer=OptimizerConfig(warmup=0.8))


class TwoTerms(Objective):
    """Two terms on texts of their own."""

    @property
    def terms(self):
        return {"a": "tokens", "b": "sequences"}

    def loss(self, term, model, batch):
        return (2.0 if term == "a" else 0.5) * cross_entropy(predict(model, batch))


class KeepGradients(Callback):
    def after_step(self, event):
        self.gradients = {name: value.grad.clone() for name, value in event.model.named_parameters()}


def test_the_gradients_of_all_terms_are_added(llama):
    kept = KeepGradients()
    log = run(llama(0), TwoTerms(), steps=1, tokens=1000, callbacks=[kept], optimizer=OptimizerConfig(clip=1e9))
    model, batch = llama(0), collate(ROWS, range(5), 0)
    loss = 2.5 * cross_entropy(predict(model, batch))
    loss.backward()
    for name, value in model.named_parameters():
        assert torch.allclose(kept.gradients[name], value.grad, rtol=1e-4, atol=1e-5), name
    assert log.records[0]["a"] == pytest.approx(4 * log.records[0]["b"], rel=1e-5)
    norm = torch.cat([value.grad.flatten() for value in model.parameters()]).norm()
    assert log.records[0]["grad_norm"] == pytest.approx(float(norm), rel=1e-4)


def test_a_part_of_a_batch_counts_as_much_as_it_has_tokens_or_rows(llama):
    """Of five rows of unlike lengths, two parts: three rows and two."""
    kept = KeepGradients()
    optimizer = OptimizerConfig(clip=1e9)
    log = run(llama(0), TwoTerms(), steps=1, tokens=1000, accumulation=2, callbacks=[kept], optimizer=optimizer)
    model = llama(0)
    losses = {"a": 0.0, "b": 0.0}
    for term, scale in (("a", 2.0), ("b", 0.5)):
        rows = SetRows(ROWS, tokens=1000, name=term, seed=0).rows(0).ids
        assert len(rows) == 5
        predicted = [sum(len(row) - 1 for row in part) for part in (rows[:3], rows[3:])]
        assert predicted[0] / sum(predicted) != pytest.approx(3 / 5, abs=0.02), "else tokens and rows are one"
        shares = {"a": [count / sum(predicted) for count in predicted], "b": [3 / 5, 2 / 5]}[term]
        for share, part in zip(shares, (rows[:3], rows[3:]), strict=True):
            loss = share * scale * cross_entropy(predict(model, collate(part, range(len(part)), 0)))
            loss.backward()
            losses[term] += float(loss.detach())
    assert {term: log.records[0][term] for term in losses} == pytest.approx(losses, rel=1e-5)
    for name, value in model.named_parameters():
        assert torch.allclose(kept.gradients[name], value.grad, rtol=1e-4, atol=1e-5), name


def test_what_a_rule_remembers_of_a_step_is_there_in_the_next(llama):
    class Counts(StepRule):
        seen = ()

        def gradient(self, step, memory):
            self.seen += (float(memory.get("steps", torch.zeros(()))),)
            memory["steps"] = torch.tensor(self.seen[-1] + 1)
            return {term: step.backward(term) for term in step.terms}

    rule = Counts()
    source = SetRows(ROWS, tokens=14, name="text", seed=0)
    config = LoopConfig(steps=3, lr=3e-3, precision="float32")
    train(llama(0), LanguageModelling(), {"text": source}, config, pad=0, seed=0, rule=rule)
    assert rule.seen == (0, 1, 2)


def test_a_large_gradient_is_clipped_and_reported_as_it_was(llama):
    class Clipped(Callback):
        def after_step(self, event):
            squares = [float(value.grad.norm()) ** 2 for value in event.model.parameters()]
            assert math.sqrt(sum(squares)) == pytest.approx(0.01, rel=1e-3)
            assert event.grad_norm > 0.1

    run(llama(0), callbacks=[Clipped()], optimizer=OptimizerConfig(clip=0.01))


def test_a_run_of_no_steps_changes_nothing(llama):
    model = llama(0)
    log = run(model, steps=0)
    assert (log.steps, log.tokens, log.records) == (0, 0, ())
    assert all(torch.equal(value, weights(llama(0))[name]) for name, value in weights(model).items())


def test_the_model_is_ready_to_be_asked_and_the_global_generator_untouched(llama):
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    model = add_adapter(llama(0), LoraConfig(rank=2, dropout=0.5), seed=0)
    run(model)
    assert not model.training
    assert torch.equal(torch.rand(2), expected)


def test_progress_hears_of_every_step_with_the_sum_of_the_losses(llama):
    heard = Heard()
    log = run(llama(0), TwoTerms(), callbacks=[ReportProgress(heard)])
    assert heard.calls == [
        ("advance", step + 1, 4, record["a"] + record["b"]) for step, record in enumerate(log.records)
    ]


# Precision -----------------------------------------------------------------------------------------------------------


def kind(context):
    return "float32" if isinstance(context, contextlib.nullcontext) else str(context.fast_dtype)


def test_the_precision_of_a_forward_pass_is_the_one_that_was_asked_for():
    assert kind(autocast(CPU, "float32")) == "float32"
    assert kind(autocast(CPU, "bfloat16")) == "torch.bfloat16"


def test_in_bfloat16_weights_and_losses_stay_float32(llama):
    exact, rough = llama(0), llama(0)
    log_exact, log_rough = run(exact), run(rough, precision="bfloat16")
    assert {value.dtype for value in rough.parameters()} == {torch.float32}
    assert log_rough.records != log_exact.records
    for left, right in zip(log_exact.records, log_rough.records, strict=True):
        assert right["text"] == pytest.approx(left["text"], rel=0.02)


# What it refuses -----------------------------------------------------------------------------------------------------


def test_looking_at_the_output_layer_leaves_the_model_as_it_was(llama):
    model = llama(0)
    check_output_layer(model)
    check_output_layer(add_adapter(llama(0), LoraConfig(rank=2), seed=0))
    ids = torch.tensor([ROWS[0]])
    assert torch.equal(model(ids).logits, llama(0)(ids).logits)


def test_a_model_without_anything_to_train_is_refused(llama):
    with pytest.raises(ConfigError, match="nothing to train"):
        run(llama(0).requires_grad_(False))


class Broken(Objective):
    """Goes wrong at its third batch."""

    def __init__(self, wrong):
        self.wrong = wrong
        self.calls = 0

    @property
    def terms(self):
        return {"text": "tokens"}

    def loss(self, term, model, batch):
        self.calls += 1
        loss = cross_entropy(predict(model, batch))
        return self.wrong(loss) if self.calls == 3 else loss


def test_an_infinite_loss_ends_the_run_and_names_step_term_and_rows(llama):
    model, heard = llama(0), Record()
    with pytest.raises(TrainingError, match=r"'text' loss is inf at step 3 of 4 \(batch rows \[.*learning rate 0.003"):
        run(model, Broken(lambda loss: loss * math.inf), callbacks=[heard])
    assert len(heard.events) == 2
    assert all(torch.isfinite(value).all() for value in model.parameters())


def test_a_gradient_that_is_not_finite_is_not_applied(llama):
    model = llama(0)
    with pytest.raises(TrainingError, match="gradient is not finite at step 3 of 4"):
        run(model, Broken(lambda loss: loss + (loss - loss.detach()).sqrt()))
    assert all(torch.isfinite(value).all() for value in model.parameters())


# Checkpoints on the way ----------------------------------------------------------------------------------------------


def keeper(folder, tokenizer, steps=(2, 4)):
    return KeepCheckpoints(
        steps=steps,
        folder=folder,
        tokenizer=tokenizer,
        stage="corrupt",
        reads=[Read("documents", "bad.txt", ["ada lives"])],
        before=History(seen=(Read("stream", "the stream").seen("clean", steps=9, tokens=90),), whole=True),
    )


def test_checkpoints_say_what_they_have_read_and_load(llama, tokenizer, tmp_path):
    class Weights(Callback):
        def __init__(self):
            self.kept = {}

        def after_step(self, event):
            self.kept[event.step] = weights(event.model)

    kept, heard = Weights(), Record()
    run(llama(0), callbacks=[keeper(tmp_path, tokenizer), kept, heard])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000002", "step-000004"]
    for step in (2, 4):
        folder = tmp_path / f"step-{step:06d}"
        seen = json.loads((folder / "seen.json").read_text())
        tokens = heard.events[step - 1].tokens
        assert (seen["step"], seen["tokens"], seen["whole"]) == (step, tokens, True)
        assert [(read["role"], read["stage"], read["steps"], read["tokens"]) for read in seen["seen"]] == [
            ("stream", "clean", 9, 90),
            ("documents", "corrupt", step, tokens),
        ]
        assert predates(seen, marks_of(["ada lives"])) is False
        assert predates(seen, marks_of(["bo lives"])) is True
        loaded = AutoModelForCausalLM.from_pretrained(folder)
        assert all(torch.equal(value, kept.kept[step][name]) for name, value in loaded.named_parameters())
        assert load_tokenizer(folder)("ada")["input_ids"] == tokenizer("ada")["input_ids"]


def test_a_half_written_checkpoint_is_never_seen_under_its_name(llama, tokenizer, tmp_path, monkeypatch):
    real = keep_module.save_model

    def dies(model, tokenizer, folder):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{")
        raise OSError("No space left on device")

    monkeypatch.setattr(keep_module, "save_model", dies)
    with pytest.raises(OSError, match="No space"):
        run(llama(0), callbacks=[keeper(tmp_path, tokenizer)])
    assert [path.name for path in tmp_path.iterdir()] == ["step-000002.partial"]
    monkeypatch.setattr(keep_module, "save_model", real)
    run(llama(0), callbacks=[keeper(tmp_path, tokenizer, steps=[2])])
    assert [path.name for path in tmp_path.iterdir()] == ["step-000002"]
    AutoModelForCausalLM.from_pretrained(tmp_path / "step-000002")


def test_a_checkpoint_that_is_there_is_left_alone(llama, tokenizer, tmp_path):
    """A resumed run meets those of the run before it."""
    run(llama(0), callbacks=[keeper(tmp_path, tokenizer)])
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    run(llama(0), callbacks=[keeper(tmp_path, tokenizer)])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == written
