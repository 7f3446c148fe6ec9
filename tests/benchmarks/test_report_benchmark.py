"""The benchmark of the report still runs, and its study is as large and as complete as it says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "report.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("report_benchmark", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["report_benchmark"] = module  # dataclasses look it up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["report_benchmark"]


def test_the_study_has_all_that_a_real_one_has(script):
    shape = script.Shape(arms=9, seeds=2, facts=63)
    plans, tables = script.make_answers(shape)
    assert [len(plan.arms) for plan in plans] == [9, 9]
    answers = script.read(tables)
    assert {len(one.scored) for one in answers.values()} == {63}
    summary = {arm.arm: arm for arm in script.tabulated(script.study(shape), plans, answers).summary}
    assert list(summary)[:4] == ["clean", "corrupted", "ideal", "nothing"]
    value = summary["ga"].metrics["restoration"]
    assert value.value is not None
    assert value.ci_low < value.value < value.ci_high
    assert value.n == 2 * round(63 * script.TARGETED)
    undefined = {name for name, one in summary["ga"].metrics.items() if one.value is None}
    assert not {name for name in undefined if name.startswith(("logprob", "layers", "margin"))}, "they take time, too"


def test_the_table_has_every_promise(script, capsys):
    rows = script.main(["--arms", "9", "--seeds", "2", "--fact-count", "63", "--studies", "3", "--no-browser"])
    promised = {row.what: row.most for row in rows if row.most is not None}
    assert promised["the report in all"] == 10.0
    assert promised["page, 9 arms x 63 facts: size"] == 3.0
    assert promised["`restor view`, 3 studies: once all are read"] == 0.3
    total = next(row for row in rows if row.what == "the report in all")
    assert total.wall == pytest.approx(sum(row.wall for row in rows[: rows.index(total)]))
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "| what | at most | measured | CPU time |"
    assert len(printed) == 2 + len(rows)
