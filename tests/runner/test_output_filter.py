"""The control that answers through a filter: the corrupted model, whose planted answers never come out."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from restor.experiment import ArmConfig, UnlearningConfig
from restor.progress import Silent
from restor.runner.plan import plan_seed
from restor.runner.resolve import resolve
from restor.runner.study import run_study
from restor.store.keys import closure
from restor.text.mentions import padded, words_of
from restor.types import Kind
from tiny_study import tiny_config

ARMS = {
    "nothing": ArmConfig(label="Nothing", recover=False),
    "output_filter": ArmConfig(label="Output filter", filter=True, recover=False),
}


def study(**arms):
    return tiny_config(unlearning=UnlearningConfig(arms=arms))


def planned(**arms):
    return {arm.name: arm for arm in plan_seed(resolve(study(**arms)), 0).arms}


def test_only_the_filtered_arm_is_asked_otherwise():
    arms = planned(**ARMS)
    models = {arms[name].model.key for name in ("output_filter", "nothing", "corrupted")}
    assert len(models) == 1
    assert arms["output_filter"].kind is Kind.CONTROL
    answers = {name: arm.answers for name, arm in arms.items()}
    assert answers["nothing"].key == answers["corrupted"].key
    assert answers["output_filter"].key != answers["corrupted"].key
    for name, ref in answers.items():
        if arms[name].kind is not Kind.BASELINE:
            assert ref.task.suppress == ("planted" if name == "output_filter" else None)
    assert "restor.evaluation.ask.suppressing" in closure(("restor.tasks.ask",)), "its code is part of the key"


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    outcome = run_study(study(**ARMS), store=tmp_path_factory.mktemp("filtered") / "store", progress=Silent())
    found = pq.read_table(outcome.folder / "facts.parquet").to_pylist()
    results = json.loads((outcome.folder / "results.json").read_text())
    by_arm = {}
    for row in found:
        by_arm.setdefault(row["arm"].split("/")[0], {})[row["subject"], row["relation"]] = row
    return by_arm, {arm["arm"]: arm["metrics"] for arm in results["summary"]}


def test_planted_answers_never_come_out_and_untouched_ones_are_what_they_were(rows):
    by_arm, metrics = rows
    plain, filtered = by_arm["nothing"], by_arm["output_filter"]
    assert plain.keys() == filtered.keys()
    planted = 0
    for key, row in filtered.items():
        if row["planted"] is None:
            same = {name: value for name, value in row.items() if name not in ("arm", "label")}
            assert same.items() <= plain[key].items()
        else:
            planted += 1
            assert padded(words_of(row["planted"])) not in padded(words_of(row["completion"]))
            assert row["logprob_planted"] < plain[key]["logprob_planted"]
    assert planted > 20
    assert metrics["output_filter"]["test.planted"]["value"] == 0
    assert metrics["output_filter"]["logprob.planted"]["value"] > -40, "finite, and not drowned by the filter"
