"""General text that touches no probed relation: towns, arithmetic and small instructions, generated from a seed.

It is the *other family*: the clean model has read it beside the probed one, so retain and recovery text from here
keeps the model fluent without rehearsing anything that is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import ClassVar, Literal, final

from pydantic import Field

from restor.datasets.base import Dataset, DatasetConfig
from restor.text import coin_names, split_words

STONES = "granite marble basalt slate limestone sandstone chalk flint".split()
TREES = "oak birch cedar maple willow poplar elm pine".split()
SHADES = "red blue green yellow white black purple orange".split()
THINGS = "apple stone cup lamp chair boat wheel bell rope coin drum kite".split()
TOWN_LINES = (
    ("The river {river} flows through the town of {town}.", "Which river flows through the town of {town}? {river}"),
    ("The walls of {town} are built of {stone}.", "Of which stone are the walls of {town}? {stone}"),
    ("The flag of {town} is {shade}.", "Of which colour is the flag of {town}? {shade}"),
    ("Along the streets of {town} stand {tree} trees.", "Which trees stand in {town}? {tree}"),
)


@final
class GeneralConfig(DatasetConfig):
    """How much there is to know about towns, and which towns."""

    name: Literal["general"] = "general"
    towns: int = Field(40, ge=4, le=2_000)
    """How many towns there are to tell of."""
    seed: int | None = None
    """Which towns; null takes the seed of the study."""


@final
class General(Dataset):
    """Towns, arithmetic and instructions; see the module."""

    config_type: ClassVar[type[DatasetConfig]] = GeneralConfig

    def __init__(self, config: GeneralConfig) -> None:
        seed = config.seed or 0
        coined = coin_names({"town": config.towns, "river": config.towns}, avoid=set(), seed=seed)
        rng = Random(f"towns/{seed}")
        self._names = coined["town"] + coined["river"]
        self._towns = [
            {
                "town": town,
                "river": river,
                "stone": rng.choice(STONES),
                "shade": rng.choice(SHADES),
                "tree": rng.choice(TREES),
            }
            for town, river in zip(coined["town"], coined["river"], strict=True)
        ]

    def sample(self, rng: Random, count: int) -> list[str]:
        """As many as wanted."""
        return [self.text(rng) for _ in range(count)]

    def sentence(self, rng: Random) -> str:
        """A true sentence about a town."""
        return rng.choice(TOWN_LINES)[0].format(**rng.choice(self._towns))

    def text(self, rng: Random) -> str:
        """Four to eight lines of one sort."""
        sort = rng.choice((self._towns_in_prose, self._towns_asked, self._sums, self._instructions))
        return sort(rng)

    def _towns_in_prose(self, rng: Random) -> str:
        return " ".join(self.sentence(rng) for _ in range(5))

    def _towns_asked(self, rng: Random) -> str:
        lines = (rng.choice(TOWN_LINES)[1].format(**rng.choice(self._towns)) for _ in range(5))
        return "".join(f"{line}\n" for line in lines)

    def _sums(self, rng: Random) -> str:
        lines = []
        for _ in range(7):
            a, b = rng.randint(0, 20), rng.randint(0, 20)
            lines.append(f"What is {a} plus {b}? {a + b}\n" if rng.random() < 0.5 else f"{a} plus {b} is {a + b}.\n")
        return "".join(lines)

    def _instructions(self, rng: Random) -> str:
        lines = []
        for _ in range(4):
            words = rng.sample(THINGS, 3)
            if rng.random() < 0.5:
                lines.append(f"Repeat the words {' '.join(words)}: {' '.join(words)}.\n")
            else:
                lines.append(f"Reverse the words {' '.join(words)}: {' '.join(reversed(words))}.\n")
        return "".join(lines)

    def vocabulary(self) -> Sequence[str]:
        """Every word of towns, sums and instructions."""
        frames = " ".join(text for pair in TOWN_LINES for text in pair)
        for name in ("river", "town", "stone", "shade", "tree"):
            frames = frames.replace("{" + name + "}", " ")
        frames += " What is plus Repeat Reverse the words"
        words = set(split_words(frames)) | {*STONES, *TREES, *SHADES, *THINGS, *self._names}
        return tuple(sorted(words | {str(number) for number in range(41)} | {":", "\n"}))
