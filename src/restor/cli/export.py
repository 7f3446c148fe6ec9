"""`restor export`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from restor.cli.arguments import Changes, StorePath, parse_changes
from restor.cli.common import count
from restor.cli.evaluate import Facts, Forget, Protocol, Seed, Study, Targets, questions
from restor.cli.report import find_study

if TYPE_CHECKING:
    from restor.runner.export import Export, ExportConfig


def export(
    format: Annotated[Literal["lm-eval"], Parameter(help="For which program: lm-eval.")],
    folder: Annotated[Path, Parameter(name="OUT", help="A new folder.")],
    /,
    *,
    facts: Facts = None,
    forget: Forget = None,
    targets: Targets = (),
    study: Study = None,
    seed: Seed = None,
    protocol: Protocol = None,
    name: Annotated[str | None, Parameter(help="The tasks are called restor_NAME_... instead of restor_...")] = None,
    store: StorePath = None,
    json: Annotated[bool, Parameter(help="Print one JSON object with the folder and the tasks.")] = False,
    changes: Changes = (),
) -> None:
    """Write the questions as tasks of lm-evaluation-harness. No model is asked.

    What is asked is said as for `restor evaluate`.
    """
    from restor.runner.export import export_lm_eval

    config = build_export(
        facts=facts,
        forget=forget,
        targets=targets,
        study=None if study is None else find_study(study, store),
        seed=seed,
        protocol=protocol,
        name=name,
        changes=parse_changes(changes),
    )
    done = export_lm_eval(config, folder)
    sys.stdout.write(f"{_json(done) if json else _table(done)}\n")


def build_export(
    *,
    facts: Path | None,
    forget: Path | None,
    targets: tuple[str, ...],
    study: Path | None,
    seed: int | None,
    protocol: str | None,
    name: str | None,
    changes: dict[str, str],
) -> ExportConfig:
    """The checked configuration of an export.

    Raises:
        RestorError: for facts, a study, a name or an option that cannot be used.
    """
    from pydantic import ValidationError

    from restor.config import validation_message
    from restor.errors import ConfigError
    from restor.overrides import apply_overrides, paths
    from restor.runner.export import ExportConfig

    content = questions(facts=facts, forget=forget, targets=targets, study=study, seed=seed)
    content["name"] = name
    chosen = {} if protocol is None else {"evaluation.protocol": protocol}
    content = apply_overrides(content, chosen | changes, ExportConfig)
    try:
        return ExportConfig.model_validate(content)
    except ValidationError as error:
        raise ConfigError(validation_message(error, "The export", paths(ExportConfig, content))) from error


def _table(done: Export) -> str:
    lines = [
        f"{task.name}  {count(task.questions, 'question', 'questions')}  {', '.join(task.metrics)}"
        for task in done.content.tasks
    ]
    if done.left_out:
        asked = count(done.left_out, "question", "questions")
        lines.append(f"Left out: {asked} about entities that are neither targeted nor untouched.")
    lines += [
        f"\nThe tasks are in {done.folder}. To ask a model:",
        f"  lm_eval --model hf --model_args pretrained=PATH,dtype=float32 --tasks {done.content.name} "
        f"--include_path {shlex.quote(str(done.folder))}",
    ]
    return "\n".join(lines)


def _json(done: Export) -> str:
    import json

    return json.dumps(
        {"folder": str(done.folder), "left_out": done.left_out, **done.content.model_dump(mode="json")}, indent=2
    )
