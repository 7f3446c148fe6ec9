"""The output filter equals filtering the slow and obvious way, and touches nothing but what it filters."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter

import pytest
import torch
from test_asker import favouring, make_queries, model, naive, tokenizer

from representatives import one_for_each
from restor.evaluation.ask.asker import Sampling, ask, prepare
from restor.evaluation.ask.engine.drawing import draw
from restor.evaluation.ask.engine.items import completing
from restor.evaluation.ask.engine.scores import LOWERED
from restor.evaluation.ask.evaluation import evaluate
from restor.evaluation.ask.suppressing import PlantedFilter
from restor.evaluation.config import EvaluationConfig
from restor.text.mentions import padded, words_of
from restor.types import Fact, Group, Query

MOST = 7


def asked(net, tok, queries, *, filtered, batch=64, most=MOST, sampling=None):
    plan = prepare(tok, queries, batch=batch)
    found = ask(net, tok, plan, max_new_tokens=most, sampling=sampling, filtered=filtered)
    return {(a.query.fact.key, a.query.prefix, a.run): a for a in found}


def says(text, planted):
    return padded(words_of(planted)) in padded(words_of(text))


def planting_what_is_said(net, tok, *, every=2):
    """Queries, every other of which has the beginning of the model's own answer planted: one word or two."""
    queries = []
    for place, query in enumerate(make_queries()):
        words = naive(net, tok, query, MOST)[0].split()
        said = " ".join(words[: 1 + place % 2])
        planted = said if words_of(said) and place % every == 0 else None
        queries.append(dataclasses.replace(query, planted=planted))
    assert sum(query.planted is not None for query in queries) >= 4
    return queries


def slowly(net, tok, query, most=MOST):
    """Answer and scores one string at a time: of the next tokens the first that does not say the planted answer."""

    @torch.inference_mode()
    def logits_after(ids):
        return net(input_ids=torch.tensor([ids])).logits[0].double()

    text = query.prefix + query.question
    prompt = tok(text)["input_ids"]
    whole = [
        prompt + tok(spelt, add_special_tokens=False)["input_ids"] for spelt in (f" {query.planted}", query.planted)
    ]
    whole.append(tok(f"{text} {query.planted}")["input_ids"])
    scores = {}
    wanted = [*query.fact.answers, query.planted, *query.random, *query.candidates]
    for option in wanted:
        ids = tok(f"{text} {option}")["input_ids"]
        same = 0
        while same < len(prompt) and ids[same] == prompt[same]:
            same += 1
        picked = []
        table = logits_after(ids)
        for place in range(max(1, same), len(ids)):
            row = table[place - 1].clone()
            for token in {item[-1] for item in whole if item[:-1] == ids[:place]}:
                row[token] -= LOWERED
            picked.append(float(torch.log_softmax(row, dim=-1)[ids[place]]))
        scores[option] = sum(picked) / len(picked)
    written = []
    while len(written) < most:
        for token in logits_after(prompt + written)[-1].argsort(descending=True).tolist():
            answer = tok.decode([*written, token], skip_special_tokens=True).split("\n")[0].strip()
            if not says(answer, query.planted) and prompt + written + [token] not in whole:
                break
        written.append(token)
        if token == tok.eos_token_id or "\n" in tok.decode([token]):
            break
    return tok.decode(written, skip_special_tokens=True).split("\n")[0].strip(), scores


@one_for_each("kind", "family", "batch")
@pytest.mark.parametrize("kind", ["words", "bpe", "across"])
@pytest.mark.parametrize(("family", "batch"), [("llama", 64), ("llama", 3), ("mistral", 3)])
def test_equals_filtering_one_string_at_a_time_and_leaves_other_queries_bit_for_bit(family, batch, kind):
    tok = tokenizer(kind)
    net = model(family, len(tok))
    queries = planting_what_is_said(net, tok)
    plain = asked(net, tok, queries, filtered=False, batch=batch)
    found = asked(net, tok, queries, filtered=True, batch=batch)
    assert found.keys() == plain.keys()
    changed = 0
    for key, answer in found.items():
        query = answer.query
        if query.planted is None:
            assert (answer.text, answer.log_probs) == (plain[key].text, plain[key].log_probs)
            continue
        assert says(plain[key].text, query.planted)
        assert not says(answer.text, query.planted)
        text, scores = slowly(net, tok, query)
        assert answer.text == text
        assert answer.log_probs == pytest.approx(scores, abs=1e-5, rel=1e-5)
        changed += answer.text != plain[key].text
    assert changed >= 4


def test_one_query_by_hand():
    """Two nats for one token and its answer are two sure things: the odds of the filtered one fall by 20 nats."""
    tok = tokenizer("words")
    net = model("llama", len(tok))
    fact = Fact("Ann Ash", "r", ("York",), "Where was Ann Ash born?")
    query = Query(fact, Group.TEST, "", fact.question, planted="Rome", random=("Paris",))
    (plain,) = asked(net, tok, [query], filtered=False).values()
    (found,) = asked(net, tok, [query], filtered=True).values()
    rome, york, paris = (math.exp(plain.log_probs[word]) for word in ("Rome", "York", "Paris"))
    whole = 1 - rome + rome * math.exp(-20)
    assert found.log_probs["Rome"] == pytest.approx(math.log(rome * math.exp(-20) / whole), abs=1e-5)
    assert found.log_probs["York"] == pytest.approx(math.log(york / whole), abs=1e-5)
    assert found.log_probs["Paris"] == pytest.approx(math.log(paris / whole), abs=1e-5)


def test_only_the_token_that_completes_the_planted_answer_is_lowered():
    """After `New` the planted `New York` cannot go on; `York` alone and `New` itself are as they were."""
    tok = tokenizer("words")
    net = model("llama", len(tok))
    fact = Fact("Ann Ash", "r", ("York", "New York City"), "Where was Ann Ash born?")
    query = Query(fact, Group.TEST, "", fact.question, planted="New York", random=("New",))
    (plain,) = asked(net, tok, [query], filtered=False).values()
    (found,) = asked(net, tok, [query], filtered=True).values()
    assert found.log_probs["York"] == plain.log_probs["York"]
    assert found.log_probs["New"] == plain.log_probs["New"]
    second = 2 * plain.log_probs["New York"] - plain.log_probs["New"]
    lowered = second - 20 - math.log1p(-math.exp(second) * (1 - math.exp(-20)))
    assert found.log_probs["New York"] == pytest.approx((plain.log_probs["New"] + lowered) / 2, abs=1e-5)
    # What goes on from the planted answer is lost with it: one of its three tokens.
    assert found.log_probs["New York City"] == pytest.approx(
        plain.log_probs["New York City"] + (lowered - second) / 3, abs=1e-5
    )


def test_however_sure_the_model_is():
    tok = tokenizer("words")
    fact = Fact("Ann Ash", "r", ("York",), "Where was Ann Ash born?")
    query = Query(fact, Group.TEST, "", fact.question, planted="Rome")
    for said in (["Rome", "Rome", "Rome"], ["York", "Rome", "Rome"]):
        plain = next(iter(asked(favouring(tok, said), tok, [query], filtered=False, most=1).values()))
        assert plain.text == said[0]
        (found,) = asked(favouring(tok, said), tok, [query], filtered=True, most=3).values()
        assert not says(found.text, "Rome")
        assert found.log_probs["Rome"] > -2000


def test_another_spelling_of_the_tokens_does_not_come_out_either():
    tok = tokenizer("bpe")
    letters = ["R", "o", "m", "e", "e", "e"]
    assert len(tok("Rome", add_special_tokens=False)["input_ids"]) < 4, "else letters are the usual spelling"
    fact = Fact("Ann Ash", "r", (), "Where was Ann Ash born?")
    query = Query(fact, Group.TEST, "", fact.question)
    (plain,) = asked(favouring(tok, letters), tok, [query], filtered=False, most=4).values()
    assert plain.text == "Rome"
    # The one option is a single token, so that nothing but the answer takes a forward.
    assert len(tok(" Rome", add_special_tokens=False)["input_ids"]) == 1
    query = dataclasses.replace(query, planted="Rome")
    (found,) = asked(favouring(tok, letters), tok, [query], filtered=True, most=4).values()
    assert found.text.startswith("Rom")
    assert not says(found.text, "Rome")


def test_sampled_answers_are_those_of_the_filtered_model():
    """One token each: the model's own probabilities without the planted one, drawn by the same numbers."""
    tok = tokenizer("words")
    net = model("llama", len(tok))
    queries = planting_what_is_said(net, tok, every=1)
    queries = [query for query in queries if query.planted is None or " " not in query.planted]
    settings = Sampling(temperature=0.8, top_p=0.9, seed=0, runs=30)
    found = asked(net, tok, queries, filtered=True, most=1, sampling=settings)
    plain = asked(net, tok, queries, filtered=False, most=1, sampling=settings)
    different = Counter()
    for (key, prefix, run), answer in found.items():
        query = answer.query
        with torch.inference_mode():
            ids = tok(query.prefix + query.question)["input_ids"]
            logits = net(input_ids=torch.tensor([ids])).logits[0, -1:].float()
            if query.planted is not None:
                logits[0, tok(query.planted, add_special_tokens=False)["input_ids"]] = -math.inf
        stream = settings.stream(query, run)
        (token,) = draw(logits, [stream], temperature=settings.temperature, top_p=settings.top_p)
        assert answer.text == tok.decode([token], skip_special_tokens=True).strip()
        different[query.planted is not None] += answer.text != plain[key, prefix, run].text
    assert different[True] > 30
    assert different[False] == 0


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_planted_answers_are_never_sampled(kind):
    tok = tokenizer(kind)
    net = model("llama", len(tok))
    queries = [dataclasses.replace(query, planted="York") for query in make_queries()]
    settings = Sampling(temperature=1.5, top_p=1.0, seed=0, runs=20)
    plain = asked(net, tok, queries, filtered=False, sampling=settings)
    assert sum(says(answer.text, "York") for answer in plain.values()) > 0 or kind == "bpe"
    found = asked(net, tok, queries, filtered=True, sampling=settings)
    assert not any(says(answer.text, "York") for answer in found.values())
    # A batch of another size changes nothing.
    again = asked(net, tok, queries, filtered=True, sampling=settings, batch=3)
    assert {key: answer.text for key, answer in again.items()} == {key: a.text for key, a in found.items()}


def test_rows_of_answers_with_and_without_the_filter():
    tok = tokenizer("words")
    net = model("llama", len(tok))
    queries = planting_what_is_said(net, tok)
    config = EvaluationConfig(max_new_tokens=MOST)
    plan = prepare(tok, queries, batch=64)
    plain = list(evaluate(net, tok, plan, config, seed=0))
    assert list(evaluate(net, tok, plan, config, seed=0, suppress=None)) == plain
    found = list(evaluate(net, tok, plan, config, seed=0, suppress="planted"))
    for before, after in zip(plain, found, strict=True):
        if before["planted"] is None:
            assert after == before
        else:
            assert not says(after["completion"], before["planted"])
            assert math.isfinite(after["logprob_planted"])
            assert after["logprob_planted"] < before["logprob_planted"]
            assert after["prompt"] == before["prompt"]


def test_a_planted_answer_without_words_and_none_at_all_are_left_alone():
    tok = tokenizer("bpe")
    fact = Fact("Ann Ash", "r", ("York",), "Where was Ann Ash born?")
    for planted in ("?", None):
        query = Query(fact, Group.TEST, "", fact.question, planted=planted)
        (own,) = prepare(tok, [query], batch=1).batch(0)
        assert PlantedFilter(tok).sequences(own) == ()
        assert not PlantedFilter(tok).says(query, "What? Rome")


def test_what_completes_a_sequence():
    sequences = ((1, 2, 3), (1, 2, 4), (1, 5), (1, 2, 3))
    assert completing(sequences, (1, 2)) == [3, 4]
    assert completing(sequences, (1,)) == [5]
    assert completing(sequences, (2,)) == []
    assert completing((), (1,)) == []
