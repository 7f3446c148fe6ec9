"""The choice of hyperparameters of a study: by validation people only, with early stopping, for a study to take."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest
import torch

import restor.evaluation.ask.asker as asking
from restor.errors import ConfigError, TrainingError
from restor.experiment import ArmConfig, ExperimentConfig
from restor.progress import Silent
from restor.runner.execute import Executor
from restor.runner.plan import plan_seed
from restor.runner.resolve import resolve, settings_of
from restor.runner.select import select
from restor.runner.study import world_of
from restor.selection.choices import Selection, read_selection
from restor.selection.trial import Chosen, Trial
from restor.selection.validation import Shares, Validation
from restor.store.store import Store
from restor.tasks.tabulation.arms import in_order
from restor.types import Group
from restor.unlearning.algorithms.base import ALGORITHMS, GRID_SIZE
from tiny_study import tiny_config

ARMS = {
    "npo": ArmConfig(label="NPO", algorithm="npo"),
    "msa": ArmConfig(label="MSA", algorithm="msa", options={"checkpoint": 0.5}),
    "nothing": ArmConfig(label="Nothing", recover=False),
}


def searched(*arms: str, **changes: object) -> ExperimentConfig:
    config = tiny_config(retain=("related",), **changes)
    return config.model_copy(
        update={
            "unlearning": config.unlearning.model_copy(update={"arms": {name: ARMS[name] for name in arms}}),
            "corruption": config.corruption.model_copy(update={"strengths": {"medium": 1e-3}, "lr": None}),
        }
    )


def read(path: Path) -> Selection:
    return Selection.model_validate_json(path.read_text(encoding="utf-8"))


def chosen_by(folder: Path, config: ExperimentConfig) -> Selection:
    select(config, store=folder / "store", progress=Silent(), out=folder / "mine.json", save_every=0.0)
    return read(folder / "mine.json")


class Script:
    """Stands for asking: gives these shares one after the other, the corrupted model's first."""

    def __init__(self, *answers: tuple[float, float]) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.models: list[str] = []

    def __call__(self, model: torch.nn.Module) -> Shares:
        original, untouched = self.answers[self.asked]
        self.asked += 1
        self.models.append(digest(model))
        return Shares(original=original, untouched=untouched)


def digest(model: torch.nn.Module) -> str:
    sha = hashlib.sha256()
    for name, value in sorted(model.named_parameters()):
        sha.update(name.encode() + value.detach().numpy().tobytes())
    return sha.hexdigest()


@pytest.fixture(autouse=True)
def models_made(finished_study, tmp_path):
    """Puts the clean and the corrupted model of seed 0, which every selection needs, into the store of a folder."""

    def put(folder):
        store = Store.open(folder / "store")
        for stage in ("clean", "corrupt"):
            (made,) = (finished_study / "store" / "artifacts").glob(f"{stage}-*")
            copytree(made, store.path / "artifacts" / made.name)

    put(tmp_path)
    return put


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Script]:
    def make(*answers: tuple[float, float]) -> Script:
        given = Script(*answers)

        def ask(_validation, model, _tokenizer):
            return given(model)

        monkeypatch.setattr(Validation, "ask", ask)
        return given

    return make


def flat(*scores: float) -> list[tuple[float, float]]:
    """Answers of an attempt in which the untouched facts stay as they were."""
    return [(score, 0.9) for score in scores]


def marks(trial: Trial) -> list[tuple[int, float]]:
    return [(mark.step, mark.score) for mark in trial.marks]


# A trace by hand -----------------------------------------------------------------------------------------------------

NPO = [
    flat(0.1, 0.2, 0.3, 0.4, 0.5, 0.45),  # all steps
    flat(0.3, 0.2, 0.1),  # two marks without a better one: over
    [(0.6, 0.9), (0.7, 0.5), (0.65, 0.85), (0.6, 0.9), (0.5, 0.9)],  # 0.6, 0.3, 0.6, over
    flat(0.2, 0.2, 0.2),
    flat(0.1, 0.55, 0.1, 0.6, 0.1, 0.1),
    flat(0.0, 0.1, 0.2, 0.3, 0.3, 0.3),
]
NPO[2] = NPO[2][:3]


@pytest.fixture
def steps() -> int:
    (most,) = {choice.steps for choice in ALGORITHMS.get("npo").info.grid}
    assert most % 6 == 0, "for the arithmetic of this test"
    return most


def test_the_trace_is_what_was_answered_and_ends_where_nothing_gets_better(tmp_path, script, steps) -> None:
    given = script((0.1, 0.9), *(answer for attempt in NPO for answer in attempt))
    selection = chosen_by(tmp_path, searched("npo"))
    trials = selection.trace["medium"]
    sixth = steps // 6
    assert given.asked == len(given.answers), "as often as the script says, and not once more"
    assert [trial.point for trial in trials] == list(range(GRID_SIZE))
    assert [len(trial.marks) for trial in trials] == [6, 3, 3, 3, 6, 6]
    assert [trial.ended for trial in trials] == ["complete", "early", "early", "early", "complete", "complete"]
    assert marks(trials[2]) == [(sixth, 0.6), (2 * sixth, 0.3), (3 * sixth, 0.6)]
    assert trials[2].note == f"ended after step {3 * sixth}: no better score since step {sixth}"
    # Points 2 and 4 reach 0.6: point 2 with fewer steps.
    lrs = [choice.lr for choice in ALGORITHMS.get("npo").info.grid]
    assert selection.choices["medium"]["npo"]["related"] == Chosen(lr=lrs[2], steps=steps, stop=sixth)


def test_a_weight_algorithm_is_looked_at_when_it_is_ready(tmp_path, script) -> None:
    given = script((0.1, 0.9), *flat(0.1, 0.2, 0.4, 0.3, 0.4, 0.0))
    selection = chosen_by(tmp_path, searched("msa"))
    assert given.asked == 1 + GRID_SIZE
    assert [len(trial.marks) for trial in selection.trace["medium"]] == [1] * GRID_SIZE
    assert all(trial.ended == "complete" for trial in selection.trace["medium"])
    grid = ALGORITHMS.get("msa").info.grid
    best = min((2, 4), key=lambda point: (grid[point].steps, grid[point].lr))
    chosen = selection.choices["medium"]["msa"]["none"]
    assert (chosen.lr, chosen.steps, chosen.stop) == (grid[best].lr, grid[best].steps, None)
    assert chosen.options == grid[best].options


def test_the_mean_over_worlds_decides(tmp_path, script, steps) -> None:
    first, second = flat(0.6, 0.5, 0.4), flat(0.1, 0.2, 0.3, 0.1, 0.1)
    low = flat(0.0, 0.0, 0.0)
    other, more = flat(0.2, 0.4, 0.3, 0.3), flat(0.3, 0.35, 0.3, 0.3)
    script((0.1, 0.9), *first, *other, *low * 4, (0.1, 0.9), *second, *more, *low * 4)
    selection = chosen_by(tmp_path, searched("npo", seeds=(0, 1)))
    trials = selection.trace["medium"]
    assert [(trial.point, trial.seed) for trial in trials] == [(n, seed) for n in range(GRID_SIZE) for seed in (0, 1)]
    # Point 0: 0.35, 0.35, 0.35 where both worlds got to. Point 1: 0.25, 0.375, 0.3, 0.3.
    chosen = selection.choices["medium"]["npo"]["related"]
    assert (chosen.lr, chosen.stop) == (trials[2].lr, steps // 3)
    assert selection.n_entities == 6


def test_a_training_that_fails_keeps_what_was_seen_before(tmp_path, script, monkeypatch, steps) -> None:
    import restor.training.loop as loop

    script((0.1, 0.9), *flat(0.5, 0.6), *flat(0.3, 0.2, 0.1) * 4)
    real, calls = loop._clip, {"n": 0}

    def breaks(trained, config, step):
        if config.lr == ALGORITHMS.get("npo").info.grid[0].lr and step == steps // 3 + 1:
            raise TrainingError("The gradient is not finite.")
        if config.lr == ALGORITHMS.get("npo").info.grid[5].lr and step == 0:
            raise TrainingError("The gradient is not finite at once.")
        calls["n"] += 1
        return real(trained, config, step)

    monkeypatch.setattr(loop, "_clip", breaks)
    selection = chosen_by(tmp_path, searched("npo"))
    trials = selection.trace["medium"]
    assert (trials[0].ended, len(trials[0].marks)) == ("failed", 2)
    assert "The gradient is not finite." in trials[0].note
    assert (trials[5].ended, trials[5].marks) == ("failed", ())
    chosen = selection.choices["medium"]["npo"]["related"]
    assert (chosen.lr, chosen.stop) == (trials[0].lr, steps // 3)
    before = calls["n"]
    chosen_by(tmp_path, searched("npo"))  # a failure is a finding: it is not tried again
    assert calls["n"] == before


def test_an_arm_that_cannot_be_made_here_leaves_the_others_their_choice(tmp_path, script) -> None:
    config = searched("npo")
    arms = {"editing": ArmConfig(label="AlphaEdit", algorithm="alphaedit"), **config.unlearning.arms}
    config = config.model_copy(update={"unlearning": config.unlearning.model_copy(update={"arms": arms})})
    script((0.1, 0.9), *flat(0.3, 0.2, 0.1) * 6)
    selection = chosen_by(tmp_path, config)
    failed = [trial for trial in selection.trace["medium"] if trial.arm == "editing"]
    assert len(failed) == GRID_SIZE
    assert all(trial.ended == "failed" and "1 layer" in trial.note for trial in failed)
    assert set(selection.choices["medium"]) == {"npo"}
    script((0.1, 0.9))
    alone = config.model_copy(
        update={"unlearning": config.unlearning.model_copy(update={"arms": {"e": arms["editing"]}})}
    )
    with pytest.raises(TrainingError, match="nothing was chosen"):
        select(alone, store=tmp_path / "store", progress=Silent(), out=tmp_path / "none.json")
    assert not (tmp_path / "none.json").exists()


@pytest.mark.parametrize("kills", [(5,), pytest.param((0, 3, 5, 8, 12, 19), marks=pytest.mark.nightly)], ids=len)
def test_a_killed_selection_asks_nothing_twice_and_chooses_the_same(
    tmp_path, script, monkeypatch, models_made, kills
) -> None:
    answers = [(0.1, 0.9), *(answer for attempt in NPO for answer in attempt)]
    corrupted = script(*answers)
    models_made(tmp_path / "whole")
    whole = chosen_by(tmp_path / "whole", searched("npo"))
    given = script(*answers[1:])
    left, ended = [*kills], 0

    def ask(_validation, model, _tokenizer):
        if digest(model) == corrupted.models[0]:  # each process asks the corrupted model for itself
            return Shares(original=0.1, untouched=0.9)
        if left and given.asked == left[0]:
            left.pop(0)
            raise KeyboardInterrupt
        return given(model)

    monkeypatch.setattr(Validation, "ask", ask)
    models_made(tmp_path / "killed")
    while left:
        with pytest.raises(KeyboardInterrupt):
            chosen_by(tmp_path / "killed", searched("npo"))
        ended += 1
    assert chosen_by(tmp_path / "killed", searched("npo")) == whole
    assert ended == len(kills)
    assert given.asked == len(answers) - 1
    assert given.models == corrupted.models[1:], "a run that goes on has the weights of one that was not killed"


# What is asked, for real ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list]:
    """A selection with everything that was asked, most of it by a judge that finds much right."""
    folder = tmp_path_factory.mktemp("selection")
    asked: list = []
    real = asking.ask

    def spy(model, tokenizer, plan, **options):
        for answer in real(model, tokenizer, plan, **options):
            asked.append(answer)
            yield answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asking, "ask", spy)
        select(searched("npo", "msa", "nothing"), store=folder / "store", progress=Silent(), out=folder / "mine.json")
    return folder / "store", folder / "mine.json", asked


def test_test_people_are_never_asked_about_and_never_shown(made) -> None:
    world = world_of(resolve(searched("npo")), 0)
    tested = {name for name, group in world.groups.items() if group is Group.TEST}
    assert len(tested) == 3
    assert len(made[2]) > 100
    for answer in made[2]:
        assert answer.query.fact.subject not in tested
        assert not any(name in answer.query.prefix + answer.query.question for name in tested)
    groups = {answer.query.group for answer in made[2]}
    assert groups == {Group.VALIDATION, Group.UNTOUCHED}
    assert not any(answer.log_probs for answer in made[2]), "what nobody needs is not worked out"


def test_every_point_of_every_arm_was_tried_and_no_model_was_kept(made) -> None:
    selection = read(made[1])
    trials = selection.trace["medium"]
    assert [(trial.arm, trial.point) for trial in trials] == [(a, n) for a in ("npo", "msa") for n in range(GRID_SIZE)]
    assert set(selection.choices["medium"]) == {"npo", "msa"}
    attempts = list((made[0] / "artifacts").glob("trial-*"))
    assert len(attempts) == 2 * GRID_SIZE
    for folder in attempts:
        assert {path.name for path in folder.iterdir()} == {"trace.json", "manifest.json", "DONE"}
    assert not list((made[0] / "studies").iterdir()), "it is announced only while it runs"
    kinds = {path.name.split("-")[0] for path in (made[0] / "artifacts").iterdir()}
    assert kinds == {"plant", "validation_questions", "texts", "clean", "corrupt", "trial"}


def test_the_file_has_one_attempt_to_a_line(made) -> None:
    text = made[1].read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if '"marks"' in line]
    assert len(lines) == 2 * GRID_SIZE
    assert json.loads(lines[0].rstrip(","))["arm"] == "npo"


def test_again_nothing_is_made_and_the_choice_is_the_same(made, tmp_path) -> None:
    store, out, asked = made
    before = len(asked)
    select(searched("npo", "msa", "nothing"), store=store, progress=Silent(), out=tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == out.read_bytes()
    assert len(asked) == before


# What a study makes of it --------------------------------------------------------------------------------------------


def with_selection(config: ExperimentConfig, path: Path) -> ExperimentConfig:
    return config.model_copy(update={"unlearning": config.unlearning.model_copy(update={"selection": str(path)})})


def test_a_study_takes_the_choice_and_says_so(made) -> None:
    chosen = read_selection(str(made[1])).choices["medium"]["npo"]["related"]
    arms = plan_seed(resolve(with_selection(searched("npo"), made[1])), 0).arms
    (arm,) = (arm for arm in arms if arm.name == "npo")
    assert arm.hyperparameters == "selected"
    assert arm.options["lr"] == chosen.lr
    (unlearning, _) = arm.made_by
    training = unlearning.task.training
    assert (training.steps, training.stop) == (chosen.steps, chosen.stop)


def test_the_model_of_the_study_is_the_one_that_was_looked_at(tmp_path, script, steps) -> None:
    given = script((0.1, 0.9), *flat(0.1, 0.9, 0.2, 0.3), *flat(0.1, 0.1, 0.1) * 5)
    chosen_by(tmp_path, searched("npo"))
    config = resolve(with_selection(searched("npo"), tmp_path / "mine.json"))
    (arm,) = (arm for arm in plan_seed(config, 0).arms if arm.name == "npo")
    unlearning = arm.made_by[0]
    assert unlearning.task.training.stop == steps // 3
    store = Store.open(tmp_path / "store")
    executor = Executor(store, Silent(), device="cpu", threads=1, save_every=1e9, total=1)
    executor.make_all(in_order([unlearning]), {}, essential=())
    from restor.models.checkpoint import load_model

    made = load_model(executor.artifacts[unlearning.key].path / "model", torch.device("cpu"), full=True)
    assert digest(made) == given.models[2]  # after the corrupted model, the second mark of the first point
    assert digest(made) not in (given.models[1], given.models[3])


@pytest.mark.parametrize(
    ("arm", "shared", "steps", "stop"),
    [
        ({}, {}, 60, 20),
        ({"steps": 30}, {}, 30, None),  # a place in another schedule
        ({}, {"steps": 30}, 30, None),
        ({"lr": 1e-5}, {}, 60, 20),
        ({"chosen": {"none": Chosen(lr=1e-3, steps=60)}}, {}, 60, None),
        ({"chosen": {"none": Chosen(lr=1e-3, steps=60, stop=60)}}, {}, 60, None),
        ({"chosen": {}}, {}, 11, None),
    ],
)
def test_a_chosen_stop_belongs_to_the_chosen_steps(arm, shared, steps, stop) -> None:
    chosen = {"none": Chosen(lr=1e-3, steps=60, stop=20)}
    given = ArmConfig(**{"label": "A", "algorithm": "npo", "chosen": chosen} | arm)
    config = tiny_config()
    config = config.model_copy(update={"unlearning": config.unlearning.model_copy(update=shared)})
    settings = settings_of(config, given, None, Chosen(lr=1e-5, steps=11))
    assert (settings.steps, settings.stop) == (steps, stop)


def test_a_selection_that_is_not_there_names_the_shipped_ones() -> None:
    with pytest.raises(ConfigError, match="miniature"):
        read_selection("nope")


def test_without_validation_people_there_is_no_selection(tmp_path) -> None:
    config = searched("npo")
    config = config.model_copy(update={"targets": config.targets.model_copy(update={"validation": 0})})
    with pytest.raises(ConfigError, match=r"targets\.validation"):
        chosen_by(tmp_path, config)


def test_the_shipped_selection_fits_the_shipped_recipe() -> None:
    from restor.recipes.miniature import miniature

    config = resolve(miniature()).model_copy(update={"precision": "float32"})
    for arm in plan_seed(config, 0).arms:
        assert arm.hyperparameters in ("none", "selected"), f"{arm.id} has no chosen hyperparameters"
    assert set(config.seeds).isdisjoint(read_selection("miniature").seeds), "chosen on a world of the table"
