"""Adapters of every kind: merged, a model predicts what the same model with the adapter beside it predicts."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
import shutil
import time
import warnings

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken
from transformers import AutoModelForCausalLM, MixtralConfig, MixtralForCausalLM

from random_models import made
from representatives import one_for_each
from restor.errors import DataError
from restor.evaluation.ask.requests import Request, score
from restor.models.lineage import new_lineage
from restor.models.loading import load_checkpoint
from restor.models.model_ref import ModelRef, fingerprint
from restor.models.patterns import end_in_time
from restor.training.config import LoraConfig
from restor.training.lora import add_adapter, merge_adapter
from saving import save_checkpoint

CPU = torch.device("cpu")
IDS = torch.tensor([[1, 4, 5, 6, 7, 8, 9, 10, 11]])
LINEAGE = new_lineage(stage="clean", config={}, seed=0, parents={}, data={})


@pytest.fixture(scope="module")
def bases(tokenizer, tmp_path_factory):
    """Checkpoints by family, written when they are first asked for."""
    folders = {}

    def folder(family):
        if family not in folders:
            folders[family] = tmp_path_factory.mktemp(family) / "base"
            save_checkpoint(made(family, len(tokenizer)), tokenizer, folders[family], LINEAGE)
        return folders[family]

    return folder


def plain(folder):
    """A model as transformers loads it, for peft."""
    return AutoModelForCausalLM.from_pretrained(folder).eval()


def logits(model, ids=IDS):
    with torch.no_grad():
        return model.eval()(ids).logits


def train(model, config, folder):
    """Save an adapter with random weights; peft warns of much that restor answers for."""
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        adapted = peft.get_peft_model(model, copy.deepcopy(config))  # which peft changes
        for name, value in adapted.named_parameters():
            if value.requires_grad:
                value.data += torch.randn_like(value) * (0.1 if "lora_B" not in name else 1)
        adapted.save_pretrained(folder)
    return folder


def beside(model, folder, ids=IDS):
    """What the model predicts with the adapter beside its weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return logits(peft.PeftModel.from_pretrained(model, folder), ids)


def load(base, adapter):
    return load_checkpoint(ModelRef(path=str(base), adapter=str(adapter)), CPU)


def edit(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def check(base, adapter, tmp_path, expected=None, ids=IDS):
    """Merged it predicts as beside the weights, in memory and from the disk, and says truly what it shares."""
    expected = beside(plain(base), adapter) if expected is None else expected
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model, tokenizer = load(base, adapter)
    assert torch.allclose(logits(model, ids), expected, atol=1e-4)
    if expected.shape == logits(plain(base)).shape:
        assert (expected - logits(plain(base))).abs().max() > 0.05
    shared = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert model.config.tie_word_embeddings == shared
    assert all(value.requires_grad for value in model.parameters())
    save_checkpoint(model, tokenizer, tmp_path / "merged", LINEAGE)
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["tie_word_embeddings"] == shared
    again, _ = load_checkpoint(ModelRef(path=str(tmp_path / "merged")), CPU)
    assert torch.equal(logits(again, ids), logits(model, ids))
    return model, tokenizer


# Every kind ----------------------------------------------------------------------------------------------------------


def lora(*targets, **options):
    return peft.LoraConfig(r=4, task_type="CAUSAL_LM", target_modules=list(targets) or ["q_proj"], **options)


KINDS = {
    "plain": lora("q_proj", "down_proj"),
    "rslora": lora(use_rslora=True),
    "dora": lora(use_dora=True),
    "pissa": lora(init_lora_weights="pissa"),
    "ranks": lora("q_proj", "v_proj", rank_pattern={r"layers\.[1]\.self_attn\.v_proj": 2}, alpha_pattern={"q_proj": 3}),
    "a pattern of layers": peft.LoraConfig(r=4, task_type="CAUSAL_LM", target_modules=r".*layers\.1.*(q|v)_proj"),
    "embeddings": lora("embed_tokens", "q_proj"),
    "head": lora("lm_head", "q_proj"),
    "both apart": lora("embed_tokens", "lm_head", "q_proj"),
    "both alike": lora("embed_tokens", "q_proj", ensure_weight_tying=True),
    "head and so both": lora("lm_head", "q_proj", ensure_weight_tying=True),
    "dora on embeddings": lora("embed_tokens", use_dora=True),
    "saved head": lora(modules_to_save=["lm_head"]),
    "saved embeddings": lora(modules_to_save=["embed_tokens"]),
    "saved both": lora(modules_to_save=["embed_tokens", "lm_head"]),
    "saved alike": lora(modules_to_save=["embed_tokens"], ensure_weight_tying=True),
    "saved norms": lora(modules_to_save=["norm", "input_layernorm"]),
    "tokens": lora(trainable_token_indices=[5, 6]),
    "tokens of the head": lora(trainable_token_indices={"lm_head": [5, 6]}),
    "tokens, and the head as a whole": lora("lm_head", "q_proj", trainable_token_indices=[5, 6]),
    "other tokens of both": lora(trainable_token_indices={"embed_tokens": [5, 6], "lm_head": [7, 8]}),
}


@one_for_each("kind", "family")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", ["llama_tied", "qwen2"])
def test_every_kind_of_lora_is_merged(bases, family, kind, tmp_path):
    base = bases(family)
    check(base, train(plain(base), KINDS[kind], tmp_path / "adapter"), tmp_path)


@pytest.mark.parametrize(
    ("family", "config"),
    [
        ("qwen2", lora(bias="all")),
        ("qwen2", lora(bias="lora_only")),
        ("qwen2", lora(lora_bias=True)),  # its layers have a bias that can take it up
        ("gemma", lora("embed_tokens")),  # which it scales
        ("gemma", lora("lm_head")),
        ("gemma3", lora(trainable_token_indices=[5, 6])),
        ("gpt2", peft.LoraConfig(r=4, task_type="CAUSAL_LM", fan_in_fan_out=True, bias="all")),
        ("gpt2", lora("wte", fan_in_fan_out=False)),
        ("gpt2", lora("lm_head", "wte")),
        ("gpt2", lora("c_attn", fan_in_fan_out=True, modules_to_save=["wpe", "ln_f"])),
        ("pythia", lora("embed_in", "embed_out", bias="all")),
        ("pythia", lora("query_key_value", modules_to_save=["embed_out"])),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_is_merged_in_every_family(bases, family, config, tmp_path):
    base = bases(family)
    check(base, train(plain(base), config, tmp_path / "adapter"), tmp_path)


OTHERS = [
    peft.AdaLoraConfig(init_r=4, total_step=9),
    peft.BOFTConfig(boft_block_size=4),
    peft.C3AConfig(block_size=4),
    peft.DeloraConfig(r=4),
    peft.FourierFTConfig(n_frequency=40),
    peft.GraloraConfig(r=4),
    peft.HRAConfig(r=4),
    peft.IA3Config(feedforward_modules=[]),
    peft.LNTuningConfig(),
    peft.LoHaConfig(r=4),
    peft.LoKrConfig(r=100_000, alpha=100_000),
    peft.MissConfig(r=4),
    peft.OFTConfig(r=0, oft_block_size=4),
    peft.RandLoraConfig(r=4),
    peft.ShiraConfig(r=4),
    peft.TrainableTokensConfig(token_indices=[5, 6]),
    peft.VBLoRAConfig(num_vectors=16, vector_length=4, topk=2),
    peft.VeraConfig(r=4),
    peft.WaveFTConfig(n_frequency=40),
]


@pytest.mark.parametrize("config", OTHERS, ids=lambda config: config.peft_type.value)
def test_other_types_than_lora_are_merged(bases, config, tmp_path):
    config.task_type = "CAUSAL_LM"
    if not isinstance(config, peft.TrainableTokensConfig):
        config.target_modules = {"input_layernorm"} if isinstance(config, peft.LNTuningConfig) else {"q_proj", "o_proj"}
    base = bases("llama_tied")
    check(base, train(plain(base), config, tmp_path / "adapter"), tmp_path)


def test_an_adapter_of_transformers_4_has_other_names_for_experts(tokenizer, tmp_path):
    """Experts were layers of their own; peft translates their adapters."""
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    config = MixtralConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_local_experts=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_checkpoint(MixtralForCausalLM(config), tokenizer, base, LINEAGE)
        sides = {"w1": (48, 32), "w3": (48, 32), "w2": (32, 48)}
        stored = {
            f"base_model.model.model.layers.0.block_sparse_moe.experts.{expert}.{layer}.lora_{side}.weight": value
            for expert in range(2)
            for layer, (out, into) in sides.items()
            for side, value in {"A": torch.randn(4, into), "B": torch.randn(out, 4)}.items()
        }
    lora("w1", "w2", "w3").save_pretrained(adapter)
    save_file(stored, adapter / "adapter_model.safetensors")
    expected = beside(plain(base), adapter)
    model, _ = load(base, adapter)
    assert torch.allclose(logits(model), expected, atol=1e-4)
    assert (expected - logits(plain(base))).abs().max() > 0.01
    del stored["base_model.model.model.layers.0.block_sparse_moe.experts.1.w2.lora_A.weight"]
    save_file(stored, adapter / "adapter_model.safetensors")
    assert "does not fit" in refusal(base, adapter)


def test_in_bfloat16_the_merged_weights_are_bfloat16(bases, tmp_path):
    base = bases("llama_tied")
    adapter = train(plain(base), lora("embed_tokens", "q_proj", modules_to_save=["norm"]), tmp_path / "adapter")
    ref = ModelRef(path=str(base), adapter=str(adapter), dtype="bfloat16")
    model, _ = load_checkpoint(ref, CPU)
    assert {value.dtype for value in model.parameters()} == {torch.bfloat16}
    assert torch.allclose(logits(model).float(), beside(plain(base), adapter), atol=1)


def test_merging_leaves_the_global_generator_alone(bases, tmp_path):
    base = bases("llama_tied")
    adapter = train(plain(base), lora(), tmp_path / "adapter")
    state = torch.get_rng_state()
    load(base, adapter)
    assert torch.equal(torch.get_rng_state(), state)


def test_an_untied_model_is_scored_trained_and_saved(bases, tokenizer, tmp_path):
    base = bases("llama_tied")
    adapter = train(plain(base), lora("lm_head", "q_proj"), tmp_path / "adapter")
    expected = beside(plain(base), adapter)
    model, _ = load(base, adapter)
    prompt, option = IDS[0, :-1].tolist(), IDS[0, -1:].tolist()
    (scored,) = score(model, [Request(tuple(prompt), (tuple(option),))])
    assert scored.options[0].total == pytest.approx(expected.log_softmax(-1)[0, -2, option[0]].item(), abs=1e-3)
    trained = add_adapter(model, LoraConfig(rank=2), seed=0)
    assert torch.allclose(logits(trained), expected, atol=1e-4)
    for name, value in trained.named_parameters():
        if "lora_B" in name:
            value.data += 0.1
    changed = logits(trained)
    save_checkpoint(merge_adapter(trained), tokenizer, tmp_path / "trained", LINEAGE)
    again, _ = load_checkpoint(ModelRef(path=str(tmp_path / "trained")), CPU)
    assert torch.allclose(logits(again), changed, atol=1e-4)
    assert not again.config.tie_word_embeddings


# Added tokens --------------------------------------------------------------------------------------------------------


@pytest.fixture
def longer(tokenizer, tmp_path):
    """The tokenizer with three tokens more."""
    tokenizer.save_pretrained(tmp_path / "longer")
    made = type(tokenizer).from_pretrained(tmp_path / "longer")
    assert made.add_tokens([AddedToken(token, normalized=False) for token in ("<one>", "<two>", "<three>")]) == 3
    return made


ADDED = {
    "saved": {"modules_to_save": ["embed_tokens", "lm_head"]},
    "stored": {"target_modules": ["embed_tokens", "lm_head", "q_proj"]},
    "tied": {"target_modules": ["embed_tokens", "q_proj"], "ensure_weight_tying": True},
    "trained": {"trainable_token_indices": {"embed_tokens": [22, 23, 24], "lm_head": [22, 23, 24]}},
}


@pytest.mark.parametrize(
    ("family", "form"), [("llama_tied", form) for form in ADDED] + [("qwen2", form) for form in ADDED if form != "tied"]
)
def test_added_tokens_come_with_their_embeddings_and_tokenizer(bases, longer, family, form, tmp_path):
    base = bases(family)
    bigger = plain(base)
    bigger.resize_token_embeddings(len(longer), mean_resizing=False)
    adapter = train(
        bigger,
        peft.LoraConfig(r=4, task_type="CAUSAL_LM", **{"target_modules": ["q_proj"]} | ADDED[form]),
        tmp_path / "adapter",
    )
    longer.save_pretrained(adapter)
    ids = torch.tensor([longer("ada <two> was born in <three> york")["input_ids"]])
    assert ids.max() == 24
    other = plain(base)
    other.resize_token_embeddings(len(longer), mean_resizing=False)
    with torch.no_grad():
        other.get_input_embeddings().weight[22:] = 9
        other.get_output_embeddings().weight[22:] = 9
    model, tokenizer = check(base, adapter, tmp_path, beside(other, adapter, ids), ids)
    assert model.config.vocab_size == 25
    assert tokenizer("<two>")["input_ids"] == longer("<two>")["input_ids"]


def test_embeddings_may_be_fewer_too(tokenizer, tmp_path):
    """Tables are often longer than the vocabulary, and cut to it by those who train."""
    base = tmp_path / "base"
    save_checkpoint(made("qwen2", 32), tokenizer, base, LINEAGE)
    cut = [plain(base), plain(base)]
    for model in cut:
        model.resize_token_embeddings(len(tokenizer))
    adapter = train(cut[0], lora(modules_to_save=["embed_tokens", "lm_head"]), tmp_path / "adapter")
    model, _ = check(base, adapter, tmp_path, beside(cut[1], adapter))
    assert model.config.vocab_size == len(tokenizer)


def test_added_tokens_whose_embeddings_are_nowhere_are_told(bases, longer, tmp_path):
    base = bases("qwen2")
    bigger = plain(base)
    bigger.resize_token_embeddings(len(longer), mean_resizing=False)
    adapter = train(bigger, lora(modules_to_save=["embed_tokens"]), tmp_path / "adapter")
    file = adapter / "adapter_model.safetensors"
    save_file({name: value for name, value in load_file(file).items() if not name.endswith("lm_head.weight")}, file)
    assert "3 tokens more than its model has and does not store all of their embeddings" in refusal(base, adapter)


def test_added_tokens_without_a_tokenizer_that_can_be_read_are_told(bases, longer, tmp_path):
    """An adapter with a slow tokenizer: without it the added tokens would be spelt in pieces."""
    base = bases("qwen2")
    bigger = plain(base)
    bigger.resize_token_embeddings(len(longer), mean_resizing=False)
    adapter = train(bigger, lora(modules_to_save=["embed_tokens", "lm_head"]), tmp_path / "adapter")
    model, _ = load(base, adapter)
    assert model.config.vocab_size == len(longer), "rows may be added to fill up a multiple, without a tokenizer"
    (adapter / "added_tokens.json").write_text('{"<one>": 22}')
    assert "3 tokens more than its model has and has no tokenizer.json" in refusal(base, adapter)


def test_the_tokenizer_of_an_adapter_identifies_it(bases, longer, tmp_path):
    base = bases("llama_tied")
    adapter = train(plain(base), lora(), tmp_path / "adapter")
    ref = ModelRef(path=str(base), adapter=str(adapter))
    before = fingerprint(ref)
    longer.save_pretrained(adapter)
    assert fingerprint(ref) != before


# What cannot be merged -----------------------------------------------------------------------------------------------


@pytest.fixture
def adapter(bases, tmp_path):
    return train(plain(bases("llama_tied")), lora("q_proj", "v_proj"), tmp_path / "adapter")


def refusal(base, adapter):
    """What is said; nothing else may reach the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError) as caught:
            load(base, adapter)
    return str(caught.value)


def test_what_peft_cannot_merge_is_refused_with_its_reason(bases, tmp_path, capfd):
    base = bases("llama_tied")
    adapter = train(plain(base), lora(lora_bias=True), tmp_path / "adapter")
    said = refusal(base, adapter)
    assert "cannot be merged into" in said
    assert "`lora_bias=True` because the base layer has no bias" in said
    assert "does not fit" not in said
    assert "bias" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"peft_type": "PROMPT_TUNING"}, "type PROMPT_TUNING and puts trained vectors before every text"),
        ({"peft_type": "XLORA"}, "type XLORA and mixes several adapters anew for every text"),
        ({"peft_type": None}, "names no peft_type"),
        ({"peft_type": "FOO"}, r"type FOO, which the installed peft \(.*\) does not know. Install a newer one"),
        ({"layer_replication": [[0, 2], [0, 2]]}, "type LORA and has layer_replication: it runs layers"),
        ({"alora_invocation_tokens": [3]}, "acts only behind certain tokens"),
        ({"megatron_config": {"a": 1}, "megatron_core": "antigravity"}, "is for models of Megatron"),
        ({"use_magic": True}, r"sets use_magic, which the installed peft \(.*\) does not know"),
        ({"init_lora_weights": f"pissa_niter_{10**8}"}, "asks for 100000000 rounds to begin with, at most 1000"),
        ({"init_lora_weights": "loftq", "loftq_config": {"loftq_iter": 10**30}}, "rounds to begin with"),
        ({"r": 10**9}, "has the size 1000000000, and no side of its tensors is longer than 1024"),
        ({"rank_pattern": {"q_proj": 10**9}}, "has the size 1000000000"),
        ({"r": 3}, "does not fit .*size mismatch"),
        ({"r": "four"}, "does not fit"),
        ({"target_modules": "("}, "does not fit .*unterminated"),
        ({"target_modules": ["nowhere"]}, "does not fit .*not found in the base model"),
        ({"trainable_token_indices": [5, 10**12]}, "does not fit .*trains the token 1000000000000"),
        ({"task_type": "MAGIC"}, "cannot be used with these settings: Invalid task type: 'MAGIC'"),
    ],
)
def test_an_adapter_that_cannot_be_used_is_told_why(bases, adapter, changes, reason):
    edit(adapter / "adapter_config.json", **changes)
    said = refusal(bases("llama_tied"), adapter)
    assert re.search(reason, said), said


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, "no folder"),
        (lambda place: (place / "adapter_config.json").unlink(), "not an adapter"),
        (lambda place: (place / "adapter_model.safetensors").rename(place / "adapter_model.bin"), "safetensors"),
        (lambda place: (place / "adapter_model.safetensors").write_bytes(b"short"), "damaged"),
    ],
)
def test_an_adapter_whose_files_are_not_there_is_told(bases, adapter, spoil, message):
    spoil(adapter)
    assert message in refusal(bases("llama_tied"), adapter)


def test_a_package_that_an_adapter_needs_is_named(bases, adapter, monkeypatch):
    edit(adapter / "adapter_config.json", init_lora_weights="loftq", loftq_config={"loftq_bits": 4})
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "scipy" else find(name))
    said = refusal(bases("llama_tied"), adapter)
    assert re.search("needs a package that is not installed .*scipy.*Install it, or merge it where", said)


@pytest.mark.parametrize(
    "changes",
    [
        {"target_modules": "(([a-z]+)+[._])*(_|[a-z])+!"},
        {"exclude_modules": "(.*)*(.*)*(.*)*!"},
        {"modules_to_save": ["(([a-z]+)+.)+!"]},
        {"rank_pattern": {"(([a-z]+)+.)+!": 4}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_pattern_that_would_hang_is_stopped(bases, adapter, changes, monkeypatch):
    monkeypatch.setattr("restor.models.patterns.SECONDS", 0.5)
    edit(adapter / "adapter_config.json", **changes)
    began = time.monotonic()
    assert "a pattern for names of layers that is still not matched" in refusal(bases("llama_tied"), adapter)
    assert time.monotonic() - began < 10


def test_no_process_is_started_for_plain_names(monkeypatch):
    monkeypatch.setattr("subprocess.run", None)
    assert end_in_time(["q_proj", "model.layers.1.mlp", "owner/base-7b", ""], ["a"])


def test_an_adapter_that_was_saved_in_part_is_refused(bases, adapter):
    file = adapter / "adapter_model.safetensors"
    save_file({name: value for name, value in load_file(file).items() if "layers.0" in name}, file)
    assert re.search(r"4 tensors differ; the adapter lacks .*layers\.1", refusal(bases("llama_tied"), adapter))


def test_tensors_that_have_no_place_are_told(bases, adapter):
    file = adapter / "adapter_model.safetensors"
    save_file(load_file(file) | {"base_model.model.extra.weight": torch.ones(1)}, file)
    assert "1 tensors differ; the model lacks base_model.model.extra.weight" in refusal(bases("llama_tied"), adapter)


@pytest.mark.parametrize("changes", [{"hidden": 16}, {"layers": 1}])
def test_an_adapter_of_another_model_is_refused(adapter, llama, tokenizer, tmp_path, changes):
    save_checkpoint(llama(0, **changes), tokenizer, tmp_path / "other", LINEAGE)
    edit(adapter / "adapter_config.json", base_model_name_or_path="owner/base")
    assert re.search(
        "adapter .* does not fit .*other; it was made for owner/base: ", refusal(tmp_path / "other", adapter)
    )


def test_an_adapter_alone_is_told_from_a_model(adapter):
    edit(adapter / "adapter_config.json", base_model_name_or_path="owner/base")
    with pytest.raises(DataError, match=r"adapter without its model.*owner/base\+"):
        load_checkpoint(ModelRef(path=str(adapter)), CPU)
