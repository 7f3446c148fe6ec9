"""What can be asked, what is refused in words, and that any number of requests is read a window at a time."""

from __future__ import annotations

import copy
import gc
import math
import tracemalloc
import weakref
from collections import deque
from functools import cache

import pytest
import torch
from slowly import encoded, scored, watched

from random_models import made, speaker
from representatives import one_for_each
from restor.errors import ConfigError, DataError, RestorError, TrainingError
from restor.evaluation import EngineSettings, OptionScore, Request, generate, matches, score
from restor.models.checkpoint import new_llama
from restor.models.lineage import new_lineage
from restor.models.model_ref import ModelRef
from saving import save_checkpoint
from tokenizer_kinds import tokenizer

TOK = tokenizer("bytes")


@cache
def model(family="llama"):
    return made(family, len(TOK))


REQUESTS = [
    Request("Where was Cy born?", (" York", " Rome")),
    Request("Who?", ()),
    Request("Where was Ann", (" Ash", "")),
    Request("Where was Cy born?", (" Rome",)),
]


# Models --------------------------------------------------------------------------------------------------------------


def test_a_model_may_be_given_as_a_folder_or_a_reference(tmp_path):
    net = new_llama(tokenizer=TOK, hidden=32, intermediate=48, layers=2, heads=2, context=64, seed=0)
    save_checkpoint(net, TOK, tmp_path, new_lineage(stage="clean", config={}, seed=0, parents={}, data={}))
    expected = list(score(net.eval(), REQUESTS, tokenizer=TOK))
    for given in (tmp_path, str(tmp_path), ModelRef(path=str(tmp_path), dtype="float32")):
        found = list(score(given, REQUESTS))
        for own, other in zip(found, expected, strict=True):
            assert own.request is other.request
            for left, right in zip(own.options, other.options, strict=True):
                if right is None:
                    assert left is None
                    continue
                assert (left.tokens, left.greedy) == (right.tokens, right.greedy)
                assert left.total == pytest.approx(right.total, abs=1e-4)
    (text,) = generate(tmp_path, ["Where"], max_new_tokens=4)
    assert text == next(generate(net, ["Where"], tokenizer=TOK, max_new_tokens=4))
    assert list(matches(tmp_path, REQUESTS)) == list(matches(net, REQUESTS, tokenizer=TOK))
    with pytest.raises(RestorError, match="nowhere"):
        list(score(tmp_path / "nowhere", REQUESTS))


def test_a_model_in_memory_is_left_as_it_was():
    net = copy.deepcopy(model())
    before = copy.deepcopy(net.state_dict())
    list(score(net, REQUESTS, tokenizer=TOK))
    list(generate(net, ["Who?"], tokenizer=TOK, max_new_tokens=3))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert torch.is_grad_enabled()


# What is refused -----------------------------------------------------------------------------------------------------


def test_text_needs_a_tokenizer_and_token_ids_do_not():
    ids = [Request((5, 6, 7), ((8,), (9, 10)))]
    (found,) = score(model(), ids)
    assert [own.tokens for own in found.options] == [1, 2]
    for asked in (
        lambda: score(model(), REQUESTS),
        lambda: generate(model(), ["Who?"], max_new_tokens=3),
        lambda: generate(model(), [(5, 6)], max_new_tokens=3),
        lambda: matches(model(), ids),
    ):
        with pytest.raises(ConfigError, match=r"no tokenizer.*tokenizer=\.\.\."):
            list(asked())


@pytest.mark.parametrize(
    "request_", [Request("Who?", ((5, 6),)), Request((5, 6), (" York",)), Request("a", ("b", (5,)))]
)
def test_a_request_is_text_or_token_ids(request_):
    with pytest.raises(DataError, match=r"text and token ids.*one of the two"):
        list(score(model(), [REQUESTS[0], request_], tokenizer=TOK))


def test_both_kinds_of_requests_may_be_asked_together():
    by_ids = Request(encoded(TOK, "Where was Cy born?"), (tuple(TOK(" York", add_special_tokens=False)["input_ids"]),))
    found = list(score(model(), [by_ids, *REQUESTS, by_ids], tokenizer=TOK))
    assert found[0].options == found[-1].options == found[1].options[:1]
    texts = list(generate(model(), [by_ids.prompt, "Where was Cy born?"], tokenizer=TOK, max_new_tokens=4))
    assert texts[0].texts == texts[1].texts


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens 0: 1 or more"),
        ({"temperature": 0.0}, "temperature 0.0: above 0"),
        ({"temperature": -1.0}, "temperature -1.0"),
        ({"temperature": math.nan}, "temperature nan"),
        ({"temperature": math.inf}, "temperature inf"),
        ({"temperature": 1.0, "top_p": 0.0}, r"top_p 0.0: above 0 and at most 1"),
        ({"temperature": 1.0, "top_p": 1.5}, "top_p 1.5"),
        ({"samples": 0}, "samples 0: 1 or more"),
        ({"samples": 2}, "samples 2 without a temperature"),
        ({"stop": "\n"}, r"stop '\\n': several strings"),
        ({"stop": ("a", "")}, r"stop \('a', ''\): several strings, none of them empty"),
    ],
)
def test_drawing_that_makes_no_sense(wrong, told):
    """Told by the call itself, not when the first result is wanted."""
    with pytest.raises(ConfigError, match=f"generate cannot take {told}"):
        generate(model(), ["Who?"], tokenizer=TOK, **({"max_new_tokens": 3} | wrong))


@pytest.mark.parametrize("stop", ["\n", ("",)])
def test_stop_strings_that_make_no_sense_for_matches(stop):
    with pytest.raises(ConfigError, match="matches cannot take stop"):
        matches(model(), REQUESTS, tokenizer=TOK, stop=stop)


@pytest.mark.parametrize("wrong", [{"tokens": 0}, {"window": 0}, {"token": 5}])
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        EngineSettings(**wrong)


def test_a_request_that_does_not_fit_is_named_before_any_of_its_window_is_asked():
    net = speaker(len(TOK), (5,), behind=1, context=24)
    long = Request("Where was the very long-winded Ann Ash born?", (" York",))
    asked = [Request("Who?", (" York",))] * 5 + [long]
    with (
        watched(net) as work,
        pytest.raises(
            DataError,
            match=r"'Where was the very long-winded Ann Ash born\?' has \d+ tokens, \d+ .*context of 24.*Shorten",
        ),
    ):
        next(score(net, asked, tokenizer=TOK))
    assert not work.forwards
    with pytest.raises(DataError, match=r"'Where was the very.*context of 24"):
        list(generate(net, ["Who?", long.prompt], tokenizer=TOK, max_new_tokens=1))
    with pytest.raises(DataError, match=r"'Where was the very.*context of 24"):
        list(matches(net, [long], tokenizer=TOK))


def test_which_option_an_answer_is_needs_no_more_room_than_the_options():
    """And one token, since the answer has to begin; where it does not end within the context, it is none of them."""
    prompt, option = tuple(range(5, 35)), tuple(TOK("York", add_special_tokens=False)["input_ids"])
    for more, expected in ((0, None), (1, 0), (2, 0)):
        net = speaker(len(TOK), (*option, TOK.eos_token_id), behind=30, context=30 + len(option) + more)
        assert list(matches(net, [Request(prompt, (option,))], tokenizer=TOK)) == [expected]
    with pytest.raises(DataError, match="context of 31"):
        list(matches(speaker(len(TOK), (5,), behind=1, context=31), [Request(prompt, (option,))], tokenizer=TOK))


def test_nothing_can_be_written_behind_nothing():
    bare = tokenizer("no beginning")
    net = made("llama", len(bare))
    for asked in (
        lambda: generate(net, ["Who?", ""], tokenizer=bare, max_new_tokens=3),
        lambda: generate(net, [()], tokenizer=bare, max_new_tokens=3),
        lambda: matches(net, [Request("", ("York",))], tokenizer=bare),
    ):
        with pytest.raises(DataError, match=r"no token.*nothing to write behind"):
            list(asked())
    # A tokenizer that begins texts gives it something.
    (found,) = generate(model(), [""], tokenizer=TOK, max_new_tokens=3, stop=())
    assert len(found.ids[0]) == 3 or found.ids[0][-1] == TOK.eos_token_id


@one_for_each("family", "value")
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("family", ["llama", "gpt2", "bloom"])
@pytest.mark.filterwarnings("ignore:.*as a whole")
def test_logits_that_are_no_numbers_name_the_request(family, value):
    net = copy.deepcopy(model(family))
    net.get_output_embeddings().weight.data[5] = value
    kind = rf"{type(net).__name__}, float32.*not numbers.*'Where was Cy born\?'.*damaged"
    with pytest.raises(TrainingError, match=kind):
        list(score(net, REQUESTS[:1], tokenizer=TOK))
    for drawing in ({}, {"temperature": 1.0}):
        with pytest.raises(TrainingError, match=kind):
            list(generate(net, ["Where was Cy born?"], tokenizer=TOK, max_new_tokens=3, **drawing))


def test_only_the_request_that_is_no_number_is_named():
    """One token whose state is broken, in one prompt of many."""
    net = copy.deepcopy(made("llama", len(TOK)))
    (odd,) = TOK("%", add_special_tokens=False)["input_ids"]
    net.get_input_embeddings().weight.data[odd] = math.nan
    asked = [Request(f"Where was {name} born?", (" York", " Rome")) for name in ("Ann", "Bo", "C%y", "Di")]
    with pytest.raises(TrainingError, match="Where was C%y born"):
        list(score(net, asked, tokenizer=TOK))
    assert len(list(score(net, [*asked[:2], asked[3]], tokenizer=TOK))) == 3


# Order and memory ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [1, 3, 7, 1024])
def test_results_come_in_the_order_of_the_requests(window):
    asked = [Request(f"{place * 7 % 23} is", (f" {place}", " x")) for place in range(40)]
    settings = EngineSettings(window=window)
    found = list(score(model(), iter(asked), tokenizer=TOK, settings=settings))
    assert all(own.request is request for own, request in zip(found, asked, strict=True))
    for request, own in zip(asked, found, strict=True):
        prompt = encoded(TOK, request.prompt)
        for option, result in zip(request.options, own.options, strict=True):
            assert result.total == pytest.approx(
                scored(model(), prompt, encoded(TOK, request.prompt + option))[0], abs=1e-4
            )
    prompts = [request.prompt for request in asked]
    texts = list(generate(model(), iter(prompts), tokenizer=TOK, max_new_tokens=3, settings=settings))
    assert [own.prompt for own in texts] == prompts
    assert texts == list(generate(model(), prompts, tokenizer=TOK, max_new_tokens=3))


def test_requests_are_read_a_window_at_a_time():
    read = []

    def many():
        for place in range(1000):
            read.append(place)
            yield Request((5, place % 50), ((6, 7),))

    found = score(model(), many(), settings=EngineSettings(window=10))
    assert not read
    next(found)
    assert len(read) == 10
    for _ in range(9):
        next(found)
    assert len(read) == 10
    next(found)
    assert len(read) == 20
    assert list(score(model(), [])) == []


def test_memory_does_not_grow_with_the_requests():
    """Neither what was asked nor what was answered is kept."""
    alive = []

    def many(count):
        for place in range(count):
            request = Text(f"Who is {place}?")
            alive.append(weakref.ref(request))
            yield request

    class Text(str):
        """A string that can be watched."""

    peaks = []
    for count in (64, 640):
        tracemalloc.start()
        texts = generate(model(), many(count), tokenizer=TOK, max_new_tokens=1, settings=EngineSettings(window=16))
        deque(texts, maxlen=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    gc.collect()
    assert not any(reference() for reference in alive)
    assert peaks[1] < 1.3 * peaks[0] + 100_000


def test_scores_tell_their_mean():
    assert OptionScore(-6.0, 3, greedy=True).mean == -2.0


def test_a_single_option_is_one_option_and_no_list_of_letters():
    assert Request("Where was Cy born?", " York").options == (" York",)
