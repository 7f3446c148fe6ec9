"""What a model holds likely after each of its layers: the logit lens.

The output of a decoder layer goes through the final norm and the output layer, as if the layers behind it were not
there (nostalgebraist, https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru/interpreting-gpt-the-logit-lens). Nothing is
run twice: the states are taken from the forward that scores the options, at the rows that predict their tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from restor.errors import ConfigError
from restor.evaluation.ask.engine.items import Option, OptionScore
from restor.evaluation.ask.engine.scores import LOGITS, Uses
from restor.evaluation.ask.engine.tree import Ints
from restor.models.families import decoder_layers, final_norm, logits_of


@final
class Lens:
    """The layers of a model, and what makes logits of their outputs."""

    def __init__(self, model: PreTrainedModel, layers: Iterable[nn.Module], norm: nn.Module) -> None:
        self._model, self._layers, self._norm = model, tuple(layers), norm
        self.inner = len(self._layers) - 1
        """Layers before the last one, whose output is the model's own."""
        vocabulary = model.get_output_embeddings().weight.shape[0]
        self.rows: int = max(1, LOGITS // vocabulary // max(1, self.inner))
        """Most rows that are read off at once."""

    @contextmanager
    def watching(self, rows: Ints) -> Iterator[list[Tensor]]:
        """Takes the states (R, d) of some rows of a forward behind each layer but the last."""
        states: list[Tensor] = []
        chosen = torch.from_numpy(rows).to(self._model.device)

        def keep(_module: nn.Module, _given: object, made: Tensor | tuple[Tensor, ...]) -> None:
            made = made if isinstance(made, Tensor) else made[0]
            states.append(made.flatten(0, 1)[chosen])

        watches = [layer.register_forward_hook(keep) for layer in self._layers[:-1]]
        try:
            yield states
        finally:
            for watch in watches:
                watch.remove()

    def logits(self, states: Tensor) -> Tensor:
        """Logits (..., V) in float32 of a layer's states (..., d), by the model's own norm, output layer and scale."""
        return logits_of(self._model, self._norm(states))


def lens_of(model: PreTrainedModel) -> Lens | str:
    """The lens of a model, or why it has none, as `LlamaForCausalLM ...` goes on."""
    if len({part.device for part in model.parameters()}) > 1:
        return "is spread over several devices"
    try:
        layers, norm = decoder_layers(model), final_norm(model)
    except torch.OutOfMemoryError:
        raise
    except (ConfigError, RuntimeError, AttributeError, TypeError, ValueError, LookupError):
        return "keeps its layers where restor does not find them"
    return "has no final norm that restor finds" if norm is None else Lens(model, layers, norm)


@final
class Inside:
    """The sums, layer by layer, of the options among some that ask for them."""

    def __init__(self, lens: Lens | None, options: Sequence[Option]) -> None:
        wanted = [number for number, option in enumerate(options) if option.layers and option.scored]
        self._lens = lens if wanted else None
        self._places = np.full(len(options), -1, dtype=np.int64)
        if self._lens is not None:
            self._places[wanted] = range(len(wanted))
            self._totals = np.zeros((len(wanted), self._lens.inner))

    def run(self, uses: Uses, forward: Callable[[], Tensor]) -> Tensor:
        """Runs a forward, whose rows predict what is in use, and adds what its layers predict."""
        lens = self._lens
        if lens is None:
            return forward()
        rows = np.unique(uses.rows[self._places[uses.options] >= 0])
        if not len(rows):
            return forward()
        with lens.watching(rows) as states:
            made = forward()
        for start in range(0, len(rows), lens.rows) if lens.inner else ():
            self._add(lens, [part[start : start + lens.rows] for part in states], rows[start : start + lens.rows], uses)
        return made

    def result(self, number: int, score: OptionScore | None) -> OptionScore | None:
        """The score of an option with what each layer says, the last one being the output itself."""
        place = self._places[number]
        if score is None or place < 0:
            return score
        inner: NDArray[np.float64] = self._totals[place] / score.tokens
        return replace(score, layers=(*inner.tolist(), score.mean)) if np.isfinite(inner).all() else score

    def _add(self, lens: Lens, states: Sequence[Tensor], rows: Ints, uses: Uses) -> None:
        logits = lens.logits(torch.stack(list(states)))
        sums = logits.logsumexp(dim=-1)
        wanted = np.flatnonzero((self._places[uses.options] >= 0) & (uses.rows >= rows[0]) & (uses.rows <= rows[-1]))
        row, column = (
            torch.from_numpy(part).to(logits.device)
            for part in (np.searchsorted(rows, uses.rows[wanted]), uses.tokens[wanted])
        )
        values = (logits[:, row, column] - sums[:, row]).double().cpu().numpy()
        np.add.at(self._totals, self._places[uses.options[wanted]], values.T)
