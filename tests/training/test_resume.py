"""A run's own checkpoints: what survives a kill, a full disk and a lost file."""

from __future__ import annotations

import json
import shutil

import pytest

from interrupted import KillAt, Killed, same, weights_of
from restor.training.batching import SetRows
from restor.training.config import LoopConfig, LoraConfig
from restor.training.loop import train
from restor.training.lora import add_adapter
from restor.training.objective import LanguageModelling
from restor.training.resume import ResumeFolder

ROWS = [[1, 4, 5, 6, 7, 8, 2], [1, 9, 5, 2], [1, 4, 10, 11, 12, 2], [1, 13, 6, 2], [1, 9, 2]]


def run(model, folder=None, kill=None, every=0.0, **changes):
    """Five steps; returns what was heard, the log and the weights."""
    config = LoopConfig(**({"steps": 5, "lr": 3e-3, "precision": "float32"} | changes))
    source = SetRows(ROWS, tokens=14, name="text", seed=0)
    callback = KillAt(kill)
    resume = ResumeFolder(folder, every) if folder else None
    log = train(
        model, LanguageModelling(), {"text": source}, config, pad=0, seed=3, callbacks=[callback], resume=resume
    )
    return callback.heard, log, weights_of(model)


def killed(model, folder, at, **more):
    with pytest.raises(Killed):
        run(model, folder, kill=at, **more)


def steps_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_only_the_newest_state_is_kept_and_nothing_in_it_is_pickled(llama, tmp_path):
    killed(llama(0), tmp_path, at=4)
    assert steps_in(tmp_path) == ["step-00000003"]
    assert sorted(path.name for path in (tmp_path / "step-00000003").iterdir()) == ["state.json", "state.safetensors"]
    meta = json.loads((tmp_path / "step-00000003" / "state.json").read_text())
    assert meta["step"] == 3
    assert [record["step"] for record in meta["log"]] == [1, 2, 3]


def test_nothing_is_written_before_it_is_due_nor_after_the_last_step(llama, tmp_path):
    run(llama(0), tmp_path / "rare", every=3600)
    assert not (tmp_path / "rare").exists()
    run(llama(0), tmp_path / "often")
    assert steps_in(tmp_path / "often") == ["step-00000004"]


def test_a_run_killed_twice_ends_like_one_that_was_not(llama, tmp_path):
    _, log, whole = run(llama(0))
    killed(llama(0), tmp_path, at=2)
    killed(llama(0), tmp_path, at=4)
    heard, resumed_log, resumed = run(llama(0), tmp_path)
    assert heard == [4, 5]
    assert same(resumed, whole)
    assert resumed_log.records == log.records
    assert (resumed_log.tokens, resumed_log.flops) == (log.tokens, log.flops)
    assert resumed_log.seconds > 0


def test_dropout_goes_on_where_it_was(llama, tmp_path):
    def adapted():
        return add_adapter(llama(0), LoraConfig(rank=2, dropout=0.3), seed=1)

    _, log, whole = run(adapted())
    killed(adapted(), tmp_path, at=3)
    _, resumed_log, resumed = run(adapted(), tmp_path)
    assert same(resumed, whole)
    assert resumed_log.records == log.records


@pytest.mark.parametrize("file", ["state.safetensors", "state.json"])
@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_a_damaged_state_costs_a_recompute_never_the_run(llama, tmp_path, file, keep):
    _, log, whole = run(llama(0))
    killed(llama(0), tmp_path, at=2)
    path = tmp_path / "step-00000001" / file
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    heard, resumed_log, resumed = run(llama(0), tmp_path)
    assert heard == [1, 2, 3, 4, 5]
    assert same(resumed, whole)
    assert resumed_log.records == log.records
    assert steps_in(tmp_path) == ["step-00000004"]


@pytest.mark.parametrize("file", ["state.safetensors", "state.json"])
def test_a_lost_file_of_a_state_is_like_no_state(llama, tmp_path, file):
    _, _, whole = run(llama(0))
    killed(llama(0), tmp_path, at=2)
    (tmp_path / "step-00000001" / file).unlink()
    heard, _, resumed = run(llama(0), tmp_path)
    assert heard[0] == 1
    assert same(resumed, whole)


def test_the_newest_readable_state_is_taken(llama, tmp_path):
    """A kill between the swap and the clearing away leaves two."""
    _, _, whole = run(llama(0))
    killed(llama(0), tmp_path, at=3)
    shutil.copytree(tmp_path / "step-00000002", tmp_path / "kept")
    killed(llama(0), tmp_path, at=4)
    (tmp_path / "kept").rename(tmp_path / "step-00000002")
    path = tmp_path / "step-00000003" / "state.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    heard, _, resumed = run(llama(0), tmp_path)
    assert heard == [3, 4, 5]
    assert same(resumed, whole)


def test_a_half_written_state_is_not_read(llama, tmp_path):
    killed(llama(0), tmp_path, at=3)
    (tmp_path / "step-00000002").rename(tmp_path / "partial")
    heard, _, _ = run(llama(0), tmp_path)
    assert heard[0] == 1
