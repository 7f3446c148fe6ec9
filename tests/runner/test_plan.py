"""The graph of tasks: what is shared, and what is made again when something changes."""

from __future__ import annotations

from collections import Counter

import pytest

from restor.api import build_config
from restor.domains.miniature import MiniatureConfig
from restor.errors import ConfigError
from restor.evaluation.ask.baselines import BASELINES
from restor.evaluation.config import EvaluationConfig
from restor.experiment import ArmConfig, ExperimentConfig, RecoveryConfig, UnlearningConfig
from restor.runner.plan import check_arms, plan_seed
from restor.runner.resolve import resolve
from restor.runner.select import _grid, _search
from restor.runner.study import _made_for
from restor.tasks.plant import TargetsConfig
from restor.types import Budget, Kind

ARMS = {
    "nothing": ArmConfig(label="Nothing", recover=False),
    "recovery_only": ArmConfig(label="Recovery only"),
    "retain_only": ArmConfig(label="Retain only", algorithm="retain_only"),
    "random_forget": ArmConfig(label="Random forget", algorithm="npo", forget="random"),
    "npo": ArmConfig(label="NPO", algorithm="npo"),
    "npo_bare": ArmConfig(label="NPO without retain text", algorithm="npo", options={"retain_weight": 0.0}),
    "task_vector": ArmConfig(label="Task vector", algorithm="task_vector"),
    "msa": ArmConfig(label="MSA", algorithm="msa"),
}
RETAIN_FREE = {"npo_bare", "task_vector", "msa"}


def study(**changes):
    base = {
        "domain": MiniatureConfig(people=40, values=8),
        "targets": TargetsConfig(validation=3, test=4),
        "unlearning": UnlearningConfig(arms=ARMS),
        "precision": "float32",
    }
    return resolve(ExperimentConfig(**(base | changes)))


def keys(config, seed=0):
    """Keys of every arm's model and answers, and of what it took to get there, by kind of work."""
    keys_of_arms = {}
    for arm in plan_seed(config, seed).arms:
        for ref in filter(None, (arm.model, *arm.made_by)):
            keys_of_arms[arm.id, ref.kind] = ref.key
        keys_of_arms[arm.id, "ask"] = arm.answers.key
    return keys_of_arms


def changed(one, other):
    assert one.keys() == other.keys()
    return {where for where in one if one[where] != other[where]}


def with_arm(name, **changes):
    arms = {key: arm.model_copy(update=changes) if key == name else arm for key, arm in ARMS.items()}
    return study(unlearning=UnlearningConfig(arms=arms))


def test_one_clean_one_corrupt_one_ideal_model_per_seed():
    for seed in (0, 1):
        counts = Counter(task.kind for task in plan_seed(study(), seed).tasks())
        assert (counts["clean"], counts["corrupt"], counts["ideal"]) == (1, 1, 1)


def test_every_task_is_told_for_the_arm_that_it_is_made_for():
    """What several arms share is the first one's: references come first."""
    plan = plan_seed(study(), 0)
    told = _made_for([plan])
    assert set(told) == {task.key for task in plan.tasks()}
    for arm in plan.arms:
        if arm.kind is Kind.REFERENCE and arm.model is not None:
            assert told[arm.model.key] == arm.id
    arm = next(arm for arm in plan.arms if arm.name == "npo")
    assert {told[ref.key] for ref in arm.made_by} == {told[arm.verdicts.key]} == {arm.id}


def test_seeds_share_no_task():
    config = study()
    assert not set(keys(config, 0).values()) & set(keys(config, 1).values())


def test_every_arm_stands_on_the_same_models():
    plan = plan_seed(study(), 0)
    named = {arm.name: arm for arm in plan.arms}
    for arm in plan.arms:
        model = arm.model
        if arm.kind is Kind.BASELINE:
            assert model is None
            continue
        while model.kind == "recover":
            model = model.task.model
        if model.kind == "unlearn":
            assert model.task.corrupted.key == named["corrupted"].model.key
            assert model.task.clean.key == named["clean"].model.key
        elif arm.kind is not Kind.REFERENCE:
            assert model.key == named["corrupted"].model.key


def test_the_ideal_is_matched():
    """The same start, settings and data as the corruption; only the kind of work differs."""
    named = {arm.name: arm.model.task for arm in plan_seed(study(), 0).arms if arm.model is not None}
    assert named["ideal"].artifact.settings == named["corrupted"].artifact.settings
    assert named["ideal"].artifact.inputs == named["corrupted"].artifact.inputs
    assert named["ideal"].key != named["corrupted"].key


def test_parents_come_before_children_and_every_task_once():
    tasks = plan_seed(study(), 0).tasks()
    place = {task.key: number for number, task in enumerate(tasks)}
    assert len(place) == len(tasks)
    for task in tasks:
        assert all(place[parent.key] < place[task.key] for parent in task.parents.values())


def test_a_model_that_two_arms_share_is_asked_once():
    named = {arm.name: arm for arm in plan_seed(study(), 0).arms}
    assert named["nothing"].verdicts.key == named["corrupted"].verdicts.key
    same = study(unlearning=UnlearningConfig(arms={"a": ARMS["npo_bare"], "b": ARMS["npo_bare"]}))
    one, other = (arm for arm in plan_seed(same, 0).arms if arm.name in "ab")
    assert one.verdicts.key == other.verdicts.key
    assert one.id != other.id


def test_arms_that_read_no_retain_text_appear_once_and_the_others_once_per_kind():
    found = Counter(arm.name for arm in plan_seed(study(), 0).arms)
    twice = {"retain_only", "random_forget", "npo"}
    assert {name for name, count in found.items() if count == 2} == twice
    assert all(found[name] == 1 for name in (*RETAIN_FREE, "nothing", "recovery_only", "clean", "ideal"))
    arms = plan_seed(study(), 0).arms
    assert {arm.retain for arm in arms if arm.name in twice} == {"unrelated", "related"}
    assert {arm.retain for arm in arms if arm.name not in twice} == {None}
    assert len({arm.id for arm in arms}) == len(arms)
    assert Counter(arm.name for arm in plan_seed(study(retain=("related",)), 0).arms)["npo"] == 1


def test_changing_one_arms_learning_rate_changes_only_its_own_tasks():
    moved = changed(keys(study()), keys(with_arm("npo", lr=7e-5)))
    arms = {"npo/unrelated/s0", "npo/related/s0"}
    assert moved == {(arm, kind) for arm in arms for kind in ("unlearn", "recover", "ask")}


def test_changing_one_arms_options_or_steps_changes_only_its_own_tasks():
    for change in ({"options": {"beta": 0.7}}, {"steps": 3}):
        assert {arm.split("/")[0] for arm, _ in changed(keys(study()), keys(with_arm("npo", **change)))} == {"npo"}


def test_labels_and_other_arms_change_no_key():
    assert not changed(keys(study()), keys(with_arm("npo", label="Another name")))
    few = keys(study(unlearning=UnlearningConfig(arms={"npo": ARMS["npo"]})))
    assert few.items() <= keys(study()).items()


@pytest.mark.parametrize(
    "setting",
    [
        {"max_new_tokens": 3},
        {"random_options": 2},
        {"candidates": 5},
        {"untouched_facts": 9},
        {"shots": 2},
    ],
    ids=str,
)
def test_changing_how_models_are_asked_trains_nothing_again(setting):
    before = keys(study())
    moved = changed(before, keys(study(evaluation=EvaluationConfig(**setting))))
    assert moved == {where for where in before if where[1] == "ask"}


def test_the_recovery_changes_what_recovers_and_nothing_else():
    before = keys(study())
    moved = changed(before, keys(study(recovery=RecoveryConfig(steps=3))))
    assert {kind for _, kind in moved} == {"recover", "ask"}
    assert {arm for arm, _ in moved} == {arm for arm, kind in before if kind == "recover"}
    without = plan_seed(study(recovery=None), 0)
    assert not any(arm.recovered for arm in without.arms)
    assert not [task for task in without.tasks() if task.kind == "recover"]


def test_the_corruption_changes_everything_but_the_clean_model():
    before = keys(study())
    corruption = study().corruption
    moved = changed(before, keys(study(corruption=corruption.model_copy(update={"lr": 0.123}))))
    assert moved == {where for where in before if where[0].split("/")[0] not in ("clean", *BASELINES)}


def test_a_named_strength_and_its_learning_rate_are_the_same_study():
    config = study()
    given = config.corruption.model_copy(update={"strength": "strong", "lr": config.corruption.lr})
    assert keys(study(corruption=given)) == keys(config)


@pytest.mark.parametrize("change", [{"threads": 7}, {"name": "another"}, {"seeds": (0, 3, 5)}], ids=str)
def test_threads_name_and_other_seeds_never_change_a_key(change):
    assert keys(study(**change)) == keys(study())


def test_what_is_true_changes_every_key():
    before = keys(study())
    assert changed(before, keys(study(domain=MiniatureConfig(people=41, values=8)))) == set(before)
    assert changed(before, keys(study(domain=MiniatureConfig(people=40, values=8, seed=5)))) == set(before)
    # The seed of the study, said aloud, is no change.
    assert keys(study(domain=MiniatureConfig(people=40, values=8, seed=0))) == before


def test_controls_and_methods_are_told_apart_by_what_they_forget():
    kinds = {arm.name: arm.kind for arm in plan_seed(study(), 0).arms}
    references = {name for name, kind in kinds.items() if kind is Kind.REFERENCE}
    controls = {name for name, kind in kinds.items() if kind is Kind.CONTROL}
    assert references == {"clean", "corrupted", "ideal"}
    assert controls == {"nothing", "recovery_only", "retain_only", "random_forget"}


def test_the_budget_says_what_was_read_not_what_could_be():
    budgets = {arm.name: set(arm.budget) for arm in plan_seed(study(), 0).arms}
    assert budgets["npo"] >= {Budget.FORGET, Budget.RETAIN}
    assert budgets["npo_bare"] == budgets["npo"] - {Budget.RETAIN}
    assert Budget.FORGET not in budgets["random_forget"] | budgets["retain_only"]
    assert Budget.CHECKPOINT in budgets["msa"]
    assert budgets["nothing"] == budgets["clean"] == set()


def test_the_cost_of_an_arm_is_that_of_its_own_tasks():
    made = {arm.id: [ref.kind for ref in arm.made_by] for arm in plan_seed(study(), 0).arms}
    assert made["npo/related/s0"] == ["unlearn", "recover"]
    assert made["recovery_only/s0"] == ["recover"]
    assert made["nothing/s0"] == []
    assert made["ideal/s0"] == ["ideal"]


def test_the_settings_in_the_table_are_those_of_the_task():
    for arm in plan_seed(with_arm("npo", lr=7e-5, steps=5, options={"beta": 0.7}), 0).arms:
        for ref in arm.made_by:
            if ref.kind == "unlearn":
                task = ref.task
                shown = {"lr": task.training.lr, "steps": task.training.steps}
                shown |= task.algorithm.model_dump(mode="json", include=set(arm.options) - {"lr", "steps"})
                assert dict(arm.options) == shown
                assert arm.hyperparameters == ("given" if arm.name == "npo" else "default")


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        (ArmConfig(label="A", algorithm="npoo"), ["mine", "npoo", "npo"]),
        (ArmConfig(label="A", algorithm="npo", options={"betta": 1}), ["'mine'", "betta", "beta"]),
        (ArmConfig(label="A", algorithm="npo", options={"beta": -1}), ["'mine'", "beta", "greater than 0"]),
    ],
)
def test_an_unknown_algorithm_or_option_names_the_arm(arm, words):
    config = study(unlearning=UnlearningConfig(arms={"mine": arm}))
    for refuse in (check_arms, lambda config: plan_seed(config, 0)):
        with pytest.raises(ConfigError) as caught:
            refuse(config)
        assert all(word in str(caught.value) for word in words)


def test_settings_for_a_model_of_two_layers_are_not_put_on_a_large_one():
    """A recipe that starts from a checkpoint takes the papers' settings; one that trains a small model its own."""
    wanted = ["memit", "npo_tar"]
    large = build_config("published_wikidata", algorithms=wanted).unlearning.arms
    small = build_config("miniature", algorithms=wanted).unlearning.arms
    assert large["memit"].options == {}
    assert large["npo_tar"].wrapper_options == {}
    assert small["memit"].options["fact_token"] == "last"
    assert small["npo_tar"].wrapper_options["steps"] == 4


def test_a_trial_counts_the_code_of_a_judge_of_the_users_own(tmp_path):
    file = tmp_path / "judge.py"
    file.write_text(
        "from restor.evaluation.judges.base import Judge, JudgeConfig\n"
        "class MineConfig(JudgeConfig):\n"
        "    pass\n"
        "class Mine(Judge):\n"
        "    config_type = MineConfig\n"
        "    info = None\n"
        "    def __init__(self, config): pass\n"
        "    def judge(self, completions): return []\n"
        "    @property\n"
        "    def usage(self): return {}\n"
    )
    config = study(evaluation=EvaluationConfig(judge={"name": f"{file}:Mine"}))
    search = _search(config, "medium")
    (trial, *_) = _grid(search, 0).items
    assert trial.trace.task.own_files == (file,)
    key = trial.trace.key
    file.write_text(file.read_text().replace("return []", "return [1]"))
    (trial, *_) = _grid(_search(config, "medium"), 0).items
    assert trial.trace.key != key
