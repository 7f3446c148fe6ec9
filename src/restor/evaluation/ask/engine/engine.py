"""The engine: asks a model in as large forwards as pay and fit, and in the way that is right for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from transformers import PreTrainedModel

from restor.evaluation.ask.engine.items import Item, Result
from restor.evaluation.ask.engine.lens import Lens, lens_of
from restor.evaluation.ask.engine.run import Run
from restor.evaluation.ask.engine.tree_check import too_large, why_slow
from restor.evaluation.ask.engine.whole import run_whole
from restor.evaluation.ask.engine.writer import Writer
from restor.models.families import context_of, places_of, text_config, window_of
from restor.models.hardware import computing_with, helpful_threads

ON_CPU = 512
"""Tokens of a forward on a CPU: more are no faster there, and what is between the layers stays in its caches."""

ON_GPU = 8192
"""Most tokens of a forward that the engine takes by itself on a GPU."""

LEAST = 16
"""Tokens of a forward below which a batch is not halved."""

SHARE = 0.5
"""Of the free memory, what a forward may take by the estimate."""


def silent(_: str) -> None:
    """Where notes go that nobody reads."""


@final
@dataclass(slots=True)
class Limits:
    """How many tokens go into a forward, remembered from batch to batch and from model to model."""

    tokens: int | None = None
    """None until it is found."""


@final
class Engine:
    """A model being asked.

    Args:
        model: in evaluation mode, on its device.
        pad: a token to fill rows up with.
        limits: shared by engines whose models are alike.
        note: hears once of what the user should know, such as batches that did not fit.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        pad: int,
        limits: Limits | None = None,
        note: Callable[[str], None] = silent,
    ) -> None:
        self.model, self.pad, self._note = model, pad, note
        self.limits = limits or Limits()
        if self.limits.tokens is None:
            self.limits.tokens = tokens_that_fit(model)
        self._context = context_of(model)
        window, places = window_of(model), places_of(model)
        self._reach, self._why = min(
            (window or math.inf, f"looks back {window} tokens"),
            (places or math.inf, f"places tokens in another way beyond {places} of them"),
        )
        self._tree: bool | None = None
        self._lens: Lens | str | None = None
        self._told = False
        self._threads: int | None = None

    @property
    def context(self) -> int | None:
        """Most tokens in a row, or None where positions are not bounded."""
        return self._context

    @torch.inference_mode()
    def ask(
        self, items: Sequence[Item], writer: Writer | None = None, *, numbers: Sequence[int] | None = None
    ) -> list[Result]:
        """What the model says to each item, all of them together.

        Args:
            items: that fit the model's context.
            writer: for items that have answers to be written.
            numbers: by which the writer knows the items; None: their places.

        Raises:
            TrainingError: if the logits are not numbers, or not even a few tokens fit into the GPU's memory.
        """
        if not items:
            return []
        if self._threads is None:
            self._threads = self._helpful()
        with computing_with(self._threads):
            return self._ask(items, writer, range(len(items)) if numbers is None else numbers)

    def _helpful(self) -> int:
        """How many threads to compute with."""
        threads, most = helpful_threads(self.model), torch.get_num_threads()
        if threads < most:
            self._note(
                f"Other work keeps the cores busy: asking with {threads} thread in place of {most}, which changes "
                "log-probs in their last digits."
            )
        return threads

    def _ask(self, items: Sequence[Item], writer: Writer | None, numbers: Sequence[int]) -> list[Result]:
        if self._tree is None:
            self._tree = self._takes_trees()
        if self._lens is None and any(option.layers for item in items for option in item.options):
            self._lens = self._looks_inside()
        most = writer.most if writer is not None else 0
        far = [not self._tree or self._looks_too_far(item, most) for item in items]
        if self._tree and any(far) and not self._told:
            self._told = True
            self._note(
                f"{type(self.model).__name__} {self._why}, and some requests are longer: these are run as whole "
                "strings, which is slower."
            )
        results: dict[int, Result] = {}
        for whole in (False, True):
            places = [place for place, is_far in enumerate(far) if is_far is whole]
            part, numbers_of_part = [items[place] for place in places], [numbers[place] for place in places]
            results |= zip(places, self._fitting(part, numbers_of_part, writer, whole=whole), strict=True)
        return [results[place] for place in range(len(items))]

    def _fitting(
        self, items: Sequence[Item], numbers: Sequence[int], writer: Writer | None, *, whole: bool
    ) -> list[Result]:
        """The same, with smaller forwards where the GPU's memory does not hold them."""
        while items:
            tokens = self.limits.tokens or LEAST
            lens = self._lens if isinstance(self._lens, Lens) else None
            try:
                if whole:
                    return run_whole(self.model, items, numbers, writer, tokens=tokens, lens=lens)
                return Run(self.model, items, numbers, writer, tokens=tokens, pad=self.pad, lens=lens).results()
            except torch.OutOfMemoryError as error:
                if tokens <= LEAST:
                    raise too_large(
                        f"{tokens} tokens more than the model ({type(self.model).__name__}), in a batch that begins "
                        f"with {items[0].name!r}",
                        error,
                    ) from error
            # Outside of the handler, whose error holds on to the tensors.
            self.limits.tokens = max(LEAST, tokens // 2)
            self._note(f"The GPU's memory does not hold {tokens} tokens at a time: going on with {self.limits.tokens}.")
            torch.cuda.empty_cache()
        return []

    def _looks_too_far(self, item: Item, most: int) -> bool:
        """Whether a layer's window could end within the item's texts, or their positions be encoded otherwise."""
        return item.longest(most) >= self._reach

    def _takes_trees(self) -> bool:
        """Whether the model can be asked by a tree."""
        why = why_slow(self.model, self.pad)
        if why:
            self._note(f"{type(self.model).__name__} {why}: every string is run as a whole, which is slower.")
        return why is None

    def _looks_inside(self) -> Lens | str:
        """How the model's layers are read off, or why they are not."""
        lens = lens_of(self.model)
        if isinstance(lens, str):
            self._note(f"{type(self.model).__name__} {lens}: what its layers hold likely is not read off.")
        return lens


def tokens_that_fit(model: PreTrainedModel) -> int:
    """How many tokens a forward takes: what is fast on a CPU; on a GPU what its free memory holds, a power of two."""
    if model.device.type != "cuda":
        return ON_CPU
    config = text_config(model)
    width: int = config.hidden_size
    inner: int = getattr(config, "intermediate_size", None) or 4 * width
    # The states between the layers, those within one, and the keys and values of all, twice while slots are chosen.
    layers: int = config.num_hidden_layers
    per_token: int = model.dtype.itemsize * (6 * width + 4 * inner + 4 * width * layers)
    free: int = torch.cuda.mem_get_info(model.device)[0]
    free += torch.cuda.memory_reserved(model.device) - torch.cuda.memory_allocated(model.device)
    fitting = int(free * SHARE / per_token)
    return max(LEAST, min(ON_GPU, 1 << max(0, fitting.bit_length() - 1)))
