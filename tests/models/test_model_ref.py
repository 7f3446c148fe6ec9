"""Checkpoints by name: what a text means, and what identifies the content of a folder."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from restor.errors import ConfigError, DataError
from restor.models.model_ref import ModelRef, adapter_source, fingerprint, parse_model_ref, pinned


@pytest.mark.parametrize(
    ("text", "path", "revision", "adapter"),
    [
        ("gpt2", "gpt2", None, None),
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B", None, None),
        ("EleutherAI/pythia-1b@step1000", "EleutherAI/pythia-1b", "step1000", None),
        ("a/b@refs/pr/3", "a/b", "refs/pr/3", None),
        ("a/b+c/d", "a/b", None, "c/d"),
        ("a/b@v1+c/d@v2", "a/b", "v1", "c/d@v2"),
        ("a/b+./out@home", "a/b", None, "./out@home"),
        (" gpt2 ", "gpt2", None, None),
    ],
)
def test_a_text_names_path_revision_and_adapter(text, path, revision, adapter):
    ref = parse_model_ref(text)
    assert (ref.path, ref.revision, ref.adapter) == (path, revision, adapter)
    assert (ref.dtype, ref.device, ref.trust_remote_code) == ("auto", "auto", False)


def test_a_path_that_exists_may_hold_any_sign(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("run@3+lora", "run", "ad+apter@2"):
        (tmp_path / name).mkdir()
    assert parse_model_ref("run@3+lora").path == "run@3+lora"
    ref = parse_model_ref(f"{tmp_path}/run@3+lora+{tmp_path}/ad+apter@2")
    assert ref.path == f"{tmp_path}/run@3+lora"
    assert ref.revision is None
    assert ref.adapter == f"{tmp_path}/ad+apter@2"
    assert ref.label == "run@3+lora+ad+apter@2"
    assert adapter_source(ref.adapter) == (f"{tmp_path}/ad+apter@2", None)
    # The longest beginning that exists is the path.
    assert parse_model_ref("run+lora").adapter == "lora"


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model").mkdir()
    ref = parse_model_ref("~/model+~/adapter")
    assert ref.path == str(tmp_path / "model")
    assert ref.adapter == str(tmp_path / "adapter")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("a/b@", "follows the @"),
        ("a/b+", r"follows the \+"),
        ("a@+b", "follows the @"),
    ],
)
def test_a_text_with_an_empty_part_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_model_ref(text)


def test_a_folder_has_no_revision(tmp_path):
    with pytest.raises(ConfigError, match=r"local folder.*'main'"):
        parse_model_ref(f"{tmp_path}@main")


def test_a_configuration_may_hold_the_text(tmp_path):
    assert ModelRef.model_validate("a/b@v1") == ModelRef(path="a/b", revision="v1")
    with pytest.raises(ValidationError, match="dtype"):
        ModelRef.model_validate({"path": "a", "dtype": "int8"})


@given(
    st.from_regex(r"\w[\w.-]{0,8}(/\w[\w.-]{0,8})?", fullmatch=True),
    st.none() | st.from_regex(r"[\w./-]{1,9}", fullmatch=True),
    st.none() | st.from_regex(r"[\w.@/-]{1,9}", fullmatch=True),
)
def test_a_reference_is_read_back_from_its_parts(path, revision, adapter):
    text = path + (f"@{revision}" if revision else "") + (f"+{adapter}" if adapter else "")
    ref = parse_model_ref(text)
    if ref.folder is None:
        assert (ref.path, ref.revision, ref.adapter) == (path, revision, adapter)


def test_labels_are_short(tmp_path):
    (tmp_path / "corrupted").mkdir()
    assert parse_model_ref(f"{tmp_path}/corrupted/").label == "corrupted"
    assert parse_model_ref("owner/name@v1").label == "owner/name@v1"


# Content -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (made / "tokenizer.json").write_text("{}")
    (made / "model.safetensors").write_bytes(b"weights")
    return made


def shards(folder):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    (folder / "model-00002-of-00002.safetensors").write_bytes(b"more")
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


def content(folder, **changes):
    return fingerprint(ModelRef(path=str(folder), **changes))


def test_every_file_that_decides_the_model_counts(folder):
    found = content(folder)
    # printf weights | sha256sum
    assert found["model"]["files"]["model.safetensors"] == (
        "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"
    )
    assert found["adapter"] is None
    for name in (
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "tokenizer_config.json",
        "generation_config.json",
        "chat_template.jinja",
        "additional_chat_templates/tools.jinja",
        "special_tokens_map.json",
        "merges.txt",
        "spm.model",
        "tekken.json",
        "tokenizer.5.0.json",
        "config.5.0.json",
    ):
        before = content(folder)
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text((file.read_text() if file.exists() else "") + " ")
        assert content(folder) != before, name


def test_all_shards_count(folder):
    shards(folder)
    before = content(folder)
    assert len(before["model"]["files"]) == 5
    (folder / "model-00002-of-00002.safetensors").write_bytes(b"other")
    assert content(folder) != before


def test_what_does_not_decide_the_model_does_not_count(folder, tmp_path):
    before = content(folder)
    for name in ("README.md", "restor.json", "optimizer.pt", "training_args.bin", "modeling.py"):
        (folder / name).write_text("something")
    moved = folder.rename(tmp_path / "elsewhere")
    assert content(moved, dtype="bfloat16", device="cpu") == before


def test_an_index_left_beside_the_weights_does_not_count(folder):
    """Loaders take the one file: with the other ones hashed in its place, new weights would seem to be the old ones."""
    shards(folder)
    (folder / "model.safetensors").write_bytes(b"new")
    before = content(folder)
    assert set(before["model"]["files"]) == {"config.json", "tokenizer.json", "model.safetensors"}
    (folder / "model.safetensors").write_bytes(b"newer")
    assert content(folder) != before


def test_code_counts_where_it_is_run(folder):
    (folder / "modeling.py").write_text("a")
    before = content(folder, trust_remote_code=True)
    (folder / "modeling.py").write_text("b")
    assert content(folder, trust_remote_code=True) != before


def test_an_adapter_counts(folder, tmp_path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.safetensors").write_bytes(b"a")
    before = content(folder, adapter=str(adapter))
    assert set(before["adapter"]["files"]) == {"adapter_config.json", "adapter_model.safetensors"}
    (adapter / "adapter_model.safetensors").write_bytes(b"b")
    after = content(folder, adapter=str(adapter))
    assert after != before
    assert after["model"] == before["model"] == content(folder)["model"]
    # Its tokenizer may have more tokens than the model's.
    for name in ("tokenizer.json", "chat_template.jinja"):
        (adapter / name).write_text("{}")
        assert name in content(folder, adapter=str(adapter))["adapter"]["files"]


def test_hub_ids_are_pinned_to_the_commits_of_their_fingerprint(folder):
    """A branch may move between the two."""
    ref = ModelRef(path="a/b", revision="main", adapter="c/d@v1", dtype="bfloat16")
    both = {"model": {"hub": "a/b", "commit": "1" * 40}, "adapter": {"hub": "c/d", "commit": "2" * 40}}
    found = pinned(ref, both)
    assert (found.revision, found.adapter, found.dtype) == ("1" * 40, f"c/d@{'2' * 40}", "bfloat16")
    local = ModelRef(path=str(folder))
    assert pinned(local, fingerprint(local)) == local


@pytest.mark.parametrize("path", ["/no/such/folder", "./missing", "a/b/c", "C:\\models\\x"])
def test_a_folder_that_is_missing_is_told(path):
    with pytest.raises(DataError, match="There is no folder"):
        content(path)


def test_the_command_line_reads_references_without_torch():
    code = "import sys, restor.models.model_ref, restor.models.lineage; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
