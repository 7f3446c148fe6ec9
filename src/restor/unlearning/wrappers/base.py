"""Wrappers: ways to take the step of any unlearning loss. One file is one wrapper.

A wrapper changes how a step's gradient is made from the forget and the retain term, and nothing else: the losses, the
texts and the optimiser are those of the algorithm that it wraps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, final

from pydantic import BeforeValidator, SerializeAsAny

from restor.config import Config
from restor.registry import Catalogue
from restor.training.rules import StepRule


class WrapperConfig(Config):
    """The base of every wrapper's configuration."""

    name: str
    """Which wrapper: `restor list wrappers`."""


@final
@dataclass(frozen=True, slots=True)
class WrapperInfo:
    """What a reader must know of a wrapper."""

    title: str
    paper: str
    """Link to the paper that proposes it."""
    mechanism: str
    """What it does, in a line."""
    equation: str
    cost: str
    """Passes through the model in a step, beside the usual one forward and backward pass per term."""
    needs_forget: bool = True
    """Whether it can only wrap a loss with a forget term."""
    needs_retain: bool = False
    """Whether it can only wrap a loss with a retain term."""


class Wrapper(StepRule):
    """A rule that combines with any loss."""

    config_type: ClassVar[type[WrapperConfig]]
    info: ClassVar[WrapperInfo]


WRAPPERS: Catalogue[Wrapper] = Catalogue("wrapper", "restor.unlearning.wrappers", Wrapper, "restor.wrappers")


WrapperChoice = Annotated[SerializeAsAny[WrapperConfig], BeforeValidator(WRAPPERS.parse)]
"""A field of a configuration that holds the choice of a wrapper, by its name and its settings."""
