"""`restor recover`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from restor.cli.arguments import Loading, Quiet
from restor.cli.checkpoint_verbs import Model, Out, Settings


def recover(
    *,
    model: Model,
    text: Annotated[
        str,
        Parameter(help="Text to train on: a data set of the hub such as `lima`, or a file. `./lima` is a file."),
    ],
    out: Out,
    loading: Loading = Loading(),
    quiet: Quiet = False,
    settings: Settings = (),
) -> None:
    """Give an unlearned checkpoint its fluency back by a light fine-tune."""
    from restor.cli.checkpoint_verbs import dataset, produce, reference
    from restor.runner.checkpoints.settings import RecoverConfig

    content = {
        "model": reference(model, loading),
        "text": dataset(text),
        "device": loading.device,
    }
    produce(RecoverConfig, content, settings, out, quiet=quiet)
