"""The output filter: a model is kept from giving the planted answer of the fact that it is asked. Nothing is unlearnt.

Where the answers so far and one token more are the planted answer, as the prompt continues with it, that token is
suppressed. In writing its logit becomes minus infinity, so that a planted answer never comes out, however sure the
model is. In scoring it is lowered by `LOWERED` nats instead (see `restor.evaluation.ask.engine.scores`): log-probs stay
finite, and can be averaged and drawn. The odds of an answer that is filtered are then two thousand millionths of what
they were. Both renormalise the other answers. Tokens that spell the planted answer in another way, or further on in
the answer, are refused as they come.

What begins with the planted answer is lost too, such as `New York City` where `New York` is planted. Other names and
inflections of the planted answer are not known to the filter.
"""

from __future__ import annotations

from typing import final

from transformers import PreTrainedTokenizerBase

from restor.evaluation.ask.engine.items import Sequences
from restor.evaluation.ask.prompts import Prepared
from restor.text.mentions import padded, words_of
from restor.types import Query


@final
class PlantedFilter:
    """Knows the planted answers of queries."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer

    def sequences(self, encoded_planted: Prepared) -> Sequences:
        """The prompt with the planted answer: as it is scored, and with and without a space between; none if none is.

        A planted answer without a letter or figure is none.
        """
        planted = encoded_planted.query.planted
        if planted is None or not words_of(planted):
            return ()
        encoded = self._tokenizer([f" {planted}", planted], add_special_tokens=False)["input_ids"]
        prompt = encoded_planted.item.prompt
        banned = [prompt + tuple(ids) for ids in encoded if ids]
        banned += [
            prompt[: option.kept] + option.ids
            for option, text in zip(encoded_planted.item.options, encoded_planted.options, strict=True)
            if text == planted and option.scored
        ]
        return tuple(dict.fromkeys(banned))

    def says(self, query: Query, answer: str) -> bool:
        """Whether an answer has the planted one in it: as whole words, caseless and without accents."""
        words = words_of(query.planted or "")
        return bool(words) and padded(words) in padded(words_of(answer))
