"""`restor recover`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from restor.cli.arguments import Quiet
from restor.cli.checkpoint_verbs import Device, Dtype, Model, Out, Settings, TrustRemoteCode


def recover(
    *,
    model: Model,
    text: Annotated[
        str,
        Parameter(help="Text to train on: a data set of the hub such as `lima`, or a file. `./lima` is a file."),
    ],
    out: Out,
    dtype: Dtype = "auto",
    device: Device = "auto",
    trust_remote_code: TrustRemoteCode = False,
    quiet: Quiet = False,
    settings: Settings = (),
) -> None:
    """Give an unlearned checkpoint its fluency back by a light fine-tune."""
    from restor.cli.checkpoint_verbs import dataset, produce, reference
    from restor.runner.checkpoints.settings import RecoverConfig

    content = {
        "model": reference(model, dtype=dtype, trust_remote_code=trust_remote_code),
        "text": dataset(text),
        "device": device,
    }
    produce(RecoverConfig, content, settings, out, quiet=quiet)
