"""What each layer says equals whole strings run one at a time, their hidden states put before the model's own head."""

from __future__ import annotations

import copy
import warnings
from functools import cache

import pytest
import torch
import transformers as hf
from peft import LoraConfig, get_peft_model
from slowly import watched

from random_models import FAMILIES, GROUPED, ODD, WIDE, made
from representatives import one_for_each
from restor.evaluation.ask.engine.engine import Engine, Limits
from restor.evaluation.ask.engine.items import Item, Option
from restor.evaluation.ask.engine.scores import LOWERED

SIZE = 64
SHOTS = tuple(range(3, 30))
ITEMS = (
    # Two options begin alike, one leaves the prompt before its end, one is not looked into.
    Item(
        "a", SHOTS, (Option(27, (5, 6, 7), True), Option(27, (5, 9), True), Option(25, (8, 3), True), Option(27, (8,)))
    ),
    Item("b", SHOTS[:20], (Option(20, (7,), True), Option(20, (9, 9)))),
    Item("c", SHOTS[:20], (Option(20, (1, 2)),)),
    Item("d", (), (Option(0, (4, 5, 6), True), Option(0, (4,), True))),
)


@cache
def deep(family):
    """With more layers than two, so that their order shows."""
    size = {"vocab_size": SIZE, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        if family == "gemma2":
            kinds = ["sliding_attention", "full_attention", "full_attention", "sliding_attention"]
            capped = {"final_logit_softcapping": 2.0, "sliding_window": 200, "layer_types": kinds}
            return hf.Gemma2ForCausalLM(hf.Gemma2Config(**{**WIDE, "num_hidden_layers": 4}, **size, **capped)).eval()
        return hf.LlamaForCausalLM(hf.LlamaConfig(**{**GROUPED, "num_hidden_layers": 5}, **size)).eval()


def norm_of(net):
    inner = net.base_model
    return next(getattr(inner, name) for name in ("norm", "ln_f", "final_layer_norm", "norm_f") if hasattr(inner, name))


@torch.inference_mode()
def slowly(net, item, option):
    """The mean log-prob of an option by layer; the model's own code makes the logits of each layer's states."""
    ids = torch.tensor([item.prompt[: option.kept] + option.ids])
    outputs = net(input_ids=ids, output_hidden_states=True, use_cache=False)
    found = []
    # Most families list the embeddings before the layers; Mamba lists what the last layer makes twice, normed at last.
    first = 0 if net.config.model_type == "mamba" else 1
    for states in outputs.hidden_states[first : first + net.config.num_hidden_layers - 1]:

        def instead(_module, _given, made, states=states):
            made.last_hidden_state = norm_of(net)(states)
            return made

        handle = net.base_model.register_forward_hook(instead)
        found.append(net(input_ids=ids, use_cache=False).logits[0])
        handle.remove()
    begin = max(1, option.kept)
    places = range(begin, ids.shape[1])
    tables = [torch.log_softmax(logits.double(), dim=-1) for logits in (*found, outputs.logits[0])]
    return [sum(float(table[at - 1, ids[0, at]]) for at in places) / len(places) for table in tables]


def ask(net, items=ITEMS, tokens=None, notes=None):
    engine = Engine(net, pad=0, limits=Limits(tokens), note=(notes if notes is not None else []).append)
    return engine.ask(items)


def check(net, found, items=ITEMS, tolerance=1e-5, slow=None):
    looked = 0
    for item, result in zip(items, found, strict=True):
        for option, own in zip(item.options, result.options, strict=True):
            if option.layers and option.scored:
                assert own.layers == pytest.approx(slowly(slow or net, item, option), abs=tolerance, rel=tolerance)
                assert own.layers[-1] == own.mean
                looked += 1
            else:
                assert own is None or own.layers == ()
    assert looked


@pytest.mark.parametrize("family", [*FAMILIES, *ODD])
def test_every_family(family):
    """Those that are run as whole strings, too; scaled and capped logits as the model's own code makes them."""
    net = made(family, SIZE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(net, ask(net))


@one_for_each("family", "tokens")
@pytest.mark.parametrize("tokens", [1, 15, 512])
@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_layers_come_in_their_order_however_much_is_run_at_a_time(family, tokens, monkeypatch):
    net = deep(family)
    check(net, ask(net, tokens=tokens))
    monkeypatch.setattr("restor.evaluation.ask.engine.lens.LOGITS", 2 * SIZE * 4)  # two rows of all layers
    check(net, ask(net, tokens=tokens))


def test_whole_strings_say_the_same(monkeypatch):
    net = deep("llama")
    monkeypatch.setattr(Engine, "_takes_trees", lambda _: False)
    with watched(net) as work:
        found = ask(net)
    assert work.whole
    check(net, found)


def test_no_token_is_run_for_it_and_nothing_where_it_is_off(monkeypatch):
    net = deep("llama")
    off = [
        Item(item.name, item.prompt, tuple(Option(option.kept, option.ids) for option in item.options))
        for item in ITEMS
    ]
    monkeypatch.setattr(Engine, "_takes_trees", lambda _: True)

    def hooks():
        return sum(len(module._forward_hooks) for module in net.modules())

    before = hooks()
    with watched(net) as without:
        plain = ask(net, off, tokens=15)
    with watched(net) as work:
        found = ask(net, tokens=15)
    assert [own and own.total for result in found for own in result.options] == [
        own and own.total for result in plain for own in result.options
    ]
    # Two tokens find the norm; then each beginning goes through the output layer once for each inner layer.
    predicting = {
        item.prompt[: option.kept] + option.ids[:size]
        for item in ITEMS
        for option in item.options
        for size in range(option.kept == 0, len(option.ids))
        if option.layers and option.scored
    }
    assert work.tokens == without.tokens
    assert work.head == without.head + 4 * len(predicting)
    assert hooks() == before


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_bfloat16_says_about_the_same(family):
    net = deep(family)
    rough = copy.deepcopy(net).to(torch.bfloat16)
    check(rough, ask(rough), tolerance=0.15, slow=net)


def test_an_adapter_counts():
    net = copy.deepcopy(deep("llama"))
    adapted = get_peft_model(net, LoraConfig(r=4, target_modules=["q_proj", "down_proj"], init_lora_weights=False))
    found = ask(adapted.eval())
    check(adapted, found, slow=net)  # whose layers hold the adapter now
    assert found[0].options[0].layers[0] != ask(deep("llama"))[0].options[0].layers[0]


def test_a_model_whose_norm_is_not_found_is_asked_all_the_same():
    size = {"vocab_size": SIZE, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    shape = {
        "hidden_size": 32,
        "ffn_dim": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "word_embed_proj_dim": 32,
    }
    net = hf.OPTForCausalLM(hf.OPTConfig(**size, **shape, do_layer_norm_before=False)).eval()
    notes = []
    engine = Engine(net, pad=0, note=notes.append)
    for _ in range(2):
        found = engine.ask(ITEMS)
        assert all(own is None or own.layers == () for result in found for own in result.options)
        assert found[0].options[0].tokens == 3
    assert notes == ["OPTForCausalLM has no final norm that restor finds: what its layers hold likely is not read off."]


def test_a_model_that_does_not_run_without_its_head_is_asked_all_the_same(monkeypatch):
    monkeypatch.setattr(Engine, "_takes_trees", lambda _: False)
    net, notes = copy.deepcopy(deep("llama")), []

    def refuse(_module, _args, given):
        if given["input_ids"].shape[1] == 2:
            raise TypeError("no")

    net.model.register_forward_pre_hook(refuse, with_kwargs=True)
    found = ask(net, ITEMS[:2], notes=notes)
    assert all(own.layers == () and own.tokens for result in found for own in result.options if own is not None)
    assert notes == [
        "LlamaForCausalLM keeps its layers where restor does not find them: what its layers hold likely is not read "
        "off."
    ]


def test_a_model_on_several_devices_is_not_looked_into():
    from restor.evaluation.ask.engine.lens import lens_of

    net = made("llama", SIZE)
    net.lm_head.to("meta")
    assert lens_of(net) == "is spread over several devices"


@pytest.mark.parametrize("slow", [False, True])
def test_an_output_filter_is_behind_all_layers(slow, monkeypatch):
    """It changes what comes out, and nothing inside."""
    net = deep("llama")
    monkeypatch.setattr(Engine, "_takes_trees", lambda _: not slow)
    free, kept = (
        ask(net, [Item("a", SHOTS, (Option(27, (5, 6), True),), suppressed=sequences)])[0].options[0]
        for sequences in ((), ((*SHOTS, 5, 6),))
    )
    assert kept.layers[:-1] == pytest.approx(free.layers[:-1])
    assert kept.layers[-1] == kept.mean < free.mean - LOWERED / 4


def test_states_that_are_not_numbers_leave_a_gap():
    """Inside only: what comes out is a number."""
    net = copy.deepcopy(deep("llama"))

    def broken(_module, _given, made):
        return made * float("nan")

    def mended(_module, given, made):
        return torch.ones_like(made)

    net.model.layers[2].register_forward_hook(broken)
    net.model.layers[4].register_forward_hook(mended)
    found = ask(net)
    assert found[0].options[0].layers == ()
    assert found[0].options[0].mean == found[0].options[0].mean
