"""Questions as token ids: those of whole strings, whatever the tokenizer, and however they were found."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from restor.evaluation.prompts import prepare, tokenizer_digest
from restor.models.tokenizer import added_behind, bpe_tokenizer, encode_rows, word_tokenizer
from restor.types import Fact, Group, Query

PLACES = ("York", "New York", "New York City", "Rome", "Oslo in the North", "Rome.", "St. Ives\u2019")
LINES = [f"Where was {name} born? {place}\n" for name in ("Ann Ash", "Bo Birch") for place in PLACES]
SPECIAL = ["<unk>", "<s>", "</s>"]


def finish(core):
    core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def ending(tok):
    """One that puts an end behind every text, as some are saved after a fine-tune."""
    tok.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 1), ("<eos>", 2)]
    )
    return tok


def sentencepiece_like(*, first):
    """Bytes and word starts as in the Llama 2 tokenizer: a space is put before the text, and lines are not split."""
    core = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    trainer = trainers.BpeTrainer(vocab_size=150, special_tokens=[*SPECIAL, "<0x0A>"], show_progress=False)
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first" if first else "always", split=False)
    core.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(), decoders.Fuse()])
    core.train_from_iterator([line.strip() for line in LINES], trainer)
    return finish(core)


def unigram():
    """The most probable cut of the whole text, as sentencepiece's."""
    core = Tokenizer(models.Unigram())
    core.normalizer = normalizers.NFKC()
    core.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    core.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
    core.train_from_iterator(["".join(LINES), *LINES], trainer)
    return finish(core)


def over_lines(pattern=None):
    """Merges over everything, line breaks too, or within what a pattern leaves."""
    core = Tokenizer(models.BPE(unk_token="<unk>"))
    if pattern:
        core.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    trainer = trainers.BpeTrainer(vocab_size=140, special_tokens=SPECIAL, show_progress=False)
    core.train_from_iterator(["".join(LINES)] * 3, trainer)
    return finish(core)


GPT4 = r" ?\p{L}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
KINDS = {
    "words": lambda: word_tokenizer(["\n", *(word for line in LINES for word in line.replace("?", " ?").split())]),
    "bytes": lambda: bpe_tokenizer(iter(LINES), 300),
    "first space": lambda: sentencepiece_like(first=True),
    "spaces": lambda: sentencepiece_like(first=False),
    "unigram": unigram,
    "over lines": over_lines,
    "gpt4": lambda: over_lines(GPT4),
    "ends": lambda: ending(bpe_tokenizer(iter(LINES), 300)),
}


@cache
def tokenizer(kind):
    return KINDS[kind]()


def make_queries(shots=3, places=PLACES):
    prefix = "".join(LINES[:shots])
    names = ("Cy", "Ann Ash", "Dee\u0301 of York", "Where")
    facts = [Fact(name, "r", (places[0],), f"Where was {name} born?") for name in names]
    facts.append(Fact("odd", "r", ("?",), " who?"))
    return [Query(fact, Group.TEST, prefix, fact.question, random=places) for fact in facts]


def whole(tok, text):
    ids = tok(text)["input_ids"]
    return tuple(ids[: len(ids) - added_behind(tok)])


def check(tok, queries, batch=3):
    batches = list(prepare(tok, queries, batch=batch).batches())
    items = [item for each in batches for item in each.items]
    assert sorted(id(item.query) for item in items) == sorted(map(id, queries))
    for each in batches:
        assert len(each.items) <= batch
        for item in each.items:
            assert item.prompt[: len(each.shared)] == each.shared
            assert len(item.prompt) > len(each.shared)
    for item in items:
        text = item.query.prefix + item.query.question
        assert item.prompt == whole(tok, text)
        assert [option.text for option in item.options] == list(
            dict.fromkeys((*item.query.fact.answers, *item.query.random))
        )
        for option in item.options:
            assert item.prompt[: option.kept] + option.ids == whole(tok, f"{text} {option.text}")
            # Scored from the first token that differs.
            assert option.kept == len(item.prompt) or option.ids[:1] != item.prompt[option.kept : option.kept + 1]


@pytest.mark.parametrize("shots", [0, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_those_of_the_whole_string(kind, shots):
    check(tokenizer(kind), make_queries(shots))


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
    monkeypatch.setattr(plan, "_tokenizer", lambda texts, **settings: seen.extend(texts) or tok(texts, **settings))
    list(plan.batches())
    assert all(len(text) < 60 for text in seen if "Oslo in the North" in text.splitlines()[-1]) == short


@pytest.mark.parametrize("kind", KINDS)
def test_answers_end_at_every_token_with_a_newline_and_at_the_end_of_text(kind):
    tok = tokenizer(kind)
    expected = {token for token in range(len(tok)) if "\n" in tok.decode([token])} | {tok.eos_token_id}
    assert prepare(tok, [], batch=1).stops == expected
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
    batches = list(prepare(tokenizer("bytes"), queries, batch=64).batches())
    assert [len(batch.items) for batch in batches] == [10, 5]
