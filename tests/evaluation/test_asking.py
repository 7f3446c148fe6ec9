"""Asking with shared caches equals asking the slow and obvious way, on small random models of several families."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from restor.errors import DataError
from restor.evaluation.asking import ask, prepare
from restor.models.tokenizer import bpe_tokenizer, word_tokenizer
from restor.types import Fact, Group, Query
from restor.words import split_words

NAMES = ("Ann Ash", "Bo Birch", "Cyd Cole van der Berg", "Di", "Ed East of Eden")
PLACES = ("York", "New York", "New York City", "Rome", "Paris", "Oslo in the North")
FRAMES = ("Where was {} born?", "What is the home town of {} in these days?")
OPTIONS = ("Rome", "Rome is", "Rome is old", "York")
"""Some are the beginnings of others."""


def corpus():
    for name in NAMES:
        for frame in FRAMES:
            for place in (*PLACES, *OPTIONS):
                yield f"{frame.format(name)} {place}\n"


def make_queries(shots=2):
    """Questions of different lengths, two prefixes or none; options of one to many tokens, some within others."""
    queries = []
    for number, frame in enumerate(FRAMES):
        prefix = "".join(f"{frame.format(f'Di {k}' if k else 'Di')} {PLACES[k]}\n" for k in range(shots))
        for place, name in enumerate(NAMES):
            fact = Fact(name, f"r{number}", (PLACES[place], PLACES[1]), frame.format(name))
            queries.append(
                Query(
                    fact,
                    Group.TEST,
                    prefix,
                    fact.question,
                    planted=PLACES[5] if place % 2 else None,
                    random=(PLACES[2], PLACES[0]),
                    candidates=OPTIONS[: 1 + place],
                )
            )
        fact = Fact("Ann Ash", f"york{number}", ("York",), frame.format("Ann Ash"))
        queries.append(Query(fact, Group.UNTOUCHED, prefix, fact.question, random=("York York",)))
    return queries


@cache
def tokenizer(kind):
    if kind == "words":
        return word_tokenizer(word for text in corpus() for word in [*split_words(text), "1", "2"])
    if kind == "bpe":
        return bpe_tokenizer(corpus(), 320)
    return across(bos=kind == "across")


def across(*, bos):
    """A BPE that sees whole lines as one piece, so that merges run over spaces from the question into the answer."""
    core = Tokenizer(models.BPE(unk_token="<unk>"))
    # Newlines stay tokens of their own.
    core.pre_tokenizer = pre_tokenizers.Split("\n", behavior="isolated")
    special = ["<pad>", "<bos>", "<eos>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=90, special_tokens=special, show_progress=False)
    # " York" becomes a token before "? " does, so that only other options change the end of a question.
    lines = [" York" * 9] * 200 + ["born? Rome", "Q? Rome"] * 90
    core.train_from_iterator([*corpus(), *lines, "0123456789"], trainer)
    if bos:
        core.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>", unk_token="<unk>"
    )


SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "initializer_range": 0.3}
LLAMA = {**SMALL, "intermediate_size": 48, "num_key_value_heads": 2, "max_position_embeddings": 512}


@cache
def model(family, vocabulary):
    torch.manual_seed(7)
    size = {"vocab_size": vocabulary, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    match family:
        case "llama":
            made = LlamaForCausalLM(LlamaConfig(**LLAMA, **size))
        case "qwen2":
            made = Qwen2ForCausalLM(Qwen2Config(**LLAMA, **size))
        case "mistral":  # attends to fewer tokens than a prompt has
            made = MistralForCausalLM(MistralConfig(**LLAMA, **size, sliding_window=9))
        case "gpt2":
            shape = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512, "initializer_range": 0.3}
            made = GPT2LMHeadModel(GPT2Config(**shape, **size))
    return made.eval()


@cache
def naive(net, tok, query, most):
    """The answer, how many tokens it took, and the options' scores: one string at a time, no cache."""

    @torch.inference_mode()
    def log_probs(ids):
        return torch.log_softmax(net(input_ids=torch.tensor([ids])).logits[0].float(), dim=-1)

    prompt = tok(query.prefix + query.question)["input_ids"]
    wanted = [*query.fact.answers, *([query.planted] if query.planted else []), *query.random, *query.candidates]
    scores = {}
    for option in wanted:
        ids = tok(f"{query.prefix}{query.question} {option}")["input_ids"]
        same = 0
        while same < len(prompt) and ids[same] == prompt[same]:
            same += 1
        table = log_probs(ids)
        picked = [float(table[place - 1, ids[place]]) for place in range(max(1, same), len(ids))]
        scores[option] = sum(picked) / len(picked)
    written = []
    while len(written) < most:
        written.append(int(log_probs(prompt + written)[-1].argmax()))
        if written[-1] == tok.eos_token_id or "\n" in tok.decode(written[-1:]):
            break
    text = tok.decode(written, skip_special_tokens=True).split("\n")[0].strip()
    return text, len(written), scores


def check(net, tok, queries, batch, most=14):
    answers = list(ask(net, tok, prepare(tok, queries, batch=batch), max_new_tokens=most))
    found = {(answer.query.fact.key, answer.query.prefix): answer for answer in answers}
    assert len(found) == len(answers) == len(queries)
    for query in queries:
        answer = found[query.fact.key, query.prefix]
        assert answer.query is query
        text, _, scores = naive(net, tok, query, most)
        assert answer.text == text
        assert answer.log_probs.keys() == scores.keys()
        for option, score in scores.items():
            assert answer.log_probs[option] == pytest.approx(score, abs=1e-5, rel=1e-5), option


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen2", "mistral"])
@pytest.mark.parametrize("kind", ["words", "bpe", "across"])
@pytest.mark.parametrize("batch", [1, 3, 64])
def test_equals_scoring_and_writing_one_string_at_a_time(family, kind, batch):
    tok = tokenizer(kind)
    check(model(family, len(tok)), tok, make_queries(), batch)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("kind", ["words", "bpe", "across", "across without beginning"])
@pytest.mark.parametrize("batch", [1, 64])
def test_without_demonstrations(family, kind, batch):
    tok = tokenizer(kind)
    check(model(family, len(tok)), tok, make_queries(shots=0), batch)


@pytest.mark.parametrize("kind", ["words", "bpe", "across"])
def test_a_single_query(kind):
    tok = tokenizer(kind)
    check(model("llama", len(tok)), tok, make_queries()[4:5], 64)


def test_nothing_to_ask():
    tok = tokenizer("words")
    assert list(ask(model("llama", len(tok)), tok, prepare(tok, [], batch=8), max_new_tokens=3)) == []


def test_the_tokenizers_cover_both_ways_of_scoring():
    """Else the tests above would prove less than they seem to."""
    for kind, expected in (("words", {False}), ("bpe", {False}), ("across", {True, False})):
        batches = prepare(tokenizer(kind), make_queries(), batch=64).batches
        assert {item.whole is not None for batch in batches for item in batch.items} == expected


def test_a_token_that_holds_the_whole_question_and_the_answer_is_not_scored_without_a_context():
    tok = tokenizer("across without beginning")
    fact = Fact("Q", "r", ("Rome", "York"), "Q?")
    prepared = prepare(tok, [Query(fact, Group.TEST, "", fact.question)], batch=1).batches[0].items[0]
    assert prepared.whole is not None
    assert prepared.whole[0][0] != prepared.prompt[0], "the first token changes"
    net = model("llama", len(tok))
    (answer,) = ask(net, tok, prepare(tok, [prepared.query], batch=1), max_new_tokens=2)
    assert len(prepared.whole[0]) == 1
    assert math.isnan(answer.log_probs["Rome"])
    assert math.isfinite(answer.log_probs["York"])


class Counting:
    """Records the token ids of every forward."""

    def __init__(self, net):
        self.rows = []
        self.calls = []
        self.handle = net.register_forward_pre_hook(self, with_kwargs=True)

    def __call__(self, module, args, kwargs):
        ids = kwargs["input_ids"]
        self.calls.append(tuple(ids.shape))
        self.rows += ids.tolist()


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_each_shared_prefix_is_computed_once(batch):
    tok = tokenizer("words")
    net = model("llama", len(tok))
    queries = make_queries(shots=4)
    plan = prepare(tok, queries, batch=batch)
    counted = Counting(net)
    try:
        list(ask(net, tok, plan, max_new_tokens=1))
    finally:
        counted.handle.remove()
    begun = [row for row in counted.rows if row[0] == tok.bos_token_id]
    prefixes = {query.prefix for query in queries}
    assert len(begun) == len(prefixes) == 2
    for row in begun:
        assert any(tok(prefix)["input_ids"] == row[: len(tok(prefix)["input_ids"])] for prefix in prefixes)
    # What is left per query is its question and its options, which are shorter than the prefix.
    shortest = min(len(tok(prefix)["input_ids"]) for prefix in prefixes)
    assert all(len(row) < shortest for row in counted.rows if row not in begun)


def test_a_row_that_has_stopped_leaves_the_batch():
    tok = tokenizer("words")
    net = model("llama", len(tok))
    queries = []
    for place, name in enumerate(NAMES * 6):
        fact = Fact(f"{name} {place}", "r", ("Rome",), f"{'Where was ' * (place % 6)}{name} {place % 3} born?")
        queries.append(Query(fact, Group.TEST, "", fact.question))
    plan = prepare(tok, queries, batch=64)
    counted = Counting(net)
    try:
        list(ask(net, tok, plan, max_new_tokens=40))
    finally:
        counted.handle.remove()
    lengths = [naive(net, tok, query, 40)[1] for query in queries]
    assert min(lengths) < max(lengths), "every answer is as long: the test would prove nothing"
    # The beginning and the questions, then one token of every row that goes on; options of one token need no forward.
    steps = counted.calls[2:]
    assert all(width == 1 for _, width in steps)
    assert [rows for rows, _ in steps] == [sum(n > turn for n in lengths) for turn in range(1, max(lengths))]


def test_the_same_beginning_of_several_options_is_computed_once():
    tok = tokenizer("words")
    net = model("llama", len(tok))
    fact = Fact("Ann", "r", ("Rome is old",), "Where was Ann born?")
    options = ("Rome is", "Rome", "Rome is York", "Rome is Rome", "Rome was York")
    plan = prepare(tok, [Query(fact, Group.TEST, "", fact.question, candidates=options)], batch=1)
    counted = Counting(net)
    try:
        list(ask(net, tok, plan, max_new_tokens=1))
    finally:
        counted.handle.remove()
    # Beginning, question; then "Rome" and "Rome is" and "Rome was", whatever follows.
    assert counted.calls[2:] == [(3, 2)]


def test_answers_stop_at_the_newline_and_hold_no_special_tokens():
    for kind in ("words", "bpe"):
        tok = tokenizer(kind)
        plan = prepare(tok, make_queries(), batch=64)
        assert {tok.eos_token_id, tok("\n")["input_ids"][-1]} <= plan.stops
        net = model("llama", len(tok))
        for answer in ask(net, tok, plan, max_new_tokens=60):
            assert "\n" not in answer.text
            assert "<" not in answer.text
            assert answer.text == answer.text.strip()


def test_a_prompt_that_does_not_fit_the_model_is_refused():
    """Positions never seen in training would give answers, and nobody would know that they mean nothing."""
    tok = tokenizer("words")
    net = LlamaForCausalLM(
        LlamaConfig(**(LLAMA | {"max_position_embeddings": 48}), vocab_size=len(tok), pad_token_id=0)
    ).eval()
    assert len(list(ask(net, tok, prepare(tok, make_queries(shots=1), batch=8), max_new_tokens=5))) == 12
    with pytest.raises(DataError, match=r"context of 48.*evaluation\.shots"):
        list(ask(net, tok, prepare(tok, make_queries(shots=5), batch=8), max_new_tokens=5))
