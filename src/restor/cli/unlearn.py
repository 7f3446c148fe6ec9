"""`restor unlearn`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from restor.cli.arguments import DataFile, Loading, Quiet, parse_changes
from restor.cli.checkpoint_verbs import Model, Out, Settings

AUTO = "auto"
"""In place of a checkpoint."""


def unlearn(
    *,
    model: Model,
    algorithm: Annotated[str, Parameter(help="`restor list algorithms`; its settings are --algorithm.NAME VALUE.")],
    forget: Annotated[DataFile, Parameter(help="The documents to be forgotten: a file, or `restor/k0` and so on.")],
    out: Out,
    retain: Annotated[
        str | None,
        Parameter(help="Text that is to be kept: a data set of the hub such as `c4`, or a file. `./c4` is a file."),
    ] = None,
    checkpoint: Annotated[
        str | None,
        Parameter(
            help="A checkpoint from before the forget documents, for the algorithms that need one; `auto` takes the "
            "nearest one of the model's own lineage."
        ),
    ] = None,
    facts: Annotated[
        DataFile | None,
        Parameter(help="Facts about the targets: retain text that tells of them is then found. --select needs them."),
    ] = None,
    select: Annotated[
        bool,
        Parameter(
            help="Choose learning rate, step and options on facts about half of the targets, which are then named in "
            "restor.json: evaluate on the others. `--select.NAME VALUE` chooses too, and says how."
        ),
    ] = False,
    loading: Loading = Loading(),
    quiet: Quiet = False,
    settings: Settings = (),
) -> None:
    """Apply an unlearning algorithm to a checkpoint."""
    from restor.cli.checkpoint_verbs import absolute, dataset, produce, reference
    from restor.data.locate import is_released, locate_facts
    from restor.data.published import NAME
    from restor.errors import DataError
    from restor.runner.checkpoints.settings import UnlearnConfig

    content: dict[str, Any] = {
        "model": reference(model, loading),
        "algorithm": {"name": algorithm},
        "forget": absolute(forget),
        "device": loading.device,
    }
    if retain is not None:
        content["retain"] = dataset(retain)
    if checkpoint is not None:
        named = reference(checkpoint, loading)
        content["checkpoint"] = _nearest(content["model"], forget, named) if checkpoint == AUTO else named
    if facts is None and is_released(forget):
        # Released documents do not say whom they are about; the facts that belong to them do, where they are there.
        with suppress(DataError):
            locate_facts(NAME)
            facts = Path(NAME)
    if facts is not None:
        content["facts"] = absolute(facts)
    if select:
        content["select"] = {}
    produce(UnlearnConfig, content, settings, out, quiet=quiet)


def also_needed(tokens: Sequence[str]) -> list[str]:
    """The options that the algorithm of a command line needs beside those that every algorithm does.

    For a command line that lacks some of those; what is wrong with the algorithm itself is told when it has them.
    """
    from pydantic import ValidationError

    from restor.errors import RestorError
    from restor.overrides import apply_overrides
    from restor.types import Budget
    from restor.unlearning.algorithms.base import ALGORITHMS  # brings torch

    name = next((value for option, value in pairwise([*tokens, ""]) if option == "--algorithm"), "")
    setting = "--set=algorithm."
    names = [token.removeprefix(setting) for token in tokens if token.startswith(setting)]
    try:
        content = apply_overrides({"name": name}, parse_changes(names), ALGORITHMS.config_type(name))
        plan = ALGORITHMS.build(ALGORITHMS.parse(content)).plan
    except (RestorError, ValidationError):
        return []
    needs = {
        "--retain": plan.retain == "text",
        "--facts": Budget.TRUTH in plan.budget() or "--select" in tokens,
        "--checkpoint": Budget.CHECKPOINT in plan.budget(),
    }
    return [option for option, needed in needs.items() if needed and option not in tokens]


def _nearest(model: dict[str, Any], forget: Path, named: dict[str, Any]) -> dict[str, Any]:
    """The nearest earlier checkpoint of the model's own lineage, loaded as one that is named would be."""
    from restor.data.locate import locate_documents
    from restor.models.model_ref import ModelRef
    from restor.models.provenance import earlier_checkpoint

    earlier = earlier_checkpoint(ModelRef.model_validate(model), locate_documents(forget))
    place = earlier.model_dump(mode="json", include={"path", "revision", "adapter"})
    return named | place
