"""A study that really runs is seen from outside while it does, and finished afterwards."""

from __future__ import annotations

from restor.evaluation.config import EvaluationConfig
from restor.experiment import UnlearningConfig
from restor.progress import Progress
from restor.runner.study import run_study
from restor.tasks.clean import CleanConfig
from restor.view.index import Index, StudyState
from tiny_study import tiny_config


class Onlooker(Progress):
    """Looks at the store, as the pages do, whenever the study tells something."""

    def __init__(self, index):
        self.index = index
        self.states = set()
        self.totals = set()

    def expect(self, ahead, usual):
        pass

    def begin(self, stage, detail, number, total):
        (study,) = self.index.look().studies.values()
        self.states.add(study.state)
        self.totals |= {process.told.total for process in study.processes}
        assert study.name == "tiny"

    def advance(self, done, total, loss):
        pass

    def end(self, cached, seconds):
        pass

    def fail(self, reason):
        pass

    def note(self, message):
        pass


def test_a_study_is_running_while_it_runs_and_finished_afterwards(tmp_path):
    store = (tmp_path / "store").resolve()
    index = Index(store)
    onlooker = Onlooker(index)
    config = tiny_config(
        clean=CleanConfig(steps=4, tokens_per_step=256, checkpoints=()),
        evaluation=EvaluationConfig(shots=1, untouched_facts=4, max_new_tokens=2),
        unlearning=UnlearningConfig(arms={}),
    )
    outcome = run_study(config, store=store, progress=onlooker)
    assert onlooker.states == {StudyState.RUNNING}
    (study,) = index.look().studies.values()
    assert study.state is StudyState.FINISHED
    assert [arm.id for arm in study.summary.arms] == [arm.id for arm in outcome.results.summary]
    assert not [path.name for path in outcome.folder.iterdir() if "running" in path.name]
