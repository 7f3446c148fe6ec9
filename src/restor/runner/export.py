"""Questions as tasks of lm-evaluation-harness: JSONL, YAML and the one Python file that they need."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import final

from pydantic import Field

from restor.data.text_files import sweep, temporary_beside
from restor.errors import DataError
from restor.evaluation.harness.exported import EXPORT_FILE, METRICS, Exported, ExportedTask
from restor.evaluation.harness.probes import GROUPS, probe
from restor.runner.compare import PlannedComparison, QuestionsConfig
from restor.store.disk import store_error, sync
from restor.store.versions import versions
from restor.types import Group, Query

UTILS_FILE = "utils.py"


@final
class ExportConfig(QuestionsConfig):
    """What is exported under which name."""

    name: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    """The tasks are called restor_NAME_..., without a name restor_..."""


@final
@dataclass(frozen=True, slots=True)
class Export:
    """A folder of tasks that was written."""

    folder: Path
    content: Exported
    left_out: int
    """Validation facts, which count in no figure of a table."""


def export_lm_eval(config: ExportConfig, folder: Path) -> Export:
    """Write the questions as tasks into a new folder, which is there as a whole or not at all.

    Raises:
        DataError: for facts or documents that cannot be used, or a folder that exists and is not empty.
        StoreError: if the disk refuses.
    """
    _check_new(folder)
    asked = PlannedComparison(config)
    queries = {group: [query for query in asked.queries if query.group is group] for group in GROUPS}
    left_out = len(asked.queries) - sum(map(len, queries.values()))
    name = "restor" if config.name is None else f"restor_{config.name}"
    data = asked.digest()
    content = Exported(
        restor=versions()["restor"],
        name=name,
        data=data,
        seed=config.seed,
        max_new_tokens=config.evaluation.max_new_tokens,
        evaluation=config.evaluation.model_dump(mode="json", exclude={"judge"}),
        tasks=tuple(_tasks(name, queries)),
    )
    with _whole(folder) as part:
        for group, some in queries.items():
            if some:
                _write(part / _file(group), (json.dumps(probe(query, data), ensure_ascii=False) for query in some))
        _write(part / UTILS_FILE, [files("restor.evaluation.harness").joinpath("task_utils.py").read_text("utf-8")])
        _write(part / "README.md", [_readme(content)])
        _write(part / EXPORT_FILE, [content.model_dump_json(indent=1)])
        for task in content.tasks:
            _write(part / f"{task.name}.yaml", [_task_yaml(task, content)])
        _write(part / f"{name}.yaml", [_group_yaml(content)])
    return Export(folder, content, left_out)


def _check_new(folder: Path) -> None:
    """Refuse a place where something is.

    Raises:
        DataError: if it is a file, or a folder that is not empty.
    """
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if os.path.lexists(folder):
        raise DataError(f"{folder} exists already. Name a new folder, or remove it: an export never replaces anything.")


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A folder to be filled, which becomes `folder` at the end or leaves nothing behind.

    Raises:
        DataError: if something was put there meanwhile.
        StoreError: if the disk refuses.
    """
    part = temporary_beside(folder.absolute())
    try:
        sweep(part.parent)
        part.mkdir(parents=True)
        yield part
        sync(part)
        _check_new(folder)
        if folder.is_dir():
            folder.rmdir()  # empty; not every system renames onto a folder
        part.rename(folder)
        sync(part.parent)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            _check_new(folder)
        raise store_error(folder, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(path: Path, lines: Iterable[str]) -> None:
    with path.open("x", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(line if line.endswith("\n") else f"{line}\n")
        file.flush()
        os.fsync(file.fileno())


def _file(group: Group) -> str:
    return f"{GROUPS[group]}.jsonl"


def _tasks(name: str, queries: Mapping[Group, Sequence[Query]]) -> Iterator[ExportedTask]:
    for group, some in queries.items():
        known = any(query.planted is not None for query in some)
        for kind in METRICS if some else ():
            yield ExportedTask(
                name=f"{name}_{GROUPS[group]}_{kind}",
                file=_file(group),
                kind=kind,
                questions=len(some),
                planted=known,
            )


# Names have letters, digits, _ and - only, so that nothing here needs quotes. What facts and documents say is in the
# JSONL files alone: the harness reads strings of a YAML file as templates.


def _task_yaml(task: ExportedTask, content: Exported) -> str:
    metrics = "".join(
        f"  - metric: {name}\n    aggregation: mean\n    higher_is_better: {str(better).lower()}\n"
        for name, better in task.metrics.items()
    )
    asked = (
        'output_type: multiple_choice\ndoc_to_choice: options\ntarget_delimiter: " "\n'
        if task.kind == "choice"
        else "output_type: generate_until\ngeneration_kwargs:\n"
        f'  until: ["\\n"]\n  do_sample: false\n  temperature: 0.0\n  max_gen_toks: {content.max_new_tokens}\n'
    )
    return (
        f"task: {task.name}\n"
        "custom_dataset: !function utils.load\n"
        f"dataset_kwargs:\n  file: {task.file}\n"
        "test_split: test\n"
        "num_fewshot: 0  # the prompts have their demonstrations\n"
        "doc_to_text: prompt\n"
        "doc_to_target: answers\n"
        f"{asked}"
        f"process_results: !function utils.{task.function}\n"
        f"metric_list:\n{metrics}"
        f"{_metadata(content)}"
    )


def _group_yaml(content: Exported) -> str:
    members = "".join(f"  - {task.name}\n" for task in content.tasks)
    return f"group: {content.name}\ntask:\n{members}{_metadata(content)}"


def _metadata(content: Exported) -> str:
    return f'metadata:\n  version: {content.format}\n  restor: "{content.restor}"\n  data: "{content.data}"\n'


def _readme(content: Exported) -> str:
    rows = "".join(f"| `{task.name}` | {task.questions} | {', '.join(task.metrics)} |\n" for task in content.tasks)
    text = (
        f"# {content.name}\n\n"
        "Questions of RESTOR as tasks of lm-evaluation-harness, written by `restor export lm-eval`. In this folder:\n\n"
        "```\n"
        f"lm_eval --model hf --model_args pretrained=PATH,dtype=float32 --tasks {content.name} --include_path .\n"
        "```\n\n"
        f"| task | questions | figures |\n|---|---|---|\n{rows}\n"
        "- `acc`: the most probable option is a true answer. `acc_norm`: the same per character.\n"
        "- `exact_match`: the written answer is a true answer but for case, accents, punctuation and articles.\n"
    )
    if any(task.planted for task in content.tasks):
        text += "- `planted`: it is the wrong answer that the forget documents state (residual corruption).\n"
    if content.evaluation["protocol"] == "published":
        text += "\nThe protocol of these prompts samples its answers. These tasks take the most probable tokens.\n"
    return text
