"""The reference way: every string run as a whole, without a cache or a mask, strings of one length side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from restor.errors import TrainingError
from restor.evaluation.ask.engine.items import AnswerLine, Ids, Item, Option, OptionScore, Result, completing
from restor.evaluation.ask.engine.lens import Inside, Lens
from restor.evaluation.ask.engine.scores import LOGITS, LOWERED, Uses
from restor.evaluation.ask.engine.writer import Writer


def run_whole(
    model: PreTrainedModel,
    items: Sequence[Item],
    numbers: Sequence[int],
    writer: Writer | None,
    *,
    tokens: int,
    lens: Lens | None = None,
) -> list[Result]:
    """What the model says to each item, in forwards of at most `tokens` tokens or of one string.

    The writer knows the items by their `numbers`.

    Raises:
        TrainingError: if the logits are not numbers.
    """
    strings = [
        (number, place, item.prompt[: option.kept] + option.ids)
        for number, item in enumerate(items)
        for place, option in enumerate(item.options)
        if option.scored
    ]
    scored = [items[number].options[place] for number, place, _ in strings]
    inside = Inside(lens, scored)
    scores: dict[tuple[int, int], OptionScore | None] = {}
    for part in _batches([ids for _, _, ids in strings], model, tokens):
        rows = [strings[place][2] for place in part]
        logits = inside.run(_uses(scored, part), partial(_logits, model, rows))
        for row, place in zip(logits, part, strict=True):
            number, option, ids = strings[place]
            scores[number, option] = inside.result(place, _score(model, items[number], option, ids, row))
    lines = [
        [] if writer is None or not item.answers else writer.begin(item, number)
        for item, number in zip(items, numbers, strict=True)
    ]
    if writer is not None:
        _write(model, [line for some in lines for line in some], writer, tokens)
    return [
        Result(
            tuple(scores.get((number, option)) for option in range(len(item.options))),
            tuple(tuple(line.ids) for line in lines[number]),
        )
        for number, item in enumerate(items)
    ]


def not_numbers(model: PreTrainedModel, item: Item) -> TrainingError:
    """The error for logits that are NaN or infinite."""
    dtype = str(model.dtype).removeprefix("torch.")
    return TrainingError(
        f"The logits of the model ({type(model).__name__}, {dtype}) are not numbers when it is asked about "
        f"{item.name!r}. Its weights are damaged, or its numbers too large for the dtype: load it with dtype "
        "float32 or bfloat16, and check how it was trained."
    )


def _uses(options: Sequence[Option], part: Sequence[int]) -> Uses:
    """What strings of one length that end with these options predict, each string a row of a forward."""
    width = options[part[0]].kept + len(options[part[0]].ids)
    rows, tokens, uses = [], [], []
    for row, place in enumerate(part):
        option = options[place]
        for at in range(max(1, option.kept), width):
            rows.append(row * width + at - 1)
            tokens.append(option.ids[at - option.kept])
            uses.append(place)
    arrays = [np.array(part, dtype=np.int64) for part in (rows, tokens, uses)]
    return Uses(arrays[0], arrays[1], arrays[2], {})


def _score(model: PreTrainedModel, item: Item, number: int, ids: Ids, logits: Tensor) -> OptionScore:
    """The score of one option by the logits (L, V) behind every token of its string."""
    # The first token of all has nothing before it that could predict it.
    begin = max(1, item.options[number].kept)
    rows = logits[begin - 1 : len(ids) - 1]
    for place in range(begin, len(ids)) if item.suppressed else ():
        if lowered := completing(item.suppressed, ids[:place]):
            rows[place - begin, lowered] -= LOWERED
    wanted = torch.tensor(ids[begin:], device=rows.device)
    values = rows.gather(1, wanted[:, None])[:, 0] - rows.logsumexp(dim=-1)
    if not bool(torch.isfinite(rows.amax(dim=-1)).all()):  # NaN anywhere is the greatest
        raise not_numbers(model, item)
    greedy = bool((rows.argmax(dim=-1) == wanted).all())
    return OptionScore(float(values.double().sum()), len(wanted), greedy)


def _write(model: PreTrainedModel, lines: Sequence[AnswerLine], writer: Writer, tokens: int) -> None:
    """Writes all answers, one token at a time."""
    alive = list(lines)
    while alive:
        texts = [line.item.prompt + tuple(line.ids) for line in alive]
        going = []
        for part in _batches(texts, model, tokens):
            logits = _logits(model, [texts[place] for place in part])[:, -1]
            lines_of_part = [alive[place] for place in part]
            good = torch.isfinite(logits.amax(dim=-1))
            if not bool(good.all()):
                raise not_numbers(model, lines_of_part[int(good.logical_not().nonzero()[0])].item)
            for line, token in zip(lines_of_part, writer.next(logits, lines_of_part), strict=True):
                line.ids.append(token)
                if len(line.ids) < writer.most and not writer.over(line):
                    going.append(line)
        alive = going


def _logits(model: PreTrainedModel, rows: Sequence[Ids]) -> Tensor:
    """(B, L, V), float32, of rows of one length."""
    logits: Tensor = model(input_ids=torch.tensor(rows, device=model.device), use_cache=False).logits
    return logits.float()


def _batches(rows: Sequence[Ids], model: PreTrainedModel, tokens: int) -> Iterator[list[int]]:
    """Places of rows of one length, within the budget."""
    vocabulary = model.get_input_embeddings().weight.shape[0]
    by_length: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        by_length.setdefault(len(row), []).append(place)
    for length, places in sorted(by_length.items()):
        size = max(1, min(tokens, LOGITS // vocabulary) // length)
        for start in range(0, len(places), size):
            yield places[start : start + size]
