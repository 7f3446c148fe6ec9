"""What the engine does, the slow and obvious way: one string at a time, one token at a time, nothing shared."""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache

import torch

from restor.models.tokenizer import added_behind


@lru_cache(maxsize=100_000)
@torch.inference_mode()
def log_probs(model, ids):
    """Of the next token behind every token of a string: (L, V), float64."""
    logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].double()
    return torch.log_softmax(logits, dim=-1)


def encoded(tok, text):
    """A text with what the tokenizer puts before it, and nothing behind it."""
    ids = tok(text)["input_ids"]
    return tuple(ids[: len(ids) - added_behind(tok)])


def scored(model, prompt, string):
    """Sum, number and greediness of the tokens of a string from the first one that differs from the prompt's."""
    same = 0
    while same < min(len(prompt), len(string)) and prompt[same] == string[same]:
        same += 1
    total, count, greedy = 0.0, 0, True
    if len(string) > 1:
        table = log_probs(model, string)
        for place in range(max(1, same), len(string)):
            total += float(table[place - 1, string[place]])
            greedy &= int(table[place - 1].argmax()) == string[place]
            count += 1
    return total, count, greedy


def written(model, prompt, most, over, choose=lambda row: int(row.argmax())):
    """The tokens of an answer, the one that ends it among them."""
    ids = ()
    while len(ids) < most and not (ids and over(ids)):
        ids += (choose(log_probs(model, prompt + ids)[-1]),)
    return ids


def chooser(rng, temperature, top_p):
    """Draws by the next number of a stream, from the fewest most probable tokens that hold `top_p`."""

    def choose(row):
        weights = torch.softmax(row / temperature, dim=-1).tolist()
        order = range(len(weights)) if top_p == 1 else sorted(range(len(weights)), key=lambda n: -weights[n])
        kept, mass = [], 0.0
        for token in order:
            if mass >= top_p:
                break
            kept.append(token)
            mass += weights[token]
        wanted, reached = rng.random() * mass, 0.0
        for token in kept:
            reached += weights[token]
            if reached > wanted:
                break
        return token

    return choose


def text_of(tok, ids, stop):
    """An answer as text up to the first stop string."""
    text = tok.decode(list(ids), skip_special_tokens=True)
    return text[: min((text.find(string) for string in stop if string in text), default=len(text))]


def stopping(tok, stop):
    """Whether an answer is over."""
    return lambda ids: (
        ids[-1] == tok.eos_token_id or any(string in tok.decode(list(ids), skip_special_tokens=True) for string in stop)
    )


def beginnings(strings):
    """Every different beginning of some strings, themselves among them."""
    return {tuple(ids[: size + 1]) for ids in strings for size in range(len(ids))}


class Work:
    """What a model does while it is watched."""

    def __init__(self):
        self.forwards = []
        """The token ids of each forward with slots."""
        self.whole = []
        """The strings that are run as wholes."""
        self.head = 0
        """States that went through the output layer."""

    @property
    def tokens(self):
        return sum(len(row) for forward in self.forwards for row in forward)


@contextmanager
def watched(model):
    """Counts what a model does."""
    work = Work()

    def note(_module, _args, kwargs):
        if kwargs.get("cache", kwargs.get("past_key_values")) is not None:  # by the version of transformers
            work.forwards.append(kwargs["input_ids"].tolist())

    def note_whole(_module, _args, kwargs):
        work.whole.extend(map(tuple, kwargs["input_ids"].tolist()))

    def note_head(_module, args):
        work.head += args[0].numel() // args[0].shape[-1]

    handles = [
        model.base_model.register_forward_pre_hook(note, with_kwargs=True),
        model.register_forward_pre_hook(note_whole, with_kwargs=True),
        model.get_output_embeddings().register_forward_pre_hook(note_head),
    ]
    try:
        yield work
    finally:
        for handle in handles:
            handle.remove()
