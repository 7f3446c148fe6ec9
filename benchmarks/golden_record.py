"""Whether a change of the code changed any result: a record of hashes, made before the change and checked after it.

    python benchmarks/golden_record.py record golden.json
    python benchmarks/golden_record.py check golden.json

It runs the command line on small models for two or three minutes: a study (two seeds, both retain texts, one arm per
way of reading data), a selection, a comparison, answers judged again, and each verb that makes a checkpoint. It keeps
hashes of weights, answers, verdict columns, `results.json` and `restor.json`, without times, versions, keys and paths.
Store keys may change; nothing that the record holds may. The last bits of weights belong to a machine and a version of
PyTorch, so a record is made where it is checked and never committed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

STUDY = """\
name: golden
seeds: [0, 1]
domain: {name: miniature, people: 40, values: 8}
model: {hidden: 16, intermediate: 32, layers: 1, heads: 2, context: 256}
clean: {steps: 60, tokens_per_step: 256, checkpoints: [0.5]}
targets: {validation: 3, test: 3}
corruption:
  corruptor: {name: fact_swap, dose: 2, k: 1}
  forget_tokens: 256
  replay_tokens: 256
  lr: 0.001
unlearning:
  forget_tokens: 256
  retain_tokens: 256
  retain_texts: 40
  arms:
    nothing: {label: Nothing, recover: false}
    recovery_only: {label: Recovery only}
    filter: {label: Output filter, filter: true, recover: false}
    npo: {label: NPO, algorithm: npo, lr: 0.001, steps: 8}
    msa: {label: MSA, algorithm: msa, lr: 0.001, steps: 8, options: {checkpoint: 0.5}}
    random: {label: Random, algorithm: npo, forget: random, lr: 0.001, steps: 8}
    dpo: {label: DPO, algorithm: dpo, lr: 0.001, steps: 8}
    oracle: {label: Oracle, algorithm: fine_tune_truth, lr: 0.001, steps: 8}
    rehearsal: {label: Self-rehearsal, algorithm: self_rehearsal, lr: 0.001, steps: 4}
    wrapped: {label: GradDiff in GRU, algorithm: gradient_ascent, wrapper: gru, lr: 0.001, steps: 8}
recovery: {steps: 4, tokens: 256, texts: 40}
evaluation: {shots: 2, untouched_facts: 40, max_new_tokens: 4}
precision: float32
threads: 1
"""

TIMES = frozenset({"created", "seconds", "peak_memory_mb", "code", "versions", "lineage", "key", "started", "finished"})
"""What differs from run to run, or from one code to the next."""


def main() -> None:
    """Record, or check a record; exit code 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["record", "check"])
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        hashes = dict(record(Path(folder)))
    if arguments.action == "record":
        arguments.file.write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")
        print(f"{len(hashes)} hashes written to {arguments.file}")
        return
    before = json.loads(arguments.file.read_text(encoding="utf-8"))
    # A column that facts.parquet did not have is no change of those that it had.
    known = before.keys() | {name for name in hashes if "/facts/" not in name}
    changed = [name for name in {**before, **hashes} if name in known and before.get(name) != hashes.get(name)]
    for name in changed:
        print(f"{name}: {before.get(name, 'not there before')} -> {hashes.get(name, 'not there now')}")
    print(f"{len(changed)} of {len(before)} hashes differ")
    sys.exit(bool(changed))


def record(place: Path) -> Iterator[tuple[str, str]]:
    """Run everything in `place`, and yield the name and the hash of each result."""
    store, study = place / "store", place / "study.yaml"
    study.write_text(STUDY, encoding="utf-8")
    yield from _results("study", _restor(place, "run", study, "--store", store))
    (folder,) = (store / "studies").glob("golden-*")
    yield from _stored_models("study", folder / "results.json", store)
    few = ("--algorithms", "npo", "--seeds", "10,")
    _restor(place, "select", study, *few, "--store", store, "--out", place / "selection.json")
    yield "selection", _digest(_without_paths(json.loads((place / "selection.json").read_bytes())))

    models = _models(folder / "results.json", store)
    clean, corrupted = models["clean/s0"].parent, models["corrupted/s0"].parent
    forget, facts = corrupted / "forget.jsonl", clean / "facts.jsonl"
    common = ("--threads", 1, "--lr", "0.001", "--tokens", 256, "--precision", "float32")
    # Under names without store keys, which reports repeat.
    clean = shutil.copytree(clean / "model", place / "clean")
    corrupted = shutil.copytree(corrupted / "model", place / "corrupted")
    retain = place / "retain.txt"
    retain.write_text("\n".join(_texts(forget)[:20]), encoding="utf-8")
    unlearn = ("unlearn", "--forget", forget, "--facts", facts, "--retain", retain, *common)
    verbs: dict[str, tuple[object, ...]] = {
        "corrupt": ("corrupt", "--model", clean, "--forget", forget, "--facts", facts, "--epochs", 2, *common),
        "unlearn": (*unlearn, "--model", place / "corrupt", "--algorithm", "npo", "--steps", 6),
        "unlearn_full": (*unlearn, "--model", corrupted, "--algorithm", "dpo", "--steps", 6, "--lora", "null"),
        "unlearn_msa": (*unlearn, "--model", corrupted, "--algorithm", "msa", "--steps", 6, "--checkpoint", clean),
        "select": (*unlearn, "--model", corrupted, "--algorithm", "gradient_ascent", "--steps", 6, "--select"),
        "recover": ("recover", "--model", place / "unlearn", "--text", retain, "--steps", 4, *common),
    }
    for name, arguments in verbs.items():
        _restor(place, *arguments, "--out", place / name)
        yield f"{name}/weights", _file_digest(place / name / "model.safetensors")
        yield f"{name}/restor.json", _digest(_without_paths(json.loads((place / name / "restor.json").read_bytes())))

    named = {"clean": clean, "corrupted": corrupted, **{name: place / name for name in ("unlearn", "recover")}}
    asked = [part for name, path in named.items() for part in ("--model", f"{name}={path}")]
    compared = _restor(
        place,
        "evaluate",
        *asked,
        "--dtype",
        "float32",
        "--facts",
        facts,
        "--forget",
        forget,
        "--store",
        store,
        "--threads",
        1,
    )
    yield from _results("comparison", compared)
    again = _restor(place, "judge", folder, "--judge", "alias", "--set", "fuzzy=null", "--out", place / "again")
    yield from _results("judged again", again)


def _restor(place: Path, *arguments: object) -> Path:
    """Run a verb; returns the newest folder of results."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "RESTOR_CACHE": str(place / "cache")}
    command = [sys.executable, "-m", "restor", *map(str, arguments), "--quiet"]
    print(*command[2:4], file=sys.stderr)
    finished = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{finished.stdout}{finished.stderr}")
    results = [*place.glob("store/studies/*/results.json"), *place.glob("*/results.json")]
    return max(results, key=lambda path: path.stat().st_mtime, default=place).parent


def _results(name: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Of results.json field by field, and of facts.parquet column by column."""
    content = json.loads((folder / "results.json").read_bytes())
    content["study"].pop("id")  # a comparison's follows from where its models are
    for arm in (*content.pop("arms"), *content.pop("summary")):
        yield f"{name}/results/{arm['id']}", _digest(_without_paths(arm))
    yield f"{name}/results", _digest(_without_paths(content))
    facts = pq.read_table(folder / "facts.parquet")
    for column in facts.column_names:
        yield f"{name}/facts/{column}", _digest(facts.column(column).to_pylist())


def _models(results: Path, store: Path) -> dict[str, Path]:
    """Folder of the model of each arm that has one."""
    folders = {}
    for arm in json.loads(results.read_bytes())["arms"]:
        for ancestor in arm["lineage"]:
            model = store / "artifacts" / f"{ancestor['stage']}-{ancestor['key']}" / "model"
            if (model / "model.safetensors").is_file():
                folders[arm["id"]] = model
    return folders


def _stored_models(name: str, results: Path, store: Path) -> Iterator[tuple[str, str]]:
    for arm, model in _models(results, store).items():
        yield f"{name}/weights/{arm}", _file_digest(model / "model.safetensors")


def _texts(documents: Path) -> list[str]:
    return [json.loads(line)["text"].replace("\n", " ") for line in documents.read_text(encoding="utf-8").splitlines()]


def _without_paths(value: Any) -> Any:
    """A JSON value without times, and with the names of files only: their folders hold store keys or are temporary."""
    if isinstance(value, dict):
        return {key: _without_paths(item) for key, item in value.items() if key not in TIMES}
    if isinstance(value, list):
        return [_without_paths(item) for item in value]
    return Path(value).name if isinstance(value, str) and value.startswith("/") else value


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


if __name__ == "__main__":
    main()
