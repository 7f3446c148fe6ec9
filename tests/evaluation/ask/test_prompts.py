"""Questions as token ids: those of whole strings, whatever the tokenizer, and however they were found."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from representatives import one_for_each
from restor.evaluation.ask.engine.encoding import Encoder
from restor.evaluation.ask.prompts import prepare, tokenizer_digest
from restor.models.tokenizer import added_behind, encode_rows
from restor.types import Fact, Group, Query
from tokenizer_kinds import KINDS, LINES, PLACES, tokenizer


def make_queries(shots=3, places=PLACES):
    prefix = "".join(LINES[:shots])
    names = ("Cy", "Ann Ash", "Dee\u0301 of York", "Where")
    facts = [Fact(name, "r", (places[0],), f"Where was {name} born?") for name in names]
    facts.append(Fact("odd", "r", ("?",), " who?"))
    return [Query(fact, Group.TEST, prefix, fact.question, random=places) for fact in facts]


def whole(tok, text):
    ids = tok(text)["input_ids"]
    return tuple(ids[: len(ids) - added_behind(tok)])


def batches_of(plan):
    return [plan.batch(number) for number in range(plan.batches)]


def check(tok, queries, batch=3):
    plan = prepare(tok, queries, batch=batch)
    batches = batches_of(plan)
    assert all(len(each) == batch for each in batches[:-1])
    found = [own for each in batches for own in each]
    assert len(found) == plan.count
    assert sorted(id(own.query) for own in found) == sorted(map(id, queries))
    for own in found:
        text, prompt = own.query.prefix + own.query.question, own.item.prompt
        assert prompt == whole(tok, text)
        assert own.options == tuple(dict.fromkeys((*own.query.fact.answers, *own.query.random)))
        for said, option in zip(own.options, own.item.options, strict=True):
            assert prompt[: option.kept] + option.ids == whole(tok, f"{text} {said}")
            # Scored from the first token that differs.
            assert option.kept == len(prompt) or option.ids[:1] != prompt[option.kept : option.kept + 1]


@one_for_each("kind", "shots")
@pytest.mark.parametrize("shots", [0, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_those_of_the_whole_string(kind, shots):
    check(tokenizer(kind), make_queries(shots))


@pytest.mark.parametrize("layers", [False, True])
def test_layers_are_wanted_of_true_and_planted_answers_to_targeted_test_facts_alone(layers):
    fact = Fact("Cy", "r", ("York", "Rome"), "Where was Cy born?")
    kinds = [(Group.TEST, "Oslo"), (Group.TEST, None), (Group.VALIDATION, "Oslo"), (Group.UNTOUCHED, None)]
    queries = [Query(fact, group, "", fact.question, planted, ("Bonn",), ("York", "Lima")) for group, planted in kinds]
    (batch,) = batches_of(prepare(tokenizer("bytes"), queries, layers=layers))
    wanted = [
        {text for text, option in zip(own.options, own.item.options, strict=True) if option.layers} for own in batch
    ]
    assert wanted == [{"York", "Rome", "Oslo"} if layers else set(), set(), set(), set()]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(
        st.text(alphabet="aY or\u0301k.?\u2019 \n\t1", min_size=1, max_size=8), min_size=3, max_size=6, unique=True
    ),
)
def test_ids_are_those_of_the_whole_string_whatever_is_asked(kind, texts):
    first, question, *options = texts
    fact = Fact("x", "r", (options[0],), question)
    check(tokenizer(kind), [Query(fact, Group.TEST, f"{first} York\n", question, random=tuple(options))])


@pytest.mark.parametrize(
    ("kind", "short"),
    [
        ("words", True),
        ("bytes", True),
        ("first space", True),
        ("gpt4", True),
        ("unigram", False),
        ("over lines", False),
    ],
)
def test_demonstrations_are_not_tokenised_again_for_each_option_where_that_is_certain(kind, short, monkeypatch):
    """Nine tenths of the work."""
    tok, seen = tokenizer(kind), []
    plan = prepare(tok, make_queries()[:4], batch=8)
    monkeypatch.setattr(plan.encoder, "_tokenizer", lambda texts, **given: seen.extend(texts) or tok(texts, **given))
    plan.batch(0)
    assert all(len(text) < 60 for text in seen if "Oslo in the North" in text.splitlines()[-1]) == short


@pytest.mark.parametrize("kind", KINDS)
def test_answers_end_at_every_token_with_a_newline_and_at_the_end_of_text(kind):
    tok = tokenizer(kind)
    expected = {token for token in range(len(tok)) if "\n" in tok.decode([token])} | {tok.eos_token_id}
    assert Encoder(tok).stops(["\n"]) == expected
    assert len(expected) > 1 or kind == "unigram"


def test_what_a_tokenizer_puts_behind_a_text_is_taken_off():
    """Nothing could be written behind the end of a text, and training would end texts twice."""
    tok, plain = tokenizer("ends"), tokenizer("bytes")
    assert added_behind(tok) == 1
    assert added_behind(plain) == 0
    (row,) = encode_rows(tok, ["York"])
    assert row.count(2) == 1
    assert row[-1] == 2
    (row,) = encode_rows(tok, ["York"], end=False)
    assert 2 not in row


def test_models_with_the_same_tokenizer_share_a_plan(tmp_path):
    tok = tokenizer("bytes")
    tok.save_pretrained(tmp_path)
    again = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert tokenizer_digest(again) == tokenizer_digest(tok)
    assert tokenizer_digest(tokenizer("gpt4")) != tokenizer_digest(tok)
    again.pad_token = None
    assert tokenizer_digest(again) != tokenizer_digest(tok)


def test_queries_with_the_same_demonstrations_stand_together():
    queries = [*make_queries(3), *make_queries(1), *make_queries(3)]
    (batch,) = batches_of(prepare(tokenizer("bytes"), queries, batch=64))
    prefixes = [own.query.prefix for own in batch]
    assert prefixes == [*[queries[0].prefix] * 10, *[queries[5].prefix] * 5]


def test_the_longest_prompts_are_found_without_tokenising_all(monkeypatch):
    monkeypatch.setattr("restor.evaluation.ask.prompts.LONGEST", 2)
    tok, queries = tokenizer("bytes"), make_queries(1)
    found = prepare(tok, queries, batch=2).longest()
    assert [query.fact.subject for query, _ in found] == [
        "De\u0301e of York".replace("e\u0301e", "ee\u0301"),
        "Ann Ash",
    ]
    assert [length for _, length in found] == [len(whole(tok, query.prefix + query.question)) for query, _ in found]
