"""Whether a model can be asked by a tree: tried once with a few tokens of nonsense."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers import PreTrainedModel

from restor.errors import TrainingError
from restor.evaluation.ask.engine.items import AnswerLine, Ids, Item, Option
from restor.evaluation.ask.engine.run import Run
from restor.evaluation.ask.engine.whole import run_whole
from restor.evaluation.ask.engine.writer import Writer
from restor.models.families import context_of, masks_itself

LENGTH = 24
"""Tokens of nonsense."""

_TRIED: WeakKeyDictionary[PreTrainedModel, dict[str, str | None]] = WeakKeyDictionary()
"""What was found, by the kind of attention: it does not depend on the weights."""


def why_slow(model: PreTrainedModel, pad: int) -> str | None:
    """Why a model must be asked whole strings, as `LlamaForCausalLM ...` goes on; None if it takes trees.

    Families with a recurrent state, or positions and masks of their own, do not. Empty if its logits are not numbers:
    that is told with the name of what is asked.

    Raises:
        TrainingError: if not even a few tokens fit into the GPU's memory.
    """
    known, kind = _TRIED.setdefault(model, {}), str(model.config._attn_implementation)
    if kind not in known:
        try:
            known[kind] = _try(model, pad)
        except torch.OutOfMemoryError as error:
            raise too_large(f"a few tokens more than the model ({type(model).__name__})", error) from error
        except TrainingError:
            return ""
    return known[kind]


def _try(model: PreTrainedModel, pad: int) -> str | None:
    size, context = model.get_input_embeddings().weight.shape[0], context_of(model)
    ids = tuple((7 * place + 3) % size for place in range(LENGTH))
    if context is not None and context < LENGTH:
        return "has a context of very few tokens"
    if masks_itself(model):
        return "looks back by a mask of its own"
    items = [
        Item("a trial", ids[:12], (Option(12, ids[12:16]), Option(12, ids[12:14] + ids[:3])), answers=1),
        Item("a trial", ids[:7], (Option(5, ids[2:6]),), answers=1),
        Item("a trial", ids[4:15], (Option(11, ids[:2]),)),
    ]
    # The first follows an option and leaves it.
    forced = [ids[12:14] + ids[16:18], ids[20:24]]
    expected, actual = _Forced(forced), _Forced(forced)
    try:
        whole = run_whole(model, items, range(3), expected, tokens=64)
        tree = Run(model, items, range(3), actual, tokens=LENGTH, pad=pad).results()
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, AttributeError, TypeError, ValueError, LookupError):
        return "does not take a mask of its tokens' own"
    pairs = [
        (left.mean, right.mean)
        for one, other in zip(whole, tree, strict=True)
        for left, right in zip(one.options, other.options, strict=True)
        if left is not None and right is not None
    ]
    pairs += [(value, actual.values.get(key, math.nan)) for key, value in expected.values.items()]
    tolerance = 1e-3 if model.dtype == torch.float32 else 0.03
    if all(math.isclose(left, right, rel_tol=tolerance, abs_tol=tolerance) for left, right in pairs):
        return None
    return "says something else when it is continued from a cache"


@final
class _Forced(Writer):
    """Writes given tokens and notes how probable they were."""

    def __init__(self, ids: Sequence[Ids]) -> None:
        self._ids = ids
        self.values: dict[tuple[int, int], float] = {}

    @property
    def most(self) -> int:
        """As many as are given."""
        return len(self._ids[0])

    @property
    def plain(self) -> bool:
        """Not the most probable ones."""
        return False

    def begin(self, item: Item, number: int) -> list[AnswerLine]:
        """One for each item."""
        return [AnswerLine(item, number)]

    def next(self, logits: Tensor, lines: Sequence[AnswerLine]) -> list[int]:
        """The given ones."""
        tokens = [self._ids[line.number][len(line.ids)] for line in lines]
        values = torch.log_softmax(logits, dim=-1)
        for row, (line, token) in enumerate(zip(lines, tokens, strict=True)):
            self.values[line.number, len(line.ids)] = float(values[row, token])
        return tokens

    def over(self, line: AnswerLine) -> bool:
        """Never before all are written."""
        return False


def too_large(what: str, error: torch.OutOfMemoryError) -> TrainingError:
    """The error for a GPU without the memory for it."""
    return TrainingError(
        f"The GPU's memory does not hold {what}: {str(error).splitlines()[0]} Use dtype bfloat16, fewer candidates or "
        "samples, or device cpu."
    )
