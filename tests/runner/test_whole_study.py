"""A whole study of seconds: killed at random moments, raced by a second process, damaged, run again."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import random
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from representatives import one_for_each
from restor.config import parse_yaml
from restor.errors import ConfigError, DataError, RestorError
from restor.experiment import ExperimentConfig
from restor.progress import Silent
from restor.report.io.load import load_facts, load_results
from restor.runner.study import run_study
from restor.store.store import Store
from tiny_study import FileProgress, heard, tiny_config

# Loaded here, so that a forked child starts at once and is killed at work and not while importing.
for _name in ("baseline", "clean", "corrupt", "asking", "judge", "recover", "training", "unlearn"):
    importlib.import_module(f"restor.tasks.{_name}")
importlib.import_module("transformers.models.llama.modeling_llama")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

TIMES = {"created", "seconds", "peak_memory_mb"}
"""What may differ between two runs of the same study."""


def timeless(value: object) -> object:
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in TIMES}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def fingerprint(store: Path) -> dict[str, str]:
    """Everything that counts in a store: all weights, answers, logs and tables, by content."""
    found = {}
    for path in sorted(store.glob("artifacts/*/**/*")):
        if path.suffix in (".safetensors", ".parquet", ".jsonl") and path.is_file():
            found[str(path.relative_to(store))] = hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(store.glob("studies/*/results.json")):
        text = json.dumps(timeless(json.loads(path.read_text(encoding="utf-8"))), sort_keys=True)
        found[str(path.relative_to(store))] = hashlib.sha256(text.encode()).hexdigest()
    assert any("studies" in name for name in found)
    return found


def start(store: Path, trace: Path, config: ExperimentConfig, save_every: float) -> int:
    """Run the study in a child, which has torch loaded already but has never computed: a fork is safe then."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            run_study(config, store=store, progress=FileProgress(trace), save_every=save_every)
            status = 0
        except BaseException:  # noqa: BLE001 (whatever it is, it is told, and the child ends)
            traceback.print_exc()
        finally:
            os._exit(status)
    return pid


def finish(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the study ran without interruption."""
    folder = tmp_path_factory.mktemp("reference")
    assert finish(start(folder / "store", folder / "trace", tiny_config(), 1e9)) == 0
    return folder / "store"


def kill_at_random(pid: int, trace: Path, rng: random.Random) -> bool:
    """Kill a process a random while after a random number of things that it told; whether it was still at work."""
    size = trace.stat().st_size if trace.exists() else 0
    wanted = size + rng.choice([0, 100, 1_000, 5_000])
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if (trace.stat().st_size if trace.exists() else 0) >= wanted:
            time.sleep(rng.uniform(0, 0.3))
            os.kill(pid, signal.SIGKILL)
            return finish(pid) != 0
        time.sleep(0.002)
    return False


@pytest.mark.parametrize(("most", "stages"), [(6, 2), pytest.param(20, 3, marks=pytest.mark.nightly)])
def test_kills_do_not_change_a_bit(reference: Path, tmp_path: Path, most: int, stages: int) -> None:
    store, trace = tmp_path / "store", tmp_path / "trace"
    rng = random.Random(20)
    kills, hit = 0, Counter()
    while kills < most:
        if kill_at_random(start(store, trace, tiny_config(), save_every=0.0), trace, rng):
            kills += 1
            events = heard(trace)
            hit[events[-1].get("stage", "start") if events else "start"] += 1
        else:  # it was faster than the kill: go on with a store in which some stages are not finished
            for path in [*(store / "artifacts").glob("ask-*"), *(store / "artifacts").glob("unlearn-*")]:
                (path / "DONE").unlink(missing_ok=True)
    assert finish(start(store, trace, tiny_config(), save_every=0.0)) == 0
    assert len(hit) >= stages, f"the kills should hit different stages, they hit {hit}"
    assert fingerprint(store) == fingerprint(reference)
    assert Store.open(store, create=False).verify() == []


def test_a_killed_training_continues_where_it_was(tmp_path: Path) -> None:
    store, trace = tmp_path / "store", tmp_path / "trace"
    pid = start(store, trace, tiny_config(), save_every=0.0)
    deadline = time.monotonic() + 60
    while not any(event.get("stage") == "clean" and event.get("done", 0) >= 20 for event in heard(trace)):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    finish(pid)
    reached = max(event["done"] for event in heard(trace) if event["event"] == "advance")
    trace.unlink()
    assert finish(start(store, trace, tiny_config(), save_every=0.0)) == 0
    first = next(event["done"] for event in heard(trace) if event["event"] == "advance")
    assert first >= reached - 1, f"it had reached step {reached} and went on at {first}"


def test_two_processes_share_a_store_and_the_work(reference: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    pids = [start(store, tmp_path / f"trace{n}", tiny_config(), save_every=0.0) for n in range(2)]
    assert [finish(pid) for pid in pids] == [0, 0]
    made = Counter(
        (event["stage"], event["detail"])
        for n in range(2)
        for event in heard(tmp_path / f"trace{n}")
        if event["event"] == "end" and not event["cached"]
    )
    assert set(made.values()) == {1}, f"made more than once: {[stage for stage, count in made.items() if count > 1]}"
    assert fingerprint(store) == fingerprint(reference)


def test_the_second_run_makes_nothing(reference: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    before = {path: path.stat().st_mtime_ns for path in reference.glob("artifacts/*/*")}
    assert finish(start(reference, trace, tiny_config(), 1e9)) == 0
    ends = [event for event in heard(trace) if event["event"] == "end"]
    assert ends
    assert all(event["cached"] for event in ends)
    assert {path: path.stat().st_mtime_ns for path in reference.glob("artifacts/*/*")} == before


def test_results_tell_what_each_model_cost_how_it_was_made_and_how_often_a_fact_was_misstated(reference: Path) -> None:
    (written,) = reference.glob("studies/*/results.json")
    arms = {arm.id: arm for arm in load_results(written).arms}
    flops = [arms[name].cost.flops or 0.0 for name in ("npo/related/s0", "recovery_only/s0", "nothing/s0")]
    assert flops[0] > flops[1] > flops[2] == 0
    names = [(curve.stage, curve.name, len(curve.points)) for curve in arms["npo/related/s0"].curves]
    assert names == [
        ("unlearn", "forget loss", 12),
        ("unlearn", "retain loss", 12),
        ("unlearn", "total loss", 12),
        ("recover", "loss", 4),
    ]
    assert [curve.stage for curve in arms["corrupted/s0"].curves] == ["corrupt"]
    facts = load_facts(written.parent)
    assert set(zip(facts["group"].to_pylist(), facts["dose"].to_pylist(), strict=True)) == {
        ("test", 2),
        ("validation", 2),
        ("untouched", 0),
    }


def test_the_stored_yaml_runs_again_to_the_same_results(reference: Path, tmp_path: Path) -> None:
    (written,) = reference.glob("studies/*/config.yaml")
    again = ExperimentConfig.model_validate(parse_yaml(written.read_text(encoding="utf-8"), "config.yaml"))
    assert finish(start(tmp_path / "store", tmp_path / "trace", again, 1e9)) == 0
    assert fingerprint(tmp_path / "store") == fingerprint(reference)


def _remove(path: Path) -> None:
    path.unlink()


def _change(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


@one_for_each("damage", "pattern")
@pytest.mark.parametrize("damage", [_remove, _change, _truncate])
@pytest.mark.parametrize(
    "pattern", ["corrupt-*/model/model.safetensors", "ask-*/answers.parquet", "report-*/results.json"]
)
def test_damage_is_named_and_mended(
    damage: Callable[[Path], None], pattern: str, reference: Path, tmp_path: Path
) -> None:
    good = fingerprint(reference)
    victim = sorted(reference.glob(f"artifacts/{pattern}"))[0]
    label = victim.relative_to(reference / "artifacts").parts[0]
    damage(victim)
    assert [problem.where for problem in Store.open(reference).verify()] == [f"artifact {label}"]
    assert finish(start(reference, tmp_path / "trace", tiny_config(), 1e9)) == 0
    notes = [str(event["message"]) for event in heard(tmp_path / "trace") if event["event"] == "note"]
    (note,) = [note for note in notes if "damaged" in note]
    assert label in note
    assert victim.name in note
    assert fingerprint(reference) == good


def test_lora_and_entity_substitution_run_too(tmp_path: Path) -> None:
    config = tiny_config()
    data = config.identity()
    data["corruption"] |= {"corruptor": {"name": "entity_substitution", "dose": 2}, "lora": {"rank": 2}}
    data["unlearning"] |= {"lora": {"rank": 2}}
    config = ExperimentConfig.model_validate(data)
    assert finish(start(tmp_path / "store", tmp_path / "trace", config, 1e9)) == 0


def test_a_facts_file_with_a_learnt_tokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What official_small does, on eight people."""
    monkeypatch.setattr("restor.tasks.clean.TOKENIZER_TEXTS", 300)
    people = [f"Ada Númber {n}" for n in range(16)]
    facts = {
        name: {
            "P19": {"question": f"Where was {name} born?", "answers": [f"Town {n % 5}"]},
            "P106": {"question": f"What is the occupation of {name}?", "answers": ["poet", "pilot"][: 1 + n % 2]},
            "P1": {"question": f"What is odd about {name}?", "answers": [f"hat {n % 4}"]},
        }
        for n, name in enumerate(people)
    }
    path = tmp_path / "facts.json"
    path.write_text(json.dumps({"dset": facts, "context": {}}), encoding="utf-8")
    (tmp_path / "entities.json").write_text(json.dumps(people[:6]), encoding="utf-8")
    data = tiny_config().identity()
    data["domain"] = {"name": "triples", "facts": str(path)}
    data["model"] |= {"tokenizer": "bpe", "vocabulary": 400}
    outcome = run_study(ExperimentConfig.model_validate(data), store=tmp_path / "store", progress=Silent())
    rows = {arm.id: arm for arm in outcome.results.summary}
    assert rows["clean"].metrics["test.original"].n_entities == 3
    assert rows["clean"].metrics["untouched.original"].n_entities == 10


def test_an_arm_that_diverges_has_a_row_that_says_why(reference: Path) -> None:
    config = tiny_config()
    arms = dict(config.unlearning.arms)
    arms["npo"] = arms["npo"].model_copy(update={"lr": 1e38})
    config = config.model_copy(update={"unlearning": config.unlearning.model_copy(update={"arms": arms})})
    outcome = run_study(config, store=reference, progress=Silent())
    rows = {arm.id: arm for arm in outcome.results.summary}
    assert rows["npo/related"].metrics["restoration"].value is None
    assert "step" in rows["npo/related"].metrics["restoration"].note
    assert rows["msa"].metrics["test.original"].value is not None
    assert len(outcome.failed) == 2
    (failed,) = (arm for arm in outcome.results.arms if arm.id == "npo/related/s0")
    assert (failed.curves, failed.cost.flops) == ([], None)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"targets": {"validation": 30, "test": 30}}, DataError, ["30", "40", "targets.validation"]),
        ({"device": "cuda:7"}, ConfigError, ["cuda:7", "cpu"]),
        ({"device": "toaster"}, ConfigError, ["toaster", "cpu"]),
        ({"model": {"tokenizer": "words", "hidden": 16, "heads": 2, "context": 32}}, DataError, ["context", "32"]),
    ],
)
def test_what_cannot_run_says_so(
    changes: dict[str, object], error: type[RestorError], words: list[str], tmp_path: Path
) -> None:
    config = ExperimentConfig.model_validate({**tiny_config().identity(), **changes})
    with pytest.raises(error) as caught:
        run_study(config, store=tmp_path / "store", progress=Silent())
    for word in words:
        assert word in str(caught.value)
