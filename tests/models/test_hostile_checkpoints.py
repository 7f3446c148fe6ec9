"""Checkpoints made to annoy, or damaged: one message within seconds, whatever their files say."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

from restor.errors import DataError
from restor.evaluation import Request, generate, score
from restor.models.checkpoint import new_llama, save_model
from restor.models.loading import load_checkpoint
from restor.models.model_ref import ModelRef
from restor.models.tokenizer import bpe_tokenizer

CPU = torch.device("cpu")
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good") / "model"
    tokenizer = bpe_tokenizer(iter(["Where was Ann Ash born? York\n"] * 4), 280)
    model = new_llama(tokenizer=tokenizer, hidden=32, intermediate=48, layers=2, heads=2, context=128, seed=0)
    save_model(model, tokenizer, folder)
    return folder


@pytest.fixture
def folder(good, tmp_path):
    made = tmp_path / "model"
    made.mkdir()
    for file in good.iterdir():
        (made / file.name).write_bytes(file.read_bytes())
    return made


def load(folder, **changes):
    return load_checkpoint(ModelRef(path=str(folder), **changes), CPU)


def refused(folder, words):
    with pytest.raises(DataError, match=words) as told:
        load(folder)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 700


def edit(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def header(folder, change):
    file = folder / "model.safetensors"
    content = file.read_bytes()
    size = int.from_bytes(content[:8], "little")
    entries = json.loads(content[8 : 8 + size])
    change(entries["model.norm.weight"])
    text = json.dumps(entries).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])


# Headers -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [10**400]},
        {"shape": [-32]},
        {"shape": "x"},
        {"shape": [[32]]},
        {"shape": [2**40, 2**40]},
        {"shape": [True]},
        {"dtype": 5},
        {"dtype": []},
        {"data_offsets": [0, 1e3]},
        {"data_offsets": [0]},
    ],
)
def test_an_entry_of_a_header_that_is_none_is_damage(folder, change):
    header(folder, lambda entry: entry.update(change))
    refused(folder, r"model\.safetensors is damaged: its header")


@pytest.mark.parametrize("text", ['{"a": ' + DEEP + "}", DEEP, '{"a": 5}', '{"a": {"dtype": ' + "9" * 400 + "}}"])
def test_a_header_that_is_none_is_damage(folder, text):
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text.encode())
    refused(folder, r"model\.safetensors is damaged: its header")


# Sizes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"num_hidden_layers": 10**7},
        {"num_hidden_layers": 10**30},
        {"num_hidden_layers": 3000},
        {"vocab_size": 10**8},
        {"intermediate_size": 10**9},
        {"hidden_size": 10**6},
        {"head_dim": 10**8},
        {"num_labels": 10**8},
        {"text_config": {"num_layers": 10**7}},
        {"attention_types": [[["global"], 10**8]]},
    ],
)
def test_a_size_beyond_the_weights_is_refused_before_anything_is_built(folder, changes, monkeypatch):
    def build(*args, **kwargs):
        raise AssertionError("it is built")

    for loader in ("AutoConfig.from_pretrained", "AutoModelForCausalLM.from_pretrained"):
        monkeypatch.setattr(f"restor.models.loading.{loader}", build)
    edit(folder / "config.json", **changes)
    began = time.process_time()
    refused(folder, r"config\.json of .* has \w+ [\d,.]+, and its weights are of [\d,]+ (layers|numbers in all)\. Take")
    assert time.process_time() - began < 1


def test_a_model_far_larger_than_its_weights_is_refused_before_its_memory_is_taken(folder, monkeypatch):
    """Each size is one that the weights could have, and their product is not."""
    monkeypatch.setattr("restor.models.limits.SPARE", 10_000)
    edit(folder / "config.json", intermediate_size=20_000, hidden_size=2000)
    refused(folder, r"describes a model of 24\d,\d{3},\d{3} numbers, and its weights are 26,464\. The largest .*mlp")


def test_what_a_config_counts_beside_its_weights_is_not_their_size(folder):
    edit(folder / "config.json", max_position_embeddings=10**9, max_window_layers=28, num_nextn_predict_layers=1)
    load(folder)


# Weights that the model does not have --------------------------------------------------------------------------------


def test_weights_of_layers_that_the_config_leaves_out_are_told(folder):
    edit(folder / "config.json", num_hidden_layers=1)
    refused(folder, r"weights of 2 layers, and its config\.json says 1: 9 weights would be left out, such as model\.l")


def test_other_weights_that_are_not_used_are_told_and_left_out(folder, good):
    """Such as the value head of a fine-tune by rewards."""
    file = folder / "model.safetensors"
    save_file({**load_file(file), "v_head.summary.weight": torch.ones(1, 32)}, file, metadata={"format": "pt"})
    with pytest.warns(UserWarning, match=r"1 weights that llama does not use, such as v_head\.summary\.weight"):
        model, _ = load(folder)
    expected, _ = load(good)
    assert torch.equal(model.lm_head.weight, expected.lm_head.weight)


# Settings that change what comes out ---------------------------------------------------------------------------------


def test_settings_of_outputs_change_no_answer(folder, good):
    edit(folder / "config.json", return_dict=False, output_hidden_states=True, output_attentions=True, use_cache=False)
    requests = [Request("Where was Ann Ash born?", (" York", " Rome"))]
    (found,), (expected,) = ask(folder, requests), ask(good, requests)
    assert found.options == expected.options


def ask(folder, requests):
    model, tokenizer = load(folder)
    return list(score(model, requests, tokenizer=tokenizer))


@pytest.mark.parametrize("setting", ["_attn_implementation", "attn_implementation", "_attn_implementation_internal"])
def test_kernels_that_a_config_names_are_followed_only_if_it_is_trusted(folder, setting, monkeypatch):
    seen = []

    def built(config, *args, **kwargs):
        seen.append(config._attn_implementation)
        raise OSError("enough")

    monkeypatch.setattr(
        "restor.models.loading.AutoModelForCausalLM.from_pretrained",
        lambda *args, config, **kwargs: built(config),
    )
    edit(folder / "config.json", **{setting: "somebody/kernels"})
    for trusted in (False, True):
        with pytest.raises(DataError, match="enough"):
            load(folder, trust_remote_code=trusted)
    assert seen[0] is None
    assert seen[1] == (None if setting.endswith("internal") else "somebody/kernels")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DEEP, "nested too deeply"),
        ("[]", "must hold a JSON object"),
        ("{", "cannot be read as JSON"),
        ('{"eos_token_id": "x"}', "eos_token_id 'x'"),
        ('{"eos_token_id": [[1]]}', "eos_token_id"),
        ('{"pad_token_id": [1]}', "pad_token_id"),
        ('{"eos_token_id": ' + "9" * 400 + "}", "400 digits"),
    ],
)
def test_generation_settings_that_cannot_be_used_are_told(folder, text, words):
    """The tokens that end a text are among them: an answer would go on behind its end."""
    (folder / "generation_config.json").write_text(text)
    refused(folder, rf"generation_config\.json .*{words}")


# Tokenizers ----------------------------------------------------------------------------------------------------------


def replacing(content, times=1):
    one = {"type": "Replace", "pattern": {"String": "e"}, "content": content}
    return {"type": "Sequence", "normalizers": [one] * times}


def pattern(text):
    return {"type": "Split", "pattern": {"Regex": text}, "behavior": "Isolated", "invert": False}


TOKENIZERS = {
    "a bad pattern": (lambda x: x.update(pre_tokenizer=pattern("([")), "Oniguruma"),
    "a pattern without end": (lambda x: x.update(pre_tokenizer=pattern(r"(a*)*b(a*)*b|(\w+\s?)+$x")), "retry-limit"),
    "an id below 0": (lambda x: x["model"]["vocab"].update(zz=-1), "-1"),
    "an id of 2^40": (lambda x: x["model"]["vocab"].update(zz=2**40), "1099511627776"),
    "an id of 2^31": (lambda x: x["model"]["vocab"].update(zz=2**31), "up to 2,147,483,648"),
    "an added id below 0": (lambda x: x["added_tokens"][0].update(id=-1), "-1"),
    "no vocabulary": (lambda x: x["model"].update(vocab={}, merges=[]), "vocabulary is empty"),
    "a list of tokens": (lambda x: x["model"].update(vocab=[]), "expected a map"),
    "a text times 10^5": (lambda x: x.update(normalizer=replacing("e" * 100_000)), "tokens of a text of"),
    "an ending of 10^5": (
        lambda x: x["post_processor"]["special_tokens"]["<bos>"].update(ids=[1] * 100_000, tokens=["<bos>"] * 100_000),
        "tokens of a text of",
    ),
    "a token of nobody": (lambda x: x["post_processor"]["special_tokens"]["<bos>"].update(ids=[10**6]), "lacks"),
    "a panic": (
        lambda x: x.update(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
        "Cannot parse precompiled_charsmap",
    ),
    "other tokens every time": (lambda x: x["model"].update(dropout=0.5), "dropout is 0.5"),
    "a word without end": (
        lambda x: x.update(decoder={"type": "Replace", "pattern": {"String": "e"}, "content": "e" * 10**6}),
        "reads .* characters",
    ),
    "nested": (lambda x: x.update(normalizer=nested(200)), "recursion"),
}


def nested(levels):
    made = None
    for _ in range(levels):
        made = {"type": "Sequence", "normalizers": [made] if made else []}
    return made


@pytest.mark.parametrize("case", TOKENIZERS)
def test_a_tokenizer_that_cannot_be_used_is_told_in_one_message(folder, case, capfd):
    change, words = TOKENIZERS[case]
    content = json.loads((folder / "tokenizer.json").read_text())
    change(content)
    (folder / "tokenizer.json").write_text(json.dumps(content))
    capfd.readouterr()
    refused(folder, rf"tokenizer of .* cannot be used: .*{words}")
    assert capfd.readouterr().err == "", "what Rust prints of a panic is not shown"


def test_a_tokenizer_that_multiplies_a_text_beyond_time_and_memory_is_stopped(folder, monkeypatch):
    monkeypatch.setattr("restor.models.apart.SECONDS", 1)
    edit(folder / "tokenizer.json", normalizer=replacing("eeee", 16))
    refused(folder, r"cannot be used: it takes more than 1 s or 2 GB")


@pytest.mark.parametrize(
    "model",
    [
        {"type": "WordLevel", "vocab": {"Where": 3}, "unk_token": "none"},
        {"type": "Unigram", "unk_id": None, "vocab": [["a", 0.0]]},
        {"type": "WordPiece", "vocab": {"a": 3}, "unk_token": "none", "continuing_subword_prefix": "##",
         "max_input_chars_per_word": 100},
    ],
)  # fmt: skip
def test_a_text_that_a_tokenizer_has_no_token_for_is_told(folder, model):
    edit(folder / "tokenizer.json", model=model, pre_tokenizer=None)
    made, tokenizer = load(folder)
    with pytest.raises(DataError, match=r"cannot take a text: .*(UNK|unk_id)"):
        list(generate(made, ["Zürich"], max_new_tokens=1, tokenizer=tokenizer))


def test_a_good_tokenizer_is_tried_once(folder, monkeypatch):
    tried = []
    real = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda command, **kwargs: (tried.append(copy.copy(command)), real(command, **kwargs))[1]
    )
    load(folder)
    load(folder)
    assert [command[0] for command in tried] == [sys.executable]
