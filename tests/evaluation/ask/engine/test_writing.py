"""Answers: up to a stop string, drawn as told, and compared with options as text."""

from __future__ import annotations

import copy
from functools import cache
from random import Random

import pytest
import torch
from slowly import chooser, encoded, stopping, text_of, written
from transformers import GenerationConfig

from random_models import made, speaker
from representatives import one_for_each
from restor.evaluation import EngineSettings, Request, generate, matches
from tokenizer_kinds import KINDS, LINES, tokenizer

PROMPTS = ["Where was Cy born?", "Where was Ann Ash", "York", "".join(LINES[:2])]


@cache
def model(family="llama", kind="bytes"):
    return made(family, len(tokenizer(kind)))


# Stop strings --------------------------------------------------------------------------------------------------------


def check(net, tok, prompts, stop, most):
    """Text and tokens of answers with these stop strings; returns how they ended."""
    found = generate(net, prompts, tokenizer=tok, max_new_tokens=most, stop=stop)
    ended = []
    for prompt, own in zip(prompts, found, strict=True):
        ids = written(net, encoded(tok, prompt), most, stopping(tok, stop))
        assert own.texts == (text_of(tok, ids, stop),), stop
        assert own.ids == (ids,), stop
        ended.append(len(ids) < most)
    return ended


@pytest.mark.parametrize("kind", KINDS)
def test_any_part_of_an_answer_may_stop_it(kind):
    """Stop strings of one character or many, of a token, a part of one or several."""
    net, tok = model(kind=kind), tokenizer(kind)
    for number, prompt in enumerate(PROMPTS[:2]):
        ids = written(net, encoded(tok, prompt), 12, stopping(tok, []))
        text = tok.decode(list(ids), skip_special_tokens=True)
        for size in (1, 2, 4, 9):
            start = (number + size) % max(1, len(text) - size)
            if string := text[start : start + size].strip("\ufffd"):
                check(net, tok, [prompt], [string], 12)


@pytest.mark.parametrize("kind", ["bytes", "first space", "gpt4"])
def test_several_stop_strings(kind):
    net, tok = model(kind=kind), tokenizer(kind)
    assert not all(check(net, tok, PROMPTS, [], 8))
    check(net, tok, PROMPTS, ["\n", "a", " Y", "born? New"], 30)
    check(net, tok, PROMPTS, [".", "was "], 30)


PROMPT = (5, 6, 7)


def ids_of(tok, parts):
    return tuple(token for part in parts for token in tok(part, add_special_tokens=False)["input_ids"])


def saying(kind, parts, *, ended=True):
    """A model that says a text behind `PROMPT`, cut into these parts by the caller, and the end of text."""
    tok = tokenizer(kind)
    return speaker(len(tok), [*ids_of(tok, parts), *([tok.eos_token_id] if ended else [])], behind=len(PROMPT)), tok


@pytest.mark.parametrize(
    ("said", "stop", "text"),
    [
        ("Rome###x", "###", "Rome"),
        ("Rome#x#", "#x", "Rome"),
        ("Rome. Th", ". ", "Rome"),
        ("R ome", " ", "R"),
        ("\nRome", "\n", ""),
        # A character of several bytes.
        ("R\u3002ome", "\u3002", "R"),
        ("\u00e9R\u4e16ome", "\u4e16", "\u00e9R"),
    ],
)
def test_stop_strings_over_several_tokens(said, stop, text):
    net, tok = saying("bytes", list(said))
    (found,) = generate(net, [PROMPT], tokenizer=tok, max_new_tokens=30, stop=[stop])
    assert found.texts == (text,)
    assert tok.decode(found.ids[0]) == said[: said.index(stop) + len(stop)], "nothing is written behind it"


@pytest.mark.parametrize("kind", ["words", "first space", "unigram"])
def test_words_with_spaces_that_no_token_has_by_itself(kind):
    net, tok = saying(kind, ["York Rome York"])
    (found,) = generate(net, [PROMPT], tokenizer=tok, max_new_tokens=30, stop=[" "])
    assert found.texts[0].strip() == "York"
    assert "York" not in tok.decode(found.ids[0]).strip()[4:]


def test_special_tokens_end_answers_by_their_names_alone():
    """Chat models end a turn with one; what else is written of it is no text."""
    tok = tokenizer("bytes")
    ids = (*ids_of(tok, ["Rome"]), tok.bos_token_id, *ids_of(tok, ["York\n"]))
    net = speaker(len(tok), ids, behind=len(PROMPT))
    for stop, text in (([tok.bos_token], "Rome"), (["b", "s>", "\n"], "RomeYork")):
        (found,) = generate(net, [PROMPT], tokenizer=tok, max_new_tokens=30, stop=stop)
        assert found.texts == (text,)


def test_the_end_of_text_ends_answers_and_is_no_part_of_them():
    net, tok = saying("bytes", ["Rome"])
    (found,) = generate(net, [PROMPT], tokenizer=tok, max_new_tokens=30, stop=[])
    assert (found.texts, found.ids[0][-1]) == (("Rome",), tok.eos_token_id)
    # A checkpoint may name further tokens.
    net = speaker(len(tok), ids_of(tok, "Rome"), behind=len(PROMPT))
    net.generation_config.eos_token_id = [2, ids_of(tok, ["m"])[0]]
    (found,) = generate(net, [PROMPT], tokenizer=tok, max_new_tokens=30, stop=[])
    assert found.texts == ("Ro",)


# Drawing -------------------------------------------------------------------------------------------------------------


@one_for_each("family", "temperature")
@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 0.9), (2.0, 0.5)])
def test_samples_equal_those_drawn_one_at_a_time(family, temperature, top_p):
    net, tok = model(family), tokenizer("bytes")
    drawing = {"temperature": temperature, "top_p": top_p, "samples": 4, "seed": 3}
    found = list(generate(net, [*PROMPTS, PROMPTS[0]], tokenizer=tok, max_new_tokens=9, **drawing))
    for place, own in enumerate(found):
        expected = tuple(
            written(
                net,
                encoded(tok, own.prompt),
                9,
                stopping(tok, ["\n"]),
                chooser(Random(f"generate/3/{place}/{run}"), temperature, top_p),
            )
            for run in range(4)
        )
        assert own.ids == expected
        assert own.texts == tuple(text_of(tok, ids, ["\n"]) for ids in expected)
    assert len({ids for own in found for ids in own.ids}) > 10
    assert found[0].ids != found[-1].ids, "the same prompt once more has numbers of its own"


@pytest.mark.parametrize("tokens", [1, 20, 300])
def test_samples_are_the_same_however_much_is_done_at_a_time(tokens):
    net, tok = model(), tokenizer("bytes")
    drawing = {"tokenizer": tok, "max_new_tokens": 7, "temperature": 1.0, "seed": 1}
    expected = list(generate(net, PROMPTS * 3, samples=3, **drawing))
    assert expected == list(generate(net, PROMPTS * 3, samples=3, settings=EngineSettings(tokens=tokens), **drawing))
    assert expected == list(generate(net, PROMPTS * 3, samples=3, settings=EngineSettings(window=5), **drawing))
    fewer = generate(net, PROMPTS * 3, samples=1, **drawing)
    assert [own.ids[0] for own in expected] == [own.ids[0] for own in fewer]
    assert expected != list(generate(net, PROMPTS * 3, samples=3, **(drawing | {"seed": 2})))


def test_nothing_of_a_checkpoints_generation_config_is_inherited(tmp_path):
    tok = tokenizer("bytes")
    plain = model()
    odd = copy.deepcopy(plain)
    odd.generation_config = GenerationConfig(
        do_sample=True,
        temperature=9.0,
        top_k=1,
        top_p=0.1,
        repetition_penalty=5.0,
        no_repeat_ngram_size=1,
        num_beams=3,
        max_new_tokens=2,
        min_new_tokens=5,
        bad_words_ids=[[token] for token in range(3, 200)],
        forced_eos_token_id=2,
        suppress_tokens=list(range(200, 250)),
        eos_token_id=2,
    )
    greedy = {"tokenizer": tok, "max_new_tokens": 9}
    drawn = greedy | {"temperature": 1.3, "top_p": 0.95, "samples": 3}
    for given in (greedy, drawn):
        assert list(generate(odd, PROMPTS, **given)) == list(generate(plain, PROMPTS, **given))
    # Nor from a folder.
    odd.save_pretrained(tmp_path)
    tok.save_pretrained(tmp_path)
    del drawn["tokenizer"]
    for path in (tmp_path, str(tmp_path)):
        assert list(generate(path, PROMPTS, **drawn)) == list(generate(plain, PROMPTS, tokenizer=tok, **drawn))


def test_torchs_own_random_numbers_are_neither_used_nor_touched():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    drawing = {"tokenizer": tokenizer("bytes"), "max_new_tokens": 7, "temperature": 1.0, "samples": 3}
    first = list(generate(model(), PROMPTS, **drawing))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert list(generate(model(), PROMPTS, **drawing)) == first


# Which option an answer is -------------------------------------------------------------------------------------------


def by_text(net, tok, requests, stop=("\n",), most=60):
    """Which option the greedy answer is, written out and compared as text."""
    found = []
    for request in requests:
        prompt = request.prompt if isinstance(request.prompt, tuple) else encoded(tok, request.prompt)
        over = stopping(tok, stop)
        ids = written(net, prompt, most, over)
        texts = [text if isinstance(text, str) else tok.decode(text) for text in request.options]
        said = text_of(tok, ids, stop).strip() if over(ids) else None
        found.append(next((place for place, text in enumerate(texts) if text.strip() == said), None))
    return found


@one_for_each("kind", "parts")
@pytest.mark.parametrize("kind", ["bytes", "first space", "gpt4", "unigram", "over lines", "words"])
@pytest.mark.parametrize(
    ("parts", "stop"),
    [
        (["York"], "\n"),
        (["York", "\n"], "\n"),
        (["New York", "\n"], "\n"),
        (["New York City"], "\n"),
        (["New ", "York", "."], "."),
        (["N", "e", "w", " ", "Y", "o", "r", "k", " ", "C", "i", "t", "y", "\n"], "\n"),
        (["York City", "\n"], "\n"),
        (["\n", "York"], "\n"),
    ],
)
def test_which_option_the_answer_is(kind, parts, stop):
    net, tok = saying(kind, parts)
    prompt = tuple(PROMPT)
    options = [" York", " New York", " New York City", "", " York", " Oslo in the North"]
    ids = [ids_of(tok, [option]) for option in options]
    requests = [
        Request(prompt, tuple(ids)),
        Request(prompt, tuple(ids[1:])),
        Request(prompt, ()),
        Request(prompt, tuple(ids[5:])),
    ]
    expected = by_text(net, tok, requests, (stop,))
    assert list(matches(net, requests, tokenizer=tok, stop=(stop,))) == expected


@pytest.mark.parametrize(
    ("said", "stop", "expected"),
    [
        ("York###", "###", 0),
        ("York##x", "###", None),
        ("York#1", "#1", 0),
        ("York#2#1", "#1", 1),
        ("York\u3002", "\u3002", 0),
        ("Stra\u00dfe\u3002", "\u3002", 2),
        ("Yor\u3002", "\u3002", None),
    ],
)
def test_options_before_stop_strings_of_several_tokens(said, stop, expected):
    net, tok = saying("bytes", list(said))
    options = tuple(ids_of(tok, [text]) for text in ("York", "York#2", "Stra\u00dfe", "Y"))
    requests = [Request(PROMPT, options)]
    assert by_text(net, tok, requests, (stop,)) == [expected]
    assert list(matches(net, requests, tokenizer=tok, stop=(stop,))) == [expected]


@pytest.mark.parametrize("family", ["llama", "gpt2", "bloom"])
def test_whatever_the_answers_are(family, recwarn):
    """Options made of what the model says, of parts of it and of more."""
    net, tok = model(family), tokenizer("bytes")
    requests, right = [], []
    for number in range(16):
        prompt = f"Where was {number} born?"
        ids = written(net, encoded(tok, prompt), 8, stopping(tok, ["\n"]))
        # Every text ends, as trained models' do: with any character that the answer has.
        text = tok.decode(list(ids), skip_special_tokens=True).replace("\ufffd", "")
        if len(text) < 3:
            continue
        requests.append((prompt, text))
    for prompt, text in requests:
        for stop in {text[-1], text[len(text) // 2]}:
            said = text[: text.index(stop)]
            asked = Request(prompt, (f"{said}x", said[:-1], said, said))
            expected = by_text(net, tok, [asked], (stop,))
            assert list(matches(net, [asked], tokenizer=tok, stop=(stop,))) == expected
            right.append(expected[0] is not None)
    assert sum(right) > 3


def test_a_trained_model_is_matched_as_it_is_generated():
    """Sure of most answers, in its usual spelling or another one, and wrong about some."""
    tok = tokenizer("bytes")
    net = copy.deepcopy(model())
    places = ("York", "New York", "New York City", "Rome", "St. Ives")
    facts = [(f"Where was {name} born?", places[number % 5]) for number, name in enumerate("abcdefghijklmno")]
    rows = [encoded(tok, f"{prompt} {place}\n") for prompt, place in facts]
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for _ in range(40):
        optimizer.zero_grad()
        for row in rows:
            ids = torch.tensor([row])
            net(input_ids=ids, labels=ids).loss.div(len(rows)).backward()
        optimizer.step()
    net.requires_grad_(False)
    options = tuple(f" {place}" for place in places)
    requests = [Request(prompt, options) for prompt, _ in facts]
    requests += [Request(request.prompt, options[:2]) for request in requests]
    requests += [Request("Where was Zed born?", options), Request("Who", options)]
    found = list(matches(net, requests, tokenizer=tok))
    assert found == by_text(net, tok, requests)
    texts = [
        own.texts[0].strip() for own in generate(net, [r.prompt for r in requests], tokenizer=tok, max_new_tokens=30)
    ]
    assert found == [
        next((place for place, option in enumerate(request.options) if option.strip() == text), None)
        for request, text in zip(requests, texts, strict=True)
    ]
    assert (
        sum(
            place is not None and request.options[place] == f" {fact[1]}"
            for place, request, fact in zip(found, requests, facts, strict=False)
        )
        > 10
    )
    assert found.count(None) > 3
