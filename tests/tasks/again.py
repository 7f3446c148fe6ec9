"""Makes tasks again in a process of its own, from what their manifests say: the subject of test_tasks.py."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import torch

import restor
from restor.models.quiet import quiet_libraries
from restor.progress import Silent
from restor.tasks.base import Context, read_task

PACKAGE = str(Path(restor.__file__).parent)


def make_again(manifest: Path, out: Path, outside: dict[str, Any]) -> dict[str, Any]:
    """Make one task in `out`; returns its key, and the files of restor whose code ran.

    Args:
        manifest: of the artifact, in a folder beside those of its inputs.
        out: where the task writes.
        outside: fields that no manifest holds.
    """
    task = read_task(json.loads(manifest.read_text(encoding="utf-8"))["task"] | outside)
    inputs = {ref.key: manifest.parents[1] / ref.label for ref in task.inputs.values()}
    out.mkdir(parents=True)
    context = Context(inputs, out, out.with_suffix(".resume"), "cpu", Silent(), 1e9)
    ran = set[str]()

    def record(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            ran.add(frame.f_code.co_filename)

    threading.settrace(record)
    sys.settrace(record)
    try:
        task.run(context)
    finally:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]
    return {"key": task.key, "ran": sorted(name for name in ran if name.startswith(PACKAGE))}


if __name__ == "__main__":
    torch.set_num_threads(1)
    jobs = json.loads(sys.stdin.read())
    with quiet_libraries():
        made = [make_again(Path(job["manifest"]), Path(job["out"]), job["outside"]) for job in jobs]
    sys.stdout.write(json.dumps(made))
