"""The public functions equal whole strings run one at a time, for every family and every kind of tokenizer."""

from __future__ import annotations

import copy
import warnings
from functools import cache

import pytest
import torch
import transformers as hf
from hypothesis import given, settings
from hypothesis import strategies as st
from slowly import encoded, scored, stopping, text_of, watched, written

from random_models import FAMILIES, GROUPED, NEAR, ODD, made
from restor.errors import DataError
from restor.evaluation import EngineSettings, Request, generate, score
from restor.evaluation.ask.engine.engine import Engine
from tokenizer_kinds import KINDS, LINES, PLACES, tokenizer

KIND = "bytes"
SHOTS = "".join(LINES[:2])
OPTIONS = (" York", " York", " Y", "", " New York City", " New York", " Rome.\n", "!", " York is not the place")
"""Some are the beginnings of others, one comes twice, one is empty, one goes on behind the line."""
REQUESTS = (
    Request(f"{SHOTS}Where was Cy born?", OPTIONS),
    Request("Where was Cy born?", OPTIONS[:3]),
    # The beginning of another prompt; a prompt with its option; the same once more; and nothing to score.
    Request("Where was Cy", (" born?", " born? York")),
    Request("Where was Cy born? York", ("", " York")),
    Request("Where was Cy born?", OPTIONS[2:]),
    Request("Where was Cy born?"),
)


@cache
def model(family, kind=KIND):
    return made(family, len(tokenizer(kind)))


def check_scores(net, tok, requests, found, tolerance=2e-4):
    for request, result in zip(requests, found, strict=True):
        assert result.request is request
        prompt = encoded(tok, request.prompt)
        for option, own in zip(request.options, result.options, strict=True):
            total, count, greedy = scored(net, prompt, encoded(tok, request.prompt + option))
            if count == 0:
                assert own is None, option
                continue
            assert own.tokens == count, option
            assert own.total == pytest.approx(total, abs=tolerance), option
            assert own.greedy == greedy
            assert own.mean == own.total / count


def check_answers(net, tok, prompts, found, most):
    for prompt, result in zip(prompts, found, strict=True):
        assert result.prompt is prompt
        ids = written(net, encoded(tok, prompt), most, stopping(tok, ["\n"]))
        assert result.ids == (ids,)
        assert result.texts == (text_of(tok, ids, ["\n"]),)


# Families ------------------------------------------------------------------------------------------------------------


SOME = ("words", "bytes", "spaces", "over lines")
"""One of each way in which the end of a prompt and an option can meet; the other kinds are nightly."""


@pytest.mark.parametrize("family", sorted(FAMILIES.keys() - NEAR))
def test_every_family(family):
    net, tok = model(family), tokenizer(KIND)
    check_scores(net, tok, REQUESTS, score(net, REQUESTS, tokenizer=tok))
    prompts = [request.prompt for request in REQUESTS]
    check_answers(net, tok, prompts, generate(net, prompts, tokenizer=tok, max_new_tokens=9), 9)


@pytest.mark.parametrize("family", ODD)
def test_families_that_are_run_as_whole_strings_say_so(family):
    net, tok = model(family), tokenizer(KIND)
    with pytest.warns(UserWarning, match=rf"{type(net).__name__} .*every string is run as a whole, which is slower"):
        found = list(score(net, REQUESTS, tokenizer=tok))
    check_scores(net, tok, REQUESTS, found)
    prompts = [request.prompt for request in REQUESTS]
    with pytest.warns(UserWarning, match="as a whole"):
        answers = list(generate(net, prompts, tokenizer=tok, max_new_tokens=4))
    check_answers(net, tok, prompts, answers, 4)


@pytest.mark.parametrize("family", sorted(NEAR))
def test_requests_beyond_a_sliding_window_are_run_as_whole_strings_and_others_are_not(family, monkeypatch):
    monkeypatch.setattr(Engine, "_takes_trees", lambda _: True)  # runs some strings as wholes too
    net = model(family)
    ids = tuple(range(3, 40))
    near = [Request(ids[:12], (ids[12:15], ids[12:19])), Request(ids[3:18])]
    far = [Request(ids[1:17], (ids[17:20], ids[17:21], ids[17:30])), Request(ids, (ids[:1],))]
    requests = [near[0], far[0], near[1], far[1]]
    with watched(net) as work, pytest.warns(UserWarning, match="looks back 20 tokens, and some requests are longer"):
        found = list(score(net, requests))
    assert set(work.whole) == {request.prompt + option for request in far for option in request.options}
    assert work.tokens > 0
    for request, result in zip(requests, found, strict=True):
        for option, own in zip(request.options, result.options, strict=True):
            total, _, greedy = scored(net, request.prompt, request.prompt + option)
            assert (own.total, own.greedy) == (pytest.approx(total, abs=2e-4), greedy)
    # Without the far ones nothing is said.
    with watched(net) as work:
        assert [own.options for own in score(net, near)] == [found[0].options, found[2].options]
    assert not work.whole


@pytest.mark.parametrize("family", sorted(NEAR))
def test_answers_that_would_grow_beyond_a_sliding_window_are_run_as_whole_strings(family):
    net, tok = model(family), tokenizer(KIND)
    prompts = ["Cy?", f"{SHOTS}Cy?"]
    assert len(encoded(tok, prompts[0])) < 8
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        check_answers(net, tok, prompts[:1], generate(net, prompts[:1], tokenizer=tok, max_new_tokens=10), 10)
        assert not told
        check_answers(net, tok, prompts[:1], generate(net, prompts[:1], tokenizer=tok, max_new_tokens=40), 40)
        check_answers(net, tok, prompts, generate(net, prompts, tokenizer=tok, max_new_tokens=10), 10)
    assert [str(note.message).count("looks back 20 tokens") for note in told] == [1, 1]


def test_requests_so_long_that_all_positions_are_encoded_otherwise_are_run_as_whole_strings():
    """LongRoPE turns every token of a long row otherwise than of a short one, the first ones too."""
    rope = {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0] * 4, "long_factor": [4.0] * 4}
    given = {**GROUPED, "vocab_size": 64, "pad_token_id": 0, "original_max_position_embeddings": 32}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = hf.Phi3ForCausalLM(hf.Phi3Config(**given, rope_parameters={**rope, "factor": 8.0})).eval()
    ids = tuple(range(3, 60))
    near = [Request(ids[:27], (ids[27:30], ids[:4])), Request(ids[3:9])]
    far = [Request(ids[:27], (ids[27:40],)), Request(ids[:50], (ids[50:52], ids[:3]))]
    with pytest.warns(UserWarning, match="Phi3ForCausalLM places tokens in another way beyond 32 of them"):
        found = list(score(net, [*near, *far]))
    for request, result in zip([*near, *far], found, strict=True):
        for option, own in zip(request.options, result.options, strict=True):
            assert own.total == pytest.approx(scored(net, request.prompt, request.prompt + option)[0], abs=2e-4)
    assert list(score(net, near)) == found[:2]


@pytest.mark.parametrize("family", ["llama", "gpt2", "mistral_near"])
def test_prompts_up_to_the_context(family):
    net = model(family)
    context = 40
    net = copy.deepcopy(net)
    for name in ("max_position_embeddings", "n_positions", "seq_length"):
        if hasattr(net.config, name):
            setattr(net.config, name, context)
    ids, tok = tuple(range(3, 3 + context)), tokenizer(KIND)
    requests = [Request(ids[:-3], (ids[-3:], ids[-1:])), Request(ids[:1], (ids[1:],)), Request(ids)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for request, result in zip(requests, score(net, requests), strict=True):
            for option, own in zip(request.options, result.options, strict=True):
                total, _, greedy = scored(net, request.prompt, request.prompt + option)
                assert (own.total, own.greedy) == (pytest.approx(total, abs=2e-4), greedy)
        with pytest.raises(DataError, match=r"37 token ids.*37 tokens, 41 with what follows.*context of 40"):
            list(score(net, [requests[1], Request(ids[:-3], (ids[:4],))]))
        (answer,) = generate(net, [ids[:-5]], tokenizer=tok, max_new_tokens=5, stop=())
        assert answer.ids == (written(net, ids[:-5], 5, lambda own: own[-1] == tok.eos_token_id),)
        with pytest.raises(DataError, match=r"35 tokens, 41 with what follows.*context of 40"):
            list(generate(net, [ids[:-5]], tokenizer=tok, max_new_tokens=6))


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma2", "pythia", "gpt2"])
def test_bfloat16_says_about_the_same(family):
    net, tok = model(family), tokenizer(KIND)
    rough = copy.deepcopy(net).to(torch.bfloat16)
    for request, result in zip(REQUESTS, score(rough, REQUESTS, tokenizer=tok), strict=True):
        for option, own in zip(request.options, result.options, strict=True):
            prompt, string = encoded(tok, request.prompt), encoded(tok, request.prompt + option)
            total, count, _ = scored(net, prompt, string)
            alone = scored(rough, prompt, string)[0]
            if count:
                assert own.mean == pytest.approx(total / count, rel=0.05, abs=0.1)
                assert own.mean == pytest.approx(alone / count, rel=0.05, abs=0.1)


# Tokenizers ----------------------------------------------------------------------------------------------------------

texts = st.text(alphabet="aY or\u0301k.?\u2019 \n\t1", max_size=9)


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=() if kind in SOME else pytest.mark.nightly) for kind in KINDS],
)
@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.tuples(texts.filter(bool), st.lists(texts, max_size=5)), min_size=1, max_size=6),
    st.sampled_from(["", LINES[0], "a\n", "York"]),
    st.sampled_from([None, 1, 15, 60]),
)
def test_every_kind_of_tokenizer(kind, asked, shared, tokens):
    net, tok = model("llama", kind), tokenizer(kind)
    requests = [Request(shared + prompt, tuple(options)) for prompt, options in asked]
    given = {"tokenizer": tok, "settings": EngineSettings(tokens=tokens)}
    check_scores(net, tok, requests, score(net, requests, **given))
    prompts = [request.prompt for request in requests if encoded(tok, request.prompt)]
    check_answers(net, tok, prompts, generate(net, prompts, max_new_tokens=5, **given), 5)


@pytest.mark.parametrize("kind", ["spaces", "over lines", "unigram"])
def test_tokens_at_the_end_of_a_prompt_may_become_others_with_an_option_behind_them(kind):
    """Else the test above would prove less than it seems to."""
    tok, net = tokenizer(kind), model("llama", kind)
    lines = [f"Where was Ann Ash born? {place}" for place in PLACES]
    cuts = [(line[:size], line[size:]) for line in lines for size in range(1, len(line))]
    requests = [Request(prompt, (option, "", " x")) for prompt, option in cuts if changes(tok, prompt, option)]
    assert requests
    check_scores(net, tok, requests, score(net, requests, tokenizer=tok))


def changes(tok, prompt, option):
    ids = encoded(tok, prompt)
    return encoded(tok, prompt + option)[: len(ids)] != ids


def test_an_option_that_nothing_stands_before_has_no_score():
    net, tok = model("llama", "no beginning"), tokenizer("no beginning")
    first, second = encoded(tok, "Y"), encoded(tok, "Y is")
    assert len(first) == 1 < len(second)
    requests = [Request("", ("Y", "Y is", "")), Request((), (first, second))]
    (found, by_ids) = score(net, requests, tokenizer=tok)
    assert found.options[0] is None, "one token, and none before it"
    assert found.options[2] is None, "empty"
    assert found.options[1].tokens == len(second) - 1
    assert found.options[1].total == pytest.approx(scored(net, first, second)[0], abs=1e-4)
    assert by_ids.options[1] == found.options[1]


@pytest.mark.parametrize("kind", KINDS)
def test_token_ids_are_taken_as_they_are(kind):
    """As much as text that is tokenised before."""
    net, tok = model("llama", kind), tokenizer(kind)
    prompt = encoded(tok, "Where was Cy born?")
    options = tuple(tuple(tok(text, add_special_tokens=False)["input_ids"]) for text in (" York", " Rome.", "", "x"))
    (found,) = score(net, [Request(prompt, options)])
    for option, own in zip(options, found.options, strict=True):
        total, count, greedy = scored(net, prompt, prompt + option)
        assert count == len(option)
        if count == 0:
            assert own is None
            continue
        assert (own.total, own.tokens, own.greedy) == (pytest.approx(total, abs=1e-4), len(option), greedy)
    (by_text,) = generate(net, ["Where was Cy born?"], tokenizer=tok, max_new_tokens=6)
    (by_ids,) = generate(net, [prompt], tokenizer=tok, max_new_tokens=6)
    assert (by_ids.ids, by_ids.texts) == (by_text.ids, by_text.texts)
