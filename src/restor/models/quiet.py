"""Other libraries kept from writing into our progress."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """No progress bars of other libraries, and of their log only errors. What was set before is set again."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging

    hub_bars, bars, verbosity = (
        not are_progress_bars_disabled(),
        logging.is_progress_bar_enabled(),
        logging.get_verbosity(),
    )
    logging.disable_progress_bar()
    disable_progress_bars()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
        # After the bars of transformers, which switches those of the hub as well.
        if hub_bars:
            enable_progress_bars()
        else:
            disable_progress_bars()
