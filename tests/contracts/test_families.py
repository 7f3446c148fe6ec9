"""Every family of models goes through the real code: saved, loaded, asked and trained, small and random."""

from __future__ import annotations

from functools import cache

import pytest
import torch
import transformers as hf
from tokenizers import processors

from random_models import FAMILIES, NEAR, ODD, TIED, made
from representatives import one_for_each
from restor.evaluation.ask.asker import Asker, ask, prepare
from restor.models.families import context_of, pad_of, window_of
from restor.models.labelled import check_output_layer, collate, predict
from restor.models.lineage import new_lineage
from restor.models.loading import load_checkpoint
from restor.models.model_ref import ModelRef
from restor.models.tokenizer import bpe_tokenizer, encode_rows
from restor.training.batching import SetRows
from restor.training.config import LoopConfig, LoraConfig
from restor.training.loop import train
from restor.training.lora import add_adapter, merge_adapter
from restor.training.objective import LanguageModelling
from restor.training.reference import CachedReference
from restor.types import Fact, Group, Query
from saving import save_checkpoint

NAMES = ("Ann Ash", "Bo Birch", "Cyd Cole van der Berg")
PLACES = ("York", "New York", "New York City", "Rome", "Oslo in the North")
LINES = [f"Where was {name} born? {place}\n" for name in NAMES for place in PLACES]


@cache
def tokenizer(kind):
    """`plain` begins no text with a token and has none to pad with, as GPT-2's."""
    full = bpe_tokenizer(iter(LINES * 4), 320)
    if kind == "bos":
        return full
    core = full.backend_tokenizer
    core.post_processor = processors.ByteLevel(trim_offsets=False)
    return hf.PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Folder of a family's checkpoint, written by the real code."""
    lineage = new_lineage(stage="clean", config={}, seed=0, parents={}, data={})

    @cache
    def make(family, kind="bos"):
        tok = tokenizer(kind)
        special = ("bos_token_id", "eos_token_id", "pad_token_id")
        model = made(family, len(tok), **{name: getattr(tok, name) for name in special})
        folder = tmp_path_factory.mktemp(f"{family}-{kind}")
        save_checkpoint(model, tok, folder, lineage)
        return folder, model

    return make


def load(checkpoints, family, kind="bos"):
    return load_checkpoint(ModelRef(path=str(checkpoints(family, kind)[0])), torch.device("cpu"))


IDS = torch.tensor([[1, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 2]])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_is_loaded_as_it_was_by_us_and_by_transformers(checkpoints, family):
    folder, model = checkpoints(family)
    loaded, tok = load(checkpoints, family)
    theirs = hf.AutoModelForCausalLM.from_pretrained(folder, dtype="auto").eval()
    with torch.no_grad():
        expected = model(IDS).logits
        assert torch.allclose(theirs(IDS).logits, expected, atol=1e-5)
        # Placed with the attention that is fast here.
        assert loaded.config._attn_implementation == "eager"
        assert torch.allclose(loaded(IDS).logits, expected, atol=1e-4)
    assert type(loaded) is type(model)
    tied = loaded.get_output_embeddings().weight is loaded.get_input_embeddings().weight
    assert tied == (family in TIED)
    assert tok("Where was Ann?")["input_ids"] == tokenizer("bos")("Where was Ann?")["input_ids"]


@pytest.mark.parametrize("family", FAMILIES)
def test_its_context_and_window_are_known(checkpoints, family):
    model, _ = load(checkpoints, family)
    assert context_of(model) == 256
    windows = dict.fromkeys(NEAR, 20) | dict.fromkeys(("mistral", "gemma2", "gemma3"), 200)
    assert window_of(model) == windows.get(family)


@pytest.mark.parametrize("family", FAMILIES)
def test_predictions_at_labelled_positions_are_the_models_own(checkpoints, family):
    """Scaled and capped logits among them, for the model itself and for the reference kept of it."""
    model, tok = load(checkpoints, family)
    check_output_layer(model)
    rows = encode_rows(tok, LINES[:3])
    batch = collate(rows, range(3), pad_of(tok))
    reference = CachedReference(model, rows, tokens=40, pad=pad_of(tok), precision="float32")
    with torch.no_grad():
        own = torch.cat([model(torch.tensor([row])).logits[0, :-1] for row in rows])
        found = predict(model, batch).logits
    assert torch.allclose(found, own, atol=1e-4)
    assert torch.allclose(reference.predict(batch).logits, own, atol=1e-4)


# Asking --------------------------------------------------------------------------------------------------------------


def queries(shots):
    prefix = "".join(LINES[5 + k] for k in range(shots))
    facts = [Fact(name, "P19", (PLACES[3],), f"Where was {name} born?") for name in NAMES]
    return [
        Query(fact, Group.TEST, prefix, fact.question, planted="York", random=("Oslo",), candidates=PLACES)
        for fact in facts
    ]


@torch.inference_mode()
def whole_strings(model, tok, query):
    """Log-prob of each option behind the prompt, by running whole strings."""
    prompt = tok(query.prefix + query.question)["input_ids"]
    found = {}
    for option in dict.fromkeys((*query.fact.answers, query.planted, *query.random, *query.candidates)):
        ids = tok(f"{query.prefix}{query.question} {option}")["input_ids"]
        assert ids[: len(prompt)] == prompt
        scores = torch.log_softmax(model(torch.tensor([ids])).logits[0].float(), dim=-1)
        picked = [float(scores[place - 1, ids[place]]) for place in range(len(prompt), len(ids))]
        found[option] = sum(picked) / len(picked)
    return found


@torch.inference_mode()
def generated(model, tok, query, most):
    """What `generate` writes, cut at the end of the text or of the line."""
    prompt = tok(query.prefix + query.question, return_tensors="pt")["input_ids"]
    ids = model.generate(
        prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=most, pad_token_id=0
    )[0, prompt.shape[1] :].tolist()
    ids = ids[: ids.index(tok.eos_token_id)] if tok.eos_token_id in ids else ids
    return tok.decode(ids, skip_special_tokens=True).split("\n")[0].strip()


@one_for_each("family", "kind")
@pytest.mark.parametrize("kind", ["bos", "plain"])
@pytest.mark.parametrize("family", FAMILIES)
def test_answers_are_those_of_generate_and_options_those_of_whole_strings(checkpoints, family, kind):
    model, tok = load(checkpoints, family, kind)
    asked = queries(2)
    assert all(len(tok(query.prefix + query.question)["input_ids"]) > 20 for query in asked)
    answers = list(ask(model, tok, prepare(tok, asked, batch=2), max_new_tokens=12))
    assert {answer.query.fact.subject for answer in answers} == set(NAMES)
    for answer in answers:
        assert answer.text == generated(model, tok, answer.query, 12)
        expected = whole_strings(model, tok, answer.query)
        assert answer.log_probs.keys() == expected.keys()
        for option, score in expected.items():
            assert answer.log_probs[option] == pytest.approx(score, abs=2e-4), option


@pytest.mark.parametrize("family", FAMILIES)
def test_what_prompts_share_is_run_once_for_these_families(checkpoints, family):
    """Else the test above would compare the reference way with itself."""
    model, tok = load(checkpoints, family)
    told = []
    asker = Asker(model, tok, prepare(tok, queries(2), batch=8), max_new_tokens=4, note=told.append)
    assert len(asker.answers(0)) == len(NAMES)
    if family in NEAR:
        assert [note for note in told if "looks back 20 tokens" in note] == told != []
    else:
        assert told == []


@pytest.mark.parametrize("family", ODD)
def test_families_that_cannot_be_continued_from_a_cache_are_asked_whole_strings(family):
    """Positions of their own, or a recurrent state: never a wrong number, only a slow one."""
    tok, told = tokenizer("bos"), []
    model = made(family, len(tok))
    asker = Asker(model, tok, prepare(tok, queries(1), batch=8), max_new_tokens=4, note=told.append)
    answers = asker.answers(0)
    (note,) = told
    assert note.startswith(type(model).__name__)
    assert "every string is run as a whole, which is slower" in note
    for answer in answers:
        assert answer.text == generated(model, tok, answer.query, 4)
        for option, score in whole_strings(model, tok, answer.query).items():
            assert answer.log_probs[option] == pytest.approx(score, abs=2e-4), option


# Training ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "checkpointing"),
    [
        *((family, True) for family in sorted(FAMILIES.keys() - {"llama_tied", *NEAR})),
        ("llama", False),
        ("gpt2", False),
    ],
)
def test_an_adapter_on_all_linear_layers_learns(checkpoints, family, checkpointing):
    """With gradient checkpointing too, where a forgotten hook leaves every gradient at zero without a word."""
    model, tok = load(checkpoints, family)
    linear = sum(type(module).__name__ in ("Linear", "Conv1D") for module in model.modules()) - 1
    source = SetRows(encode_rows(tok, LINES), tokens=400, name="text", seed=0)
    adapted = add_adapter(model, LoraConfig(rank=4), seed=0)
    config = LoopConfig(steps=8, lr=2e-2, precision="float32", gradient_checkpointing=checkpointing)
    log = train(adapted, LanguageModelling(), {"text": source}, config, pad=pad_of(tok), seed=0)
    assert log.records[-1]["text"] < 0.8 * log.records[0]["text"]
    grown = {name for name, value in adapted.named_parameters() if "lora_B" in name and bool(value.detach().any())}
    assert len(grown) == linear
    batch = collate(encode_rows(tok, LINES[:2]), range(2), pad_of(tok))
    with torch.no_grad():
        expected = predict(adapted.eval(), batch).logits
        assert torch.allclose(predict(merge_adapter(adapted), batch).logits, expected, atol=1e-3)
