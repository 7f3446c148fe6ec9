"""Whether a wrapper fits an algorithm. Torch-free, so that a study is checked before torch is loaded."""

from __future__ import annotations

from restor.errors import ConfigError
from restor.unlearning.algorithms.base import Algorithm, LossAlgorithm
from restor.unlearning.wrappers.base import Wrapper


def check_wrapper(wrapper: Wrapper, algorithm: Algorithm) -> None:
    """Make sure that a wrapper fits an algorithm.

    Raises:
        ConfigError: if it does not.
    """
    who, title = type(algorithm).__name__, wrapper.info.title
    if not isinstance(algorithm, LossAlgorithm):
        raise ConfigError(f"{title} wraps a loss, and {who} minimises none. Take an algorithm with a loss.")
    for needed, there, term in (
        (wrapper.info.needs_forget, algorithm.plan.forget, "forget"),
        (wrapper.info.needs_retain, algorithm.plan.retain is not None, "retain"),
    ):
        if needed and not there:
            raise ConfigError(
                f"{title} needs a loss with a {term} term, and {who} as configured has none. Give it one "
                f"({'set its retain_weight above 0' if term == 'retain' else 'take another algorithm'})."
            )
