"""The tokenizer of a checkpoint is the one that its tokenizer.json describes, and not what a class makes of it."""

from __future__ import annotations

import json

import pytest
import torch
from tokenizers import Tokenizer, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from random_models import made
from representatives import one_for_each
from restor.chat import ChatRequest
from restor.errors import CheckpointWarning, ConfigError, DataError
from restor.evaluation import Request, generate, score
from restor.evaluation.ask.local_chat import LocalChat
from restor.models.files import check_tokenizer
from restor.models.lineage import new_lineage
from restor.models.loading import load_checkpoint
from restor.models.model_ref import ModelRef
from restor.models.tokenizer import bpe_tokenizer, encode_rows
from restor.models.tokenizer_loading import load_tokenizer
from restor.types import Fact
from restor.unlearning.edits import encode_edits
from saving import save_checkpoint
from tokenizer_kinds import KINDS, LINES, finish, sentencepiece_like, tokenizer

CPU = torch.device("cpu")
LINEAGE = new_lineage(stage="clean", config={}, seed=0, parents={}, data={})
TEXTS = [*LINES, "two  spaces, é and e\u0301\n\nNew York", " York"]


def checkpoint(folder, tok, family="llama", *, rows=None):
    save_checkpoint(made(family, rows or len(tok)), tok, folder, LINEAGE)
    return folder


def load(folder):
    return load_checkpoint(ModelRef(path=str(folder)), CPU)


def edit(file, **changes):
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({name: value for name, value in (content | changes).items() if value is not None}))


def never(kind):
    """As the file of a tokenizer that puts no space before a text."""
    core = kind.backend_tokenizer
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    return finish(core)


def same(tok, core):
    """Whether a tokenizer reads and writes as the core of another one does."""
    read = [core.encode(text).ids for text in TEXTS]
    written = [core.decode(ids) for ids in read]
    return tok(TEXTS)["input_ids"] == read and tok.batch_decode(read, skip_special_tokens=True) == written


# Of the file, whatever the class -------------------------------------------------------------------------------------


@one_for_each("kind", "cls")
@pytest.mark.parametrize("kind", [*KINDS, "never"])
@pytest.mark.parametrize(
    ("family", "cls"),
    [("qwen2", None), ("qwen2", "Qwen2Tokenizer"), ("llama", "LlamaTokenizer"), ("gemma", "GemmaTokenizer")],
)
def test_a_tokenizer_is_the_one_of_its_file_and_is_saved_as_that(tmp_path, kind, family, cls):
    tok = never(sentencepiece_like(first=True)) if kind == "never" else tokenizer(kind)
    folder = checkpoint(tmp_path / "model", tok, family)
    edit(folder / "tokenizer_config.json", tokenizer_class=cls)
    core = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model, loaded = load(folder)
    assert same(loaded, core)
    assert loaded.get_vocab() == core.get_vocab()
    for name in ("bos_token", "eos_token", "pad_token"):
        assert getattr(tok, name) in (getattr(loaded, name), None)
    save_checkpoint(model, loaded, tmp_path / "again", LINEAGE)
    saved = Tokenizer.from_file(str(tmp_path / "again" / "tokenizer.json"))
    assert [saved.encode(text).ids for text in TEXTS] == [core.encode(text).ids for text in TEXTS]
    assert saved.get_vocab() == core.get_vocab()
    assert same(load(tmp_path / "again")[1], core)
    # As the stages of a study open what an earlier one has written.
    assert same(load_tokenizer(tmp_path / "again"), core)


def test_what_the_settings_say_is_kept_where_the_file_is_taken(tmp_path):
    tok = tokenizer("spaces")
    tok.chat_template = "{{ messages[0]['content'] }}"
    folder = checkpoint(tmp_path, tok, "qwen2")
    _, loaded = load(folder)
    assert same(loaded, tok.backend_tokenizer)
    assert loaded.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False) == "Hi"
    tok.chat_template = None


def test_special_tokens_that_only_the_class_knows_are_kept(tmp_path):
    """Old repositories name none: it is the class of GPT-2 that knows its end of text."""
    core = bpe_tokenizer(iter(LINES), 300).backend_tokenizer
    saved = json.loads(core.to_str().replace("<eos>", "<|endoftext|>"))
    tok = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(saved)), eos_token="<|endoftext|>")
    folder = checkpoint(tmp_path, tok, "gpt2")
    (folder / "tokenizer_config.json").unlink()
    saved["pre_tokenizer"] = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    (folder / "tokenizer.json").write_text(json.dumps(saved))
    _, loaded = load(folder)
    assert same(loaded, Tokenizer.from_str(json.dumps(saved)))
    assert loaded.eos_token == "<|endoftext|>"
    assert encode_rows(loaded, ["York"])[0][-1] == loaded.eos_token_id == 2


def test_a_token_that_only_the_class_adds_is_not_there(tmp_path):
    """The class of Qwen 2 takes for granted that there is an `<|endoftext|>`, as the unknown token."""
    tok = tokenizer("no beginning")
    folder = checkpoint(tmp_path, tok, "qwen2", rows=len(tok))
    _, loaded = load(folder)
    assert loaded.get_vocab() == tok.get_vocab()
    assert loaded.unk_token is None


def test_a_file_for_the_installed_transformers_comes_first(tmp_path):
    folder = checkpoint(tmp_path, tokenizer("spaces"), "qwen2")
    (folder / "tokenizer.5.0.json").write_text(never(sentencepiece_like(first=False)).backend_tokenizer.to_str())
    edit(folder / "tokenizer_config.json", fast_tokenizer_files=["tokenizer.json", "tokenizer.5.0.json"])
    _, loaded = load(folder)
    assert same(loaded, Tokenizer.from_file(str(folder / "tokenizer.5.0.json")))
    assert not same(loaded, Tokenizer.from_file(str(folder / "tokenizer.json")))


def test_a_file_is_enough_where_its_class_is_written_in_python(tmp_path):
    folder = checkpoint(tmp_path, tokenizer("bytes"), "gpt2")
    edit(folder / "tokenizer_config.json", tokenizer_class="CTRLTokenizer")
    assert same(load(folder)[1], tokenizer("bytes").backend_tokenizer)


def test_settings_that_contradict_the_file_are_told(tmp_path):
    folder = checkpoint(tmp_path, tokenizer("bytes"), rows=400)
    more = {"content": "born", "lstrip": False, "rstrip": False, "single_word": False, "normalized": False}
    edit(folder / "tokenizer_config.json", added_tokens_decoder={"350": more | {"special": False}})
    with pytest.raises(
        DataError, match=r"is not known: .* reads 'Where was Ann Ash born.*its tokenizer\.json.*of one version"
    ):
        load(folder)


# More tokens than embeddings -----------------------------------------------------------------------------------------


@pytest.fixture
def larger(tmp_path):
    """As Gemma 3 is: a special token beyond the embeddings, which stands for an image."""
    tok = bpe_tokenizer(iter(LINES), 300)
    rows = len(tok)
    tok.add_special_tokens({"extra_special_tokens": ["<image>"]})
    return checkpoint(tmp_path / "model", tok, rows=rows)


def test_a_token_beyond_the_embeddings_that_no_text_needs_changes_nothing(larger, tmp_path):
    model, tok = load(larger)
    plain = bpe_tokenizer(iter(LINES), 300)
    assert model.get_input_embeddings().weight.shape[0] == len(plain) == len(tok) - 1
    assert encode_rows(tok, LINES) == encode_rows(plain, LINES)
    (scored,) = score(model, [Request(LINES[0], (" York", " Rome"))], tokenizer=tok)
    ids = torch.tensor([plain(LINES[0] + " York")["input_ids"]])
    cut = len(plain(LINES[0])["input_ids"])
    with torch.no_grad():
        logs = torch.log_softmax(model(ids).logits[0], dim=-1)
    expected = sum(float(logs[place - 1, ids[0, place]]) for place in range(cut, ids.shape[1]))
    assert scored.options[0].total == pytest.approx(expected, abs=1e-3)
    save_checkpoint(model, tok, tmp_path / "again", LINEAGE)
    assert load(tmp_path / "again")[1].get_vocab() == tok.get_vocab()


WITH = "Where was <image> born? York"
TOLD = r"no embedding for the token '<image>' \(300\): it has 300\. A text with it is .*<image> born"


def test_a_text_that_needs_it_is_refused_wherever_it_is_read(larger):
    model, tok = load(larger)
    far = "York " * 50 + WITH
    for read in (
        lambda: encode_rows(tok, [LINES[0], far]),
        lambda: list(score(model, [Request(WITH, (" York",))], tokenizer=tok)),
        lambda: list(score(model, [Request("Where?", (" <image> born",))], tokenizer=tok)),
        lambda: list(generate(str(larger), [WITH], max_new_tokens=2)),
        lambda: encode_edits(tok, [Fact("<image>", "P19", ("York",), "Where was <image> born?")]),
    ):
        with pytest.raises(DataError, match=TOLD):
            read()


def test_a_models_own_tokenizer_is_known_to_be_larger_without_being_loaded(larger):
    model, _ = load(larger)
    tok = PreTrainedTokenizerFast.from_pretrained(larger)
    with pytest.raises(DataError, match=TOLD):
        list(generate(model, [WITH], tokenizer=tok, max_new_tokens=2))
    # With a larger model the same one is not too large.
    assert list(generate(made("llama", 301), [WITH], tokenizer=tok, max_new_tokens=2))


def test_a_judge_is_not_stopped_by_an_answer_with_such_a_token(larger):
    asked = [ChatRequest("Be brief.", text) for text in ("Is it <image> born?", "Is it York?")]
    bad, good = LocalChat(ModelRef(path=str(larger), device="cpu"))(asked, 2)
    assert "no embedding for the token '<image>'" in bad.problem
    assert good.completion_tokens > 0


def test_padding_without_an_embedding_is_not_used(tmp_path):
    """The commonest way in which a tokenizer outgrows its model; nothing depends on it."""
    tok = bpe_tokenizer(iter(LINES), 300)
    tok.add_special_tokens({"pad_token": "[PAD]"})
    tok.add_tokens(["<more>"])
    _, loaded = load(checkpoint(tmp_path, tok, rows=300))
    assert loaded.pad_token_id is None
    with pytest.raises(DataError, match="'<more>'"):
        encode_rows(loaded, ["a <more>"])


@pytest.mark.parametrize("kind", ["bos_token", "eos_token"])
def test_a_token_that_every_text_needs_must_have_an_embedding(tmp_path, kind):
    tok = bpe_tokenizer(iter(LINES), 300)
    saved = json.loads(tok.backend_tokenizer.to_str())
    new = {"id": 300, "content": "<new>", "special": True}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    saved["added_tokens"].append({**new, **flags})
    if kind == "bos_token":
        saved["post_processor"]["single"][0]["SpecialToken"]["id"] = "<new>"
        saved["post_processor"]["special_tokens"] = {"<new>": {"id": "<new>", "ids": [300], "tokens": ["<new>"]}}
    core = Tokenizer.from_str(json.dumps(saved))
    folder = checkpoint(tmp_path, PreTrainedTokenizerFast(tokenizer_object=core, **{kind: "<new>"}), rows=300)
    with pytest.raises(DataError, match=r"1 tokens more than the model has embeddings \(300\).*'<new>' \(300\)"):
        load(folder)


# Other forms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tokenizer.model", "spiece.model"])
def test_a_sentencepiece_model_alone_asks_for_its_package(tmp_path, monkeypatch, name):
    folder = checkpoint(tmp_path, tokenizer("bytes"))
    (folder / "tokenizer.json").unlink()
    (folder / name).write_bytes(b"\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00")
    monkeypatch.setattr("restor.models.files.SENTENCEPIECE_NEEDS", ("sentencepiece", "no-such-package"))
    with pytest.raises(ConfigError) as told:
        load(folder)
    for words in (f"is {name}, without a tokenizer.json", "install sentencepiece", "extra [sentencepiece]", "copy"):
        assert words in str(told.value)
    assert "tiktoken" not in str(told.value).lower()
    # With the file that needs none beside it, it is not asked for.
    tokenizer("bytes").save_pretrained(folder)
    assert load(folder)


def trained(folder, model_type):
    """A SentencePiece model of some lines, written into a folder."""
    library = pytest.importorskip("sentencepiece")
    pytest.importorskip("transformers", "5.24", reason="earlier ones read such a model otherwise, which is refused")
    (folder / "lines.txt").write_text("".join(LINES) * 20)
    library.SentencePieceTrainer.train(
        input=str(folder / "lines.txt"),
        model_prefix=str(folder / "tokenizer"),
        model_type=model_type,
        vocab_size=120,
        hard_vocab_limit=False,
    )
    return library.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))


def test_a_sentencepiece_model_without_settings_has_no_beginning_and_says_so(tmp_path):
    made("llama", trained(tmp_path, "bpe").get_piece_size()).save_pretrained(tmp_path)
    with pytest.warns(CheckpointWarning, match="tokenizer.model without a tokenizer_config.json.*beginning, <s>"):
        loaded = load(tmp_path)[1]
    assert loaded("")["input_ids"] == []
    edit(tmp_path / "tokenizer_config.json", tokenizer_class="LlamaTokenizer", add_bos_token=True)
    assert load(tmp_path)[1]("")["input_ids"] == [loaded.bos_token_id]


@one_for_each("model_type", "cls")
@pytest.mark.parametrize("model_type", ["bpe", "unigram"])
@pytest.mark.parametrize(
    ("family", "cls"), [("llama", "LlamaTokenizer"), ("gemma", "GemmaTokenizer"), ("mistral", None)]
)
def test_a_sentencepiece_model_is_read_as_its_own_library_does(tmp_path, model_type, family, cls):
    """The class of Llama takes every model for one of merges, and that of Gemma adds tokens of its own."""
    core = trained(tmp_path, model_type)
    made(family, core.get_piece_size()).save_pretrained(tmp_path)
    edit(tmp_path / "tokenizer_config.json", tokenizer_class=cls)
    model, loaded = load(tmp_path)
    texts = [line.strip() for line in LINES]
    assert loaded(texts, add_special_tokens=False)["input_ids"] == core.encode(texts)
    assert len(loaded) == core.get_piece_size()
    save_checkpoint(model, loaded, tmp_path / "again", LINEAGE)
    assert load(tmp_path / "again")[1](texts)["input_ids"] == loaded(texts)["input_ids"]


def test_a_tiktoken_vocabulary_of_that_name_needs_no_sentencepiece(tmp_path, monkeypatch):
    (tmp_path / "tokenizer.model").write_text("IQ== 0\nIg== 1\n")
    monkeypatch.setattr("restor.models.files.SENTENCEPIECE_NEEDS", ("no-such-package",))
    check_tokenizer(tmp_path, "it")
    (tmp_path / "tokenizer.model").write_bytes(b"\n\x0e")
    with pytest.raises(ConfigError, match="no-such-package"):
        check_tokenizer(tmp_path, "it")
