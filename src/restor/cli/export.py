"""`restor export`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from restor.cli.arguments import Changes, Json
from restor.cli.common import count
from restor.cli.evaluate import QuestionOptions
from restor.cli.output import put_json

if TYPE_CHECKING:
    from restor.runner.export import Export


def export(
    format: Annotated[Literal["lm-eval"], Parameter(help="For which program: lm-eval.")],
    folder: Annotated[Path, Parameter(name="OUT", help="A new folder.")],
    /,
    *,
    questions: QuestionOptions = QuestionOptions(),
    name: Annotated[str | None, Parameter(help="The tasks are called restor_NAME_... instead of restor_...")] = None,
    json: Json = False,
    changes: Changes = (),
) -> None:
    """Write the questions as tasks of lm-evaluation-harness. No model is asked.

    What is asked is said as for `restor evaluate`.
    """
    from restor.overrides import configured
    from restor.runner.export import ExportConfig, export_lm_eval

    content = questions.content() | {"name": name}
    config = configured(ExportConfig, content, questions.changes(changes), source="The export")
    done = export_lm_eval(config, folder)
    if json:
        tasks = {"folder": str(done.folder), "left_out": done.left_out, **done.content.model_dump(mode="json")}
        put_json(tasks, indent=2)
    else:
        sys.stdout.write(f"{_table(done)}\n")


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
