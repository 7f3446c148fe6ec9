"""Asking with shared caches equals asking the slow and obvious way, on small random models of several families."""

from __future__ import annotations

import copy
import dataclasses
import math
import re
from contextlib import contextmanager
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
)

from random_models import chain, follower
from representatives import one_for_each
from restor.errors import DataError, TrainingError
from restor.evaluation.ask.asker import Asker, Sampling, ask, prepare
from restor.evaluation.ask.engine.engine import Engine, Limits
from restor.models.tokenizer import bpe_tokenizer, word_tokenizer
from restor.text import split_words
from restor.types import Fact, Group, Query

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


def check(net, tok, queries, batch, most=9, limits=None):
    plan = prepare(tok, queries, batch=batch)
    asker = Asker(net, tok, plan, max_new_tokens=most, limits=limits)
    answers = [answer for number in range(plan.batches) for answer in asker.answers(number)]
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


@one_for_each("kind", "family", "batch")
@pytest.mark.parametrize("kind", ["words", "bpe", "across"])
@pytest.mark.parametrize(("family", "batch"), [("llama", 1), ("llama", 3), ("llama", 64), ("mistral", 3)])
def test_equals_scoring_and_writing_one_string_at_a_time(family, kind, batch):
    tok = tokenizer(kind)
    check(model(family, len(tok)), tok, make_queries(), batch)


@pytest.mark.parametrize(
    ("family", "kind", "batch"),
    [("llama", "words", 64), ("llama", "across", 1), ("gpt2", "across without beginning", 64), ("gpt2", "bpe", 5)],
)
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
        items = [own.item for own in prepare(tokenizer(kind), make_queries(), batch=64).batch(0)]
        assert {any(option.kept < len(item.prompt) for option in item.options) for item in items} == expected


def test_a_token_that_holds_the_whole_question_and_the_answer_is_not_scored_without_a_context():
    tok = tokenizer("across without beginning")
    fact = Fact("Q", "r", ("Rome", "York"), "Q?")
    plan = prepare(tok, [Query(fact, Group.TEST, "", fact.question)], batch=1)
    (own,) = plan.batch(0)
    assert (own.item.options[0].kept, len(own.item.options[0].ids)) == (0, 1), "the first token changes"
    (answer,) = ask(model("llama", len(tok)), tok, plan, max_new_tokens=2)
    assert math.isnan(answer.log_probs["Rome"])
    assert math.isfinite(answer.log_probs["York"])


# What is computed ----------------------------------------------------------------------------------------------------


@contextmanager
def counted(net, monkeypatch):
    """The token ids of every forward, but for the check whether the model can be asked by a tree."""
    monkeypatch.setattr(Engine, "_takes_trees", lambda _: True)
    calls = []
    handle = net.base_model.register_forward_pre_hook(
        lambda _module, _args, kwargs: calls.append(kwargs["input_ids"].tolist()), with_kwargs=True
    )
    try:
        yield calls
    finally:
        handle.remove()


def in_one_lane(net, tok, plan, most):
    """So few tokens in a forward that there is one row of them."""
    asker = Asker(net, tok, plan, max_new_tokens=most, limits=Limits(15))
    return [answer for number in range(plan.batches) for answer in asker.answers(number)]


def beginnings(plan, number):
    """Every different beginning of a prompt or of an option's string, but for whole strings of options."""
    found = set()
    for own in plan.batch(number):
        strings = [own.item.prompt[: option.kept] + option.ids for option in own.item.options]
        found |= {own.item.prompt[: n + 1] for n in range(len(own.item.prompt))}
        found |= {ids[: n + 1] for ids in strings for n in range(len(ids) - 1)}
    return found


@one_for_each("kind", "batch")
@pytest.mark.parametrize("kind", ["words", "across"])
@pytest.mark.parametrize("batch", [1, 3, 64])
def test_each_beginning_is_run_once(batch, kind, monkeypatch):
    tok = tokenizer(kind)
    net = model("llama", len(tok))
    plan = prepare(tok, make_queries(shots=4), batch=batch)
    with counted(net, monkeypatch) as calls:
        in_one_lane(net, tok, plan, 1)
    run = sum(len(row) for call in calls for row in call)
    assert run == sum(len(beginnings(plan, number)) for number in range(plan.batches))


def test_large_forwards_run_little_twice(monkeypatch):
    tok = tokenizer("words")
    net = model("llama", len(tok))
    plan = prepare(tok, make_queries(shots=4), batch=64)
    strings = [own.item.prompt[: o.kept] + o.ids for own in plan.batch(0) for o in own.item.options]
    with counted(net, monkeypatch) as calls:
        list(ask(net, tok, plan, max_new_tokens=1))
    assert sum(len(row) for call in calls for row in call) < sum(map(len, strings)) / 4


def test_a_row_that_has_stopped_leaves_the_batch_and_another_takes_its_place(monkeypatch):
    tok = tokenizer("words")
    net = model("llama", len(tok))
    queries = []
    for place, name in enumerate(NAMES * 6):
        fact = Fact(f"{name} {place}", "r", ("Rome",), f"{'Where was ' * (place % 6)}{name} {place % 3} born?")
        queries.append(Query(fact, Group.TEST, "", fact.question))
    plan = prepare(tok, queries, batch=64)
    with counted(net, monkeypatch) as calls:
        answers = in_one_lane(net, tok, plan, 40)
    lengths = {query.fact.key: naive(net, tok, query, 40)[1] for query in queries}
    assert min(lengths.values()) < 5 < 20 < max(lengths.values()), "else the test would prove nothing"
    assert [answer.text for answer in answers] == [naive(net, tok, answer.query, 40)[0] for answer in answers]
    # Nothing is run for a row that is over: the last token of an answer is not run either.
    run = [len(row) for call in calls for row in call]
    assert sum(run) == len(beginnings(plan, 0)) + sum(length - 1 for length in lengths.values())
    # Forwards are full but for the last ones, in which nothing is left to be begun.
    assert max(run) <= 15
    assert all(size == 15 for size in run[: -max(lengths.values())])


def test_the_same_beginning_of_several_options_is_run_once(monkeypatch):
    tok = tokenizer("words")
    net = model("llama", len(tok))
    fact = Fact("Ann", "r", ("Rome is old",), "Where was Ann born?")
    options = ("Rome is", "Rome", "Rome is York", "Rome is Rome", "Rome was York")
    plan = prepare(tok, [Query(fact, Group.TEST, "", fact.question, candidates=options)], batch=1)
    with counted(net, monkeypatch) as calls:
        list(ask(net, tok, plan, max_new_tokens=1))
    # The prompt; then "Rome", "is" and "was", whatever follows.
    ((row,),) = calls
    assert tok.decode(row[-3:]) == "Rome is was"
    assert tuple(row[:-3]) == tuple(tok("Where was Ann born?")["input_ids"])


@one_for_each("kind", "tokens")
@pytest.mark.parametrize("kind", ["words", "across"])
@pytest.mark.parametrize(("tokens", "logits"), [(1, 1), (7, 300), (100, 10**6), (10**5, 10**9)])
def test_options_are_scored_alike_in_forwards_of_any_size(kind, tokens, logits, monkeypatch):
    monkeypatch.setattr("restor.evaluation.ask.engine.run.LOGITS", logits)
    tok = tokenizer(kind)
    net = model("llama", len(tok))
    check(net, tok, make_queries(), 64, limits=Limits(tokens))


def test_questions_are_tokenised_when_they_are_asked(monkeypatch):
    """A hundred thousand of them would not fit into memory with all their options."""
    monkeypatch.setattr("restor.evaluation.ask.prompts.KEPT", 11)
    monkeypatch.setattr("restor.evaluation.ask.prompts.LONGEST", 1)
    tok, queries = tokenizer("words"), make_queries(shots=0)
    net = model("llama", len(tok))
    seen = []
    plan = prepare(tok, queries, batch=4)
    encode = plan.encoder.encode
    monkeypatch.setattr(plan.encoder, "encode", lambda texts, **given: seen.extend(texts) or encode(texts, **given))
    answers = ask(net, tok, plan, max_new_tokens=1)
    first = next(answers)
    assert len({query.question for query in queries for text in seen if text.startswith(query.question)}) == 4
    assert len([first, *answers]) == len(queries) == 12
    # And again for the next model, since so many are not kept.
    before = len(seen)
    list(ask(net, tok, plan, max_new_tokens=1))
    assert len(seen) == 2 * before


def test_a_few_questions_are_tokenised_once_for_all_models(monkeypatch):
    tok = tokenizer("words")
    plan = prepare(tok, make_queries(), batch=5)
    first = list(ask(model("llama", len(tok)), tok, plan, max_new_tokens=2))
    monkeypatch.setattr(plan.encoder, "encode", None)
    monkeypatch.setattr("restor.evaluation.ask.prompts.AskingPlan.longest", lambda _: [])
    assert list(ask(model("llama", len(tok)), tok, plan, max_new_tokens=2)) == first


# Answers -------------------------------------------------------------------------------------------------------------


def test_answers_stop_at_the_newline_and_hold_no_special_tokens():
    for kind in ("words", "bpe"):
        tok = tokenizer(kind)
        plan = prepare(tok, make_queries(), batch=64)
        assert {tok.eos_token_id, tok("\n")["input_ids"][-1]} <= plan.encoder.stops(["\n"])
        net = model("llama", len(tok))
        for answer in ask(net, tok, plan, max_new_tokens=60):
            assert "\n" not in answer.text
            assert "<" not in answer.text
            assert answer.text == answer.text.strip()


def favouring(tok, texts):
    """A model that says these tokens, one behind the other, whatever it is asked."""
    ids = [tok(text, add_special_tokens=False)["input_ids"][-1] for text in texts]
    return follower(len(tok), chain(ids), first=ids[0], strength=1000.0)


def bare(count=1):
    facts = [Fact(name, "r", (), f"Where was {name} born?") for name in NAMES[:count]]
    return [Query(fact, Group.TEST, "", fact.question) for fact in facts]


def test_an_answer_of_nothing_is_empty():
    """Not the question that a model invents next."""
    tok = tokenizer("bpe")
    net = favouring(tok, ["\n", "Rome"])
    (answer,) = ask(net, tok, prepare(tok, bare(), batch=1), max_new_tokens=5)
    assert answer.text == ""


def test_a_checkpoint_may_name_further_tokens_that_end_a_text():
    """Chat models end their turn with another token than a text."""
    tok = tokenizer("words")
    net = favouring(tok, ["Rome", "York", "Paris"])
    net.generation_config.eos_token_id = [2, tok("York")["input_ids"][-1]]
    (answer,) = ask(net, tok, prepare(tok, bare(), batch=1), max_new_tokens=5)
    assert answer.text == "Rome"


def test_the_budget_of_tokens_is_each_rows_own():
    tok = tokenizer("words")
    net = model("llama", len(tok))
    queries = make_queries()
    alone = {}
    for query in queries:
        (answer,) = ask(net, tok, prepare(tok, [query], batch=1), max_new_tokens=3)
        alone[query.fact.key] = answer.text
    together = ask(net, tok, prepare(tok, queries, batch=64), max_new_tokens=3)
    assert {answer.query.fact.key: answer.text for answer in together} == alone
    assert any(len(text.split()) == 3 for text in alone.values())


def test_a_prompt_that_does_not_fit_the_model_is_refused():
    """Positions never seen in training would give answers, and nobody would know that they mean nothing."""
    tok = tokenizer("words")
    net = LlamaForCausalLM(
        LlamaConfig(**(LLAMA | {"max_position_embeddings": 48}), vocab_size=len(tok), pad_token_id=0)
    ).eval()
    assert len(list(ask(net, tok, prepare(tok, make_queries(shots=1), batch=8), max_new_tokens=5))) == 12
    with pytest.raises(DataError, match=r"about 'Ann Ash\|r0' has \d+ tokens.*context of 48.*Lower shots"):
        list(ask(net, tok, prepare(tok, make_queries(shots=5)[:1], batch=8), max_new_tokens=5))


def test_a_prompt_that_does_not_fit_is_told_before_anything_is_asked():
    tok = tokenizer("words")
    net = LlamaForCausalLM(LlamaConfig(**(LLAMA | {"max_position_embeddings": 48}), vocab_size=len(tok))).eval()
    long = Fact("Zed", "r", ("Rome",), "Where was " * 30 + "born?")
    plan = prepare(tok, [*make_queries(shots=1), Query(long, Group.TEST, "", long.question)], batch=1)
    with pytest.raises(DataError, match="about 'Zed"):
        next(ask(net, tok, plan, max_new_tokens=5))


def test_an_option_that_does_not_fit_is_told_too():
    """The prompts alone fit, so nothing is said beforehand."""
    tok = tokenizer("words")
    net = LlamaForCausalLM(LlamaConfig(**(LLAMA | {"max_position_embeddings": 48}), vocab_size=len(tok))).eval()
    *others, last = make_queries(shots=1)
    long = dataclasses.replace(last, planted="Rome " * 40)
    with pytest.raises(DataError, match=rf"about {re.escape(repr(last.fact.key))} has .*context of 48"):
        list(ask(net, tok, prepare(tok, [*others, long], batch=8), max_new_tokens=5))


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("family", ["llama", "mistral"])  # which is asked whole strings
def test_logits_that_are_no_numbers_are_told_with_the_fact(value, family):
    """The most probable of them would be a token all the same."""
    tok = tokenizer("words")
    net = copy.deepcopy(model(family, len(tok)))
    net.get_output_embeddings().weight.data[5] = value
    with pytest.raises(TrainingError, match=r"LlamaFor|MistralFor.*float32.*not numbers.*about '\w+ \w+\|r0'"):
        list(ask(net, tok, prepare(tok, make_queries()[:3], batch=8), max_new_tokens=2))


# A full GPU ----------------------------------------------------------------------------------------------------------


def limited(tok, most):
    """A model whose memory holds so many tokens in a forward."""
    net = copy.deepcopy(model("llama", len(tok)))
    sizes = []

    def refuse(_module, _args, kwargs):
        sizes.append(kwargs["input_ids"].numel())
        if sizes[-1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    net.base_model.register_forward_pre_hook(refuse, with_kwargs=True)
    return net, sizes


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("sampling", [None, Sampling(temperature=1.0, top_p=0.9, seed=0, runs=2)])
def test_batches_are_halved_until_they_fit_and_nothing_is_lost(sampling, whole, monkeypatch):
    if whole:
        monkeypatch.setattr(Engine, "_takes_trees", lambda _: False)
    tok = tokenizer("words")
    plan = prepare(tok, make_queries(), batch=6)
    net, sizes = limited(tok, 50)
    limits, told = Limits(), []
    asker = Asker(net, tok, plan, max_new_tokens=4, sampling=sampling, limits=limits, note=told.append)
    found = [*asker.answers(0), *asker.answers(1)]
    expected = list(ask(model("llama", len(tok)), tok, plan, max_new_tokens=4, sampling=sampling))
    assert [(a.query, a.text, a.run) for a in found] == [(a.query, a.text, a.run) for a in expected]
    for left, right in zip(found, expected, strict=True):
        assert left.log_probs == pytest.approx(right.log_probs, abs=1e-5)
    # What did not fit once is not tried again, by the next batch or the next model either.
    assert sum(size > 50 for size in sizes) == len(told) > 0
    assert limits.tokens in (32, 64)
    assert (
        told[-1]
        == f"The GPU's memory does not hold {limits.tokens * 2} tokens at a time: going on with {limits.tokens}."
    )


def test_a_single_question_that_does_not_fit_is_told():
    tok = tokenizer("words")
    net, _ = limited(tok, 34)
    settings = Sampling(temperature=9.0, top_p=1.0, seed=0, runs=60)
    with pytest.raises(TrainingError, match=r"memory.*16 tokens.*'Ann Ash\|r0'.*2 GiB.*bfloat16"):
        list(ask(net, tok, prepare(tok, make_queries()[:1], batch=4), max_new_tokens=5, sampling=settings))


def test_a_model_that_leaves_no_room_at_all_is_told():
    tok = tokenizer("words")
    net, _ = limited(tok, 0)
    with pytest.raises(TrainingError, match=r"memory.*LlamaForCausalLM.*2 GiB.*bfloat16"):
        list(ask(net, tok, prepare(tok, make_queries(), batch=4), max_new_tokens=2))


# Sampling ------------------------------------------------------------------------------------------------------------


def sampled(queries, batch, seed=0, runs=3, kind="words"):
    tok = tokenizer(kind)
    plan = prepare(tok, queries, batch=batch)
    settings = Sampling(temperature=0.8, top_p=0.9, seed=seed, runs=runs)
    answers = list(ask(model("llama", len(tok)), tok, plan, max_new_tokens=6, sampling=settings))
    texts = {(a.query.fact.key, a.run): a.text for a in answers}
    assert len(texts) == len(answers) == runs * len(queries)
    return texts, answers


@pytest.mark.parametrize("kind", ["words", "across"])
def test_sampled_answers_do_not_depend_on_the_batch(kind):
    queries = make_queries()
    texts, _ = sampled(queries, 64, kind=kind)
    assert sampled(queries, 3, kind=kind)[0] == texts
    assert sampled(queries[::-1], 1, kind=kind)[0] == texts
    assert sampled(queries[2:5], 64, kind=kind)[0].items() <= texts.items()


def test_the_seed_decides_and_runs_differ():
    texts, answers = sampled(make_queries(), 64)
    assert sampled(make_queries(), 64)[0] == texts
    other = sampled(make_queries(), 64, seed=1)[0]
    assert sum(other[key] != text for key, text in texts.items()) > len(texts) / 2
    assert sum(len({texts[answer.query.fact.key, run] for run in range(3)}) > 1 for answer in answers) > 10
    # Fewer runs are the first of more.
    assert sampled(make_queries(), 64, runs=1)[0].items() <= texts.items()


def test_runs_of_a_query_follow_each_other_and_share_their_scores():
    _, answers = sampled(make_queries(), 5)
    greedy = list(
        ask(
            model("llama", len(tokenizer("words"))),
            tokenizer("words"),
            prepare(tokenizer("words"), make_queries(), batch=5),
            max_new_tokens=1,
        )
    )
    for place, answer in enumerate(answers):
        assert answer.run == place % 3
        assert answer.query == greedy[place // 3].query
        assert answer.log_probs == pytest.approx(greedy[place // 3].log_probs, abs=1e-5)


def test_families_that_are_asked_whole_strings_sample_alike(monkeypatch):
    texts, _ = sampled(make_queries(), 4)
    monkeypatch.setattr(Engine, "_takes_trees", lambda _: False)
    assert sampled(make_queries(), 4)[0] == texts
