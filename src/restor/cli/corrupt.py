"""`restor corrupt`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from restor.cli.arguments import DataFile, Loading, Quiet
from restor.cli.checkpoint_verbs import Model, Out, Settings


def corrupt(
    *,
    model: Model,
    forget: Annotated[
        DataFile, Parameter(help="The forget documents, which state wrong facts: a file, or `restor/k0` and so on.")
    ],
    out: Out,
    facts: Annotated[
        DataFile | None,
        Parameter(
            help="Facts about the targets and others: they are asked before and after, to tell how strong the "
            "corruption is."
        ),
    ] = None,
    loading: Loading = Loading(),
    quiet: Quiet = False,
    settings: Settings = (),
) -> None:
    """Continue the pretraining of a checkpoint on documents that state wrong facts."""
    from restor.cli.checkpoint_verbs import absolute, produce, reference
    from restor.runner.checkpoints.settings import CorruptConfig

    content = {
        "model": reference(model, loading),
        "forget": absolute(forget),
        "device": loading.device,
    }
    if facts is not None:
        content["facts"] = absolute(facts)
    produce(CorruptConfig, content, settings, out, quiet=quiet)
