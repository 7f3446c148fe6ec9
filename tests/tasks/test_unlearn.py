"""What the task of an arm reads."""

from __future__ import annotations

from shutil import copytree

from worlds import Seeded

import restor.tasks.training.material as material
from restor.experiment import ArmConfig
from restor.progress import Silent
from restor.runner.study import run_study
from tiny_study import tiny_config


def test_a_random_forget_set_is_forgotten_in_place_of_that_about_the_targets(finished_study, tmp_path, monkeypatch):
    copytree(finished_study / "store", tmp_path / "store")
    config = tiny_config()
    arms = {"random": ArmConfig(label="Random", algorithm="npo", forget="random", lr=1e-3, steps=1)}
    config = config.model_copy(update={"unlearning": config.unlearning.model_copy(update={"arms": arms})})
    original, read = material.encode_texts, []

    def record(*given, documents, **more):
        read.append(tuple(document.text for document in documents))
        return original(*given, documents=documents, **more)

    monkeypatch.setattr(material, "encode_texts", record)
    run_study(config, store=tmp_path / "store", progress=Silent())
    world = Seeded(config, 0)
    assert set(read) == {tuple(world.texts("random"))}
    assert not set(read[0]) & {document.text for document in world.forget_documents}
