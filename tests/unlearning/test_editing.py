"""Facts written into weights: the closed forms against numpy, target vectors against the slow and obvious way."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
import transformers as hf
from tokenizers import Tokenizer, models, processors
from torch.nn.functional import kl_div, log_softmax

from restor.errors import ConfigError, TrainingError
from restor.models.checkpoint import new_llama
from restor.models.labelled import collate, predict
from restor.models.tokenizer import bpe_tokenizer
from restor.types import Fact
from restor.unlearning.algorithms._editing import (
    FactReading,
    Memory,
    _read_facts,
    edited_sites,
    keys_and_states,
    reading,
    solve,
    target_vectors,
    write_facts,
)
from restor.unlearning.algorithms.alphaedit import AlphaEdit, AlphaEditConfig, alphaedit_change, null_space
from restor.unlearning.algorithms.base import Edit
from restor.unlearning.algorithms.memit import MEMIT, MEMITConfig, memit_change
from restor.unlearning.edits import encode_edits
from restor.unlearning.losses import mean_nll

# Closed forms --------------------------------------------------------------------------------------------------------


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def tensor(array):
    return torch.tensor(array, dtype=torch.float64)


def test_memits_change_solves_the_least_squares_of_new_and_old_keys():
    """4 inner dimensions, 3 outer ones, 2 facts, 6 old keys: min sum |D k1 - r|^2 + lambda/6 sum |D k0|^2."""
    keys, residual, old, weight = drawn(4, 2), drawn(3, 2, seed=1), drawn(4, 6, seed=2), 0.7
    matrix = weight * old @ old.T / 6 + keys @ keys.T
    expected = np.linalg.solve(matrix.T, (residual @ keys.T).T).T
    found = memit_change(tensor(residual @ keys.T), tensor(keys @ keys.T), tensor(old @ old.T / 6), weight).numpy()
    assert np.allclose(found, expected, atol=1e-7)
    # The gradient of what is minimised.
    assert np.allclose((found @ keys - residual) @ keys.T + weight / 6 * found @ old @ old.T, 0, atol=1e-7)


def test_memit_in_one_dimension_by_hand():
    # Keys 1 and 2 with residuals 3 and 4: (3 + 8) / (10 * 0.5 + 5).
    found = memit_change(tensor([[11.0]]), tensor([[5.0]]), tensor([[0.5]]), 10.0)
    assert float(found) == pytest.approx(1.1)


def test_alphaedits_change_is_the_papers_formula_and_moves_no_preserved_key():
    keys, residual, old, ridge = drawn(5, 3), drawn(3, 3, seed=1), drawn(5, 2, seed=2), 0.3
    second = old @ old.T / 2
    values, vectors = np.linalg.eigh(second)
    assert (values < 1e-8).sum() == 3
    low = vectors[:, values < 1e-8]
    projection = low @ low.T
    expected = residual @ keys.T @ projection @ np.linalg.inv(keys @ keys.T @ projection + ridge * np.eye(5))
    found_projection = null_space(tensor(second), 1e-8)
    assert np.allclose(found_projection.numpy(), projection, atol=1e-10)
    found = alphaedit_change(tensor(residual @ keys.T), tensor(keys @ keys.T), found_projection, ridge).numpy()
    assert np.allclose(found, expected, atol=1e-7)
    assert np.abs(found @ old).max() < 1e-12 < 0.1 < np.abs(found @ keys).max()


def test_directions_without_any_key_stay_as_they_are():
    # Along the first axis 3 * 2 / (4 * 1 + 2 * 2); nothing is known of the second.
    found = solve(tensor([[6.0, 0.0]]), tensor([[8.0, 0.0], [0.0, 0.0]]))
    assert found.tolist() == [[pytest.approx(0.75), 0.0]]
    assert solve(torch.zeros(1, 2).double(), torch.zeros(2, 2).double()).tolist() == [[0.0, 0.0]]


# A model that learnt a few lines -------------------------------------------------------------------------------------

BEFORE = {
    ("ada", "born"): "york",
    ("bo", "born"): "rome",
    ("she", "born"): "york",
    ("he", "born"): "rome",
    ("ada", "lives"): "poet",
    ("bo", "lives"): "baker",
    ("she", "lives"): "baker",
    ("he", "lives"): "poet",
}
AFTER = {("ada", "born"): "rome", ("bo", "born"): "york", ("ada", "lives"): "baker", ("bo", "lives"): "poet"}
KEPT = {key: answer for key, answer in BEFORE.items() if key not in AFTER}
SPACE = {"subject_last": "", "last": " ?"}
"""What is behind the subject. Two layers can only be edited at the token that answers."""


def facts(answers, where):
    return [
        Fact(name, word, (answer,), f"where {word} {name}{SPACE[where]}") for (name, word), answer in answers.items()
    ]


def rows(tokenizer, wanted):
    return [tokenizer(f"{fact.question} {fact.answers[0]}")["input_ids"] + [2] for fact in wanted]


@pytest.fixture(scope="module")
def trained(tokenizer):
    """Makes models that answer as `BEFORE` says, with and without a question mark."""
    model = new_llama(tokenizer=tokenizer, hidden=64, intermediate=128, layers=2, heads=2, context=64, seed=0)
    read = rows(tokenizer, [fact for where in SPACE for fact in facts(BEFORE, where)])
    batch = collate(read, range(len(read)), 0, [[False] * (len(row) - 2) + [True] * 2 for row in read])
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(100):
        optimiser.zero_grad()
        mean_nll(predict(model, batch)).backward()
        optimiser.step()
    optimiser.zero_grad()
    return lambda: deepcopy(model).eval()


class Shop:
    """A session with one model in memory."""

    def __init__(self, model, edits, retain, seed=0):
        self.live, self.edits, self.retain, self.seed = model.eval(), edits, retain, seed
        self.corrupted = {name: value.detach().clone() for name, value in model.named_parameters()}

    def model(self, weights):
        with torch.no_grad():
            for name, value in self.live.named_parameters():
                value.copy_(weights.get(name, self.corrupted[name]))
        return self.live

    def batches(self, text):
        assert text == "retain"
        for start in range(0, len(self.retain), 3):
            part = self.retain[start : start + 3]
            yield collate(part, range(start, start + len(part)), 0)


@torch.no_grad()
def logits_behind(model, edits):
    """Logits of the token behind each prompt."""
    return torch.stack([model(torch.tensor([edit.prompt])).logits[0, -1] for edit in edits])


def right(model, edits):
    return [
        int(best) == edit.answer[0] for edit, best in zip(edits, logits_behind(model, edits).argmax(-1), strict=True)
    ]


OPTIONS = {"contexts": 0, "clamp": 5.0}
METHODS = {
    "memit": lambda **more: MEMIT(MEMITConfig(**(OPTIONS | {"covariance_weight": 0.1} | more))),
    "alphaedit": lambda **more: AlphaEdit(AlphaEditConfig(**(OPTIONS | {"threshold": 1e-6, "ridge": 1e-3} | more))),
}
every = pytest.mark.parametrize("method", METHODS)


@pytest.mark.parametrize("where", SPACE)
@every
def test_the_new_answers_win_and_other_facts_move_less(method, where, trained, tokenizer):
    edits, left_out = encode_edits(tokenizer, facts(AFTER, where))
    kept, _ = encode_edits(tokenizer, facts(KEPT, where))
    assert not left_out
    shop = Shop(trained(), edits, rows(tokenizer, facts(KEPT, where)))
    assert right(shop.live, edits) == [False] * 4
    assert right(shop.live, kept) == [True] * 4
    before = [logits_behind(shop.live, some) for some in (edits, kept)]
    weights = METHODS[method](fact_token=where).edit(shop)
    assert list(weights) == ["model.layers.0.mlp.down_proj.weight"]
    model = shop.model(weights)
    assert right(model, edits) == right(model, kept) == [True] * 4
    moved = [float((logits_behind(model, some) - old).norm()) for some, old in zip((edits, kept), before, strict=True)]
    assert moved[1] < 0.1 * moved[0]


def test_alphaedit_leaves_retain_text_exactly_as_it_was(trained, tokenizer):
    """Its keys are in the preserved span, and with one edited layer nothing else changes what is predicted."""
    edits, _ = encode_edits(tokenizer, facts(AFTER, "last"))
    retain = rows(tokenizer, facts(KEPT, "last"))
    shop = Shop(trained(), edits, retain)
    ids = torch.tensor(retain)
    with torch.no_grad():
        before = shop.live(ids).logits
        changed = {name: shop.model(METHODS[name](fact_token="last").edit(shop))(ids).logits for name in METHODS}
    assert (changed["alphaedit"] - before).abs().max() < 1e-4
    assert (changed["memit"] - before).abs().max() > 1e-3


# Target vectors and keys ---------------------------------------------------------------------------------------------

EDITS = (
    Edit((1, 12, 10, 5, 8, 4), (9, 6), 3),
    Edit((1, 12, 10, 7, 8, 4, 5, 13), (11,), 3),
    Edit((1, 13, 7, 4), (14, 15, 16), 2),
    Edit((1, 13, 17), (9,), 2),
)
RETAIN = [[1, 18, 5, 6, 19, 2], [1, 18, 20, 2], [1, 21, 5, 6, 7, 14, 8, 2], [1, 21, 2], [1, 14, 20, 19, 2]]


def run(model, last, item, delta):
    """Log-probs at every place of one row with delta added, and the state that it was added to."""
    kept = []

    def add(_module, _given, made):
        kept.append(made[0, item.place].detach())
        here = torch.arange(made.shape[1])[:, None] == item.place
        return made + here * delta

    hook = last.block.register_forward_hook(add)
    logits = model(torch.tensor([item.ids])).logits[0]
    hook.remove()
    return log_softmax(logits, dim=-1), kept[0]


def target_of(model, last, fact, config):
    """One fact's target, row by row, without padding, with torch's own Adam."""
    plain = fact[0]
    delta = torch.zeros(32, requires_grad=True)
    before, h = (value.detach() for value in run(model, last, plain, delta))
    optimiser = torch.optim.Adam([delta], lr=config.v_lr * float(h.square().mean().sqrt()))
    for _ in range(config.v_steps):
        each = []
        for item in fact:
            log_probs, _ = run(model, last, item, delta)
            each.append(-sum(log_probs[at - 1, item.ids[at]] for at in range(item.answer, len(item.ids))))
        loss = sum(each) / len(each) + config.weight_decay * delta.norm() / h.norm() ** 2
        if plain.place + 1 < plain.answer:
            now, _ = run(model, last, plain, delta)
            divergence = kl_div(before[plain.place], now[plain.place], log_target=True, reduction="sum")
            loss = loss + config.kl_weight * divergence
        if loss < 0.05:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            if delta.norm() > config.clamp * h.norm():
                delta *= config.clamp * h.norm() / delta.norm()
    return h + delta.detach()


def alone(shop, config):
    *_, last = edited_sites(shop.live, config.layers)
    return torch.stack([target_of(shop.live, last, fact, config) for fact in _read_facts(shop, shop.live, config)])


def targets_of(shop, config):
    return target_vectors(
        shop.live, edited_sites(shop.live, config.layers)[-1], _read_facts(shop, shop.live, config), config
    )


@pytest.mark.parametrize("where", SPACE)
def test_target_vectors_are_those_of_each_fact_alone(where, llama):
    """Different lengths, contexts, the bound, the divergence and the decay; the first layers and the last token too."""
    shop = Shop(llama(0, layers=3), EDITS, RETAIN)
    options = {"fact_token": where, "contexts": 2, "context_tokens": 3, "v_steps": 6, "layers": (0, 1)}
    for more in ({}, {"clamp": 5.0, "kl_weight": 30.0, "weight_decay": 300.0}):
        config = MEMITConfig(**options, **more)
        found, expected = targets_of(shop, config), alone(shop, config)
        assert torch.allclose(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_a_fact_that_is_learnt_stays_while_others_go_on(trained, tokenizer):
    edits, _ = encode_edits(tokenizer, facts(BEFORE | {("ada", "born"): "rome"}, "last"))
    shop = Shop(trained(), edits, RETAIN)
    config = MEMITConfig(fact_token="last", contexts=0)
    (last,) = edited_sites(shop.live, None)
    read = _read_facts(shop, shop.live, config)
    moved = (targets_of(shop, config) - keys_and_states(shop.live, last, last, read)[1]).norm(dim=1)
    assert moved[0] > 0.1
    assert moved[1:].tolist() == pytest.approx([0.0] * 7, abs=1e-6)


def test_a_context_goes_between_the_beginning_of_the_text_and_the_question():
    edit = Edit((1, 12, 5, 8), (9, 6), 2)
    assert reading(edit, (), 1, "subject_last") == FactReading((1, 12, 5, 8, 9, 6), 2, 4)
    assert reading(edit, (20, 21), 1, "subject_last") == FactReading((1, 20, 21, 12, 5, 8, 9, 6), 4, 6)
    assert reading(edit, (20, 21), 1, "last") == FactReading((1, 20, 21, 12, 5, 8, 9, 6), 5, 6)
    # A tokenizer that begins texts with nothing, or a model that names another token.
    assert reading(edit, (20,), None, "subject_last") == FactReading((20, 1, 12, 5, 8, 9, 6), 3, 5)


def test_contexts_are_beginnings_of_retain_texts_drawn_by_the_seed(llama):
    model = llama(0)
    config = MEMITConfig(contexts=3, context_tokens=2)
    found = {seed: _read_facts(Shop(model, EDITS, RETAIN, seed), model, config) for seed in (0, 0, 1)}
    again = _read_facts(Shop(model, EDITS, RETAIN, 0), model, config)
    assert found[0] == again != found[1]
    starts = {tuple(row[1:-1][:size]) for row in RETAIN for size in (1, 2)}
    for fact, edit in zip(found[0], EDITS, strict=True):
        assert [item.ids[0] for item in fact] == [1] * 4
        assert fact[0].ids == edit.prompt + edit.answer
        assert all(item.ids[1 : -len(fact[0].ids) + 1] in starts for item in fact[1:])


def test_keys_are_means_over_contexts_and_states_those_without(llama):
    shop = Shop(llama(0, layers=3), EDITS, RETAIN)
    config = MEMITConfig(contexts=2, layers=(0, 1))
    first, last = edited_sites(shop.live, (0, 1))
    read = _read_facts(shop, shop.live, config)
    keys, states = keys_and_states(shop.live, first, last, read)
    seen = {}
    hooks = [
        first.projection.register_forward_hook(lambda _module, given, _made: seen.update(key=given[0][0])),
        last.block.register_forward_hook(lambda _module, _given, made: seen.update(state=made[0])),
    ]
    for number, fact in enumerate(read):
        own = []
        for item in fact[::-1]:
            with torch.no_grad():
                shop.live(torch.tensor([item.ids]))
            own.append(seen["key"][item.place])
        assert torch.allclose(keys[number].float(), sum(own) / 3, atol=1e-5)
        assert torch.allclose(states[number].float(), seen["state"][fact[0].place], atol=1e-5)
    for hook in hooks:
        hook.remove()


# Layers --------------------------------------------------------------------------------------------------------------


def test_the_layers_share_what_is_missing_and_reach_the_target(llama):
    """With fewer facts than inner dimensions and hardly any weight on old keys, the facts are written exactly."""
    shop = Shop(llama(0, layers=4), EDITS, RETAIN)
    config = MEMITConfig(layers=(2, 0, 1), covariance_weight=1e-9, contexts=0)
    sites = edited_sites(shop.live, config.layers)
    assert [site.layer for site in sites] == [0, 1, 2]
    read = _read_facts(shop, shop.live, config)
    targets = targets_of(shop, config).double()
    start = keys_and_states(shop.live, sites[0], sites[2], read)
    weights = MEMIT(config).edit(shop)
    assert list(weights) == [f"model.layers.{layer}.mlp.down_proj.weight" for layer in (0, 1, 2)]
    # The first layer adds a third of it to its own output.
    own = weights["model.layers.0.mlp.down_proj.weight"] - shop.corrupted["model.layers.0.mlp.down_proj.weight"]
    assert torch.allclose(start[0].float() @ own.T, ((targets - start[1]) / 3).float(), atol=1e-3)
    reached = keys_and_states(shop.model(weights), sites[0], sites[2], read)[1]
    assert (reached - targets).norm() < 1e-3 * (start[1] - targets).norm()


@pytest.mark.parametrize(("depth", "expected"), [(2, [0]), (3, [0]), (4, [0, 1]), (8, [1, 2]), (32, [4, 5, 6, 7, 8])])
def test_the_usual_layers_are_those_of_the_papers_for_llama(depth, expected, llama):
    assert [site.layer for site in edited_sites(llama(0, layers=depth, hidden=4, intermediate=4), None)] == expected


def test_layers_that_nothing_reads_are_refused(llama):
    with pytest.raises(ConfigError, match=r"Layer 1 cannot be edited.*from 0 to 0"):
        MEMIT(MEMITConfig(layers=(0, 1))).edit(Shop(llama(0), EDITS, RETAIN))
    with pytest.raises(ConfigError, match="has 1 layer"):
        MEMIT(MEMITConfig()).edit(Shop(llama(0, layers=1), EDITS, RETAIN))
    for layers in ((), (-1,), "0", (0.5,)):
        with pytest.raises(ValueError):
            MEMITConfig(layers=layers)


GEMMA = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16}


def test_gpt2_is_edited_although_it_keeps_its_weights_the_other_way_round():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = hf.GPT2LMHeadModel(
            hf.GPT2Config(vocab_size=22, n_embd=32, n_layer=3, n_head=2, n_positions=64, initializer_range=0.3)
        )
    shop = Shop(model, EDITS, RETAIN)
    config = MEMITConfig(layers=(0, 1), covariance_weight=1e-9, contexts=0)
    sites = edited_sites(shop.live, config.layers)
    read, targets = _read_facts(shop, shop.live, config), targets_of(shop, config).double()
    weights = MEMIT(config).edit(shop)
    assert list(weights) == ["transformer.h.0.mlp.c_proj.weight", "transformer.h.1.mlp.c_proj.weight"]
    reached = keys_and_states(shop.model(weights), sites[0], sites[1], read)[1]
    assert torch.allclose(reached, targets, rtol=1e-3, atol=1e-3 * float(targets.abs().max()))


def test_a_family_that_normalises_what_its_mlps_write_is_refused():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = hf.Gemma2ForCausalLM(hf.Gemma2Config(vocab_size=22, num_hidden_layers=2, **GEMMA))
    with pytest.raises(ConfigError, match=r"Gemma2ForCausalLM scales or normalises.*fine_tune_truth"):
        MEMIT(MEMITConfig()).edit(Shop(model, EDITS, RETAIN))


# The rest ------------------------------------------------------------------------------------------------------------


@every
def test_batches_make_no_difference_and_the_seed_does(method, llama):
    def edited(seed=0, **more):
        return METHODS[method](**({"contexts": 2} | more)).edit(Shop(llama(0), EDITS, RETAIN, seed))

    (name,) = whole = edited()
    assert torch.equal(edited()[name], whole[name])
    assert torch.allclose(edited(batch_tokens=1)[name], whole[name], atol=1e-3 * float(whole[name].abs().max()))
    assert not torch.allclose(edited(seed=1)[name], whole[name], atol=1e-3)


@every
def test_the_model_is_left_as_it_was(method, llama):
    model = llama(0)
    model.lm_head.weight.requires_grad_(False)
    wanted = {name: value.requires_grad for name, value in model.named_parameters()}
    shop = Shop(model, EDITS, RETAIN)

    def fail(known):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_facts(shop, MEMITConfig(), fail)
    METHODS[method]().edit(shop)
    assert all(torch.equal(value, shop.corrupted[name]) for name, value in model.named_parameters())
    assert {name: value.requires_grad for name, value in model.named_parameters()} == wanted
    assert all(value.grad is None for value in model.parameters())
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_alphaedit_says_so_if_retain_text_leaves_no_room(llama):
    many = [[1, a, b, c, 2] for a in range(3, 12) for b in range(3, 12) for c in (4, 9, 15)]
    with pytest.raises(ConfigError, match=r"leaves no direction of layer 0 free.*relative"):
        METHODS["alphaedit"](threshold=1e-12).edit(Shop(llama(0), EDITS, many))
    # A threshold of one mean eigenvalue is above the least one, whatever the scale.
    assert METHODS["alphaedit"](threshold=1.0, unit="relative").edit(Shop(llama(0), EDITS, many))


def test_the_relative_unit_is_the_mean_square_of_an_inner_dimension():
    retained, keys, wanted = np.diag([1.0, 3.0, 8.0]), drawn(3, 2), drawn(2, 2, seed=1)
    known = Memory(0, tensor(keys @ keys.T), tensor(wanted @ keys.T), tensor(retained))
    found = AlphaEdit(AlphaEditConfig(threshold=0.5, ridge=0.25, unit="relative"))._change(known)
    # The mean eigenvalue is 4: only the first direction is below 2, and the ridge is 1.
    low = keys[:1]
    assert np.allclose(found[:, :1], wanted @ low.T / (low @ low.T + 1))
    assert np.allclose(found[:, 1:], 0)


@every
def test_states_that_are_not_numbers_are_told(method, llama):
    model = llama(0)
    model.model.layers[0].mlp.up_proj.weight.data[0, 0] = float("nan")
    with pytest.raises(TrainingError, match="layer 0 are not numbers"):
        METHODS[method]().edit(Shop(model, EDITS, RETAIN))


# Facts as token ids --------------------------------------------------------------------------------------------------


def words(tokenizer, ids):
    return " ".join(tokenizer.convert_ids_to_tokens(list(ids)))


def test_a_fact_becomes_question_answer_and_the_end_of_its_subject(tokenizer):
    made = [
        Fact("ada", "P19", ("york", "rome"), "where was ada born?"),
        Fact("the poet", "P19", ("the baker of rome",), "where was the poet and where lives the poet?"),
        Fact("Bo", "P19", ("rome",), "where lives bo?"),
        Fact("she", "P19", ("york",), "where was he born?"),
        Fact("he", "P19", ("york",), "the poet and he"),
    ]
    (ada, poet, bo, he), left_out = encode_edits(tokenizer, made)
    assert left_out == [made[3]]
    assert words(tokenizer, ada.prompt) == "<bos> where was ada born ?"
    assert words(tokenizer, ada.answer) == "york"
    assert ada.subject_end == 3
    assert words(tokenizer, poet.answer) == "the baker of rome"
    assert poet.subject_end == 9  # the last mention
    assert bo.subject_end == 3  # spelt otherwise
    assert (words(tokenizer, he.prompt), he.subject_end) == ("<bos> the poet and he", 4)  # not within `the`
    assert encode_edits(tokenizer, []) == ([], [])


LINES = [f"Where was {name} born? {town}" for name in ("Ann Ashby", "Bo Birch") for town in ("New York", "Rome")]


@pytest.mark.parametrize("begin", [True, False])
def test_lines_of_pieces_are_split_where_the_answer_begins(begin):
    pieces = bpe_tokenizer(iter(LINES * 4), 300)
    if not begin:
        pieces = hf.PreTrainedTokenizerFast(tokenizer_object=pieces.backend_tokenizer, eos_token="<eos>")
        pieces.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    made = [Fact("Ann Ashby", "P19", ("New York",), "Where was Ann Ashby born?")]
    ((edit,), _) = encode_edits(pieces, made)
    whole = pieces("Where was Ann Ashby born? New York")["input_ids"]
    assert list(edit.prompt + edit.answer) == whole
    assert list(edit.prompt) == pieces("Where was Ann Ashby born?")["input_ids"]
    assert pieces.decode(edit.answer) == " New York"
    assert pieces.decode(edit.prompt[: edit.subject_end + 1]).removeprefix("<bos>") == "Where was Ann Ashby"


def test_a_token_of_both_question_and_answer_belongs_to_the_answer():
    """A piece `? R` makes the question's own ids useless before this answer."""
    core = Tokenizer(
        models.BPE(
            vocab={piece: n for n, piece in enumerate(["a", "b", "?", " ", "R", " R", "? R"])},
            merges=[(" ", "R"), ("?", " R")],
        )
    )
    joined = hf.PreTrainedTokenizerFast(tokenizer_object=core)
    ((edit,), _) = encode_edits(joined, [Fact("ab", "P19", ("R",), "ab?")])
    assert edit == Edit((0, 1), (6,), 1)
