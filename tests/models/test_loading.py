"""Checkpoints of others: as they are, in one copy, and with a clear word about what is wrong with them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    GPT2Config,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
)

from restor.errors import ConfigError, DataError, StoreError
from restor.models.checkpoint import new_llama
from restor.models.device import pick_device
from restor.models.files import check_weights
from restor.models.lineage import new_lineage, read_lineage
from restor.models.loading import load_checkpoint
from restor.models.model_ref import ModelRef, fingerprint, parse_model_ref
from restor.training.config import LoraConfig
from restor.training.lora import add_adapter, merge_adapter
from saving import save_checkpoint

CPU = torch.device("cpu")
IDS = torch.tensor([[1, 4, 5, 6, 7]])
LINEAGE = new_lineage(stage="clean", config={}, seed=0, parents={}, data={})


@pytest.fixture
def folder(llama, tokenizer, tmp_path):
    made = tmp_path / "model"
    save_checkpoint(llama(0), tokenizer, made, LINEAGE)
    return made


def ref(folder, **changes):
    return ModelRef(path=str(folder), **changes)


def load(folder, **changes):
    return load_checkpoint(ref(folder, **changes), CPU)


def logits(model):
    with torch.no_grad():
        return model.eval()(IDS).logits


def edit(file, **changes):
    content = json.loads(file.read_text())
    file.write_text(json.dumps({name: value for name, value in (content | changes).items() if value is not None}))


# As they are ---------------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_loaded_by_a_reference_alone(folder, llama, tokenizer):
    model, tok = load_checkpoint(parse_model_ref(str(folder)))
    assert model.device == pick_device("auto")
    assert not model.training
    assert all(value.requires_grad for value in model.parameters())
    assert torch.allclose(logits(model.cpu()), logits(llama(0)), atol=1e-5)
    assert len(tok) == len(tokenizer)


@pytest.mark.parametrize(
    ("stored", "wanted", "expected"),
    [
        ("bfloat16", "auto", "float32"),  # on a CPU
        ("bfloat16", "bfloat16", "bfloat16"),
        ("float32", "auto", "float32"),
        ("float32", "float16", "float16"),
    ],
)
def test_weights_have_the_wanted_dtype(llama, tokenizer, tmp_path, stored, wanted, expected):
    save_checkpoint(llama(0).to(getattr(torch, stored)), tokenizer, tmp_path, LINEAGE)
    model, _ = load(tmp_path, dtype=wanted)
    assert {value.dtype for value in model.parameters()} == {getattr(torch, expected)}


def test_a_small_change_of_an_adapter_survives_its_merge(llama, tokenizer, tmp_path):
    """In bfloat16 most weights would be rounded back to what they were: merged weights are float32."""
    save_checkpoint(llama(0).to(torch.bfloat16), tokenizer, tmp_path / "a", LINEAGE)
    model, tok = load(tmp_path / "a", dtype="bfloat16")
    adapted = add_adapter(model, LoraConfig(rank=2), seed=0)
    assert {value.dtype for value in adapted.parameters() if value.requires_grad} == {torch.float32}
    for name, value in adapted.named_parameters():
        if "lora_B" in name:
            value.data += 1e-4
    save_checkpoint(merge_adapter(adapted), tok, tmp_path / "b", LINEAGE)
    stored = load_file(tmp_path / "b" / "model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float32}
    before = load_file(tmp_path / "a" / "model.safetensors")
    changed = [name for name in stored if "proj" in name]
    moved = sum(int((stored[name] != before[name].float()).sum()) for name in changed)
    assert moved > 0.9 * sum(stored[name].numel() for name in changed)
    assert max(float((stored[name] - before[name].float()).abs().max()) for name in changed) < 0.01


@pytest.mark.parametrize("tied", [True, False])
def test_sharded_files_are_written_and_read(llama, tokenizer, tmp_path, tied, monkeypatch):
    monkeypatch.setattr("restor.models.checkpoint.LARGEST_FILE", "10KB")
    model = llama(0)
    if not tied:
        config = LlamaConfig(**(model.config.to_dict() | {"tie_word_embeddings": False}))
        model = LlamaForCausalLM(config)
        model.get_output_embeddings().weight.data.normal_()
    save_checkpoint(model, tokenizer, tmp_path, LINEAGE)
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 3
    loaded, _ = load(tmp_path)
    assert torch.allclose(logits(loaded), logits(model), atol=1e-5)
    assert (loaded.get_output_embeddings().weight is loaded.get_input_embeddings().weight) == tied
    assert torch.allclose(logits(AutoModelForCausalLM.from_pretrained(tmp_path)), logits(model), atol=1e-5)
    shards = [name for name in fingerprint(ref(tmp_path))["model"]["files"] if name.startswith("model-")]
    assert len(shards) > 3


def test_weights_in_use_do_not_write_to_their_file(folder):
    """They stay mapped until they change."""
    before = fingerprint(ref(folder))
    model, _ = load(folder)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(1)
    assert fingerprint(ref(folder)) == before


@pytest.mark.parametrize("trusted", [False, True])
def test_code_beside_the_weights_is_run_only_if_it_is_trusted(folder, tmp_path, monkeypatch, trusted):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    trap = tmp_path / "ran"
    (folder / "modeling_trap.py").write_text(
        f"open({str(trap)!r}, 'w').close()\nfrom transformers import LlamaForCausalLM\n"
        "class Trap(LlamaForCausalLM): pass\n"
    )
    edit(folder / "config.json", auto_map={"AutoModelForCausalLM": "modeling_trap.Trap"})
    model, _ = load(folder, trust_remote_code=trusted)
    assert trap.exists() == trusted
    assert (type(model).__name__ == "Trap") == trusted


def test_the_lineage_is_beside_the_weights(folder):
    assert read_lineage(folder) == LINEAGE


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.6, "top_p": 0.9, "eos_token_id": [2, 5]},  # Llama 2 was published so
        {"do_sample": False, "temperature": 0.7},
        {"pad_token_id": -1, "eos_token_id": 2},
        {"num_return_sequences": 4, "eos_token_id": [2, 5], "pad_token_id": -1},
    ],
)
def test_checkpoints_with_odd_generation_settings_are_saved_again(folder, tmp_path, settings):
    (folder / "generation_config.json").write_text(json.dumps(settings))
    model, tok = load(folder)
    model.generation_config.max_length = 30  # changed, as a fine-tune does: no longer excused
    save_checkpoint(model, tok, tmp_path / "again", LINEAGE)
    again, _ = load(tmp_path / "again")
    assert again.generation_config.eos_token_id == settings.get("eos_token_id")
    assert again.generation_config.do_sample in (None, False)


def test_a_checkpoint_in_a_shared_folder_can_be_read_by_others(folder):
    modes = {file.stat().st_mode for file in folder.iterdir()}
    assert len(modes) == 1, "the weights have the rights of the other files"


def test_a_full_disk_is_told(folder, tmp_path):
    resource = pytest.importorskip("resource", reason="limits of files are those of Unix")
    model, tok = load(folder)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(StoreError, match=r"into .*out: .*[Tt]oo large.*Free space"):
            save_checkpoint(model, tok, tmp_path / "out", LINEAGE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# Which files ---------------------------------------------------------------------------------------------------------


def shard(weights, folder, stem):
    """Two files and their index."""
    names = sorted(weights)
    files = {name: f"{stem}-0000{1 + (place % 2)}-of-00002.safetensors" for place, name in enumerate(names)}
    for file in set(files.values()):
        save_file({name: weights[name] for name in names if files[name] == file}, folder / file, {"format": "pt"})
    (folder / f"{stem}.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))


def one_file(folder, old):
    """What an earlier, sharded model left behind is still there."""
    shard(old, folder, "model")


def several_files(folder, old):
    shard(load_file(folder / "model.safetensors"), folder, "model")
    (folder / "model.safetensors").unlink()
    shard(old, folder, "model.fp16")
    save_file(old, folder / "consolidated.safetensors")


def named_file(folder, old):
    (folder / "model.safetensors").rename(folder / "new.safetensors")
    save_file(old, folder / "model.safetensors", {"format": "pt"})
    edit(folder / "config.json", transformers_weights="new.safetensors")


def named_index(folder, old):
    shard(load_file(folder / "model.safetensors"), folder, "new")
    save_file(old, folder / "model.safetensors", {"format": "pt"})
    edit(folder / "config.json", transformers_weights="new.safetensors.index.json")


ARRANGEMENTS = pytest.mark.parametrize("arrange", [one_file, several_files, named_file, named_index])


@pytest.fixture
def arranged(folder, llama):
    """Puts a checkpoint's weights into files, beside bfloat16 ones of another model."""
    old = {name: value.to(torch.bfloat16) for name, value in llama(1).state_dict().items() if name != "lm_head.weight"}
    return lambda arrange: arrange(folder, old)


@ARRANGEMENTS
def test_what_is_hashed_is_what_is_loaded(folder, llama, arranged, arrange):
    arranged(arrange)
    assert torch.allclose(logits(load(folder)[0]), logits(llama(0)), atol=1e-5)
    hashed = fingerprint(ref(folder))["model"]["files"]
    files = sorted(folder.glob("*.safetensors"))
    assert {file.name in hashed for file in files} == {True, False}
    for file in files:
        before, kept = logits(load(folder)[0]), file.read_bytes()
        save_file({name: value * 0.5 for name, value in load_file(file).items()}, file, {"format": "pt"})
        changed = not torch.allclose(logits(load(folder)[0]), before)
        assert changed == (file.name in hashed) == (fingerprint(ref(folder))["model"]["files"] != hashed), file.name
        file.write_bytes(kept)


@ARRANGEMENTS
def test_size_and_dtype_are_those_of_what_is_loaded(folder, llama, arranged, arrange, monkeypatch):
    arranged(arrange)
    assert check_weights(folder, "it") == {"F32": sum(value.numel() for value in llama(0).parameters())}
    # A processor that is faster in bfloat16 would take what is stored in it.
    monkeypatch.setattr("restor.models.loading.precision_to_ask", lambda *_: ("bfloat16", ""))
    edit(folder / "config.json", dtype="bfloat16")
    model, _ = load_checkpoint(ref(folder), CPU, to_ask=True)
    assert model.dtype == torch.float32


def test_which_files_were_read_is_not_saved(folder, tmp_path, arranged):
    arranged(named_index)
    model, tok = load(folder)
    save_checkpoint(model, tok, tmp_path / "again", LINEAGE)
    assert "transformers_weights" not in json.loads((tmp_path / "again" / "config.json").read_text())
    assert torch.allclose(logits(load(tmp_path / "again")[0]), logits(model), atol=1e-5)


# Memory --------------------------------------------------------------------------------------------------------------

MEASURE = """
import gc, sys, torch
from pathlib import Path
from restor.models.loading import load_checkpoint
from restor.models.model_ref import ModelRef

def memory(*names):
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return [int(lines[name].split()[0]) / 1024 for name in names]

folder, small = sys.argv[1:]
for dtype in ("bfloat16", "float32"):
    load_checkpoint(ModelRef(path=small, dtype=dtype), torch.device("cpu"))  # what libraries take
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    resident, anonymous = memory("VmRSS", "RssAnon")
    model, _ = load_checkpoint(ModelRef(path=folder, dtype=dtype), torch.device("cpu"))
    peak, now = memory("VmHWM", "RssAnon")
    size = sum(value.numel() * value.itemsize for value in model.parameters()) / 2**20
    print(peak - resident, now - anonymous, size)
    del model
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory, tokenizer):
    """A checkpoint of 100 MB in bfloat16 and a small one of its kind."""
    folders = []
    for hidden in (1024, 32):
        folders.append(tmp_path_factory.mktemp("large"))
        model = new_llama(
            tokenizer=tokenizer, hidden=hidden, intermediate=4 * hidden, layers=3, heads=4, context=64, seed=0
        )
        save_checkpoint(model.to(torch.bfloat16), tokenizer, folders[-1], LINEAGE)
    return folders


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is measured through /proc")
@pytest.mark.nightly
def test_weights_are_never_held_twice(large):
    command = [sys.executable, "-c", MEASURE, *map(str, large)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    same, converted = (tuple(map(float, line.split())) for line in done.stdout.splitlines())
    file = (large[0] / "model.safetensors").stat().st_size / 2**20
    # In the dtype of the file nothing is copied: it is mapped into memory, and read when it is used.
    peak, held, size = same
    assert size > 90
    assert held < 0.1 * size
    assert peak < 0.1 * size
    # In another one there are the converted weights, and the pages of the file that were read, which the system drops.
    peak, held, size = converted
    assert 0.9 * size < held < 1.1 * size
    assert peak < 1.1 * size + file


def test_a_model_larger_than_the_memory_is_refused_before_it_is_read(folder, monkeypatch):
    """The kernel would kill the process without a word."""
    monkeypatch.setattr("restor.models.loading._free_memory", lambda _: 50_000)
    with pytest.raises(ConfigError, match=r"needs 0\.0 GB as float32 on cpu.*are free.*bfloat16"):
        load(folder)
    load(folder, dtype="bfloat16")


# What is wrong -------------------------------------------------------------------------------------------------------


def cut(file):
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def drop(folder, *names):
    for name in names:
        (folder / name).unlink()


def without(folder, name):
    weights = load_file(folder / "model.safetensors")
    del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def index(folder, **files):
    """In place of the one file of weights."""
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))


def reshape(folder):
    edit(folder / "config.json", intermediate_size=40)


SPOILT = {
    "missing": (shutil.rmtree, DataError, r"no folder .*model\."),
    "file": (lambda f: (shutil.rmtree(f), f.write_text("x")), DataError, "is a file"),
    "no config": (lambda f: drop(f, "config.json"), DataError, r"no config\.json.*not a Hugging Face checkpoint"),
    "broken config": (lambda f: (f / "config.json").write_text("{"), DataError, r"config\.json cannot be read as JSON"),
    "list config": (lambda f: (f / "config.json").write_text("[]"), DataError, r"config\.json must hold"),
    "no type": (lambda f: edit(f / "config.json", model_type=None), DataError, "model_type"),
    "wrong kind": (lambda f: edit(f / "config.json", hidden_size="many"), DataError, "Cannot load .*hidden_size"),
    "no heads": (lambda f: edit(f / "config.json", num_attention_heads=0), DataError, "Cannot load"),
    "unknown type": (lambda f: edit(f / "config.json", model_type="llama99"), DataError, "'llama99'.*newer"),
    "no tokenizer": (lambda f: drop(f, "tokenizer.json", "tokenizer_config.json"), DataError, "no tokenizer"),
    "bad tokenizer": (
        lambda f: (f / "tokenizer.json").write_text("{}"),
        DataError,
        "tokenizer of .* cannot be used",
    ),
    "no weights": (lambda f: drop(f, "model.safetensors"), DataError, r"no model\.safetensors.*missing"),
    "pickled": (
        lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
        DataError,
        r"pytorch_model\.bin and no model\.safetensors.*can run code.*save_pretrained",
    ),
    "cut": (lambda f: cut(f / "model.safetensors"), DataError, r"model\.safetensors is damaged: it should have"),
    "short": (lambda f: (f / "model.safetensors").write_bytes(b"abc"), DataError, "damaged"),
    "no safetensors": (
        lambda f: (f / "model.safetensors").write_bytes(b"\x08" + bytes(7) + b"notjson!"),
        DataError,
        "header",
    ),
    "pointer": (
        lambda f: (f / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        DataError,
        "git lfs pull",
    ),
    "lost shard": (lambda f: index(f, a="model-9.safetensors"), DataError, r"no model-9\.safetensors"),
    "empty index": (index, DataError, "lists no weights"),
    "weights elsewhere": (lambda f: index(f, a="../other/model.safetensors"), DataError, r"'\.\./other/model"),
    "named weights elsewhere": (
        lambda f: edit(f / "config.json", transformers_weights="/other/model.safetensors"),
        DataError,
        "must be safetensors files in the folder",
    ),
    "named pickle": (
        lambda f: edit(f / "config.json", transformers_weights="adapter_model.bin"),
        DataError,
        r"names 'adapter_model\.bin'",
    ),
    "weights of ranks": (
        lambda f: shutil.copy(f / "model.safetensors", f / "shard-00000-model-00001-of-00001.safetensors"),
        DataError,
        "ranks of a distributed training",
    ),
    "an adapter beside": (
        lambda f: (f / "adapter_config.json").write_text("{}"),
        DataError,
        r"adapter_config\.json beside its config\.json.*BASE\+",
    ),
    "partial": (
        lambda f: without(f, "model.layers.1.mlp.up_proj.weight"),
        DataError,
        r"lacks 1 of its weights.*up_proj",
    ),
    "other shape": (
        reshape,
        DataError,
        r"6 weights of other shapes.*down_proj\.weight: \[32, 48\] in place of \[32, 40\]",
    ),
    "encoder-decoder": (lambda f: T5Config().save_pretrained(f), DataError, "encoder-decoder.*t5"),
    "encoder": (
        lambda f: BertConfig(architectures=["BertForMaskedLM"]).save_pretrained(f),
        DataError,
        "BertForMaskedLM.*does not continue",
    ),
    "code": (
        lambda f: edit(f / "config.json", model_type="odd", auto_map={"AutoModelForCausalLM": "odd.Odd"}),
        ConfigError,
        "Python code of its own.*trust_remote_code",
    ),
    "small vocabulary": (
        lambda f: edit(f / "config.json", vocab_size=20),
        DataError,
        r"tokens more than the model has embeddings \(20\)",
    ),
}


@pytest.mark.parametrize("case", SPOILT)
def test_what_is_wrong_with_a_checkpoint_is_told_in_one_message(folder, case):
    spoil, kind, message = SPOILT[case]
    spoil(folder)
    with pytest.raises(kind, match=message) as told:
        load(folder)
    assert len(str(told.value)) < 700
    assert "\n" not in str(told.value)


def test_a_folder_of_checkpoints_is_not_one(folder):
    with pytest.raises(DataError, match=r"its folder model has one\. Give .*/model"):
        load(folder.parent)


def test_a_tokenizer_written_in_python_is_refused(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text('{"a": 0}')
    GPT2Config(vocab_size=22)
    edit(folder / "tokenizer_config.json", tokenizer_class="CTRLTokenizer")
    (folder / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(DataError, match="tokenizer"):
        load(folder)


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "gpu"])
def test_a_device_that_is_not_there_is_told(folder, device):
    with pytest.raises(ConfigError, match=device):
        load_checkpoint(ref(folder, device=device))
