"""What every unlearning algorithm promises, in every one of its modes, with full weights and with an adapter."""

from __future__ import annotations

import contextlib
import math
from typing import get_args, get_origin

import pytest
import torch
from pydantic import ValidationError
from tiny_unlearning import FORGET, PAD, RETAIN, algorithm_of, every_way, label, loop
from torch.nn.functional import pad
from transformers import AutoModelForCausalLM

import restor.unlearning.session as session_module
from interrupted import KillAt, Killed, same, weights_of
from representatives import one_for_each
from restor.config import parse_yaml, to_yaml
from restor.errors import ConfigError, DataError, TrainingError
from restor.models.checkpoint import save_model
from restor.models.families import layer_index
from restor.models.labelled import TokenBatch, collate, predict
from restor.models.tokenizer_loading import load_tokenizer
from restor.training.batching import SetRows
from restor.training.callbacks.base import Callback
from restor.training.config import LoopConfig, LoraConfig
from restor.training.loop import train
from restor.training.lora import add_adapter, merge_adapter
from restor.training.objective import LanguageModelling
from restor.training.reference import CachedReference
from restor.training.resume import ResumeFolder
from restor.types import Budget
from restor.unlearning.algorithms.base import (
    ALGORITHMS,
    GRID_SIZE,
    DualLossAlgorithm,
    Edit,
    LossAlgorithm,
    Plan,
    WeightAlgorithm,
)
from restor.unlearning.objective import Unlearning
from restor.unlearning.texts import EncodedTexts
from restor.unlearning.unlearn import unlearn

NAMES = ALGORITHMS.names()
LOSS_NAMES = [name for name in NAMES if issubclass(ALGORITHMS.get(name), LossAlgorithm)]
ALTERNATES = [[1, 4, 5, 6, 18, 8, 2], [1, 9, 20, 2], [1, 4, 10, 19, 2], [1, 13, 6, 7, 14, 15, 16, 18, 2], [1, 20, 2]]
TRUTH = [[1, 4, 5, 19, 2], [1, 9, 18, 2], [1, 13, 6, 20, 2]]
SAMPLES = [[1, 21, 5, 2], [1, 18, 6, 19, 2], [1, 14, 20, 2]]
EDITS = [Edit((1, 4, 5, 6), (19,), 1), Edit((1, 9, 5), (18, 20), 1), Edit((1, 13, 6, 7, 14), (20,), 1)]
KINDS = {"text": RETAIN, "samples": SAMPLES, "truth": TRUTH}


def variants(name):
    """The default options, then each other word of an option, and each option that is off by default switched on."""
    fields = {key: field for key, field in ALGORITHMS.config_type(name).model_fields.items() if key != "name"}
    yield {}
    for key, field in fields.items():
        if not isinstance(field.default, str | float | int):
            continue
        words = [word for word in get_args(field.annotation) if isinstance(word, str) and word != field.default]
        on = {"retain_weight": 1.0} if key == "retain" else {}
        yield from ({key: word, **on} for word in words)
        if isinstance(field.default, bool):
            yield {key: not field.default}
        elif not words and field.default == 0:
            yield {key: 1 if field.annotation is int else 0.5}


VARIANTS = [(name, options) for name in NAMES for options in variants(name)]
LOSS_VARIANTS = [case for case in VARIANTS if case[0] in LOSS_NAMES]


every = pytest.mark.parametrize("name", NAMES)
every_variant = pytest.mark.parametrize(("name", "options"), VARIANTS, ids=label)


# What tells the code around an algorithm apart ------------------------------------------------------------------------


def family(name, **_):
    return name in LOSS_NAMES, algorithm_of(name).plan.edits


def family_by_way(name, lora, **_):
    return *family(name), lora


def told(name, options, **_):
    """What `unlearn` gives it; a weight algorithm takes it by itself."""
    plan = algorithm_of(name, **options).plan
    return name if name not in LOSS_NAMES else (plan.budget(), plan.retain, plan.alternates)


def terms(name, options, **_):
    """What the loop adds up over the parts of a batch."""
    algorithm = algorithm_of(name, **options)
    plan = algorithm.plan
    normalizers = plan.forget and plan.normalizer, plan.retain and plan.retain_normalizer
    return normalizers, bool(plan.alternates), isinstance(algorithm, DualLossAlgorithm)


def references(name, options, **_):
    plan = algorithm_of(name, **options).plan
    return plan.forget_reference, bool(plan.retain) and plan.retain_reference, bool(plan.alternates)


def trainings(name, options, **_):
    """What is kept of a training, and which others there are beside the run."""
    algorithm = algorithm_of(name, **options)
    plan = algorithm.plan
    inner = [(teacher.start, bool(teacher.trained_by)) for teacher in plan.teachers]
    return type(algorithm).__bases__, inner, references(name, options)


def hooks(name, **_):
    plan = algorithm_of(name).plan
    return name in LOSS_NAMES, plan.layer is None, plan.mlp_layers is None


def needs(name, options, **_):
    plan = algorithm_of(name, **options).plan
    return plan.forget, plan.retain, plan.edits


def texts(forget=FORGET, retain=RETAIN, **more):
    known = {"truth": TRUTH, "alternates": ALTERNATES[: len(forget)], "samples": lambda model: SAMPLES, "edits": EDITS}
    return EncodedTexts(forget, retain, forget_tokens=24, retain_tokens=24, **(known | more))


def reads_checkpoint(algorithm):
    return Budget.CHECKPOINT in algorithm.plan.budget()


def run(llama, algorithm, config, *, seed=0, data=None, **more):
    """Unlearn a new model; an earlier checkpoint is given to those that say that they read one, and to nobody else."""
    if reads_checkpoint(algorithm):
        more["checkpoint"] = lambda: llama(5)
    return unlearn(llama(0), algorithm, data or texts(), config, pad=PAD, seed=seed, **more)


def objective_of(algorithm, other):
    """Its objective against a reference and teachers that have moved away, and the rows of each term."""
    if not isinstance(algorithm, LossAlgorithm):
        return LanguageModelling(), {"text": FORGET}
    plan = algorithm.plan
    layer = None if plan.layer is None else layer_index(other, plan.layer)
    rows = {"forget": FORGET} | ({"retain": KINDS[plan.retain]} if plan.retain else {})

    def reference(of, layer=None):
        return CachedReference(other, of, tokens=24, pad=PAD, precision="float32", layer=layer)

    wanted = {"forget": plan.forget_reference, "retain": bool(plan.retain) and plan.retain_reference}
    objective = Unlearning(
        algorithm,
        references={text: reference(rows[text], layer) for text, needed in wanted.items() if needed},
        teachers={item.name: {text: reference(rows[text]) for text in item.on} for item in plan.teachers},
        alternates=ALTERNATES if plan.alternates else (),
        alternate_reference=reference(ALTERNATES) if plan.alternates and plan.forget_reference else None,
        layer=layer,
        pad=PAD,
    )
    return objective, {term: rows[term] for term in objective.terms}


# What it says of itself ----------------------------------------------------------------------------------------------


@every
def test_it_is_tuned_as_much_as_the_others_and_every_point_can_be_run(name):
    grid = ALGORITHMS.get(name).info.grid
    assert len(grid) == GRID_SIZE
    assert len({(choice.lr, choice.steps, str(dict(choice.options))) for choice in grid}) == GRID_SIZE
    for choice in grid:
        assert algorithm_of(name, **choice.options).plan.budget() == algorithm_of(name).plan.budget()
        assert LoopConfig(steps=choice.steps, lr=choice.lr).steps > 0


@one_for_each(told)
@every_variant
def test_nothing_is_read_that_is_not_in_the_budget(name, options, llama):
    """Whatever the budget leaves out may be missing, and the result is the same."""
    algorithm = algorithm_of(name, **options)
    told, plan = set(algorithm.plan.budget()), algorithm.plan
    nothing = {
        "forget": FORGET if Budget.FORGET in told else [],
        "retain": RETAIN if Budget.RETAIN in told else [],
        "truth": TRUTH if Budget.TRUTH in told else [],
        "edits": EDITS if Budget.TRUTH in told else [],
        "alternates": ALTERNATES if plan.alternates else [],
        "samples": (lambda model: SAMPLES) if plan.retain == "samples" else None,
    }
    less, _ = run(llama, algorithm, loop(), data=texts(**nothing))
    more, _ = run(llama, algorithm, loop())
    assert same(weights_of(less), weights_of(more))


# Configuration -------------------------------------------------------------------------------------------------------


@one_for_each("name")
@every_variant
def test_a_configuration_survives_being_written_down(name, options):
    config = ALGORITHMS.parse({"name": name, **options})
    assert config.name == name
    assert ALGORITHMS.parse(parse_yaml(to_yaml(config), "test")) == config
    assert ALGORITHMS.parse(config.identity()) == config


@every
def test_wrong_hyperparameters_are_refused(name):
    wrong = [{"no_such_option": 1}]
    for key, field in ALGORITHMS.config_type(name).model_fields.items():
        if key == "name":
            continue
        if get_origin(field.annotation) is None and field.annotation in (int, float):
            wrong += [{key: value} for value in (-1, "many", math.nan, math.inf, None)]
        else:
            wrong.append({key: "no such word"})
    for options in wrong:
        with pytest.raises(ValidationError):
            algorithm_of(name, **options)


# What it does --------------------------------------------------------------------------------------------------------


@one_for_each("name", family_by_way)
@every_way
@every_variant
def test_weights_move_stay_finite_and_depend_on_the_seed_alone(name, options, lora, llama):
    start = weights_of(llama(0))
    first, log = run(llama, algorithm_of(name, **options), loop(lora=lora))
    found = weights_of(first)
    assert all(torch.isfinite(value).all() for value in found.values())
    assert found.keys() == start.keys()
    assert not same(found, start)
    if name in LOSS_NAMES:
        assert log.steps >= 3
        assert log.tokens > 0
    assert all(math.isfinite(value) for record in log.records for value in record.values())
    again, log_again = run(llama, algorithm_of(name, **options), loop(lora=lora))
    assert same(weights_of(again), found)
    assert log_again.records == log.records


@one_for_each(hooks)
@every
def test_an_adapter_is_trained_under_gradient_checkpointing(name, llama):
    """The same weights as without it, and not those of the start."""
    plain, _ = run(llama, algorithm_of(name), loop(lora=LoraConfig(rank=2, alpha=4)))
    saving, _ = run(llama, algorithm_of(name), loop(lora=LoraConfig(rank=2, alpha=4), gradient_checkpointing=True))
    expected = weights_of(plain)
    assert all(torch.allclose(value, expected[key], atol=1e-6) for key, value in weights_of(saving).items())
    assert not same(weights_of(saving), weights_of(llama(0)))


@one_for_each(family_by_way)
@every_way
@every
def test_another_seed_reads_the_rows_in_another_order(name, lora, llama):
    (zero, log), (one, _) = (run(llama, algorithm_of(name), loop(lora=lora), seed=seed) for seed in (0, 1))
    if not log.steps:
        pytest.skip("it trains nothing")
    assert not same(weights_of(zero), weights_of(one))


@one_for_each(family_by_way)
@every_way
@every
def test_the_result_is_saved_and_loaded_like_any_model(name, lora, llama, tokenizer, tmp_path):
    model, _ = run(llama, algorithm_of(name), loop(steps=1, lora=lora))
    save_model(model, tokenizer, tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(loaded) is type(llama(0))
    ids = torch.tensor([FORGET[0]])
    with torch.no_grad():
        assert torch.equal(loaded(ids).logits, model(ids).logits)
    assert load_tokenizer(tmp_path)("ada was born")["input_ids"] == tokenizer("ada was born")["input_ids"]


@one_for_each("name")
@every_variant
def test_padding_changes_no_loss(name, options, llama):
    model = llama(0)
    objective, rows = objective_of(algorithm_of(name, **options), llama(7))
    for term, source in rows.items():
        batch = collate(source, range(len(source)), PAD)
        wider = TokenBatch(pad(batch.input_ids, (0, 5), value=PAD), pad(batch.labels, (0, 5), value=-100), batch.rows)
        losses = [float(objective.loss(term, model, item).detach()) for item in (batch, wider)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5, abs=1e-6), term


@one_for_each(terms)
@every_variant
def test_accumulated_gradients_equal_those_of_the_large_batch(name, options, llama):
    class KeepGradients(Callback):
        def after_step(self, event):
            self.losses = dict(event.losses)
            self.grad_norm = event.grad_norm
            found = dict(event.model.named_parameters()).items()
            self.gradients = {key: value.grad.clone() for key, value in found if value.grad is not None}

    objective, rows = objective_of(algorithm_of(name, **options), llama(7))
    if "batch" in objective.terms.values():
        with pytest.raises(ConfigError, match="accumulation to 1"):
            run(llama, algorithm_of(name, **options), loop(accumulation=2))
        return
    found = []
    for accumulation in (1, 2):
        sources = {term: SetRows(source, tokens=1000, name=term, seed=0) for term, source in rows.items()}
        seen = KeepGradients()
        config = loop(steps=1, accumulation=accumulation)
        train(llama(0), objective, sources, config, pad=PAD, seed=0, callbacks=[seen])
        found.append(seen)
    large, parts = found
    assert parts.losses == pytest.approx(large.losses, rel=1e-5)
    assert parts.grad_norm == pytest.approx(large.grad_norm, rel=1e-4)
    for key, value in large.gradients.items():
        assert torch.allclose(parts.gradients[key], value, rtol=1e-4, atol=1e-5), key


@one_for_each(references, "lora")
@every_way
@pytest.mark.parametrize(
    ("name", "options"),
    [
        (name, options)
        for name, options in LOSS_VARIANTS
        if (plan := algorithm_of(name, **options).plan).forget_reference or (plan.retain and plan.retain_reference)
    ],
    ids=label,
)
def test_the_reference_stays_what_it_was(name, options, lora, llama, monkeypatch):
    """It is the model before the first step, all the way, and its predictions are bit-identical at the end."""
    start, made = llama(0), []
    kind = "AdapterOffReference" if lora else "CachedReference"
    original = getattr(session_module, kind)

    def record(*given, **more):
        made.append(original(*given, **more))
        return made[-1]

    monkeypatch.setattr(session_module, kind, record)
    plan = algorithm_of(name, **options).plan
    read = [FORGET] * plan.forget_reference
    read += [KINDS[plan.retain]] if plan.retain and plan.retain_reference else []
    read += [ALTERNATES] * bool(plan.alternates and plan.forget_reference and not lora)  # an adapter serves all rows

    class Compare(Callback):
        compared = 0
        first = None

        def after_step(self, event):
            if event.part:
                return
            given = made[-len(read) :]
            seen = []
            for reference, rows in zip(given, read, strict=True):
                batch = collate(rows, range(len(rows)), PAD)
                with torch.no_grad():
                    expected = predict(start, batch).logits
                seen.append(reference.predict(batch).logits)
                assert torch.allclose(seen[-1], expected, atol=1e-5)
            self.first = self.first or seen
            assert all(torch.equal(now, then) for now, then in zip(seen, self.first, strict=True))
            self.compared += 1

    compare = Compare()
    model, _ = run(llama, algorithm_of(name, **options), loop(lora=lora), callbacks=[compare])
    assert compare.compared >= 3
    assert not same(weights_of(model), weights_of(start))


@one_for_each("name", "lora")
@every_way
@pytest.mark.parametrize("name", [name for name in NAMES if name not in LOSS_NAMES])
def test_the_result_has_the_computed_weights(name, lora, llama, monkeypatch):
    """What comes out is what was computed, whatever was trained in between; what was left out stays as it was."""
    kind, seen = ALGORITHMS.get(name), {}
    original = kind.edit

    def record(self, session):
        assert same(dict(session.corrupted), weights_of(llama(0)))
        edited = dict(original(self, session))
        assert same(dict(session.corrupted), weights_of(llama(0)))
        seen.update(weights_of(llama(0)) | edited)
        return edited

    monkeypatch.setattr(kind, "edit", record)
    model, _ = run(llama, algorithm_of(name), loop(lora=lora))
    assert same(weights_of(model), seen)


@every_way
@pytest.mark.parametrize("start", ["corrupted", "checkpoint"])
def test_a_vector_is_what_fine_tuning_adds(start, lora, llama, tmp_path):
    """Under an adapter it comes from the adapter's factors, and equals what merging adds."""

    class TakesAVector(WeightAlgorithm):
        plan = Plan(retain=None, checkpoint=True)

        def edit(self, session):
            self.vector = dict(session.vector(start, "forget"))
            return {}

    taker = TakesAVector()
    unlearn(llama(0), taker, texts(), loop(lora=lora), pad=PAD, seed=0, checkpoint=lambda: llama(5))
    beginner = llama(0) if start == "corrupted" else llama(5)
    before = weights_of(beginner)
    trained = add_adapter(beginner, lora, seed=0) if lora else beginner
    source = SetRows(FORGET, tokens=24, name="forget", seed=0)
    train(trained, LanguageModelling(), {"text": source}, loop(lora=lora), pad=PAD, seed=0)
    after = weights_of(merge_adapter(trained) if lora else trained)
    for key, value in after.items():
        assert torch.allclose(taker.vector.get(key, torch.zeros(())), value - before[key], atol=1e-6), key
    assert any(value.abs().max() > 1e-3 for value in taker.vector.values())


def test_an_earlier_checkpoint_is_read_from_the_files_that_it_is_loaded_from(llama, tokenizer, tmp_path):
    """Others may lie beside them, with other weights under the same names."""

    class TakesACheckpoint(WeightAlgorithm):
        plan = Plan(forget=False, retain=None, checkpoint=True)

        def edit(self, session):
            return dict(session.checkpoint)

    save_model(llama(5), tokenizer, tmp_path)
    save_model(llama(6), tokenizer, tmp_path / "old")
    (tmp_path / "old" / "model.safetensors").rename(tmp_path / "training.safetensors")
    given = {"checkpoint": lambda: llama(7), "checkpoint_files": tmp_path}
    model, _ = unlearn(llama(0), TakesACheckpoint(), texts(), loop(), pad=PAD, seed=0, **given)
    assert same(weights_of(model), weights_of(llama(5)))


# What it refuses, and what happens when something goes wrong ---------------------------------------------------------


@one_for_each(needs)
@every_variant
def test_texts_that_it_reads_must_not_be_empty(name, options, llama):
    algorithm = algorithm_of(name, **options)
    if algorithm.plan.forget:
        with pytest.raises(DataError, match="forget set is empty"):
            run(llama, algorithm, loop(), data=texts(forget=[]))
    empty = {"text": {"retain": []}, "samples": {"samples": lambda model: []}, "truth": {"truth": []}, None: None}
    if (without := empty[algorithm.plan.retain]) is not None:
        with pytest.raises(DataError, match="retain set is empty"):
            run(llama, algorithm, loop(), data=texts(**without))
    if algorithm.plan.edits:
        with pytest.raises(DataError, match="Give facts"):
            run(llama, algorithm, loop(), data=texts(edits=[]))


@pytest.mark.parametrize("name", [name for name in NAMES if reads_checkpoint(algorithm_of(name))])
def test_a_missing_checkpoint_is_asked_for(name, llama):
    with pytest.raises(ConfigError, match="checkpoint"):
        unlearn(llama(0), algorithm_of(name), texts(), loop(), pad=PAD, seed=0)


@one_for_each(hooks)
@every
def test_a_loss_that_is_not_a_number_ends_the_run_and_names_the_step(name, llama, monkeypatch):
    algorithm = algorithm_of(name)
    if not isinstance(algorithm, LossAlgorithm):
        pytest.skip("it minimises nothing itself")
    owner, method = type(algorithm), "forget_loss" if algorithm.plan.forget else "retain_loss"
    original, calls = getattr(owner, method), []

    def broken(self, *given):
        calls.append(given)
        return original(self, *given) * (math.nan if len(calls) == 2 else 1.0)

    monkeypatch.setattr(owner, method, broken)
    with pytest.raises(TrainingError, match=r"loss is nan at step 2 of 3.*[Ll]earning rate"):
        run(llama, algorithm, loop())


@one_for_each(trainings, "lora")
@every_way
@every_variant
def test_a_run_that_was_killed_ends_like_one_that_was_not(name, options, lora, llama, tmp_path):
    config, algorithm = loop(steps=5, lora=lora), algorithm_of(name, **options)
    whole, log = run(llama, algorithm, config)
    if not log.steps:
        pytest.skip("it trains nothing")
    for _ in range(4):  # once in each of the trainings that it makes
        with contextlib.suppress(Killed):
            run(llama, algorithm, config, callbacks=[KillAt(3)], resume=ResumeFolder(tmp_path, every=0))
    heard = KillAt(None)
    resumed, log_resumed = run(llama, algorithm, config, callbacks=[heard], resume=ResumeFolder(tmp_path, every=0))
    assert len(heard.heard) < log.steps
    assert same(weights_of(resumed), weights_of(whole))
    assert log_resumed.records == log.records
    assert (log_resumed.steps, log_resumed.tokens) == (log.steps, log.tokens)
    assert log_resumed.flops == pytest.approx(log.flops)
