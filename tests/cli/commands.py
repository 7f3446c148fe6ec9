"""`restor` as a user types it: within this process, which has imported everything already, or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from shutil import copytree
from unittest import mock

from restor.cli.main import main

FAST = ("--threads", "1", "--quiet")


@dataclass(frozen=True)
class Ended:
    """What a command left behind, as `subprocess` tells it."""

    returncode: int
    stdout: str
    stderr: str


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "restor", *map(str, arguments)]


def environment(cwd: Path) -> dict[str, str]:
    return {**os.environ, "RESTOR_STORE": str(cwd / "store"), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def restor(*arguments: object, cwd: Path) -> Ended:
    """Within this process: seconds less than in one of its own."""
    out, err = StringIO(), StringIO()
    with chdir(cwd), mock.patch.dict(os.environ, environment(cwd)), redirect_stdout(out), redirect_stderr(err):
        try:
            code = main([*map(str, arguments)])
        except SystemExit as ended:
            code = ended.code
    return Ended(int(code or 0), out.getvalue(), err.getvalue())


def in_a_process_of_its_own(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=cwd, env=environment(cwd), capture_output=True, text=True, timeout=200
    )


def done(*arguments: object, cwd: Path) -> str:
    """What a command prints that has to succeed."""
    told = restor(*arguments, cwd=cwd)
    assert told.returncode == 0, told.stderr
    return told.stdout


class Place:
    """A copy of a finished tiny study, and where its checkpoints and files are."""

    def __init__(self, finished: Path, folder: Path) -> None:
        self.folder = folder
        copytree(finished, folder, dirs_exist_ok=True)
        artifacts = folder / "store" / "artifacts"
        self.study = next((folder / "store" / "studies").glob("tiny-*"))
        self.clean = next(artifacts.glob("clean-*")) / "model"
        self.corrupted = next(artifacts.glob("corrupt-*")) / "model"
        self.forget = next(artifacts.glob("corrupt-*")) / "forget.jsonl"
        self.facts = next(artifacts.glob("clean-*")) / "facts.jsonl"
        self.arms = {row["arm"]: row for row in json.loads((folder / "table.json").read_text("utf-8"))["table"]}
        (folder / "retain.txt").write_text(
            "\n\n".join(f"{n} plus {n} is {2 * n}. The town has red walls." for n in range(20)), encoding="utf-8"
        )
